"""INSERT, UPDATE, DELETE and MERGE: what changes the rows of tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pyspark.errors.exceptions.base import PySparkException

from brickloop.localws.delta_log import Action, commit_versions, read_commit, read_facts
from brickloop.localws.registry import Entry
from brickloop.localws.spark_errors import analysis_error, column_not_found, unsupported
from brickloop.localws.sql_changefeed import append_rows, has_feed
from brickloop.localws.sql_changefeed import change_rows as feed_changes
from brickloop.localws.sql_context import Answer, SqlContext
from brickloop.localws.sql_create import split_group
from brickloop.localws.sql_literals import bind, literal
from brickloop.localws.sql_query import prepare, run_query
from brickloop.localws.sql_tokens import Cursor, Token, quoted_name, read_tokens
from brickloop.localws.sql_trees import generate, parse

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame

_LARGEST_LIST = 10_000
_DAYS = frozenset({"CURRENT_DATE", "CURDATE"})
_CLOCKS = _DAYS | {"CURRENT_TIMESTAMP", "NOW"}
_COUNTS = {
    "INSERT": ("num_affected_rows", "num_inserted_rows"),
    "UPDATE": ("num_affected_rows",),
    "DELETE": ("num_affected_rows",),
    "MERGE": ("num_affected_rows", "num_updated_rows", "num_deleted_rows", "num_inserted_rows"),
}
_METRICS = {
    "num_updated_rows": ("numTargetRowsUpdated", "numUpdatedRows"),
    "num_deleted_rows": ("numTargetRowsDeleted", "numDeletedRows"),
    "num_inserted_rows": ("numTargetRowsInserted", "numOutputRows"),
}


def insert(context: SqlContext, cursor: Cursor, common: str = "") -> Answer:
    """INSERT in all its forms; ``common`` is the WITH clause that stands before it."""
    if cursor.sees("WITH", "SCHEMA", "EVOLUTION"):
        raise unsupported("INSERT WITH SCHEMA EVOLUTION", "Use ALTER TABLE ... ADD COLUMN.")
    head_end = cursor.tokens[cursor.position - 1].end
    overwrite = cursor.take_any("INTO", "OVERWRITE") == "OVERWRITE"
    cursor.take("TABLE")
    start = cursor.peek.start
    parts = cursor.name()
    name_end = cursor.tokens[cursor.position - 1].end
    target = _target(context, parts)
    columns: list[str] | None = None
    by_name = False
    if cursor.take("PARTITION"):
        return _insert_partition(context, cursor, target, common, overwrite=overwrite)
    if cursor.sees("(") and not _opens_query(cursor):
        columns = [part[0].value for part in split_group(cursor.text, cursor.group())]
    elif cursor.take("BY", "NAME"):
        by_name = True
    elif cursor.take("REPLACE"):
        return _as_it_is(context, cursor, target, common)
    source_start = cursor.peek.start
    source = _accepted(context, common + cursor.rest(), cursor.args)
    head = cursor.text[cursor.tokens[0].start : head_end] if common else cursor.text[:start]
    if common:
        head = "INSERT OVERWRITE " if overwrite else "INSERT INTO "
    if has_feed(target) and target is not None:
        query = source
        if columns is not None or by_name:
            query = _fill_columns(context, target, columns, source)
        frame = run_query(context, query).frame
        rows = append_rows(target, frame, overwrite=overwrite)
        return _counted(context, "INSERT", [rows, rows], rows)
    if columns is None and not by_name:
        source = _cast_values(context, target, source)
        text = f"{head}{cursor.text[start:name_end]} {source}"
        return _changed(context, "INSERT", target, lambda: context.engine(text), source)
    if target is None or not target.is_delta:
        text = bind(cursor.text[:source_start], cursor.args) + source
        return _changed(context, "INSERT", None, lambda: context.engine(text))
    query = _fill_columns(context, target, columns, source)
    text = f"{head}{context.reference(target)} {query}"
    return _changed(context, "INSERT", target, lambda: context.engine(text), source)


def change_rows(context: SqlContext, cursor: Cursor) -> Answer:
    """UPDATE, DELETE and MERGE, which the engine does."""
    kind = cursor.tokens[0].upper
    if cursor.sees("WITH", "SCHEMA", "EVOLUTION"):
        raise unsupported("MERGE WITH SCHEMA EVOLUTION", "Use ALTER TABLE ... ADD COLUMN.")
    cursor.take_any("FROM", "INTO")
    target = _target(context, cursor.name())
    text, _ = prepare(context, _with_clock(context, cursor.text), cursor.args)
    if kind in {"DELETE", "UPDATE"} and "SELECT" in {token.upper for token in read_tokens(text)}:
        text = _inline_queries(context, text)
    if has_feed(target) and target is not None:
        counts = feed_changes(context, kind, target, context.interceptor.prepare_text(text))
        total = sum(counts.values())
        parts = [counts.get(name, 0) for name in _COUNTS[kind][1:]]
        return _counted(context, kind, [total, *parts], total)
    return _changed(context, kind, target, lambda: context.engine(text))


def _target(context: SqlContext, parts: tuple[str, ...]) -> Entry | None:
    """The table that a statement changes; None for one that the engine knows by its path."""
    if len(parts) == 2 and "/" in parts[1]:
        return context.find_delta(parts, "INSERT") if parts[0].lower() == "delta" else None
    if context.is_temporary(parts):
        raise unsupported("changing the rows of a temporary view")
    entry = context.find(parts)
    if entry.kind == "view":
        raise analysis_error(
            "EXPECT_TABLE_NOT_VIEW", f"The rows of the view `{entry.name}` cannot be changed."
        )
    context.recorder.add("tables_written", str(entry.name))
    return entry


def _opens_query(cursor: Cursor) -> bool:
    following = cursor.tokens[cursor.position + 1 : cursor.position + 2]
    return bool(following) and following[0].upper in {"SELECT", "WITH", "FROM", "VALUES", "TABLE"}


def _insert_partition(
    context: SqlContext, cursor: Cursor, target: Entry | None, common: str, *, overwrite: bool
) -> Answer:
    """``INSERT ... PARTITION (k = 1)``: the partition's columns are the same in all rows."""
    if target is None or not target.is_delta:
        return _as_it_is(context, cursor, target, common)
    fixed: dict[str, str] = {}
    for part in split_group(cursor.text, cursor.group()):
        if len(part) < 3:
            raise unsupported("INSERT into a partition whose value comes from the query")
        fixed[part[0].value.lower()] = cursor.text_of(part[2:])
    columns = [f["name"] for f in read_facts(target.folder).schema["fields"]]
    if cursor.sees("(") and not _opens_query(cursor):
        given = [part[0].value for part in split_group(cursor.text, cursor.group())]
    else:
        given = [name for name in columns if name.lower() not in fixed]
    source = _accepted(context, common + cursor.rest(), cursor.args)
    names = ", ".join(f"_p{index}" for index in range(len(given)))
    values = "".join(f", {value}" for value in fixed.values())
    whole = f"SELECT {names}{values} FROM ({source}) AS _part({names})"
    query = _fill_columns(context, target, [*given, *fixed], whole)
    where = ""
    if overwrite:
        tests = " AND ".join(f"{quoted_name(name)} <=> {each}" for name, each in fixed.items())
        where = f"REPLACE WHERE {tests} "
    text = f"INSERT INTO {context.reference(target)} {where}{query}"
    return _changed(context, "INSERT", target, lambda: context.engine(text), source)


def _as_it_is(context: SqlContext, cursor: Cursor, target: Entry | None, common: str) -> Answer:
    if common:
        raise unsupported("WITH before INSERT ... PARTITION or REPLACE", "Put WITH after it.")
    text = bind(cursor.text, cursor.args)
    return _changed(context, "INSERT", target, lambda: context.engine(text), cursor.rest())


def _accepted(context: SqlContext, source: str, args: Any) -> str:
    """The rows to be inserted, as a query that the engine takes."""
    source, views = prepare(context, source, args)
    if not views:
        return source
    # what the query stands on is known to this statement alone: its rows go by way of a view
    frame = context.engine(source, views=views)
    name = context.temporary_name()
    context.arrow(frame.toArrow()).createOrReplaceTempView(name)
    return f"SELECT * FROM {name}"


def _fill_columns(
    context: SqlContext, target: Entry, columns: list[str] | None, source: str
) -> str:
    """The source with a value for every column of the table: NULL or its default where absent."""
    fields = read_facts(target.folder).schema["fields"]
    known = {field["name"].lower(): field for field in fields}
    source = _with_defaults(source, [known.get(c.lower(), {}) for c in columns or []])
    given = run_query(context, source).frame.columns
    names = columns if columns is not None else list(given)
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        raise column_not_found([unknown[0]], [field["name"] for field in fields])
    if len(names) != len(given):
        raise analysis_error(
            "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS"
            if len(given) < len(names)
            else "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS",
            f"Cannot write to {quoted_name(*target.name.parts)}, the reason is not enough or too"
            f" many data columns: table columns: {', '.join(names)}; data columns:"
            f" {', '.join(given)}.",
        )
    places = {name.lower(): f"_c{index}" for index, name in enumerate(names)}
    shown = []
    for field in fields:
        metadata = field.get("metadata") or {}
        if field["name"].lower() in places:
            shown.append(f"{places[field['name'].lower()]} AS {quoted_name(field['name'])}")
        elif any(key.startswith(("delta.generation", "delta.identity")) for key in metadata):
            # the engine fills these in by itself where they are not mentioned
            continue
        else:
            default = metadata.get("CURRENT_DEFAULT")
            if default is None and not field.get("nullable", True):
                raise analysis_error(
                    "DELTA_NOT_NULL_CONSTRAINT_VIOLATED",
                    f"NOT NULL constraint violated for column: {field['name']}.",
                )
            shown.append(f"{default or 'NULL'} AS {quoted_name(field['name'])}")
    named = ", ".join(f"_c{index}" for index in range(len(names)))
    kept = [item.rsplit(" AS ", 1)[1] for item in shown]
    head = f"({', '.join(kept)}) " if len(kept) < len(fields) else ""
    return f"{head}SELECT {', '.join(shown)} FROM ({source}) AS _given({named})"


def _with_defaults(source: str, fields: list[Action]) -> str:
    """VALUES with the keyword DEFAULT replaced by what the column has for it."""
    tokens = read_tokens(source)
    if not tokens or tokens[0].upper != "VALUES" or not any(t.upper == "DEFAULT" for t in tokens):
        return source
    replaced = []
    for row in split_group(source, tokens[1:]):
        for field, item in zip(fields, split_group(source, row[1:-1]), strict=False):
            if len(item) == 1 and item[0].upper == "DEFAULT":
                default = (field.get("metadata") or {}).get("CURRENT_DEFAULT") or "NULL"
                replaced.append((item[0], default))
    for token, default in reversed(replaced):
        source = source[: token.start] + default + source[token.end :]
    return source


def _with_clock(context: SqlContext, text: str) -> str:
    """The statement with the time in it: the engine does not know it in these conditions."""
    tokens = read_tokens(text)
    found = [
        (token, tokens[index + 2])
        for index, token in enumerate(tokens)
        if token.upper in _CLOCKS
        and [each.text for each in tokens[index + 1 : index + 3]] == ["(", ")"]
    ]
    if not found:
        return text
    shown = "SELECT CAST(current_timestamp() AS STRING), CAST(current_date() AS STRING)"
    moment, day = (column[0].as_py() for column in context.bare(shown).toArrow().columns)
    for first, last in reversed(found):
        clock = f"DATE'{day}'" if first.upper in _DAYS else f"TIMESTAMP'{moment}'"
        text = text[: first.start] + clock + text[last.end :]
    return text


def _inline_queries(context: SqlContext, text: str) -> str:
    """The statement with its subqueries' values in their place: the engine takes none here."""
    from sqlglot import exp

    tree = parse(text)
    if tree is None:
        return text
    for node in list(tree.find_all(exp.In, exp.Subquery, exp.Exists)):
        inner = node.args.get("query") if isinstance(node, exp.In) else node
        if inner is None or node.find_ancestor(exp.Subquery, exp.Exists):
            continue
        query = inner.this if isinstance(inner, exp.Subquery | exp.Exists) else inner
        if isinstance(node, exp.Subquery) and isinstance(node.parent, exp.In):
            continue
        try:
            rows = context.engine(f"{generate(query)} LIMIT {_LARGEST_LIST + 1}").toArrow()
        except PySparkException as error:
            if "UNRESOLVED_COLUMN" in str(error):
                raise unsupported(
                    "a correlated subquery in DELETE or UPDATE", "Use MERGE."
                ) from None
            raise
        if rows.num_rows > _LARGEST_LIST:
            raise unsupported(f"a subquery of more than {_LARGEST_LIST} rows in DELETE or UPDATE")
        if isinstance(node, exp.Exists):
            node.replace(exp.Boolean(this=rows.num_rows > 0))
            continue
        values = [literal(value) for value in rows.column(0).to_pylist()]
        if isinstance(node, exp.In):
            made = f"{generate(node.this)} IN ({', '.join(values)})" if values else "FALSE"
            node.replace(exp.maybe_parse(made, dialect="databricks"))
        else:
            if len(values) > 1:
                raise analysis_error(
                    "SCALAR_SUBQUERY_TOO_MANY_ROWS",
                    "More than one row returned by a subquery used as an expression.",
                )
            node.replace(exp.maybe_parse(values[0] if values else "NULL", dialect="databricks"))
    return generate(tree)


def _changed(
    context: SqlContext,
    kind: str,
    target: Entry | None,
    run: Callable[[], DataFrame],
    source: str | None = None,
) -> Answer:
    """Run the statement; the numbers of rows that it changed, as Databricks gives them.

    ``source`` is where the rows of an INSERT come from: what else the statement names is not read.
    """
    before = _newest(target)
    name = str(target.name) if target is not None else ""
    read_before = context.recorder.has("tables_read", name)
    frame = run()
    if source is not None and not read_before:
        mentioned = {str(entry.name) for entry in context.catalog.ensure_text(source)}
        if name not in mentioned:
            context.recorder.discard("tables_read", name)
    written = _written(frame)
    metrics: dict[str, int] = {}
    for version in range(before + 1, _newest(target) + 1):
        metrics = _metrics(target, version) if target is not None else {}
    counts = {
        name: next((metrics[key] for key in keys if key in metrics), None)
        for name, keys in _METRICS.items()
    }
    if kind == "INSERT":
        total = written if written is not None else counts["num_inserted_rows"]
        values: list[int | None] = [total, total]
    elif kind == "MERGE":
        parts = [counts["num_updated_rows"], counts["num_deleted_rows"],
                 counts["num_inserted_rows"]]  # fmt: skip
        total = sum(part or 0 for part in parts)
        values = [total, *(part or 0 for part in parts)]
    else:
        key = "num_updated_rows" if kind == "UPDATE" else "num_deleted_rows"
        total = counts[key] or 0
        values = [total]
    return _counted(context, kind, values, total)


def _counted(
    context: SqlContext, kind: str, values: Sequence[int | None], total: int | None
) -> Answer:
    shape = ", ".join(f"{name} bigint" for name in _COUNTS[kind])
    return Answer(context.rows(shape, [tuple(values)]), is_command=True, affected=total)


def _cast_values(context: SqlContext, target: Entry | None, source: str) -> str:
    """VALUES whose rows differ in type, as the engine refuses them: each of its column's type."""
    tokens = read_tokens(source)
    if target is None or not target.is_delta or not tokens or tokens[0].upper != "VALUES":
        return source
    fields = read_facts(target.folder).schema["fields"]
    source = _with_defaults(source, fields)
    tokens = read_tokens(source)
    rows = [split_group(source, row[1:-1]) for row in split_group(source, tokens[1:])]
    if len({tuple(_shape(item) for item in row) for row in rows}) < 2:
        return source
    replaced = [
        (item, str(field["type"]))
        for row in rows
        for item, field in zip(row, fields, strict=False)
        if isinstance(field["type"], str) and item[0].upper != "NULL"
    ]
    for item, kind in reversed(replaced):
        start, end = item[0].start, item[-1].end
        source = f"{source[:start]}CAST({source[start:end]} AS {kind}){source[end:]}"
    return source


def _shape(item: tuple[Token, ...]) -> str:
    """What kind of thing stands in a row, as far as its tokens say."""
    if len(item) > 1:
        return item[0].upper
    return "NULL" if item[0].upper == "NULL" else item[0].kind


def _written(frame: DataFrame) -> int | None:
    table = frame.toArrow()
    if table.num_columns and table.num_rows:
        value = table.column(0)[0].as_py()
        return int(value) if isinstance(value, int) else None
    return None


def _newest(target: Entry | None) -> int:
    versions = commit_versions(target.folder) if target is not None and target.is_delta else []
    return versions[-1] if versions else -1


def _metrics(target: Entry, version: int) -> dict[str, int]:
    for action in read_commit(target.folder, version):
        info = action.get("commitInfo")
        if info:
            found = info.get("operationMetrics") or {}
            return {key: int(value) for key, value in found.items() if str(value).isdigit()}
    return {}
