"""What the engine takes in a select and Databricks refuses, or answers otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors.exceptions.base import PySparkException

from brickloop.localws.spark_errors import unsupported, window_not_ordered
from brickloop.localws.sql_nodes import name_of
from brickloop.localws.sql_probe import Probe, sources_of
from brickloop.localws.sql_trees import has_aggregate, is_star
from brickloop.localws.typed_rules import RANKINGS

if TYPE_CHECKING:
    from sqlglot import exp

_ROW_LIMITS = ("group", "having", "limit", "offset", "qualify")
_OUTER = frozenset({"LEFT", "RIGHT", "FULL"})


def check_window(window: exp.Window) -> None:
    """Refuse a ranking function over a window without ORDER BY, as Databricks does."""
    from sqlglot import exp

    function = window.this
    while isinstance(function, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        function = function.this
    name = name_of(function)
    if name not in RANKINGS or window.args.get("order") is not None:
        return
    if window.alias and not _named_window_lacks_order(window):
        return
    raise window_not_ordered(name)


def _named_window_lacks_order(window: exp.Window) -> bool:
    from sqlglot import exp

    select = window.find_ancestor(exp.Select)
    for each in (select.args.get("windows") or []) if select is not None else []:
        if each.name.lower() == window.alias.lower():
            return each.args.get("order") is None and not each.alias
    return False


def whether_one_row(node: exp.Exists, probe: Probe) -> exp.Expr:
    """EXISTS over an aggregate of all rows, which is one row whatever there is, as TRUE.

    The engine takes it for a join and finds none.
    """
    from sqlglot import exp

    inner = node.this
    if not isinstance(inner, exp.Select) or inner.args.get("from_") is None:
        return node
    if any(inner.args.get(key) is not None for key in _ROW_LIMITS):
        return node
    if not any(has_aggregate(item) for item in inner.expressions):
        return node
    try:
        # what is not there is an error still
        probe.schema(inner, sources_of(inner).select("1", append=False))
    except PySparkException:
        return node
    return exp.true()


def name_shared(select: exp.Select) -> bool:
    """Name the columns of USING without their table, as the engine takes them; whether any was.

    A column of a side that can be missing is not the shared one, and refused.
    """
    from sqlglot import exp

    joins = select.args.get("joins") or []
    if select.args.get("from_") is None or not any(join.args.get("using") for join in joins):
        return False
    changed = False
    names = [select.args["from_"].this.alias_or_name.lower()]
    names += [join.this.alias_or_name.lower() for join in joins]
    for column in list(select.find_all(exp.Column)):
        table = column.table.lower()
        if table not in names or column.find_ancestor(exp.Select) is not select:
            continue
        place = names.index(table)
        touching = [
            (index, join) for index, join in enumerate(joins, start=1)
            if index >= place and join.args.get("using")
        ]  # fmt: skip
        if is_star(column):
            if touching:
                raise unsupported(
                    f"{column.table}.* of a join with USING", "Name its columns, or join with ON."
                )
            continue
        shared = [
            (index, join) for index, join in touching
            if column.name.lower() in [each.name.lower() for each in join.args["using"]]
        ]  # fmt: skip
        if not shared:
            continue
        sides = [(str(join.side).upper(), index == place) for index, join in shared]
        if any(side in _OUTER and (own or side != "LEFT") for side, own in sides):
            own_right = all(side == "RIGHT" and own for side, own in sides)
            if not own_right:
                raise unsupported(
                    f"{column.table}.{column.name} of an outer join with USING",
                    "Join with ON, which keeps the columns of both sides.",
                )
        column.set("table", None)
        changed = True
    return changed
