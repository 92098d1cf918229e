"""``brickloop``: the commands as a program of their own, which needs no tasks.py."""

from __future__ import annotations

import os
import sys

from invoke import Program

import brickloop
from brickloop.tasks.namespace import namespace


def program() -> Program:
    """invoke's program with brickloop's commands, and no others."""
    return Program(
        name="brickloop",
        binary="brickloop",
        binary_names=["brickloop"],
        namespace=namespace(),
        version=brickloop.__version__,
    )


def main() -> None:
    """Run the command that the command line names; ends the process with its exit code.

    Where a shell asks what may come next, it is told that instead.
    """
    shell = os.environ.get("_BRICKLOOP_COMPLETE")
    if shell:
        from brickloop.tasks.completer import answer

        answer(sys.argv[1:], shell)
        return
    program().run()
