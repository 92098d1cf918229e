"""The cache of query results that the settings name, and what makes its results stale."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from brickloop.config.profile import Target
from brickloop.config.settings import Settings
from brickloop.errors import SettingsError
from brickloop.sql.cache import ResultCache


def open_cache(settings: Settings, warn: Callable[[str], None] = lambda _text: None) -> ResultCache:
    """The cache of query results that the settings name."""
    folder = settings.text("cache")
    directory = settings.root / Path(folder).expanduser() if folder else None
    return ResultCache(
        directory or settings.state_folder / "cache",
        size_limit=_megabytes(settings),
        warn=warn,
    )


def _megabytes(settings: Settings) -> int:
    value = settings["cache_size"]
    with contextlib.suppress(ValueError):
        number = float(value.value or "")
        if 1 <= number < 1 << 20:
            return int(number * 1024**2)
    raise SettingsError(
        f"cache_size is '{value.value}', not a number of megabytes",
        where=value.source,
        hint="write it as a number of 1 or more, such as 1024",
    )


def workspace_name(settings: Settings, target: Target) -> str:
    """The workspace as keys know it: its host, or the local one's id, which a reset changes."""
    if target.is_local:
        from brickloop.launcher import workspace_id

        return f"local:{workspace_id(settings.state_folder / 'local')}"
    return target.host or ""


def note_change(settings: Settings, target: Target) -> None:
    """Have no older result of a workspace be used: a run may have changed its tables."""
    cache = open_cache(settings)
    if cache.directory.is_dir():
        cache.note_change(workspace_name(settings, target))
        cache.close()
