"""Expressions of a query mended by their types.

The types of columns, and of functions that are not known here, are asked of the engine: one look
for a select. What has no type that can be known stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql.types import (
    DataType,
    DoubleType,
    LongType,
    NullType,
    StringType,
    StructField,
    StructType,
)

from brickloop.localws.function_rules import INTERVALS, NAMED_RULES, PARTS, part_of_interval
from brickloop.localws.json_text import json_text
from brickloop.localws.operands import Mended, Operand, spark_text
from brickloop.localws.spark_errors import (
    unsupported,
)
from brickloop.localws.spark_types import (
    aggregate_kind,
    common_type,
    is_real,
    type_text,
)
from brickloop.localws.sql_checks import check_window
from brickloop.localws.sql_context import OWN_VIEW
from brickloop.localws.sql_kinds import Kinds
from brickloop.localws.sql_nodes import (
    AGGREGATES,
    LEAST,
    SqlBuilder,
    ancestors_of,
    are_columns,
    branches_of,
    counts_days,
    counts_from_end,
    groups_by_all,
    has_number_text,
    has_time,
    integer_of,
    is_assignment,
    is_compared,
    name_of,
    naming_parts,
    operands_of,
    order_of,
    own_nodes,
    splits_letters,
    string_of,
    untitled,
)
from brickloop.localws.sql_probe import Probe, sources_of
from brickloop.localws.sql_trees import generate, is_star, parse
from brickloop.localws.typed_rules import (
    COMPARISONS,
    OPERATORS,
    TEXT_OPERANDS,
    compared_type,
    kept_narrow,
    mend,
    widen_aggregate,
)

if TYPE_CHECKING:
    from sqlglot import exp

_NAMED = NAMED_RULES | {"to_json", "to_csv"}


class Typist:
    """Mends the expressions of one statement, select by select."""

    def __init__(self, probe: Probe, zone: str = "UTC") -> None:
        self.probe = probe
        self._is_zoned = zone != "UTC"
        self.text = ""
        """The statement as the user wrote it, whose columns' names are right."""
        self.build = SqlBuilder()
        self.kinds = Kinds(probe)
        """The types that are known already."""

    def mend_scope(self, select: exp.Expr) -> bool:
        """Mend what belongs to a select, VALUES or change of rows and to no select inside it;
        whether anything was changed.
        """
        from sqlglot import exp

        pending = [node for node in own_nodes(select) if self._is_candidate(node)]
        if not pending:
            return False
        places = untitled(select, pending)
        before = naming_parts(select)
        changed = False
        while pending:
            blocked = ancestors_of(pending)
            ready = [node for node in pending if id(node) not in blocked]
            self.kinds.ask(select, [each for node in ready for each in self.kinds.unknown(node)])
            for node in ready:
                changed = self._mend(node) or changed
            pending = [node for node in pending if id(node) in blocked]
        if changed and isinstance(select, exp.Select):
            self._keep_titles(select, before, places)
        return changed

    def mend_pivot(self, relation: exp.Expr, pivot: exp.Expr) -> bool:
        """Mend the aggregates of a PIVOT; where there are several, their names are in the
        columns'."""
        from sqlglot import exp

        source = relation.copy()
        source.set("pivots", None)
        if not source.alias:
            source.set("alias", exp.TableAlias(this=exp.to_identifier(f"{OWN_VIEW}pivoted")))
        made = exp.Select(expressions=[each.copy() for each in pivot.expressions]).from_(source)
        made.parent = relation.parent
        if not self.mend_scope(made):
            return False
        items = list(made.expressions)
        if len(items) == 1 and not isinstance(pivot.expressions[0], exp.Alias):
            items = [items[0].unalias()]
        pivot.set("expressions", [each.copy() for each in items])
        return True

    def _is_candidate(self, node: exp.Expr) -> bool:
        from sqlglot import exp

        name = name_of(node)
        if name in COMPARISONS:
            if is_assignment(node):
                return False
            return self._is_zoned or has_number_text(node) or are_columns(node)
        if isinstance(node, exp.In | exp.Between):
            return has_number_text(node) or are_columns(node)
        if name in PARTS:
            return True
        if isinstance(node, exp.Cast):
            return node.to.is_type("text", "varchar") and not node.to.expressions
        if isinstance(node, exp.Case | exp.Coalesce | exp.Nvl2):
            return True
        if isinstance(node, exp.If):
            return not isinstance(node.parent, exp.Case)
        if isinstance(node, exp.WindowSpec):
            return counts_days(node)
        if name == "negative":
            return isinstance(node.this, exp.Literal) and node.this.name in LEAST
        return name in OPERATORS or name in AGGREGATES or name in _NAMED or name in TEXT_OPERANDS

    def _mend(self, node: exp.Expr) -> bool:
        from sqlglot import exp

        name = name_of(node)
        if isinstance(node, exp.Case | exp.If | exp.Coalesce | exp.Nvl2):
            return self._unify(node)
        if isinstance(node, exp.WindowSpec):
            return self._range_of_days(node)
        if isinstance(node, exp.Cast):
            return self._cast_to_text(node)
        if name in AGGREGATES:
            return self._aggregate(node, name)
        if isinstance(node, exp.In):
            return self._alike(operands_of(node))
        if isinstance(node, exp.Between):
            return self._between(node)
        if name in PARTS:
            return self._extract(node)
        if name == "to_csv":
            return self._csv(node)
        if name == "to_json":
            return self._json(node)
        if name in TEXT_OPERANDS and not splits_letters(node) and not counts_from_end(node):
            return self._texts(node)
        operands = [self._operand(each) for each in operands_of(node)]
        return self._put(node, mend(self.build, name, operands))

    def _put(self, node: exp.Expr, made: Mended) -> bool:
        if made.node is None:
            self.kinds.note(node, made.kind)
            return False
        new = made.node
        if name_of(node) in OPERATORS and is_compared(node):
            new = kept_narrow(self.build, new)
        node.replace(new)
        self.kinds.note(new, made.kind)
        return True

    def _operand(self, node: exp.Expr) -> Operand:
        return Operand(
            node,
            self.kinds.of(node),
            integer=integer_of(node),
            string=string_of(node),
            has_time=has_time(node),
        )

    def _aggregate(self, node: exp.Expr, name: str) -> bool:
        from sqlglot import exp

        operands = operands_of(node)
        if len(operands) != 1:
            return False
        kind = self.kinds.of(operands[0])
        widened = widen_aggregate(name, kind)
        if widened is None:
            self.kinds.note(node, aggregate_kind(name, kind))
            return False
        operands[0].replace(self.build.cast(operands[0], widened.operand))
        whole = node
        while isinstance(whole.parent, exp.Window | exp.Filter) and whole.arg_key == "this":
            whole = whole.parent
        new = self.build.cast(whole, widened.result)
        if is_compared(whole):
            new = kept_narrow(self.build, new)
        whole.replace(new)
        self.kinds.note(new, widened.kind)
        return True

    def _cast_to_text(self, node: exp.Cast) -> bool:
        from sqlglot import exp

        if not is_real(self.kinds.of(node.this)):
            return False
        if isinstance(node, exp.TryCast) and isinstance(self.kinds.of(node.this), StringType):
            return False
        return self._put(node, Mended(spark_text(self.build, node.this), StringType()))

    def _texts(self, node: exp.Expr) -> bool:
        changed = False
        for operand in operands_of(node):
            if is_real(self.kinds.of(operand)):
                operand.replace(spark_text(self.build, operand))
                changed = True
        return changed

    def _json(self, node: exp.Expr) -> bool:
        operands = operands_of(node)
        kind = self.kinds.of(operands[0]) if operands else None
        if kind is None or len(operands) > 1:
            return False
        made = json_text(self.build, operands[0], kind)
        return self._put(node, Mended(made, StringType()))

    def _csv(self, node: exp.Expr) -> bool:
        """Refuse ``to_csv`` of a NULL without a type, which the engine writes as a text."""
        operands = operands_of(node)
        kind = self.kinds.of(operands[0]) if operands else None
        if isinstance(kind, StructType) and any(
            isinstance(field.dataType, NullType) for field in kind.fields
        ):
            raise unsupported("to_csv of NULL without a type", "Cast it.")
        return False

    def _unify(self, node: exp.Expr) -> bool:
        """Bring the branches of CASE and IF to one type, which the engine takes from the first."""
        branches = branches_of(node)
        kinds = [self.kinds.of(each) for each in branches]
        wanted: DataType | None = NullType()
        for kind in kinds:
            wanted = common_type(wanted, kind)
        self.kinds.note(node, wanted)
        if wanted is None or isinstance(wanted, NullType):
            return False
        changed = False
        for branch, kind in zip(branches, kinds, strict=True):
            if kind != wanted:
                branch.replace(self.build.cast(branch, type_text(wanted)))
                changed = True
        return changed

    def _alike(self, nodes: list[exp.Expr]) -> bool:
        """Bring numbers and texts that are compared to one type."""
        kinds = [self.kinds.of(each) for each in nodes]
        wanted = compared_type("in", kinds)
        if wanted is None:
            return False
        changed = False
        for each, kind in zip(nodes, kinds, strict=True):
            if kind != wanted and not isinstance(kind, NullType):
                each.replace(self.build.cast(each, type_text(wanted)))
                changed = True
        return changed

    def _between(self, node: exp.Between) -> bool:
        """BETWEEN as two comparisons, each by its own types."""
        from sqlglot import exp

        value, low, high = (node.args[key] for key in ("this", "low", "high"))
        made = []
        for name, bound in ((">=", low), ("<=", high)):
            sides = [self._operand(value), self._operand(bound)]
            wanted = common_type(sides[0].kind, sides[1].kind)
            if not isinstance(wanted, DoubleType | LongType):
                return False
            nodes = [self.build.cast(each.node, type_text(wanted)) for each in sides]
            made.append(self.build.call(name, *nodes))
        node.replace(exp.Paren(this=exp.And(this=made[0], expression=made[1])))
        return True

    def _extract(self, node: exp.Expr) -> bool:
        """The hours of an interval beside its days, and the types of an interval's parts."""
        from sqlglot import exp

        value = operands_of(node)[-1]
        field = node.name if isinstance(node, exp.Extract) else string_of(operands_of(node)[0])
        kind = self.kinds.of(value)
        select = node.find_ancestor(exp.Select)
        if kind is None and select is not None:
            kind = self.kinds.told(select, value)
        if not isinstance(kind, INTERVALS):
            return False
        made, found = part_of_interval(self.build, name_of(node), node, kind, field)
        return made is not None and self._put(node, Mended(made, found))

    def _range_of_days(self, spec: exp.Expr) -> bool:
        """RANGE over dates: the engine takes no distance between dates."""
        from pyspark.sql.types import DateType
        from sqlglot import exp

        order = order_of(spec)
        if not isinstance(self.kinds.of(order), DateType):
            return False
        order.replace(self.build.cast(order, "TIMESTAMP"))
        for key in ("start", "end"):
            value = spec.args.get(key)
            if isinstance(value, exp.Literal):
                days = exp.Interval(this=exp.Literal.string(value.name), unit=exp.Var(this="DAYS"))
                spec.set(key, days)
        return True

    def _keep_titles(self, select: exp.Select, before: exp.Select, places: list[int]) -> None:
        """Give changed columns the names that they have as the user wrote them."""
        from sqlglot import exp

        names = self._names_of_all(select) if select.parent is None else {}
        if not names:
            items = [before.expressions[place] for place in places]
            names = dict(zip(places, self._names(select, before, items), strict=True))
        for place, name in names.items():
            item = select.expressions[place]
            if name and not isinstance(item, exp.Alias | exp.Aliases | exp.Column):
                item.replace(exp.alias_(item.copy(), name, quoted=True))

    def _names_of_all(self, select: exp.Select) -> dict[int, str]:
        """The names of the whole statement's columns, as the engine gives them unchanged."""
        if not self.text or any(is_star(item) for item in select.expressions):
            return {}
        try:
            names = self.probe.names(self.text)
        except PySparkException:
            return {}
        return dict(enumerate(names)) if len(names) == len(select.expressions) else {}

    def _names(self, select: exp.Select, before: exp.Select, items: list[exp.Expr]) -> list[str]:
        if not items:
            return []
        probe = sources_of(select)
        probe.set("expressions", [item.copy() for item in items])
        for key in ("group", "windows"):
            value = before.args.get(key)
            if value is not None and not groups_by_all(value):
                probe.set(key, value if isinstance(value, list) else value.copy())
        try:
            return self.probe.columns(select, probe)
        except PySparkException:
            if len(items) == 1:
                return [items[0].sql("databricks", normalize_functions="lower")]
        return [self._names(select, before, [item])[0] for item in items]


def mend_expression(text: str, ask: Callable[[list[str]], list[DataType]]) -> str:
    """An expression that stands alone, mended; ``ask`` gives the types of parts of it.

    It stays as it is where it is not in Databricks' dialect.
    """
    from sqlglot import exp

    tree = parse(f"SELECT {text}")
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1:
        return text
    titled = tree.expressions[0].alias
    for window in tree.find_all(exp.Window):
        check_window(window)
    if not Typist(_Answers(ask)).mend_scope(tree):
        return text
    item = tree.expressions[0]
    return generate(item if titled else item.unalias())


class _Answers(Probe):
    """Asks for types where a query's relations are known to somebody else."""

    def __init__(self, ask: Callable[[list[str]], list[DataType]]) -> None:
        self.views = {}
        self._ask = ask

    def schema(self, scope: exp.Expr, query: exp.Expr) -> StructType:
        """The types of the query's columns."""
        items = [generate(item.unalias()) for item in query.expressions]
        return StructType([StructField("c", kind) for kind in self._ask(items)])

    def names(self, text: str) -> list[str]:
        """No names: the caller has them."""
        return []
