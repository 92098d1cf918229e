"""What every command has in common: one place where errors become lines and exit codes."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from invoke import Exit, task

from brickloop.errors import BrickloopError
from brickloop.tasks.words import CommandTask
from brickloop.tasks.workspace_flags import Workspace, taking_flags

INTERRUPTED = 130
CHANGES = "brickloop_changes"
"""The attribute of a command that says what it changes; empty for one that changes nothing."""


def command(
    *, workspace: Workspace | None = None, changes: str | None = None, **options: Any
) -> Callable[[Callable[..., None]], Any]:
    """Make an invoke task of a function whose errors a person can read.

    ``options`` are those of ``invoke.task``. With ``workspace`` it takes ``--target`` and
    ``--profile`` too, and ``--force`` where it ``sends``; see ``workspace_flags``. ``changes`` says
    what it changes where that is not the workspace of a command that ``sends``.

    A BrickloopError, and an error of the SDK, the network, a database or a file, becomes a message
    with a hint on stderr and an exit code; Ctrl-C becomes 130; a reader that goes away ends the
    command quietly. Anything else is a fault of brickloop itself and is reported as such, with the
    trace in a file.
    """

    def wrap(function: Callable[..., None]) -> Any:
        if workspace is not None:
            function, options["help"] = taking_flags(function, workspace, options.get("help", {}))

        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> None:
            try:
                function(*args, **kwargs)
            except BrickloopError as error:
                from brickloop.display.diagnostics import report_error

                report_error(error)
                raise Exit(code=error.exit_code) from None
            except KeyboardInterrupt:
                raise Exit("interrupted", code=INTERRUPTED) from None
            except BrokenPipeError:
                quiet_pipe()
                raise Exit(code=0) from None
            except (Exit, SystemExit):
                raise
            except Exception as error:  # noqa: BLE001  the last resort before a traceback
                from brickloop.display.fault import report_failure

                code, _ = report_failure(error, _root())
                raise Exit(code=code) from None

        made = task(**{"klass": CommandTask, **options})(guarded)
        what = "the workspace" if workspace == "sends" else ""
        setattr(made, CHANGES, what if changes is None else changes)
        return made

    return wrap


def quiet_pipe() -> None:
    """Keep Python from complaining at exit that a closed pipe cannot be flushed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _root() -> Path:
    """The project's folder; the one that we were started in may be gone."""
    from brickloop.config.settings import find_root

    try:
        return find_root(Path.cwd())
    except OSError:
        return Path.home()
