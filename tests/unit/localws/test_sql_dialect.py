"""The statements of ``dialect.sql`` on a real engine, and the page that says what works."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brickloop.localws.engine import Engine
from brickloop.localws.layout import StoreLayout
from brickloop.localws.sql_session import SqlSession
from brickloop.localws.statement_error import StatementError

from .dialect import HERE, PAGE, Case, read_battery, render

CASES = read_battery((HERE / "dialect.sql").read_text("utf-8"))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlSession]:
    """A session on a workspace with a few files."""
    layout = StoreLayout(tmp_path_factory.mktemp("dialect") / "store")
    layout.make()
    files = layout.volumes / "main" / "default" / "files"
    _write(files / "orders" / "one.csv", "id,city\n1,Rome\n2,Oslo\n")
    _write(files / "orders" / "two.csv", "id,city\n3,Bern\n")
    _write(files / "j.json", '{"n": 1}\n{"n": 2}\n')
    engine = Engine(layout)
    opened = SqlSession.open(layout, engine.start(), user="me@here.test")
    yield opened
    opened.close()
    engine.stop()


def test_each_statement_is_answered_as_the_battery_says(session: SqlSession) -> None:
    wrong = [found for case in CASES if (found := _problem(session, case))]
    assert not wrong, "\n".join(wrong)


def test_the_page_says_what_the_battery_holds() -> None:
    assert PAGE.read_text("utf-8") == render(CASES), "run: python tests/unit/localws/dialect.py"


def test_nine_in_ten_are_answered_as_by_databricks() -> None:
    assert len(CASES) >= 145
    same = [case for case in CASES if case.kind not in {"UNSUPPORTED", "differs"}]
    assert len(same) >= 0.9 * len(CASES)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _problem(session: SqlSession, case: Case) -> str:
    """What is wrong with the answer to a statement, empty where nothing is."""
    found = _answer(session, case)
    if found == "" or case.kind == "differs":
        return ""
    return f"dialect.sql:{case.line}: {case.statement[:90]}\n    {found}"


def _answer(session: SqlSession, case: Case) -> str:
    try:
        result = session.execute(case.statement)
        table = result.table()
    except StatementError as error:
        return _failure(case, error)
    if case.kind in {"error", "UNSUPPORTED"}:
        return f"no error, but rows: {table.num_rows}"
    if case.kind == "done":
        return "" if not table.num_columns else f"columns: {table.column_names}"
    if case.kind == "changed":
        wanted = int(case.expected.split()[0])
        return "" if result.affected_rows == wanted else f"changed {result.affected_rows}"
    columns, _, number = case.expected.partition(" / ")
    shown = ", ".join(
        f"{name} {_type(kind)}" for name, kind in zip(table.column_names, result.types, strict=True)
    )
    if shown != columns:
        return f"columns: {shown}"
    if number:
        return "" if table.num_rows == int(number.split()[0]) else f"{table.num_rows} rows"
    columns_of_values = [column.to_pylist() for column in table.columns]
    rows = [[_plain(value) for value in row] for row in zip(*columns_of_values, strict=True)]
    return "" if rows == case.rows else "\n    ".join(["rows:", *map(json.dumps, rows)])


def _failure(case: Case, error: StatementError) -> str:
    if case.kind == "differs":
        return ""
    if case.kind == "UNSUPPORTED":
        feature = case.expected.split(" ", 1)[1]
        if error.sqlstate == "0A000" and feature in error.message:
            return ""
    if case.kind == "error":
        _, condition, sqlstate = case.expected.split()
        known = (condition, sqlstate) == (error.condition, error.sqlstate)
        if known and f"[{condition}]" in error.message and f"SQLSTATE: {sqlstate}" in error.message:
            return ""
    return f"{error.condition} {error.sqlstate}: {error.message[:300]}"


def _type(kind: str) -> str:
    """Types inside a struct come in lower case, its names as they are."""
    parts = kind.replace("<", " < ").replace(">", " > ").replace(",", " , ").replace(":", " : ")
    words = parts.split(" ")
    for index, word in enumerate(words):
        is_name = index + 2 < len(words) and words[index + 1 : index + 2] == [":"]
        words[index] = word if is_name else word.upper()
    return "".join(words) if "<" in kind else kind


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, decimal.Decimal | dt.date | dt.datetime):
        return str(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value
