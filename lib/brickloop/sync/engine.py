"""Syncing one pair of folders: look, plan, apply, and again while something was in motion."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from brickloop.errors import HeldBack, UsageError
from brickloop.model.paths import workspace_path
from brickloop.sync import state as memory
from brickloop.sync.apply import Executor, Result
from brickloop.sync.content import content_hash
from brickloop.sync.ledger import Ledger, RemoteObject
from brickloop.sync.lock import held_lock
from brickloop.sync.objects import KEEP_SECONDS, ObjectStore
from brickloop.sync.pace import DEFAULT_PARALLEL, Crew, Pace
from brickloop.sync.plan import (
    SAFE,
    Action,
    Ancestor,
    Mode,
    Plan,
    Side,
    Verb,
    Version,
    find_halts,
    reconcile,
)
from brickloop.sync.recovery import recover_local, recover_remote
from brickloop.sync.remote import Kind, Missing, Remote
from brickloop.sync.report import Change, Failure, SyncReport, change_of, planned
from brickloop.sync.scan import (
    Inspector,
    LocalScan,
    RemoteScan,
    drop_uncounted_folders,
    hold_lookalikes,
    scan_local,
    scan_paths,
    scan_remote,
)
from brickloop.sync.selection import Selection, sidecar_name
from brickloop.sync.state import Hold, SyncState
from brickloop.sync.tree import DiskTree

_ROUNDS = 5
_LOCK_SECONDS = 30.0


class Halted(HeldBack):
    """A plan looked like an accident; nothing was changed."""


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
    """Keeps one pair of folders equal; safe to use from one thread at a time."""

    def __init__(
        self,
        pair: Pair,
        remote: Remote,
        selection: Selection | None = None,
        *,
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
        self._ledger = ledger
        self._parallel = parallel
        self._durable = durable
        self._on_change = on_change
        self._on_plan = on_plan
        self._on_wait = on_wait
        self._pace = Pace(parallel)
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
        with self._locked():
            for turn in range(_ROUNDS):
                plan, look = self._look(mode, report)
                if turn == 0:
                    self._on_plan(plan)
                if plan.halts:
                    raise Halted(
                        f"HALTED, nothing was changed: {'; '.join(plan.halts)}",
                        where=str(self.pair.local),
                        hint="look at both sides before you try again",
                    )
                if dry_run:
                    report.changes = planned(plan)
                    report.conflicts = [
                        Hold(c.slot, c.reason, "", "", None, "", 0.0) for c in plan.conflicts
                    ]
                    break
                last = turn + 1 == _ROUNDS
                moved = self._apply(plan, look, report, last=last)
                if last or self.finish_soon.is_set() or not (plan.again or moved):
                    break
            report.held = list(plan.held)
            report.unchanged = plan.unchanged
            if not dry_run:
                self._finish(plan, look, report)
        report.seconds = time.monotonic() - begun
        return report

    def push_paths(self, paths: Iterable[str]) -> SyncReport | None:
        """Send a few local files that were just saved, two requests each and no listing.

        None when that cannot be decided without looking at the whole: a file is gone or became
        another kind of thing, or the workspace's side moved.
        """
        begun = time.monotonic()
        report = SyncReport(self.root)
        wanted = list(paths)
        with self._locked():
            if self.state.intents():
                return None
            ancestors = self.state.ancestors()
            local = scan_paths(self.tree, self.selection, self.state, self.objects, wanted)
            holds = self.state.holds()
            by_name = {was.name: slot for slot, was in ancestors.items()}
            for path in wanted:
                slot = local.names.get(path)
                if not self.selection.chooses(path):
                    continue
                known = ancestors.get(slot or "")
                if (
                    slot is None
                    or slot in holds
                    or known is None
                    or by_name.get(path) != slot
                    or known.kind is not local.slots[slot].kind
                ):
                    return None
            remote = {slot: ancestors[slot].as_version(Side.REMOTE) for slot in local.slots}
            only = {slot: ancestors[slot] for slot in local.slots}
            plan = _updates(only, local.slots, remote)
            if plan is None:
                return None
            look = _Look(ancestors, local, RemoteScan(slots=remote))
            if self._apply(plan, look, report, last=False):
                return None
            self._tell_ledger(ancestors, {action.slot for action in plan.actions})
            report.unchanged = plan.unchanged
        report.seconds = time.monotonic() - begun
        return report

    def learn_stamps(self, slots: Iterable[str]) -> None:
        """Read back what was sent, so that the next save needs no reading first."""
        with self._locked():
            ancestors = self.state.ancestors()
            for slot in slots:
                known = ancestors.get(slot)
                if known is None or known.stamp is not None or known.kind is Kind.DIRECTORY:
                    continue
                with self._crew() as crew:
                    found = self._inspector(crew).read(
                        slot, replace(known.as_version(Side.REMOTE)), content=True
                    )
                if found is None or found.stamp is None or found.canonical != known.canonical:
                    continue
                if (found.language, found.format) == (known.language, known.format):
                    now = replace(known, remote_sha=found.sha, stamp=found.stamp)
                    self.state.write([memory.remember(slot, now)])

    def holds(self) -> list[Hold]:
        """The conflicts that wait for a decision; asks no network."""
        return sorted(self.state.holds().values(), key=lambda hold: hold.slot)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with held_lock(self.pair.folder / "lock", seconds=_LOCK_SECONDS, on_wait=self._on_wait):
            yield

    @contextmanager
    def _crew(self) -> Iterator[Crew]:
        crew = Crew(self._parallel)
        try:
            yield crew
        finally:
            crew.close()

    def _inspector(self, crew: Crew) -> Inspector:
        return Inspector(self.remote, self.root, self.objects, self.state, crew, self._pace)

    def _look(self, mode: Mode, report: SyncReport) -> tuple[Plan, _Look]:
        ancestors = self.state.ancestors()
        if not self.tree.exists() and not ancestors:
            if Side.LOCAL not in mode.changes:
                raise UsageError("there is no such folder", where=str(self.pair.local))
            if not report.dry_run:
                self.pair.local.mkdir(parents=True, exist_ok=True)
        if not self.tree.exists() and ancestors:
            return _halted(f"the local folder {self.pair.local} is gone"), _Look(ancestors)
        intents = self.state.intents()
        recover_local(self.tree, self.state, ancestors, intents)
        local = scan_local(self.tree, self.selection, self.state, self.objects)
        for name in self.tree.leftovers:
            self.tree.discard(name)
        with self._crew() as crew:
            remote = scan_remote(
                self.remote, self.root, self.selection, ancestors, crew, self._pace
            )
            report.requests += remote.requests
            halt = self._check_root(remote, ancestors)
            if halt:
                return _halted(halt), _Look(ancestors)
            drop_uncounted_folders(remote, narrow=self.selection.is_narrow)
            inspector = self._inspector(crew)
            known = self._ledger_objects()
            inspector.inspect(
                remote,
                ancestors,
                local.slots,
                intents.__contains__,
                lambda slot, version: _proven(
                    known.get(f"{self.root}/{slot}"), local.slots.get(slot), version
                ),
            )
            report.requests += inspector.requests
            report.bytes_received += inspector.received
        recover_remote(self.state, ancestors, intents, remote.slots)
        self._guard_unknown(local, ancestors)
        self._forget_unselected(ancestors, local, remote)
        if not self._minds_case():
            hold_lookalikes(local, remote)
        plan = reconcile(ancestors, local.slots, remote.slots, mode, names=local.names)
        halts = find_halts(ancestors, local.slots, remote.slots, plan, mode)
        return replace(plan, halts=halts), _Look(ancestors, local, remote)

    def _check_root(self, remote: RemoteScan, ancestors: dict[str, Ancestor]) -> str:
        """Why the workspace folder is not the one that was synced; empty when it is."""
        if remote.missing_root:
            return f"the workspace folder {self.root} is gone" if ancestors else ""
        ids = {was.stamp.object_id for was in ancestors.values() if was.stamp} - {None}
        if ids & {found.stamp.object_id for found in remote.slots.values() if found.stamp}:
            return ""
        recorded = self.state.meta("root_object_id")
        try:
            found = self.remote.status(self.root).stamp.object_id
        except Missing:
            remote.missing_root = True
            return f"the workspace folder {self.root} is gone" if ancestors else ""
        if ancestors and recorded and found is not None and recorded != str(found):
            return f"the workspace folder {self.root} is another one than the one synced before"
        if found is not None and recorded != str(found):
            self.state.set_meta("root_object_id", str(found))
        return ""

    def _guard_unknown(self, local: LocalScan, ancestors: dict[str, Ancestor]) -> None:
        """What cannot be judged locally is unknown in the slot that it had, too."""
        broken = {found.name: found for found in local.slots.values() if found.kind is Kind.OPAQUE}
        for slot, was in ancestors.items():
            if was.name in broken and slot not in local.slots:
                local.slots[slot] = broken[was.name]

    def _forget_unselected(
        self, ancestors: dict[str, Ancestor], local: LocalScan, remote: RemoteScan
    ) -> None:
        """Entries that patterns do not choose any more are forgotten, not deleted."""
        statements: list[memory.Statement] = []
        for slot, was in list(ancestors.items()):
            if was.kind is Kind.DIRECTORY:
                if slot in local.slots or slot in remote.slots:
                    continue
                out = self.selection.leaves_out(slot, True) or self.selection.is_narrow
            else:
                out = not self.selection.chooses(was.name)
            if out:
                del ancestors[slot]
                statements.append(memory.forget(slot))
        if statements:
            self.state.write(statements)

    def _minds_case(self) -> bool:
        known = self.state.meta("minds_case")
        if known is None:
            known = "yes" if self.tree.minds_case() else "no"
            self.state.set_meta("minds_case", known)
        return known == "yes"

    def _ledger_objects(self) -> dict[str, RemoteObject]:
        return {} if self._ledger is None else self._ledger.remote_objects(self.pair.target)

    def _apply(self, plan: Plan, look: _Look, report: SyncReport, *, last: bool) -> bool:
        """Do the plan; whether something was in motion and has to be looked at again."""
        moved = False
        actions = plan.actions
        if look.remote.missing_root and any(action.side is Side.REMOTE for action in plan.changes):
            self.remote.make_folder(self.root)
        with self._crew() as crew:
            executor = self._executor(look.ancestors, crew)
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
                    report.failures.append(Failure(outcome.action.slot, outcome.reason))
                else:
                    moved = True
        return moved

    def _executor(self, ancestors: dict[str, Ancestor], crew: Crew) -> Executor:
        return Executor(
            self.tree,
            self.remote,
            self.root,
            self.state,
            self.objects,
            ancestors,
            crew,
            self._pace,
            self.finish_soon.is_set,
        )

    def _finish(self, plan: Plan, look: _Look, report: SyncReport) -> None:
        report.conflicts = self._note_conflicts(plan)
        self._tell_ledger(look.ancestors, set(look.ancestors))
        if self.state.meta("root_object_id") is None and report.sent:
            found = self.remote.status(self.root).stamp.object_id
            self.state.set_meta("root_object_id", str(found))
        self.tree.empty_trash()
        if report.changes:
            self._prune()

    def _prune(self) -> None:
        last = float(self.state.meta("pruned") or 0)
        now = time.time()
        if now - last > 24 * 3600:
            self.objects.prune()
            self.state.forget_history(now - KEEP_SECONDS)
            self.state.set_meta("pruned", str(now))

    def _note_conflicts(self, plan: Plan) -> list[Hold]:
        """Remember the conflicts, each with the workspace's version beside the local file."""
        before = self.state.holds()
        now: dict[str, Hold] = {}
        statements: list[memory.Statement] = []
        for conflict in plan.conflicts:
            known = before.get(conflict.slot)
            local_sha = conflict.local.sha if conflict.local else ""
            remote_sha = conflict.remote.sha if conflict.remote else ""
            stamp = conflict.remote.stamp if conflict.remote else None
            if known and (known.local_sha, known.remote_sha) == (local_sha, remote_sha):
                now[conflict.slot] = replace(known, stamp=stamp)
            else:
                sidecar = self._write_sidecar(conflict.local, conflict.remote)
                now[conflict.slot] = Hold(
                    conflict.slot,
                    conflict.reason,
                    local_sha,
                    remote_sha,
                    stamp,
                    sidecar,
                    time.time(),
                )
            if now[conflict.slot] != known:
                statements.append(memory.hold(now[conflict.slot]))
        statements += [memory.release(slot) for slot in before if slot not in now]
        if statements:
            self.state.write(statements)
        return sorted(now.values(), key=lambda hold: hold.slot)

    def _write_sidecar(self, local: Version | None, remote: Version | None) -> str:
        if local is None or remote is None or not local.name or not remote.sha:
            return ""
        data = self.objects.get(remote.sha)
        if data is None:
            return ""
        seconds = (remote.stamp.modified_at or 0) / 1000 if remote.stamp else 0
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))
        name = sidecar_name(local.name, moment, content_hash(data))
        if self.tree.look(name) is None:
            self.tree.publish(self.tree.stage(name, data), name)
        return name

    def _tell_ledger(self, ancestors: dict[str, Ancestor], slots: set[str]) -> None:
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


@dataclass
class _Look:
    """What a look at both sides found."""

    ancestors: dict[str, Ancestor]
    local: LocalScan = None  # type: ignore[assignment]
    remote: RemoteScan = None  # type: ignore[assignment]


def _halted(reason: str) -> Plan:
    return Plan(halts=(reason,))


def _proven(known: RemoteObject | None, local: Version | None, remote: Version) -> Version | None:
    """The remote version with its content's hash, if doit sent it and it has not changed since."""
    if known is None or local is None or remote.stamp is None or known.modified_at is None:
        return None
    alike = (known.kind, known.object_id, known.modified_at, known.sha256) == (
        remote.kind.value,
        remote.stamp.object_id,
        remote.stamp.modified_at,
        local.sha,
    )
    if not alike or local.kind is not remote.kind:
        return None
    return replace(remote, canonical=local.canonical, language=local.language, format=local.format)


def _updates(
    ancestors: dict[str, Ancestor], local: dict[str, Version], remote: dict[str, Version]
) -> Plan | None:
    """The plan for files that were saved in place; None when it is more than updates."""
    actions: list[Action] = []
    unchanged = 0
    for slot, found in local.items():
        was = ancestors[slot]
        if found.kind is Kind.OPAQUE:
            return None
        if (found.sha, found.format) == (was.local_sha, was.format):
            unchanged += 1
            continue
        expected = remote[slot]
        actions.append(
            Action(Verb.UPDATE, slot, Side.REMOTE, found, expected, row=5, note="pushed")
        )
    return Plan(tuple(actions), unchanged=unchanged)
