"""What doit has sent since the last sync: the ledger knows it, the pair's own state not yet."""

from __future__ import annotations

from brickloop.sync import state as memory
from brickloop.sync.ledger import Ledger, RemoteObject
from brickloop.sync.local_scan import LocalScan
from brickloop.sync.state import SyncState
from brickloop.sync.transfer import CANONICAL
from brickloop.sync.versions import Ancestor, Version


def adopt_sent(
    ledger: Ledger,
    target: str,
    root: str,
    state: SyncState,
    ancestors: dict[str, Ancestor],
    local: LocalScan,
) -> None:
    """Take into ``ancestors`` what the ledger saw equal on both sides after the pair last did."""
    prefix = f"{root}/"
    news: dict[str, RemoteObject] = {}
    for path, found in ledger.remote_objects(target).items():
        slot = path[len(prefix) :]
        here = local.slots.get(slot) if path.startswith(prefix) else None
        if here is None or here.kind.value != found.kind:
            continue
        was = ancestors.get(slot)
        if was is None or was.local_sha != found.sha256:
            news[slot] = found
    if not news:
        return
    written, carried = ledger.written_times(target), state.carried_times()
    statements: list[memory.Statement] = []
    for slot, found in news.items():
        if slot in ancestors and carried.get(slot, 0.0) >= written[found.path]:
            continue  # a sync that was killed before it told the ledger: its own word is newer
        canonical = ledger.fact(CANONICAL, found.sha256) or found.sha256
        ancestors[slot] = _sent(local.slots[slot], found, canonical)
        statements.append(memory.remember(slot, ancestors[slot]))
    if statements:
        state.write(statements)


def _sent(here: Version, found: RemoteObject, canonical: str) -> Ancestor:
    # no stamp: doit does not look at what it has sent, so the content has to tell
    return Ancestor(
        here.kind, here.name, found.sha256, None, canonical, here.language, here.format, None
    )
