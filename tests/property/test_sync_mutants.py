"""Each safeguard is there for a history that loses something without it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.fakes.world import Broken, Fault, Op, World

from brickloop.sync import state as memory
from brickloop.sync.apply import Executor
from brickloop.sync.books import Books
from brickloop.sync.plan import Action, Verb
from brickloop.sync.remote import Ambiguous, Content
from brickloop.sync.remote_writer import RemoteWriter, sent
from brickloop.sync.versions import Ancestor, Side

LOCAL, REMOTE = Side.LOCAL, Side.REMOTE
SAVE, SAVED = Op(LOCAL, "save", "n.py"), Op(REMOTE, "save python", "n")
DELETE = Op(LOCAL, "delete", "n.py")
Patch = pytest.MonkeyPatch


def begun() -> World:
    """A notebook that is equal on both sides."""
    world = World()
    world.act(SAVE)
    world.sync()
    world.sync()
    return world


def without_guards(patch: Patch) -> None:
    patch.setattr(RemoteWriter, "_guard_remote", lambda *_: None)


def save_meets_a_save() -> None:
    world = begun()
    world.act(SAVE)
    world.sync([Fault(5, SAVED, "after commit")])
    world.quiesce()


def ancestors_before_effects(patch: Patch) -> None:
    whole = Executor._intend

    def note_first(self: Executor, phase: list[Action]) -> None:
        whole(self, phase)
        for action in phase:
            if action.side is REMOTE and action.verb is Verb.CREATE and action.source:
                self.books.state.write([memory.remember(action.slot, sent(action.source))])

    patch.setattr(Executor, "_intend", note_first)


def create_meets_a_create() -> None:
    world = World()
    world.act(SAVE)
    world.sync([Fault(1, SAVED, "before put")])
    world.quiesce()


def without_intents(patch: Patch) -> None:
    patch.setattr(Executor, "_intend", lambda *_: None)
    patch.setattr(Books, "intend", lambda *_: None)


def die_after_a_push() -> None:
    world = begun()
    world.act(SAVE)
    world.sync([Fault(1, "kill", "after put")])
    world.act(SAVE)
    world.quiesce()


def deletes_sent_again(patch: Patch) -> None:
    from tests.fakes.workspace import FakeWorkspace

    whole = FakeWorkspace.delete

    def insist(self: FakeWorkspace, path: str) -> None:
        try:
            whole(self, path)
        except Ambiguous:
            whole(self, path)

    patch.setattr(FakeWorkspace, "delete", insist)


def a_delete_loses_its_answer() -> None:
    world = begun()
    world.act(DELETE)
    world.sync([Fault(1, "lose", "after delete"), Fault(1, SAVED, "before delete")])
    world.quiesce()


def die_after_a_pull() -> None:
    world = World()
    world.act(SAVED)
    world.sync([Fault(1, "kill", "after publish")])
    world.act(DELETE)
    world.quiesce()


def stamps_trusted_after_a_write(patch: Patch) -> None:
    whole = RemoteWriter._sent_off

    def look_back(self: RemoteWriter, action: Action, content: Content) -> int:
        size = whole(self, action, content)
        stamp = self.remote.status(f"{self.root}/{action.slot}").stamp
        now: Ancestor = self.books.ancestors[action.slot]
        self.books.remember(action.slot, replace(now, stamp=stamp))
        return size

    patch.setattr(RemoteWriter, "_sent_off", look_back)


def a_save_right_after_a_write() -> None:
    world = begun()
    world.act(SAVE)
    world.sync([Fault(1, SAVED, "after put")])
    world.quiesce()


MUTANTS: dict[str, tuple[Callable[[Patch], None], Callable[[], None], str]] = {
    "M1": (without_guards, save_meets_a_save, "LOST|NOT KEPT"),
    "M2": (ancestors_before_effects, create_meets_a_create, "LOST|NEVER HELD"),
    "M3": (without_intents, die_after_a_push, "FALSE CONFLICT"),
    "M4": (deletes_sent_again, a_delete_loses_its_answer, "LOST"),
    "M6": (without_intents, die_after_a_pull, "RESURRECTED"),
    "M7": (stamps_trusted_after_a_write, a_save_right_after_a_write, "DIVERGED|LOST"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_safeguard_that_is_missing_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutate, history, expected = MUTANTS[name]
    history()
    mutate(monkeypatch)
    with pytest.raises(Broken, match=expected):
        history()


@pytest.mark.parametrize(("doing", "step"), [(SAVE, "before put"), (DELETE, "before delete")])
def test_the_known_residual_is_one_save_between_a_look_and_the_write(doing: Op, step: str) -> None:
    """M5: no request of the workspace writes on a condition, so this one cannot be closed."""
    world = begun()
    world.window_open = True
    world.act(doing)
    with pytest.raises(Broken, match=r"LOST|NOT KEPT"):
        world.sync([Fault(1, SAVED, step)])
