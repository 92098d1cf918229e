"""Relations that the engine does not have: files read in place, changes of a table, the catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from brickloop.localws.delta_log import read_facts
from brickloop.localws.registry import Entry
from brickloop.localws.spark_errors import analysis_error, table_not_found, unsupported
from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_tokens import read_tokens

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame
    from sqlglot import exp

_FORMATS = frozenset({"csv", "json", "parquet", "text", "orc", "avro", "binaryfile"})
_Rows = Iterator[tuple[Any, ...]]


def read_files(context: SqlContext, arguments: Sequence[exp.Expr]) -> DataFrame:
    """``read_files(path, format => ..., option => ...)``."""
    places, options = _arguments(arguments)
    path = str(places[0]) if places else str(options.pop("path", ""))
    kind = str(options.pop("format", "") or PurePosixPath(path).suffix.lstrip(".")).lower()
    if kind not in _FORMATS:
        kind = _format_within(context, path)
    schema = options.pop("schema", None)
    for name in ("schemaHints", "fileNamePattern", "partitionColumns"):
        if name in options:
            raise unsupported(f"read_files with {name}")
    reader = context.spark.read.format(kind)
    if kind == "csv":
        options = {"header": "true", "inferSchema": str(schema is None).lower(), **options}
    if schema is not None:
        reader = reader.schema(str(schema))
    for name, value in options.items():
        reader = reader.option(name, str(value).lower() if isinstance(value, bool) else value)
    frame = reader.load(path)
    if kind == "csv" and schema is None:
        frame = _narrow(frame)
    if schema is None and kind in {"csv", "json", "parquet", "avro"}:
        from pyspark.sql import functions as F  # noqa: N812

        frame = frame.withColumn("_rescued_data", F.lit(None).cast("string"))
    return frame


def _narrow(frame: DataFrame) -> DataFrame:
    """Whole numbers as INT where all of them fit, as Databricks reads them from CSV."""
    from pyspark.sql import functions as F  # noqa: N812

    longs = [f.name for f in frame.schema.fields if f.dataType.simpleString() == "bigint"]
    if not longs:
        return frame
    bounds = [edge(F.col(f"`{name}`")) for name in longs for edge in (F.min, F.max)]
    found = frame.select(*bounds).toArrow()
    values = [found.column(place)[0].as_py() for place in range(found.num_columns)]
    for name, low, high in zip(longs, values[::2], values[1::2], strict=True):
        if low is None or (low >= -(2**31) and high < 2**31):
            frame = frame.withColumn(name, F.col(f"`{name}`").cast("int"))
    return frame


def table_changes(context: SqlContext, arguments: Sequence[exp.Expr]) -> DataFrame:
    """``table_changes('t', from, to)``: the change feed of a Delta table."""
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    places, _ = _arguments(arguments)
    parts = tuple(token.value for token in read_tokens(str(places[0])) if token.is_name)
    entry = context.find_delta(parts, "table_changes")
    if read_facts(entry.folder).properties.get("delta.enableChangeDataFeed") != "true":
        raise analysis_error(
            "DELTA_MISSING_CHANGE_DATA",
            f"Error getting change data for `{entry.name}`: change data was not recorded. Set"
            " delta.enableChangeDataFeed=true on the table.",
        )
    bounds: dict[str, Any] = {}
    for name, value in zip(("starting", "ending"), places[1:3], strict=False):
        bounds[f"{name}_{'version' if isinstance(value, int) else 'timestamp'}"] = value
    context.recorder.add("tables_read", str(entry.name))
    import pyarrow as pa

    try:
        found = DeltaTable(entry.location).load_cdf(**bounds)
        table = pa.table(found.read_all())
    except DeltaError as error:
        raise analysis_error("DELTA_MISSING_CHANGE_DATA", str(error)) from None
    return context.arrow(table)


def information_schema(context: SqlContext, catalog: str, relation: str) -> DataFrame:
    """A relation of ``information_schema``; ``catalog`` is empty for the current one."""
    found = _RELATIONS.get(relation)
    if found is None:
        raise table_not_found(f"information_schema.{relation}")
    shape, rows = found
    own = catalog or context.catalog.catalog
    catalogs = context.registry.catalogs() if own == "system" else [own]
    for each in catalogs:
        context.registry.check_catalog(each)
    return context.rows(shape, (row for each in catalogs for row in rows(context, each)))


def columns_of(context: SqlContext, entry: Entry) -> list[Any]:
    """A table's or view's columns as Spark's fields."""
    if entry.is_delta:
        from pyspark.sql.types import StructType

        return list(StructType.fromJson(read_facts(entry.folder).schema).fields)
    return list(context.bare(f"SELECT * FROM {context.reference(entry)} LIMIT 0").schema.fields)


def comment_of(entry: Entry) -> str:
    """A table's or view's comment."""
    return read_facts(entry.folder).comment if entry.is_delta else entry.comment


def _catalogs(context: SqlContext, catalog: str) -> _Rows:
    yield catalog, context.user, "", "MANAGED_CATALOG"


def _schemata(context: SqlContext, catalog: str) -> _Rows:
    for schema in [*context.registry.schemas(catalog), "information_schema"]:
        yield catalog, schema, context.user, context.registry.schema_comment(catalog, schema)


def _entries(context: SqlContext, catalog: str) -> Iterator[Entry]:
    for schema in context.registry.schemas(catalog):
        if context.registry.has_schema(catalog, schema):
            yield from context.registry.entries(catalog, schema)


def _tables(context: SqlContext, catalog: str) -> _Rows:
    kinds = {"view": "VIEW", "external": "EXTERNAL"}
    for entry in _entries(context, catalog):
        kind = kinds.get(entry.kind, "MANAGED")
        provider = "UNKNOWN_DATA_SOURCE_FORMAT" if kind == "VIEW" else entry.provider.upper()
        comment = comment_of(entry) or None
        yield (*entry.name.parts, kind, entry.owner or context.user, comment, provider)


def _columns(context: SqlContext, catalog: str) -> _Rows:
    for entry in _entries(context, catalog):
        for position, field in enumerate(columns_of(context, entry)):
            kind = field.dataType.simpleString().upper()
            yield (
                *entry.name.parts, field.name, position, "YES" if field.nullable else "NO",
                kind, kind.partition("(")[0].partition("<")[0],
                (field.metadata or {}).get("comment"),
            )  # fmt: skip


def _views(context: SqlContext, catalog: str) -> _Rows:
    for entry in _entries(context, catalog):
        if entry.kind == "view":
            yield (*entry.name.parts, entry.text)


def _routines(context: SqlContext, catalog: str) -> _Rows:
    for schema in context.registry.schemas(catalog):
        for entry in context.registry.functions(catalog, schema):
            yield (*entry.name.parts, "FUNCTION", "SQL", entry.text, entry.comment or None)


_THREE = "table_catalog string, table_schema string, table_name string"
_RELATIONS: dict[str, tuple[str, Callable[[SqlContext, str], _Rows]]] = {
    "catalogs": (
        "catalog_name string, catalog_owner string, comment string, catalog_type string",
        _catalogs,
    ),
    "schemata": (
        "catalog_name string, schema_name string, schema_owner string, comment string",
        _schemata,
    ),
    "tables": (
        f"{_THREE}, table_type string, table_owner string, comment string,"
        " data_source_format string",
        _tables,
    ),
    "columns": (
        f"{_THREE}, column_name string, ordinal_position int, is_nullable string,"
        " full_data_type string, data_type string, comment string",
        _columns,
    ),
    "views": (f"{_THREE}, view_definition string", _views),
    "routines": (
        "routine_catalog string, routine_schema string, routine_name string, routine_type string,"
        " routine_body string, routine_definition string, comment string",
        _routines,
    ),
}


def _arguments(arguments: Sequence[exp.Expr]) -> tuple[list[Any], dict[str, Any]]:
    from sqlglot import exp

    places: list[Any] = []
    named: dict[str, Any] = {}
    for argument in arguments:
        if isinstance(argument, exp.Kwarg):
            named[argument.this.name] = _value(argument.expression)
        else:
            places.append(_value(argument))
    return places, named


def _value(node: exp.Expr) -> Any:
    from sqlglot import exp

    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Literal):
        return node.this if node.is_string else int(node.this)
    if isinstance(node, exp.Column | exp.Identifier):
        return node.name
    raise unsupported("an argument of a table function that is not a literal")


def _format_within(context: SqlContext, path: str) -> str:
    """The format of the files in a folder, by their suffix."""
    from pathlib import Path

    folder = Path(context.paths.existing(path))
    suffixes = (each.suffix.lstrip(".").lower() for each in sorted(folder.rglob("*")))
    return next((suffix for suffix in suffixes if suffix in _FORMATS), "parquet")
