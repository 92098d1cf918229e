"""What runs execute on: the SQL engine and the kernel pool, started once and kept alive."""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from brickloop.errors import ConnectionFailed
from brickloop.localws.engine_watch import EngineWatch, Standing
from brickloop.localws.layout import StoreLayout

if TYPE_CHECKING:
    from brickloop.localws.engine import Engine, RemoteEngine
    from brickloop.localws.kernel_pool import KernelPool

_LOG = logging.getLogger("brickloop.localws")
_READY_SECONDS = 120.0


class Tenants(Protocol):
    """Sessions that stay open on an engine while no statement runs in them."""

    def begun_on(self, endpoint: str) -> int:
        """How many calls to the engine at this address they have begun so far."""

    def are_quiet_on(self, endpoint: str) -> bool:
        """Whether the engine at this address does nothing for them."""

    def move(self, endpoint: str, fresh: str) -> bool:
        """Move those that are quiet to another engine; whether none is left."""


class Compute:
    """The engine and the pool, both in processes of their own.

    One thread starts them and lives as long as the server does: on Linux a child that asked to
    die with its parent dies with the thread that started it.
    """

    def __init__(self, layout: StoreLayout, remote: str = "") -> None:
        """``remote`` is the Spark Connect string of an engine that somebody else runs."""
        self._layout = layout
        self._remote = remote
        self._wishes: queue.Queue[tuple[Future[Any], Callable[[], Any]] | None] = queue.Queue()
        self._keeper = threading.Thread(target=self._keep, name="compute", daemon=True)
        self._engine: Engine | RemoteEngine | None = None
        self._pool: KernelPool | None = None
        self._closed = False
        self._leases: Counter[str] = Counter()
        self._lease_count = 0
        self._counting = threading.Lock()
        self._tenants: list[Tenants] = []
        self._watch = EngineWatch(self)

    def start(self, *, warm: bool = True) -> None:
        """Begin to start engine and pool, or when not ``warm`` wait for the first run to need them.

        Returns at once.
        """
        self._keeper.start()
        if warm:
            self._wishes.put((Future(), self._ensure))

    def ready(self) -> tuple[str, KernelPool]:
        """The engine's address and the pool, both alive; waits for their start.

        Raises ConnectionFailed when one of them does not start.
        """
        endpoint = self._ask(self._ensure)
        assert self._pool is not None
        return endpoint, self._pool

    @contextmanager
    def lease(self) -> Iterator[tuple[str, KernelPool]]:
        """What ``ready`` gives, for as long as it is held: this engine is not ended meanwhile."""
        endpoint = self._ask(self._take_lease)
        assert self._pool is not None
        try:
            yield endpoint, self._pool
        finally:
            with self._counting:
                self._leases[endpoint] -= 1

    def add_tenants(self, tenants: Tenants) -> None:
        """Have sessions considered, and moved, when an engine is to be replaced."""
        self._tenants.append(tenants)

    def look_after_stop(self, endpoint: str) -> None:
        """See to it that an engine comes to rest on which something was stopped."""
        self._watch.look_at(endpoint)

    def standing(self, endpoint: str) -> Standing:
        """What the engine at this address is doing."""
        with self._counting:
            leases, begun = self._leases[endpoint], self._lease_count
        used = leases > 0 or not all(each.are_quiet_on(endpoint) for each in self._tenants)
        begun += sum(each.begun_on(endpoint) for each in self._tenants)
        seconds = None if self._engine is None else self._engine.processor_seconds(endpoint)
        return Standing(used, begun, seconds)

    def supersede(self, endpoint: str) -> None:
        """Have another engine take what comes from now on; it is started at once."""

        def outdate() -> str:
            if self._engine is not None:
                self._engine.outdate(endpoint)
            return self._ensure()

        self._ask(outdate)

    def vacate(self, endpoint: str) -> bool:
        """Move sessions off an outdated engine, and end it when nobody is left; whether it is."""
        fresh, _pool = self.ready()
        with self._counting:
            # read first: a session that is just opening there holds one, and is then to be moved
            is_leased = self._leases[endpoint] > 0
        moved = [each.move(endpoint, fresh) for each in self._tenants]
        if is_leased or not all(moved):
            return False

        def end() -> None:
            if self._engine is not None:
                self._engine.end(endpoint)

        self._ask(end)
        return True

    def is_engine_at(self, endpoint: str) -> bool:
        """Whether the engine runs, and listens at this address."""
        return self._engine is not None and self._engine.is_alive_at(endpoint)

    def cancel(self, run_id: int) -> None:
        """End a task run's process, if the pool runs it."""
        if self._pool is not None:
            self._pool.cancel(run_id)

    def _ask(self, act: Callable[[], Any]) -> Any:
        """What the keeper's thread makes of it."""
        wish: Future[Any] = Future()
        if self._closed:
            raise ConnectionFailed("the local workspace is stopping")
        self._wishes.put((wish, act))
        try:
            return wish.result(timeout=_READY_SECONDS)
        finally:
            # one that nobody waits for any more is not begun
            wish.cancel()

    def _take_lease(self) -> str:
        endpoint = self._ensure()
        with self._counting:
            self._leases[endpoint] += 1
            self._lease_count += 1
        return endpoint

    def stop(self) -> None:
        """End both, and every kernel with them."""
        self._closed = True
        self._watch.close()
        if self._keeper.is_alive():
            self._wishes.put(None)
            self._keeper.join(timeout=10)

    def _keep(self) -> None:
        while (asked := self._wishes.get()) is not None:
            wish, act = asked
            if not wish.set_running_or_notify_cancel():
                continue
            try:
                wish.set_result(act())
            except Exception as error:  # noqa: BLE001 - the waiting run reports it
                _LOG.exception("engine or kernel pool did not start")
                wish.set_exception(error)
        if self._pool is not None:
            self._pool.stop()
        if self._engine is not None:
            self._engine.stop()

    def _ensure(self) -> str:
        # imported here: the server answers before these are loaded
        from brickloop.localws.engine import Engine, RemoteEngine
        from brickloop.localws.kernel_pool import KernelPool

        if self._engine is None:
            remote = self._remote
            self._engine = RemoteEngine(remote) if remote else Engine(self._layout)
        if self._pool is None:
            self._pool = KernelPool(self._layout)
        endpoint = self._engine.start()
        self._pool.start()
        return endpoint
