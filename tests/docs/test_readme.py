"""Every everyday command of the README runs, in a copy of the example project."""

from __future__ import annotations

import re
import shlex

import pytest
from docs.make.pages import read
from tests.acceptance.conftest import type_command
from tests.docs.page_session import PageSession

from brickloop import launcher

_ENDLESS = ("invoke dev.watch", "invoke sync.watch")


def commands() -> list[str]:
    """The commands of the README's table, the short forms written out."""
    table = re.findall(r"^\| (`.+?) \|", read("README.md"), re.M)
    found = [command for cell in table for command in re.findall(r"`([^`]+)`", cell)]
    return [c if c.startswith(("doit", "invoke", "eval")) else f"invoke {c}" for c in found]


@pytest.fixture
def example(tmp_path):
    PageSession(tmp_path).lay_out()
    yield tmp_path
    launcher.stop(tmp_path / ".brickloop" / "local")


def test_the_table_has_the_main_commands():
    assert {"doit", "doit list --all", "invoke doctor", "invoke local.start"} <= set(commands())


def test_every_command_of_the_table_runs(example):
    for command in commands():
        if command.startswith(_ENDLESS):
            continue  # tests of their own run and end them
        inner = re.fullmatch(r'eval "\$\((.+)\)"', command)
        result = type_command(example, *shlex.split(inner.group(1) if inner else command))
        assert result.returncode == 0, (command, result.stdout, result.stderr)
