"""The short ways of a watch: a saved file goes up at once, and one listing tells of remote news."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from brickloop.sync import state as memory
from brickloop.sync.content import canonical_hash
from brickloop.sync.engine import Synchronizer
from brickloop.sync.local_scan import LocalScan, scan_paths
from brickloop.sync.plan import Action, Plan, Verb
from brickloop.sync.remote import Kind, RemoteFault, Stamp
from brickloop.sync.remote_scan import RemoteScan, remote_version, scan_remote
from brickloop.sync.report import SyncReport
from brickloop.sync.state import Hold
from brickloop.sync.survey import Survey
from brickloop.sync.versions import Ancestor, Side, Version

Snapshot = frozenset[tuple[str, Kind, Stamp | None]]


def push_saved(sync: Synchronizer, paths: Iterable[str]) -> SyncReport | None:
    """Send a few local files that were just saved: one request for a new one, else two.

    None when that cannot be decided without looking at the whole: a file is gone or became another
    kind of thing, or the workspace's side moved.
    """
    begun = time.monotonic()
    report = SyncReport(sync.root)
    with sync.locked():
        if sync.state.intents():
            return None
        wanted = [path for path in paths if sync.selection.chooses(path)]
        ancestors = sync.state.ancestors()
        local = scan_paths(sync.tree, sync.selection, sync.state, sync.objects, wanted)
        saved = _Saved(ancestors, local, sync.state.holds())
        if not all(saved.add(path) for path in wanted):
            return None
        plan = Plan(tuple(saved.actions), unchanged=saved.unchanged)
        if plan.actions:
            survey = Survey(ancestors, local, RemoteScan(slots={"": Version(Kind.DIRECTORY)}))
            if sync.apply(plan, survey, report, last=False):
                return None
            sync.tell_ledger(ancestors, {action.slot for action in plan.actions})
        report.unchanged = plan.unchanged
    report.seconds = time.monotonic() - begun
    return report


@dataclass
class _Saved:
    """What is to be done for saved files."""

    ancestors: Mapping[str, Ancestor]
    local: LocalScan
    holds: Mapping[str, Hold]
    actions: list[Action] = field(default_factory=list)
    unchanged: int = 0

    def __post_init__(self) -> None:
        self._slots = {was.name: slot for slot, was in self.ancestors.items()}

    def add(self, path: str) -> bool:
        """Plan for one file; False when that takes a look at the whole."""
        slot = self.local.names.get(path)
        if path.rsplit("/", 1)[-1] == ".gitignore":
            return False
        if slot is None:
            # what was never synced came and went, as an editor's temporary file does
            return path not in self._slots
        found = self.local.slots[slot]
        was = self.ancestors.get(slot)
        if slot in self.holds or found.kind is Kind.OPAQUE:
            return False
        if was is None:
            if path in self._slots or not self._has_parent(slot):
                return False
            self.actions.append(
                Action(Verb.CREATE, slot, Side.REMOTE, found, None, row=1, note="created")
            )
            return True
        if self._slots.get(path) != slot or was.kind is not found.kind:
            return False
        if (found.sha, found.format) == (was.local_sha, was.format):
            self.unchanged += 1
            return True
        expected = was.as_version(Side.REMOTE)
        self.actions.append(
            Action(Verb.UPDATE, slot, Side.REMOTE, found, expected, row=5, note="pushed")
        )
        return True

    def _has_parent(self, slot: str) -> bool:
        folder = slot.rpartition("/")[0]
        was = self.ancestors.get(folder)
        return not folder or (was is not None and was.kind is Kind.DIRECTORY)


def learn_stamps(sync: Synchronizer, slots: Iterable[str]) -> None:
    """Read back what was sent, so that the next save of it needs no reading first."""
    with sync.locked():
        ancestors = sync.state.ancestors()
        unknown = [
            slot
            for slot in slots
            if slot in ancestors
            and ancestors[slot].stamp is None
            and ancestors[slot].kind is not Kind.DIRECTORY
        ]
        statements: list[memory.Statement] = []
        with sync.crew() as crew:
            for slot, found in crew.each(lambda slot: _read_back(sync, slot), unknown):
                was = ancestors[slot]
                if found is not None and _alike(found, was):
                    now = replace(was, remote_sha=found.sha, stamp=found.stamp)
                    statements.append(memory.remember(slot, now))
        if statements:
            sync.state.write(statements)


def _read_back(sync: Synchronizer, slot: str) -> Version | None:
    """What the workspace holds; its stamp is older than the content, so a save is noticed."""
    path = f"{sync.root}/{slot}"
    try:
        with sync.pace.turn():
            found = remote_version(sync.remote.status(path), known_format=True)
            if found.kind not in {Kind.FILE, Kind.NOTEBOOK}:
                return None
            data = sync.remote.export(path, found.kind, found.format)
    except RemoteFault:
        return None  # the next look reads it
    canonical = canonical_hash(found.kind, found.format, data)
    return replace(found, sha=sync.objects.put(data), canonical=canonical)


def _alike(found: Version, was: Ancestor) -> bool:
    return (found.kind, found.canonical, found.language, found.format) == (
        was.kind,
        was.canonical,
        was.language,
        was.format,
    )


def take_snapshot(sync: Synchronizer) -> Snapshot:
    """All that listings say of the workspace's side; two alike mean that nothing moved.

    One request for each folder, and no lock: nothing is read or written but that.
    """
    with sync.crew() as crew:
        scan = scan_remote(sync.remote, sync.root, sync.selection, {}, crew, sync.pace)
    return frozenset((slot, found.kind, found.stamp) for slot, found in scan.slots.items())
