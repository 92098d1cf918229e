"""A look at both sides of a pair: what stands where, after what a killed sync left is settled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from brickloop.errors import UsageError
from brickloop.sync import state as memory
from brickloop.sync.blocks import hold_blocked, hold_lookalikes
from brickloop.sync.content import content_hash
from brickloop.sync.inspector import Inspector
from brickloop.sync.ledger import RemoteObject
from brickloop.sync.local_scan import LocalScan, scan_local
from brickloop.sync.objects import ObjectStore
from brickloop.sync.pace import Crew, Pace
from brickloop.sync.recovery import recover_local, recover_remote
from brickloop.sync.remote import Kind, Missing, Remote
from brickloop.sync.remote_scan import RemoteScan, drop_uncounted_folders, scan_remote
from brickloop.sync.selection import Selection
from brickloop.sync.state import SyncState
from brickloop.sync.tree import DiskTree
from brickloop.sync.versions import Ancestor, Side, Version


@dataclass
class Survey:
    """What a look at both sides found."""

    ancestors: dict[str, Ancestor]
    local: LocalScan = field(default_factory=LocalScan)
    remote: RemoteScan = field(default_factory=RemoteScan)
    halt: str = ""
    """Why nothing may be changed, when one of the two folders is not what it was."""
    requests: int = 0
    bytes_received: int = 0


@dataclass
class Surveyor:
    """Looks at both sides of one pair."""

    tree: DiskTree
    remote: Remote
    root: str
    """The workspace folder."""
    selection: Selection
    state: SyncState
    objects: ObjectStore
    pace: Pace
    crew: Crew
    partial: bool = False
    """Whether what the selection leaves out is not to be forgotten."""

    def look(
        self,
        known: Mapping[str, RemoteObject],
        adopt: Callable[[dict[str, Ancestor], LocalScan], None],
        *,
        may_make_root: bool,
        dry_run: bool = False,
    ) -> Survey:
        """Both sides as they are now.

        ``known`` are the objects whose content doit knows, by path; ``adopt`` may add ancestors
        for what the local side holds. Raises UsageError when there
        is no local folder and none may be made, ConnectionFailed and NotAuthenticated.
        """
        ancestors = self.state.ancestors()
        found = Survey(ancestors)
        if not self.tree.exists():
            if ancestors:
                return replace(found, halt=f"the local folder {self.tree.root} is gone")
            if not may_make_root:
                raise UsageError("there is no such folder", where=str(self.tree.root))
            if not dry_run:
                self.tree.make_root()
        intents = self.state.intents()
        recover_local(self.tree, self.state, ancestors, intents)
        found.local = scan_local(self.tree, self.selection, self.state, self.objects)
        adopt(ancestors, found.local)
        for name in self.tree.leftovers:
            self._put_away(name)
        found.remote = scan_remote(
            self.remote, self.root, self.selection, ancestors, self.crew, self.pace
        )
        found.requests = found.remote.requests
        found.halt = self._check_root(found.remote, ancestors)
        if found.halt:
            return found
        drop_uncounted_folders(found.remote, narrow=self.selection.is_narrow)
        inspector = self.inspector()
        inspector.inspect(
            found.remote,
            ancestors,
            found.local.slots,
            intents.__contains__,
            lambda slot, version: _proven(
                known.get(f"{self.root}/{slot}"), found.local.slots.get(slot), version
            ),
        )
        found.requests += inspector.requests
        found.bytes_received = inspector.received
        recover_remote(self.state, ancestors, intents, found.remote.slots)
        hold_blocked(found.local, found.remote)
        _guard_unknown(found.local, ancestors)
        self._forget_unselected(ancestors, found.local, found.remote)
        if not self._minds_case():
            hold_lookalikes(found.local, found.remote)
        return found

    def _put_away(self, name: str) -> None:
        """Throw away what a killed sync left behind; a version nobody has seen is kept."""
        data = self.tree.peek(name)
        if data is not None and self.objects.get(content_hash(data)) is None:
            sha = self.objects.put(data, durable=True)
            path = f"{name.rpartition('/')[0]}/found-{sha[:8]}".lstrip("/")
            self.state.write(
                [memory.keep_version(path, sha, Side.LOCAL.value, "found", path, len(data))]
            )
        self.tree.discard(name)

    def inspector(self) -> Inspector:
        """What reads versions of the workspace."""
        return Inspector(self.remote, self.root, self.objects, self.state, self.crew, self.pace)

    def _check_root(self, remote: RemoteScan, ancestors: Mapping[str, Ancestor]) -> str:
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
        if statements and not self.partial:
            self.state.write(statements)

    def _minds_case(self) -> bool:
        known = self.state.meta("minds_case")
        if known is None:
            known = "yes" if self.tree.minds_case() else "no"
            self.state.set_meta("minds_case", known)
        return known == "yes"


def _guard_unknown(local: LocalScan, ancestors: Mapping[str, Ancestor]) -> None:
    """What cannot be judged locally is unknown in the slot that it had, too."""
    broken = {found.name: found for found in local.slots.values() if found.kind is Kind.OPAQUE}
    for slot, was in ancestors.items():
        if was.name in broken and slot not in local.slots:
            local.slots[slot] = broken[was.name]


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
