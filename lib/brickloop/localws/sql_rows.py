"""Rows that are set beside each other, or told apart, by their types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql.types import DataType, DecimalType, DoubleType, StructType

from brickloop.localws.spark_errors import not_ordered, set_operation_on_map, unsupported
from brickloop.localws.spark_types import common_type, holds_map, is_real, type_text
from brickloop.localws.sql_context import OWN_VIEW
from brickloop.localws.sql_nodes import SqlBuilder, keys_of
from brickloop.localws.sql_trees import is_star
from brickloop.localws.sql_types import Typist

if TYPE_CHECKING:
    from sqlglot import exp

_SIGNS = {"ORDER BY": "sortorder", "USING": "="}


class Rows:
    """Mends set operations and VALUES of one statement, and refuses maps as keys."""

    def __init__(self, typist: Typist) -> None:
        self._build = typist.build
        self._kinds = typist.kinds
        self._probe = typist.probe

    def mend_sides(self, union: exp.SetOperation) -> bool:
        """Bring both sides of UNION and its like to the types that Spark gives the result."""
        from sqlglot import exp

        try:
            sides = [self._probe.schema(union, side) for side in (union.this, union.expression)]
        except PySparkException:
            return False
        if len(sides[0]) != len(sides[1]):
            return False
        if not (isinstance(union, exp.Union) and not union.args.get("distinct")):
            for field in sides[0].fields:
                if holds_map(field.dataType):
                    raise set_operation_on_map(field.name, type_text(field.dataType))
        kinds = [
            (a.dataType, b.dataType) for a, b in zip(sides[0].fields, sides[1].fields, strict=True)
        ]
        wanted = [common_type(a, b) if a != b else a for a, b in kinds]
        changed = False
        for index, key in enumerate(("this", "expression")):
            found = [pair[index] for pair in kinds]
            if any(w is not None and w != f for w, f in zip(wanted, found, strict=True)):
                union.set(key, _recast(self._build, union.args[key], sides[index], wanted))
                changed = True
        return changed

    def mend_rows(self, values: exp.Expr) -> bool:
        """Make columns of VALUES with decimals and numbers that float DOUBLE, as Spark does."""
        from sqlglot import exp

        rows = [
            list(row.expressions) if isinstance(row, exp.Tuple) else [row]
            for row in values.expressions
        ]
        changed = False
        for cells in zip(*rows, strict=False):
            self._kinds.ask(exp.Select(), [leaf for each in cells for leaf in self._open(each)])
            kinds = [self._kinds.of(each) for each in cells]
            if not (any(map(is_real, kinds)) and any(isinstance(k, DecimalType) for k in kinds)):
                continue
            for cell, kind in zip(cells, kinds, strict=True):
                if not isinstance(kind, DoubleType):
                    cell.replace(self._build.cast(cell, "DOUBLE"))
                    changed = True
        return changed

    def refuse_maps(self, select: exp.Select) -> None:
        """Refuse maps where rows are told apart: the engine tells them by their entries' order."""
        from sqlglot import exp

        distinct = select.args.get("distinct")
        if distinct is not None and not distinct.args.get("on"):
            self.refuse_map_columns(select, select)
        aliases = {
            item.alias.lower(): item.this
            for item in select.expressions if isinstance(item, exp.Alias)
        }  # fmt: skip
        found: list[tuple[str, exp.Expr]] = []
        for where, key in keys_of(select):
            if isinstance(key, exp.Literal) and key.name.isdigit():
                place = int(key.name) - 1
                if not 0 <= place < len(select.expressions):
                    continue
                key = select.expressions[place].unalias()
            if isinstance(key, exp.Column) and not key.table:
                key = aliases.get(key.name.lower(), key)
            if not is_star(key):
                found.append((where, key))
        self._kinds.ask(select, [leaf for _, key in found for leaf in self._open(key)])
        for where, key in found:
            kind = self._kinds.of(key)
            if not holds_map(kind):
                continue
            if where in _SIGNS and kind is not None:
                raise not_ordered(_SIGNS[where], type_text(kind))
            raise unsupported(f"{where} of maps", "Use to_json, or array_sort(map_entries(...)).")

    def refuse_map_columns(self, scope: exp.Expr, query: exp.Expr) -> None:
        """Refuse DISTINCT and set operations over maps, as Databricks does."""
        plain = query.copy()
        for key in ("order", "limit", "offset", "distinct", "with_"):
            plain.set(key, None)
        try:
            schema = self._probe.schema(scope, plain)
        except PySparkException:
            return
        for field in schema.fields:
            if holds_map(field.dataType):
                raise set_operation_on_map(field.name, type_text(field.dataType))

    def _open(self, node: exp.Expr) -> list[exp.Expr]:
        """The parts of an expression whose types the engine has to tell."""
        return list(self._kinds.leaves(node))


def _recast(
    build: SqlBuilder, side: exp.Expr, schema: StructType, wanted: list[DataType | None]
) -> exp.Expr:
    """A side of a set operation with its columns brought to other types."""
    from sqlglot import exp

    names = [f"{OWN_VIEW}s{index}" for index in range(len(wanted))]
    items = []
    for name, field, kind in zip(names, schema.fields, wanted, strict=True):
        column: exp.Expr = exp.column(name)
        if kind is not None and kind != field.dataType:
            column = build.cast(column, type_text(kind))
        items.append(exp.alias_(column, field.name, quoted=True))
    inner = side.this if isinstance(side, exp.Subquery) and not side.alias else side
    source = exp.Subquery(
        this=inner.copy(),
        alias=exp.TableAlias(
            this=exp.to_identifier(f"{OWN_VIEW}side"),
            columns=[exp.to_identifier(name) for name in names],
        ),
    )
    return exp.Select(expressions=items).from_(source)
