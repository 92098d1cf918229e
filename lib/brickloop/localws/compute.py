"""What runs execute on: the SQL engine and the kernel pool, started once and kept alive."""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING

from brickloop.errors import ConnectionFailed
from brickloop.localws.layout import StoreLayout

if TYPE_CHECKING:
    from brickloop.localws.engine import Engine
    from brickloop.localws.kernel_pool import KernelPool

_LOG = logging.getLogger("brickloop.localws")
_READY_SECONDS = 120.0


class Compute:
    """The engine and the pool, both in processes of their own.

    One thread starts them and lives as long as the server does: on Linux a child that asked to
    die with its parent dies with the thread that started it.
    """

    def __init__(self, layout: StoreLayout) -> None:
        self._layout = layout
        self._wishes: queue.Queue[Future[str] | None] = queue.Queue()
        self._keeper = threading.Thread(target=self._keep, name="compute", daemon=True)
        self._engine: Engine | None = None
        self._pool: KernelPool | None = None
        self._closed = False

    def start(self, *, warm: bool = True) -> None:
        """Begin to start engine and pool, or when not ``warm`` wait for the first run to need them.

        Returns at once.
        """
        self._keeper.start()
        if warm:
            self._wishes.put(Future())

    def ready(self) -> tuple[str, KernelPool]:
        """The engine's address and the pool, both alive; waits for their start.

        Raises ConnectionFailed when one of them does not start.
        """
        wish: Future[str] = Future()
        if self._closed:
            raise ConnectionFailed("the local workspace is stopping")
        self._wishes.put(wish)
        endpoint = wish.result(timeout=_READY_SECONDS)
        assert self._pool is not None
        return endpoint, self._pool

    def is_engine_at(self, endpoint: str) -> bool:
        """Whether the engine runs, and listens at this address."""
        return self._engine is not None and self._engine.is_alive_at(endpoint)

    def cancel(self, run_id: int) -> None:
        """End a task run's process, if the pool runs it."""
        if self._pool is not None:
            self._pool.cancel(run_id)

    def stop(self) -> None:
        """End both, and every kernel with them."""
        self._closed = True
        if self._keeper.is_alive():
            self._wishes.put(None)
            self._keeper.join(timeout=10)

    def _keep(self) -> None:
        while (wish := self._wishes.get()) is not None:
            try:
                wish.set_result(self._ensure())
            except Exception as error:  # noqa: BLE001 - the waiting run reports it
                _LOG.exception("engine or kernel pool did not start")
                wish.set_exception(error)
        if self._pool is not None:
            self._pool.stop()
        if self._engine is not None:
            self._engine.stop()

    def _ensure(self) -> str:
        # imported here: the server answers before these are loaded
        from brickloop.localws.engine import Engine
        from brickloop.localws.kernel_pool import KernelPool

        if self._engine is None:
            self._engine = Engine(self._layout)
        if self._pool is None:
            self._pool = KernelPool(self._layout)
        endpoint = self._engine.start()
        self._pool.start()
        return endpoint
