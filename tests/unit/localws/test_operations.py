from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest
from pyspark.sql.types import LongType, StructField, StructType

from brickloop.localws.arrow_results import ResultShape, WireFormat
from brickloop.localws.operations import Operation, Phase, Rows
from brickloop.localws.statement_error import StatementError
from brickloop.localws.warehouse_sessions import (
    UnknownOperation,
    UnknownSession,
    WarehouseSessions,
)

SHAPE = ResultShape(StructType([StructField("n", LongType())]), WireFormat())


def batch(begin: int, count: int) -> pa.RecordBatch:
    numbers = pa.array(range(begin, begin + count), pa.int64())
    return pa.RecordBatch.from_arrays([numbers], schema=SHAPE.arrow_schema)


def numbers_of(batches: list[pa.RecordBatch]) -> list[int]:
    return [number for each in batches for number in each.column(0).to_pylist()]


def operation_of(*batches: pa.RecordBatch, **more: Any) -> Operation:
    return Operation(lambda _operation: Rows(SHAPE, iter(batches)), **more).start()


def test_rows_are_taken_in_any_number_and_the_end_is_known_exactly() -> None:
    operation = operation_of(batch(0, 5), batch(5, 0), batch(5, 5))
    assert operation.wait(10) is Phase.SUCCEEDED
    first = operation.take(3, 1_000_000)
    assert (numbers_of(first.batches), first.start, first.more) == ([0, 1, 2], 0, True)
    # a batch that would go beyond is left whole
    second = operation.take(4, 1_000_000)
    assert (numbers_of(second.batches), second.start, second.more) == ([3, 4], 3, True)
    third = operation.take(5, 1_000_000)
    assert (numbers_of(third.batches), third.start, third.more) == ([5, 6, 7, 8, 9], 5, False)
    assert operation.take(5, 1_000_000).batches == []


def test_a_row_limit_cuts_and_says_so_only_where_it_cut() -> None:
    cut = operation_of(batch(0, 5), batch(5, 5), row_limit=7)
    assert (numbers_of(list(cut.batches())), cut.truncated) == (list(range(7)), True)
    whole = operation_of(batch(0, 5), batch(5, 5), row_limit=10)
    assert (numbers_of(list(whole.batches())), whole.truncated) == (list(range(10)), False)


def test_memory_is_bounded_while_nobody_takes_rows() -> None:
    made = []
    size = 1_000_000

    def many() -> Iterator[pa.RecordBatch]:
        for index in range(100):
            made.append(index)
            yield batch(0, size)

    operation = Operation(lambda _operation: Rows(SHAPE, many())).start()
    assert operation.wait(30) is Phase.SUCCEEDED
    time.sleep(0.2)
    held = len(made)
    assert held < 10
    assert operation.take(size, 1).more
    deadline = time.monotonic() + 20
    while len(made) == held:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    operation.close()
    operation.join()
    assert len(made) < 20


def test_what_fails_on_the_way_fails_the_statement() -> None:
    def breaking() -> Iterator[pa.RecordBatch]:
        yield batch(0, 5)
        raise StatementError("[DIVIDE_BY_ZERO] no", sqlstate="22012")

    operation = Operation(lambda _operation: Rows(SHAPE, breaking())).start()
    assert operation.wait(10) is Phase.FAILED
    assert operation.error is not None and operation.error.sqlstate == "22012"


def test_a_fault_of_ours_is_an_internal_error() -> None:
    def fail(_operation: Operation) -> Rows:
        raise KeyError("oops")

    operation = Operation(fail).start()
    assert operation.wait(10) is Phase.FAILED
    assert operation.error is not None
    assert operation.error.message.startswith("[INTERNAL_ERROR] KeyError")


def blocking(interrupted: threading.Event) -> Callable[[Operation], Rows]:
    def run(_operation: Operation) -> Rows:
        assert interrupted.wait(30)
        raise StatementError("stopped")

    return run


def test_cancel_insists_until_the_engine_has_stopped() -> None:
    interrupted = threading.Event()
    calls = []

    def interrupt(tag: str) -> None:
        calls.append(tag)
        # the engine did not know the statement yet the first two times
        if len(calls) == 3:
            interrupted.set()

    operation = Operation(blocking(interrupted), interrupt).start()
    operation.cancel()
    assert operation.phase is Phase.CANCELED
    operation.join()
    assert len(calls) >= 3 and set(calls) == {operation.tag}
    with pytest.raises(StatementError, match="OPERATION_CANCELED"):
        operation.take(1, 1)


def test_a_time_limit_stops_it() -> None:
    interrupted = threading.Event()
    operation = Operation(
        blocking(interrupted), lambda _tag: interrupted.set(), timeout=0.1
    ).start()
    assert operation.wait(20) is Phase.TIMED_OUT
    operation.join()


class FakeSession:
    def __init__(self) -> None:
        self.endpoint = "sc://1"
        self.closed = False

    def close(self) -> None:
        self.closed = True


def sessions_with(current: set[str]) -> WarehouseSessions:
    def open_one(*_place: Any) -> Any:
        return FakeSession()

    return WarehouseSessions(open_one, lambda endpoint: endpoint in current, idle_seconds=100)


def test_sessions_end_when_nobody_uses_them() -> None:
    sessions = sessions_with({"sc://1"})
    used, idle = sessions.open("local"), sessions.open("local")
    now = time.monotonic()
    used.last_used = now + 60
    sessions.sweep(now + 120)
    assert sessions.get(used.id) is used
    with pytest.raises(UnknownSession):
        sessions.get(idle.id)
    assert cast(Any, idle.sql).closed
    sessions.close_all()
    with pytest.raises(UnknownSession):
        sessions.get(used.id)


def test_a_statement_that_nobody_asks_for_is_stopped() -> None:
    sessions = sessions_with({"sc://1"})
    session = sessions.open("local")
    stopped = []
    orphan = SimpleNamespace(
        is_over=False, cancel=lambda: stopped.append(1), close=lambda: None, join=lambda: None
    )
    session.operations[b"x"] = cast(Any, orphan)
    sessions.sweep(session.last_used + 50)
    assert stopped == []
    sessions.sweep(session.last_used + 101)
    assert stopped == [1]
    with pytest.raises(UnknownOperation):
        sessions.operation(b"x")


def test_sessions_end_with_their_engine() -> None:
    current = {"sc://1"}
    sessions = sessions_with(current)
    session = sessions.open("local")
    assert sessions.get(session.id) is session
    current.clear()
    with pytest.raises(UnknownSession):
        sessions.get(session.id)
