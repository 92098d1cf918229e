"""Opening the workspace that is meant: decide which, start the local one if it is that, sign in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from brickloop import launcher
from brickloop.clients.workspace import connect, translate
from brickloop.config.profile import Target, resolve_target
from brickloop.config.settings import Settings
from brickloop.errors import NotAuthenticated

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_DEFAULT_FOLDER = "~/.brickloop"


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
        server = launcher.ensure_started(settings.state_folder / "local")
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
    folder = folder or settings.text("folder") or _DEFAULT_FOLDER
    if target.is_local:
        return f"local:{launcher.workspace_id(settings.state_folder / 'local')}|{folder}"
    return f"{target.host}|{target.profile or 'environment'}|{folder}"


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
