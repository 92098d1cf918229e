"""What a sync did, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from brickloop.sync.plan import Action, Conflict, Held, Plan, Verb
from brickloop.sync.state import Hold
from brickloop.sync.versions import Side


@dataclass(frozen=True)
class Change:
    """One change that was made, or would be."""

    path: str
    """Relative to both roots, as the workspace spells it."""
    verb: str
    """``create``, ``update``, ``replace``, ``delete``, ``make folder`` or ``remove folder``."""
    side: str
    """The side that was changed: ``local`` or ``remote``."""
    note: str
    bytes: int = 0

    @property
    def arrow(self) -> str:
        """One sign for the direction."""
        return "→" if self.side == Side.REMOTE.value else "←"


@dataclass(frozen=True)
class Failure:
    """A slot in which something went wrong; the others went on."""

    path: str
    reason: str
    name: str = ""
    """The local file's path, where there is one."""


@dataclass
class SyncReport:
    """What a sync did, or with ``dry_run`` would do."""

    workspace: str
    dry_run: bool = False
    changes: list[Change] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    conflicts: list[Hold] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    unchanged: int = 0
    seconds: float = 0.0
    requests: int = 0
    """Requests of looking; those of changing follow from the changes."""
    bytes_sent: int = 0
    bytes_received: int = 0

    @property
    def sent(self) -> int:
        """Files and notebooks written or deleted in the workspace."""
        return sum(1 for change in self.changes if _is_file(change, Side.REMOTE))

    @property
    def received(self) -> int:
        """Files written or deleted locally."""
        return sum(1 for change in self.changes if _is_file(change, Side.LOCAL))

    @property
    def is_clean(self) -> bool:
        """Whether nothing failed and nothing was held back."""
        return not (self.failures or self.conflicts or any(held.counts for held in self.held))

    def as_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "workspace": self.workspace,
            "dry_run": self.dry_run,
            "changes": [
                {
                    "path": change.path,
                    "action": change.verb,
                    "side": change.side,
                    "note": change.note,
                    "bytes": change.bytes,
                }
                for change in self.changes
            ],
            "failures": [{"path": one.path, "reason": one.reason} for one in self.failures],
            "conflicts": [
                {"path": hold.slot, "reason": hold.reason, "remote_version": hold.sidecar}
                for hold in self.conflicts
            ],
            "held": [
                {"path": held.slot, "reason": held.reason, "counts": held.counts}
                for held in self.held
            ],
            "unchanged": self.unchanged,
            "sent": self.sent,
            "received": self.received,
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
            "seconds": round(self.seconds, 3),
        }

    def summary(self) -> str:
        """One line for people."""
        parts = [
            f"{self.sent} sent",
            f"{self.received} received",
            f"{self.unchanged} unchanged",
        ]
        for count, word in (
            (len(self.conflicts), "in conflict"),
            (sum(1 for held in self.held if held.counts), "held back"),
            (len(self.failures), "failed"),
        ):
            if count:
                parts.append(f"{count} {word}")
        volume = f"{_size(self.bytes_sent + self.bytes_received)} in {self.seconds:.1f} s"
        return f"{', '.join(parts)} ({volume})"


def change_of(action: Action, size: int = 0) -> Change:
    """The change that an action is."""
    return Change(action.slot, action.verb.value, action.side.value, action.note, size)


def planned(plan: Plan) -> list[Change]:
    """The changes of a plan, none of them made."""
    return [change_of(action) for action in plan.changes]


def conflict_text(conflict: Conflict) -> str:
    """One phrase that says what is in conflict."""
    return f"{conflict.reason} (row {conflict.row})"


def _is_file(change: Change, side: Side) -> bool:
    folders = {Verb.MAKE_FOLDER.value, Verb.REMOVE_FOLDER.value}
    return change.side == side.value and change.verb not in folders


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
