"""What every command has in common: one place where errors become lines and exit codes."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

from invoke import Exit, task

from brickloop.errors import BrickloopError

INTERRUPTED = 130


def command(**options: Any) -> Callable[[Callable[..., None]], Any]:
    """Make an invoke task of a function whose errors a person can read.

    ``options`` are those of ``invoke.task``. A BrickloopError becomes its message and hint on
    stderr and its exit code; Ctrl-C becomes 130; anything else is a fault of brickloop itself and
    is reported as such, with the trace in a file.
    """

    def wrap(function: Callable[..., None]) -> Any:
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
                _quiet_pipe()
                raise Exit(code=0) from None
            except (Exit, SystemExit):
                raise
            except Exception as error:  # noqa: BLE001  the last resort before a traceback
                from pathlib import Path

                from brickloop.config.settings import find_root
                from brickloop.display.fault import report_fault

                report_fault(error, find_root(Path.cwd()))
                raise Exit(code=1) from None

        return task(**options)(guarded)

    return wrap


def _quiet_pipe() -> None:
    """Keep Python from complaining at exit that a closed pipe cannot be flushed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
