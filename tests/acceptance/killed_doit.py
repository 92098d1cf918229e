"""Runs `doit` and kills it at its n-th step, for each n; a process of its own, which forks.

A step is a request to the workspace or a transaction of the ledger, each before and after. What
became of each is printed as a line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
from databricks.sdk import WorkspaceClient

from brickloop.graph.dodo import project_graphs, run_doit
from brickloop.sync.ledger import Ledger

DODO = """from brickloop.graph import doit_config, notebook_tasks

DOIT_CONFIG = doit_config()


def task_notebooks():
    yield from notebook_tasks({folder!r})
"""
NOTEBOOK = """# Databricks notebook source
from brickloop import NotebookOutput

NotebookOutput().add_section("Said", "once")
"""


class Steps:
    """Counts steps, and kills this process at one of them."""

    def __init__(self, last: int) -> None:
        self.count = 0
        self._last = last

    def step(self) -> None:
        self.count += 1
        if self.count == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Count from now on."""
        send, transaction = requests.Session.send, Ledger._transaction
        steps = self

        def counted_send(*args: Any, **kwargs: Any) -> Any:
            steps.step()
            answer = send(*args, **kwargs)
            steps.step()
            return answer

        @contextlib.contextmanager
        def counted_transaction(ledger: Ledger) -> Iterator[Any]:
            steps.step()
            with transaction(ledger) as connection:
                yield connection
            steps.step()

        vars(requests)["Session"].send = counted_send
        Ledger._transaction = counted_transaction  # type: ignore[method-assign]


def in_child(work: Callable[[], int], log: Path) -> int:
    """Exit code of work that is done in a fork; minus the signal that ended it."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            with log.open("a") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def make_project(root: Path, name: str) -> None:
    (root / name).mkdir(parents=True)
    (root / "dodo.py").write_text(DODO.format(folder=name))
    (root / name / "nb.py").write_text(NOTEBOOK)


def doit(root: Path, last: int = 0) -> int:
    steps = Steps(last)
    steps.watch()
    code = run_doit(["run"], root=root)
    (root / "steps").write_text(str(steps.count))
    return code


def nothing_left(root: Path) -> int:
    os.environ["BRICKLOOP_OFFLINE"] = "1"
    decisions = project_graphs(root)[0].decisions()
    return sum(found.step.value != "up to date" for found in decisions.values())


def tell(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def main() -> int:
    base, every = Path(sys.argv[1]), int(sys.argv[2])
    whole = base / "whole"
    make_project(whole, "whole")
    assert in_child(lambda: doit(whole), base / "log") == 0, (base / "log").read_text()
    count = int((whole / "steps").read_text())
    for number in range(1, count + 1, every):
        name = f"killed{number}"
        root = base / name
        make_project(root, name)
        log = base / f"{name}.log"
        killed = in_child(lambda root=root, number=number: doit(root, number), log)
        again = in_child(lambda root=root: doit(root), log)
        left = in_child(lambda root=root: nothing_left(root), log)
        output = root / "outputs" / "nb.json"
        sections = json.loads(output.read_text())["sections"] if output.exists() else []
        found = {
            "step": number,
            "of": count,
            "killed": killed,
            "again": again,
            "left": left,
            "said": [section["title"] for section in sections],
            "log": log.read_text()[-3000:],
        }
        tell(found)
    client = WorkspaceClient()
    names: dict[str, int] = {}
    for run in client.jobs.list_runs():
        names[run.run_name or ""] = names.get(run.run_name or "", 0) + 1
    tell({"runs": names})
    return 0


if __name__ == "__main__":
    sys.exit(main())
