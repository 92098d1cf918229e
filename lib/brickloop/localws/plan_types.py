"""Expressions of DataFrame plans mended by their types, as ``sql_types`` does for SQL.

A plan is walked from its sources up, so that a relation is looked at when what it stands on is
right already. Types are asked of the engine, once for the columns of a relation's expressions.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import Message
from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql.connect import proto
from pyspark.sql.types import DataType, LongType, StructType

from brickloop.localws.plan_nodes import PlanBuilder, aliased, call, column, integer
from brickloop.localws.plan_scope import Scope, children_of, is_candidate, sql_text
from brickloop.localws.spark_errors import (
    not_ordered,
    refused_intersection,
    set_operation_on_map,
    unsupported,
)
from brickloop.localws.spark_types import common_type, holds_map, type_text

_EXPRESSIONS = {
    "project": "expressions", "filter": "condition", "with_columns": "aliases",
    "aggregate": "aggregate_expressions", "sort": "order",
}  # fmt: skip
_PASSING = frozenset({"filter", "sort", "limit", "offset", "tail"})
"""Relations with the columns of what they stand on."""
_RELATION = "spark.connect.Relation"
_HOLDERS = frozenset({_RELATION, "spark.connect.Expression"})
"""What else in a relation can hold one."""
_INTERSECT = proto.SetOperation.SET_OP_TYPE_INTERSECT
_SEEN = "seen"
_MEMORY = 512
_SECONDS = 5.0
"""How long types that were asked for count; in the next action they are mostly asked again."""


Analyse = Callable[[Any], StructType]


Collect = Callable[[Any], list[Any]]
"""The values of the one row of a relation."""


Rewrite = Callable[[str, Callable[[list[str]], list[DataType]]], str]


def infers(read: Any) -> bool:
    """Whether a reader finds the types of a CSV file by itself."""
    source = read.data_source
    if source.format.lower() != "csv" or source.schema:
        return False
    options = {key.lower(): value.lower() for key, value in source.options.items()}
    return options.get("inferschema") == "true"


def tells_rows_apart(relation: Any) -> bool:
    """Whether a relation compares rows, for which their types matter."""
    kind = relation.WhichOneof("rel_type")
    if kind == "aggregate":
        return bool(relation.aggregate.grouping_expressions)
    if kind == "join":
        return bool(relation.join.using_columns)
    return kind in {"set_op", "deduplicate", "sort"}


class Columns:
    """The types of a relation's columns, asked for when the first one is needed."""

    def __init__(self, ask: Callable[[], dict[str, DataType]]) -> None:
        self._ask = ask
        self._own: dict[str, DataType | None] = {}
        self._found: dict[str, DataType] | None = None

    def kind_of(self, name: str) -> DataType | None:
        """The type of a column, None where it is not known."""
        if name in self._own:
            return self._own[name]
        if self._found is None:
            self._found = self._ask()
        return self._found.get(name)

    def over(self, own: dict[str, DataType | None]) -> Columns:
        """These columns with others on top."""
        made = Columns(dict)
        made._own = {**self._own, **own}
        made._ask = self._known
        return made

    def _known(self) -> dict[str, DataType]:
        if self._found is None:
            self._found = self._ask()
        return self._found


def _given(aliases: Any, kinds: list[DataType | None]) -> dict[str, DataType | None]:
    names = [each.name[0].lower() if len(each.name) == 1 else "" for each in aliases]
    return dict(zip(names, kinds, strict=True))


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
        if message.DESCRIPTOR.full_name == _RELATION:
            self._relation(message)
            return
        if message.DESCRIPTOR.full_name == "spark.connect.MergeIntoTableCommand":
            self.mend(message.source_table_plan)
            self._merge(message)
            return
        for field, value in message.ListFields():
            if field.type != field.TYPE_MESSAGE:
                continue
            if isinstance(value, Message):
                self.mend(value)
            elif not field.message_type.GetOptions().map_entry:
                for item in value:
                    self.mend(item)

    def forget(self) -> None:
        """Tables may have other columns from now on."""
        self._known.clear()

    def _relation(self, relation: Any) -> Columns:
        """Mend a relation and what it stands on; the columns that it gives."""
        kind = relation.WhichOneof("rel_type") or ""
        inner = getattr(relation, kind) if kind else relation
        below: Columns | None = None
        for field, value in inner.ListFields():
            if field.type != field.TYPE_MESSAGE:
                continue
            if field.name == "input" and isinstance(value, Message):
                below = self._relation(value)
            elif field.message_type.full_name in _HOLDERS:
                for each in [value] if isinstance(value, Message) else value:
                    self.mend(each)
        if kind == "read" and infers(relation.read):
            self._small_integers(relation)
        elif kind == "set_op":
            self._sides(relation.set_op)
        elif kind == "join":
            self._join(relation.join)
        elif kind in {"deduplicate", "aggregate", "sort"}:
            self._refuse_maps(kind, inner)
        if kind in _EXPRESSIONS and below is not None:
            return self._expressions(relation, kind, below)
        if kind in _PASSING and below is not None:
            return below
        return Columns(lambda: self._schema(relation))

    def _expressions(self, relation: Any, kind: str, below: Columns) -> Columns:
        inner = getattr(relation, kind)
        targets = list(_targets(inner, _EXPRESSIONS[kind]))
        if kind == "aggregate":
            if inner.HasField("pivot"):
                self._pivot(inner, below)
                return Columns(lambda: self._schema(relation))
            targets = list(inner.grouping_expressions) + targets
        above = below if kind in _PASSING else Columns(lambda: self._schema(relation))
        scope = Scope(self, inner.input, below)
        if not any(_holds_candidate(each) for each in targets):
            if kind == "with_columns":
                scope.learn(targets)
                return below.over(_given(inner.aliases, [scope.mend(each)[1] for each in targets]))
            return above
        scope.learn(targets)
        untitled = [
            index for index, each in enumerate(targets)
            if kind in {"project", "aggregate"} and each.WhichOneof("expr_type") != "alias"
        ]  # fmt: skip
        mended = [scope.mend(each) for each in targets]
        made = [new for new, _ in mended]
        changed = [index for index, new in enumerate(made) if new is not None]
        titles = self._titles(relation, targets) if set(untitled) & set(changed) else []
        for index in changed:
            new = made[index]
            if index in untitled and titles:
                new = aliased(new, titles[index])
            targets[index].CopyFrom(new)
        if kind == "with_columns":
            return below.over(_given(inner.aliases, [found for _, found in mended]))
        return above

    def _pivot(self, aggregate: Any, below: Columns) -> None:
        """The aggregates of a pivot; where there are several, their names are in the columns'."""
        targets = list(aggregate.aggregate_expressions)
        if not any(_holds_candidate(each) for each in targets):
            return
        scope = Scope(self, aggregate.input, below)
        scope.learn(targets)
        plain = proto.Relation()
        plain.aggregate.input.CopyFrom(aggregate.input)
        plain.aggregate.group_type = proto.Aggregate.GROUP_TYPE_GROUPBY
        plain.aggregate.aggregate_expressions.extend(targets)
        titles = self._titles(plain, targets) if len(targets) > 1 else []
        for index, each in enumerate(targets):
            named = each.WhichOneof("expr_type") == "alias"
            new, _ = scope.mend(each)
            if new is None:
                continue
            each.CopyFrom(aliased(new, titles[index]) if titles and not named else new)

    def _join(self, join: Any) -> None:
        """The condition of a join, over the columns of both sides."""
        if join.using_columns:
            fields = self._fields(join.left)
            for name in join.using_columns:
                if holds_map(fields.get(name.lower())):
                    raise not_ordered("=", "MAP")
        if not join.HasField("join_condition") or not _holds_candidate(join.join_condition):
            return
        scope = self._over_both(join.left, join.right)
        scope.learn([join.join_condition])
        new, _ = scope.mend(join.join_condition)
        if new is not None:
            join.join_condition.CopyFrom(new)

    def _merge(self, merge: Any) -> None:
        """The conditions and values of a merge, over the table's columns and the source's."""
        table = proto.Relation()
        table.read.named_table.unparsed_identifier = merge.target_table_name
        scope = self._over_both(table, merge.source_table_plan)
        targets = [merge.merge_condition]
        for field in ("match_actions", "not_matched_actions", "not_matched_by_source_actions"):
            for action in getattr(merge, field):
                if action.merge_action.HasField("condition"):
                    targets.append(action.merge_action.condition)
                targets += [each.value for each in action.merge_action.assignments]
        targets = [each for each in targets if _holds_candidate(each)]
        scope.learn(targets)
        for each in targets:
            new, _ = scope.mend(each)
            if new is not None:
                each.CopyFrom(new)

    def _over_both(self, left: Any, right: Any) -> Scope:
        both = proto.Relation()
        both.join.left.CopyFrom(left)
        both.join.right.CopyFrom(right)
        both.join.join_type = proto.Join.JOIN_TYPE_CROSS
        return Scope(self, both, Columns(lambda: self._schema(both)))

    def _refuse_maps(self, kind: str, inner: Any) -> None:
        """Refuse maps where rows are told apart: the engine tells them by their entries' order."""
        if kind == "deduplicate":
            fields = self._fields(inner.input)
            names = [name.lower() for name in inner.column_names] or list(fields)
            for name in names:
                found = fields.get(name)
                if found is not None and holds_map(found):
                    raise set_operation_on_map(name, type_text(found))
            return
        keys = (
            list(inner.grouping_expressions) if kind == "aggregate"
            else [each.child for each in inner.order]
        )  # fmt: skip
        for found in self.kinds(inner.input, keys):
            if found is None or not holds_map(found):
                continue
            if kind == "sort":
                raise not_ordered("sortorder", type_text(found))
            raise unsupported("GROUP BY of maps", "Use to_json, or array_sort(map_entries(...)).")

    def _fields(self, relation: Any) -> dict[str, DataType]:
        """The types of a relation's columns, the last one's where two have one name."""
        try:
            return {each.name.lower(): each.dataType for each in self._analyse(relation).fields}
        except PySparkException:
            return {}

    def _schema(self, relation: Any) -> dict[str, DataType]:
        """The types of a relation's columns; none where two have one name."""
        try:
            schema = self._analyse(relation)
        except PySparkException:
            return {}
        names = [name.lower() for name in schema.names]
        if len(set(names)) != len(names):
            return {}
        return dict(zip(names, [field.dataType for field in schema.fields], strict=True))

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
                probe.project.expressions.append(aliased(sql_text(each), f"t{index}"))
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
        if union.is_all and union.set_op_type == _INTERSECT:
            raise refused_intersection()
        inputs = [union.left_input, union.right_input]
        try:
            schemas = [self._analyse(each) for each in inputs]
        except PySparkException:
            return
        if not union.is_all or union.set_op_type != proto.SetOperation.SET_OP_TYPE_UNION:
            for each in schemas[0].fields:
                if holds_map(each.dataType):
                    raise set_operation_on_map(each.name, type_text(each.dataType))
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


def _holds_candidate(expression: Any) -> bool:
    return is_candidate(expression) or any(
        _holds_candidate(each) for each in children_of(expression)
    )


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
