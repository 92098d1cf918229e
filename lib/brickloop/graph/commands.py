"""doit's own commands where they would show a traceback or leave a wrong name without a hint.

doit takes them from its ``doit.COMMAND`` entry points; for other projects they do what doit's do.
"""

from __future__ import annotations

import difflib
import functools
import re
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doit import (
    cmd_base,
    cmd_clean,
    cmd_dumpdb,
    cmd_forget,
    cmd_ignore,
    cmd_info,
    cmd_list,
    cmd_resetdep,
    cmd_run,
)
from doit.cmd_base import check_tasks_exist
from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidCommand, InvalidDodoFile, InvalidTask

from brickloop.graph import session
from brickloop.graph.memory import ASSUME

_UNKNOWN = re.compile(r"'(.*)' is not a task\.")
_COMMANDS = ("clean", "forget", "help", "ignore", "info", "list", "reset-dep", "run")
_CLOSE = 0.6
_MOST = 3
_FOLLOWED_AT_ONCE = 32
"""As many tasks of a job's run."""


class _Suggesting:
    """A command that says which task may be meant by a name that is none."""

    task_list: Any = ()
    sel_tasks: Any
    cmdparser: Any

    def parse_execute(self, in_args: list[str]) -> Any:
        """Do the command that these words ask for; raises InvalidCommand for wrong options."""
        try:
            return super().parse_execute(in_args)  # type: ignore[misc]
        except CmdParseError as error:
            options = {
                one.name: f"--{one.long}" if one.long else f"-{one.short}"
                for one in self.cmdparser.options
                if one.long or one.short
            }
            raise InvalidCommand(wrong_option_text(str(error), options)) from None

    def execute(self, params: Any, args: list[str]) -> Any:
        """Do the command.

        Raises InvalidCommand for an unknown task, with what may be meant, and for a dodo.py that
        cannot be run, with its line.
        """
        try:
            return super().execute(params, args)  # type: ignore[misc]
        except (CmdParseError, InvalidDodoFile, InvalidTask):
            raise
        except InvalidCommand as error:
            found = _UNKNOWN.fullmatch(str(error)) if error.not_found is None else None
            wrong = found[1] if found else error.not_found
            if wrong is None:
                raise
            names = [task.name for task in self.task_list]
            raise InvalidCommand(not_found_text(wrong, names)) from None
        except Exception as error:
            said = broken_dodo_text(error, Path(params.get("dodoFile") or "dodo.py").name)
            if said is None:
                raise
            raise InvalidCommand(said) from None


class Run(_Suggesting, cmd_run.Run):  # type: ignore[misc]
    """``doit run``, and plain ``doit``."""

    def execute(self, params: Any, args: list[str]) -> Any:
        """Do the command; the run of a job that it started ends with it, or is left."""
        try:
            return super().execute(params, args)
        finally:
            session.end_jobs()

    # doit asks the signature which options there are
    @functools.wraps(cmd_run.Run._execute)
    def _execute(self, *args: Any, **options: Any) -> Any:
        if session.has_job():
            # it goes on by itself, and so do those of its tasks that need nothing that failed
            options["continue_"] = True
            options["num_process"] = max(int(options.get("num_process") or 0), _FOLLOWED_AT_ONCE)
            options["par_type"] = "thread"
        return super()._execute(*args, **options)


class Clean(_Suggesting, cmd_clean.Clean):  # type: ignore[misc]
    """``doit clean``."""


class List(_Suggesting, cmd_list.List):  # type: ignore[misc]
    """``doit list``."""


class Ignore(_Suggesting, cmd_ignore.Ignore):  # type: ignore[misc]
    """``doit ignore``."""


class ResetDep(_Suggesting, cmd_resetdep.ResetDep):  # type: ignore[misc]
    """``doit reset-dep``: takes notebooks for done as they are, where their output is here."""

    def _execute(self, pos_args: list[str] | None = None) -> None:
        tasks = {task.name: task for task in self.task_list}
        check_tasks_exist(tasks, pos_args)
        chosen: dict[str, Any] = {}
        for name in pos_args or tasks:
            inner = cmd_base.subtasks_iter(tasks, tasks[name])
            chosen |= {task.name: task for task in (tasks[name], *inner)}
        # doit keeps what was known of a task: for ours that says what it was done with
        foreign = []
        for name, task in chosen.items():
            if ASSUME in (task.meta or {}):
                self._assume_done(task)
            elif not task.has_subtask:
                foreign.append(name)
        if foreign:
            super()._execute(foreign)
        else:
            self.dep_manager.close()

    def _assume_done(self, task: Any) -> None:
        known, found = self.dep_manager.get_values(task.name), task.meta[ASSUME]()
        if isinstance(found, str):
            self.outstream.write(f"failed {task.name} ({found})\n")
        elif known and known == {**known, **found}:
            self.outstream.write(f"skip {task.name}\n")
        else:
            task.values = {**known, **found}
            self.dep_manager.save_success(task)
            self.outstream.write(f"processed {task.name}\n")


class Info(_Suggesting, cmd_info.Info):  # type: ignore[misc]
    """``doit info``."""

    def _execute(self, pos_args: list[str], hide_status: bool = False) -> Any:
        # doit looks an unknown name up without asking whether it is there
        check_tasks_exist({task.name for task in self.task_list}, pos_args)
        return super()._execute(pos_args, hide_status)


class DumpDB(cmd_dumpdb.DumpDB):  # type: ignore[misc]
    """``doit dumpdb``."""

    def execute(self, params: Any, args: list[str]) -> Any:
        """Show a database of doit's own; raises InvalidCommand where there is none."""
        path = Path(params["dep_file"])
        # dbm adds an ending of its own to the name
        if not any(path.parent.glob(f"{path.name}*")):
            raise InvalidCommand(
                f"there is no database of doit's own at {path}\n"
                "  brickloop's tasks are in the ledger: doit info TASK, or invoke why NOTEBOOK"
            )
        return super().execute(params, args)


class Forget(_Suggesting, cmd_forget.Forget):  # type: ignore[misc]
    """``doit forget``."""

    def _execute(self, forget_sub: bool, forget_disable_default: bool, forget_all: bool) -> Any:
        if self.sel_tasks is None:
            # without default tasks all are default ones; doit takes None for their list
            self.sel_tasks = [task.name for task in self.task_list if task.subtask_of is None]
        return super()._execute(forget_sub, forget_disable_default, forget_all)


def broken_dodo_text(error: Exception, dodo: str) -> str | None:
    """What is said of an error that a dodo.py raised when it was run; None for any other one."""
    spots = [
        (Path(frame.filename), frame.lineno or 0)
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError) and error.filename:
        spots.append((Path(error.filename), error.lineno or 0))
        said = error.msg
    own = [place for place, (path, _) in enumerate(spots) if path.name == dodo]
    if not own:
        return None
    path, line = spots[own[-1]]
    deeper = "" if own[-1] == len(spots) - 1 else f" (in {spots[-1][0]}:{spots[-1][1]})"
    return f"{path}:{line}: {said}{deeper}\n  correct the line and try again"


def wrong_option_text(said: str, options: Mapping[str, str]) -> str:
    """What is said of an option that doit does not take; ``options`` are its flags, by name."""
    said = said.removeprefix("Error parsing Command: ")
    unknown = re.match(r"option (\S+) not recognized", said)
    if unknown:
        long = [flag for flag in options.values() if flag.startswith("--")]
        close = difflib.get_close_matches(unknown[1], long, _MOST, _CLOSE)
        hint = f"did you mean: {', '.join(close)}?" if close else "doit help run shows all"
        return f"there is no option {unknown[1]}\n  {hint}"
    lacking = re.match(r"option (\S+) requires argument", said)
    if lacking:
        return f"{lacking[1]} needs a value"
    number = re.match(r"Error parsing parameter '(\w+)'.*invalid literal.*: '(.*)'", said, re.S)
    if number:
        return f"{options.get(number[1], number[1])} is '{number[2]}', not a whole number"
    choice = re.match(r"Error parsing parameter '(\w+)'\. Provided '(.*)' but .*?: (.*)\.", said)
    if choice:
        flag = options.get(choice[1], choice[1])
        return f"{flag} is '{choice[2]}'\n  it is one of: {choice[3].replace(chr(39), '')}"
    return said.split(" (parsing options:", 1)[0]


def not_found_text(wrong: str, names: list[str]) -> str:
    """What is said of a name that is neither task nor command; the nearest ones are named."""
    # a notebook's own name, without what is to be done with it
    meant = sorted(
        (name for name in names if name.partition(":")[2] == wrong), key=lambda one: one[0] != "r"
    )
    known = [*names, *_COMMANDS]
    close = list(dict.fromkeys([*meant, *difflib.get_close_matches(wrong, known, _MOST, _CLOSE)]))
    hint = (
        f"did you mean: {', '.join(close[:_MOST])}?" if close else "doit list --all shows the tasks"
    )
    return f"there is no task '{wrong}'\n  {hint}"
