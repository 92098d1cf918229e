"""One SQL session on the engine: what the warehouse's endpoints run statements through.

::

    session = SqlSession.open(layout, endpoint, user="me@here", catalog="main", schema="default")
    result = session.execute("SELECT :x AS x", [Parameter("1", "INT", name="x")])
    result.schema          # the Arrow schema, exact: decimal128, timestamp[us, UTC] for TIMESTAMP,
                           # timestamp[us] for TIMESTAMP_NTZ, date32, binary, list, map, struct
    result.types           # Databricks' type of each column: "DECIMAL(10,2)", "VARIANT", ...
    for batch in result:   # record batches of that schema; raises StatementError as execute does
        ...
    result.is_command      # DDL and its like have no columns; INSERT, UPDATE, ... have their counts
    result.affected_rows   # of a DML statement, else None
    session.cancel()       # from another thread: the statement under way raises OPERATION_CANCELED
    session.current()      # ("main", "default"), as USE left it
    session.close()

``execute`` returns when the first rows are there, so what fails fails in it, as a StatementError
with ``condition`` (``TABLE_OR_VIEW_NOT_FOUND``), ``sqlstate``, ``message`` (the whole text as a
client shows it), ``line`` and ``column`` from 1 where there is a place, and ``hint``. One statement
at a time runs in a session; sessions are independent, and several threads may each run one.
INTERVAL comes as text (``1 02:03:04.500000000``, ``1-2``), VARIANT as JSON text; ``types`` names
them. Metadata (``catalogs``, ``schemas``, ``tables``, ``columns``) comes from the catalog on disk.

This imports pyspark (most of a second): import it where the first statement runs. No kernel is
needed; ``endpoint`` is what ``Engine.start`` gives.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.types import DataType, StructType

from brickloop.localws.arrow_results import ResultShape, WireFormat, has_timestamps
from brickloop.localws.layout import StoreLayout
from brickloop.localws.registry import DEFAULT_CATALOG, DEFAULT_SCHEMA, TableName
from brickloop.localws.session import LocalSession, carry_session, open_session, reopen_session
from brickloop.localws.sql_functions import read_signature
from brickloop.localws.sql_relations import comment_of
from brickloop.localws.statement_error import StatementError, as_statement_errors
from brickloop.localws.statement_parameters import Parameter, bind
from brickloop.localws.table_keys import TableKey

_INTERRUPT_SECONDS = 5.0
_GENERATORS = frozenset({
    "explode", "explode_outer", "inline", "inline_outer", "json_tuple",
    "posexplode", "posexplode_outer", "range", "read_files", "stack", "variant_explode",
    "variant_explode_outer",
})  # fmt: skip


@dataclass(frozen=True)
class TableFacts:
    """A table or view, as metadata calls tell of it."""

    catalog: str
    schema: str
    name: str
    kind: str
    """``TABLE`` or ``VIEW``."""
    comment: str


@dataclass(frozen=True)
class ColumnFacts:
    """A column of a table or view."""

    catalog: str
    schema: str
    table: str
    name: str
    type: str
    """As ``DECIMAL(10,2)``."""
    position: int
    """From 0."""
    nullable: bool
    comment: str

    @property
    def digits(self) -> tuple[int, int] | None:
        """Precision and scale of a decimal, None for what is none."""
        base, _, inner = self.type.partition("(")
        if base.upper() != "DECIMAL":
            return None
        precision, _, scale = inner.rstrip(")").partition(",")
        return int(precision), int(scale)


@dataclass(frozen=True)
class FunctionFacts:
    """A function, as metadata calls tell of it."""

    catalog: str
    schema: str
    name: str
    comment: str
    is_table: bool
    """Whether it gives rows."""


class StatementResult:
    """The rows of one statement, to be read once."""

    def __init__(
        self,
        shape: ResultShape,
        batches: Iterator[pa.RecordBatch],
        *,
        is_command: bool,
        affected_rows: int | None,
    ) -> None:
        self.shape = shape
        self.schema = shape.arrow_schema
        self.types = tuple(type_name(field.dataType) for field in shape.schema.fields)
        self.is_command = is_command
        self.affected_rows = affected_rows
        self._batches = batches

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self._batches

    def table(self) -> pa.Table:
        """All rows that were not yet read."""
        return pa.Table.from_batches(self._batches, schema=self.schema)


class _Reading:
    """Rows that somebody may still read; gone when what reads them is."""


class SqlSession:
    """A session of one client; made with ``open``."""

    def __init__(self, spark: LocalSession, endpoint: str) -> None:
        self._spark = spark
        self.endpoint = endpoint
        """The address of the engine that it is on."""
        self.on_stop: Callable[[str], None] = _ignore
        """Called with the engine's address when a statement under way was told to stop."""
        self.closed = False
        self.begun = 0
        """How many calls to the engine it has begun."""
        self._changed = threading.Condition()
        self._calls = 0
        self._moving = False
        self._lost: StatementError | None = None
        self._readings: weakref.WeakSet[_Reading] = weakref.WeakSet()
        self._default_tag = f"statement-{uuid.uuid4().hex}"
        self._canceled: set[str] = set()
        self._under_way: set[str] = set()

    @classmethod
    def open(
        cls,
        layout: StoreLayout,
        endpoint: str,
        *,
        user: str,
        catalog: str | None = None,
        schema: str | None = None,
        conf: Mapping[str, str] | None = None,
    ) -> SqlSession:
        """A fresh session; raises StatementError for a catalog, schema or setting that is wrong."""
        with as_statement_errors():
            spark = open_session(layout, endpoint, user=user, active=False)
            _make_brief(spark)
            session = cls(spark, endpoint)
        if catalog or schema:
            session.use(catalog, schema)
        for key, value in (conf or {}).items():
            session._do(f"SET {key} = {value}")
        return session

    def use(self, catalog: str | None, schema: str | None) -> None:
        """Another current catalog and schema; None means the default one. Raises StatementError."""
        parts = [catalog or DEFAULT_CATALOG, schema or DEFAULT_SCHEMA]
        self._do("USE " + ".".join(f"`{part}`" for part in parts))

    def execute(
        self,
        text: str,
        parameters: Sequence[Parameter] | None = None,
        *,
        tag: str | None = None,
        wire: WireFormat | None = None,
    ) -> StatementResult:
        """Run one statement; returns with its first rows. Raises StatementError.

        ``tag`` tells it apart for ``cancel`` where rows of several statements are read in turns;
        ``wire`` says what else comes as text.
        """
        tag = tag or self._default_tag
        self._canceled.discard(tag)
        reading = _Reading()
        with self._calling(), self._tagged(tag), self._told(tag):
            # until its rows are read or nobody can read them any more
            self._readings.add(reading)
            answer = self._spark.answer(text, bind(parameters))
            if tag in self._canceled:
                raise StatementError("canceled before it began")
            batches, kinds = self._rows(answer.frame)
            first = next(batches, None)
            zone = self._zone_for(kinds)
        shape = ResultShape(kinds, wire or WireFormat(), zone)
        return StatementResult(
            shape,
            self._stream(first, batches, shape, tag, reading),
            is_command=answer.is_command,
            affected_rows=answer.affected,
        )

    def cancel(self, tag: str | None = None) -> None:
        """Stop the statement under way, from any thread; no effect where there is none."""
        tag = tag or self._default_tag
        self._canceled.add(tag)
        self._interrupt(tag)
        self.on_stop(self.endpoint)
        if tag in self._under_way:
            # one that is only about to begin does not hear it
            threading.Thread(target=self._interrupt_on, args=(tag,), daemon=True).start()

    def time_zone(self) -> str:
        """The session's time zone."""
        with self._calling(), as_statement_errors():
            return str(self._spark.conf.get("spark.sql.session.timeZone", "UTC"))

    def current(self) -> tuple[str, str]:
        """The current catalog and schema."""
        catalog = self._spark.catalog_in_use
        return catalog.catalog, catalog.schema

    def close(self) -> None:
        """Stop what runs in it, and let the engine forget the session."""
        for tag in list(self._under_way):
            self._canceled.add(tag)
            self._interrupt_on(tag)
            self.on_stop(self.endpoint)
        with self._changed:
            self._changed.wait_for(lambda: not self._moving)
            self.closed = True
        _end_quietly(self._spark)

    @property
    def is_quiet(self) -> bool:
        """Whether the engine does nothing for it, and has no rows that somebody may still read."""
        with self._changed:
            return self._rests()

    def move(self, endpoint: str) -> bool:
        """Go on with another engine; False, and nothing done, while it is not quiet.

        Settings, variables, functions, temporary views and what is current come along. Where they
        cannot, the session is lost, and says so to every statement from then on. Statements that
        come meanwhile wait.
        """
        with self._changed:
            if self.closed or not self._rests():
                return self.closed
            self._moving = True
        old = self._spark
        try:
            self._spark = reopen_session(old, endpoint)
            _make_brief(self._spark)
            carry_session(old, self._spark)
        except Exception as error:  # noqa: BLE001 - the session's client is to hear of it
            self._lost = StatementError(
                "[INVALID_HANDLE.SESSION_CLOSED] The SQL engine had to be started anew, and this"
                f" session could not be set up on it again: {error}. Open another session."
                " SQLSTATE: HY000",
                condition="INVALID_HANDLE.SESSION_CLOSED",
                sqlstate="HY000",
            )
        finally:
            with self._changed:
                self.endpoint = endpoint
                self._moving = False
                self._changed.notify_all()
        # the old engine may be slow to answer
        threading.Thread(target=_end_quietly, args=(old,), daemon=True).start()
        return True

    def _rests(self) -> bool:
        return not self._calls and not self._moving and not len(self._readings)

    @contextlib.contextmanager
    def _calling(self) -> Iterator[None]:
        """Keep the session where it is while the engine is called."""
        with self._changed:
            self._changed.wait_for(lambda: not self._moving)
            if self._lost is not None:
                raise self._lost
            self._calls += 1
            self.begun += 1
        try:
            yield
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()

    def _interrupt(self, tag: str) -> None:
        with contextlib.suppress(Exception):
            self._spark.client.interrupt_tag(tag)

    def _interrupt_on(self, tag: str) -> None:
        """Interrupt until the statement has ended, for some seconds at most."""
        deadline = time.monotonic() + _INTERRUPT_SECONDS
        while tag in self._under_way & self._canceled and time.monotonic() < deadline:
            self._interrupt(tag)
            time.sleep(0.05)

    def catalogs(self) -> list[str]:
        """The names of all catalogs."""
        return self._spark.catalog_in_use.registry.catalogs()

    def schemas(self, catalog: str | None = None) -> list[tuple[str, str]]:
        """Catalog and name of the schemas of one catalog, or of all."""
        registry = self._spark.catalog_in_use.registry
        chosen = registry.catalogs() if catalog is None else [catalog.lower()]
        chosen = [each for each in chosen if registry.has_catalog(each)]
        return [(each, schema) for each in chosen for schema in registry.schemas(each)]

    def tables(self, catalog: str | None = None, schema: str | None = None) -> list[TableFacts]:
        """The tables and views of a schema, a catalog or all."""
        return [
            TableFacts(
                *entry.name.parts, "VIEW" if entry.kind == "view" else "TABLE", comment_of(entry)
            )
            for found, each in self.schemas(catalog)
            if schema in {None, each}
            for entry in self._spark.catalog_in_use.registry.entries(found, each)
        ]

    def columns(self, catalog: str, schema: str, table: str) -> list[ColumnFacts]:
        """The columns of a table or view; raises StatementError where it is not there."""
        with self._calling(), as_statement_errors():
            found = self._spark.columns_of((catalog, schema, table))
        lowered = (catalog.lower(), schema.lower(), table.lower())
        return [
            ColumnFacts(
                *lowered, field.name, type_name(field.dataType), position, field.nullable,
                str((field.metadata or {}).get("comment", "")),
            )
            for position, field in enumerate(found)
        ]  # fmt: skip

    def keys(self, catalog: str, schema: str, table: str) -> list[TableKey]:
        """The primary and foreign keys that a table was declared with."""
        registry = self._spark.catalog_in_use.registry
        return registry.keys(TableName(catalog.lower(), schema.lower(), table.lower()))

    def functions(self) -> list[FunctionFacts]:
        """All functions: those that are built in, then the users' by their places."""
        with self._calling(), as_statement_errors():
            built_in = self._spark.built_in_functions()
        registry = self._spark.catalog_in_use.registry
        return [
            *(FunctionFacts("system", "builtin", n, "", n in _GENERATORS) for n in built_in),
            *(
                FunctionFacts(*entry.name.parts, entry.comment, read_signature(entry).is_table)
                for catalog, schema in self.schemas()
                for entry in registry.functions(catalog, schema)
            ),
        ]

    def _zone_for(self, kinds: StructType) -> str:
        return self.time_zone() if has_timestamps(kinds) else "UTC"

    def _do(self, text: str) -> None:
        self.execute(text).table()

    def _rows(self, frame: DataFrame) -> tuple[Iterator[pa.RecordBatch], StructType]:
        kinds: StructType = frame.schema
        if not kinds.fields:
            return iter(()), kinds
        query = frame._plan.to_proto(self._spark.client)
        found = self._spark.client.to_table_as_iterator(query, frame._plan.observations)
        return (b for t in found if isinstance(t, pa.Table) for b in t.to_batches()), kinds

    def _stream(
        self,
        first: pa.RecordBatch | None,
        batches: Iterator[pa.RecordBatch],
        shape: ResultShape,
        tag: str,
        reading: _Reading,
    ) -> Iterator[pa.RecordBatch]:
        if first is not None:
            yield shape.batch(first)
        while True:
            with self._calling(), self._tagged(tag), self._told(tag):
                following = next(batches, None)
            if following is None:
                self._readings.discard(reading)
                return
            yield shape.batch(following)

    @contextlib.contextmanager
    def _tagged(self, tag: str) -> Iterator[None]:
        client = self._spark.client
        client.add_tag(tag)
        self._under_way.add(tag)
        try:
            yield
        finally:
            self._under_way.discard(tag)
            client.remove_tag(tag)

    @contextlib.contextmanager
    def _told(self, tag: str) -> Iterator[None]:
        try:
            with as_statement_errors():
                yield
        except StatementError:
            if tag not in self._canceled:
                raise
            raise StatementError(
                "[OPERATION_CANCELED] Operation has been canceled. SQLSTATE: HY008",
                condition="OPERATION_CANCELED",
                sqlstate="HY008",
            ) from None


def _ignore(endpoint: str) -> None:
    """Do nothing: nobody wants to hear of it."""


def _make_brief(spark: LocalSession) -> None:
    """Have a session's client give up soon: an engine that died stays dead for its sessions."""
    client: Any = spark.client
    client.set_retry_policies([DefaultPolicy(max_retries=2)])
    # nor may it retry when this process ends
    atexit.unregister(client._on_exit)


def _end_quietly(spark: LocalSession) -> None:
    with contextlib.suppress(Exception):
        spark.stop()


def type_name(kind: DataType) -> str:
    """A type as Databricks writes it: ``DECIMAL(10,2)``, ``ARRAY<INT>``."""
    text = str(kind.simpleString())
    # the names of a struct's fields keep their spelling
    return text if "struct<" in text else text.upper()
