"""The battery of statements in ``dialect.sql``, and the page of the documentation made from it.

``python tests/unit/localws/dialect.py`` writes ``docs/sql-dialect.md`` anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parents[2] / "docs" / "sql-dialect.md"
_INTRODUCTION = """\
# SQL in the local workspace

<!-- made from tests/unit/localws/dialect.sql by dialect.py beside it: do not edit -->

The local workspace takes SQL as Databricks users write it: in `invoke query`, in `%sql` cells, in
`spark.sql` and through every SQL client. What its engine lacks is rewritten where that gives the
same answer; tables are looked after by delta-rs; the catalog is on disk, so what a notebook makes
is there in SQL, and after a restart. Anything else is an error `[UNSUPPORTED_FEATURE]` (SQLSTATE
0A000) that names the feature: run that statement on a SQL warehouse.

The statements below are run by a test. {same} of {count} ({share:.0f} %) are answered as Databricks
answers them, errors included; {refused} are refused by name; {other} are answered otherwise, which
is said here.

"""
_KNOWN = """\
## Known differences

- Where a statement computes whole numbers and casts to the same type too, a number that is too
  large is told as CAST_OVERFLOW, be it the arithmetic's (SQLSTATE 22003 either way).
- Inside an object, `from_json` keeps what is right of an array or a map with one bad value, where
  Databricks gives NULL for it. `format_string` rounds halves by their exact value: `%.2f` of 1.005
  is 1.00, not 1.01. `0.0` and `-0.0` are two groups.
- NATURAL JOIN over a map column is not refused, `date_add` takes a BIGINT, and `log(10, x)` beside
  `log10` in one statement may differ from it in the last digit.
- A column of one side of an outer join with USING, and `a.*` beside USING, are refused.
- Locations are paths of this machine. Grants, tags and row filters are not there: one user, who
  may do everything. `CLUSTER BY`, `CACHE` and `ANALYZE` are taken and change nothing.
- A function's body and a view's query are checked when they are made, and keep the tables that
  they named then.
"""


@dataclass
class Case:
    """A statement with what is expected of it."""

    group: str
    statement: str
    line: int
    expected: str = ""
    """What stands after ``--:``."""
    rows: list[Any] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """``done``, ``changed``, ``error``, ``UNSUPPORTED``, ``differs`` or ``rows``."""
        word = self.expected.split(" ", 1)[0].rstrip(":")
        if word in {"done", "error", "UNSUPPORTED", "differs"}:
            return word
        return "changed" if self.expected.endswith(" changed") else "rows"


def read_battery(text: str) -> list[Case]:
    """The statements in order."""
    cases: list[Case] = []
    group, statement, begin = "", [], 0
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("# "):
            group = line[2:].strip()
        elif line.startswith("--: "):
            cases.append(Case(group, "\n".join(statement), begin, line[4:].strip()))
            statement = []
        elif line.startswith("--") or not line.strip():
            continue
        elif cases and not statement and line.startswith("[") and _follows(text, number):
            cases[-1].rows.append(json.loads(line))
        else:
            begin = begin if statement else number
            statement.append(line)
    return cases


def render(cases: list[Case]) -> str:
    """The page of the documentation."""
    refused = sum(case.kind == "UNSUPPORTED" for case in cases)
    other = sum(case.kind == "differs" for case in cases)
    same = len(cases) - refused - other
    page = _INTRODUCTION.format(
        same=same, count=len(cases), share=100 * same / len(cases), refused=refused, other=other
    )
    for group in dict.fromkeys(case.group for case in cases):
        inside = [case for case in cases if case.group == group]
        page += f"## {group}\n\n| statement | local workspace |\n|---|---|\n"
        page += "".join(f"| {_code(case.statement)} | {_answer(case)} |\n" for case in inside)
        page += "\n"
    return page + _KNOWN


def _follows(text: str, number: int) -> bool:
    """Whether the lines before belong to a result."""
    for line in reversed(text.splitlines()[: number - 1]):
        if line.startswith("--: "):
            return True
        if not line.startswith("["):
            return False
    return False


def _code(statement: str) -> str:
    shown = " ".join(statement.split()).replace("|", "\\|")
    return f"`` {shown} ``" if "`" in shown else f"`{shown}`"


def _answer(case: Case) -> str:
    if case.kind == "error":
        return f"as Databricks: `{case.expected.split()[1]}`"
    if case.kind == "UNSUPPORTED":
        return f"refused: {case.expected.split(' ', 1)[1].replace('|', chr(92) + '|')}"
    if case.kind == "differs":
        return f"**differs**: {case.expected.split(': ', 1)[1]}"
    return "as Databricks"


if __name__ == "__main__":
    PAGE.write_text(render(read_battery((HERE / "dialect.sql").read_text("utf-8"))), "utf-8")
