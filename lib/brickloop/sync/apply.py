"""Doing what a plan says, one guarded step at a time.

For each action: the intent is on the disk, then the effect, then what is now equal, then the intent
goes. Right before a change the place is looked at again; when it holds something else than the plan
saw, nothing is done and the slot is planned anew. Whatever is overwritten or deleted is in the
object store first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import Enum

from brickloop.errors import NotebookError, PathError
from brickloop.sync import state as memory
from brickloop.sync.books import Books, Changed
from brickloop.sync.local_writer import LocalWriter
from brickloop.sync.pace import Crew, Pace
from brickloop.sync.plan import Action, Verb
from brickloop.sync.remote import (
    AlreadyThere,
    Ambiguous,
    Missing,
    NotEmpty,
    RemoteFault,
    Throttled,
)
from brickloop.sync.remote_writer import RemoteWriter, sent
from brickloop.sync.state import Intent
from brickloop.sync.tree import Taken, Vanished
from brickloop.sync.versions import Side, equal_now

_TRIES = 8


class Result(str, Enum):
    """How an action ended."""

    DONE = "done"
    STALE = "stale"
    """Something else was there than planned; nothing was changed."""
    UNSURE = "unsure"
    """The workspace did not say whether it did it; the next look will tell."""
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """An action and how it ended."""

    action: Action
    result: Result
    reason: str = ""
    bytes: int = 0


@dataclass
class Executor:
    """Carries out the actions of a plan."""

    local_writer: LocalWriter
    remote_writer: RemoteWriter
    books: Books
    crew: Crew
    pace: Pace
    finish_soon: Callable[[], bool] = lambda: False
    """Asked before each action; when true what is under way is finished and no more begun."""

    def carry_out(self, actions: tuple[Action, ...]) -> Iterator[Outcome]:
        """Each action's outcome as it comes; phases in order, slots of a phase in parallel."""
        try:
            for verb in Verb:
                phase = [action for action in actions if action.verb is verb]
                if verb is Verb.CREATE:
                    folders = [action for action in actions if action.verb is Verb.MAKE_FOLDER]
                    yield from self._make_and_fill(folders, phase)
                elif not phase or verb is Verb.MAKE_FOLDER:
                    continue
                elif verb in {Verb.RECORD, Verb.FORGET}:
                    self._note(phase)
                elif verb is Verb.REMOVE_FOLDER:
                    for action in phase:
                        if not self.finish_soon():
                            yield self._attempt(action)
                else:
                    self._intend(phase)
                    for _, outcome in self.crew.each(self._attempt, self._until_asked(phase)):
                        yield outcome
        finally:
            self.books.state.flush()

    def _make_and_fill(self, folders: list[Action], creates: list[Action]) -> Iterator[Outcome]:
        """Make folders one after the other, and meanwhile what goes into those that are there."""
        self._intend(creates)
        inside: dict[str, list[Action]] = {}
        for action in creates:
            inside.setdefault(action.slot.rpartition("/")[0], []).append(action)
        made: list[Outcome] = []

        def in_turn() -> Iterator[Action]:
            new = {action.slot for action in folders}
            for folder, files in inside.items():
                if folder not in new:
                    yield from files
            for action in self._until_asked(folders):
                made.append(self._attempt(action))
                yield from inside.get(action.slot, ())

        for _, outcome in self.crew.each(self._attempt, self._until_asked(in_turn())):
            yield from made
            made.clear()
            yield outcome
        yield from made

    def _until_asked(self, phase: Iterable[Action]) -> Iterator[Action]:
        for action in phase:
            if self.finish_soon():
                return
            yield action

    def _note(self, phase: list[Action]) -> None:
        """Record or forget slots; nothing in either tree changes."""
        statements = []
        for action in phase:
            if action.verb is Verb.FORGET:
                self.books.ancestors.pop(action.slot, None)
                statements += [memory.forget(action.slot), memory.unsee(action.slot)]
            else:
                assert action.source is not None
                assert action.expected is not None
                now = equal_now(action.source, action.expected)
                self.books.ancestors[action.slot] = now
                statements.append(memory.remember(action.slot, now))
        self.books.state.write(statements)

    def _intend(self, phase: list[Action]) -> None:
        """Note what will be sent before the first request; one flush for all of it."""
        intents = [
            memory.intend(Intent(action.slot, Side.REMOTE.value, sent(action.source)))
            for action in phase
            if action.side is Side.REMOTE and action.source is not None
        ]
        if intents:
            self.books.state.write(intents)

    def _attempt(self, action: Action) -> Outcome:
        """Do one action, again from its guard on when the workspace asks to wait."""
        for attempt in range(_TRIES):
            try:
                with self._turn(action):
                    return self._do(action)
            except Throttled as fault:
                if attempt + 1 == _TRIES:
                    return Outcome(action, Result.FAILED, fault.message)
                self.pace.slow_down(fault.seconds, attempt)
            except (Changed, Vanished, Taken, AlreadyThere, Missing, NotEmpty):
                return Outcome(action, Result.STALE, "it changed meanwhile")
            except Ambiguous as fault:
                return Outcome(action, Result.UNSURE, fault.message)
            except (RemoteFault, NotebookError, PathError) as error:
                self.books.drop_intent(action.slot)
                return Outcome(action, Result.FAILED, error.message)
            except OSError as error:
                return Outcome(action, Result.FAILED, error.strerror or str(error))
        raise AssertionError("unreachable")

    def _turn(self, action: Action) -> AbstractContextManager[None]:
        if action.verb is Verb.CREATE and action.side is Side.REMOTE:
            return nullcontext()  # takes one itself, once its content is ready
        return self.pace.turn()

    def _do(self, action: Action) -> Outcome:
        """Raises what the writers do; then the place is as it was."""
        writer = self.remote_writer if action.side is Side.REMOTE else self.local_writer
        size = {
            Verb.MAKE_FOLDER: writer.make_folder,
            Verb.CREATE: writer.create,
            Verb.UPDATE: writer.update,
            Verb.REPLACE: writer.replace,
            Verb.DELETE: writer.delete,
            Verb.REMOVE_FOLDER: writer.remove_folder,
        }[action.verb](action)
        return Outcome(action, Result.DONE, bytes=size)
