"""ConnectionManager: pooled connections and cached results of the workspace that is meant."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from brickloop.config.profile import resolve_target
from brickloop.config.settings import Settings, find_root, load_settings
from brickloop.errors import UsageError
from brickloop.flows.result_cache import open_cache
from brickloop.flows.warehouse import Warehouse
from brickloop.model.query import Statement, split_statements
from brickloop.sql.pool import PoolStats, SessionPool
from brickloop.sql.query import Bindings, QueryRunner, Wishes

if TYPE_CHECKING:
    from brickloop.clients.warehouse import Session
    from brickloop.sql.result import QueryResult


class ConnectionManager:
    """Runs statements on pooled connections, with results cached on disk where that is safe.

    Which workspace is meant is decided as everywhere (profile, environment, local workspace). Safe
    to share between threads and to use after a fork. Close it, or use it in a ``with``.
    """

    def __init__(
        self,
        *,
        profile: str | None = None,
        target: str | None = None,
        warehouse: str | None = None,
        catalog: str | None = None,
        schema: str | None = None,
        root: Path | str | None = None,
        max_connections: int = 8,
        check_after: float = 300.0,
        settings: Settings | None = None,
    ) -> None:
        """``root`` is the project's folder; ``check_after`` the seconds without use after which a
        connection is asked whether it still lives. ``settings`` are taken as they are, in place of
        those that the other words and the environment give."""
        if max_connections < 1:
            raise UsageError("max_connections must be 1 or more")
        words = {
            "profile": profile,
            "target": target,
            "warehouse": warehouse,
            "catalog": catalog,
            "schema": schema,
        }
        if settings is None:
            settings = load_settings(find_root(Path(root or Path.cwd())), overrides=words)
        self._warehouse = Warehouse(settings, resolve_target(settings))
        self._ttl = settings.seconds("cache_ttl")
        self._pool = SessionPool(
            self._warehouse.open_session, size=max_connections, check_after=check_after
        )
        self._cache = open_cache(settings)
        self._runner = QueryRunner(
            self._pool,
            self._warehouse.identify,
            self._cache,
            host=lambda: self._warehouse.host,
        )
        self._local = threading.local()

    def get_sql_connection(self, force_new: bool = False) -> PooledConnection:
        """A connection of the pool with the DB-API's ``cursor()``; each thread has its own.

        The same one as at the thread's last call while that is open; with ``force_new`` a new one,
        and the old one goes back. Raises ConnectionFailed, and TimedOut when all are in use.
        """
        held: PooledConnection | None = getattr(self._local, "held", None)
        if held is not None and held.open and not force_new:
            return held
        if held is not None:
            held.close()
        if force_new:
            self._warehouse.forget()
        session = self._pool.take(fresh=force_new)
        try:
            self._runner.prepare(session)
        except BaseException:
            self._pool.give_back(session)
            raise
        held = PooledConnection(session, self._pool)
        self._local.held = held
        return held

    def execute(self, query: str, params: Bindings | None = None) -> QueryResult:
        """The result of one statement, never from the cache.

        ``params`` are bound: a dict for ``:name`` markers, a sequence for ``?``. USE, SET and RESET
        hold for all later statements of this manager. A statement that cannot have taken effect is
        sent once more when the connection was lost. Raises StatementFailed, ConnectionFailed,
        TimedOut, and UsageError for anything but one statement.
        """
        return self._runner.run(_single(query), params or (), Wishes(cache=False))

    def execute_with_cache(
        self,
        query: str,
        cache_key: str | None = None,
        ttl: float | None = None,
        params: Bindings | None = None,
    ) -> QueryResult:
        """The result of one statement, from the cache while that is younger than ``ttl`` seconds.

        ``ttl`` None is the setting cache_ttl. With ``cache_key`` the result is found under that
        name, still only by the same user of the same warehouse, catalog and schema. A statement
        that changes something or answers differently each time is asked live; ``origin.why`` of
        the result says so. Raises as ``execute`` does.
        """
        wishes = Wishes(ttl=self._ttl if ttl is None else ttl, label=cache_key)
        return self._runner.run(_single(query), params or (), wishes)

    def clear_cache(self) -> int:
        """Forget all cached results of the project; how many there were."""
        return self._cache.clear()

    def stats(self) -> PoolStats:
        """What the pool has done."""
        return self._pool.stats()

    def reconnect(self) -> None:
        """Let go of the connections that nobody uses, and look anew where the warehouse is."""
        self._warehouse.forget()
        self._pool.discard_idle()

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse behind the connections."""
        return self._warehouse

    def close(self) -> None:
        """Give all connections back; the manager can be used again."""
        held = getattr(self._local, "held", None)
        if held is not None:
            held.close()
        self._pool.close()
        self._warehouse.close()
        self._cache.close()

    def __enter__(self) -> ConnectionManager:
        """The manager itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give all connections back."""
        self.close()


class PooledConnection:
    """A connection as the connector's, whose ``close`` gives it back to the pool.

    A connection whose cursors were used is not given out again: it may stand in another schema.
    """

    def __init__(self, session: Session, pool: SessionPool) -> None:
        self._session = session
        # a thread that ends, or code that forgets, gives it back too
        self._finalizer = weakref.finalize(self, _give_back, session, pool)

    @property
    def open(self) -> bool:
        """Whether it can be used."""
        return self._finalizer.alive and self._session.is_open

    def cursor(self, **options: Any) -> Any:
        """A cursor of the connector."""
        if not self._finalizer.alive:
            raise UsageError("the connection was given back", hint="get another one")
        self._session.uses = 1 << 30
        return self._session.connection.cursor(**options)

    def close(self) -> None:
        """Give it back."""
        self._finalizer()

    def __getattr__(self, name: str) -> Any:
        """Whatever else the connector's connection has."""
        return getattr(self._session.connection, name)

    def __enter__(self) -> PooledConnection:
        """The connection itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self.close()


def _single(query: str) -> Statement:
    statements = split_statements(query)
    if len(statements) != 1:
        raise UsageError(
            f"{len(statements)} statements were given, one is taken",
            hint="run them one after the other",
        )
    return statements[0]


def _give_back(session: Session, pool: SessionPool) -> None:
    pool.give_back(session)
