"""The parts of a statement's tree that types are asked of, and how expressions are made in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pyspark.sql.types import DataType, DecimalType, DoubleType

from brickloop.localws.spark_types import integer_kind
from brickloop.localws.sql_context import OWN_VIEW
from brickloop.localws.sql_trees import is_star

if TYPE_CHECKING:
    from sqlglot import exp

_SIGNS = {
    "Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%", "Neg": "negative", "EQ": "=",
    "NullSafeEQ": "<=>", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">=",
    "DPipe": "||", "JSONFormat": "to_json", "UnixSeconds": "unix_seconds", "Length": "length",
    "StrPosition": "instr", "RegexpLike": "rlike", "RegexpSplit": "split", "And": "and",
    "TsOrDsAdd": "date_add", "ArraySlice": "slice", "FromJson": "from_json",
}  # fmt: skip
NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*")
_TIMES = frozenset({"HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND"})
AGGREGATES = frozenset({"sum", "avg", "mean"})
LEAST = frozenset({str(2**31), str(2**63)})


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


def groups_by_all(value: Any) -> bool:
    """Whether this is ``GROUP BY ALL``."""
    from sqlglot import exp

    return isinstance(value, exp.Group) and bool(value.args.get("all"))


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


def own_nodes(select: exp.Expr) -> Iterator[exp.Expr]:
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


def ancestors_of(nodes: list[exp.Expr]) -> set[int]:
    """The ids of those nodes that hold another one."""
    found: set[int] = set()
    for node in nodes:
        parent = node.parent
        while parent is not None and id(parent) not in found:
            found.add(id(parent))
            parent = parent.parent
    return found


def untitled(select: exp.Expr, pending: list[exp.Expr]) -> list[int]:
    """The places of the select items without a name of their own that may be changed."""
    from sqlglot import exp

    touched = ancestors_of(pending) | {id(node) for node in pending}
    return [
        place
        for place, item in enumerate(select.expressions)
        if id(item) in touched
        and not isinstance(item, exp.Alias | exp.Aliases)
        and not is_star(item)
    ]


def naming_parts(select: exp.Expr) -> exp.Select:
    """What names the columns, as it is now."""
    from sqlglot import exp

    made = exp.Select(expressions=[item.copy() for item in select.expressions])
    for key in ("group", "windows"):
        value = select.args.get(key)
        if value is not None:
            made.set(key, [v.copy() for v in value] if isinstance(value, list) else value.copy())
    return made


def branches_of(node: exp.Expr) -> list[exp.Expr]:
    from sqlglot import exp

    if isinstance(node, exp.Coalesce):
        return [node.this, *node.expressions]
    if isinstance(node, exp.If | exp.Nvl2):
        found = [node.args.get("true"), node.args.get("false")]
    else:
        found = [each.args["true"] for each in node.args["ifs"]]
        found.append(node.args.get("default"))
    return [each for each in found if each is not None]


def counts_days(spec: exp.Expr) -> bool:
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


def order_of(spec: exp.Expr) -> exp.Expr:
    assert spec.parent is not None
    found: exp.Expr = spec.parent.args["order"].expressions[0].this
    return found


def wrappers() -> tuple[type[exp.Expr], ...]:
    """What has the type of the expression in it."""
    from sqlglot import exp

    return (exp.Paren, exp.Window, exp.Filter, exp.IgnoreNulls, exp.RespectNulls)


def number_kind(text: str) -> DataType:
    if text.isdigit():
        return integer_kind(int(text))
    if "e" in text.lower():
        return DoubleType()
    whole, _, fraction = text.partition(".")
    digits = (whole + fraction).lstrip("0")
    return DecimalType(max(len(digits), len(fraction), 1), len(fraction))


def integer_of(node: exp.Expr) -> int | None:
    from sqlglot import exp

    if isinstance(node, exp.Paren):
        return integer_of(node.this)
    if isinstance(node, exp.Neg):
        inner = integer_of(node.this)
        return None if inner is None else -inner
    if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
        return int(node.name)
    return None


def string_of(node: exp.Expr) -> str | None:
    from sqlglot import exp

    return str(node.name) if isinstance(node, exp.Literal) and node.is_string else None


def has_time(node: exp.Expr) -> bool:
    from sqlglot import exp

    if isinstance(node, exp.Paren):
        return has_time(node.this)
    if isinstance(node, exp.Add | exp.Sub):
        return has_time(node.this) or has_time(node.expression)
    if not isinstance(node, exp.Interval):
        return False
    unit = node.args.get("unit")
    words = [each.name.upper().rstrip("S") for each in unit.find_all(exp.Var)] if unit else []
    return any(word in _TIMES for word in words)


def splits_letters(node: exp.Expr) -> bool:
    """Whether this is ``split`` by an empty text."""
    from sqlglot import exp

    return isinstance(node, exp.RegexpSplit) and string_of(node.expression) == ""


def counts_from_end(node: exp.Expr) -> bool:
    """Whether this is a part of a text that may be counted from the text's end."""
    from sqlglot import exp

    if isinstance(node, exp.Left | exp.Right):
        place = integer_of(node.expression)
    elif isinstance(node, exp.Substring) and node.args.get("length") is not None:
        place = integer_of(node.args["start"])
    else:
        return False
    return place is None or place < 0


def is_compared(node: exp.Expr) -> bool:
    """Whether an expression is a side of a comparison, or what a CASE compares."""
    from sqlglot import exp

    while isinstance(node.parent, exp.Paren):
        node = node.parent
    parent = node.parent
    if isinstance(parent, exp.Case):
        return node.arg_key == "this"
    if isinstance(parent, exp.If) and isinstance(parent.parent, exp.Case):
        return node.arg_key == "this" and parent.parent.this is not None
    return isinstance(parent, exp.Predicate) and not is_assignment(parent)


def has_number_text(node: exp.Expr) -> bool:
    """Whether a side of a comparison is a text with a number, or a decimal."""
    from sqlglot import exp

    return any(
        isinstance(each, exp.Literal)
        and (NUMBER.fullmatch(each.name) if each.is_string else "." in each.name)
        for each in node.iter_expressions()
    )


def are_columns(node: exp.Expr) -> bool:
    """Whether both sides of a comparison are columns, or are made of maps."""
    from sqlglot import exp

    kinds = (exp.Column, exp.Map, exp.VarMap, exp.StrToMap, exp.Anonymous)
    return all(isinstance(each, kinds) for each in operands_of(node))


def keys_of(select: exp.Select) -> Iterator[tuple[str, exp.Expr]]:
    """What rows are grouped, divided or sorted by, with the clause's name."""
    from sqlglot import exp

    group = select.args.get("group")
    if group is not None and not groups_by_all(group):
        for each in group.expressions:
            yield "GROUP BY", each
    for join in select.args.get("joins") or []:
        for each in join.args.get("using") or []:
            yield "USING", exp.column(each.copy())
    order = select.args.get("order")
    for each in order.expressions if order is not None else []:
        yield "ORDER BY", each.this
    for node in own_nodes(select):
        if isinstance(node, exp.Window):
            for each in node.args.get("partition_by") or []:
                yield "PARTITION BY", each
        elif isinstance(node, exp.Distinct) and node.parent is not select:
            for each in node.expressions:
                yield "DISTINCT", each


def is_assignment(node: exp.Expr) -> bool:
    """Whether this is ``SET column = value``."""
    from sqlglot import exp

    return isinstance(node, exp.EQ) and isinstance(node.parent, exp.Update)


def _binds(node: exp.Expr) -> bool:
    """Whether an operand needs parentheses."""
    from sqlglot import exp

    return isinstance(node, exp.Binary | exp.Unary) and not isinstance(node, exp.Paren)


def operands_of(node: exp.Expr) -> list[exp.Expr]:
    """The operands whose types matter."""
    from sqlglot import exp

    if isinstance(node, exp.Case | exp.If | exp.Coalesce | exp.Nvl2):
        return branches_of(node)
    if isinstance(node, exp.WindowSpec):
        return [order_of(node)]
    if isinstance(node, exp.Cast | exp.Neg):
        return [node.this]
    if isinstance(node, exp.Binary):
        return [node.this, node.expression]
    found = list(node.iter_expressions())
    if name_of(node) in AGGREGATES and found and isinstance(found[0], exp.Distinct):
        return list(found[0].expressions)
    return [each for each in found if not isinstance(each, exp.Lambda | exp.Var)]
