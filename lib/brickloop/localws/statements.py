"""Statements of the Statement Execution API: run, kept with their results for a while, freed.

API: https://docs.databricks.com/api/workspace/statementexecution. A result is written to disk while
it comes, so its size is bounded by the disk, and the chunks are known when it has succeeded.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from brickloop.localws.arrow_results import ResultShape
from brickloop.localws.operations import Operation, Phase
from brickloop.localws.statement_chunks import MIB, Chunk, ChunkWriter
from brickloop.localws.statement_error import StatementError

_LOG = logging.getLogger("brickloop.localws")
INLINE_BYTES = 25 * MIB
_RESULT_SECONDS = 3600.0
_RECORD_SECONDS = 12 * 3600.0
_SWEEP_SECONDS = 60.0


@dataclass(frozen=True)
class ResultOptions:
    """In which form a client wants its result."""

    form: str = "JSON_ARRAY"
    disposition: str = "INLINE"
    byte_limit: int | None = None
    lz4_compressed: bool = False


@dataclass
class Statement:
    """One statement and what became of it."""

    id: str
    operation: Operation
    options: ResultOptions
    folder: Path
    """Where its chunks are, one that no other statement has."""
    warehouse_id: str
    phase: Phase = Phase.PENDING
    error: StatementError | None = None
    chunks: list[Chunk] = field(default_factory=list)
    row_count: int = 0
    byte_count: int = 0
    truncated: bool = False
    ended_at: float = 0.0
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def shape(self) -> ResultShape:
        """The result's columns."""
        return self.operation.shape

    def current_phase(self) -> Phase:
        """Where it stands now."""
        if self.phase is Phase.PENDING and self.operation.phase is not Phase.PENDING:
            return Phase.RUNNING
        return self.phase

    def wait(self, seconds: float) -> Phase:
        """Its phase when it has ended or ``seconds`` are over."""
        self.done.wait(seconds)
        return self.current_phase()


class UnknownStatement(Exception):
    """No statement has this id, or it is too old."""


class Statements:
    """All statements that are remembered; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # results of a server that is no more
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        self._lock = threading.Lock()
        self._known: dict[str, Statement] = {}
        self._ended = threading.Event()
        self._sweeper: threading.Thread | None = None

    def start(
        self,
        operation: Operation,
        options: ResultOptions,
        on_end: Callable[[Statement], None],
        warehouse_id: str,
    ) -> Statement:
        """The statement, begun; ``on_end`` is called when nothing of it runs any more."""
        statement_id = str(uuid.uuid4())
        folder = self._folder / statement_id
        statement = Statement(statement_id, operation, options, folder, warehouse_id)
        with self._lock:
            self._known[statement.id] = statement
            if self._sweeper is None:
                self._sweeper = threading.Thread(target=self._sweep, name="results", daemon=True)
                self._sweeper.start()
        operation.start()
        threading.Thread(target=self._keep, args=(statement, on_end), daemon=True).start()
        return statement

    def get(self, statement_id: str) -> Statement:
        """The statement; raises UnknownStatement."""
        with self._lock:
            found = self._known.get(statement_id)
        if found is None:
            raise UnknownStatement(statement_id)
        return found

    def cancel(self, statement_id: str) -> None:
        """Stop a statement; nothing happens to one that has ended."""
        statement = self.get(statement_id)
        statement.operation.cancel()
        self._end(statement, Phase.CANCELED, statement.operation.error)

    def close(self, statement_id: str) -> None:
        """Free a statement's result, and stop it where it still runs."""
        statement = self.get(statement_id)
        statement.operation.close()
        self._end(statement, Phase.CLOSED, None)
        self._free(statement)

    def running_count(self, warehouse_id: str | None = None) -> int:
        """How many statements run on a warehouse, or on all."""
        return len(self._running(warehouse_id))

    def cancel_all(self, warehouse_id: str) -> None:
        """Stop what runs on a warehouse."""
        for statement in self._running(warehouse_id):
            self.cancel(statement.id)

    def _running(self, warehouse_id: str | None) -> list[Statement]:
        with self._lock:
            return [
                each
                for each in self._known.values()
                if not each.done.is_set() and warehouse_id in {None, each.warehouse_id}
            ]

    def close_all(self) -> None:
        """Stop and forget all."""
        self._ended.set()
        with self._lock:
            found = list(self._known.values())
            self._known.clear()
        for statement in found:
            statement.operation.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def sweep(self, now: float) -> None:
        """Free results and forget statements that are old enough at ``now`` (monotonic)."""
        with self._lock:
            ended = [each for each in self._known.values() if each.ended_at]
        for statement in ended:
            if now - statement.ended_at > _RESULT_SECONDS and statement.phase is Phase.SUCCEEDED:
                statement.phase = Phase.CLOSED
                self._free(statement)
            if now - statement.ended_at > _RECORD_SECONDS:
                with self._lock:
                    self._known.pop(statement.id, None)

    def _keep(self, statement: Statement, on_end: Callable[[Statement], None]) -> None:
        """Write the result to disk until it is whole."""
        operation = statement.operation
        try:
            try:
                while not operation.wait(1).ended:
                    pass
                self._write(statement)
            except StatementError as error:
                canceled = operation.phase is Phase.CANCELED
                self._end(statement, Phase.CANCELED if canceled else Phase.FAILED, error)
            except Exception as error:  # noqa: BLE001 - a full disk, for one, fails the statement
                _LOG.exception("a result could not be kept")
                text = f"[INTERNAL_ERROR] The result could not be kept: {error} SQLSTATE: XX000"
                self._end(statement, Phase.FAILED, StatementError(text))
            if statement.phase is not Phase.SUCCEEDED:
                operation.close()
                self._free(statement)
        finally:
            on_end(statement)

    def _write(self, statement: Statement) -> None:
        options, operation = statement.options, statement.operation
        if operation.error is not None:
            raise operation.error
        writer = ChunkWriter(
            statement.folder, operation.shape, options.form, lz4_compressed=options.lz4_compressed
        )
        size = 0
        for batch in operation.batches():
            room = None if options.byte_limit is None else options.byte_limit - size
            if room is not None and batch.nbytes > room:
                statement.truncated = True
                batch = batch.slice(0, batch.num_rows * room // max(batch.nbytes, 1))
            size += batch.nbytes
            if options.disposition == "INLINE" and size > INLINE_BYTES:
                raise _too_large()
            if batch.num_rows:
                writer.write(batch)
            if statement.truncated:
                operation.close()
                break
        statement.chunks = writer.finish()
        statement.row_count, statement.byte_count = writer.row_count, writer.byte_count
        statement.truncated = statement.truncated or operation.truncated
        self._end(statement, Phase.SUCCEEDED, None)

    def _end(self, statement: Statement, phase: Phase, error: StatementError | None) -> None:
        with self._lock:
            if not statement.done.is_set():
                statement.phase, statement.error = phase, error
                statement.ended_at = time.monotonic()
                statement.done.set()
            elif phase is Phase.CLOSED and statement.phase is Phase.SUCCEEDED:
                statement.phase = Phase.CLOSED

    def _free(self, statement: Statement) -> None:
        statement.chunks = []
        shutil.rmtree(statement.folder, ignore_errors=True)

    def _sweep(self) -> None:
        while not self._ended.wait(_SWEEP_SECONDS):
            self.sweep(time.monotonic())


def _too_large() -> StatementError:
    return StatementError(
        "Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result"
        f" size of at most {INLINE_BYTES} bytes. Please execute the statement with"
        " disposition=EXTERNAL_LINKS if you want to download the full result.",
        condition="",
        sqlstate="",
    )
