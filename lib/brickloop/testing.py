"""Test your notebooks with pytest: fixtures for a local workspace, and helpers for what comes out.

In ``tests/conftest.py``::

    pytest_plugins = ["brickloop.testing"]

``workspace``, ``run_notebook``, ``run_folder``, ``query`` and ``spark`` all work on one local
workspace that is made for the test session and removed after it: no setting, profile or token of
the machine leads to another one. Needs Linux or macOS, as the local workspace does.
"""

from __future__ import annotations

import datetime
import decimal
import logging
import math
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from brickloop import launcher
from brickloop.config.settings import Settings, load_settings
from brickloop.errors import UsageError

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from pyspark.sql import SparkSession

    from brickloop.flows.connections import ConnectionManager
    from brickloop.flows.job_runner import JobRunner
    from brickloop.localws.engine import Engine
    from brickloop.model.document import Section
    from brickloop.model.job_result import JobResult
    from brickloop.sql.result import QueryResult

__all__ = [
    "LocalWorkspace",
    "assert_table",
    "query",
    "rows",
    "run_folder",
    "run_notebook",
    "section",
    "spark",
    "workspace",
]

_IDLE_SECONDS = 1800
"""After this the server ends by itself, where a killed test session left it."""
_SHOWN_ROWS = 10


class LocalWorkspace:
    """A local workspace of its own: empty at first, in a folder that ``close`` removes.

    The parts are started when they are used. Use it in a ``with``, or as the fixture ``workspace``.
    """

    def __init__(self, project: Path | None = None) -> None:
        """``project`` is where relative paths begin: the working folder, if not given."""
        self.project = (project or Path.cwd()).resolve()
        self._root = Path(tempfile.mkdtemp(prefix="brickloop-test-"))
        # marks the folder as a project: nothing above it is taken for one
        (self._root / "pyproject.toml").touch()
        self._engine: Engine | None = None
        # one that nobody closes is removed when Python ends
        self._removal = weakref.finalize(self, _remove, self._root)

    @cached_property
    def server(self) -> launcher.LocalServer:
        """The server, which answers."""
        return launcher.ensure_started(
            self._root / ".brickloop" / "local", idle_seconds=_IDLE_SECONDS
        )

    @property
    def host(self) -> str:
        """``http://127.0.0.1:port``."""
        return self.server.host

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which any Databricks client, and brickloop, finds this workspace."""
        return {
            "DATABRICKS_HOST": self.server.host,
            "DATABRICKS_TOKEN": self.server.token,
            "DATABRICKS_HTTP_PATH": self.server.http_path,
            "DATABRICKS_CONFIG_FILE": os.devnull,
        }

    @cached_property
    def client(self) -> WorkspaceClient:
        """The SDK's client."""
        from brickloop.clients.workspace import connect

        return connect(self.server.host, token=self.server.token)

    def run_notebook(
        self, path: str | Path, parameters: Mapping[str, Any] | None = None
    ) -> JobResult:
        """What a notebook gave: sent with what it reaches, and run as a job.

        A run that fails is a result: ``success`` False, with ``error`` and ``error_trace``. Raises
        UsageError for what is no notebook.
        """
        from brickloop.flows.job_runner import RunOptions

        options = RunOptions(parameters=parameters, fresh=True)
        return self._runner.run_file(self._path(path), options)

    def run_folder(
        self, folder: str | Path, parameters: Mapping[str, Any] | None = None
    ) -> dict[str, JobResult]:
        """What each notebook of a folder gave, by name, run in the order that `doit` has.

        Raises AssertionError with the trace at the first one that fails.
        """
        from brickloop.flows.project import read_project
        from brickloop.sync.ledger import Ledger

        ledger = Ledger(self._root / ".brickloop" / "ledger.db")
        try:
            notebooks = read_project(self._path(folder), ledger).notebooks
        finally:
            ledger.close()
        found: dict[str, JobResult] = {}
        for notebook in notebooks:
            result = found[notebook.name] = self.run_notebook(notebook.path, parameters)
            if not result.success:
                trace = result.error_trace or result.error or result.message
                raise AssertionError(f"{notebook.relative} failed: {trace}")
        return found

    def query(
        self, statement: str, params: Mapping[str, Any] | Sequence[Any] | None = None
    ) -> QueryResult:
        """What one SQL statement gave, asked of a warehouse; never from a cache.

        ``params`` are bound: a mapping for ``:name``, a sequence for ``?``. Raises StatementFailed.
        """
        return self._connections.execute(statement, params)

    @cached_property
    def spark(self) -> SparkSession:
        """A Spark session in this process, on the same tables as the notebooks."""
        # pyspark takes a main module without a file, as a worker of xdist has it, for a doctest
        vars(sys.modules["__main__"]).setdefault("__file__", "pytest")
        from brickloop.localws.engine import Engine
        from brickloop.localws.layout import StoreLayout
        from brickloop.localws.session import open_session

        layout = StoreLayout(self.server.root)
        self._engine = Engine(layout)
        return open_session(layout, self._engine.start(), user=self._user)

    def close(self) -> None:
        """End all that was started and remove the folder."""
        made = vars(self)
        if "spark" in made:
            self.spark.stop()
            del made["spark"]
        if self._engine is not None:
            self._engine.stop()
        for part in ("_connections", "_runner"):
            if part in made:
                made.pop(part).close()
        self._removal()

    def __enter__(self) -> LocalWorkspace:
        """The workspace itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End all that was started and remove the folder."""
        self.close()

    @property
    def _settings(self) -> Settings:
        # what the machine's environment says of brickloop is not for tests
        return load_settings(self._root, env={}, overrides={"profile": "local"})

    @cached_property
    def _runner(self) -> JobRunner:
        from brickloop.flows.job_runner import JobRunner

        _ = self.server
        return JobRunner(self._settings)

    @cached_property
    def _connections(self) -> ConnectionManager:
        from brickloop.flows.connections import ConnectionManager

        # it tells each request at DEBUG, whatever the level of the loggers above it
        logging.getLogger("databricks.sql.unsafe").setLevel(logging.WARNING)
        _ = self.server
        return ConnectionManager(settings=self._settings)

    @property
    def _user(self) -> str:
        return str(self.client.current_user.me().user_name)

    def _path(self, path: str | Path) -> Path:
        found = self.project / path
        if not found.exists():
            raise UsageError("there is no such file or folder", where=str(found))
        return found


def _remove(root: Path) -> None:
    """End the server of a workspace and remove its folder."""
    launcher.stop(root / ".brickloop" / "local")
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def workspace(pytestconfig: pytest.Config) -> Iterator[LocalWorkspace]:
    """A local workspace of this test session, empty at first."""
    with LocalWorkspace(pytestconfig.rootpath) as found:
        yield found


@pytest.fixture(scope="session")
def run_notebook(workspace: LocalWorkspace) -> Callable[..., JobResult]:
    """``run_notebook("notebooks/clean.py", month="1")``: what a run gave, failed or not."""

    def run(path: str | Path, /, **parameters: Any) -> JobResult:
        return workspace.run_notebook(path, parameters)

    return run


@pytest.fixture(scope="session")
def run_folder(workspace: LocalWorkspace) -> Callable[..., dict[str, JobResult]]:
    """``run_folder("notebooks", schema="test")``: all of them in order; a failure is one here."""

    def run(folder: str | Path, /, **parameters: Any) -> dict[str, JobResult]:
        return workspace.run_folder(folder, parameters)

    return run


@pytest.fixture(scope="session")
def query(workspace: LocalWorkspace) -> Callable[..., QueryResult]:
    """``query("SELECT * FROM t WHERE day = :day", {"day": 1})``: rows that know their names."""
    return workspace.query


@pytest.fixture(scope="session")
def spark(workspace: LocalWorkspace) -> SparkSession:
    """A Spark session in the test's own process, on the tables of ``workspace``."""
    return workspace.spark


def section(result: JobResult, title: str) -> Section:
    """The section of a run's output document that has this title; AssertionError without one."""
    sections = result.document.sections if result.document is not None else ()
    found: list[Section] = [part for part in sections if part.title == title]
    if len(found) != 1:
        titles = ", ".join(repr(part.title) for part in sections) or "none"
        raise AssertionError(f"{len(found)} sections are called {title!r}; there are: {titles}")
    return found[0]


def rows(table: Any) -> list[dict[str, Any]]:
    """The rows of a table as dicts: of a query's result, a Spark, pandas or polars frame, Arrow, a
    section of an output document, a cell's table, or a list of mappings.

    Raises TypeError for anything else.
    """
    if hasattr(table, "collect") and hasattr(table, "schema"):
        return [row.asDict(recursive=True) for row in table.collect()]
    if hasattr(table, "to_dicts"):
        return list(table.to_dicts())
    if hasattr(table, "to_pylist"):
        return list(table.to_pylist())
    if hasattr(table, "to_dict") and hasattr(table, "columns"):
        return list(table.to_dict("records"))
    if hasattr(table, "columns") and hasattr(table, "rows"):
        names = [name for name, _ in table.columns]
        found = table.rows() if callable(table.rows) else table.rows
        return [dict(zip(names, row, strict=True)) for row in found]
    if isinstance(table, Sequence) and all(isinstance(row, Mapping) for row in table):
        return [dict(row) for row in table]
    raise TypeError(f"{type(table).__name__} is no table that can be compared")


def assert_table(
    actual: Any,
    expected: Any,
    *,
    columns: Sequence[str] | None = None,
    ordered: bool = False,
    tolerance: float = 1e-9,
) -> None:
    """Raise AssertionError, with the rows that differ, where two tables are not the same.

    Both may be whatever ``rows`` takes. ``columns`` are those that count; without it all do, in any
    order. Rows may stand in any order unless ``ordered``. Numbers may differ by ``tolerance``,
    relative to their size; NaN and None are the same: missing.
    """
    got, wanted = rows(actual), rows(expected)
    names = list(columns) if columns is not None else _names(wanted) or _names(got)
    _check_names(got, names, exact=columns is None, what="actual")
    _check_names(wanted, names, exact=columns is None, what="expected")
    left = [tuple(_plain(row[name]) for name in names) for row in got]
    right = [tuple(_plain(row[name]) for name in names) for row in wanted]
    if ordered:
        pairs = list(zip(left, right, strict=False))
        wrong = [n for n, (one, two) in enumerate(pairs) if not _same_row(one, two, tolerance)]
        unexpected = [left[n] for n in wrong] + left[len(right) :]
        missing = [right[n] for n in wrong] + right[len(left) :]
    else:
        unexpected, missing = _unmatched(left, right, tolerance)
    if unexpected or missing:
        raise AssertionError(_difference(names, len(left), len(right), unexpected, missing))


def _names(table: list[dict[str, Any]]) -> list[str]:
    return list(table[0]) if table else []


def _check_names(
    table: list[dict[str, Any]], names: Sequence[str], *, exact: bool, what: str
) -> None:
    for row in table:
        lacking = [name for name in names if name not in row]
        more = [name for name in row if name not in names] if exact else []
        if lacking or more:
            raise AssertionError(
                f"the columns differ: the {what} table has {list(row)}, compared are {list(names)}"
            )


def _plain(value: Any) -> Any:
    """The value as the same one comes from elsewhere: numpy's, Decimals and Spark's rows."""
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(inner) for inner in value]
    return value


def _same_row(one: tuple[Any, ...], two: tuple[Any, ...], tolerance: float) -> bool:
    return all(_same(left, right, tolerance) for left, right in zip(one, two, strict=True))


def _same(left: Any, right: Any, tolerance: float) -> bool:
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, int | float) and isinstance(right, int | float):
        return math.isclose(left, right, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(left, datetime.date) and isinstance(right, str):
        left = left.isoformat()
    if isinstance(right, datetime.date) and isinstance(left, str):
        right = right.isoformat()
    return bool(left == right)


def _unmatched(
    left: list[tuple[Any, ...]], right: list[tuple[Any, ...]], tolerance: float
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The rows of each side that the other one has no row for."""
    # equal ones first, by their text: only what is left is compared one by one
    waiting: dict[str, list[tuple[Any, ...]]] = {}
    for row in right:
        waiting.setdefault(repr(row), []).append(row)
    near = []
    for row in left:
        same = waiting.get(repr(row))
        if same:
            same.pop()
        else:
            near.append(row)
    missing = [row for same in waiting.values() for row in same]
    unexpected = []
    for row in near:
        place = next((n for n, one in enumerate(missing) if _same_row(row, one, tolerance)), None)
        if place is None:
            unexpected.append(row)
        else:
            del missing[place]
    return unexpected, missing


def _difference(
    names: Sequence[str],
    got: int,
    wanted: int,
    unexpected: list[tuple[Any, ...]],
    missing: list[tuple[Any, ...]],
) -> str:
    lines = [f"the tables differ: {got} rows, expected {wanted}", f"  columns: {', '.join(names)}"]
    for sign, found in (("-", missing), ("+", unexpected)):
        lines += [f"  {sign} {row}" for row in found[:_SHOWN_ROWS]]
        if len(found) > _SHOWN_ROWS:
            lines.append(f"  {sign} and {len(found) - _SHOWN_ROWS} more")
    return "\n".join([*lines, "  (- expected and missing, + there and not expected)"])
