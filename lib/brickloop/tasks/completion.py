"""``invoke completion``: the lines that let a shell complete commands, flags and their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brickloop.errors import UsageError
from brickloop.tasks.command import command

SHELLS = ("bash", "zsh", "fish")


@command(help={"shell": "bash, zsh or fish"}, positional=["shell"])
def completion(_context: Any, shell: str) -> None:
    """Print what makes a shell complete invoke, brickloop and doit, for its start-up file.

    For bash: eval "$(invoke completion bash)" in ~/.bashrc; for zsh the same with zsh in ~/.zshrc;
    for fish: invoke completion fish > ~/.config/fish/conf.d/brickloop.fish

    Example: invoke completion bash
    """
    from brickloop.display import console

    console.write(script_of(shell))


def script_of(shell: str) -> str:
    """What a shell reads; raises UsageError for one that is not known."""
    if shell not in SHELLS:
        raise UsageError(f"'{shell}' is no shell that is known", hint="bash, zsh or fish")
    path = Path(__file__).with_name(f"completion.{shell}")
    return path.read_text(encoding="utf-8").rstrip("\n")
