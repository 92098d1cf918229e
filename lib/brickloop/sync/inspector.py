"""Reading what the workspace holds where a listing alone does not tell whether it changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from brickloop.model.notebook import NotebookFormat
from brickloop.sync import state as memory
from brickloop.sync.content import (
    canonical_hash,
)
from brickloop.sync.objects import ObjectStore
from brickloop.sync.pace import Crew, Pace
from brickloop.sync.remote import Kind, Missing, Remote, RemoteFault
from brickloop.sync.remote_scan import RemoteScan, remote_version
from brickloop.sync.state import SyncState
from brickloop.sync.versions import Ancestor, Version


@dataclass
class Inspector:
    """Reads the remote versions whose stamp says that they may have changed."""

    remote: Remote
    root: str
    objects: ObjectStore
    state: SyncState
    crew: Crew
    pace: Pace
    received: int = 0
    """Bytes that were read."""
    requests: int = 0

    def inspect(
        self,
        scan: RemoteScan,
        ancestors: Mapping[str, Ancestor],
        local: Mapping[str, Version],
        wanted: Callable[[str], bool],
        proven: Callable[[str, Version], Version | None],
    ) -> None:
        """Complete the scan's leaves: format, and where it matters hash and canonical hash.

        ``wanted`` names slots whose content is needed though the table does not ask for it;
        ``proven`` may know a version's content from elsewhere.
        """
        seen = self.state.seen()
        unread: list[tuple[str, bool]] = []
        for slot, version in scan.slots.items():
            if version.kind not in {Kind.FILE, Kind.NOTEBOOK}:
                continue
            known = self._known(slot, version, ancestors.get(slot), seen.get(slot))
            known = known or proven(slot, version)
            if known is not None:
                scan.slots[slot] = known
                continue
            content = slot in ancestors or slot in local or wanted(slot)
            if content or version.kind is Kind.NOTEBOOK:
                unread.append((slot, content))

        def read(item: tuple[str, bool]) -> Version | None:
            slot, content = item
            version, was = scan.slots[slot], ancestors.get(slot)
            found = self._verify(slot, version, was) if content and was is not None else None
            return found or self.read(slot, version, content=content)

        learned: list[memory.Statement] = []
        for (slot, _), found in self.crew.each(read, unread):
            if found is None:
                del scan.slots[slot]
                continue
            scan.slots[slot] = found
            if found.sha:
                learned.append(memory.see(slot, found))
        learned += [memory.unsee(slot) for slot in seen if slot not in scan.slots]
        if learned:
            self.state.write_later(learned)

    def read(self, slot: str, version: Version, *, content: bool) -> Version | None:
        """The version with its format, and its hashes if ``content``; None when it is gone.

        The stamp is always older than the content that is read, so a save in between is noticed.
        """
        path = f"{self.root}/{slot}"
        entry_kind = version.kind
        try:
            with self.pace.turn():
                if version.kind is Kind.NOTEBOOK:
                    entry = self.remote.status(path)
                    self.requests += 1
                    version = remote_version(entry, known_format=True)
                if version.kind is not entry_kind:
                    return Version(Kind.OPAQUE, problem="was replaced while it was read")
                if not content:
                    return version
                data = self.remote.export(path, version.kind, version.format)
                self.requests += 1
        except Missing:
            return None
        except RemoteFault as fault:
            return Version(Kind.OPAQUE, problem=f"cannot be read: {fault.message}")
        self.received += len(data)
        sha = self.objects.put(data)
        canonical = canonical_hash(version.kind, version.format, data)
        return replace(version, sha=sha, canonical=canonical)

    def _verify(self, slot: str, version: Version, was: Ancestor) -> Version | None:
        """The notebook that was sent, with one request: None when it is another by now."""
        if version.kind is not Kind.NOTEBOOK or was.kind is not Kind.NOTEBOOK or was.stamp:
            return None
        if was.format is NotebookFormat.SOURCE and version.language is not was.language:
            return None
        try:
            with self.pace.turn():
                data = self.remote.export(f"{self.root}/{slot}", version.kind, was.format)
        except RemoteFault:
            return None
        finally:
            self.requests += 1
        self.received += len(data)
        if canonical_hash(was.kind, was.format, data) != was.canonical:
            return None
        return replace(
            version,
            sha=self.objects.put(data),
            canonical=was.canonical,
            language=was.language,
            format=was.format,
        )

    @staticmethod
    def _known(
        slot: str, version: Version, ancestor: Ancestor | None, seen: Version | None
    ) -> Version | None:
        """The version without a request, if its stamp is one whose content is known."""
        if version.stamp is None:
            return None
        if ancestor is not None and version.stamp.agrees(ancestor.stamp):
            return replace(
                version,
                sha=ancestor.remote_sha or "",
                canonical=ancestor.canonical,
                language=ancestor.language,
                format=ancestor.format,
            )
        if seen is not None and version.stamp.agrees(seen.stamp):
            return replace(seen, stamp=version.stamp)
        return None
