"""Expressions of a query mended by their types.

The types of columns, and of functions that are not known here, are asked of the engine: one look
for a select. What has no type that can be known stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DataType,
    DecimalType,
    DoubleType,
    IntegerType,
    MapType,
    NullType,
    StringType,
    StructField,
    StructType,
)

from brickloop.localws.json_text import json_text
from brickloop.localws.sql_context import OWN_VIEW
from brickloop.localws.sql_probe import Probe, sources_of
from brickloop.localws.sql_trees import generate, has_aggregate, is_star, parse
from brickloop.localws.typed_rules import (
    COMPARISONS,
    NAMED_RULES,
    OPERATORS,
    TEXT_OPERANDS,
    Mended,
    Operand,
    aggregate_kind,
    common_type,
    integer_kind,
    is_real,
    kept_narrow,
    mend,
    read_type,
    spark_text,
    type_text,
    widen_aggregate,
)

if TYPE_CHECKING:
    from sqlglot import exp

_SIGNS = {
    "Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%", "Neg": "negative", "EQ": "=",
    "NullSafeEQ": "<=>", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=",
    "DPipe": "||", "JSONFormat": "to_json", "UnixSeconds": "unix_seconds", "Length": "length",
    "StrPosition": "instr", "RegexpLike": "rlike", "RegexpSplit": "split", "And": "and",
}  # fmt: skip
_AGGREGATES = frozenset({"sum", "avg", "mean"})
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*")
_TIMES = frozenset({"HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND"})
_ELEMENT_FUNCTIONS = frozenset({"transform", "filter", "array_filter", "exists", "forall", "any"})
_NAMED = NAMED_RULES | {"to_json"}


class SqlBuilder:
    """Makes expressions as SQL trees."""

    def __init__(self) -> None:
        self._lambdas = 0

    def cast(self, node: Any, kind: str) -> Any:
        """``CAST(node AS kind)``."""
        from sqlglot import exp

        if kind.startswith("INTERVAL"):
            target: Any = exp.DataType(this=exp.Interval(unit=exp.Var(this=kind[9:])))
        else:
            target = exp.DataType.build(kind, dialect="databricks")
        return exp.Cast(this=node.copy(), to=target)

    def call(self, name: str, *nodes: Any) -> Any:
        """A function's call, or an operator's."""
        from sqlglot import exp

        signs = {sign: made for made, sign in _SIGNS.items()}
        if name in signs and (not name[0].isalpha() or name == "and"):
            made: type[exp.Expr] = getattr(exp, signs[name])
            sides = [exp.Paren(this=n.copy()) if _binds(n) else n.copy() for n in nodes]
            return exp.Paren(this=made(this=sides[0], expression=sides[1]))
        return exp.Anonymous(this=name, expressions=[node.copy() for node in nodes])

    def text(self, value: str) -> Any:
        """A string literal."""
        from sqlglot import exp

        return exp.Literal.string(value)

    def field(self, node: Any, name: str) -> Any:
        """A field of a struct."""
        from sqlglot import exp

        base = node.copy() if isinstance(node, exp.Identifier) else exp.Paren(this=node.copy())
        return exp.Dot(this=base, expression=exp.to_identifier(name, quoted=True))

    def when(self, condition: Any, value: Any) -> Any:
        """``CASE WHEN condition THEN value END``."""
        from sqlglot import exp

        return exp.Case(ifs=[exp.If(this=condition, true=value)])

    def transform(self, node: Any, change: Callable[[Any], Any]) -> Any:
        """An array with each element changed."""
        from sqlglot import exp

        self._lambdas += 1
        each = exp.to_identifier(f"{OWN_VIEW}e{self._lambdas}")
        function = exp.Lambda(this=change(each.copy()), expressions=[each])
        return exp.Anonymous(this="transform", expressions=[node.copy(), function])


class Typist:
    """Mends the expressions of one statement, select by select."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self.text = ""
        """The statement as the user wrote it, whose columns' names are right."""
        self._build = SqlBuilder()
        self._kinds: dict[int, DataType | None] = {}
        self._kept: list[Any] = []
        """Nodes whose types are noted, which keeps their ids theirs."""

    def mend_select(self, select: exp.Select) -> bool:
        """Mend what belongs to a select and to none inside it; whether anything was changed."""
        pending = [node for node in _own(select) if self._is_candidate(node)]
        if not pending:
            return False
        places = _untitled(select, pending)
        before = _spare(select) if places or select.parent is None else select
        changed = False
        while pending:
            blocked = _ancestors(pending)
            ready = [node for node in pending if id(node) not in blocked]
            self._ask(select, [each for node in ready for each in self._unknown(node)])
            for node in ready:
                changed = self._mend(node) or changed
            pending = [node for node in pending if id(node) in blocked]
        if changed:
            self._keep_titles(select, before, places)
        return changed

    def mend_sides(self, union: exp.SetOperation) -> bool:
        """Bring both sides of UNION and its like to the types that Spark gives the result."""
        try:
            sides = [self._probe.schema(union, side) for side in (union.this, union.expression)]
        except PySparkException:
            return False
        if len(sides[0]) != len(sides[1]):
            return False
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

    # which, and of what types

    def _is_candidate(self, node: exp.Expr) -> bool:
        from sqlglot import exp

        name = name_of(node)
        if name in COMPARISONS:
            return any(
                isinstance(each, exp.Literal) and each.is_string and _NUMBER.fullmatch(each.name)
                for each in (node.this, node.expression)
            )
        if isinstance(node, exp.Cast):
            return node.to.is_type("text", "varchar") and not node.to.expressions
        if isinstance(node, exp.Case | exp.Coalesce | exp.Nvl2):
            return True
        if isinstance(node, exp.If):
            return not isinstance(node.parent, exp.Case)
        if isinstance(node, exp.WindowSpec):
            return _counts_days(node)
        if name == "negative":
            return isinstance(node.this, exp.Literal) and node.this.name in _LEAST
        return name in OPERATORS or name in _AGGREGATES or name in _NAMED or name in TEXT_OPERANDS

    def _operands(self, node: exp.Expr) -> list[exp.Expr]:
        from sqlglot import exp

        if isinstance(node, exp.Case | exp.If | exp.Coalesce | exp.Nvl2):
            return _branches(node)
        if isinstance(node, exp.WindowSpec):
            return [_order_of(node)]
        if isinstance(node, exp.Cast | exp.Neg):
            return [node.this]
        if isinstance(node, exp.Binary):
            return [node.this, node.expression]
        found = list(node.iter_expressions())
        if name_of(node) in _AGGREGATES and found and isinstance(found[0], exp.Distinct):
            return list(found[0].expressions)
        return [each for each in found if not isinstance(each, exp.Lambda | exp.Var)]

    def _unknown(self, node: exp.Expr) -> Iterator[exp.Expr]:
        for operand in self._operands(node):
            yield from self._leaves(operand)

    def _leaves(self, node: exp.Expr) -> Iterator[exp.Expr]:
        """The parts of an operand of which the engine has to be asked."""
        from sqlglot import exp

        if id(node) in self._kinds or self._known(node) is not None:
            return
        if isinstance(node, _around()):
            yield from self._leaves(node.this)
        elif _passes(name_of(node)):
            for each in self._operands(node)[:1]:
                yield from self._leaves(each)
        elif not isinstance(node, exp.Star | exp.Interval | exp.Select | exp.SetOperation):
            yield node

    def _known(self, node: exp.Expr) -> DataType | None:
        """The type of what says it by itself."""
        from sqlglot import exp

        if isinstance(node, exp.Literal):
            return StringType() if node.is_string else _number_kind(node.name)
        if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
            return self._known(node.this)
        if isinstance(node, exp.Null):
            return NullType()
        if isinstance(node, exp.Boolean | exp.Predicate | exp.Not | exp.And | exp.Or):
            return BooleanType()
        if isinstance(node, exp.Cast):
            return read_type(node.to.sql("databricks"))
        return aggregate_kind(name_of(node), None)

    def kind_of(self, node: exp.Expr) -> DataType | None:
        """The type of an expression, None where it is not known."""

        if id(node) in self._kinds:
            return self._kinds[id(node)]
        known = self._known(node)
        if known is not None:
            return known
        if isinstance(node, _around()):
            return self.kind_of(node.this)
        if _passes(name_of(node)):
            operands = self._operands(node)
            return aggregate_kind(name_of(node), self.kind_of(operands[0])) if operands else None
        return None

    def _note(self, node: exp.Expr, kind: DataType | None) -> None:
        self._kinds[id(node)] = kind
        self._kept.append(node)

    # asking

    def _ask(self, select: exp.Select, nodes: list[exp.Expr]) -> None:
        """Note the types of the nodes."""
        unique: dict[str, list[exp.Expr]] = {}
        for node in nodes:
            if id(node) in self._kinds:
                continue
            lambda_kind = self._of_lambda(select, node)
            if lambda_kind is not None:
                self._note(node, lambda_kind)
                continue
            unique.setdefault(node.sql("databricks"), []).append(node)
        plain = {k: v for k, v in unique.items() if not has_aggregate(v[0])}
        grouped = {k: v for k, v in unique.items() if k not in plain}
        for group, keep in ((plain, False), (grouped, True)):
            found = self._look(select, [v[0] for v in group.values()], grouped=keep)
            for same, kind in zip(group.values(), found, strict=True):
                for node in same:
                    self._note(node, kind)

    def _look(
        self, select: exp.Select, nodes: list[exp.Expr], *, grouped: bool
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

    def _elsewhere(self, select: exp.Select, node: exp.Expr) -> DataType | None:
        """The type of a column that is an alias of the select, or one of a select around it."""
        from sqlglot import exp

        if not isinstance(node, exp.Column):
            return None
        if not node.table:
            for item in select.expressions:
                if isinstance(item, exp.Alias) and item.alias.lower() == node.name.lower():
                    if not any(each is node for each in item.walk()):
                        self._ask(select, list(self._leaves(item.this)))
                        return self.kind_of(item.this)
                    break
        outer = select.find_ancestor(exp.Select)
        return None if outer is None else self._look(outer, [node], grouped=False)[0]

    def _of_lambda(self, select: exp.Select, node: exp.Expr) -> DataType | None:
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
        self._ask(select, list(self._leaves(source)))
        kind = self.kind_of(source)
        if name in {"reduce", "aggregate"} and place == 0:
            return kind
        if isinstance(kind, ArrayType):
            return IntegerType() if name in _ELEMENT_FUNCTIONS and place else kind.elementType
        if isinstance(kind, MapType):
            return kind.valueType if place else kind.keyType
        return None

    # mending

    def _mend(self, node: exp.Expr) -> bool:
        from sqlglot import exp

        name = name_of(node)
        if isinstance(node, exp.Case | exp.If | exp.Coalesce | exp.Nvl2):
            return self._unify(node)
        if isinstance(node, exp.WindowSpec):
            return self._range_of_days(node)
        if isinstance(node, exp.Cast):
            return self._cast_to_text(node)
        if name in _AGGREGATES:
            return self._aggregate(node, name)
        if name == "to_json":
            return self._json(node)
        if name in TEXT_OPERANDS and not _splits_letters(node):
            return self._texts(node)
        operands = [self._operand(each) for each in self._operands(node)]
        return self._put(node, mend(self._build, name, operands))

    def _put(self, node: exp.Expr, made: Mended) -> bool:
        if made.node is None:
            self._note(node, made.kind)
            return False
        new = made.node
        if name_of(node) in OPERATORS and _is_compared(node):
            new = kept_narrow(self._build, new)
        node.replace(new)
        self._note(new, made.kind)
        return True

    def _operand(self, node: exp.Expr) -> Operand:
        return Operand(
            node,
            self.kind_of(node),
            integer=_integer(node),
            string=_string(node),
            has_time=_has_time(node),
        )

    def _aggregate(self, node: exp.Expr, name: str) -> bool:
        from sqlglot import exp

        operands = self._operands(node)
        if len(operands) != 1:
            return False
        kind = self.kind_of(operands[0])
        widened = widen_aggregate(name, kind)
        if widened is None:
            self._note(node, aggregate_kind(name, kind))
            return False
        operands[0].replace(self._build.cast(operands[0], widened.operand))
        whole = node
        while isinstance(whole.parent, exp.Window | exp.Filter) and whole.arg_key == "this":
            whole = whole.parent
        new = self._build.cast(whole, widened.result)
        if _is_compared(whole):
            new = kept_narrow(self._build, new)
        whole.replace(new)
        self._note(new, widened.kind)
        return True

    def _cast_to_text(self, node: exp.Cast) -> bool:
        from sqlglot import exp

        if not is_real(self.kind_of(node.this)):
            return False
        if isinstance(node, exp.TryCast) and isinstance(self.kind_of(node.this), StringType):
            return False
        return self._put(node, Mended(spark_text(self._build, node.this), StringType()))

    def _texts(self, node: exp.Expr) -> bool:
        changed = False
        for operand in self._operands(node):
            if is_real(self.kind_of(operand)):
                operand.replace(spark_text(self._build, operand))
                changed = True
        return changed

    def _json(self, node: exp.Expr) -> bool:
        operands = self._operands(node)
        kind = self.kind_of(operands[0]) if operands else None
        if kind is None or len(operands) > 1:
            return False
        made = json_text(self._build, operands[0], kind)
        return self._put(node, Mended(made, StringType()))

    def _unify(self, node: exp.Expr) -> bool:
        """Bring the branches of CASE and IF to one type, which the engine takes from the first."""
        branches = _branches(node)
        kinds = [self.kind_of(each) for each in branches]
        wanted: DataType | None = NullType()
        for kind in kinds:
            wanted = common_type(wanted, kind)
        self._note(node, wanted)
        if wanted is None or isinstance(wanted, NullType):
            return False
        changed = False
        for branch, kind in zip(branches, kinds, strict=True):
            if kind != wanted:
                branch.replace(self._build.cast(branch, type_text(wanted)))
                changed = True
        return changed

    def _range_of_days(self, spec: exp.Expr) -> bool:
        """RANGE over dates: the engine takes no distance between dates."""
        from pyspark.sql.types import DateType
        from sqlglot import exp

        order = _order_of(spec)
        if not isinstance(self.kind_of(order), DateType):
            return False
        order.replace(self._build.cast(order, "TIMESTAMP"))
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
            names = self._probe.names(self.text)
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
            if value is not None and not value_is_all(value):
                probe.set(key, value if isinstance(value, list) else value.copy())
        try:
            return self._probe.columns(select, probe)
        except PySparkException:
            if len(items) == 1:
                return [items[0].sql("databricks", normalize_functions="lower")]
        return [self._names(select, before, [item])[0] for item in items]


def value_is_all(value: Any) -> bool:
    """Whether this is ``GROUP BY ALL``."""
    from sqlglot import exp

    return isinstance(value, exp.Group) and bool(value.args.get("all"))


def mend_expression(text: str, ask: Callable[[list[str]], list[DataType]]) -> str:
    """An expression that stands alone, mended; ``ask`` gives the types of parts of it.

    It stays as it is where it is not in Databricks' dialect.
    """
    from sqlglot import exp

    tree = parse(f"SELECT {text}")
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1:
        return text
    titled = tree.expressions[0].alias
    if not Typist(_Answers(ask)).mend_select(tree):
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


def name_of(node: exp.Expr) -> str:
    """Spark's name of an operator or function, empty for anything else."""
    from sqlglot import exp

    sign = _SIGNS.get(type(node).__name__)
    if sign is not None:
        return sign
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    if isinstance(node, exp.Func):
        return str(node.sql_name()).lower()
    return ""


_LEAST = frozenset({str(2**31), str(2**63)})


def _own(select: exp.Select) -> Iterator[exp.Expr]:
    """The nodes of a select, the inner before the outer, without those of selects inside it."""
    from sqlglot import exp

    for key, value in select.args.items():
        if key == "with_":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, exp.Expr):
                yield from _inside(child)


def _inside(node: exp.Expr) -> Iterator[exp.Expr]:
    from sqlglot import exp

    if isinstance(node, exp.Query):
        return
    for child in node.iter_expressions():
        yield from _inside(child)
    yield node


def _ancestors(nodes: list[exp.Expr]) -> set[int]:
    """The ids of those nodes that hold another one."""
    found: set[int] = set()
    for node in nodes:
        parent = node.parent
        while parent is not None and id(parent) not in found:
            found.add(id(parent))
            parent = parent.parent
    return found


def _untitled(select: exp.Select, pending: list[exp.Expr]) -> list[int]:
    """The places of the select items without a name of their own that may be changed."""
    from sqlglot import exp

    touched = _ancestors(pending) | {id(node) for node in pending}
    return [
        place
        for place, item in enumerate(select.expressions)
        if id(item) in touched
        and not isinstance(item, exp.Alias | exp.Aliases)
        and not is_star(item)
    ]


def _spare(select: exp.Select) -> exp.Select:
    """What names the columns, as it is now."""
    from sqlglot import exp

    made = exp.Select(expressions=[item.copy() for item in select.expressions])
    for key in ("group", "windows"):
        value = select.args.get(key)
        if value is not None:
            made.set(key, [v.copy() for v in value] if isinstance(value, list) else value.copy())
    return made


def _branches(node: exp.Expr) -> list[exp.Expr]:
    from sqlglot import exp

    if isinstance(node, exp.Coalesce):
        return [node.this, *node.expressions]
    if isinstance(node, exp.If | exp.Nvl2):
        found = [node.args.get("true"), node.args.get("false")]
    else:
        found = [each.args["true"] for each in node.args["ifs"]]
        found.append(node.args.get("default"))
    return [each for each in found if each is not None]


def _counts_days(spec: exp.Expr) -> bool:
    """Whether a window's frame is a RANGE with a distance."""
    from sqlglot import exp

    sides = [spec.args.get("start"), spec.args.get("end")]
    window = spec.parent
    ordered = isinstance(window, exp.Window) and window.args.get("order") is not None
    return (
        str(spec.args.get("kind", "")).upper() == "RANGE"
        and ordered
        and any(isinstance(side, exp.Literal | exp.Interval) for side in sides)
    )


def _order_of(spec: exp.Expr) -> exp.Expr:
    assert spec.parent is not None
    found: exp.Expr = spec.parent.args["order"].expressions[0].this
    return found


def _around() -> tuple[type[exp.Expr], ...]:
    """What has the type of the expression in it."""
    from sqlglot import exp

    return (exp.Paren, exp.Window, exp.Filter, exp.IgnoreNulls, exp.RespectNulls)


def _passes(name: str) -> bool:
    """Whether the function's type follows from its first operand's."""
    return aggregate_kind(name, DoubleType()) is not None


def _number_kind(text: str) -> DataType:
    if text.isdigit():
        return integer_kind(int(text))
    if "e" in text.lower():
        return DoubleType()
    whole, _, fraction = text.partition(".")
    digits = (whole + fraction).lstrip("0")
    return DecimalType(max(len(digits), len(fraction), 1), len(fraction))


def _integer(node: exp.Expr) -> int | None:
    from sqlglot import exp

    if isinstance(node, exp.Paren):
        return _integer(node.this)
    if isinstance(node, exp.Neg):
        inner = _integer(node.this)
        return None if inner is None else -inner
    if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
        return int(node.name)
    return None


def _string(node: exp.Expr) -> str | None:
    from sqlglot import exp

    return str(node.name) if isinstance(node, exp.Literal) and node.is_string else None


def _has_time(node: exp.Expr) -> bool:
    from sqlglot import exp

    if isinstance(node, exp.Paren):
        return _has_time(node.this)
    if isinstance(node, exp.Add | exp.Sub):
        return _has_time(node.this) or _has_time(node.expression)
    if not isinstance(node, exp.Interval):
        return False
    unit = node.args.get("unit")
    words = [each.name.upper().rstrip("S") for each in unit.find_all(exp.Var)] if unit else []
    return any(word in _TIMES for word in words)


def _splits_letters(node: exp.Expr) -> bool:
    """Whether this is ``split`` by an empty text."""
    from sqlglot import exp

    return isinstance(node, exp.RegexpSplit) and _string(node.expression) == ""


def _is_compared(node: exp.Expr) -> bool:
    """Whether an expression is a side of a comparison."""
    from sqlglot import exp

    parent = node.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    return isinstance(parent, exp.Predicate)


def _binds(node: exp.Expr) -> bool:
    """Whether an operand needs parentheses."""
    from sqlglot import exp

    return isinstance(node, exp.Binary | exp.Unary) and not isinstance(node, exp.Paren)


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
