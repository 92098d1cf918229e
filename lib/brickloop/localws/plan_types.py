"""Expressions of DataFrame plans mended by their types, as ``sql_types`` does for SQL.

A plan is walked from its sources up, so that a relation is looked at when what it stands on is
right already. Types are asked of the engine, once for the columns of a relation's expressions.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import Message
from pyspark.errors.exceptions.base import PySparkException
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
    StructType,
    TimestampNTZType,
    TimestampType,
)

from brickloop.localws.json_text import json_text
from brickloop.localws.plan_nodes import PlanBuilder, aliased, call, column, copied, integer
from brickloop.localws.typed_rules import (
    COMPARISONS,
    NAMED_RULES,
    OPERATORS,
    TEXT_OPERANDS,
    Operand,
    aggregate_kind,
    common_type,
    is_real,
    kept_narrow,
    mend,
    read_type,
    spark_text,
    type_text,
    widen_aggregate,
)

_AGGREGATES = frozenset({"sum", "avg", "mean"})
_CHOICES = frozenset({"coalesce", "nvl", "ifnull", "nvl2"})
_COMPARED = COMPARISONS | {"in", "between"}
_CANDIDATES = (
    OPERATORS | COMPARISONS | _AGGREGATES | frozenset(TEXT_OPERANDS)
    | {"when", "if", "to_json"} | _CHOICES | NAMED_RULES
)  # fmt: skip
_EXPRESSIONS = {
    "project": "expressions", "filter": "condition", "with_columns": "aliases",
    "aggregate": "aggregate_expressions", "sort": "order",
}  # fmt: skip
_LITERALS: dict[str, Callable[[], DataType]] = {
    "byte": ByteType, "short": ShortType, "integer": IntegerType, "long": LongType,
    "float": FloatType, "double": DoubleType, "string": StringType, "boolean": BooleanType,
    "date": DateType, "timestamp": TimestampType, "timestamp_ntz": TimestampNTZType,
    "null": NullType,
}  # fmt: skip
_WHOLE = ("byte", "short", "integer", "long")
_DAY = 86_400_000_000
_HOURS = re.compile(r"\binterval\b.*\b(?:hour|minute|second)", re.IGNORECASE | re.DOTALL)
_SEEN = "seen"
_MEMORY = 512
_SECONDS = 5.0
"""How long types that were asked for count; in the next action they are mostly asked again."""

Analyse = Callable[[Any], StructType]
Collect = Callable[[Any], list[Any]]
"""The values of the one row of a relation."""
Rewrite = Callable[[str, Callable[[list[str]], list[DataType]]], str]


def is_candidate(expression: Any) -> bool:
    """Whether an expression of a plan may need mending."""
    kind = expression.WhichOneof("expr_type")
    if kind == "unresolved_function":
        return str(expression.unresolved_function.function_name).lower() in _CANDIDATES
    if kind == "cast":
        return _is_text(expression.cast)
    return bool(kind == "expression_string")


def infers(read: Any) -> bool:
    """Whether a reader finds the types of a CSV file by itself."""
    source = read.data_source
    if source.format.lower() != "csv" or source.schema:
        return False
    options = {key.lower(): value.lower() for key, value in source.options.items()}
    return options.get("inferschema") == "true"


class PlanTypist:
    """Mends the plans of one session."""

    def __init__(self, analyse: Analyse, collect: Collect, rewrite: Rewrite) -> None:
        self._analyse = analyse
        self._collect = collect
        self._rewrite = rewrite
        self._files: dict[bytes, tuple[float, list[str]]] = {}
        self._known: OrderedDict[bytes, tuple[float, list[DataType | None]]] = OrderedDict()

    def mend(self, message: Any) -> None:
        """Mend every relation in a request."""
        for field, value in message.ListFields():
            if field.type != field.TYPE_MESSAGE:
                continue
            if isinstance(value, Message):
                self.mend(value)
            elif not field.message_type.GetOptions().map_entry:
                for item in value:
                    self.mend(item)
        if message.DESCRIPTOR.full_name == "spark.connect.Relation":
            self._relation(message)

    def forget(self) -> None:
        """Tables may have other columns from now on."""
        self._known.clear()

    def _relation(self, relation: Any) -> None:
        kind = relation.WhichOneof("rel_type")
        if kind == "read" and infers(relation.read):
            self._small_integers(relation)
        if kind == "set_op":
            self._sides(relation.set_op)
        field = _EXPRESSIONS.get(kind or "")
        if field is None:
            return
        inner = getattr(relation, kind)
        targets = list(_targets(inner, field))
        if kind == "aggregate":
            if inner.HasField("pivot"):
                return
            targets = list(inner.grouping_expressions) + targets
        if not any(_holds_candidate(each) for each in targets):
            return
        scope = _Scope(self, inner.input)
        scope.learn(targets)
        untitled = [
            index for index, each in enumerate(targets)
            if kind in {"project", "aggregate"} and each.WhichOneof("expr_type") != "alias"
        ]  # fmt: skip
        made = [scope.mend(each)[0] for each in targets]
        changed = [index for index, new in enumerate(made) if new is not None]
        titles = self._titles(relation, targets) if set(untitled) & set(changed) else []
        for index in changed:
            new = made[index]
            if index in untitled and titles:
                new = aliased(new, titles[index])
            targets[index].CopyFrom(new)

    def _titles(self, relation: Any, targets: list[Any]) -> list[str]:
        try:
            names = [str(name) for name in self._analyse(relation).names]
        except PySparkException:
            return []
        return names if len(names) == len(targets) else []

    def kinds(self, source: Any, expressions: list[Any]) -> list[DataType | None]:
        """The types of expressions over a relation, None for those that are wrong there."""
        if not expressions:
            return []
        probe = proto.Relation()
        probe.project.input.CopyFrom(source)
        for index, each in enumerate(expressions):
            probe.project.expressions.append(aliased(each, f"t{index}"))
        key = probe.SerializeToString(deterministic=True)
        kept = self._known.get(key)
        if kept is not None and time.monotonic() - kept[0] < _SECONDS:
            return kept[1]
        found: list[DataType | None]
        try:
            found = [field.dataType for field in self._analyse(probe).fields]
        except PySparkException:
            if len(expressions) == 1:
                found = [None]
            else:
                found = [self.kinds(source, [each])[0] for each in expressions]
        self._known[key] = (time.monotonic(), found)
        while len(self._known) > _MEMORY:
            self._known.popitem(last=False)
        return found

    def text_of(self, source: Any, text: str) -> str:
        """An expression that is SQL, mended over a relation."""

        def ask(texts: list[str]) -> list[DataType]:
            probe = proto.Relation()
            probe.project.input.CopyFrom(source)
            for index, each in enumerate(texts):
                probe.project.expressions.append(aliased(_sql(each), f"t{index}"))
            return [field.dataType for field in self._analyse(probe).fields]

        return self._rewrite(text, ask)

    def loosen(self, source: Any) -> None:
        """Let every column of what is written hold NULL, as Spark's writers make new tables."""
        try:
            schema = self._analyse(source)
        except PySparkException:
            return
        names = list(schema.names)
        if all(field.nullable for field in schema.fields) or len(set(names)) != len(names):
            return
        made = proto.Relation()
        made.project.input.CopyFrom(source)
        for field in schema.fields:
            item = column(field.name)
            if not field.nullable:
                # the engine would see through a condition that does not change
                always = call(">=", call("rand"), integer(0))
                item = aliased(call("when", always, item), field.name)
            made.project.expressions.append(item)
        source.CopyFrom(made)

    def _small_integers(self, relation: Any) -> None:
        """The whole numbers of a CSV file as INT where all of them fit, as Spark infers them."""
        if relation.common.source_info == _SEEN:
            return
        try:
            schema = self._analyse(relation)
            wide = [field.name for field in schema.fields if isinstance(field.dataType, LongType)]
            small = set(self._fitting(relation, wide)) if wide else set()
        except PySparkException:
            return
        if not small or len(set(schema.names)) != len(schema.names):
            return
        inner = proto.Relation()
        inner.CopyFrom(relation)
        inner.ClearField("common")
        inner.common.source_info = _SEEN
        relation.project.input.CopyFrom(inner)
        for field in schema.fields:
            item = column(field.name)
            if field.name in small:
                item = aliased(PlanBuilder().cast(item, "INT"), field.name)
            relation.project.expressions.append(item)

    def _fitting(self, source: Any, names: list[str]) -> list[str]:
        """Those columns whose values are all within INT."""
        key = source.SerializeToString(deterministic=True)
        kept = self._files.get(key)
        if kept is not None and time.monotonic() - kept[0] < _SECONDS:
            return kept[1]
        probe = proto.Relation()
        probe.aggregate.input.CopyFrom(source)
        probe.aggregate.group_type = proto.Aggregate.GROUP_TYPE_GROUPBY
        for index, name in enumerate(names):
            for call_name in ("min", "max"):
                made = call(call_name, column(name))
                probe.aggregate.aggregate_expressions.append(aliased(made, f"{call_name}{index}"))
        values = self._collect(probe)
        found = [
            name for index, name in enumerate(names)
            if all(value is None or -(2**31) <= value < 2**31
                   for value in values[2 * index : 2 * index + 2])
        ]  # fmt: skip
        self._files = {key: (time.monotonic(), found)}
        return found

    def _sides(self, union: Any) -> None:
        """Bring both sides of a union to the types that Spark gives the result."""
        inputs = [union.left_input, union.right_input]
        try:
            schemas = [self._analyse(each) for each in inputs]
        except PySparkException:
            return
        names = [list(schema.names) for schema in schemas]
        if len(names[0]) != len(names[1]) or any(len(set(each)) != len(each) for each in names):
            return
        if union.by_name and sorted(names[0]) != sorted(names[1]):
            return
        order = list(range(len(names[0])))
        if union.by_name:
            order = [names[1].index(name) for name in names[0]]
        pairs = [
            (schemas[0].fields[left].dataType, schemas[1].fields[right].dataType)
            for left, right in enumerate(order)
        ]
        wanted = [common_type(a, b) if a != b else a for a, b in pairs]
        right_wanted = dict(zip(order, wanted, strict=True))
        for each, schema, kinds in (
            (inputs[0], schemas[0], wanted),
            (inputs[1], schemas[1], [right_wanted[i] for i in range(len(wanted))]),
        ):
            if any(k is not None and k != f.dataType for k, f in zip(kinds, schema, strict=True)):
                each.CopyFrom(_recast(each, schema, kinds))


class _Scope:
    """The expressions of one relation, over what it stands on."""

    def __init__(self, typist: PlanTypist, source: Any) -> None:
        self._typist = typist
        self._source = source
        self._build = PlanBuilder()
        self._kinds: dict[bytes, DataType | None] = {}

    def learn(self, targets: list[Any]) -> None:
        """Ask for the types of all columns at once."""
        found = {
            each.SerializeToString(deterministic=True): each
            for target in targets
            for each in _columns(target)
        }
        kinds = self._typist.kinds(self._source, list(found.values()))
        self._kinds.update(zip(found, kinds, strict=True))

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
            changed = self._typist.text_of(self._source, text)
            return (_sql(changed) if changed != text else None), None
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
        function = expression.window.window_function
        if function.WhichOneof("expr_type") != "unresolved_function":
            return None, None
        call = function.unresolved_function
        name = call.function_name.lower()
        kind = self._first_kind(call, given)
        widened = widen_aggregate(name, kind) if len(call.arguments) == 1 else None
        if widened is None:
            return None, aggregate_kind(name, kind)
        made = copied(expression)
        argument = made.window.window_function.unresolved_function.arguments[0]
        argument.CopyFrom(self._build.cast(argument, widened.operand))
        return self._build.cast(made, widened.result), widened.kind

    def _first_kind(self, call: Any, given: dict[str, DataType | None]) -> DataType | None:
        return self.mend(call.arguments[0], given)[1] if call.arguments else None

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
            self._kinds[key] = self._typist.kinds(self._source, [expression])[0]
        return self._kinds[key]


def _branches(name: str, count: int) -> list[int]:
    """Which of a function's operands are what it may give."""
    if name in {"if", "nvl2"}:
        return [1, 2]
    if name != "when":
        return list(range(count))
    return [*range(1, count, 2), *([count - 1] if count % 2 else [])]


def _targets(inner: Any, field: str) -> Iterator[Any]:
    """The expressions of a relation."""
    value = getattr(inner, field)
    if field == "condition":
        yield value
    elif field == "aliases":
        yield from (each.expr for each in value)
    elif field == "order":
        yield from (each.child for each in value)
    else:
        yield from value


def _children(expression: Any) -> Iterator[Any]:
    kind = expression.WhichOneof("expr_type")
    if kind in {"alias", "cast"}:
        yield getattr(expression, kind).expr
    elif kind == "unresolved_function":
        yield from expression.unresolved_function.arguments
    elif kind == "lambda_function":
        yield expression.lambda_function.function
    elif kind == "window":
        yield expression.window.window_function


def _holds_candidate(expression: Any) -> bool:
    return is_candidate(expression) or any(_holds_candidate(each) for each in _children(expression))


def _columns(expression: Any) -> Iterator[Any]:
    """The columns in what may need mending."""
    if expression.WhichOneof("expr_type") == "unresolved_attribute":
        yield expression
    for each in _children(expression):
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


def _recast(source: Any, schema: StructType, kinds: list[DataType | None]) -> Any:
    build = PlanBuilder()
    made = proto.Relation()
    made.project.input.CopyFrom(source)
    for field, kind in zip(schema.fields, kinds, strict=True):
        item = column(field.name)
        if kind is not None and kind != field.dataType:
            item = aliased(build.cast(item, type_text(kind)), field.name)
        made.project.expressions.append(item)
    return made


def _sql(text: str) -> Any:
    return proto.Expression(expression_string=proto.Expression.ExpressionString(expression=text))
