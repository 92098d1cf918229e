"""A look at the workspace before work begins: is what was sent there still there, and as it was?

One listing for each folder. What is gone is sent again; what was edited there is held by the
upload, as anything is that the ledger has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from brickloop import launcher
from brickloop.clients.listing import Listed, list_folders
from brickloop.config.profile import Target, credential_fields
from brickloop.config.settings import Settings
from brickloop.sync.ledger import Ledger, RemoteObject

if TYPE_CHECKING:
    from collections.abc import Callable

    from brickloop.flows.target import OpenTarget

_TOKEN_AUTH = {"", "pat"}


def find_strayed(
    settings: Settings,
    target: Target,
    key: str,
    ledger: Ledger,
    remote: Mapping[str, str],
    open_target: Callable[[], OpenTarget],
) -> dict[str, str]:
    """What is not in the workspace as it was sent, by name, each with what became of it.

    ``remote`` is the path of each name that was sent. The workspace is opened with the SDK only
    where a token alone does not do, or a content has to be compared. A local workspace that does
    not run is not started: nobody can have changed anything there. Raises what ``list_folders``
    does.
    """
    if not remote:
        return {}
    folders = sorted({path.rpartition("/")[0] for path in remote.values()})
    listings = _listings(settings, target, folders, open_target)
    if listings is None:
        return {}
    known = ledger.remote_objects(key)
    strayed: dict[str, str] = {}
    doubtful: dict[str, RemoteObject] = {}
    for name, path in remote.items():
        listing = listings.get(path.rpartition("/")[0])
        found = listing.get(path) if listing else None
        before = known.get(path)
        if before is None:
            continue
        if found is None:
            strayed[name] = "is gone from the workspace"
        elif _stamp(found) != (before.kind, before.object_id, before.modified_at):
            doubtful[name] = before
    if doubtful:
        strayed |= _compare(open_target(), key, ledger, remote, doubtful)
    return strayed


def _stamp(found: Listed) -> tuple[str, int | None, int | None]:
    return found.kind, found.object_id, found.modified_at


def _listings(
    settings: Settings, target: Target, folders: list[str], open_target: Callable[[], OpenTarget]
) -> dict[str, dict[str, Listed] | None] | None:
    if target.is_local:
        server = launcher.find_running(settings.state_folder / "local")
        return list_folders(server.host, server.token, folders) if server else None
    fields = credential_fields(target)
    token, kind = fields.get("token"), fields.get("auth_type", "")
    if token and kind in _TOKEN_AUTH and target.host:
        return list_folders(target.host, token, folders)
    return _listings_by_sdk(open_target(), folders)


def _listings_by_sdk(opened: OpenTarget, folders: list[str]) -> dict[str, dict[str, Listed] | None]:
    from databricks.sdk.errors import NotFound

    from brickloop.clients.workspace import translate

    found: dict[str, dict[str, Listed] | None] = {}
    with translate(opened.host):
        for folder in folders:
            try:
                found[folder] = {
                    one.path or "": Listed(
                        one.path or "",
                        one.object_type.value if one.object_type else "",
                        one.object_id,
                        one.modified_at,
                    )
                    for one in opened.client.workspace.list(folder)
                }
            except NotFound:
                found[folder] = None
    return found


def _compare(
    opened: OpenTarget,
    key: str,
    ledger: Ledger,
    remote: Mapping[str, str],
    doubtful: Mapping[str, RemoteObject],
) -> dict[str, str]:
    """Those whose content is another one; of the others the new stamp is remembered."""
    from concurrent.futures import ThreadPoolExecutor

    from brickloop.sync.transfer import is_as_known

    def check(name: str) -> tuple[str, bool]:
        return name, is_as_known(opened.client, ledger, key, doubtful[name], remote[name])

    with ThreadPoolExecutor(8) as pool:
        return {
            name: "was changed in the workspace"
            for name, same in pool.map(check, doubtful)
            if not same
        }
