"""What holds for every command: help, an example that parses, the same flags, --json, --dry-run."""

from __future__ import annotations

import inspect
import re
import shlex

import pytest
from invoke import Program

from brickloop.tasks import namespace
from brickloop.tasks.command import CHANGES
from brickloop.tasks.description import commands_of, describe_command
from brickloop.tasks.parsing import example_of

COMMANDS = dict(commands_of(namespace()))
FACTS = {name: describe_command(name, task) for name, task in COMMANDS.items()}

NO_JSON = {
    "completion": "prints a program for a shell",
    "dev.watch": "shows runs to a person until Ctrl-C; dev.run --json is for programs",
}
"""Commands without --json, each with the reason."""

NO_DRY_RUN = {
    "run": "invoke dev.deploy --dry-run lists what would be sent; a run is what was asked for",
    "dev.run": "invoke dev.deploy --dry-run lists what would be sent; a run is what was asked for",
    "dev.watch": "does nothing before a save, and invoke plan says what one would lead to",
    "query": "what a statement changes only the warehouse knows; EXPLAIN asks it",
    "report": "writes one page that is made anew each time; --json writes none",
    "local.start": "starts a process and changes nothing else",
    "local.stop": "ends a process; its data stays",
    "local.env": "starts a process and changes nothing else",
    "sync.watch": "sync.status lists what it would carry",
    "sync.restore": "one named file, of which the present version is kept; sync.history lists all",
    "sync.resolve": "one named conflict, of which both versions are kept; sync.status shows it",
}
"""Commands that change something and have no --dry-run, each with the reason."""

ONE_NAME = {
    "as_json": "json",
    "output_json": "json",
    "dryrun": "dry_run",
    "dry": "dry_run",
    "what_if": "dry_run",
    "overwrite": "force",
    "max": "limit",
    "count": "limit",
    "max_rows": "limit",
    "env": "target",
    "environment": "target",
    "config_profile": "profile",
    "verbose_json": "json",
}
"""Names that a flag must not have, each with the one that it has everywhere."""

KINDS = {"json": "boolean", "dry_run": "boolean", "force": "boolean", "yes": "boolean"}


@pytest.fixture
def parsed(tmp_path, monkeypatch):
    """What invoke makes of a command line."""
    monkeypatch.chdir(tmp_path)
    # invoke switches compiled bytecode off
    monkeypatch.setattr("sys.dont_write_bytecode", True)

    def parse(words):
        program = Program(namespace=namespace(), binary="invoke")
        program.create_config()
        program.parse_core(["invoke", *words])
        program.parse_collection()
        program.parse_tasks()
        return program.tasks

    return parse


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does_and_shows_an_example_that_parses(name, parsed):
    text = inspect.getdoc(COMMANDS[name]) or ""
    summary = FACTS[name]["summary"]
    assert re.match(r"[A-Z].*[.]$", summary), f"{name}: {summary!r}"
    assert len(summary) <= 120
    assert "Example:" not in summary, "invoke --list would show it"
    line = example_of(text)
    assert line, f"{name} has no line 'Example: invoke {name} ...'"
    inner = re.fullmatch(r'eval "\$\((.*)\)"', line)
    words = shlex.split(inner[1] if inner else line, comments=True)
    assert words[0] in {"invoke", "brickloop"}
    assert words[1] == name
    assert [task.name for task in parsed(words[1:])] == [name]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_has_help_and_the_one_name_for_what_it_is(name):
    for argument in FACTS[name]["arguments"]:
        what = f"{name} {argument['flags'][0]}"
        assert argument["help"], f"{what} has no help"
        assert len(argument["help"]) <= 120, what
        assert argument["name"] not in ONE_NAME, f"{what}: {ONE_NAME.get(argument['name'])}"
        kind = KINDS.get(argument["name"])
        assert kind in {None, argument["type"]}, f"{what} is no {kind}"
        assert "_" not in "".join(argument["flags"]), what


@pytest.mark.parametrize("flag", ["profile", "target", "dry_run"])
def test_a_flag_that_many_commands_have_says_nearly_the_same_everywhere(flag):
    helps = {
        argument["help"]
        for facts in FACTS.values()
        for argument in facts["arguments"]
        if argument["name"] == flag
    }
    if flag == "dry_run":
        assert all(re.search(r"\b(no|none|nothing|show|list|say)\b", text) for text in helps)
    else:
        assert len(helps) == 1, helps


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_json_or_says_why_not(name):
    assert FACTS[name]["json"] is (name not in NO_JSON), name


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_changes_something_takes_dry_run_or_says_why_not(name):
    facts = FACTS[name]
    if facts["dry_run"]:
        assert facts["changes"], f"{name} takes --dry-run: @command(changes=...) says what of"
        assert name not in NO_DRY_RUN
    elif facts["changes"]:
        assert name in NO_DRY_RUN, f"{name} changes {facts['changes']}"


def test_no_exemption_is_left_behind():
    assert set(NO_JSON) <= set(COMMANDS)
    assert set(NO_DRY_RUN) <= set(COMMANDS)


def test_every_command_is_made_by_the_decorator():
    bare = [name for name, task in COMMANDS.items() if not hasattr(task, CHANGES)]
    assert bare == []


def test_a_command_that_may_ask_can_be_told_not_to():
    asking = {name for name, facts in FACTS.items() if "yes" in _names(facts)}
    assert asking == {"clean", "local.reset"}, "see test_nobody_is_asked_without_a_terminal"


def _names(facts):
    return {argument["name"] for argument in facts["arguments"]}
