"""One engine and one kernel pool for all kernel tests of a worker; a folder for each test."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from brickloop.localws.engine import Engine
from brickloop.localws.kernel_job import KernelJob, KernelOutcome
from brickloop.localws.kernel_pool import KernelPool
from brickloop.localws.layout import StoreLayout

# pyspark takes a main module without a file, as a worker of xdist has it, for a doctest
sys.modules["__main__"].__dict__.setdefault("__file__", __file__)

HOME = "/Workspace/Users/local@brickloop.test"
SEPARATOR = "\n# COMMAND ----------\n"
_RUN_IDS = itertools.count(1)


@dataclass(frozen=True)
class Ran:
    """What a run gave."""

    outcome: KernelOutcome
    events: list[dict[str, Any]]

    @property
    def commands(self) -> list[dict[str, Any]]:
        """The last state of each command, by position."""
        last = {event["command"]["position"]: event["command"] for event in self.events}
        return [last[position] for position in sorted(last)]

    def items(self, cell: int = 1) -> list[dict[str, Any]]:
        """What a cell showed; cells are counted from 1."""
        results = self.commands[cell - 1]["results"]
        return [] if results is None else results["data"]

    def text(self, cell: int = 1, name: str | None = "stdout") -> str:
        """What a cell printed to one stream."""
        return "".join(
            item["data"]
            for item in self.items(cell)
            if item["type"] == "ansi" and name in {None, item["name"]}
        )

    def table(self, cell: int = 1) -> list[list[Any]]:
        """The rows of the first table of a cell."""
        return next(item["data"] for item in self.items(cell) if item["type"] == "table")

    def states(self) -> list[str]:
        """The states of the commands."""
        return [command["state"] for command in self.commands]


@dataclass
class Bench:
    """Writes notebooks into a store and runs them in a pool."""

    layout: StoreLayout
    pool: KernelPool
    folder: str
    """The test's own folder in the workspace."""
    engine: str = "sc://127.0.0.1:1"
    """An address at which nothing answers, unless the test asks for an engine."""
    running: list[int] = field(default_factory=list)

    def real(self, path: str) -> Path:
        """The real file of a workspace path; a relative one is in the test's folder."""
        return self.layout.real(path if path[0] == "/" or ":" in path else f"{self.folder}/{path}")

    def write(self, path: str, text: str) -> Path:
        """Put a text file into the store."""
        real = self.real(path)
        real.parent.mkdir(parents=True, exist_ok=True)
        real.write_text(text, encoding="utf-8")
        return real

    def notebook(self, path: str, *cells: str, comment: str = "#") -> str:
        """Put a notebook into the store; its workspace path."""
        text = SEPARATOR.replace("#", comment).join(cells)
        self.write(path, f"{comment} Databricks notebook source\n{text}\n")
        return path if path.startswith("/") else f"{self.folder}/{path}"

    def run(self, *cells: str, comment: str = "#", name: str = "main", **facts: Any) -> Ran:
        """Run a notebook of these cells."""
        path = self.notebook(name, *cells, comment=comment)
        return self.run_task({"notebook_task": {"notebook_path": path}}, **facts)

    def run_task(self, task: dict[str, Any], *, on_event: Any = None, **facts: Any) -> Ran:
        """Run a task of any kind; ``facts`` are fields of the job."""
        run_id = next(_RUN_IDS)
        self.running.append(run_id)
        job = KernelJob(
            run_id=run_id, root=str(self.layout.root), engine=self.engine, task=task, **facts
        )
        events: list[dict[str, Any]] = []

        def take(event: dict[str, Any]) -> None:
            # as the server does, a state is kept as it was when it came
            events.append({**event, "command": {**event["command"]}})
            if on_event is not None:
                on_event(event)

        return Ran(self.pool.run(job, take), events)


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> StoreLayout:
    """The store of this worker."""
    found = StoreLayout(tmp_path_factory.mktemp("store") / "a store")
    found.make()
    (found.volumes / "main" / "default" / "brickloop").mkdir(parents=True)
    return found


@pytest.fixture(scope="session")
def pool(layout: StoreLayout) -> Iterator[KernelPool]:
    """The pool of this worker."""
    made = KernelPool(layout)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def endpoint(layout: StoreLayout) -> Iterator[str]:
    """The engine of this worker."""
    engine = Engine(layout)
    yield engine.start()
    engine.stop()


@pytest.fixture
def bench(layout: StoreLayout, pool: KernelPool, request: pytest.FixtureRequest) -> Bench:
    """A bench without an engine, with a folder of its own."""
    name = "".join(char if char.isalnum() else "_" for char in request.node.name)
    return Bench(layout, pool, f"{HOME}/{request.node.path.stem}_{name}"[:150])


@pytest.fixture
def spark_bench(bench: Bench, endpoint: str) -> Bench:
    """A bench with an engine."""
    bench.engine = endpoint
    return bench
