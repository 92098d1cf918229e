"""``brickloop``: the commands as a program of their own, which needs no tasks.py."""

from __future__ import annotations

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
    """Run the command that the command line names; ends the process with its exit code."""
    program().run()
