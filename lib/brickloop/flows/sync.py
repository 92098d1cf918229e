"""Push, pull and two-way sync, pair by pair: look, plan, apply, show. Reads straight down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brickloop.config.sync_file import FILE_NAME, SCHEMA_NAME, Direction, SyncPair, parse_sync_file
from brickloop.display import console, diagnostics
from brickloop.display.plan_view import PlanView
from brickloop.errors import (
    BrickloopError,
    ConnectionFailed,
    HeldBack,
    SettingsError,
    UsageError,
    WorkFailed,
)
from brickloop.flows.sync_session import Listeners, SyncSession, write_schemas
from brickloop.sync.engine import Halted, Synchronizer
from brickloop.sync.plan import PULL, PUSH, SAFE, Mode, Plan
from brickloop.sync.report import Change, SyncReport
from brickloop.sync.versions import Side

_SIDES = {
    Direction.PUSH: frozenset({Side.REMOTE}),
    Direction.PULL: frozenset({Side.LOCAL}),
    Direction.BIDIRECTIONAL: frozenset(Side),
}
PAIR_MODES = {Direction.PUSH: PUSH, Direction.PULL: PULL, Direction.BIDIRECTIONAL: SAFE}


@dataclass(frozen=True)
class SyncWords:
    """What the person at the terminal asked for."""

    direction: Direction
    project: str | None = None
    profile: str | None = None
    dry_run: bool = False
    as_json: bool = False
    force: bool = False
    """Push and pull: undo the other side's changes, and let this side win conflicts."""
    delete: bool = False
    """Push and pull: delete what only the side that is written has."""
    prefer: str | None = None
    """Bidirectional: the side that wins conflicts."""
    accept_deletes: int = 0
    accept_changes: int = 0

    def mode(self) -> Mode:
        """What the sync may do; raises UsageError for words that do not go together."""
        for name, count in (
            ("deletes", self.accept_deletes),
            ("changes", self.accept_changes),
        ):
            if count < 0:
                raise UsageError(f"--accept-{name} is {count}, not a number of {name}")
        if self.direction is Direction.BIDIRECTIONAL:
            if self.force or self.delete:
                raise UsageError(
                    f"{'--force' if self.force else '--delete'} does not say which side is right",
                    hint="sync.push or sync.pull take it; here --prefer local or --prefer remote"
                    " lets a side win conflicts",
                )
            if self.prefer not in {None, "", "local", "remote"}:
                raise UsageError(f"--prefer is '{self.prefer}'", hint="it is local or remote")
            winner = Side(self.prefer) if self.prefer else None
        else:
            winner = Side.LOCAL if self.direction is Direction.PUSH else Side.REMOTE
        return Mode(
            changes=_SIDES[self.direction],
            prefer=winner if self.force or self.prefer else None,
            overrides=self.force,
            removes_extra=self.delete,
            accepted_deletes=self.accept_deletes,
            accepted_changes=self.accept_changes,
        )


@dataclass
class PairResult:
    """How one pair went."""

    pair: SyncPair
    direction: Direction
    report: SyncReport | None = None
    error: BrickloopError | None = None
    halted: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The result in JSON types."""
        return {
            "project": self.pair.name,
            "local": self.pair.local,
            "direction": self.direction.value,
            "halted": list(self.halted),
            "error": str(self.error) if self.error else None,
            **(self.report.as_json() if self.report else {}),
        }


@dataclass
class Outcome:
    """How all pairs went."""

    results: list[PairResult] = field(default_factory=list)

    def error(self) -> BrickloopError | None:
        """What the command ends with, None when all is well."""
        failed = [result for result in self.results if result.error]
        if len(failed) == 1:
            return failed[0].error
        if failed:
            worst = max((result.error for result in failed if result.error), key=_severity)
            names = ", ".join(result.pair.local for result in failed)
            error = type(worst) if type(worst) in {WorkFailed, UsageError} else WorkFailed
            return error(f"{len(failed)} pairs were not synced: {names}", hint=worst.hint)
        counts = {"in conflict": 0, "held back": 0, "failed": 0}
        for result in self.results:
            if result.report is not None:
                counts["in conflict"] += len(result.report.conflicts)
                counts["held back"] += sum(1 for held in result.report.held if held.counts)
                counts["failed"] += len(result.report.failures)
        if not any(counts.values()):
            return None
        text = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        if counts["failed"]:
            return WorkFailed(text, hint="the rest is done; run the command again for these")
        if counts["in conflict"]:
            return HeldBack(text, hint="invoke sync.resolve PATH --keep local|remote|both")
        return HeldBack(text, hint=_held_hint(self.results))


def carry(root: Path, words: SyncWords) -> None:
    """Sync the pairs that the words name and show it.

    Raises what went wrong when all pairs are done: HeldBack for conflicts, changes that were held
    and halts, WorkFailed for files that failed; ConnectionFailed at once.
    """
    mode = words.mode()
    outcome = Outcome()
    with open_session(root, words.profile) as session:
        pairs = _allowed(session, words)
        if words.direction is not Direction.PULL and not words.dry_run:
            session.require_committed(pairs)
        session.open()
        try:
            for pair in pairs:
                outcome.results.append(_carry_pair(session, pair, words, mode))
        finally:
            if words.as_json:
                write_json(outcome, ok=outcome.error() is None and len(outcome.results) > 0)
    error = outcome.error()
    if error is not None:
        raise error


def show_status(root: Path, words: SyncWords) -> None:
    """Show for each pair what a sync in its own direction would do, and what is in conflict."""
    outcome = Outcome()
    with open_session(root, words.profile) as session:
        pairs = session.file.choose(words.project)
        session.open()
        for pair in pairs:
            each = SyncWords(pair.direction, dry_run=True, as_json=words.as_json)
            outcome.results.append(
                _carry_pair(session, pair, each, PAIR_MODES[pair.direction], status=True)
            )
        if words.as_json:
            write_json(outcome, ok=True)
    failed = [result.error for result in outcome.results if result.error and not result.halted]
    if failed:
        raise failed[0]


def _carry_pair(
    session: SyncSession, pair: SyncPair, words: SyncWords, mode: Mode, *, status: bool = False
) -> PairResult:
    result = PairResult(pair, words.direction)
    view = PlanView(pair.name, quiet=words.as_json, dry_run=words.dry_run)
    with opened(session, pair, view) as sync:
        view.begin(pair.local, sync.root, words.direction.value)
        try:
            result.report = sync.run(mode, dry_run=words.dry_run)
        except Halted as error:
            result.error, result.report, result.halted = error, error.report, error.reasons
        except ConnectionFailed:
            raise
        except (WorkFailed, UsageError) as error:
            result.error = error
        finally:
            view.end()
        if result.report is not None and not words.as_json:
            _show(view, result, planned=words.dry_run or bool(result.halted), status=status)
        if result.error is not None and (len(session.file.pairs) > 1 or status):
            diagnostics.report_error(result.error)
    return result


def _show(view: PlanView, result: PairResult, *, planned: bool, status: bool) -> None:
    report = result.report
    assert report is not None
    if planned:
        for change in report.changes:
            show_change(view, change)
    show_leftovers(view, report, every=status or result.direction is not Direction.BIDIRECTIONAL)
    text = _status_line(report) if planned else report.summary()
    view.summary(text if status or not planned else f"not done: {text}")


def show_leftovers(view: PlanView, report: SyncReport, *, every: bool) -> None:
    """Show what was not carried over; with ``every`` also what is on one side only."""
    for hold in report.conflicts:
        view.conflict(hold.name or hold.slot, hold.reason, hold.sidecar)
    for held in report.held:
        if held.counts or every:
            view.held(held.slot, held.reason, counts=held.counts)
    for failure in report.failures:
        view.failure(failure.name or failure.path, failure.reason)


def show_change(view: PlanView, change: Change) -> None:
    """Show one change as a line."""
    view.change(change.arrow, change.path, change.verb, change.note, change.bytes)


def _status_line(report: SyncReport) -> str:
    if report.is_clean and not report.changes:
        return f"in sync: {report.unchanged} files"
    parts = [f"{report.sent} to send", f"{report.received} to receive"]
    if report.conflicts:
        parts.append(f"{len(report.conflicts)} in conflict")
    held = sum(1 for one in report.held if one.counts)
    if held:
        parts.append(f"{held} held back")
    return f"{', '.join(parts)}, {report.unchanged} unchanged"


def write_sync_file(
    root: Path, local: str, workspace: str, direction: str, *, dry_run: bool = False
) -> tuple[Path, dict[str, Any]]:
    """A new ``.databricks_sync.json`` with one pair, and what is in it; ``dry_run`` writes nothing.

    Raises UsageError where there is one.
    """
    path = root / FILE_NAME
    pair = {"local": local, "workspace": workspace, "direction": direction}
    content = {
        "$schema": f"./.brickloop/{SCHEMA_NAME}",
        "sync_pairs": [pair],
        "exclude_patterns": ["**/*.pyc"],
        "sync_on_save": True,
    }
    text = json.dumps(content, indent=4, ensure_ascii=False) + "\n"
    try:
        parse_sync_file(path, text.encode())
    except SettingsError as error:
        raise UsageError(error.message, hint=error.hint) from None
    there = UsageError("there is one already", where=str(path), hint="edit it")
    if dry_run:
        if path.exists():
            raise there
        return path, content
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise there from None
    write_schemas(root / ".brickloop")
    return path, content


def _allowed(session: SyncSession, words: SyncWords) -> tuple[SyncPair, ...]:
    """The pairs whose direction lets the words be done.

    A pair that was named and does not is an error; of all pairs the others are left out.
    """
    pairs = session.file.choose(words.project)
    good = tuple(
        pair for pair in pairs if pair.direction in {words.direction, Direction.BIDIRECTIONAL}
    )
    left = [pair for pair in pairs if pair not in good]
    if left and (words.project or not good):
        raise UsageError(
            f"its direction is {left[0].direction.value},"
            f" so that sync.{words.direction.value} may not touch it",
            where=f"{session.file.path}:{left[0].line}",
            hint=f"invoke sync.{left[0].direction.value}, or change its direction",
        )
    for pair in left:
        diagnostics.note(f"{pair.local}: left out, its direction is {pair.direction.value}")
    return good


@contextmanager
def open_session(root: Path, profile: str | None) -> Iterator[SyncSession]:
    """The project's pairs, closed at the end."""
    session = SyncSession(root, profile=profile or None)
    try:
        yield session
    finally:
        session.close()


@contextmanager
def opened(session: SyncSession, pair: SyncPair, view: PlanView) -> Iterator[Synchronizer]:
    """What syncs a pair, shown in a view, closed at the end."""
    sync = session.synchronizer(pair, listeners(view))
    try:
        yield sync
    finally:
        sync.close()


def listeners(view: PlanView) -> Listeners:
    """The listeners that show a sync in a view."""

    def on_plan(plan: Plan) -> None:
        view.planned(len(plan.changes))

    def on_wait(holder: str) -> None:
        diagnostics.note(f"another sync of this folder is under way ({holder}); waiting for it")

    on_change: Callable[[Change], None] = lambda change: show_change(view, change)  # noqa: E731
    return Listeners(on_change, on_plan, on_wait)


def write_json(outcome: Outcome, *, ok: bool) -> None:
    """Print how all pairs went."""
    console.write(
        json.dumps(
            {"ok": ok, "pairs": [result.as_json() for result in outcome.results]},
            indent=2,
            ensure_ascii=False,
        )
    )


def _severity(error: BrickloopError) -> int:
    return error.exit_code


def _held_hint(results: list[PairResult]) -> str:
    """What to do about held changes, or about what cannot be synced at all."""
    direction = results[0].direction
    reports = [result.report for result in results if result.report]
    reasons = [held.reason for report in reports for held in report.held if held.counts]
    changes = all(
        reason.startswith(("was changed", "was deleted", "was repl")) for reason in reasons
    )
    if direction is Direction.BIDIRECTIONAL or not changes:
        return "mend what the lines above say, or leave it out: exclude_patterns in " + FILE_NAME
    back = "pull" if direction is Direction.PUSH else "push"
    return (
        f"invoke sync.{back} or sync.bidirectional takes the other side's changes;"
        f" sync.{direction.value} --force undoes them (they are kept: sync.history)"
    )
