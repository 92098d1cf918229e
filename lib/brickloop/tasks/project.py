"""The commands about the project and the tool: doctor, info, version."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import Any

from invoke import Exit

from brickloop.errors import UsageError
from brickloop.tasks.command import command


@command(
    workspace="reads",
    help={
        "json": "print one JSON document",
        "offline": "ask no workspace",
        "seconds": "how long all checks together may take",
    },
)
def doctor(_context: Any, json: bool = False, offline: bool = False, seconds: str = "25") -> None:
    """Show every setting with its source, the workspace that is meant and why, and what is wrong.

    Nothing is changed and nothing is started. Ends with 0 where no error was found, 2 where
    settings are wrong, 3 where the workspace is out of reach, 1 for any other error.

    Example: invoke doctor --offline
    """
    from brickloop.config.settings import find_root
    from brickloop.display import console
    from brickloop.display.doctor_view import show_diagnosis
    from brickloop.display.screen import SCREEN
    from brickloop.flows.doctor import examine
    from brickloop.model.query import parse_duration

    limit = parse_duration(seconds, "--seconds")
    if not limit:
        raise UsageError("--seconds is 0", hint="give the checks some time, such as 25")
    diagnosis = examine(
        find_root(Path.cwd()),
        offline=offline,
        seconds=limit,
        on_wait=lambda names: SCREEN.tell("doctor", f"waiting for {', '.join(names)}", 0.0),
    )
    SCREEN.forget("doctor")
    if json:
        console.write(dumps(diagnosis.as_json(), indent=2))
    else:
        show_diagnosis(diagnosis)
    if diagnosis.exit_code:
        raise Exit(code=diagnosis.exit_code)


@command(help={"json": "print JSON"})
def version(_context: Any, json: bool = False) -> None:
    """Show brickloop's version, with Python's and the local engine's.

    Example: invoke version
    """
    from brickloop.display import console
    from brickloop.flows.version import version_facts

    facts = version_facts()
    if json:
        console.write(dumps(facts, indent=2))
        return
    for name, value in facts.items():
        console.write(f"{name:<14} {value or 'not installed'}")


@command(help={"json": "print one JSON document, of which the schema is published"})
def info(_context: Any, json: bool = False) -> None:
    """Describe the whole tool: commands, settings, variables, files, notebooks, exit codes.

    No workspace is asked. With --json it is for editors and agents: every command with every
    argument, its help, its example, and whether it changes something.

    Example: invoke info --json
    """
    from brickloop.config.settings import find_root
    from brickloop.display import console
    from brickloop.display.info_view import show_info
    from brickloop.tasks.description import describe

    facts = describe(find_root(Path.cwd()))
    if json:
        console.write(dumps(facts, indent=2, ensure_ascii=False))
    else:
        show_info(facts)
