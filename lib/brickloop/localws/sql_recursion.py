"""WITH RECURSIVE, which the engine lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors.exceptions.connect import ArithmeticException

from brickloop.localws.spark_errors import analysis_error, made, unsupported
from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_probe import Probe
from brickloop.localws.sql_trees import prefixed

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from sqlglot import exp

_LEVELS = 100
_LARGEST_RECURSION = 1_000_000


def is_recursive(cte: exp.Expr) -> bool:
    """Whether a named relation mentions itself."""
    from sqlglot import exp

    name = cte.alias.lower()
    return any(table.name.lower() == name for table in cte.this.find_all(exp.Table))


def materialise(
    context: SqlContext,
    probe: Probe,
    with_: exp.With,
    cte: exp.CTE,
    visit: Callable[[exp.Expr], exp.Expr],
) -> None:
    """Compute a recursive relation level by level, as Databricks does, and take its rows.

    ``visit`` writes a query for the engine: the first level's, and the next ones' once the
    columns are known.
    """
    import pyarrow as pa
    from sqlglot import exp

    name = cte.alias
    body = cte.this
    if not isinstance(body, exp.Union) or body.args.get("distinct"):
        raise unsupported("WITH RECURSIVE without UNION ALL")
    before = [each for each in with_.expressions if each is not cte]
    before = before[: with_.expressions.index(cte)]
    columns = [column.name for column in cte.args["alias"].columns]
    visit(body.this)
    frame = probe.frame(prefixed(body.this, before), probe.views)
    level = frame.toArrow()
    columns = columns or list(level.column_names)
    level = level.rename_columns(columns)
    kept, count = [level], level.num_rows
    for _ in range(_LEVELS):
        if level.num_rows == 0:
            break
        given = context.spark.createDataFrame(level)
        if len(kept) == 1:
            probe.views[name] = given
            visit(body.expression)
        step = probe.frame(prefixed(body.expression, before), {**probe.views, name: given})
        level = _as_first(step.toArrow().rename_columns(columns), level.schema)
        kept.append(level)
        count += level.num_rows
        if count > _LARGEST_RECURSION:
            raise analysis_error(
                "RECURSION_ROW_LIMIT_EXCEEDED",
                f"Recursion row limit {_LARGEST_RECURSION} reached but query has not exhausted.",
            )
    else:
        if level.num_rows:
            raise analysis_error(
                "RECURSION_LEVEL_LIMIT_EXCEEDED",
                f"Recursion level limit {_LEVELS} reached but query has not exhausted, try"
                " increasing it.",
            )
    probe.views[name] = context.spark.createDataFrame(pa.concat_tables(kept))
    cte.pop()


def _as_first(level: pa.Table, schema: pa.Schema) -> pa.Table:
    """A level's rows with the types of the first level's."""
    import pyarrow as pa

    try:
        return level.cast(schema)
    except pa.ArrowInvalid as error:
        raise made(
            ArithmeticException,
            "CAST_OVERFLOW",
            f"A value of the recursion cannot be cast to the type of its first level: {error}.",
        ) from None
