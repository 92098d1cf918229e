"""The doctor's look at the project's folder: its files, git, the disk, the local workspace."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from brickloop import launcher
from brickloop.config.sync_file import FILE_NAME
from brickloop.model.finding import Checked, Finding, error, note, warning

_FILES = ("dodo.py", "tasks.py", "pyproject.toml", FILE_NAME)
_STATE = ".brickloop"
_LITTLE = 1024**3
_TOO_LITTLE = 100 * 1024**2
_GIT_SECONDS = 5.0
_ENGINE_SECONDS = 5.0
_ENGINE_PORT = 15002
"""Where Spark Connect listens unless it is told otherwise."""
_OLD_SECONDS = 600.0
_SETTINGS_CODE = 2
_PROCESS = re.compile(r"process (\d+)")


def check_project(root: Path) -> Checked:
    """Which of a project's files are there, and whether Python can read them."""
    there = {name: (root / name).is_file() for name in _FILES}
    findings: list[Finding] = []
    if not there["dodo.py"]:
        findings.append(
            note(
                f"there is no dodo.py in {root}: doit has nothing to do here",
                "brickloop new NAME makes a project; or go to the folder of yours",
            )
        )
    if there["dodo.py"] and not there["tasks.py"]:
        findings.append(
            note("there is no tasks.py: invoke finds no commands", "the brickloop command does")
        )
    for name in ("dodo.py", "tasks.py"):
        if there[name]:
            try:
                compile((root / name).read_bytes(), name, "exec", dont_inherit=True)
            except (SyntaxError, ValueError, OSError) as failure:
                spot = f":{failure.lineno}" if isinstance(failure, SyntaxError) else ""
                what = failure.msg if isinstance(failure, SyntaxError) else str(failure)
                findings.append(
                    error(f"{root / name}{spot}: {what}", "correct it", exit_code=_SETTINGS_CODE)
                )
    return Checked({"files": there}, tuple(findings))


def check_git(root: Path) -> Checked:
    """Whether the project is in git, clean, and keeps ``.brickloop`` out of it."""
    program = shutil.which("git")
    if program is None:
        return Checked({"installed": False}, (note("git is not installed", None),))
    facts: dict[str, Any] = {"installed": True, "version": _git(root, "--version")}
    inside = _git(root, "rev-parse", "--show-toplevel")
    facts["repository"] = inside
    if inside is None:
        return Checked(facts, (note("the project is in no git repository", "git init"),))
    facts["branch"] = _git(root, "branch", "--show-current") or None
    status = _git(root, "status", "--porcelain", "--untracked-files=normal", "--", ".")
    facts["clean"] = None if status is None else not status
    findings = []
    if _git(root, "ls-files", "--", _STATE):
        findings.append(
            warning(
                f"{_STATE} is committed: it holds the local workspace's token, and is no source",
                f"git rm -r --cached {_STATE}, and add {_STATE}/ to .gitignore",
            )
        )
    elif _git(root, "check-ignore", f"{_STATE}/ledger.db") is None:
        findings.append(
            warning(
                f"git does not ignore {_STATE}, which holds the local workspace's token",
                f"add {_STATE}/ and outputs/ to .gitignore",
            )
        )
    return Checked(facts, tuple(findings))


def check_disk(root: Path) -> Checked:
    """Room on the disk, and whether the project's state may be written."""
    state = root / _STATE
    findings: list[Finding] = []
    folder = state if state.is_dir() else root
    writable = os.access(folder, os.W_OK | os.X_OK)
    if state.exists() and not state.is_dir():
        findings.append(
            error(f"{state} is a file, and has to be a folder", f"move it away: mv {state} ...")
        )
    elif not writable:
        findings.append(
            error(
                f"{folder} may not be written: nothing of runs and uploads can be remembered",
                "change its owner or permissions",
            )
        )
    foreign = [] if sys.platform == "win32" else _foreign(state)
    if foreign:
        findings.append(
            warning(
                f"{foreign[0]} belongs to another user (a command was run with sudo?)",
                f"sudo chown -R $(id -u) {state}",
            )
        )
    free = shutil.disk_usage(folder).free
    if free < _TOO_LITTLE:
        findings.append(error(f"the disk of {root} is full: {_size(free)} left", "make room"))
    elif free < _LITTLE:
        findings.append(
            warning(f"the disk of {root} is nearly full: {_size(free)} left", "make room")
        )
    facts = {"state": str(state), "writable": writable, "free_bytes": free}
    return Checked(facts, tuple(findings))


def check_local(root: Path, engine: str | None = None) -> Checked:
    """The local workspace's state; one that does not run is not started.

    ``engine`` is the address of an engine that is not its own: whether that answers.
    """
    found = _check_server(root)
    wrong = _silent_engine(engine) if engine and engine.startswith("sc://") else None
    return Checked(found.facts, (*found.findings, wrong)) if wrong else found


def _silent_engine(address: str) -> Finding | None:
    parts = urlsplit(address)
    try:
        place = (parts.hostname or "", parts.port or _ENGINE_PORT)
        socket.create_connection(place, timeout=_ENGINE_SECONDS).close()
    except (OSError, ValueError) as failure:
        host = parts.netloc.rpartition("@")[2]
        return warning(
            f"the engine of the local workspace, sc://{host}, does not answer: {failure}",
            "start it, or take local.engine out of the settings",
        )
    return None


def _check_server(root: Path) -> Checked:
    folder = root / _STATE / "local"
    record = launcher.read_record(folder)
    server = launcher.find_running(folder)
    facts: dict[str, Any] = {
        "running": server is not None,
        "data": str(folder),
        "supported": sys.platform != "win32",
    }
    if server is None:
        findings: list[Finding] = []
        if record is not None and launcher.is_held(folder / "server.lock"):
            findings.append(
                warning(
                    f"the local workspace (process {record.pid}) does not answer",
                    "invoke local.stop; the next command starts it anew",
                )
            )
        if sys.platform == "win32":
            findings.append(
                note(
                    "the local workspace needs Linux, macOS or WSL", "work in WSL, or set a profile"
                )
            )
        return Checked(facts, tuple(findings))
    facts |= {"host": server.host, "tls_host": server.tls_host or None, "pid": server.pid}
    facts["version"] = record.version if record else None
    installed = importlib.metadata.version("brickloop")
    if record is not None and record.version != installed:
        return Checked(
            facts,
            (
                note(
                    f"the local workspace is of version {record.version}, brickloop of {installed}",
                    "nothing: the next command that needs it starts it anew",
                ),
            ),
        )
    return Checked(facts)


def check_locks(root: Path) -> Checked:
    """The locks that are held in the project now; none outlives its process."""
    state = root / _STATE
    held: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for path in sorted([*state.glob("*/*.lock"), *state.glob("**/lock")]):
        # the server holds its own as long as it runs
        if path.name == "server.lock" or not path.is_file() or not _is_held(path):
            continue
        seconds = max(time.time() - path.stat().st_mtime, 0.0)
        pid = _holder(path)
        name = path.relative_to(state).as_posix()
        held.append({"lock": name, "pid": pid, "seconds": round(seconds, 1)})
        if seconds > _OLD_SECONDS:
            who = f"process {pid}" if pid else "a process"
            findings.append(
                warning(
                    f"{who} has held {name} for {seconds / 60:.0f} minutes",
                    f"see whether it hangs{f': ps -p {pid}' if pid else ''}, and end it then",
                )
            )
    return Checked({"held": held}, tuple(findings))


def _is_held(path: Path) -> bool:
    try:
        return launcher.is_held(path)
    except OSError:
        return False


def _holder(path: Path) -> int | None:
    with contextlib.suppress(OSError):
        found = _PROCESS.match(path.read_text(encoding="utf-8", errors="replace"))
        if found:
            return int(found[1])
    return None


def _foreign(state: Path) -> list[Path]:
    found = []
    for path in (state, state / "ledger.db", state / "local", state / "cache"):
        with contextlib.suppress(OSError):
            if path.stat().st_uid != os.getuid():
                found.append(path)
    return found


def _git(root: Path, *words: str) -> str | None:
    """What git says, None where it fails or takes too long."""
    # no lock of an index that somebody else works with
    env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=root,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_GIT_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    text = done.stdout.decode("utf-8", "replace").strip()
    return text if done.returncode == 0 else None


def _size(count: int) -> str:
    return f"{count / 1024**2:,.0f} MB"
