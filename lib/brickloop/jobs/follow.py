"""Following a run to its end: a stream of values, one for each thing that changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from brickloop.clients.workspace import translate
from brickloop.errors import TimedOut
from brickloop.jobs.output_reader import DocumentFollower
from brickloop.model.document import Section
from brickloop.model.run import LifeCycle, ResultState, RunStatus

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_QUICK_SECONDS = 10.0
_SLOWEST = 10.0


@dataclass(frozen=True)
class Pace:
    """How long to wait between two looks, in seconds."""

    first: float = 1.0

    @classmethod
    def of(cls, host: str) -> Pace:
        """The pace for a host: one on this machine can be asked often."""
        return cls(0.1 if "//127.0.0.1" in host or "//localhost" in host else 1.0)


def follow(
    client: WorkspaceClient,
    host: str,
    run_id: int,
    document: DocumentFollower,
    timeout: float,
) -> Iterator[RunStatus | Section]:
    """Each change of the run's status and each section of its output, until the run has ended.

    The last value is the final status. Raises TimedOut after ``timeout`` seconds; the run goes on.
    """
    begun = time.monotonic()
    pause = first = Pace.of(host).first
    seen: RunStatus | None = None
    while True:
        status = run_status(client, host, run_id)
        if not status.life_cycle.is_final:
            if status != seen:
                yield status
                seen = status
            sections = document.poll()
            yield from sections
            if time.monotonic() - begun > timeout:
                raise TimedOut(
                    f"run {run_id} did not end within {timeout:.0f} s and goes on",
                    where=status.page_url,
                    hint="run_timeout in pyproject.toml [tool.brickloop] sets the limit",
                )
            quick = sections or time.monotonic() - begun < _QUICK_SECONDS
            pause = first if quick else min(pause * 1.3, _SLOWEST)
            time.sleep(pause)
            continue
        yield from document.poll()
        yield status
        return


def run_status(client: WorkspaceClient, host: str, run_id: int) -> RunStatus:
    """One look at a run."""
    with translate(host):
        run = client.jobs.get_run(run_id)
    state = run.state
    tasks = run.tasks or []
    task_run_id = (tasks[-1].run_id if tasks else None) or run_id
    life = state.life_cycle_state.value if state and state.life_cycle_state else "PENDING"
    result = state.result_state.value if state and state.result_state else None
    return RunStatus(
        run_id=run_id,
        task_run_id=int(task_run_id),
        life_cycle=LifeCycle(life) if life in LifeCycle.__members__ else LifeCycle.RUNNING,
        result=ResultState(result) if result in ResultState.__members__ else None,
        message=(state.state_message if state else None) or "",
        page_url=run.run_page_url or "",
        started_ms=int(run.start_time or 0),
        ended_ms=int(run.end_time or 0),
    )
