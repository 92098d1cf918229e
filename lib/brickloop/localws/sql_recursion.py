"""WITH RECURSIVE, which the engine lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brickloop.localws.spark_errors import analysis_error, unsupported
from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_probe import Probe
from brickloop.localws.sql_trees import prefixed

if TYPE_CHECKING:
    from sqlglot import exp

_LEVELS = 100
_LARGEST_RECURSION = 1_000_000


def materialise(context: SqlContext, probe: Probe, with_: exp.With, cte: exp.CTE) -> bool:
    """Compute a recursive relation level by level, as Databricks does, and take its rows.

    False where it does not mention itself, and is an ordinary one.
    """
    import pyarrow as pa
    from sqlglot import exp

    name = cte.alias
    body = cte.this
    if not any(table.name.lower() == name.lower() for table in body.find_all(exp.Table)):
        return False
    if not isinstance(body, exp.Union) or body.args.get("distinct"):
        raise unsupported("WITH RECURSIVE without UNION ALL")
    before = [each for each in with_.expressions if each is not cte]
    before = before[: with_.expressions.index(cte)]
    columns = [column.name for column in cte.args["alias"].columns]
    frame = probe.frame(prefixed(body.this, before), probe.views)
    level = frame.toArrow()
    columns = columns or list(level.column_names)
    level = level.rename_columns(columns)
    kept, count = [level], level.num_rows
    for _ in range(_LEVELS):
        if level.num_rows == 0:
            break
        given = context.spark.createDataFrame(level)
        step = probe.frame(prefixed(body.expression, before), {**probe.views, name: given})
        level = step.toArrow().rename_columns(columns).cast(level.schema)
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
    return True
