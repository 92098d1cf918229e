"""A statement's way: key, cache, one process that asks, warehouse, cache. Reads straight down."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brickloop.errors import ConnectionLost, OutputUnavailable
from brickloop.model.query import Parameter, Statement, write_age
from brickloop.sql.cache import Entry, ResultCache
from brickloop.sql.entry import Damaged, Head
from brickloop.sql.flight import one_at_a_time
from brickloop.sql.key import Identity, cache_key
from brickloop.sql.result import Origin, QueryResult

if TYPE_CHECKING:
    import pyarrow as pa

    from brickloop.clients.warehouse import Answer, Session
    from brickloop.sql.pool import SessionPool

Bindings = Sequence[Parameter] | Mapping[str, Any] | Sequence[Any]


@dataclass(frozen=True)
class Wishes:
    """How a statement's result may be had."""

    cache: bool = True
    """Whether the cache is used at all."""
    ttl: float = 300.0
    """How old a cached result may be, in seconds."""
    refresh: bool = False
    """Ask the warehouse in any case, and keep the new result."""
    offline: bool = False
    """Never ask the warehouse; a cached result of any age will do."""
    fresh: bool = False
    """A cached result counts where the tables that it read have the same versions as then."""
    row_limit: int | None = None
    label: str | None = None
    """The caller's own name for the result, in place of statement and parameters."""


@dataclass(frozen=True)
class _Found:
    entry: Entry | None
    why: str
    """Why this one, or why none."""


class QueryRunner:
    """Runs statements of one identity through a pool of sessions and, where that is safe, a cache.

    USE, SET and RESET hold for all later statements, whichever session runs them, and are part of
    the key. Safe to share between threads.
    """

    def __init__(
        self,
        pool: SessionPool,
        identify: Callable[[bool], Identity | None],
        cache: ResultCache | None,
        *,
        host: Callable[[], str],
        on_wait: Callable[[], None] = lambda: None,
    ) -> None:
        self._pool = pool
        self._identify = identify
        """Who asks where; with False it must not ask the warehouse, and gives None if it would."""
        self._cache = cache
        self._host = host
        """The workspace by the name that keys have; known without asking."""
        self._on_wait = on_wait
        self._lock = threading.Lock()
        self._running: set[Session] = set()
        self._setup: list[str] = []
        self._session_objects = False

    def run(
        self, statement: Statement, parameters: Bindings = (), wishes: Wishes | None = None
    ) -> QueryResult:
        """The statement's result, from the cache or the warehouse, with why it came from there.

        Raises StatementFailed, ConnectionFailed, TimedOut; with ``offline`` OutputUnavailable where
        the cache has nothing.
        """
        wishes = wishes or Wishes()
        identity = None
        if self._cache is not None and wishes.cache:
            identity = self._identify(not wishes.offline)
        if self._cache is None or identity is None or self._session_objects:
            if wishes.offline:
                raise _nothing_cached("nothing is known of this workspace yet")
            return self._ask(
                statement, parameters, wishes, identity, (), None, self._why_uncached(wishes)
            )
        bound = named(parameters)
        with self._lock:
            setup = tuple(self._setup)
        told = Identity(**{**vars(identity), "session": (*identity.session, *setup)})
        key = cache_key(told, statement.text, bound, wishes.row_limit, wishes.label)
        found = self._look(key, told, wishes, time.time())

        def anew() -> QueryResult:
            if wishes.offline:
                raise _nothing_cached("it was damaged")
            return self._ask_once(statement, parameters, wishes, told, key, "it was damaged")

        if found.entry is not None:
            return self._from(found.entry, found.why, anew)
        if wishes.offline:
            raise _nothing_cached(found.why)
        return self._ask_once(statement, parameters, wishes, told, key, found.why)

    @property
    def is_running(self) -> bool:
        """Whether a warehouse works on a statement just now."""
        with self._lock:
            return bool(self._running)

    def cancel(self) -> bool:
        """Stop what runs; whether a warehouse was told."""
        with self._lock:
            running = list(self._running)
        told = [session.cancel() for session in running]
        return any(told)

    def _why_uncached(self, wishes: Wishes) -> str:
        if not wishes.cache or self._cache is None:
            return "the cache is not used"
        if self._session_objects:
            return "not cached: the session has temporary views or variables"
        return "the cache is not used"

    def _look(self, key: str, identity: Identity, wishes: Wishes, asked: float) -> _Found:
        """What the cache has that meets the wishes, or why there is nothing."""
        assert self._cache is not None
        if wishes.refresh:
            return _Found(None, "asked anew")
        entry = self._cache.get(key)
        if entry is None:
            return _Found(None, "not in the cache")
        reason = None
        age = max(asked - entry.head.created, 0.0)
        how = f"{write_age(age)} old"
        if not wishes.offline:
            if entry.head.created <= self._cache.last_change(identity.host):
                reason = "data was changed from here since it was cached"
            elif wishes.fresh:
                reason, how = self._compare(entry.head)
            elif age > wishes.ttl:
                reason = f"the cached result is {write_age(age)} old"
        if reason is not None:
            entry.close()
            return _Found(None, reason)
        return _Found(entry, how)

    def _compare(self, head: Head) -> tuple[str | None, str]:
        """Why an entry is not fresh, None where it is; and how that is known."""
        if not head.tables:
            return None, "it reads no table"
        if head.versions is None:
            return "the cached result does not know its tables' versions", ""
        now = self._versions(head.tables)
        if now is None:
            return "its tables' versions cannot be known", ""
        if now != head.versions:
            return "a table has a new version", ""
        return None, f"{len(now)} table{'s' if len(now) > 1 else ''} unchanged"

    def _versions(self, tables: tuple[str, ...]) -> tuple[str, ...] | None:
        from brickloop.sql.freshness import read_versions

        for attempt in (1, 2):
            try:
                with self._pool.lease(fresh=attempt > 1) as session:
                    self.prepare(session)
                    return read_versions(session, tables)
            except ConnectionLost:
                self._pool.discard_idle()
                if attempt > 1:
                    raise
        raise AssertionError("unreachable")

    def _from(self, entry: Entry, why: str, anew: Callable[[], QueryResult]) -> QueryResult:
        """A cached result; its table is read, and asked ``anew`` if it is damaged, when wanted."""
        head = entry.head
        if head.complete:
            # the rows are here: no file is held open for a table that nobody may want
            entry.close()
        if self._cache is not None:
            self._cache.count_hit(head.seconds)
        origin = Origin(True, head.created, head.seconds, head.query_id, why)
        return QueryResult(head, origin, lambda: self._load(entry, anew))

    def _load(self, entry: Entry, anew: Callable[[], QueryResult]) -> pa.Table | QueryResult:
        from brickloop.sql.result import read_stream

        assert self._cache is not None
        again = self._cache.get(entry.key) if entry.head.complete else entry
        if again is None:
            return anew()
        try:
            return read_stream(again.table())
        except Damaged as error:
            self._cache.refuse(entry.key, error)
            return anew()
        finally:
            again.close()

    def _ask_once(
        self,
        statement: Statement,
        parameters: Bindings,
        wishes: Wishes,
        identity: Identity,
        key: str,
        why: str,
    ) -> QueryResult:
        """Ask the warehouse unless another process does so already; then take its answer."""
        from brickloop.sql.cacheable import judge

        judgement = judge(statement.text)
        if judgement.reason is not None:
            reason = f"not cached: {judgement.reason}"
            return self._ask(statement, parameters, wishes, identity, (), None, reason)
        assert self._cache is not None
        begun = time.time()
        folder = self._cache.directory / "locks"
        with one_at_a_time(folder, key, on_wait=self._on_wait) as waited:
            if waited:
                entry = self._answered(key, identity, wishes, begun)
                if entry is not None:
                    anew = lambda: self._ask(  # noqa: E731
                        statement, parameters, wishes, identity, judgement.tables, key, why
                    )
                    return self._from(entry, "another process has just asked", anew)
            return self._ask(statement, parameters, wishes, identity, judgement.tables, key, why)

    def _answered(self, key: str, identity: Identity, wishes: Wishes, begun: float) -> Entry | None:
        """What another process has kept while this one waited, if it meets the wishes."""
        assert self._cache is not None
        if not wishes.refresh:
            return self._look(key, identity, wishes, time.time()).entry
        entry = self._cache.get(key)
        if entry is not None and entry.head.created < begun:
            entry.close()
            return None
        return entry

    def _ask(
        self,
        statement: Statement,
        parameters: Bindings,
        wishes: Wishes,
        identity: Identity | None,
        tables: tuple[str, ...],
        key: str | None,
        why: str,
    ) -> QueryResult:
        """Ask the warehouse; the result is kept where there is a key."""
        from brickloop.sql import result as results

        versions: tuple[str, ...] | None = None
        if key is not None and self._cache is not None and not wishes.refresh:
            self._cache.count_miss()
        if key is not None and wishes.fresh and tables:
            # before the statement: what it reads is this version or a later one
            versions = self._versions(tables)
        limit = wishes.row_limit
        # what others change while the statement is on its way may not be in its result
        created, begun = time.time(), time.monotonic()
        answer = self._execute(statement, parameters, None if limit is None else limit + 1)
        connecting = max(time.monotonic() - begun - answer.seconds, 0.0)
        table, truncated = answer.table, False
        if limit is not None and table.num_rows > limit:
            table, truncated = table.slice(0, limit), True
        head = Head(
            statement=statement.title,
            host=identity.host if identity else "",
            user=identity.user if identity else "",
            created=created,
            seconds=answer.seconds,
            query_id=answer.query_id,
            columns=results.describe_columns(table),
            row_count=table.num_rows,
            truncated=truncated,
            rows=results.first_rows(table),
            tables=tables,
            versions=versions,
        )
        if key is not None and self._cache is not None and self._cache.has_room(table.nbytes):
            self._cache.put(key, head, results.write_stream(table))
        origin = Origin(False, created, head.seconds, answer.query_id, why, connecting)
        return QueryResult(head, origin, lambda: table)

    def _execute(self, statement: Statement, parameters: Bindings, row_limit: int | None) -> Answer:
        """Run a statement; again where the connection was lost and it cannot have had effect."""
        reads = statement.only_reads
        try:
            for attempt in (1, 2):
                try:
                    return self._execute_on(statement, parameters, row_limit, fresh=attempt > 1)
                except ConnectionLost as lost:
                    # the other idle sessions were lost with it, most likely
                    self._pool.discard_idle()
                    if attempt > 1 or (lost.may_have_run and not reads):
                        raise
            raise AssertionError("unreachable")
        finally:
            if not reads and not statement.changes_session and self._cache is not None:
                self._cache.note_change(self._host())

    def _execute_on(
        self, statement: Statement, parameters: Bindings, row_limit: int | None, *, fresh: bool
    ) -> Answer:
        with self._pool.lease(fresh=fresh) as session:
            self.prepare(session)
            with self._lock:
                self._running.add(session)
            try:
                answer = session.execute(statement.text, parameters, row_limit)
            finally:
                with self._lock:
                    self._running.discard(session)
            if statement.changes_session:
                self._remember(statement, session)
            return answer

    def prepare(self, session: Session) -> None:
        """Make all session statements so far hold on a session."""
        while True:
            with self._lock:
                missing = self._setup[session.prepared :]
            if not missing:
                return
            for text in missing:
                session.execute(text)
                session.prepared += 1

    def _remember(self, statement: Statement, session: Session) -> None:
        with self._lock:
            if session.prepared != len(self._setup):
                # another thread was quicker: this session has seen them in another order
                session.broken = True
            self._setup.append(statement.text)
            session.prepared = len(self._setup)
            if statement.words[0] in {"DECLARE", "CREATE"}:
                self._session_objects = True


def named(parameters: Bindings) -> tuple[Parameter, ...]:
    """Parameters of any form as the key knows them: name, type and text of each."""
    if isinstance(parameters, Mapping):
        return tuple(
            Parameter(str(name), type(value).__name__, repr(value))
            for name, value in parameters.items()
        )
    return tuple(
        one if isinstance(one, Parameter) else Parameter("", type(one).__name__, repr(one))
        for one in parameters
    )


def _nothing_cached(why: str) -> OutputUnavailable:
    return OutputUnavailable(
        f"no cached result: {why}", hint="ask once without --offline, with the same words"
    )
