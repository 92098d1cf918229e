"""A query's result in the formats that people and programs ask for."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from brickloop.errors import UsageError
from brickloop.model.plain import table_lines
from brickloop.model.query import encode_value
from brickloop.model.text import one_line
from brickloop.model.whole_file import whole_file

FORMATS = ("table", "csv", "json", "jsonl", "markdown", "vertical", "parquet", "arrow")
BINARY = frozenset({"parquet", "arrow"})
_BY_SUFFIX = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".md": "markdown",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".txt": "table",
}
_CHUNK_ROWS = 2000


class Result(Protocol):
    """What of a result is written."""

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Name and SQL type of each column."""

    @property
    def truncated(self) -> bool:
        """Whether a limit cut the result."""

    def plain_rows(self, limit: int | None = None) -> Iterator[tuple[Any, ...]]:
        """The rows in plain values."""

    def to_arrow(self) -> Any:
        """The pyarrow Table."""


def format_of_file(path: Path) -> str:
    """The format that a file's suffix means; raises UsageError for one that means none."""
    found = _BY_SUFFIX.get(path.suffix.lower())
    if found is None:
        raise UsageError(
            f"the suffix '{path.suffix}' says no format",
            where=str(path),
            hint=f"name it with --format, or end the file with one of {', '.join(_BY_SUFFIX)}",
        )
    return found


def text_chunks(result: Result, form: str) -> Iterator[str]:
    """The result as text, in pieces that each end with a line end."""
    rows = result.plain_rows()
    names = [name for name, _ in result.columns]
    if form == "csv":
        yield from _csv(names, rows)
    elif form == "json":
        yield from _joined(_json(names, rows))
    elif form == "jsonl":
        yield from _joined(_object(names, row) for row in rows)
    elif form == "markdown":
        yield from _joined(_markdown(result.columns, rows))
    elif form == "vertical":
        yield from _joined(_vertical(names, rows))
    else:
        shown = [[show_value(value) for value in row] for row in rows]
        yield from _joined(table_lines(result.columns, shown, None, result.truncated))


def write_file(result: Result, form: str, path: Path) -> int:
    """Write the result to a file, whole or not at all; its size in bytes.

    Raises UsageError where the file cannot be written.
    """
    try:
        with whole_file(path, durable=True) as file:
            if form in BINARY:
                write_binary(result, form, file)
            else:
                for chunk in text_chunks(result, form):
                    file.write(chunk.encode("utf-8", "replace"))
    except OSError as error:
        raise UsageError(
            f"cannot be written: {error.strerror or error}",
            where=str(path),
            hint="choose another --output",
        ) from None
    return path.stat().st_size


def write_binary(result: Result, form: str, file: IO[bytes]) -> None:
    """Write the result as Parquet, or as an Arrow IPC file.

    Raises UsageError for a result that the format cannot hold.
    """
    import pyarrow as pa

    table = result.to_arrow()
    names = unique_names([name for name, _ in result.columns])
    try:
        if form == "parquet":
            import pyarrow.parquet as pq

            pq.write_table(table.rename_columns(names), file)
        else:
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UsageError(
            f"the result cannot be written as {form}: {error}", hint="choose another --format"
        ) from None


def unique_names(names: Sequence[str]) -> list[str]:
    """The names, those that were there before with a number: ``n``, ``n_1``."""
    found: list[str] = []
    taken = set(names)
    for name in names:
        given, number = name, 0
        while given in found or (number and given in taken):
            number += 1
            given = f"{name}_{number}"
        found.append(given)
    return found


def show_value(value: Any) -> Any:
    """A value as a cell of a table: what is nested as JSON."""
    return encode_value(value) if isinstance(value, dict | list | tuple) else value


def _csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    for number, row in enumerate(rows, start=1):
        writer.writerow([_csv_cell(value) for value in row])
        if number % _CHUNK_ROWS == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _csv_cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return show_value(value)


def _json(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    waiting: str | None = None
    for row in rows:
        if waiting is not None:
            yield f"  {waiting},"
        else:
            yield "["
        waiting = _object(names, row)
    if waiting is None:
        yield "[]"
    else:
        yield from (f"  {waiting}", "]")


def _object(names: Sequence[str], row: Sequence[Any]) -> str:
    keys = names if len(set(names)) == len(names) else unique_names(names)
    return encode_value(dict(zip(keys, row, strict=True)))


def _markdown(columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    def line(cells: Iterable[str]) -> str:
        return f"| {' | '.join(cells)} |"

    numeric = [_is_number(kind) for _, kind in columns]
    yield line(_markdown_cell(name) for name, _ in columns)
    yield line("---:" if right else "---" for right in numeric)
    for row in rows:
        yield line(_markdown_cell(value) for value in row)


def _markdown_cell(value: Any) -> str:
    if value is None:
        return "NULL"
    text = str(_csv_cell(value)).replace("\\", "\\\\").replace("|", "\\|")
    return text.replace("\r\n", "\n").replace("\n", "<br>")


def _is_number(kind: str) -> bool:
    return kind.split("(")[0] in {
        *("tinyint", "smallint", "int", "bigint", "float", "double", "decimal")
    }


def _vertical(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    shown = [one_line(name) for name in names]
    width = max(map(len, shown), default=0)
    for number, row in enumerate(rows, start=1):
        yield f"─ row {number} ".ljust(max(width + 3, 40), "─")
        for name, value in zip(shown, row, strict=True):
            text = "NULL" if value is None else one_line(str(_csv_cell(value)))
            yield f"{name.ljust(width)}  {text}".rstrip()


def _joined(lines: Iterable[str]) -> Iterator[str]:
    for chunk in _chunks(lines):
        yield "\n".join(chunk) + "\n"


def _chunks(lines: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == _CHUNK_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
