"""Opening the workspace that is meant: decide which, start the local one if it is that, sign in."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from brickloop import launcher
from brickloop.clients.workspace import connect, translate
from brickloop.config.profile import LOCAL_PROFILE, Target, resolve_target
from brickloop.config.settings import Settings, load_settings
from brickloop.config.sync_file import overlaps
from brickloop.errors import NotAuthenticated, PathError, SettingsError
from brickloop.model.paths import workspace_path

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_DEFAULT_FOLDER = "~/.brickloop"
_USER_NAME = "${workspace.current_user.userName}"
"""How a databricks.yml writes whoever is signed in."""


@dataclass(frozen=True)
class OpenTarget:
    """A workspace that has answered and knows who we are."""

    target: Target
    client: WorkspaceClient
    host: str
    user: str
    announcement: str
    """One line for the person at the terminal: which workspace, and why."""

    @property
    def home(self) -> str:
        """The user's own workspace folder."""
        return f"/Workspace/Users/{self.user}"


def open_target(settings: Settings, target: Target | None = None) -> OpenTarget:
    """The workspace that the settings name, signed in to; the local one is started if need be.

    Raises ConnectionFailed or NotAuthenticated; a workspace that is configured and does not answer
    is never replaced by the local one.
    """
    target = target or resolve_target(settings)
    if target.is_local:
        server = launcher.ensure_started(
            settings.state_folder / "local", engine=settings.text("local.engine") or ""
        )
        client, host = connect(server.host, token=server.token), server.host
        line = f"{target.why}: using the local workspace at {host}"
        user = _who(client, host)
    else:
        host = target.host or ""
        client = connect(host, profile=target.profile, config_file=target.config_file)
        user = _who(client, host)
        line = f"workspace {host} as {user} ({target.why})"
    return OpenTarget(target, client, host, user, line)


def ledger_key(settings: Settings, folder: str | None = None, target: Target | None = None) -> str:
    """The name under which the ledger keeps what is known of a target; asks no network.

    Made of host (or the local workspace's own id), profile and folder, never of a secret.
    """
    target = target or resolve_target(settings)
    folder = folder or settings.text("folder") or _default_folder(settings)
    if target.is_local:
        return f"local:{launcher.workspace_id(settings.state_folder / 'local')}|{folder}"
    return f"{target.host}|{target.profile or 'environment'}|{folder}"


def sync_key(
    settings: Settings, workspace: str, target: Target | None = None, user: str = ""
) -> str:
    """The name under which the ledger keeps what is known of a folder that sync keeps equal.

    The place decides, not the target that is chosen: where a target sends to this folder it is that
    one's name, so that sync and doit know of each other, and else one that all targets share.
    """
    target = target or resolve_target(settings)
    if not settings.targets:
        return ledger_key(settings, target=target)
    for name in sorted(settings.targets):
        other = load_settings(settings.root, overrides={"target": name})
        with contextlib.suppress(SettingsError, PathError):
            there = resolve_target(other)
            same = (there.host, there.profile) == (target.host, target.profile)
            if same and other.text("folder") and overlaps(_place(other, user), workspace):
                return ledger_key(other, target=target)
    return ledger_key(settings, _DEFAULT_FOLDER, target)


def _place(settings: Settings, user: str) -> str:
    return workspace_path(upload_folder(settings, user, ""))


def upload_folder(settings: Settings, user: str, name: str) -> str:
    """The workspace folder that a local folder of this name is sent to.

    The setting ``folder`` as it is, where ``~`` is the user's own folder; else one of that name
    below ``.brickloop``, or below the target's own folder there. Raises SettingsError for a folder
    with something in it that nobody can replace.
    """
    named = settings["folder"]
    folder = named.value or f"{_default_folder(settings)}/{name}"
    folder = folder.replace(_USER_NAME, user)
    if folder == "~" or folder.startswith("~/"):
        folder = f"/Workspace/Users/{user}{folder[1:]}"
    if "${" in folder:
        raise SettingsError(
            f"folder is '{folder}', and what stands in braces is not known here",
            where=named.source,
            hint="say it in [tool.brickloop.targets.NAME] folder of the pyproject.toml",
        )
    return folder.rstrip("/")


def shared_places(project: Settings) -> list[tuple[str, ...]]:
    """The names of targets that are one folder in one workspace, and so share what is known of it.

    Targets whose workspace cannot be worked out are left out.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for name in sorted(project.targets):
        settings = load_settings(project.root, overrides={"target": name})
        with contextlib.suppress(SettingsError):
            host = resolve_target(settings).host or LOCAL_PROFILE
            folder = settings.text("folder") or _default_folder(settings)
            places.setdefault((host, folder.rstrip("/")), []).append(name)
    return [tuple(names) for names in places.values() if len(names) > 1]


def _default_folder(settings: Settings) -> str:
    """The folder above what is sent, where none is set; each target has its own."""
    if settings.target is None:
        return _DEFAULT_FOLDER
    project = settings.project.replace("/", "_")
    return f"{_DEFAULT_FOLDER}/{project}/{settings.target.name}"


def _who(client: WorkspaceClient, host: str) -> str:
    from databricks.sdk import errors as sdk

    with translate(host):
        try:
            name = client.current_user.me().user_name
        except sdk.PermissionDenied as error:
            # workspaces answer 403 to a token that is not theirs
            raise NotAuthenticated(
                "the workspace does not accept the credentials:"
                f" {str(error).split(' Config: ', 1)[0]}",
                where=host,
                hint="get a new token, or sign in with: databricks auth login --host " + host,
            ) from None
    if not name:
        raise NotAuthenticated("the workspace does not say who we are", where=host)
    return name
