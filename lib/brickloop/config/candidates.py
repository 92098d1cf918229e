"""Every place that may name the workspace, in the order in which they are asked, for people.

The decision itself is ``config.profile.resolve_target``; this says what it had to choose from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from brickloop.config.profile import LOCAL_PROFILE, default_profile, profiles
from brickloop.config.settings import Settings
from brickloop.errors import SettingsError

_SETTING = "{} of the settings"


@dataclass(frozen=True)
class Candidate:
    """A place, what it says, and whether it decided."""

    place: str
    says: str | None
    """The profile or host that it names; None where it names none."""
    decides: bool


def workspace_candidates(
    settings: Settings, env: Mapping[str, str] | None = None
) -> tuple[Candidate, ...]:
    """The places in their order; the first that names something decides.

    A ``.databrickscfg`` that cannot be read names nothing.
    """
    environment = os.environ if env is None else env
    profile, host = settings["profile"], settings["host"]
    by_flag = profile.source.startswith("--")
    try:
        default, known = default_profile(environment), profiles(environment)
    except SettingsError:
        default, known = None, {}
    places = [
        (profile.source if by_flag else "--profile", profile.value if by_flag else None),
        ("DATABRICKS_CONFIG_PROFILE", environment.get("DATABRICKS_CONFIG_PROFILE")),
        _of_setting("profile", profile.source, None if by_flag else profile.value),
        _of_setting("host", host.source, _bare(host.value)),
        ("DATABRICKS_HOST", _bare(environment.get("DATABRICKS_HOST"))),
        ("default_profile of .databrickscfg", default),
        ("DEFAULT of .databrickscfg", _bare(known.get("DEFAULT"))),
        ("the local workspace", LOCAL_PROFILE),
    ]
    decided = False
    found = []
    for place, says in places:
        found.append(Candidate(place, says or None, bool(says) and not decided))
        decided = decided or bool(says)
    return tuple(found)


def _of_setting(name: str, source: str, value: str | None) -> tuple[str, str | None]:
    return (f"{name} of {source}" if value else _SETTING.format(name), value)


def _bare(host: str | None) -> str | None:
    """An address without the name and the password that may stand before it."""
    return host.rpartition("@")[2] if host else None
