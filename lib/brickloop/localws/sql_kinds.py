"""The types of a statement's expressions.

What an expression does not say by itself is asked of the engine: one look for a select.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    MapType,
    NullType,
    StringType,
)

from brickloop.localws.spark_types import aggregate_kind, read_type
from brickloop.localws.sql_context import OWN_VIEW
from brickloop.localws.sql_nodes import name_of, number_kind, operands_of, wrappers
from brickloop.localws.sql_probe import Probe, sources_of
from brickloop.localws.sql_trees import has_aggregate

if TYPE_CHECKING:
    from sqlglot import exp

_ELEMENT_FUNCTIONS = frozenset({"transform", "filter", "array_filter", "exists", "forall", "any"})


class Kinds:
    """Finds and keeps the types of one statement's expressions."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._found: dict[int, DataType | None] = {}
        self._kept: list[Any] = []
        """Nodes whose types are noted, which keeps their ids theirs."""

    def unknown(self, node: exp.Expr) -> Iterator[exp.Expr]:
        """The parts of an operator's or function's operands of which the engine has to be asked."""
        for operand in operands_of(node):
            yield from self.leaves(operand)

    def leaves(self, node: exp.Expr) -> Iterator[exp.Expr]:
        """The parts of an operand of which the engine has to be asked."""
        from sqlglot import exp

        if id(node) in self._found or self._known(node) is not None:
            return
        if isinstance(node, wrappers()):
            yield from self.leaves(node.this)
        elif _passes(name_of(node)):
            for each in operands_of(node)[:1]:
                yield from self.leaves(each)
        elif not isinstance(node, exp.Star | exp.Interval | exp.Select | exp.SetOperation):
            yield node

    def _known(self, node: exp.Expr) -> DataType | None:
        """The type of what says it by itself."""
        from sqlglot import exp

        if isinstance(node, exp.Literal):
            return StringType() if node.is_string else number_kind(node.name)
        if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
            return self._known(node.this)
        if isinstance(node, exp.Null):
            return NullType()
        if isinstance(node, exp.Boolean | exp.Predicate | exp.Not | exp.And | exp.Or):
            return BooleanType()
        if isinstance(node, exp.Cast):
            return read_type(node.to.sql("databricks"))
        return aggregate_kind(name_of(node), None)

    def of(self, node: exp.Expr) -> DataType | None:
        """The type of an expression, None where it is not known."""

        if id(node) in self._found:
            return self._found[id(node)]
        known = self._known(node)
        if known is not None:
            return known
        if isinstance(node, wrappers()):
            return self.of(node.this)
        if _passes(name_of(node)):
            operands = operands_of(node)
            return aggregate_kind(name_of(node), self.of(operands[0])) if operands else None
        return None

    def told(self, select: exp.Expr, node: exp.Expr) -> DataType | None:
        """The type of an expression as the engine has it."""
        return self._look(select, [node], grouped=has_aggregate(node))[0]

    def note(self, node: exp.Expr, kind: DataType | None) -> None:
        """Keep the type of an expression."""
        self._found[id(node)] = kind
        self._kept.append(node)

    def ask(self, select: exp.Expr, nodes: list[exp.Expr]) -> None:
        """Note the types of the nodes."""
        unique: dict[str, list[exp.Expr]] = {}
        for node in nodes:
            if id(node) in self._found:
                continue
            lambda_kind = self._of_lambda(select, node)
            if lambda_kind is not None:
                self.note(node, lambda_kind)
                continue
            unique.setdefault(node.sql("databricks"), []).append(node)
        plain = {k: v for k, v in unique.items() if not has_aggregate(v[0])}
        grouped = {k: v for k, v in unique.items() if k not in plain}
        for group, keep in ((plain, False), (grouped, True)):
            found = self._look(select, [v[0] for v in group.values()], grouped=keep)
            for same, kind in zip(group.values(), found, strict=True):
                for node in same:
                    self.note(node, kind)

    def _look(
        self, select: exp.Expr, nodes: list[exp.Expr], *, grouped: bool
    ) -> list[DataType | None]:
        from sqlglot import exp

        if not nodes:
            return []
        probe = sources_of(select)
        for index, node in enumerate(nodes):
            probe.append("expressions", exp.alias_(node.copy(), f"{OWN_VIEW}t{index}"))
        if grouped and select.args.get("group") is not None:
            probe.set("group", select.args["group"].copy())
        try:
            return [each.dataType for each in self._probe.schema(select, probe).fields]
        except PySparkException:
            if len(nodes) > 1:
                return [self._look(select, [node], grouped=grouped)[0] for node in nodes]
        return [self._elsewhere(select, nodes[0])]

    def _elsewhere(self, select: exp.Expr, node: exp.Expr) -> DataType | None:
        """The type of a column that is an alias of the select, or one of a select around it."""
        from sqlglot import exp

        if not isinstance(node, exp.Column):
            return None
        if not node.table:
            for item in select.expressions:
                if isinstance(item, exp.Alias) and item.alias.lower() == node.name.lower():
                    if not any(each is node for each in item.walk()):
                        self.ask(select, list(self.leaves(item.this)))
                        return self.of(item.this)
                    break
        outer = select.find_ancestor(exp.Select)
        return None if outer is None else self._look(outer, [node], grouped=False)[0]

    def _of_lambda(self, select: exp.Expr, node: exp.Expr) -> DataType | None:
        """The type of a lambda's parameter."""
        from sqlglot import exp

        if not isinstance(node, exp.Identifier):
            return None
        owner = node.find_ancestor(exp.Lambda)
        while owner is not None and node.name not in [each.name for each in owner.expressions]:
            owner = owner.find_ancestor(exp.Lambda)
        call = owner.parent if owner is not None else None
        if owner is None or call is None:
            return None
        place = [each.name for each in owner.expressions].index(node.name)
        arguments = [each for each in call.iter_expressions() if not isinstance(each, exp.Lambda)]
        name = name_of(call)
        if name in {"reduce", "aggregate"}:
            source = arguments[1 if place == 0 else 0]
        elif name == "zip_with":
            source = arguments[place]
        else:
            source = arguments[0]
        self.ask(select, list(self.leaves(source)))
        kind = self.of(source)
        if name in {"reduce", "aggregate"} and place == 0:
            return kind
        if isinstance(kind, ArrayType):
            return IntegerType() if name in _ELEMENT_FUNCTIONS and place else kind.elementType
        if isinstance(kind, MapType):
            return kind.valueType if place else kind.keyType
        return None


def _passes(name: str) -> bool:
    """Whether the function's type follows from its first operand's."""
    return aggregate_kind(name, DoubleType()) is not None
