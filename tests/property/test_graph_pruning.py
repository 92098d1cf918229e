"""A plain `doit` makes only the tasks that may have something to do: it must do what all would."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brickloop.errors import RunFailed
from brickloop.flows.deploy import Deployment
from brickloop.graph import notebook_graph
from brickloop.graph.decision import Step
from brickloop.graph.dodo import project_graphs, run_doit
from brickloop.sync.ledger import RemoteObject

HEADER = "# Databricks notebook source\n"
DODO = """from brickloop.graph import doit_config, notebook_tasks

DOIT_CONFIG = doit_config()


def task_notebooks():
    yield from notebook_tasks("notebooks")
"""
# a second maker of tasks could name any task, so nothing is left out
UNPRUNED = DODO + "\n\ndef task_other():\n    return {'actions': None}\n"
NAMES = [f"n{number}" for number in range(5)]


class RecordingDeployment(Deployment):
    """Does no work; remembers as the real one does, and writes down what it was asked."""

    done: ClassVar[list[str]] = []
    failing: ClassVar[set[str]] = set()

    def upload(self, path: Path, name: str) -> dict[str, Any]:
        self.done.append(f"upload {name}")
        self._ledger.record_fact("user", self._key, "u")
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        remote = f"{self._known_folder()}/{name}"
        self._ledger.record_remote_object(
            self._key, RemoteObject(remote, sha256, "NOTEBOOK", None, None)
        )
        return {"path": remote}

    def run(self, name: str, fingerprint: str, parameters: Any, **_how: Any) -> dict[str, Any]:
        self.done.append(f"run {name}")
        if name in self.failing:
            raise RunFailed("it fails", where=name)
        return {"fingerprint": fingerprint, "run_id": 1}

    def fetch(self, name: str, fingerprint: str, **_how: Any) -> dict[str, Any]:
        self.done.append(f"fetch {name}")
        for path in self.outputs.files(name):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("done\n")
        return {"fingerprint": fingerprint}

    def observed(self, name: str, **_how: Any) -> None:
        """Nobody looked."""

    def table_digests(self, tables: Any) -> dict[str, str]:
        """There is no warehouse."""
        return {}

    def strayed(self) -> dict[str, str]:
        """All is as it was sent."""
        return {}


@pytest.fixture(autouse=True)
def recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_graph, "Deployment", RecordingDeployment)


def doit(root: Path, dodo: str, failing: set[str]) -> list[str]:
    (root / "dodo.py").write_text(dodo)
    RecordingDeployment.done, RecordingDeployment.failing = [], failing
    run_doit(["run", "--continue"], root=root)
    return sorted(RecordingDeployment.done)


def write(root: Path, name: str, version: int, reads: list[int]) -> None:
    body = "".join(f'spark.table("s.t{other}").count()\n' for other in reads)
    text = f"{HEADER}import common\nx = {version}\n{body}df.write.saveAsTable('s.t{name[1:]}')\n"
    (root / "notebooks" / f"{name}.py").write_text(text)


changes = st.lists(
    st.one_of(
        st.tuples(st.just("edit"), st.sampled_from(NAMES), st.integers(0, 3)),
        st.tuples(st.just("markdown"), st.sampled_from(NAMES), st.integers(0, 3)),
        st.tuples(st.just("module"), st.just(""), st.integers(0, 3)),
        st.tuples(st.just("output"), st.sampled_from(NAMES), st.just(0)),
        st.tuples(st.just("fail"), st.sampled_from(NAMES), st.just(0)),
        st.tuples(st.just("forget"), st.sampled_from(NAMES), st.just(0)),
        st.tuples(st.just("doit"), st.just(""), st.just(0)),
    ),
    min_size=1,
    max_size=6,
)
edges = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=5)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(edges=edges, changes=changes)
def test_what_is_left_out_had_nothing_to_do(
    edges: list[tuple[int, int]], changes: list[tuple[str, str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pruned, full = Path(folder, "pruned", "p"), Path(folder, "full", "p")
        (pruned / "notebooks").mkdir(parents=True)
        (pruned / "notebooks" / "common.py").write_text("A = 0\n")
        reads = {name: [low for low, high in edges if low < high and f"n{high}" == name]
                 for name in NAMES}  # fmt: skip
        for name in NAMES:
            write(pruned, name, 0, reads[name])
        shutil.copytree(pruned, full)
        failing: set[str] = set()
        for kind, name, number in [*changes, ("doit", "", 0), ("doit", "", 0)]:
            for root in (pruned, full):
                apply(root, kind, name, number, reads)
            if kind == "fail":
                failing ^= {name}
            if kind == "doit":
                assert doit(pruned, DODO, failing) == doit(full, UNPRUNED, failing)
        busy = {
            name
            for name, found in project_graphs(pruned)[0].decisions().items()
            if found.step is not Step.NOTHING
        }
        failed = {line.split()[1] for line in RecordingDeployment.done if line.startswith("run ")}
        assert failed <= busy
        assert bool(busy) == bool(failed), "what is left to do is what failed, and what is after it"


def apply(root: Path, kind: str, name: str, number: int, reads: dict[str, list[int]]) -> None:
    if kind == "edit":
        write(root, name, number, reads[name])
    elif kind == "markdown":
        path = root / "notebooks" / f"{name}.py"
        path.write_text(
            f"{path.read_text()}\n# COMMAND ----------\n\n# MAGIC %md\n# MAGIC {number}\n"
        )
    elif kind == "module":
        (root / "notebooks" / "common.py").write_text(f"A = {number}\n")
    elif kind == "output":
        (root / "outputs" / f"{name}.txt").unlink(missing_ok=True)
    elif kind == "forget" and (root / ".brickloop" / "ledger.db").exists():
        run_doit(["forget", f"run:{name}"], root=root)
