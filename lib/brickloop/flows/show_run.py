"""Any run's output, shown again or followed to its end: ours, or one that was started by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from brickloop.config.settings import Settings
from brickloop.display import diagnostics
from brickloop.errors import BrickloopError
from brickloop.flows.run import come_back
from brickloop.flows.run_events import RunEvents, figure_keeper
from brickloop.flows.run_observer import RunObserver
from brickloop.jobs.follow import Note, incomplete_text
from brickloop.model.run import RunResult, RunStatus

if TYPE_CHECKING:
    from brickloop.flows.run import Runs
    from brickloop.jobs.document_follower import DocumentFollower
    from brickloop.model.document import Document


def show_run(
    runs: Runs, settings: Settings, run_id: int, *, wait: bool = True, show: bool = True
) -> RunResult:
    """What a run has given; one that goes on is followed to its end unless ``wait`` is False.

    Ctrl-C leaves it as it is. Raises OutputUnavailable for a run that is not there or may not be
    seen.
    """
    from brickloop.display.run_view import RunView
    from brickloop.jobs.results import gather
    from brickloop.jobs.status import look_up
    from brickloop.runtime.recorder import OUTPUT_PARAMETER

    client, host = runs.opened.client, runs.opened.host
    status, folders = look_up(client, host, run_id, OUTPUT_PARAMETER)
    name = name_of(status)
    folder = settings.state_folder / "runs"
    keep = figure_keeper(folder / str(status.run_id))
    events = RunEvents.reopened(folder, status.run_id)
    observer = RunObserver(name, RunView(name, keep_figure=keep), events, shown=show)
    observer.started(status.run_id, status.page_url)
    documents = {key: _follower(runs, folder) for key, folder in folders.items()}
    live = next(iter(documents.values())) if len(documents) == 1 else None
    if not status.life_cycle.is_final and wait:
        try:
            timeout = settings.seconds("run_timeout")
            status = runs.watch(status.run_id, live, observer, timeout)
        except KeyboardInterrupt:
            diagnostics.note(come_back(name, status.run_id))
            raise
    elif live is not None:
        _show_document(live, status, observer)
    if live is None:
        for follower in documents.values():
            _show_document(follower, status, observer)
    document = _joined([follower.document() for follower in documents.values()])
    if not status.life_cycle.is_final:
        observer.close()
        diagnostics.note(come_back(name, status.run_id))
        return RunResult(status, document=document)
    result = gather(client, host, status, document)
    observer.result(result)
    if not status.succeeded:
        observer.failure(result)
    observer.finished(result, ())
    return result


def name_of(status: RunStatus) -> str:
    """What a run is called on the screen: by its notebook, else by its own name."""
    if len(status.tasks) == 1 and status.tasks[0].source:
        return status.tasks[0].source.rstrip("/").rpartition("/")[2]
    return status.name or f"run {status.run_id}"


def _follower(runs: Runs, folder: str) -> DocumentFollower:
    from brickloop.jobs.document_follower import DocumentFollower

    return DocumentFollower(runs.files, folder)


def _show_document(document: DocumentFollower, status: RunStatus, observer: RunObserver) -> None:
    try:
        if status.life_cycle.is_final:
            sections = document.finish(succeeded=status.succeeded)
        else:
            sections = document.poll()
    except BrickloopError as error:
        observer.note(Note("output_unreadable", f"the output cannot be read: {error}"))
        return
    for section in sections:
        observer.section(section)
    found = document.document()
    problem = document.error
    if problem is not None:
        observer.note(Note("output_unreadable", f"the output cannot be read: {problem}"))
    elif found is not None and not found.complete and status.life_cycle.is_final:
        observer.note(Note("output_incomplete", incomplete_text(found)))


def _joined(found: list[Document | None]) -> Document | None:
    """The documents of several tasks as one, None where there is none."""
    documents = [one for one in found if one is not None]
    if not documents:
        return None
    first = documents[0]
    for other in documents[1:]:
        first = replace(
            first,
            sections=(*first.sections, *other.sections),
            metadata={**first.metadata, **other.metadata},
            complete=first.complete and other.complete,
        )
    return first
