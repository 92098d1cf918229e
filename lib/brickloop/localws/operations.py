"""A statement on its way: it runs in a thread of its own, its rows wait in a bounded buffer.

A client sees it as running until its first rows are there or it has ended. Rows are taken as the
client asks for them; while nobody takes them the engine is held back, so memory stays bounded.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql.types import LongType, StructField, StructType

from brickloop.localws.arrow_results import ResultShape, WireFormat
from brickloop.localws.sql_text import leading_words
from brickloop.localws.statement_error import StatementError
from brickloop.localws.statement_parameters import Parameter
from brickloop.localws.warehouse_sessions import ClientSession

_LOG = logging.getLogger("brickloop.localws")
_BUFFER_BYTES = 32 * 1024 * 1024
# so much is there before a client hears that the result is ready: what fails early fails at once
_READY_BYTES = 4 * 1024 * 1024
_INTERRUPT_SECONDS = 0.1


class Phase(enum.Enum):
    """Where a statement stands."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    TIMED_OUT = "TIMED_OUT"
    CLOSED = "CLOSED"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self not in {Phase.PENDING, Phase.RUNNING}


@dataclass(frozen=True)
class Taken:
    """Rows that were taken out of a result."""

    batches: list[pa.RecordBatch]
    start: int
    """Number of the first row."""
    more: bool
    """Whether rows are left; exact."""


@dataclass(frozen=True)
class Rows:
    """What a statement gave: its columns, then its rows as they come."""

    shape: ResultShape
    batches: Iterator[pa.RecordBatch]
    modified_rows: int | None = None
    """Rows that DML changed; None for every other statement."""


def run_statement(
    session: ClientSession,
    text: str,
    parameters: Sequence[Parameter],
    wire: WireFormat,
    operation: Operation,
) -> Rows:
    """The rows of one statement; those of DML are its counts. Raises StatementError."""
    if not leading_words(text, 1):
        message = (
            "[PARSE_EMPTY_STATEMENT] Syntax error, unexpected empty statement. SQLSTATE: 42617"
        )
        raise StatementError(message, condition="PARSE_EMPTY_STATEMENT", sqlstate="42617")
    while not session.turn.acquire(timeout=_INTERRUPT_SECONDS):
        operation.check_wanted()
    try:
        operation.check_wanted()
        result = session.sql.execute(text, parameters, tag=operation.tag, wire=wire)
    finally:
        session.turn.release()
    count = result.affected_rows
    if count is None or "num_affected_rows" in result.schema.names:
        return Rows(result.shape, iter(result), count)
    names = ["num_affected_rows"]
    if leading_words(text, 1) == ["INSERT"]:
        names.append("num_inserted_rows")
    shape = ResultShape(StructType([StructField(name, LongType()) for name in names]), wire)
    columns = [pa.array([count], pa.int64())] * len(names)
    batch = pa.RecordBatch.from_arrays(columns, schema=shape.arrow_schema)
    return Rows(shape, iter([batch]), count)


class Operation:
    """One statement of a client, from its start until it is closed."""

    def __init__(
        self,
        run: Callable[[Operation], Rows],
        interrupt: Callable[[str], None] | None = None,
        *,
        row_limit: int | None = None,
        timeout: float = 0,
        lz4_compressed: bool = False,
    ) -> None:
        """``timeout`` in seconds, 0 for none; ``interrupt`` stops what ``run`` does by its tag."""
        self.id = uuid.uuid4().bytes
        self.tag = f"statement-{self.id.hex()}"
        self.started_ms = time.time_ns() // 1_000_000
        self.shape = ResultShape(StructType([]), WireFormat())
        self.lz4_compressed = lz4_compressed
        """How the client wants its rows."""
        self.modified_rows: int | None = None
        self.truncated = False
        self.error: StatementError | None = None
        self._run = run
        self._interrupt = interrupt
        self._row_limit = row_limit
        self._timeout = timeout
        self._changed = threading.Condition()
        self._phase = Phase.PENDING
        self._ready = False
        self._complete = False
        self._buffer: deque[pa.RecordBatch] = deque()
        self._held = 0
        self._taken = 0
        self._over = threading.Event()

    def start(self) -> Operation:
        """Begin to run, in a thread of its own."""
        threading.Thread(target=self._work, name=self.tag, daemon=True).start()
        if self._timeout > 0:
            timer = threading.Thread(target=self._watch, daemon=True)
            timer.start()
        return self

    @property
    def phase(self) -> Phase:
        """What a client is told; SUCCEEDED as soon as rows can be fetched."""
        with self._changed:
            return self._seen()

    @property
    def is_over(self) -> bool:
        """Whether its thread has ended, and the engine's work with it."""
        return self._over.is_set()

    def join(self) -> None:
        """Wait until its thread has ended."""
        self._over.wait()

    def wait(self, seconds: float) -> Phase:
        """The phase when the result is ready or ``seconds`` are over."""
        with self._changed:
            self._changed.wait_for(lambda: self._seen().ended, seconds)
            return self._seen()

    def take(self, max_rows: int, max_bytes: int) -> Taken:
        """The next rows, as many as are wanted or all that are left; waits for them.

        Raises StatementError where the statement fails on the way or was canceled.
        """
        batches: list[pa.RecordBatch] = []
        rows = size = 0
        with self._changed:
            start = self._taken
            while True:
                self._changed.wait_for(lambda: self._buffer or self._complete)
                if not self._buffer:
                    break
                batch = self._buffer[0]
                if rows and (rows + batch.num_rows > max_rows or size >= max_bytes):
                    break
                self._buffer.popleft()
                self._held -= batch.nbytes
                if rows + batch.num_rows > max_rows:
                    rest = batch.slice(max_rows - rows)
                    self._buffer.appendleft(rest)
                    self._held += rest.nbytes
                    batch = batch.slice(0, max_rows - rows)
                batches.append(batch)
                rows += batch.num_rows
                size += batch.nbytes
                self._changed.notify_all()
            if self.error is not None and self._phase is not Phase.SUCCEEDED and not batches:
                raise self.error
            self._taken = start + rows
            more = bool(self._buffer) or self.error is not None
            return Taken(batches, start, more)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows that are left, in turns; raises StatementError as ``take`` does."""
        more = True
        while more:
            taken = self.take(1_000_000, _READY_BYTES)
            yield from taken.batches
            more = taken.more

    def check_wanted(self) -> None:
        """Raise StatementError when it was canceled or closed."""
        with self._changed:
            if self._phase is not Phase.RUNNING:
                raise self.error or _closed()

    def cancel(self) -> None:
        """Stop it; nothing happens to one that has ended."""
        text = "[OPERATION_CANCELED] Operation has been canceled. SQLSTATE: HY008"
        error = StatementError(text, condition="OPERATION_CANCELED", sqlstate="HY008")
        self._stop(Phase.CANCELED, error)

    def close(self) -> None:
        """Let go of the result, and stop what still runs."""
        with self._changed:
            running = not self._complete
            if running or self._phase is Phase.SUCCEEDED:
                self._phase = Phase.CLOSED
            self._clear(_closed())
        if running:
            self._interrupt_until_over()

    def _seen(self) -> Phase:
        if self._phase is Phase.RUNNING and self._ready:
            return Phase.SUCCEEDED
        return self._phase

    def _work(self) -> None:
        try:
            with self._changed:
                if self._phase is not Phase.PENDING:
                    return
                self._phase = Phase.RUNNING
            result = self._run(self)
            self._receive(result)
        except StatementError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - a fault of ours is the statement's failure
            _LOG.exception("a statement failed")
            text = f"[INTERNAL_ERROR] {type(error).__name__}: {error} SQLSTATE: XX000"
            self._fail(StatementError(text, condition="INTERNAL_ERROR", sqlstate="XX000"))
        else:
            with self._changed:
                if self._phase is Phase.RUNNING:
                    self._phase = Phase.SUCCEEDED
        finally:
            with self._changed:
                self._complete = True
                self._over.set()
                self._changed.notify_all()

    def _receive(self, result: Rows) -> None:
        with self._changed:
            self.shape = result.shape
            self.modified_rows = result.modified_rows
        left = self._row_limit
        for batch in result.batches:
            if left is not None and batch.num_rows > left:
                self.truncated = True
                batch = batch.slice(0, left)
            if batch.num_rows and not self._offer(batch):
                return
            if left is not None:
                left -= batch.num_rows
                if self.truncated:
                    self._interrupt_quietly()
                    return

    def _offer(self, batch: pa.RecordBatch) -> bool:
        """Put rows into the buffer when there is room; False when nobody wants them any more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._held < _BUFFER_BYTES or self._phase is not Phase.RUNNING
            )
            if self._phase is not Phase.RUNNING:
                return False
            self._buffer.append(batch)
            self._held += batch.nbytes
            self._ready = self._ready or self._held >= _READY_BYTES
            self._changed.notify_all()
            return True

    def _fail(self, error: StatementError) -> None:
        with self._changed:
            if self._phase in {Phase.PENDING, Phase.RUNNING}:
                self._phase = Phase.FAILED
                self.error = error

    def _stop(self, phase: Phase, error: StatementError) -> None:
        with self._changed:
            if self._phase not in {Phase.PENDING, Phase.RUNNING}:
                return
            self._phase = phase
            self._clear(error)
        self._interrupt_until_over()

    def _clear(self, error: StatementError) -> None:
        self.error = self.error or error
        self._buffer.clear()
        self._held = 0
        self._complete = True
        self._changed.notify_all()

    def _interrupt_until_over(self) -> None:
        """The engine may not have begun yet with what is to be stopped, so it is told again."""
        if self._interrupt is None or self._over.is_set():
            return

        def insist() -> None:
            while not self._over.is_set():
                self._interrupt_quietly()
                self._over.wait(_INTERRUPT_SECONDS)

        threading.Thread(target=insist, daemon=True).start()

    def _interrupt_quietly(self) -> None:
        if self._interrupt is not None:
            # a session that is gone runs nothing
            with contextlib.suppress(Exception):
                self._interrupt(self.tag)

    def _watch(self) -> None:
        if not self._over.wait(self._timeout):
            text = (
                "[QUERY_EXECUTION_TIMEOUT_EXCEEDED] The statement ran longer than its limit of"
                f" {self._timeout:.0f} s. SQLSTATE: 57KD0"
            )
            condition = "QUERY_EXECUTION_TIMEOUT_EXCEEDED"
            error = StatementError(text, condition=condition, sqlstate="57KD0")
            self._stop(Phase.TIMED_OUT, error)


def _closed() -> StatementError:
    return StatementError("The operation is closed.", condition="", sqlstate="HY010")
