"""The expressions of one relation of a plan, mended by their types."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from pyspark.sql.connect import proto
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    ByteType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    NullType,
    ShortType,
    StringType,
    TimestampNTZType,
    TimestampType,
)

from brickloop.localws.function_rules import INTERVALS, NAMED_RULES, PARTS, part_of_interval
from brickloop.localws.json_text import json_text
from brickloop.localws.operands import Operand, spark_text
from brickloop.localws.plan_nodes import PlanBuilder, copied
from brickloop.localws.spark_errors import unsupported
from brickloop.localws.spark_types import (
    aggregate_kind,
    common_type,
    holds_map,
    is_real,
    read_type,
    type_text,
)
from brickloop.localws.typed_rules import (
    COMPARISONS,
    OPERATORS,
    TEXT_OPERANDS,
    compared_type,
    kept_narrow,
    mend,
    widen_aggregate,
)

_AGGREGATES = frozenset({"sum", "avg", "mean"})
_CHOICES = frozenset({"coalesce", "nvl", "ifnull", "nvl2"})
_COMPARED = COMPARISONS | {"in", "between"}
_CANDIDATES = (
    OPERATORS | COMPARISONS | _AGGREGATES | frozenset(TEXT_OPERANDS)
    | {"when", "if", "to_json", "in"} | _CHOICES | NAMED_RULES | PARTS
)  # fmt: skip
_LITERALS: dict[str, Callable[[], DataType]] = {
    "byte": ByteType, "short": ShortType, "integer": IntegerType, "long": LongType,
    "float": FloatType, "double": DoubleType, "string": StringType, "boolean": BooleanType,
    "date": DateType, "timestamp": TimestampType, "timestamp_ntz": TimestampNTZType,
    "null": NullType,
}  # fmt: skip
_WHOLE = ("byte", "short", "integer", "long")
_DAY = 86_400_000_000
_HOURS = re.compile(r"\binterval\b.*\b(?:hour|minute|second)", re.IGNORECASE | re.DOTALL)


def is_candidate(expression: Any) -> bool:
    """Whether an expression of a plan may need mending."""
    kind = expression.WhichOneof("expr_type")
    if kind == "unresolved_function":
        function = expression.unresolved_function
        return bool(function.is_distinct) or str(function.function_name).lower() in _CANDIDATES
    if kind == "window":
        return bool(expression.window.partition_spec)
    if kind == "cast":
        return _is_text(expression.cast)
    return bool(kind == "expression_string")


class Types(Protocol):
    """Answers what types expressions have over a relation."""

    def kinds(self, source: Any, expressions: list[Any]) -> list[DataType | None]:
        """The types of expressions, None for those that are wrong there."""

    def text_of(self, source: Any, text: str) -> str:
        """An expression that is SQL, mended."""


class Columns(Protocol):
    """Knows the types of a relation's columns."""

    def kind_of(self, name: str) -> DataType | None:
        """The type of a column by its name in lower case, None where it is not known."""


class Scope:
    """The expressions of one relation, over what it stands on."""

    def __init__(self, types: Types, source: Any, columns: Columns) -> None:
        self._columns = columns
        self._types = types
        self._source = source
        self._build = PlanBuilder()
        self._kinds: dict[bytes, DataType | None] = {}

    def learn(self, targets: list[Any]) -> None:
        """Find the types of all columns; those that no name tells are asked for at once."""
        found = {
            each.SerializeToString(deterministic=True): each
            for target in targets
            for each in _columns(target)
        }
        for key, each in found.items():
            name = each.unresolved_attribute.unparsed_identifier.strip("`").lower()
            kind = self._columns.kind_of(name)
            if kind is not None:
                self._kinds[key] = kind
        open_ = [key for key in found if key not in self._kinds]
        kinds = self._types.kinds(self._source, [found[key] for key in open_])
        self._kinds.update(zip(open_, kinds, strict=True))

    def mend(
        self, expression: Any, given: dict[str, DataType | None] | None = None
    ) -> tuple[Any, DataType | None]:
        """The expression for the engine, None where it is right as it is, and its type.

        ``given`` are the types of lambdas' parameters.
        """
        given = given or {}
        kind = expression.WhichOneof("expr_type")
        if kind == "alias":
            new, found = self.mend(expression.alias.expr, given)
            return self._inside(expression, "alias", new), found
        if kind == "window":
            return self._window(expression, given)
        if kind == "cast":
            return self._cast(expression, given)
        if kind == "unresolved_function":
            return self._function(expression, given)
        if kind == "expression_string":
            text = expression.expression_string.expression
            changed = self._types.text_of(self._source, text)
            return (sql_text(changed) if changed != text else None), None
        if kind == "lambda_function":
            new, found = self.mend(expression.lambda_function.function, given)
            if new is None:
                return None, found
            made = copied(expression)
            made.lambda_function.function.CopyFrom(new)
            return made, found
        return None, self._kind_of(expression, given)

    def _inside(self, expression: Any, kind: str, new: Any) -> Any:
        if new is None:
            return None
        made = copied(expression)
        getattr(made, kind).expr.CopyFrom(new)
        return made

    def _window(
        self, expression: Any, given: dict[str, DataType | None]
    ) -> tuple[Any, DataType | None]:
        made = copied(expression)
        changed = False
        for each in made.window.partition_spec:
            new, kind = self.mend(each, given)
            if holds_map(kind):
                raise unsupported("PARTITION BY of maps", "Use to_json.")
            if new is not None:
                each.CopyFrom(new)
                changed = True
        for order in made.window.order_spec:
            new, _ = self.mend(order.child, given)
            if new is not None:
                order.child.CopyFrom(new)
                changed = True
        function = made.window.window_function
        if function.WhichOneof("expr_type") != "unresolved_function":
            return (made if changed else None), None
        call = function.unresolved_function
        name = call.function_name.lower()
        arguments, kinds, touched = self._arguments(call, given)
        for place, each in enumerate(arguments):
            if touched:
                call.arguments[place].CopyFrom(each)
        kind = kinds[0] if kinds else None
        widened = widen_aggregate(name, kind) if len(call.arguments) == 1 else None
        if widened is None:
            return (made if changed or touched else None), aggregate_kind(name, kind)
        argument = call.arguments[0]
        argument.CopyFrom(self._build.cast(copied(argument), widened.operand))
        return self._build.cast(made, widened.result), widened.kind

    def _cast(
        self, expression: Any, given: dict[str, DataType | None]
    ) -> tuple[Any, DataType | None]:
        new, found = self.mend(expression.cast.expr, given)
        if _is_text(expression.cast) and is_real(found):
            inner = new if new is not None else expression.cast.expr
            return spark_text(self._build, inner), StringType()
        kind = read_type(expression.cast.type_str) if expression.cast.type_str else None
        if kind is None:
            kind = self._ask(expression)
        return self._inside(expression, "cast", new), kind

    def _function(
        self, expression: Any, given: dict[str, DataType | None]
    ) -> tuple[Any, DataType | None]:
        call = expression.unresolved_function
        name = call.function_name.lower()
        arguments, kinds, changed = self._arguments(call, given)
        whole = copied(expression)
        if name in _COMPARED:
            arguments = [
                kept_narrow(self._build, new) if new is not old and new.HasField("cast") else new
                for new, old in zip(arguments, call.arguments, strict=True)
            ]
        if changed:
            for place, each in enumerate(arguments):
                whole.unresolved_function.arguments[place].CopyFrom(each)
        if name in _AGGREGATES and len(arguments) == 1:
            widened = widen_aggregate(name, kinds[0])
            if widened is not None:
                argument = whole.unresolved_function.arguments[0]
                argument.CopyFrom(self._build.cast(arguments[0], widened.operand))
                return self._build.cast(whole, widened.result), widened.kind
        if call.is_distinct and any(map(holds_map, kinds)):
            raise unsupported("DISTINCT of maps", "Use to_json.")
        if name == "in":
            return (whole if self._alike(whole, kinds) or changed else None), BooleanType()
        if name in PARTS and arguments and kinds[-1] is None and not given:
            kinds[-1] = self._ask(arguments[-1])
        if name in PARTS and arguments and isinstance(kinds[-1], INTERVALS):
            return part_of_interval(self._build, name, whole, kinds[-1], _string(arguments[0]))
        if name in {"when", "if"} or name in _CHOICES:
            unified, kind = self._unified(name, whole, kinds)
            return (whole if changed or unified else None), kind
        if name == "to_json" and len(arguments) == 1 and kinds[0] is not None:
            new = json_text(self._build, arguments[0], kinds[0])
            return (new if new is not None else whole if changed else None), StringType()
        operands = [
            Operand(node, kind, _integer(node), _string(node), _has_time(node))
            for node, kind in zip(arguments, kinds, strict=True)
        ]
        if name in _CANDIDATES and operands:
            made = mend(self._build, name, operands)
            if made.node is not None or made.kind is not None:
                return made.node or (whole if changed else None), made.kind
        kind = aggregate_kind(name, kinds[0] if kinds else None)
        if kind is None and name not in _CANDIDATES and not given:
            kind = self._ask(whole)
        return (whole if changed else None), kind

    def _arguments(
        self, call: Any, given: dict[str, DataType | None]
    ) -> tuple[list[Any], list[DataType | None], bool]:
        nodes: list[Any] = []
        kinds: list[DataType | None] = []
        changed = False
        for argument in call.arguments:
            inner = given
            if argument.WhichOneof("expr_type") == "lambda_function":
                names = [each.name_parts[0] for each in argument.lambda_function.arguments]
                inner = {**given, **_parameters(call.function_name.lower(), names, kinds)}
            new, kind = self.mend(argument, inner)
            changed = changed or new is not None
            nodes.append(argument if new is None else new)
            kinds.append(kind)
        return nodes, kinds, changed

    def _alike(self, whole: Any, kinds: list[DataType | None]) -> bool:
        """Bring numbers and texts that are compared to one type."""
        wanted = compared_type("in", kinds)
        if wanted is None:
            return False
        changed = False
        for argument, kind in zip(whole.unresolved_function.arguments, kinds, strict=True):
            if kind != wanted and not isinstance(kind, NullType):
                argument.CopyFrom(self._build.cast(copied(argument), type_text(wanted)))
                changed = True
        return changed

    def _unified(
        self, name: str, whole: Any, kinds: list[DataType | None]
    ) -> tuple[bool, DataType | None]:
        """Bring the branches to one type, which the engine takes from the first."""
        places = _branches(name, len(kinds))
        wanted: DataType | None = NullType()
        for place in places:
            wanted = common_type(wanted, kinds[place])
        if wanted is None or isinstance(wanted, NullType):
            return False, wanted
        changed = False
        for place in places:
            if kinds[place] != wanted:
                argument = whole.unresolved_function.arguments[place]
                argument.CopyFrom(self._build.cast(argument, type_text(wanted)))
                changed = True
        return changed, wanted

    def _kind_of(self, expression: Any, given: dict[str, DataType | None]) -> DataType | None:
        kind = expression.WhichOneof("expr_type")
        if kind == "literal":
            return _literal_kind(expression.literal)
        if kind == "unresolved_named_lambda_variable":
            return given.get(expression.unresolved_named_lambda_variable.name_parts[0])
        if kind in {"unresolved_attribute", "unresolved_extract_value"} and not given:
            return self._ask(expression)
        return None

    def _ask(self, expression: Any) -> DataType | None:
        key = expression.SerializeToString(deterministic=True)
        if key not in self._kinds:
            self._kinds[key] = self._types.kinds(self._source, [expression])[0]
        return self._kinds[key]


def _branches(name: str, count: int) -> list[int]:
    """Which of a function's operands are what it may give."""
    if name in {"if", "nvl2"}:
        return [1, 2]
    if name != "when":
        return list(range(count))
    return [*range(1, count, 2), *([count - 1] if count % 2 else [])]


def children_of(expression: Any) -> Iterator[Any]:
    kind = expression.WhichOneof("expr_type")
    if kind in {"alias", "cast"}:
        yield getattr(expression, kind).expr
    elif kind == "unresolved_function":
        yield from expression.unresolved_function.arguments
    elif kind == "lambda_function":
        yield expression.lambda_function.function
    elif kind == "window":
        yield expression.window.window_function
        yield from expression.window.partition_spec
        yield from (each.child for each in expression.window.order_spec)


def _columns(expression: Any) -> Iterator[Any]:
    """The columns in what may need mending."""
    if expression.WhichOneof("expr_type") == "unresolved_attribute":
        yield expression
    for each in children_of(expression):
        yield from _columns(each)


def _parameters(
    name: str, names: list[str], kinds: list[DataType | None]
) -> dict[str, DataType | None]:
    """The types of a lambda's parameters, by those of the arguments before it."""
    first = kinds[0] if kinds else None
    if name in {"aggregate", "reduce"}:
        element = first.elementType if isinstance(first, ArrayType) else None
        start = kinds[1] if len(kinds) > 1 else None
        return dict(zip(names, [start, element], strict=False))
    if name == "zip_with":
        found = [kind.elementType if isinstance(kind, ArrayType) else None for kind in kinds[:2]]
        return dict(zip(names, found, strict=False))
    if isinstance(first, ArrayType):
        return dict(zip(names, [first.elementType, IntegerType()], strict=False))
    if isinstance(first, MapType):
        return dict(zip(names, [first.keyType, first.valueType], strict=False))
    return dict.fromkeys(names)


def _literal_kind(literal: Any) -> DataType | None:
    kind = literal.WhichOneof("literal_type")
    if kind == "decimal":
        digits = literal.decimal.value.lstrip("-")
        scale = len(digits.partition(".")[2])
        precision = literal.decimal.precision or max(len(digits.replace(".", "").lstrip("0")), 1)
        return DecimalType(precision, literal.decimal.scale or scale)
    made = _LITERALS.get(kind or "")
    return None if made is None else made()


def _integer(node: Any) -> int | None:
    if node.WhichOneof("expr_type") != "literal":
        return None
    kind = node.literal.WhichOneof("literal_type")
    return int(getattr(node.literal, kind)) if kind in _WHOLE else None


def _string(node: Any) -> str | None:
    if node.WhichOneof("expr_type") != "literal" or not node.literal.HasField("string"):
        return None
    return str(node.literal.string)


def _has_time(node: Any) -> bool:
    kind = node.WhichOneof("expr_type")
    if kind == "expression_string":
        return bool(_HOURS.search(node.expression_string.expression))
    if kind == "literal" and node.literal.HasField("day_time_interval"):
        return bool(node.literal.day_time_interval % _DAY)
    return False


def _is_text(cast: Any) -> bool:
    if cast.type_str:
        return bool(cast.type_str.strip().lower() == "string")
    return bool(cast.type.WhichOneof("kind") == "string")


def sql_text(text: str) -> Any:
    return proto.Expression(expression_string=proto.Expression.ExpressionString(expression=text))
