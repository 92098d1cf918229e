"""Places where the engine answers differently from Spark without a word, put right in the plan.

Each stands behind a probe in ``tests/unit/localws/test_engine_gaps.py``, which says when the engine
has caught up and the shim can go.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql.connect import proto

from brickloop.localws.plan_nodes import call, column, integer, text
from brickloop.localws.spark_errors import window_not_ordered
from brickloop.localws.typed_rules import RANKINGS

_USER_FUNCTIONS = frozenset({"current_user", "session_user", "user"})
_PERCENTILES = frozenset({"percentile_approx", "approx_percentile"})
_DESCRIBED = ("count", "mean", "stddev", "min", "max")
_IN_ORDER = "in order"
_SUMMARISED = ("count", "mean", "stddev", "min", "25%", "50%", "75%", "max")


def mend_relation(relation: Any) -> None:
    """Put the rows of ``describe()`` and ``summary()`` in Spark's order."""
    kind = relation.WhichOneof("rel_type")
    if kind == "describe":
        order = _DESCRIBED
    elif kind == "summary":
        order = tuple(relation.summary.statistics) or _SUMMARISED
    else:
        return
    if relation.common.source_info == _IN_ORDER:
        return
    inner = proto.Relation()
    inner.CopyFrom(relation)
    # the outer relation keeps the plan's number; the mark keeps the walk from coming here again
    inner.ClearField("common")
    inner.common.source_info = _IN_ORDER
    place = call("array_position", call("array", *map(text, order)), column("summary"))
    relation.sort.input.CopyFrom(inner)
    relation.sort.is_global = True
    relation.sort.order.append(
        proto.Expression.SortOrder(
            child=place,
            direction=proto.Expression.SortOrder.SORT_DIRECTION_ASCENDING,
            null_ordering=proto.Expression.SortOrder.SORT_NULLS_FIRST,
        )
    )


def mend_expression(expression: Any, user: str) -> None:
    """Answer ``current_user()`` with the user, and percentiles with a value of the column; refuse
    a ranking without an order."""
    if expression.WhichOneof("expr_type") == "window":
        call_ = expression.window.window_function.unresolved_function
        if call_.function_name.lower() in RANKINGS and not expression.window.order_spec:
            raise window_not_ordered(call_.function_name.lower())
        return
    if expression.WhichOneof("expr_type") != "unresolved_function":
        return
    function = expression.unresolved_function
    name = function.function_name.lower()
    if name in _USER_FUNCTIONS and not function.arguments:
        expression.alias.expr.CopyFrom(text(user))
        expression.alias.name.append(f"{name}()")
    elif name in _PERCENTILES and len(function.arguments) >= 2:
        column, share = function.arguments[0], function.arguments[1]
        if share.WhichOneof("expr_type") != "literal" or function.is_distinct:
            return
        if share.literal.WhichOneof("literal_type") not in {"double", "float", "decimal"}:
            return
        shown = column.unresolved_attribute.unparsed_identifier or "value"
        given = proto.Expression()
        given.CopyFrom(column)
        accuracy = function.arguments[2].literal.integer if len(function.arguments) > 2 else 10000
        title = f"{name}({shown}, {share.literal.double}, {accuracy})"
        expression.alias.expr.CopyFrom(_nearest_rank(given, share))
        expression.alias.name.append(title)


def mend_write(command: Any) -> None:
    """Let ``writeTo(t).createOrReplace()`` replace a table by one with other columns."""
    write = command.write_operation_v2
    modes = proto.WriteOperationV2.Mode
    if write.mode not in {modes.MODE_CREATE_OR_REPLACE, modes.MODE_REPLACE}:
        return
    if write.table_properties or write.clustering_columns:
        return
    names = [each.unresolved_attribute.unparsed_identifier for each in write.partitioning_columns]
    if not all(names) or write.provider.lower() not in {"", "delta"}:
        return
    replaced = proto.WriteOperation(
        source="delta",
        mode=proto.WriteOperation.SaveMode.SAVE_MODE_OVERWRITE,
        partitioning_columns=names,
        options={**write.options, "overwriteSchema": "true"},
    )
    replaced.input.CopyFrom(write.input)
    replaced.table.table_name = write.table_name
    replaced.table.save_method = (
        proto.WriteOperation.SaveTable.TableSaveMethod.TABLE_SAVE_METHOD_SAVE_AS_TABLE
    )
    command.write_operation.CopyFrom(replaced)


def _nearest_rank(column: Any, share: Any) -> Any:
    """The value at rank ``ceil(share * count)``, which is what Spark's sketch gives."""
    rank = call("ceil", call("*", share, call("count", column)))
    index = proto.Expression(cast=proto.Expression.Cast(expr=rank, type_str="int"))
    first = call("greatest", index, integer(1))
    return call(
        "get", call("sort_array", call("collect_list", column)), call("-", first, integer(1))
    )
