"""Which workspace is meant: a profile, a host, or the local workspace.

The order is ``--profile``, ``DATABRICKS_CONFIG_PROFILE``, the settings ``profile`` and ``host`` (of
a variable, the target, ``[tool.brickloop]`` or databricks.yml), ``DATABRICKS_HOST``, the default
profile of ``.databrickscfg``, and last the local workspace. It is decided once, because
the SDK would let a token of the environment override the host of an explicit profile.

A target that was named, or is protected, is never replaced by what a variable says: where the two
are different workspaces nothing is done.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from brickloop.config.settings import Settings
from brickloop.config.value import Value
from brickloop.errors import SettingsError

LOCAL_PROFILE = "local"
_HOST_NAME = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


@dataclass(frozen=True)
class Target:
    """The workspace that is meant, and why."""

    kind: str
    """``local`` or ``remote``."""
    why: str
    """One phrase for people: which setting decided."""
    host: str | None = None
    """``https://...`` without a trailing slash; None for the local workspace, whose port varies."""
    profile: str | None = None
    """The profile to take credentials from; None means the environment."""
    config_file: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether the local workspace is meant."""
        return self.kind == "local"


def resolve_target(settings: Settings, env: Mapping[str, str] | None = None) -> Target:
    """The workspace that settings, environment and ``.databrickscfg`` name; asks no network.

    Raises SettingsError for a profile that does not exist or names no host, and where a variable
    leads to another workspace than that of the target that was asked for.
    """
    environment = os.environ if env is None else env
    profile, host = settings["profile"], settings["host"]
    if profile.value and profile.source.startswith("--"):
        return _on_target(settings, _from_profile(profile.value, profile.source, environment))
    if environment.get("DATABRICKS_CONFIG_PROFILE"):
        found = _from_profile(
            environment["DATABRICKS_CONFIG_PROFILE"], "DATABRICKS_CONFIG_PROFILE", environment
        )
    elif profile.value or host.value:
        found = _from_settings(profile, host, environment)
    else:
        found = _from_surroundings(environment)
    _check_target(settings, found, environment)
    return _on_target(settings, found)


def normalize_host(text: str, where: str) -> str:
    """The host as ``scheme://name[:port]``; raises SettingsError for anything that is none."""
    host = text.strip().rstrip("/")
    if "://" not in host:
        host = f"https://{host}"
    scheme, _, rest = host.partition("://")
    name = rest.split("/", 1)[0].split("?", 1)[0]
    # a user or password before the name would end up in messages
    if scheme not in {"https", "http"} or not _HOST_NAME.fullmatch(name):
        raise SettingsError(
            "names no host", where=where, hint="write it as https://<name>.cloud.databricks.com"
        )
    return f"{scheme}://{name.lower()}"


def profiles(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The profiles of ``.databrickscfg``: name to host ('' where a profile names none)."""
    environment = os.environ if env is None else env
    parsed = _read_config(config_file(environment))
    if parsed is None:
        return {}
    found = {
        name: parsed.get(name, "host", fallback="")
        for name in parsed.sections()
        if name != "__settings__"
    }
    if parsed.defaults().get("host"):
        found["DEFAULT"] = parsed.defaults()["host"]
    return found


def default_profile(env: Mapping[str, str] | None = None) -> str | None:
    """The ``default_profile`` that ``.databrickscfg`` names, None where it names none."""
    parsed = _read_config(config_file(os.environ if env is None else env))
    if parsed is None:
        return None
    return parsed.get("__settings__", "default_profile", fallback="") or None


def credential_fields(target: Target, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the SDK would sign in to a remote target with, by the SDK's names; holds secrets.

    The fields of the target's profile, or DATABRICKS_* and the clouds' variables without one.
    """
    environment = os.environ if env is None else env
    if target.profile is not None:
        parsed = _read_config(Path(target.config_file or config_file(environment)))
        if parsed is None:
            return {}
        if target.profile == "DEFAULT":
            return dict(parsed.defaults())
        return dict(parsed.items(target.profile)) if parsed.has_section(target.profile) else {}
    found = {
        name.removeprefix("DATABRICKS_").lower(): value
        for name, value in environment.items()
        if name.startswith("DATABRICKS_") and value
    }
    clouds = ("ARM_", "AZURE_", "GOOGLE_")
    return found | {
        name.lower(): value for name, value in environment.items() if name.startswith(clouds)
    }


def _from_surroundings(env: Mapping[str, str]) -> Target:
    """The workspace where the project's settings name none."""
    if env.get("DATABRICKS_HOST"):
        host = normalize_host(env["DATABRICKS_HOST"], "DATABRICKS_HOST")
        return Target("remote", "DATABRICKS_HOST is set", host)
    path = config_file(env)
    default = default_profile(env)
    if default:
        return _from_profile(default, f"default_profile in {path}", env)
    if "DEFAULT" in profiles(env):
        return _from_profile("DEFAULT", f"DEFAULT in {path}", env)
    return Target("local", "no workspace is configured")


def _from_settings(profile: Value, host: Value, env: Mapping[str, str]) -> Target:
    """The workspace of the settings; where both are given they must mean the same one."""
    for name, given in (("profile", profile), ("host", host)):
        if given.value and "${" in given.value:
            raise SettingsError(
                f"{name} is '{given.value}', and what stands in braces is not known here",
                where=given.source,
                hint=f"give the variable a default, or say {name} in pyproject.toml:"
                " [tool.brickloop.targets.NAME]",
            )
    if not host.value:
        return _from_profile(profile.value or "", profile.source, env)
    address = normalize_host(host.value, f"host in {host.source}")
    if not profile.value or profile.value not in {LOCAL_PROFILE, *profiles(env)}:
        # a machine without this profile may sign in to its host in another way
        return _from_host(address, host.source, env)
    found = _from_profile(profile.value, profile.source, env)
    if found.host != address:
        raise SettingsError(
            f"profile '{profile.value}' is for {found.host or 'the local workspace'}"
            f" and host is {address}",
            where=profile.source,
            hint="leave one of the two out",
        )
    return found


def _from_host(address: str, source: str, env: Mapping[str, str]) -> Target:
    """The workspace at an address: signed in to by the environment, or by the profile with it."""
    theirs = env.get("DATABRICKS_HOST")
    if theirs and normalize_host(theirs, "DATABRICKS_HOST") == address:
        return Target("remote", f"host of {source}, as DATABRICKS_HOST", address)
    matching = [
        name
        for name, other in profiles(env).items()
        if other and _same_host(other, address) and name != LOCAL_PROFILE
    ]
    if len(matching) == 1:
        why = f"host of {source}, which profile '{matching[0]}' is for"
        return Target("remote", why, address, matching[0], str(config_file(env)))
    if matching:
        raise SettingsError(
            f"several profiles are for {address}: {', '.join(sorted(matching))}",
            where=str(config_file(env)),
            hint="say which with --profile, or name it beside the host",
        )
    if theirs:
        # its token is for another workspace, and must not be shown to this one
        raise SettingsError(
            f"the workspace is {address}, and DATABRICKS_HOST and the credentials with it are for"
            f" {normalize_host(theirs, 'DATABRICKS_HOST')}",
            where=source,
            hint=f"unset DATABRICKS_HOST, or sign in: databricks auth login --host {address}",
        )
    return Target("remote", f"host of {source}", address)


def _same_host(text: str, address: str) -> bool:
    try:
        return normalize_host(text, "") == address
    except SettingsError:
        return False


def _check_target(settings: Settings, found: Target, env: Mapping[str, str]) -> None:
    """Raise SettingsError where a variable leads elsewhere than the target that was asked for."""
    target = settings.target
    if target is None or not (settings.target_is_named or target.is_protected):
        return
    profile = target.values.get("profile", Value(None, target.source))
    host = target.values.get("host", Value(None, target.source))
    if not profile.value and not host.value:
        return
    meant = _from_settings(profile, host, env)
    if (meant.kind, meant.host) != (found.kind, found.host):
        raise SettingsError(
            f"target '{target.name}' is {meant.host or 'the local workspace'} ({target.source}),"
            f" and {found.why} is {found.host or 'the local workspace'}",
            hint="let the two agree, or say --profile where the other one is meant",
        )


def _on_target(settings: Settings, found: Target) -> Target:
    """The workspace with the target's name in the reason."""
    if settings.target is None:
        return found
    return replace(found, why=f"target '{settings.target.name}', {found.why}")


def _from_profile(name: str, source: str, env: Mapping[str, str]) -> Target:
    if name == LOCAL_PROFILE:
        return Target("local", f"profile 'local' ({source})")
    path = config_file(env)
    known = profiles(env)
    if name not in known:
        listed = ", ".join(sorted(known)) or "none"
        raise SettingsError(
            f"there is no profile '{name}' (asked for by {source}); profiles there: {listed}",
            where=str(path),
            hint=f"databricks auth login --profile {name}, or choose another profile; a host in the"
            " settings instead is signed in to by the environment too",
        )
    if not known[name]:
        raise SettingsError(
            f"profile '{name}' names no host", where=str(path), hint="add a host line"
        )
    host = normalize_host(known[name], f"{path} [{name}]")
    return Target("remote", f"profile '{name}' ({source})", host, name, str(path))


def config_file(env: Mapping[str, str]) -> Path:
    """The ``.databrickscfg`` that holds the profiles; it need not be there."""
    named = env.get("DATABRICKS_CONFIG_FILE")
    return Path(named).expanduser() if named else Path.home() / ".databrickscfg"


def _read_config(path: Path) -> configparser.ConfigParser | None:
    # interpolation off: a token may hold a percent sign
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with path.open(encoding="utf-8") as file:
            parser.read_file(file)
    except FileNotFoundError:
        return None
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        # the parser's message quotes the line, which may hold a token
        line = getattr(error, "lineno", None)
        spot = f" (line {line})" if line else ""
        raise SettingsError(
            f"cannot be read as a configuration file{spot}",
            where=str(path),
            hint="each line is [profile] or name = value",
        ) from None
    return parser
