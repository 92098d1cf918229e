"""Tables of any kind - pandas, Spark, Arrow, rows - as names, types and plain rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

_CELL_CHARACTERS = 4096


@dataclass(frozen=True)
class Table:
    """A table cut to a number of rows."""

    columns: list[tuple[str, str]]
    """Name and type of each column."""
    rows: list[list[Any]]
    """Values that JSON can hold; what it cannot became text."""
    total: int | None
    """How many rows there were in all, None where counting them would cost a job."""
    truncated: bool


def read_table(frame: Any, max_rows: int) -> Table:
    """The first ``max_rows`` rows of a frame; raises TypeError for what is no table."""
    kind = f"{type(frame).__module__}.{type(frame).__name__}"
    if kind.startswith("pyspark.") and hasattr(frame, "limit"):
        return _read_spark(frame, max_rows)
    if kind.startswith("pandas.") and hasattr(frame, "itertuples"):
        columns = [(str(name), str(dtype)) for name, dtype in frame.dtypes.items()]
        rows = [
            [plain(value) for value in row] for row in frame.head(max_rows).itertuples(index=False)
        ]
        return Table(columns, rows, len(frame), len(frame) > max_rows)
    if kind.startswith("pandas.") and hasattr(frame, "to_frame"):
        return read_table(frame.reset_index(), max_rows)
    if hasattr(frame, "to_pylist") and hasattr(frame, "schema"):
        return _read_arrow(frame, max_rows)
    if isinstance(frame, list | tuple) and all(isinstance(row, dict) for row in frame):
        names = list(dict.fromkeys(name for row in frame for name in row))
        rows = [[plain(row.get(name)) for name in names] for row in frame[:max_rows]]
        return Table([(name, "") for name in names], rows, len(frame), len(frame) > max_rows)
    raise TypeError(f"{kind} is no table: give a pandas, Spark or Arrow frame, or a list of dicts")


def plain(value: Any) -> Any:
    """The value in JSON's types; numbers that JSON or a reader would change become text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value if len(value) <= _CELL_CHARACTERS else value[:_CELL_CHARACTERS] + "…"
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, float):
        return None if math.isnan(value) else value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value[: _CELL_CHARACTERS // 2]).hex()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if type(value).__name__ in {"NaTType", "NAType"}:
        return None
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    if hasattr(value, "item") and not hasattr(value, "__len__"):
        return plain(value.item())
    return str(value)[:_CELL_CHARACTERS]


def _read_spark(frame: Any, max_rows: int) -> Table:
    columns = [(field.name, field.dataType.simpleString()) for field in frame.schema.fields]
    bounded = frame.limit(max_rows + 1)
    if hasattr(bounded, "toArrow"):
        raw = [list(row.values()) for row in bounded.toArrow().to_pylist()]
        if raw and len(raw[0]) != len(columns):
            # two columns of one name: Arrow's dicts would lose one
            raw = [list(row) for row in bounded.collect()]
    else:
        raw = [list(row) for row in bounded.collect()]
    truncated = len(raw) > max_rows
    rows = [[plain(value) for value in row] for row in raw[:max_rows]]
    return Table(columns, rows, frame.count() if truncated else len(rows), truncated)


def _read_arrow(frame: Any, max_rows: int) -> Table:
    columns = [(field.name, str(field.type)) for field in frame.schema]
    taken = frame.slice(0, max_rows)
    lists = [taken.column(index).to_pylist() for index in range(len(columns))]
    rows = [[plain(value) for value in row] for row in zip(*lists, strict=True)]
    return Table(columns, rows, frame.num_rows, frame.num_rows > max_rows)


def as_text(table: Table) -> str:
    """The table as aligned text, with a line that says what was left out."""
    header = [name for name, _ in table.columns]
    body = [["NULL" if value is None else str(value) for value in row] for row in table.rows]
    widths = [
        max([len(name), *(len(row[index]) for row in body)]) for index, name in enumerate(header)
    ]
    lines = [
        "  ".join(name.ljust(width) for name, width in zip(header, widths, strict=True)).rstrip()
    ]
    lines.append("  ".join("-" * width for width in widths))
    for row in body:
        lines.append(
            "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        )
    if table.truncated:
        total = "more" if table.total is None else f"{table.total:,}"
        lines.append(f"({len(table.rows):,} of {total} rows)")
    return "\n".join(lines)
