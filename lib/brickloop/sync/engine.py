"""Syncing one pair of folders: look, plan, apply, and again while something was in motion."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from brickloop.errors import HeldBack, WorkFailed
from brickloop.model.paths import workspace_path
from brickloop.sync import state as memory
from brickloop.sync.adopt import adopt_sent
from brickloop.sync.apply import Executor, Outcome, Result
from brickloop.sync.books import Books
from brickloop.sync.halts import find_halts
from brickloop.sync.history import restore
from brickloop.sync.holds import (
    Keep,
    changed_since,
    find_hold,
    is_about,
    lay_copy,
    note_conflicts,
    take_away,
)
from brickloop.sync.ledger import Ledger, RemoteObject
from brickloop.sync.local_scan import LocalScan
from brickloop.sync.local_writer import LocalWriter
from brickloop.sync.lock import held_lock
from brickloop.sync.objects import KEEP_SECONDS, ObjectStore
from brickloop.sync.pace import DEFAULT_PARALLEL, Crew, Pace
from brickloop.sync.plan import SAFE, Decision, Held, Mode, Plan, within
from brickloop.sync.reconciler import reconcile
from brickloop.sync.recovery import recover_local
from brickloop.sync.remote import Kind, Remote
from brickloop.sync.remote_writer import RemoteWriter
from brickloop.sync.report import Change, Failure, SyncReport, change_of, planned
from brickloop.sync.selection import Selection
from brickloop.sync.state import Hold, KeptVersion, SyncState
from brickloop.sync.survey import Survey, Surveyor
from brickloop.sync.tree import DiskTree, Taken, Vanished
from brickloop.sync.versions import Ancestor, Side

_ROUNDS = 5
_LOCK_SECONDS = 30.0
_SPARE_HANDS = 4


class Halted(HeldBack):
    """A plan looked like an accident; nothing was changed."""

    def __init__(self, plan: Plan, where: str, report: SyncReport) -> None:
        super().__init__(
            f"HALTED, nothing was changed: {'; '.join(plan.halts)}",
            where=where,
            hint="look at both sides before you try again",
        )
        self.reasons = plan.halts
        report.changes, report.unchanged = planned(plan), plan.unchanged
        self.report = report
        """What would have been done."""


@dataclass(frozen=True)
class Pair:
    """Two folders that are kept equal."""

    local: Path
    workspace: str
    """``/Workspace/...``"""
    state: Path
    """Where state files of this and other pairs are kept, ``.brickloop/sync``."""
    target: str
    """Which workspace, by the name the ledger knows it by; never a secret."""

    @property
    def folder(self) -> Path:
        """This pair's own state folder."""
        name = f"{self.target}\n{self.workspace}\n{self.local.absolute()}"
        return self.state / hashlib.sha256(name.encode()).hexdigest()[:16]


class Synchronizer:
    """Keeps one pair of folders equal; safe to use from one thread at a time.

    ``partial`` says that the selection is only a part of what the pair syncs: then nothing is
    forgotten of the rest.
    """

    def __init__(
        self,
        pair: Pair,
        remote: Remote,
        selection: Selection | None = None,
        *,
        partial: bool = False,
        ledger: Ledger | None = None,
        parallel: int = DEFAULT_PARALLEL,
        durable: bool = True,
        on_change: Callable[[Change], None] = lambda _change: None,
        on_plan: Callable[[Plan], None] = lambda _plan: None,
        on_wait: Callable[[str], None] = lambda _holder: None,
    ) -> None:
        self.pair = pair
        self.remote = remote
        self.root = workspace_path(pair.workspace)
        self.selection = selection or Selection(pair.local)
        self.tree = DiskTree(pair.local, pair.folder / "trash", durable=durable)
        self.objects = ObjectStore(pair.folder / "objects", durable=durable)
        self.finish_soon = threading.Event()
        """Set to finish what is under way and begin nothing more."""
        self._partial = partial
        self._ledger = ledger
        self._parallel = parallel
        self._durable = durable
        self._on_change = on_change
        self._on_plan = on_plan
        self._on_wait = on_wait
        self.pace = Pace(parallel)
        self._state: SyncState | None = None

    @property
    def state(self) -> SyncState:
        """The pair's state, opened when it is first needed."""
        if self._state is None:
            self._state = SyncState(self.pair.folder / "state.db", durable=self._durable)
        return self._state

    def close(self) -> None:
        """Close the state file."""
        if self._state is not None:
            self._state.close()
            self._state = None

    def run(self, mode: Mode = SAFE, *, dry_run: bool = False) -> SyncReport:
        """What a sync did; with ``dry_run`` what it would do.

        Raises Halted when the plan looks like an accident, HeldBack when another sync does not
        end, ConnectionFailed and NotAuthenticated.
        """
        begun = time.monotonic()
        report = SyncReport(self.root, dry_run=dry_run)
        with self.locked():
            for turn in range(_ROUNDS):
                plan, survey = self._look(mode, report)
                if turn == 0:
                    self._on_plan(plan)
                if plan.halts:
                    raise Halted(plan, str(self.pair.local), report)
                if dry_run:
                    report.changes = planned(plan)
                    report.conflicts = [
                        Hold(c.slot, c.reason, "", "", None, "", 0.0) for c in plan.conflicts
                    ]
                    break
                last = turn + 1 == _ROUNDS
                moved = self.apply(plan, survey, report, last=last)
                if last or self.finish_soon.is_set() or not (plan.again or moved):
                    break
            report.held = list(plan.held)
            report.unchanged = plan.unchanged
            if not dry_run:
                self._finish(plan, survey, report)
        report.seconds = time.monotonic() - begun
        return report

    def holds(self) -> list[Hold]:
        """The conflicts that wait for a decision; asks no network."""
        return sorted(self.state.holds().values(), key=lambda hold: hold.slot)

    def resolve(self, path: str, keep: Keep) -> SyncReport:
        """What was done to settle the conflict that is held at ``path``, a slot or a local path.

        With ``Keep.BOTH`` the version that loses the name stays beside the other, under a name of
        its own. Raises UsageError when nothing is held there; HeldBack when either side is not
        what it was when the conflict was reported, nothing is changed then.
        """
        begun = time.monotonic()
        report = SyncReport(self.root)
        with self.locked():
            hold = find_hold(self.state.holds(), path)
            slots = {hold.slot}
            if keep is Keep.BOTH:
                winner, copy = self._keep_loser(hold, report)
                slots.add(copy)
            else:
                winner = Side(keep.value)
            self._settle(hold, winner, slots, report)
            report.conflicts = self.holds()
        report.seconds = time.monotonic() - begun
        return report

    def _keep_loser(self, hold: Hold, report: SyncReport) -> tuple[Side, str]:
        """The side that keeps its name in both, and the slot of the copy made of the other."""
        plan, _ = self._look(SAFE, report)
        conflict = next((found for found in plan.conflicts if found.slot == hold.slot), None)
        if conflict is None or not is_about(hold, conflict):
            raise changed_since(hold)
        try:
            return lay_copy(conflict, self.tree, self.objects)
        except (Vanished, Taken):
            raise changed_since(hold) from None

    def _settle(self, hold: Hold, winner: Side, slots: set[str], report: SyncReport) -> None:
        """Carry a decision out, in nothing but these slots and what is below them."""
        decisions = {hold.slot: Decision(winner, hold.local_sha, hold.remote_sha)}
        for _ in range(_ROUNDS):
            plan, survey = self._look(SAFE, report, decisions)
            if survey.halt:
                raise Halted(plan, str(self.pair.local), report)
            if any(found.slot == hold.slot for found in plan.conflicts):
                raise changed_since(hold)
            again = plan.again
            plan = replace(plan, actions=within(plan.actions, slots))
            if self.apply(plan, survey, report, last=False):
                raise changed_since(hold)
            self.tell_ledger(survey.ancestors, {action.slot for action in plan.actions})
            if not again:
                break
        if not report.failures:
            self.state.write([memory.release(hold.slot)])
            take_away(hold, self.tree, self.objects)

    def history(self, path: str) -> list[KeptVersion]:
        """The kept versions of one file, by its slot or local path, newest first."""
        return self.state.history_of(path)

    def restore(self, path: str, number: int | None = None) -> KeptVersion:
        """The version that stands in its local file again; the next sync carries it over.

        ``number`` is one of ``history``; None means the newest that is not what the file holds.
        Raises UsageError when there is no such version, OutputUnavailable when its content is not
        kept any more, HeldBack when the file's place is taken or it was saved meanwhile.
        """
        with self.locked():
            recover_local(self.tree, self.state, self.state.ancestors(), self.state.intents())
            ancestors = self.state.ancestors()
            books = Books(self.state, self.objects, ancestors)
            writer = LocalWriter(self.tree, self.remote, self.root, books)
            return restore(path, number, writer)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the pair's lock; raises HeldBack when another sync does not end, WorkFailed."""
        lock = self.pair.folder / "lock"
        with held_lock(lock, seconds=_LOCK_SECONDS, on_wait=self._on_wait), told():
            yield

    @contextmanager
    def crew(self) -> Iterator[Crew]:
        """Threads for requests."""
        # more hands than requests under way: what a request needs is ready when its turn comes
        crew = Crew(self._parallel if self._parallel == 1 else self._parallel + _SPARE_HANDS)
        try:
            yield crew
        finally:
            crew.close()

    def _surveyor(self, crew: Crew) -> Surveyor:
        return Surveyor(
            self.tree,
            self.remote,
            self.root,
            self.selection,
            self.state,
            self.objects,
            self.pace,
            crew,
            partial=self._partial,
        )

    def _look(
        self, mode: Mode, report: SyncReport, decisions: Mapping[str, Decision] | None = None
    ) -> tuple[Plan, Survey]:
        with self.crew() as crew:
            survey = self._surveyor(crew).look(
                self._ledger_objects(),
                self._adopt,
                may_make_root=Side.LOCAL in mode.changes,
                dry_run=report.dry_run,
            )
        report.requests += survey.requests
        report.bytes_received += survey.bytes_received
        if survey.halt:
            return Plan(halts=(survey.halt,)), survey
        ancestors, local, remote = survey.ancestors, survey.local, survey.remote
        plan = reconcile(
            ancestors, local.slots, remote.slots, mode, names=local.names, decisions=decisions
        )
        held = (Held(path, problem) for path, problem in remote.problems.items())
        plan = replace(plan, held=(*plan.held, *held))
        halts = find_halts(ancestors, local.slots, remote.slots, plan, mode)
        return replace(plan, halts=halts), survey

    def _adopt(self, ancestors: dict[str, Ancestor], local: LocalScan) -> None:
        if self._ledger is not None:
            adopt_sent(self._ledger, self.pair.target, self.root, self.state, ancestors, local)

    def _ledger_objects(self) -> dict[str, RemoteObject]:
        return {} if self._ledger is None else self._ledger.remote_objects(self.pair.target)

    def apply(self, plan: Plan, survey: Survey, report: SyncReport, *, last: bool) -> bool:
        """Do the plan; whether something was in motion and has to be looked at again."""
        moved = False
        actions = plan.actions
        sends = any(action.side is Side.REMOTE for action in plan.changes)
        if survey.remote.missing_root and sends:
            self.remote.make_folder(self.root)
        with self.crew() as crew:
            executor = self._executor(survey.ancestors, crew)
            for outcome in executor.carry_out(actions):
                if outcome.result is Result.DONE:
                    change = change_of(outcome.action, outcome.bytes)
                    report.changes.append(change)
                    if outcome.action.side is Side.REMOTE:
                        report.bytes_sent += outcome.bytes
                    elif outcome.action.source is None or not outcome.action.source.sha:
                        report.bytes_received += outcome.bytes
                    self._on_change(change)
                elif outcome.result is Result.FAILED or last:
                    report.failures.append(_failure(outcome))
                else:
                    moved = True
        return moved

    def _executor(self, ancestors: dict[str, Ancestor], crew: Crew) -> Executor:
        books = Books(self.state, self.objects, ancestors)
        return Executor(
            LocalWriter(self.tree, self.remote, self.root, books),
            RemoteWriter(self.tree, self.remote, self.root, books, self.pace),
            books,
            crew,
            self.pace,
            self.finish_soon.is_set,
        )

    def _finish(self, plan: Plan, survey: Survey, report: SyncReport) -> None:
        report.conflicts = note_conflicts(
            plan.conflicts,
            self.tree,
            self.state,
            self.objects,
            apart=self._is_apart if self._partial else None,
        )
        self.tell_ledger(survey.ancestors, set(survey.ancestors))
        if self.state.meta("root_object_id") is None and report.sent:
            found = self.remote.status(self.root).stamp.object_id
            self.state.set_meta("root_object_id", str(found))
        self.tree.empty_trash()
        if report.changes:
            self._prune()

    def _is_apart(self, hold: Hold) -> bool:
        return not self.selection.chooses(hold.name or hold.slot)

    def _prune(self) -> None:
        last = float(self.state.meta("pruned") or 0)
        now = time.time()
        if now - last > 24 * 3600:
            self.objects.prune()
            self.state.forget_history(now - KEEP_SECONDS)
            self.state.set_meta("pruned", str(now))

    def tell_ledger(self, ancestors: dict[str, Ancestor], slots: set[str]) -> None:
        """Let doit know what is in the workspace now, so that it uploads nothing of it again."""
        if self._ledger is None:
            return
        known = self._ledger_objects()
        news: list[RemoteObject] = []
        facts: dict[str, str] = {}
        for slot in slots:
            was = ancestors.get(slot)
            if was is None or was.kind not in {Kind.FILE, Kind.NOTEBOOK}:
                continue
            stamp = was.stamp
            found = RemoteObject(
                f"{self.root}/{slot}",
                was.local_sha,
                was.kind.value,
                stamp.object_id if stamp else None,
                stamp.modified_at if stamp else None,
            )
            if known.get(found.path) != found:
                news.append(found)
                if was.canonical != was.local_sha:
                    facts[was.local_sha] = was.canonical
        if news:
            self._ledger.record_remote_objects(self.pair.target, news, facts)


@contextmanager
def told() -> Iterator[None]:
    """Turn what a disk refuses into an error that says so."""
    try:
        yield
    except OSError as error:
        raise WorkFailed(error.strerror or str(error), where=error.filename) from error
    except sqlite3.Error as error:
        raise WorkFailed(
            f"what is remembered of this folder cannot be read or written: {error}",
            hint="see whether the disk is full",
        ) from error


def _failure(outcome: Outcome) -> Failure:
    version = outcome.action.source or outcome.action.expected
    return Failure(outcome.action.slot, outcome.reason, version.name if version else "")
