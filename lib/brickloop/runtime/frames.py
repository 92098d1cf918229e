"""Tables of any kind - pandas, polars, Spark, Arrow, rows - as names, types and plain rows."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

CELL_CHARACTERS = 1000
TABLE_BYTES = 1024 * 1024
TABLE_COLUMNS = 1000
_DEPTH = 20


@dataclass(frozen=True)
class Table:
    """A table cut to what a section may take."""

    columns: list[tuple[str, str]]
    """Name and type of each column."""
    rows: list[list[Any]]
    """Values that JSON can hold; what it cannot became text."""
    total: int | None
    """How many rows there were in all, None where they could not be counted."""
    truncated: bool
    """Whether rows were left out."""
    notes: tuple[str, ...] = ()
    """What else was left out, as sentences."""


def read_table(frame: Any, max_rows: int, *, count_rows: bool = True) -> Table:
    """The first ``max_rows`` rows of a frame, of its first 1,000 columns, within 1 MB.

    Rows of Spark are fetched once, with ``limit``; they are counted (a job of its own) only where
    there are more than ``max_rows`` and ``count_rows`` is given. Raises TypeError for what is no
    table, and ValueError for a stream, which has no end.
    """
    columns, rows, total, notes = _read(frame, max_rows, count_rows)
    if len(columns) > TABLE_COLUMNS:
        notes = [*notes, f"{TABLE_COLUMNS:,} of {len(columns):,} columns are shown."]
    kept, cut_cells, full = _fit(rows[:max_rows], min(len(columns), TABLE_COLUMNS))
    if cut_cells:
        cells = "1 value is" if cut_cells == 1 else f"{cut_cells:,} values are"
        notes = [*notes, f"{cells} cut to {CELL_CHARACTERS:,} characters."]
    if full:
        notes = [*notes, f"The rows end where they fill {TABLE_BYTES // 1024**2} MB."]
    truncated = len(rows) > len(kept) or (total is not None and total > len(kept))
    return Table(columns[:TABLE_COLUMNS], kept, total, truncated, tuple(notes))


def plain(value: Any, depth: int = 0) -> Any:
    """The value in JSON's types; numbers that JSON or a reader would change become text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < 2**53 else str(int(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        return f"<{len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()[:12]}>"
    if depth > _DEPTH:
        return str(value)
    if hasattr(value, "asDict"):
        return plain(value.asDict(), depth)
    if isinstance(value, dict):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth + 1) for item in value]
    if type(value).__name__ in {"NaTType", "NAType"}:
        return None
    if hasattr(value, "tolist"):
        # numpy: arrays become lists, scalars Python's own
        converted = value.tolist()
        return str(value) if converted is value else plain(converted, depth + 1)
    return str(value)


def _read(
    frame: Any, max_rows: int, count_rows: bool
) -> tuple[list[tuple[str, str]], Sequence[Sequence[Any]], int | None, list[str]]:
    kind = f"{type(frame).__module__}.{type(frame).__name__}"
    if kind.startswith("pyspark.pandas."):
        frame = frame.to_spark()
    # asked of the class: to a Spark frame any other name is that of a column
    if kind.startswith("pyspark.") and hasattr(type(frame), "limit"):
        return _read_spark(frame, max_rows, count_rows)
    if kind.startswith("pandas.") and hasattr(frame, "itertuples"):
        return _read_pandas(frame, max_rows)
    if kind.startswith("pandas.") and hasattr(frame, "to_frame"):
        return _read_pandas(frame.to_frame(), max_rows)
    if kind.startswith("polars."):
        return _read_polars(frame, max_rows)
    if hasattr(frame, "read_all") and hasattr(frame, "schema"):
        frame = frame.read_all()
    if hasattr(frame, "column") and hasattr(frame, "num_rows") and hasattr(frame, "schema"):
        columns = [(field.name, str(field.type)) for field in frame.schema]
        return columns, _arrow_rows(frame.slice(0, max_rows)), frame.num_rows, []
    if isinstance(frame, (list, tuple)) and all(_is_record(row) for row in frame):
        records = [row if isinstance(row, dict) else row.asDict() for row in frame]
        names = list(dict.fromkeys(name for row in records for name in row))
        rows = [[row.get(name) for name in names] for row in records[:max_rows]]
        return [(str(name), "") for name in names], rows, len(frame), []
    raise TypeError(
        f"{kind} is no table: give a pandas, polars, Spark or Arrow frame, or a list of dicts"
    )


def _is_record(row: Any) -> bool:
    return isinstance(row, dict) or hasattr(row, "asDict")


def _read_pandas(
    frame: Any, max_rows: int
) -> tuple[list[tuple[str, str]], list[list[Any]], int, list[str]]:
    total = len(frame)
    taken = frame.head(max_rows)
    if type(taken.index).__name__ != "RangeIndex":
        # what a frame was grouped by is in its index
        named = [name for name in taken.index.names if name is not None]
        simple = type(taken.index).__name__ == "Index" and not named
        if not (simple and str(taken.index.dtype).startswith("int")):
            taken = taken.reset_index(allow_duplicates=True)
    names = [
        " / ".join(str(part) for part in name) if isinstance(name, tuple) else str(name)
        for name in taken.columns
    ]
    columns = list(zip(names, [str(dtype) for dtype in taken.dtypes], strict=True))
    # pandas marks what is missing with NaN
    rows = [
        [None if isinstance(value, float) and math.isnan(value) else value for value in row]
        for row in taken.itertuples(index=False, name=None)
    ]
    return columns, rows, total, []


def _read_polars(
    frame: Any, max_rows: int
) -> tuple[list[tuple[str, str]], list[Any], int | None, list[str]]:
    if hasattr(frame, "to_frame"):
        frame = frame.to_frame()
    if hasattr(frame, "collect_schema") and hasattr(frame, "collect"):
        taken = frame.head(max_rows + 1).collect()
        total = taken.height
        if total > max_rows:
            import polars

            total = frame.select(polars.len()).collect().item()
    else:
        taken, total = frame, frame.height
    columns = [(name, str(dtype)) for name, dtype in taken.schema.items()]
    return columns, taken.head(max_rows).rows(), total, []


def _read_spark(
    frame: Any, max_rows: int, count_rows: bool
) -> tuple[list[tuple[str, str]], list[list[Any]], int | None, list[str]]:
    if getattr(frame, "isStreaming", False):
        raise ValueError("a stream has no end: write it to a table and show that")
    columns = [(field.name, field.dataType.simpleString()) for field in frame.schema.fields]
    bounded = frame.limit(max_rows + 1)
    # never toPandas: it needs four times the memory and fails on dates beyond 2262
    if hasattr(type(bounded), "toArrow"):
        rows = _arrow_rows(bounded.toArrow())
    else:
        rows = [list(row) for row in bounded.collect()]
    if len(rows) <= max_rows:
        return columns, rows, len(rows), []
    if not count_rows:
        return columns, rows, None, []
    try:
        return columns, rows, int(frame.count()), []
    except Exception as error:
        return columns, rows, None, [f"The rows could not be counted: {type(error).__name__}."]


def _arrow_rows(table: Any) -> list[list[Any]]:
    # by position: of two columns of one name a dict would lose one
    lists = [_arrow_values(table.column(index)) for index in range(table.num_columns)]
    return [[values[row] for values in lists] for row in range(table.num_rows)]


def _arrow_values(column: Any) -> list[Any]:
    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError, ImportError):
        # years and nanoseconds that Python has no value for
        return list(column.cast("string").to_pylist())


def _fit(rows: Iterable[Sequence[Any]], width: int) -> tuple[list[list[Any]], int, bool]:
    """The rows that fit, how many values were cut, and whether rows were left out."""
    kept: list[list[Any]] = []
    size = cut_cells = 0
    for row in rows:
        shown = []
        for value in list(row)[:width]:
            cell, was_cut = _cut(plain(value))
            cut_cells += was_cut
            shown.append(cell)
        size += len(json.dumps(shown))
        if kept and size > TABLE_BYTES:
            return kept, cut_cells, True
        kept.append(shown)
    return kept, cut_cells, False


def _cut(value: Any) -> tuple[Any, bool]:
    if isinstance(value, str):
        if len(value) <= CELL_CHARACTERS:
            return value, False
        return value[:CELL_CHARACTERS] + "…", True
    if isinstance(value, (dict, list)):
        text = json.dumps(value, ensure_ascii=False)
        if len(text) > CELL_CHARACTERS:
            return text[:CELL_CHARACTERS] + "…", True
    return value, False
