"""Whether a statement's result may be kept: one read-only statement that answers alike twice.

sqlglot reads the statement in the Databricks dialect. What cannot be judged is not kept.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brickloop.model.query import split_statements
from brickloop.sql.functions import DETERMINISTIC, DETERMINISTIC_PREFIXES

if TYPE_CHECKING:
    from sqlglot import exp

# modelled by sqlglot, and each time another answer
_CHANGING = {
    "CURRENT_DATE": "the clock",
    "CURRENT_DATETIME": "the clock",
    "CURRENT_TIME": "the clock",
    "CURRENT_TIMESTAMP": "the clock",
    "CURRENT_TIMESTAMP_L_T_Z": "the clock",
    "LOCALTIME": "the clock",
    "LOCALTIMESTAMP": "the clock",
    "NOW": "the clock",
    "CURDATE": "the clock",
    "GETDATE": "the clock",
    "UTC_DATE": "the clock",
    "UTC_TIME": "the clock",
    "UTC_TIMESTAMP": "the clock",
    "UNIX_TIMESTAMP": "the clock",
    "RAND": "chance",
    "RANDN": "chance",
    "RANDOM": "chance",
    "RANDSTR": "chance",
    "UNIFORM": "chance",
    "UUID": "chance",
    "SHUFFLE": "chance",
    "CURRENT_USER": "who asks",
    "SESSION_USER": "who asks",
    "USER": "who asks",
    "IS_MEMBER": "who asks",
    "IS_ACCOUNT_GROUP_MEMBER": "who asks",
    "MONOTONICALLY_INCREASING_ID": "where rows lie",
    "SPARK_PARTITION_ID": "where rows lie",
    "INPUT_FILE_NAME": "where rows lie",
}
_OUTSIDE = {
    "READ_FILES": "files",
    "LIST_FILES": "files",
    "READ_KAFKA": "a stream",
    "SECRET": "a secret",
    "TRY_SECRET": "a secret",
    "HTTP_REQUEST": "another service",
    "REMOTE_QUERY": "another service",
    "AI_QUERY": "a model",
}
_QUERIES = frozenset({"SELECT", "WITH", "VALUES", "FROM", "TABLE"})
_FILE_FORMATS = frozenset(
    ["delta", "parquet", "csv", "json", "text", "avro", "orc", "binaryfile", "iceberg", "xml"]
)


@dataclass(frozen=True)
class Judgement:
    """What was found about a statement."""

    reason: str | None
    """Why its result is not kept, as a phrase; None where it may be."""
    tables: tuple[str, ...] = ()
    """The tables that it reads, as they are written, each once; unqualified names stay so."""


@functools.lru_cache(maxsize=256)
def judge(statement: str) -> Judgement:
    """Whether a single statement's result may be kept, and the tables that it reads."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    words = split_statements(statement)
    if len(words) == 1 and words[0].words[:1] and words[0].words[0] not in _QUERIES:
        return Judgement("it is no query")
    # it would say on stderr what it does not know
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    try:
        trees = [tree for tree in sqlglot.parse(statement, read="databricks") if tree is not None]
    except (SqlglotError, RecursionError):
        return Judgement("the statement could not be read beforehand")
    if len(trees) != 1:
        return Judgement("there is more than one statement")
    tree = trees[0]
    if not isinstance(tree, exp.Query | exp.Values):
        return Judgement("it is no query")
    tables: dict[str, None] = {}
    for node in tree.walk():
        reason = _reason(node)
        if reason is not None:
            return Judgement(reason)
        if isinstance(node, exp.Table):
            if node.db == "" and node.name.lower() in _common_names(node):
                continue
            reason = _table_reason(node)
            if reason is not None:
                return Judgement(reason)
            if node.name:
                tables[".".join(part.sql("databricks") for part in node.parts)] = None
    return Judgement(None, tuple(tables))


def _common_names(node: Any) -> set[str]:
    """The names that WITH clauses around a node give."""
    names: set[str] = set()
    above = node
    while above is not None:
        with_ = above.args.get("with_") or above.args.get("with")
        if with_ is not None:
            names |= {one.alias.lower() for one in with_.expressions}
        above = above.parent
    return names


def _reason(node: Any) -> str | None:
    from sqlglot import exp

    if isinstance(node, exp.DML | exp.DDL | exp.Command | exp.Into) and not isinstance(
        node, exp.Query
    ):
        return "it changes data"
    if isinstance(node, exp.TableSample) and node.args.get("seed") is None:
        return "TABLESAMPLE without REPEATABLE gives other rows each time"
    if isinstance(node, exp.SessionParameter | exp.Parameter) and not isinstance(
        node, exp.Placeholder
    ):
        return "it reads a variable of the session"
    if isinstance(node, exp.Stream):
        return "it reads a stream"
    if isinstance(node, exp.Func):
        return _function_reason(node)
    if isinstance(node, exp.Column) and node.table.lower() == "session":
        return "it reads a variable of the session"
    if isinstance(node, exp.Column) and not node.table and not isinstance(node.this, exp.Star):
        # current_date and its kin may be written without brackets
        name = node.name.upper()
        if not node.this.args.get("quoted") and name in _CHANGING and name not in {"USER", "NOW"}:
            return f"{name.lower()} depends on {_CHANGING[name]}"
    return None


def _function_reason(node: exp.Func) -> str | None:
    from sqlglot import exp

    known = not isinstance(node, exp.Anonymous | exp.AnonymousAggFunc)
    name = (node.sql_name() if known else node.name).upper()
    names = {name} | ({other.upper() for other in type(node).sql_names()} if known else set())
    if names & {"UNIX_TIMESTAMP", "TIME_TO_UNIX", "STR_TO_UNIX"}:
        return None if node.this is not None or node.expressions else _clock("unix_timestamp")
    for one in sorted(names):
        if one in _CHANGING:
            return f"{one.lower()}() depends on {_CHANGING[one]}"
        if one in _OUTSIDE:
            return f"{one.lower()}() reads {_OUTSIDE[one]}"
    if known:
        return None
    low = name.lower()
    if low.startswith("ai_"):
        return f"{low}() asks a model"
    if isinstance(node.parent, exp.Dot) or (
        low not in DETERMINISTIC and not low.startswith(DETERMINISTIC_PREFIXES)
    ):
        return f"{low}() may be a function of your own, which is not known to answer alike"
    return None


def _clock(name: str) -> str:
    return f"{name}() depends on the clock"


def _table_reason(table: exp.Table) -> str | None:
    from sqlglot import exp

    if not isinstance(table.this, exp.Identifier):
        # a table function; what it is was judged as a function
        return None
    db, catalog = table.db.lower(), table.catalog.lower()
    if db in _FILE_FORMATS and ("/" in table.name or ":" in table.name):
        return "it reads files by their path"
    if "information_schema" in {db, catalog} or "system" in {db, catalog}:
        return "it reads what the system says of itself"
    if db == "global_temp" or db == "session":
        return "it reads a view of the session"
    return None
