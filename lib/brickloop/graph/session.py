"""One use of doit in this process: what was asked for, what went wrong, what is to be remembered.

doit has one exit code for all that goes wrong, we have four; and what it was asked for is not told
to a dodo.py.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brickloop.config.value import Value
from brickloop.flows.interruption import INTERRUPTION

if TYPE_CHECKING:
    from brickloop.flows.graph_job import GraphJob
    from brickloop.graph.notebook_graph import NotebookGraph


@dataclass(frozen=True)
class Choice:
    """Which notebooks are worked on, and what is done again; see ``graph.selection``."""

    select: str = ""
    exclude: str = ""
    force: bool = False
    """Run them even if they are up to date."""
    full_refresh: bool = False
    """Give them the parameter ``full_refresh`` with the value ``true``, too."""
    detach: bool = False
    """Ctrl-C leaves runs to themselves."""
    as_job: bool = False
    """Run them in one go, as tasks of one job that holds the whole graph."""
    job_name: str | None = None
    """That job's name, None for one of its own for each folder and user."""


class _State:
    def __init__(self) -> None:
        self.choice: Choice | None = None
        self.arguments: list[str] | None = None
        self.failures: dict[str, tuple[int, str]] = {}
        self.seconds: dict[str, float] = {}
        self.graphs: list[NotebookGraph] = []
        self.up_to_date = 0
        self.when_done: list[Callable[[], None]] = []
        self.jobs: list[GraphJob] = []
        self.collected: list[NotebookGraph] | None = None


_state = _State()


@contextlib.contextmanager
def of_arguments(arguments: list[str], choice: Choice | None = None) -> Iterator[None]:
    """A use of doit within this process, with these words after `doit`."""
    global _state
    before, _state = _state, _State()
    _state.arguments, _state.choice = arguments, choice
    try:
        yield
    finally:
        _state = before


def add_job(job: GraphJob) -> None:
    """Have a job's run cancelled after Ctrl-C, and noted as over when this use of doit ends."""
    _state.jobs.append(job)


def end_jobs() -> None:
    """This use of doit ends."""
    for job in _state.jobs:
        job.end(interrupted=INTERRUPTION.pressed)
    _state.jobs.clear()


def has_job() -> bool:
    """Whether there is a job already in this use of doit."""
    return bool(_state.jobs)


@contextlib.contextmanager
def collecting() -> Iterator[list[NotebookGraph]]:
    """Within, ``notebook_tasks`` makes no tasks: the list gets the graphs of a dodo.py."""
    global _state
    before, _state = _state, _State()
    found: list[NotebookGraph] = []
    _state.collected = found
    try:
        yield found
    finally:
        _state = before


def choice() -> Choice | None:
    """Which notebooks are worked on, None where nothing was chosen."""
    return _state.choice


def is_collecting() -> bool:
    """Whether graphs are collected, and no tasks are made."""
    return _state.collected is not None


def collects(graph: NotebookGraph) -> bool:
    """Whether graphs are collected; this one is then taken."""
    if _state.collected is None:
        return False
    _state.collected.append(graph)
    return True


def wants_everything(dodo: Mapping[str, Any]) -> bool:
    """Whether a plain run of all tasks was asked for: no other command, and no task by name.

    Only then may tasks that are up to date be left out, and only where nothing else in the dodo.py
    can name them.
    """
    makers = [
        name
        for name, value in dodo.items()
        if (name.startswith("task_") and callable(value)) or hasattr(value, "create_doit_tasks")
    ]
    if len(makers) != 1 or "default_tasks" in dodo.get("DOIT_CONFIG", {}):
        return False
    values, _ = _asked()
    return wants_all_tasks() and not (values or {}).get("always")


def wants_all_tasks() -> bool:
    """Whether all tasks were asked for, and none by name."""
    values, names = _asked()
    return values is not None and not names and not values.get("single")


def wants_again() -> bool:
    """Whether tasks are to be done although they are up to date."""
    values, _ = _asked()
    always = values is not None and bool(values.get("always"))
    return always or (_state.choice is not None and _state.choice.force)


def _asked() -> tuple[dict[str, Any] | None, list[str]]:
    """Options and names of tasks of `doit run`; None where something else was asked for."""
    from doit import cmd_base
    from doit.cmd_run import Run
    from doit.cmdparse import CmdOption, CmdParse, CmdParseError

    words = _state.arguments
    if words is None:
        if not is_doit(sys.argv[0]):
            return None, []
        words = sys.argv[1:]
    # doit takes variables out before it reads the rest
    words = [word for word in words if word.startswith("-") or "=" not in word]
    words = words[1:] if words[:1] == ["run"] else words
    options = (*cmd_base.DoitCmdBase.base_options, *Run.cmd_options)
    parser = CmdParse([CmdOption(one) for one in (*options, *cmd_base.DodoTaskLoader.cmd_options)])
    try:
        values, names = parser.parse_only(list(words))
    except CmdParseError:
        return None, []
    return values, list(names)


def target_variable() -> Value | None:
    """The target that ``doit target=NAME`` names, None where it names none."""
    # not imported where doit is not in use
    doit = sys.modules.get("doit.doit_cmd")
    named = doit.get_var("target") if doit is not None else None
    return Value(named, f"doit target={named}") if named else None


def runs_one_by_one() -> bool:
    """Whether one notebook is worked on after the other."""
    values, _ = _asked()
    return not _state.jobs and not int((values or {}).get("num_process") or 0)


def is_doit(program: str) -> bool:
    """Whether a program's path is that of doit, or of ``python -m doit``."""
    from pathlib import PurePath

    path = PurePath(program)
    return path.stem == "doit" or (path.name == "__main__.py" and path.parent.name == "doit")


def register(graph: NotebookGraph) -> None:
    """Tasks have been made of this graph."""
    _state.graphs.append(graph)


def upstream() -> dict[str, tuple[str, ...]]:
    """For each notebook of the graphs, in their order, those that come before it."""
    return {name: before for graph in _state.graphs for name, before in graph.upstream.items()}


def place_of(notebook: str, *, failed: bool) -> tuple[str, int]:
    """A notebook's file below the project's folder and, if it failed, the line; 0 if unknown."""
    for graph in _state.graphs:
        if notebook in graph.upstream:
            return graph.place_of(notebook, failed=failed)
    return "", 0


def record_failure(task: str, code: int, message: str) -> None:
    """Remember that a task's failure was shown, and the exit code that it asks for."""
    _state.failures[task] = code, message


def record_seconds(task: str, seconds: float) -> None:
    """Remember how long a task took that was not at work all the time since it was begun."""
    _state.seconds[task] = seconds


def seconds_of(task: str) -> float | None:
    """How long a task took, None where that is the time since it was begun."""
    return _state.seconds.get(task)


def message_of(task: str) -> str:
    """What was said of a task's failure; empty where nothing was."""
    return _state.failures.get(task, (0, ""))[1]


def was_shown(task: str) -> bool:
    """Whether the failure of a task was shown where it happened."""
    return task in _state.failures


def exit_code() -> int:
    """The highest exit code that a failure asked for, 0 where there was none."""
    return max((code for code, _ in _state.failures.values()), default=0)


def note_up_to_date(count: int) -> None:
    """Remember that so many notebooks have no task because they are up to date."""
    _state.up_to_date += count


def up_to_date() -> int:
    """The number of notebooks that were left out because they are up to date."""
    return _state.up_to_date


def remember_when_done(action: Callable[[], None]) -> None:
    """Have something done once all tasks have succeeded or were up to date."""
    _state.when_done.append(action)


def all_done() -> None:
    """All tasks have succeeded or were up to date."""
    for action in _state.when_done:
        action()
    _state.when_done.clear()
