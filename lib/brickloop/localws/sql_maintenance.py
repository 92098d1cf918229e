"""Delta tables looked after: history, detail, OPTIMIZE, VACUUM, RESTORE, by delta-rs and log."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from brickloop.localws.delta_log import commit_versions, read_facts, read_history
from brickloop.localws.registry import Entry
from brickloop.localws.spark_errors import analysis_error, unsupported
from brickloop.localws.sql_context import SqlContext
from brickloop.localws.sql_create import split_group
from brickloop.localws.sql_tokens import Cursor, quoted_name

if TYPE_CHECKING:
    from pyspark.sql.connect.dataframe import DataFrame

_HISTORY = (
    "version bigint, timestamp timestamp, userId string, userName string, operation string,"
    " operationParameters map<string,string>, notebook struct<notebookId:string>,"
    " clusterId string, readVersion bigint, isolationLevel string, isBlindAppend boolean,"
    " operationMetrics map<string,string>, userMetadata string, engineInfo string"
)
_DETAIL = (
    "format string, id string, name string, description string, location string,"
    " createdAt timestamp, lastModified timestamp, partitionColumns array<string>,"
    " clusteringColumns array<string>, numFiles bigint, sizeInBytes bigint,"
    " properties map<string,string>, minReaderVersion int, minWriterVersion int,"
    " tableFeatures array<string>"
)
_METRICS = (
    "path string, metrics struct<numFilesAdded:bigint,numFilesRemoved:bigint,"
    "partitionsOptimized:bigint,numBatches:bigint,totalConsideredFiles:bigint,"
    "totalFilesSkipped:bigint>"
)
_RESTORED = (
    "table_size_after_restore bigint, num_of_files_after_restore bigint, num_removed_files bigint,"
    " num_restored_files bigint, removed_files_size bigint, restored_files_size bigint"
)
_WEEK = 168.0
_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"


def describe_history(context: SqlContext, cursor: Cursor) -> DataFrame:
    """DESCRIBE HISTORY: a row for each version, newest first."""
    cursor.take("TABLE")
    entry = context.find_delta(cursor.name(), "DESCRIBE HISTORY")
    limit = cursor.number() if cursor.take("LIMIT") else None
    cursor.end()
    rows = []
    for version, info in read_history(entry.folder, limit):
        rows.append(
            (
                version, _moment(info.get("timestamp", 0)), None, context.user,
                info.get("operation"), _texts(info.get("operationParameters")), None, None,
                info.get("readVersion"), info.get("isolationLevel"), info.get("isBlindAppend"),
                _texts(info.get("operationMetrics")), info.get("userMetadata"),
                info.get("engineInfo"),
            )
        )  # fmt: skip
    return context.rows(_HISTORY, rows)


def describe_detail(context: SqlContext, cursor: Cursor) -> DataFrame:
    """DESCRIBE DETAIL: one row about a Delta table."""
    cursor.take("TABLE")
    entry = context.find_delta(cursor.name(), "DESCRIBE DETAIL")
    cursor.end()
    facts = read_facts(entry.folder)
    sizes = file_sizes(entry)
    newest = entry.folder / "_delta_log" / f"{facts.version:020d}.json"
    protocol = facts.protocol
    features = [
        *(protocol.get("readerFeatures") or []),
        *(name for name in protocol.get("writerFeatures") or []),
    ]
    row: tuple[Any, ...] = (
        "delta", facts.metadata.get("id"), str(entry.name) if entry.name.catalog else None,
        facts.comment or None, context.paths.shown(entry.location),
        _moment(facts.metadata.get("createdTime") or 0),
        _moment(int(newest.stat().st_mtime * 1000)), facts.partition_columns, [],
        len(sizes), sum(sizes), facts.properties, protocol.get("minReaderVersion"),
        protocol.get("minWriterVersion"), sorted(set(features)),
    )  # fmt: skip
    return context.rows(_DETAIL, [row])


def optimize(context: SqlContext, cursor: Cursor) -> DataFrame:
    """OPTIMIZE: small files into larger ones, ZORDER BY by the columns' order."""
    cursor.take("TABLE")
    entry = context.find_delta(cursor.name(), "OPTIMIZE")
    cursor.take("FULL")
    if cursor.take("WHERE"):
        raise unsupported("OPTIMIZE ... WHERE", "Optimize the whole table.")
    columns: list[str] = []
    if cursor.take("ZORDER", "BY"):
        inner = cursor.group() if cursor.sees("(") else cursor.remaining()
        columns = [part[0].value for part in split_group(cursor.text, inner)]
    cursor.end()
    context.recorder.add("tables_written", str(entry.name))
    with _delta(entry, "OPTIMIZE") as table:
        found = table.optimize.z_order(columns) if columns else table.optimize.compact()
    metrics = tuple(
        found.get(key, 0)
        for key in ("numFilesAdded", "numFilesRemoved", "partitionsOptimized", "numBatches",
                    "totalConsideredFiles", "totalFilesSkipped")
    )  # fmt: skip
    return context.rows(_METRICS, [(context.paths.shown(entry.location), metrics)])


def vacuum(context: SqlContext, cursor: Cursor) -> DataFrame:
    """VACUUM: files that no version within the retention needs."""
    cursor.take("TABLE")
    entry = context.find_delta(cursor.name(), "VACUUM")
    cursor.take_any("LITE", "FULL")
    hours: float | None = None
    if cursor.take("RETAIN"):
        hours = float(cursor.next().text)
        cursor.expect("HOURS")
    dry = cursor.take("DRY", "RUN")
    cursor.end()
    checked = str(context.spark.conf.get(_CHECK, "true")).lower() == "true"
    if hours is not None and hours < _WEEK and checked:
        raise analysis_error(
            "INVALID_PARAMETER_VALUE",
            "Are you sure you would like to vacuum files with such a low retention period? If you"
            " are certain that there are no operations being performed on this table, you may turn"
            f" off this check by setting: {_CHECK} = false. Otherwise use a value of at least"
            f" {_WEEK:.0f} hours.",
        )
    with _delta(entry, "VACUUM") as table:
        gone = table.vacuum(
            retention_hours=None if hours is None else int(hours),
            dry_run=dry,
            enforce_retention_duration=False,
        )
    place = context.paths.shown(entry.location)
    rows = [(f"{place}/{name}",) for name in gone] if dry else [(place,)]
    return context.rows("path string", rows)


def restore(context: SqlContext, cursor: Cursor) -> DataFrame:
    """RESTORE TABLE: the table as it was at a version or a time, as a new version."""
    cursor.take("TABLE")
    parts = cursor.name()
    entry = context.find_delta(parts, "RESTORE")
    cursor.expect("TO")
    target: Any
    if cursor.take("VERSION", "AS", "OF"):
        target = cursor.number()
        versions = commit_versions(entry.folder)
        if target not in versions:
            raise analysis_error(
                "DELTA_VERSION_NOT_FOUND",
                f"Cannot time travel Delta table to version {target}. Available versions:"
                f" [{versions[0]}, {versions[-1]}].",
            )
    else:
        cursor.expect("TIMESTAMP", "AS", "OF")
        target = dt.datetime.fromisoformat(cursor.string().replace("Z", "+00:00"))
        if target.tzinfo is None:
            target = target.replace(tzinfo=dt.timezone.utc)
    cursor.end()
    context.recorder.add("tables_written", str(entry.name))
    before = sum(file_sizes(entry))
    with _delta(entry, "RESTORE") as table:
        found = table.restore(target)
    context.catalog.mark_made(entry.name)
    sizes = file_sizes(entry)
    row = (
        sum(sizes), len(sizes), found.get("numRemovedFile", 0), found.get("numRestoredFile", 0),
        max(0, before - sum(sizes)), max(0, sum(sizes) - before),
    )  # fmt: skip
    return context.rows(_RESTORED, [row])


def show_partitions(context: SqlContext, cursor: Cursor) -> DataFrame:
    """SHOW PARTITIONS."""
    entry = context.find_delta(cursor.name(), "SHOW PARTITIONS")
    cursor.end()
    columns = read_facts(entry.folder).partition_columns
    if not columns:
        raise analysis_error(
            "INVALID_PARTITION_OPERATION.PARTITION_SCHEMA_IS_EMPTY",
            f"The partition command is invalid. Table {quoted_name(*entry.name.parts)} is not"
            " partitioned.",
        )
    named = ", ".join(quoted_name(column) for column in columns)
    return context.bare(f"SELECT DISTINCT {named} FROM {context.reference(entry)} ORDER BY {named}")


def file_sizes(entry: Entry) -> list[int]:
    """The sizes of the files that the table's newest version is made of."""
    with _delta(entry, "DESCRIBE DETAIL") as table:
        import pyarrow as pa

        return [int(size) for size in pa.table(table.get_add_actions())["size_bytes"].to_pylist()]


@contextmanager
def _delta(entry: Entry, command: str) -> Iterator[Any]:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        yield DeltaTable(entry.location)
    except DeltaError as error:
        raise unsupported(f"{command} on {entry.name}: {error}") from None


def _moment(millis: Any) -> dt.datetime:
    return dt.datetime.fromtimestamp(int(millis) / 1000, dt.timezone.utc)


def _texts(values: Any) -> dict[str, str] | None:
    if values is None:
        return None
    return {
        str(key): value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
    }
