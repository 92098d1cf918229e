"""``invoke run``, ``invoke runs``, ``invoke output``: job runs with their output on the screen."""

from __future__ import annotations

import json as json_text
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.errors import OutputMissing, UsageError
from brickloop.model.file_names import is_device
from brickloop.tasks.command import command

if TYPE_CHECKING:
    from brickloop.config.settings import Settings
    from brickloop.flows.job_runner import JobRunner
    from brickloop.flows.run import Runs
    from brickloop.model.run import RunResult, RunStatus

_MOST_RUNS = 1000
_NAME_LENGTH = 100


@command(
    workspace="sends",
    help={
        "notebook": "path of the notebook; also a Python file, SQL file or wheel",
        "parameter": "key=value, may be given several times",
        "parameters": "parameters as one JSON object",
        "argument": "of a Python file or wheel, may be given several times",
        "profile": "profile of .databrickscfg; 'local' is the local workspace",
        "compute": "'serverless', 'cluster:' and an id or name, or a job cluster's JSON (or @file)",
        "job_name": "run it as a named job, which is made once",
        "entry_point": "of a wheel: what is called",
        "library": "a wheel's remote path or a requirement, may be given several times",
        "timeout": "seconds after which the workspace ends the run",
        "retries": "how often a failed run is tried again",
        "json": "print the result as JSON, and nothing else, on stdout",
        "no_wait": "return as soon as the run is asked for",
        "detach": "let Ctrl-C leave the run instead of cancelling it",
        "fresh": "start anew, also where the same run is still going on",
    },
    positional=["notebook"],
    iterable=["parameter", "argument", "library"],
)
def run(
    _context: Any,
    notebook: str,
    parameter: Sequence[str],
    argument: Sequence[str],
    library: Sequence[str],
    parameters: str = "",
    profile: str = "",
    compute: str = "",
    job_name: str = "",
    entry_point: str = "",
    timeout: str = "",
    retries: str = "0",
    json: bool = False,
    no_wait: bool = False,
    detach: bool = False,
    fresh: bool = False,
) -> None:
    """Upload a notebook with what it reaches, run it, and show its output as it comes.

    It always runs, changed or not; one that the same command started before, and that still goes
    on, is taken up again. Ctrl-C cancels the run.

    Example: invoke run projects/nyc_flights/02_clean.py -p month=1
    """
    from brickloop.flows.job_runner import RunOptions
    from brickloop.flows.run import failure_of

    options = RunOptions(
        job_name=job_name or None,
        parameters=read_parameters(parameter, parameters),
        arguments=tuple(argument),
        compute=compute or None,
        timeout=_number(timeout, "--timeout") if timeout else None,
        retries=_whole(retries, "--retries", 0, 1000),
        libraries=tuple(library),
        wait=not no_wait,
        detach=detach,
        fresh=fresh,
        show=not json,
    )
    runner, _ = _runner(profile, compute)
    try:
        result = runner.run_file(Path(notebook), options, entry_point=entry_point)
    finally:
        runner.close()
    assert result.run is not None
    if json:
        write_json(result.run, Path(notebook).stem)
    if not no_wait and not result.success:
        raise failure_of(result.run, notebook)


@command(
    workspace="reads",
    help={
        "limit": "how many, newest first",
        "active": "only those that go on",
        "job": "only those of the job with this id",
        "profile": "profile of .databrickscfg; 'local' is the local workspace",
        "json": "print JSON",
    },
)
def runs(
    _context: Any,
    limit: str = "20",
    active: bool = False,
    job: str = "",
    profile: str = "",
    json: bool = False,
) -> None:
    """Show the latest runs that the workspace lets you see, yours and those of others.

    Example: invoke runs --limit 5
    """
    from brickloop.display import console, diagnostics
    from brickloop.display.table import show_table
    from brickloop.flows.run_events import status_json
    from brickloop.jobs.status import recent_runs

    count = _whole(limit, "--limit", 1, _MOST_RUNS)
    job_id = _whole(job, "--job", 1, 2**63 - 1) if job else None
    runner, _ = _runner(profile)
    opened = runner.runs().opened
    found = recent_runs(opened.client, opened.host, count, active_only=active, job_id=job_id)
    runner.close()
    if json:
        console.write(json_text.dumps([status_json(status) for status in found], indent=2))
    elif found:
        columns = [(name, "") for name in ("run", "name", "state", "started", "took", "by", "link")]
        show_table(columns, [_row(status) for status in found])
    else:
        diagnostics.note("there are no runs" + (" that go on" if active else ""))


@command(
    workspace="reads",
    help={
        "run_id": "as 'invoke runs' and the run's page show it, or 'latest'",
        "profile": "profile of .databrickscfg; 'local' is the local workspace",
        "json": "print the result as JSON, and nothing else, on stdout",
        "no_wait": "show what there is, also of a run that goes on",
        "save": "save it below the outputs folder too",
        "exit_code": "end with 1 or 4 where the run did not succeed",
    },
    positional=["run_id"],
)
def output(
    _context: Any,
    run_id: str,
    profile: str = "",
    json: bool = False,
    no_wait: bool = False,
    save: bool = False,
    exit_code: bool = False,
) -> None:
    """Show a run's output again: also of one that was started by hand in Databricks.

    A run that goes on is followed to its end; Ctrl-C leaves it as it is.

    Example: invoke output 1042
    """
    from brickloop.display import diagnostics
    from brickloop.flows.run import failure_of
    from brickloop.flows.show_run import name_of, show_run

    number = 0 if run_id == "latest" else _whole(run_id, "the run id", 1, 2**63 - 1)
    runner, settings = _runner(profile)
    try:
        known = runner.runs()
        number = number or _latest(known)
        result = show_run(known, settings, number, wait=not no_wait, show=not json)
        name = name_of(result.status)
        if save:
            saved = known.save(result, _file_name(name))
            diagnostics.note(f"saved {', '.join(saved)}")
    finally:
        runner.close()
    if json:
        write_json(result, name)
    ended = result.status.life_cycle.is_final
    if exit_code and ended and not result.status.succeeded:
        raise failure_of(result, name)


def read_parameters(pairs: Sequence[str], text: str) -> dict[str, str]:
    """The parameters that flags give; raises UsageError for what is no pair and no JSON object."""
    found: dict[str, str] = {}
    if text:
        try:
            values = json_text.loads(text)
        except ValueError as error:
            raise UsageError(
                f"--parameters is not JSON: {error}",
                hint="""write it like this: --parameters '{"key": "value"}'""",
            ) from None
        if not isinstance(values, dict):
            raise UsageError(
                "--parameters is no JSON object", hint='write it like {"key": "value"}'
            )
        found = {
            key: value if isinstance(value, str) else json_text.dumps(value)
            for key, value in values.items()
        }
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"'{pair}' is no parameter", hint="write it as key=value")
        found[key] = value
    return found


def _runner(profile: str, compute: str = "") -> tuple[JobRunner, Settings]:
    from brickloop.config.settings import find_root, load_settings
    from brickloop.flows.job_runner import JobRunner

    settings = load_settings(
        find_root(Path.cwd()),
        overrides={"profile": profile or None, "compute": compute or None},
    )
    return JobRunner(settings), settings


def _file_name(name: str) -> str:
    """A run's name as one of a file: it may be somebody else's, and hold anything."""
    found = re.sub(r"[^\w .-]+", "_", name)[:_NAME_LENGTH].strip(" .") or "run"
    return f"_{found}" if is_device(found) else found


def _latest(known: Runs) -> int:
    from brickloop.jobs.status import recent_runs

    found = recent_runs(known.opened.client, known.opened.host, 1)
    if not found:
        raise OutputMissing(
            "there are no runs yet", where=known.opened.host, hint="invoke run NOTEBOOK makes one"
        )
    return found[0].run_id


def _row(status: RunStatus) -> list[Any]:
    from brickloop.model.text import write_duration

    ended = status.ended_ms or int(time.time() * 1000)
    begun = time.localtime(status.started_ms / 1000)
    return [
        str(status.run_id),
        status.name,
        status.state,
        time.strftime("%Y-%m-%d %H:%M:%S", begun) if status.started_ms else "",
        write_duration(max(ended - status.started_ms, 0)) if status.started_ms else "",
        status.creator,
        status.page_url,
    ]


def write_json(result: RunResult, name: str) -> None:
    """Print a run's result as JSON."""
    from brickloop.display import console
    from brickloop.report.saved import as_json

    console.write(json_text.dumps(as_json(result, name), indent=2, ensure_ascii=False))


def _number(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise UsageError(f"{what} is '{text}', not a number of seconds above 0")
    return number


def _whole(text: str, what: str, least: int, most: int) -> int:
    if not text.strip().isascii() or not text.strip().isdecimal():
        raise UsageError(f"{what} is '{text}', not a whole number")
    if not least <= int(text) <= most:
        raise UsageError(f"{what} is {text}; it must be from {least} to {most}")
    return int(text)
