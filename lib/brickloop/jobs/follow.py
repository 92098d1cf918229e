"""Following a run to its end: a stream of values, one for each thing that changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from brickloop.errors import BrickloopError, ConnectionFailed, TimedOut
from brickloop.jobs.document_follower import DocumentFollower
from brickloop.jobs.patience import is_passing
from brickloop.jobs.status import run_status
from brickloop.model.document import Document, Section
from brickloop.model.run import RunStatus

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

T = TypeVar("T")
_QUICK_SECONDS = 10.0
_SLOWEST = 10.0
_GROWTH = 1.3
_TICK = 0.5
_QUIET_SECONDS = 5.0
_REASON_LENGTH = 200


@dataclass(frozen=True)
class Pace:
    """How often a run is looked at, and how long no answer is borne, in seconds."""

    first: float = 1.0
    """Between two looks in the first 10 seconds, and after output has come."""
    patience: float = 300.0
    """Without any answer after which the run is let go; it goes on."""
    grace: float = 5.0
    """That output may come later than the end of its run."""

    @classmethod
    def of(cls, host: str) -> Pace:
        """The pace for a host: one on this machine can be asked often."""
        here = host.startswith(("http://127.0.0.1", "http://localhost", "http://[::1]"))
        return cls(0.1, 30.0, 2.0) if here else cls()

    def next(self, pause: float, seconds: float, came: bool) -> float:
        """The pause after ``pause``, so many seconds after the beginning; output cuts it short."""
        if came or seconds < _QUICK_SECONDS:
            return self.first
        return min(pause * _GROWTH, _SLOWEST)


@dataclass(frozen=True)
class Waiting:
    """Nothing has changed; the run has been followed for this long."""

    status: RunStatus | None
    seconds: float


@dataclass(frozen=True)
class Note:
    """Something about the following itself that a person should know."""

    code: str
    """``connection_lost``, ``connection_restored``, ``output_unreadable``, ``output_incomplete``"""
    text: str


Followed = RunStatus | Section | Waiting | Note


def follow(
    client: WorkspaceClient,
    host: str,
    run_id: int,
    document: DocumentFollower | None,
    timeout: float,
    *,
    pace: Pace | None = None,
    look: Callable[[], RunStatus] | None = None,
) -> Iterator[Followed]:
    """Each change of the run's status and each section of its output, until the run has ended.

    Without a ``document`` only the status. ``look`` gives the status where it is known already, as
    that of a task whose run is looked at for several. The last RunStatus is the final one. A
    dropped connection, 429 and 5xx are borne for the pace's patience. Raises TimedOut after
    ``timeout`` seconds and ConnectionFailed when patience ends; the run goes on in both cases.
    """
    pace = pace or Pace.of(host)
    seen = look or (lambda: run_status(client, host, run_id))
    return _Following(run_id, document, pace, seen).values(timeout)


class _Following:
    def __init__(
        self,
        run_id: int,
        document: DocumentFollower | None,
        pace: Pace,
        look: Callable[[], RunStatus],
    ) -> None:
        self._run_id = run_id
        self._document = document
        self._pace = pace
        self._look = look
        self._begun = time.monotonic()
        self._answered = time.monotonic()
        self._status: RunStatus | None = None
        self._lost = False
        self._unreadable: BrickloopError | None = None
        self._said = False

    def values(self, timeout: float) -> Iterator[Followed]:
        pause = self._pace.first
        while True:
            status = yield from self._ask(self._look)
            if status is not None and status.life_cycle.is_final:
                yield from self._rest(status.succeeded)
                yield status
                return
            if status is not None and status != self._status:
                self._status = status
                yield status
            came = yield from self._sections()
            if self._seconds() > timeout:
                raise self._timed_out(timeout)
            pause = self._pace.next(pause, self._seconds(), came)
            yield from self._wait(pause)

    def _seconds(self) -> float:
        return time.monotonic() - self._begun

    def _sections(
        self, read: Callable[[], list[Section]] | None = None
    ) -> Generator[Followed, None, bool]:
        """Whether any section came; output that cannot be read does not end the following."""
        if self._unreadable or self._document is None:
            return False
        try:
            found = yield from self._ask(read or self._document.poll)
        except BrickloopError as error:
            self._unreadable = error
            found = None
        yield from found or ()
        problem = self._unreadable or self._document.error
        if problem is not None and not self._said:
            self._said = True
            yield Note("output_unreadable", f"the output cannot be read: {_first_line(problem)}")
        return bool(found)

    def _rest(self, succeeded: bool) -> Iterator[Followed]:
        """What came with the run's end; a driver that died leaves a document that stays open.

        For the grace it may still be on its way; after that it is incomplete, and said to be.
        """
        document = self._document
        if document is None:
            return
        yield from self._sections()
        grace_ends = time.monotonic() + self._pace.grace
        while not succeeded and self._is_open(document) and time.monotonic() < grace_ends:
            yield from self._wait(min(self._pace.first, _TICK))
            yield from self._sections()
        finished = False

        def finish() -> list[Section]:
            nonlocal finished
            found = document.finish(succeeded=succeeded)
            finished = True
            return found

        while not finished and self._unreadable is None:
            yield from self._sections(finish)
            if not finished:
                yield from self._wait(self._pace.first)
        found = document.document()
        if found is not None and not found.complete and not self._said:
            yield Note("output_incomplete", incomplete_text(found))

    def _is_open(self, document: DocumentFollower) -> bool:
        found = document.document()
        return self._unreadable is None and found is not None and not found.complete

    def _ask(self, work: Callable[[], T]) -> Generator[Followed, None, T | None]:
        """What ``work`` gives, None where the workspace did not answer this time.

        It is done beside, because the client may try for minutes before it says that it cannot.
        """
        answer = _Answer(work)
        while not answer.is_there(_TICK):
            quiet = time.monotonic() - self._answered
            if quiet > max(_QUIET_SECONDS, 3 * self._pace.first) and not self._lost:
                yield self._say_lost("it does not answer")
            if quiet > self._pace.patience:
                raise self._given_up("it does not answer")
            yield Waiting(self._status, self._seconds())
        error = answer.error
        if error is None:
            if work is self._look:
                yield from self._heard()
            return answer.value
        if not is_passing(error):
            raise error
        if work is not self._look:
            # a store that fails while the run can be asked for is only asked again
            return None
        if not self._lost:
            yield self._say_lost(_first_line(error))
        if time.monotonic() - self._answered > self._pace.patience:
            raise self._given_up(_first_line(error))
        return None

    def _heard(self) -> Iterator[Note]:
        self._answered = time.monotonic()
        if self._lost:
            self._lost = False
            yield Note("connection_restored", "the workspace answers again")

    def _wait(self, seconds: float) -> Iterator[Waiting]:
        end = time.monotonic() + seconds
        while True:
            yield Waiting(self._status, self._seconds())
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _TICK))

    def _say_lost(self, reason: str) -> Note:
        self._lost = True
        return Note(
            "connection_lost",
            f"the workspace cannot be asked at the moment ({reason}); the run goes on and is asked"
            f" for again, for {self._pace.patience:.0f} s at most",
        )

    def _given_up(self, reason: str) -> ConnectionFailed:
        return ConnectionFailed(
            f"run {self._run_id} could not be asked for {self._pace.patience:.0f} s: {reason}",
            where=self._status.page_url if self._status else None,
            hint=f"the run goes on; come back to it with: invoke output {self._run_id}",
        )

    def _timed_out(self, timeout: float) -> TimedOut:
        return TimedOut(
            f"run {self._run_id} did not end within {timeout:.0f} s and goes on",
            where=self._status.page_url if self._status else None,
            hint="run_timeout in pyproject.toml [tool.brickloop] sets the limit; come back with:"
            f" invoke output {self._run_id}",
        )


class _Answer(Generic[T]):
    """Work that is done in a thread of its own, which nobody has to wait for."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.value: T | None = None
        self.error: Exception | None = None
        self._done = threading.Event()
        threading.Thread(target=self._do, args=(work,), daemon=True).start()

    def is_there(self, seconds: float) -> bool:
        """Whether the work is done, after at most so many seconds."""
        return self._done.wait(seconds)

    def _do(self, work: Callable[[], T]) -> None:
        try:
            self.value = work()
        except Exception as error:  # noqa: BLE001  raised again by who waits
            self.error = error
        finally:
            self._done.set()


def incomplete_text(document: Document) -> str:
    """What is said of a document that breaks off."""
    said = "output incomplete"
    reason = document.reason.removeprefix(said).lstrip(": ")
    return f"{said}: {reason}" if reason else said


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:_REASON_LENGTH]
