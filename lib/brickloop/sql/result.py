"""The result of a statement: Arrow inside; rows, pandas and Arrow outside; plain values to show."""

from __future__ import annotations

import base64
import datetime
import decimal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from brickloop.model.query import Number, encode_value
from brickloop.sql.entry import Head

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_WHOLE_ROWS = 1000
_PREVIEW_ROWS = 100
_PREVIEW_BATCH = 100
_PREVIEW_CHARACTERS = 200_000
_SHOWN_BATCH = 8192


class Row(tuple[Any, ...]):
    """A row: a tuple whose values are also attributes and keys by column name."""

    __slots__ = ()
    names: tuple[str, ...] = ()

    def __getattr__(self, name: str) -> Any:
        """The value of the column of that name."""
        try:
            return self[self.names.index(name)]
        except ValueError:
            raise AttributeError(f"there is no column '{name}'") from None

    def __getitem__(self, key: Any) -> Any:
        """The value at a place, or of a column."""
        if isinstance(key, str):
            try:
                return tuple.__getitem__(self, self.names.index(key))
            except ValueError:
                raise KeyError(key) from None
        return tuple.__getitem__(self, key)

    def asDict(self) -> dict[str, Any]:  # noqa: N802  as the connector's and Spark's rows have it
        """The values by column name."""
        return dict(zip(self.names, self, strict=True))

    def __repr__(self) -> str:
        """The row as the connector's rows show themselves."""
        inner = ", ".join(f"{n}={v!r}" for n, v in zip(self.names, self, strict=True))
        return f"Row({inner})"


@dataclass(frozen=True)
class Origin:
    """Where a result came from."""

    cached: bool
    created: float
    """When the statement was sent, in seconds since 1970."""
    seconds: float
    """How long the warehouse took."""
    query_id: str
    why: str
    """Why it came from there, as a phrase for people."""
    connecting: float = 0.0
    """Seconds that went by before the statement was sent."""


class QueryResult(Sequence[Row]):
    """What a statement gave. A sequence of rows, like the list that a cursor's fetchall returns.

    The Arrow table is read from the cache only when it is asked for.
    """

    def __init__(
        self, head: Head, origin: Origin, load: Callable[[], pa.Table | QueryResult]
    ) -> None:
        self.head = head
        self.origin = origin
        self._load = load
        """Gives the table; or another result, where the cached one turned out to be damaged."""
        self._arrow: pa.Table | None = None
        self._rows: list[Row] | None = None

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Name and SQL type of each column; empty for a statement that gives no result."""
        return self.head.columns

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return self.head.row_count

    @property
    def truncated(self) -> bool:
        """Whether a limit cut the result."""
        return self.head.truncated

    @property
    def from_cache(self) -> bool:
        """Whether no warehouse was asked."""
        return self.origin.cached

    def to_arrow(self) -> pa.Table:
        """The result as a pyarrow Table."""
        if self._arrow is None:
            loaded = self._load()
            if isinstance(loaded, QueryResult):
                self._arrow = loaded.to_arrow()
                self.head, self.origin = loaded.head, loaded.origin
            else:
                self._arrow = loaded
        return self._arrow

    def to_pandas(self) -> pd.DataFrame:
        """The result as a pandas DataFrame."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def rows(self) -> list[Row]:
        """The rows with Python's own values (int, Decimal, datetime, dict, list, ...)."""
        if self._rows is None:
            table = self.to_arrow()
            kind = type("Row", (Row,), {"names": tuple(table.column_names), "__slots__": ()})
            columns = [column.to_pylist() for column in table.columns]
            self._rows = [kind(values) for values in zip(*columns, strict=True)]
        return self._rows

    def plain_rows(self, limit: int | None = None) -> Iterator[tuple[Any, ...]]:
        """The rows in plain values: what JSON knows, exact Numbers, ISO dates, base64 for binary.

        Needs no pyarrow where the first rows are enough.
        """
        wanted = self.row_count if limit is None else min(limit, self.row_count)
        if wanted <= len(self.head.rows):
            yield from self.head.rows[:wanted]
            return
        table = self.to_arrow()
        yield from _plain(table if limit is None else table.slice(0, limit), _SHOWN_BATCH)

    def __len__(self) -> int:
        """How many rows there are."""
        return self.row_count

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        """A row, or several."""
        return self.rows()[index]

    def __iter__(self) -> Iterator[Row]:
        """Each row."""
        return iter(self.rows())

    def __repr__(self) -> str:
        """How large it is and where it came from."""
        where = "cached" if self.from_cache else "live"
        return f"<QueryResult {self.row_count} rows x {len(self.columns)} columns, {where}>"


def describe_columns(table: pa.Table) -> tuple[tuple[str, str], ...]:
    """Name and SQL type of each column."""
    return tuple((field.name, sql_type(field.type)) for field in table.schema)


def first_rows(table: pa.Table) -> tuple[tuple[Any, ...], ...]:
    """As many plain rows from the beginning as are worth keeping ready: all of a small result."""
    kept: list[tuple[Any, ...]] = []
    characters = 0
    wanted = _WHOLE_ROWS if table.num_rows <= _WHOLE_ROWS else _PREVIEW_ROWS
    for row in _plain(table.slice(0, wanted), _PREVIEW_BATCH):
        characters += len(encode_value(row))
        if characters > _PREVIEW_CHARACTERS:
            break
        kept.append(row)
    return tuple(kept)


def write_stream(table: pa.Table) -> bytes:
    """The table as an Arrow IPC stream."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def read_stream(data: memoryview) -> pa.Table:
    """The table of an Arrow IPC stream."""
    import pyarrow as pa

    return pa.ipc.open_stream(pa.py_buffer(data)).read_all()


def _plain(table: pa.Table, batch_rows: int) -> Iterator[tuple[Any, ...]]:
    converters = [_converter(field.type) for field in table.schema]
    if not converters:
        return
    for batch in table.to_batches(max_chunksize=batch_rows):
        columns = []
        for column, convert in zip(batch.columns, converters, strict=True):
            values = column.to_pylist()
            columns.append(
                values
                if convert is None
                else [None if value is None else convert(value) for value in values]
            )
        yield from zip(*columns, strict=True)


def _converter(kind: pa.DataType) -> Callable[[Any], Any] | None:
    """What turns a value that is not NULL into a plain one; None where it is one already."""
    from pyarrow import types

    if types.is_decimal(kind):
        return _plain_decimal
    if types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind):
        return _plain_time
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return lambda value: base64.b64encode(value).decode("ascii")
    if types.is_map(kind):
        inner = _converter(kind.item_type) or _same
        name = _converter(kind.key_type) or _same
        return lambda value: {
            str(name(k)): None if v is None else inner(v)
            for k, v in (value.items() if isinstance(value, dict) else value)
        }
    if types.is_struct(kind):
        fields = {field.name: _converter(field.type) or _same for field in kind}
        return lambda value: {
            key: None if one is None else fields[key](one) for key, one in value.items()
        }
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        item = _converter(kind.value_type)
        if item is None:
            return None
        convert = item
        return lambda value: [None if one is None else convert(one) for one in value]
    if types.is_duration(kind) or types.is_interval(kind):
        return str
    if types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind):
        return None
    if types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind):
        return None
    return str


def _same(value: Any) -> Any:
    return value


def _plain_decimal(value: decimal.Decimal) -> Number:
    return Number(format(value, "f"))


def _plain_time(value: datetime.date | datetime.time) -> str:
    return value.isoformat()


_NAMES = {
    "int8": "tinyint",
    "int16": "smallint",
    "int32": "int",
    "int64": "bigint",
    "float": "float",
    "double": "double",
    "bool": "boolean",
    "string": "string",
    "large_string": "string",
    "binary": "binary",
    "large_binary": "binary",
    "date32[day]": "date",
    "null": "void",
}


def sql_type(kind: pa.DataType) -> str:
    """The SQL name of an Arrow type."""
    from pyarrow import types

    if types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if types.is_timestamp(kind):
        return "timestamp" if kind.tz else "timestamp_ntz"
    if types.is_map(kind):
        return f"map<{sql_type(kind.key_type)},{sql_type(kind.item_type)}>"
    if types.is_struct(kind):
        return f"struct<{','.join(f'{field.name}:{sql_type(field.type)}' for field in kind)}>"
    if types.is_list(kind) or types.is_large_list(kind):
        return f"array<{sql_type(kind.value_type)}>"
    return _NAMES.get(str(kind), str(kind))
