"""Single files of a pair: conflicts are settled, earlier versions listed and brought back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from brickloop.config.sync_file import SyncPair
from brickloop.display import console, diagnostics
from brickloop.display.plan_view import PlanView
from brickloop.errors import UsageError, WorkFailed
from brickloop.flows.sync import Outcome, PairResult, open_session, opened, write_json
from brickloop.flows.sync_session import SyncSession
from brickloop.sync.holds import Keep
from brickloop.sync.state import KeptVersion


def resolve(
    root: Path, path: str, keep: str, *, project: str | None, profile: str | None, as_json: bool
) -> None:
    """Settle the conflict at a path."""
    try:
        decision = Keep(keep)
    except ValueError:
        raise UsageError(
            f"--keep is '{keep}'", hint="it is local, remote or both: which version stays"
        ) from None
    with open_session(root, profile) as session:
        pair, below = session.locate(path, project=project)
        if decision is not Keep.REMOTE:
            session.require_committed([pair])
        session.open()
        view = PlanView(pair.name, quiet=as_json)
        with opened(session, pair, view) as sync:
            report = sync.resolve(below, decision)
            result = PairResult(pair, pair.direction, report)
            if as_json:
                write_json(Outcome([result]), ok=not report.failures)
            else:
                for failure in report.failures:
                    view.failure(failure.name or failure.path, failure.reason)
                left = len(report.conflicts)
                diagnostics.note(f"{below}: settled; {left} in conflict still")
            if report.failures:
                raise WorkFailed("it was not settled", where=below)


def show_history(
    root: Path, path: str, *, project: str | None, profile: str | None, as_json: bool
) -> None:
    """Show the kept versions of a file, or of all files of a folder, newest first."""
    with open_session(root, profile) as session:
        kept = [
            version
            for pair, below in _places(session, path, project)
            for version in _history(session, pair, below)
        ]
    if as_json:
        console.write(json.dumps([_version_json(version) for version in kept], indent=2))
        return
    if not kept:
        raise UsageError("no version of it is kept", where=path)
    PlanView.history(
        [(one.number, one.at, one.name, one.event, one.side, one.size, one.sha256) for one in kept]
    )


def restore(
    root: Path,
    path: str,
    number: int | None,
    *,
    project: str | None,
    profile: str | None,
    as_json: bool = False,
) -> None:
    """Put a kept version into its local file again."""
    with open_session(root, profile) as session:
        pair, below = session.locate(path, project=project)
        with opened(session, pair, PlanView(pair.name, quiet=True)) as sync:
            version = sync.restore(below, number)
    if as_json:
        console.write(json.dumps(_version_json(version), indent=2))
        return
    diagnostics.note(
        f"{pair.local}/{version.name} holds version {version.number} again;"
        " the next sync carries it over"
    )


def explain(
    root: Path, path: str, *, project: str | None, profile: str | None, as_json: bool = False
) -> None:
    """Say whether a path takes part in a sync, and why."""
    with open_session(root, profile) as session:
        pair, below = session.locate(path, project=project)
        folder = session.file.folder_of(pair)
        reason = session.selection_of(pair).why(below, is_folder=(folder / below).is_dir())
        if as_json:
            facts = {"project": pair.name, "path": f"{pair.local}/{below}", "why": reason}
            console.write(json.dumps(facts, indent=2, ensure_ascii=False))
        else:
            console.write(f"{pair.local}/{below}: {reason}")


def _places(session: SyncSession, path: str, project: str | None) -> list[tuple[SyncPair, str]]:
    here = (Path.cwd() / path).resolve()
    inside = [
        (pair, "")
        for pair in session.file.choose(project)
        if session.file.folder_of(pair).resolve().is_relative_to(here)
    ]
    return inside or [session.locate(path, project=project)]


def _history(session: SyncSession, pair: SyncPair, below: str) -> list[KeptVersion]:
    sync = session.synchronizer(pair)
    try:
        folder = f"{below}/" if below else ""
        exact = sync.history(below) if below else []
        return exact or [
            version
            for version in sync.state.history()
            if version.name.startswith(folder) or version.slot.startswith(folder)
        ]
    finally:
        sync.close()


def _version_json(version: KeptVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "path": version.name,
        "slot": version.slot,
        "event": version.event,
        "side": version.side,
        "bytes": version.size,
        "at": version.at,
        "sha256": version.sha256,
    }
