"""Every everyday command of the README runs, in a copy of the example project."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from tests.acceptance.conftest import type_command

from brickloop import launcher

ROOT = Path(__file__).resolve().parents[2]
_ENDLESS = "invoke dev.watch"


def commands() -> list[str]:
    """The commands of the README's table, the short forms written out."""
    table = re.findall(r"^\| (`.+?) \|", (ROOT / "README.md").read_text(), re.M)
    found = [command for cell in table for command in re.findall(r"`([^`]+)`", cell)]
    return [c if c.startswith(("doit", "invoke", "eval")) else f"invoke {c}" for c in found]


@pytest.fixture
def example(tmp_path):
    shutil.copytree(ROOT / "projects", tmp_path / "projects")
    for name in ("dodo.py", "tasks.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    yield tmp_path
    launcher.stop(tmp_path / ".brickloop" / "local")


def test_the_table_has_the_main_commands():
    assert {"doit", "doit list --all", "invoke doctor", "invoke local.start"} <= set(commands())


def test_every_command_of_the_table_runs(example):
    for command in commands():
        if command.startswith(_ENDLESS):
            continue  # test_dev.py runs it, and ends it
        inner = re.fullmatch(r'eval "\$\((.+)\)"', command)
        result = type_command(example, *shlex.split(inner.group(1) if inner else command))
        assert result.returncode == 0, (command, result.stdout, result.stderr)


def test_the_readmes_python_is_python():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert len(blocks) == 2
    for block in blocks:
        compile(block, "README.md", "exec")
