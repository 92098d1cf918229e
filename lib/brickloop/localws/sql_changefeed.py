"""Changes of tables with a change data feed: by delta-rs, which records them; the engine cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from brickloop.localws.delta_log import read_facts
from brickloop.localws.registry import Entry
from brickloop.localws.spark_errors import analysis_error, unsupported
from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_trees import generate, parse

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame
    from sqlglot import exp

FEED = "delta.enableChangeDataFeed"


def has_feed(entry: Entry | None) -> bool:
    """Whether changes of the table are recorded."""
    if entry is None or not entry.is_delta:
        return False
    return read_facts(entry.folder).properties.get(FEED, "").lower() == "true"


def append_rows(entry: Entry, frame: DataFrame, *, overwrite: bool) -> int:
    """Add a query's rows to the table, by the places of its columns; how many they are."""
    import pyarrow as pa
    from deltalake import write_deltalake

    rows = frame.toArrow()
    with _table(entry, "INSERT") as table:
        schema = pa.schema(table.schema().to_arrow())
        if rows.num_columns != len(schema):
            raise analysis_error(
                "INSERT_COLUMN_ARITY_MISMATCH",
                f"Cannot write to `{entry.name}`: it has {len(schema)} columns and the data has"
                f" {rows.num_columns}.",
            )
        fields = [
            field.with_type(column.type).remove_metadata() if _is_view(field.type) else field
            for field, column in zip(schema, rows.itercolumns(), strict=True)
        ]
        cast = rows.rename_columns([f.name for f in schema]).cast(pa.schema(fields))
        write_deltalake(table, cast, mode="overwrite" if overwrite else "append")
    return int(rows.num_rows)


def change_rows(context: SqlContext, kind: str, entry: Entry, text: str) -> dict[str, int]:
    """UPDATE, DELETE or MERGE; the numbers of rows that it changed."""
    from sqlglot import exp

    tree = parse(text)
    if isinstance(tree, exp.Merge):
        return _merge(context, entry, tree)
    where = tree.args.get("where") if tree is not None else None
    predicate = _native(where.this) if where is not None else None
    with _table(entry, kind) as table:
        if isinstance(tree, exp.Update):
            updates = {each.this.name: _native(each.expression) for each in tree.expressions}
            found = table.update(updates=updates, predicate=predicate)
            return {"num_updated_rows": int(found.get("num_updated_rows", 0))}
        found = table.delete(predicate)
        return {"num_deleted_rows": int(found.get("num_deleted_rows", 0))}


def _merge(context: SqlContext, entry: Entry, tree: exp.Merge) -> dict[str, int]:
    from sqlglot import exp

    using = tree.args["using"]
    target, source = tree.this.alias_or_name, using.alias_or_name
    query = using.this if isinstance(using, exp.Subquery) else None
    rows = context.engine(generate(query) if query else f"SELECT * FROM {generate(using)}")
    data = rows.toArrow()
    names = data.column_names
    with _table(entry, "MERGE") as table:
        merger: Any = table.merge(
            data, _native(tree.args["on"]), source_alias=source, target_alias=target
        )
        for when in tree.args["whens"].expressions:
            _add_when(merger, when, names, source)
        found = merger.execute()
    return {
        "num_updated_rows": int(found.get("num_target_rows_updated", 0)),
        "num_deleted_rows": int(found.get("num_target_rows_deleted", 0)),
        "num_inserted_rows": int(found.get("num_target_rows_inserted", 0)),
    }


def _add_when(merger: Any, when: exp.When, names: list[str], source: str) -> None:
    from sqlglot import exp

    condition = when.args.get("condition")
    given = _native(condition) if condition is not None else None
    then = when.args["then"]
    matched, by_source = bool(when.args.get("matched")), bool(when.args.get("source"))
    side = "matched" if matched else "not_matched_by_source" if by_source else "not_matched"
    if isinstance(then, exp.Var):
        getattr(merger, f"when_{side}_delete")(predicate=given)
        return
    if isinstance(then, exp.Update):
        if any(isinstance(each, exp.Star) for each in then.expressions) or not then.expressions:
            updates = {name: f'{source}."{name}"' for name in names}
        else:
            updates = {each.this.name: _native(each.expression) for each in then.expressions}
        getattr(merger, f"when_{side}_update")(updates=updates, predicate=given)
        return
    if isinstance(then.this, exp.Tuple):
        pairs = zip(then.this.expressions, then.expression.expressions, strict=True)
        values = {column.name: _native(value) for column, value in pairs}
    else:
        values = {name: f'{source}."{name}"' for name in names}
    merger.when_not_matched_insert(updates=values, predicate=given)


def _native(node: exp.Expr) -> str:
    """An expression as delta-rs reads it."""
    return str(node.sql(dialect="postgres"))


def _is_view(kind: Any) -> bool:
    import pyarrow as pa

    return kind in {pa.string_view(), pa.binary_view()}


@contextmanager
def _table(entry: Entry, command: str) -> Iterator[Any]:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        yield DeltaTable(entry.location)
    except DeltaError as error:
        raise unsupported(f"this {command} on a table with a change data feed: {error}") from None
