"""COPY INTO: files into a table, each once, as the table's ledger knows."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from pathlib import Path

from brickloop.localws.delta_log import read_facts
from brickloop.localws.registry import Entry
from brickloop.localws.spark_errors import analysis_error, unsupported
from brickloop.localws.sql_context import Answer, SqlContext
from brickloop.localws.sql_create import split_group
from brickloop.localws.sql_tables import read_properties
from brickloop.localws.sql_tokens import Cursor, quoted_name, read_tokens
from brickloop.model.whole_file import write_whole

_LEDGER = "_copy_into"


def copy_into(context: SqlContext, cursor: Cursor) -> Answer:
    """COPY INTO: files that were not loaded before, as the table's ledger knows."""
    cursor.expect("INTO")
    target = context.find_delta(cursor.name(), "COPY INTO")
    cursor.expect("FROM")
    projection = "*"
    if cursor.sees("("):
        inner = cursor.group()
        place = next(i for i, token in enumerate(inner) if token.upper == "FROM")
        projection = cursor.text_of(inner[1:place])
        path = inner[place + 1].value
    else:
        path = cursor.string()
    kind, names, pattern = "", None, ""
    formats: dict[str, str] = {}
    copies: dict[str, str] = {}
    while not cursor.at_end:
        word = cursor.next().upper
        cursor.take("=")
        if word == "FILEFORMAT":
            kind = cursor.next().value.lower()
        elif word == "FILES":
            names = [part[0].value for part in split_group(cursor.text, cursor.group())]
        elif word == "PATTERN":
            pattern = cursor.string()
        elif word == "FORMAT_OPTIONS":
            formats = read_properties(cursor.text_of(cursor.group()))
        elif word == "COPY_OPTIONS":
            copies = read_properties(cursor.text_of(cursor.group()))
        else:
            raise unsupported(f"COPY INTO ... {word}")
    context.recorder.add("paths_read", path)
    context.recorder.add("tables_written", str(target.name))
    found = _files(Path(context.paths.existing(path)), names, pattern)
    ledger = _Ledger(target)
    force = copies.get("force", "false").lower() == "true"
    fresh = [file for file in found if force or not ledger.has(file)]
    rows = 0
    if fresh:
        rows = _load(context, target, fresh, kind, projection, formats, copies)
        ledger.add(fresh)
    shape = "num_affected_rows bigint, num_inserted_rows bigint, num_skipped_corrupt_files bigint"
    return Answer(context.rows(shape, [(rows, rows, 0)]), is_command=True, affected=rows)


class _Ledger:
    """Which files COPY INTO has loaded into a table; it lies with the table and goes with it."""

    def __init__(self, target: Entry) -> None:
        self._path = target.folder / _LEDGER / "files.json"
        try:
            self._known: dict[str, str] = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            self._known = {}

    def has(self, file: Path) -> bool:
        """Whether the file was loaded as it is now."""
        return self._known.get(str(file)) == _mark(file)

    def add(self, files: Sequence[Path]) -> None:
        """Note files as loaded."""
        self._known.update({str(file): _mark(file) for file in files})
        self._path.parent.mkdir(exist_ok=True)
        write_whole(self._path, json.dumps(self._known))


def _mark(file: Path) -> str:
    found = file.stat()
    return f"{found.st_size}-{found.st_mtime_ns}"


def _files(place: Path, names: list[str] | None, pattern: str) -> list[Path]:
    if place.is_file():
        return [place]
    if names is not None:
        return [place / name for name in names]
    found = sorted(
        file
        for file in place.rglob("*")
        if file.is_file() and not any(part[0] in "._" for part in file.relative_to(place).parts)
    )
    if not pattern:
        return found
    return [f for f in found if fnmatch.fnmatch(str(f.relative_to(place)), pattern)]


def _load(
    context: SqlContext,
    target: Entry,
    files: list[Path],
    kind: str,
    projection: str,
    formats: dict[str, str],
    copies: dict[str, str],
) -> int:
    reader = context.spark.read.format(kind)
    fields = read_facts(target.folder).schema["fields"]
    if kind == "csv" and fields and "inferschema" not in {key.lower() for key in formats}:
        formats = {"inferSchema": "true", **formats}
    for key, value in formats.items():
        if key.lower() != "mergeschema":
            reader = reader.option(key, value)
    frame = reader.load([f"file:{file}" for file in files])
    if projection != "*":
        frame = frame.selectExpr(*_items(projection))
    merge = copies.get("mergeSchema", "false").lower() == "true"
    known = {field["name"].lower(): field for field in fields}
    if known and not merge:
        unknown = [name for name in frame.columns if name.lower() not in known]
        if unknown:
            raise analysis_error(
                "DELTA_SCHEMA_MISMATCH",
                f"A schema mismatch detected when writing to the Delta table: `{unknown[0]}` is"
                " not a column of it. Use COPY_OPTIONS ('mergeSchema' = 'true').",
            )
    rows = frame.count()
    casts = [
        f"CAST({quoted_name(name)} AS {known[name.lower()]['type']}) AS {quoted_name(name)}"
        if name.lower() in known and isinstance(known[name.lower()]["type"], str)
        else quoted_name(name)
        for name in frame.columns
    ]
    writer = frame.selectExpr(*casts).write.format("delta").mode("append")
    writer.option("mergeSchema", "true").saveAsTable(context.reference(target))
    return int(rows)


def _items(projection: str) -> list[str]:
    tokens = read_tokens(projection)
    return [projection[part[0].start : part[-1].end] for part in split_group(projection, tokens)]
