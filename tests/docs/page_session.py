"""A reader who does what a page says, block by block, in a project of the page's own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docs.make.pages import ROOT, Block

PROGRAMS = Path(sys.executable).parent
SHELLS = {"bash", "sh", "shell", "console", "before"}
NOT_RUN = re.compile(r"not run: (.{10,})", re.DOTALL)
FAILS = re.compile(r"fails with (\d+)")
CONTEXT = re.compile(r"context:\n?(.*)", re.DOTALL)
NOTEBOOK = "in a notebook"
LIMIT = 240
"""Seconds that one block may take on a busy machine."""
_REST = re.escape(" ...")
_FILE = re.compile(r"[\w./-]+\.\w+|\.\w+")
_DRIVER = """
import json, os, sys, traceback
names = {"__name__": "__main__"}
answers = os.fdopen(int(sys.argv[1]), "w")
for line in sys.stdin:
    task = json.loads(line)
    try:
        exec(compile("\\n" * (task["line"] - 1) + task["code"], task["page"], "exec"), names)
        error = ""
    except BaseException:
        error = traceback.format_exc()
    sys.stdout.flush()
    answers.write(json.dumps(error) + "\\n")
    answers.flush()
"""
_RUN_LOCALLY = """
from brickloop import DevWorkflow as _DevWorkflow
_workflow = globals().get("_workflow") or _DevWorkflow()
_result = _workflow.run_locally("a_block_of_the_page.py")
assert _result.success, f"{_result.error}\\n{_result.error_trace}"
"""
_SAME_EACH_TIME = (
    # what differs from run to run, in an order that keeps longer ones whole
    (re.compile(r"/\S*/project\b"), "<folder>"),
    (re.compile(r"https?://127\.0\.0\.1:\d+\S*"), "<link>"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"), "<time>"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s|min)\b"), "<time>"),
    (re.compile(r"\b1\d{6}\b"), "<id>"),
    (re.compile(r"\b[0-9a-f]{8,64}\b"), "<hash>"),
    # a run that was not watched to its end leaves the name that its text has
    (re.compile(r"\bmain\.(?=\w+\.\w+)"), ""),
    (re.compile(r"(?m)[ \t]+$"), ""),
)


class PageSession:
    """Runs the blocks of one page in a scratch copy of the example project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._driver: subprocess.Popen[str] | None = None
        self._answers: Any = None

    def lay_out(self) -> None:
        """Copy the example project, as it is in a fresh clone."""
        shutil.copytree(
            ROOT / "projects",
            self.folder / "projects",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        for name in ("dodo.py", "tasks.py"):
            shutil.copy(ROOT / name, self.folder / name)

    def close(self) -> None:
        """End the page's Python."""
        if self._driver is not None:
            self._driver.stdin.close()  # type: ignore[union-attr]
            self._driver.wait(timeout=60)
            self._answers.close()
            self._driver = None

    def run(self, block: Block) -> None:
        """Do what the block says; raises AssertionError where it does not hold."""
        known: dict[str, Callable[[Block], None]] = {
            **dict.fromkeys(SHELLS, self._shell),
            "console": self._console,
            "python": self._python,
            "toml": self._toml,
            "json": self._json,
            "sql": self._sql,
            "yaml": self._yaml,
            "text": self._nothing,
        }
        assert block.language in known, f"{block.place}: nothing runs {block.language!r}"
        if _FILE.fullmatch(block.title) and block.language not in ("console", "text"):
            self._write(block)
        known[block.language](block)

    def _shell(self, block: Block) -> None:
        wanted = exit_code(block)
        code, shown = self._type(block.text)
        assert code == wanted, f"{block.place} ended with {code}, not {wanted}:\n{shown}"

    def _console(self, block: Block) -> None:
        typed = transcript(block.text)
        for number, (command, expected) in enumerate(typed, 1):
            code, shown = self._type(command)
            wanted = exit_code(block) if number == len(typed) else 0
            assert code == wanted, f"{block.place} ended with {code}, not {wanted}:\n{shown}"
            assert matches(expected, shown), (
                f"{block.place}: $ {command}\nexpected:\n{expected}\ncame:\n{shown}"
            )

    def _python(self, block: Block) -> None:
        context = "".join(f"{f[1]}\n" for m in block.marks if (f := CONTEXT.fullmatch(m)))
        if block.title.endswith("dodo.py"):
            self._shell_text("doit list --all --quiet", block)
        elif block.title.endswith(".py"):
            compile(block.text, block.place, "exec")
        elif block.title == NOTEBOOK:
            notebook = self.folder / "a_block_of_the_page.py"
            notebook.write_text(f"# Databricks notebook source\n{context}{block.text}")
            self._exec(_RUN_LOCALLY, block)
        else:
            if context:
                self._exec(context, block)
            self._exec(block.text, block)

    def _toml(self, block: Block) -> None:
        from brickloop.config.settings import load_settings

        if block.title in ("", "pyproject.toml"):
            folder = self.folder / "settings-of-a-block"
            folder.mkdir(exist_ok=True)
            (folder / "pyproject.toml").write_text(block.text)
            load_settings(folder, {})

    def _json(self, block: Block) -> None:
        data = json.loads(block.text)
        if "sync_pairs" in data:
            from brickloop.config.sync_file import read_sync_file

            folder = self.folder / "sync-of-a-block"
            folder.mkdir(exist_ok=True)
            (folder / ".databricks_sync.json").write_text(block.text)
            read_sync_file(folder)

    def _sql(self, block: Block) -> None:
        if not block.title:
            self._shell_text("invoke query -", block, block.text)

    def _yaml(self, block: Block) -> None:
        import yaml

        assert yaml.safe_load(block.text), block.place

    def _nothing(self, block: Block) -> None:
        """A drawing, or what is shown elsewhere."""

    def _write(self, block: Block) -> None:
        path = self.folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)

    def _shell_text(self, command: str, block: Block, stdin: str = "") -> None:
        code, shown = self._type(command, stdin)
        assert code == 0, f"{block.place} ended with {code}:\n{shown}"

    def _type(self, command: str, stdin: str = "") -> tuple[int, str]:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            shown, _ = shell.communicate(stdin, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            # what the shell has started would go on without it
            os.killpg(shell.pid, signal.SIGKILL)
            shown, _ = shell.communicate()
            raise AssertionError(f"{command}\nhas not ended after {LIMIT} s:\n{shown}") from None
        return shell.returncode, shown

    def _environment(self) -> dict[str, str]:
        # what a block puts up must not need the page's own window
        return {
            **os.environ,
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "BROWSER": "true",
        }

    def _exec(self, code: str, block: Block) -> None:
        if self._driver is None:
            read, write = os.pipe()
            self._answers = os.fdopen(read)
            self._driver = subprocess.Popen(
                [sys.executable, "-c", _DRIVER, str(write)],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                pass_fds=[write],
                text=True,
            )
            os.close(write)
        task = {"page": block.page, "line": block.line, "code": code}
        self._driver.stdin.write(json.dumps(task) + "\n")  # type: ignore[union-attr]
        self._driver.stdin.flush()  # type: ignore[union-attr]
        answer = self._answers.readline()
        assert answer, f"{block.place}: Python ended"
        assert not json.loads(answer), f"{block.place}:\n{json.loads(answer)}"


def exit_code(block: Block) -> int:
    """The exit code that a block of commands ends with."""
    return next((int(found[1]) for mark in block.marks if (found := FAILS.fullmatch(mark))), 0)


def transcript(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output that it is said to have."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        else:
            assert found, f"a console block begins with a command, not with: {line}"
            command, output = found[-1]
            found[-1] = (command, f"{output}{line}\n")
    return found


def matches(expected: str, shown: str) -> bool:
    """Whether an output is as a page shows it: times, ids and links count as equal.

    A line ``...`` stands for any number of lines, ``...`` at the end of one for its rest.
    """
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(_REST, ".*") + r"\n"
        for line in same_each_time(expected).splitlines()
    )
    return re.fullmatch(pattern, same_each_time(shown).rstrip("\n") + "\n") is not None


def same_each_time(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, word in _SAME_EACH_TIME:
        text = pattern.sub(word, text)
    return text.rstrip("\n") + "\n"
