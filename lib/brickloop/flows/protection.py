"""Protected targets: they get what is committed in git, and nothing else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from brickloop.config.settings import Settings
from brickloop.display import diagnostics
from brickloop.errors import UsageError
from brickloop.model.file_names import shown_path

_NAMED = 5
_HINT = "commit it first; --force, or BRICKLOOP_FORCE=1 with doit, sends it as it is"


def require_committed(settings: Settings, sent: Iterable[Path] = ()) -> None:
    """Return where the target that is meant may be sent to; others than protected ones always may.

    What has to be committed is all that git keeps of the project's folder, and each of the files
    that are ``sent``, also those that git ignores. Raises UsageError for what is not, and where
    there is no git; the setting ``force`` makes a warning of it.
    """
    if settings.target is None or not settings.is_protected:
        return
    try:
        found = uncommitted(settings.root, sent)
        if not found:
            return
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        count = "1 file is" if len(found) == 1 else f"{len(found)} files are"
        message = f"{count} not committed: {', '.join(found[:_NAMED])}{more}"
    except _NoGitError as error:
        message = str(error)
    _refuse(settings, settings.target.name, message, _HINT)


def refuse_watch(settings: Settings) -> None:
    """Raise UsageError where a watch would send to a protected target: it sends what was saved."""
    if settings.target is not None and settings.is_protected:
        message = "a watch sends files as they are saved, before they are committed"
        _refuse(settings, settings.target.name, message, "watch another target; --force does it")


def uncommitted(root: Path, sent: Iterable[Path] = ()) -> list[str]:
    """What of a folder differs from git's last commit, and which of the files are not in git.

    Paths relative to the folder, each with what is wrong. Raises an error where git cannot say.
    """
    top = _git(root, "rev-parse", "--show-toplevel").rstrip("\n")
    changes = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=no", "--", ".")
    found = {f"{top}/{path}": "changed" for path in _changed(changes)}
    # links on the way are followed as git does it, and the file itself is not
    files = [(path.parent.resolve() / path.name).as_posix() for path in sent]
    if files:
        here = f"{root.resolve().as_posix()}/"
        inside = all(file.startswith(here) for file in files)
        listed = _git(
            root if inside else Path(top), "ls-files", "-z", "--full-name", "--recurse-submodules"
        )
        known = {f"{top}/{path}" for path in listed.split("\0")}
        found |= {file: "not in git" for file in files if file not in known}
    base = root.resolve()
    return [f"{shown_path(path, base)} ({what})" for path, what in sorted(found.items())]


class _NoGitError(Exception):
    """git cannot say what is committed."""


def _refuse(settings: Settings, target: str, message: str, hint: str) -> None:
    if settings.text("force"):
        diagnostics.warn(f"target '{target}' is protected, and {message}; sent all the same")
        return
    raise UsageError(f"target '{target}' is protected: {message}", hint=hint)


def _changed(status: str) -> Iterable[str]:
    """The paths in what ``git status --porcelain -z`` prints."""
    parts = iter(status.split("\0"))
    for part in parts:
        if part:
            yield part[3:]
            if part[0] in "RC":
                # the name that it had before
                next(parts, None)


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            env={**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise _NoGitError(
            f"git cannot be run ({error.strerror}), so nobody knows what is sent"
        ) from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[0]
        said = said.removeprefix("fatal: ")
        raise _NoGitError(f"git does not know what is sent from {folder}: {said}")
    return os.fsdecode(done.stdout)
