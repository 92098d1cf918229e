"""doit's own commands where they would show a traceback or leave a wrong name without a hint.

doit takes them from its ``doit.COMMAND`` entry points; for other projects they do what doit's do.
"""

from __future__ import annotations

import difflib
import functools
import re
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
from doit.exceptions import InvalidCommand

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

    def execute(self, params: Any, args: list[str]) -> Any:
        """Do the command; raises InvalidCommand for an unknown task, with what may be meant."""
        try:
            return super().execute(params, args)  # type: ignore[misc]
        except InvalidCommand as error:
            found = _UNKNOWN.fullmatch(str(error)) if error.not_found is None else None
            wrong = found[1] if found else error.not_found
            if wrong is None:
                raise
            names = [task.name for task in self.task_list]
            raise InvalidCommand(not_found_text(wrong, names)) from None


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
