"""A process that syncs with the real local workspace is killed after each step it takes."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from databricks.sdk.service.workspace import ExportFormat, ImportFormat, Language
from tests.fakes.stepped_remote import SteppedRemote

from brickloop.sync.engine import Pair, Synchronizer
from brickloop.sync.remote import WorkspaceRemote

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
HEADER = b"# Databricks notebook source\n"
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def mortal(local_server) -> Iterator[subprocess.Popen[str]]:
    """A warm process that forks syncs to be killed."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    arguments = [sys.executable, "-m", "tests.fakes.mortal", local_server.host, local_server.token]
    with subprocess.Popen(
        arguments, cwd=REPOSITORY, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


class Place:
    """One local folder and its workspace folder, changed on both sides since they were equal."""

    def __init__(self, client, home: str, folder: Path) -> None:
        self.client, self.remote = client, f"{home}/{folder.name}"
        self.pair = Pair(folder / "p", self.remote, folder / "state", "t")
        self.sent = folder / "sent"
        self.put: list[str] = []
        self.pair.local.mkdir(parents=True)
        self.sent.touch()
        for name in ("push", "pull", "drop", "lose"):
            self.write(name, name.encode())
        self.write("n.py", HEADER + b"1\n")
        self.sync()
        self.sync()
        self.write("push", b"push 2")
        self.write("new/mine", b"mine")
        (self.pair.local / "drop").unlink()
        self.save("pull", b"pull 2")
        self.save("theirs", b"theirs")
        client.workspace.delete(f"{self.remote}/lose")
        client.workspace.upload(
            f"{self.remote}/n", io.BytesIO(HEADER + b"2"), format=ImportFormat.SOURCE,
            language=Language.PYTHON, overwrite=True,
        )  # fmt: skip
        self.put.clear()

    def write(self, name: str, data: bytes) -> None:
        path = self.pair.local / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    def save(self, name: str, data: bytes) -> None:
        self.client.workspace.upload(
            f"{self.remote}/{name}", io.BytesIO(data), format=ImportFormat.RAW, overwrite=True
        )

    def sync(self):
        def hook(phase: str, call: str, path: str) -> None:
            if (phase, call) == ("after", "put"):
                self.put.append(path)

        sync = Synchronizer(
            self.pair, SteppedRemote(WorkspaceRemote(self.client), hook), durable=False
        )
        report = sync.run()
        sync.close()
        assert report.is_clean, report.as_json()
        return report

    def local(self) -> dict[str, bytes]:
        root = self.pair.local
        files = (path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}

    def workspace(self) -> dict[str, bytes]:
        found = {}
        for item in self.client.workspace.list(self.remote, recursive=True):
            kind = ExportFormat.SOURCE if item.language else ExportFormat.AUTO
            with self.client.workspace.download(item.path, format=kind) as stream:
                found[item.path[len(self.remote) + 1 :]] = stream.read()
        return found


WANTED = {"push": b"push 2", "pull": b"pull 2", "new/mine": b"mine", "theirs": b"theirs"}


def test_a_sync_killed_after_any_step_is_taken_up(client, remote_folder, tmp_path, mortal) -> None:
    step, killed = 0, 0
    while True:
        step += 1
        folder = tmp_path / f"{step:03}"
        place = Place(client, remote_folder, folder)
        order = {
            "local": str(place.pair.local), "workspace": place.remote,
            "state": str(place.pair.state), "step": step, "sent": str(place.sent),
        }  # fmt: skip
        mortal.stdin.write(json.dumps(order) + "\n")
        mortal.stdin.flush()
        ended = int(mortal.stdout.readline())
        assert ended in {0, signal.SIGKILL}
        killed += ended == signal.SIGKILL
        place.sync()
        assert len(set(place.put) & set(place.sent.read_text().split("\n"))) <= 1
        assert not place.sync().changes
        assert place.local() == {**WANTED, "n.py": HEADER + b"2\n"}
        remote = place.workspace()
        assert remote.pop("n").rstrip(b"\n") == HEADER + b"2"
        assert remote == WANTED
        if ended == 0:
            break
    assert killed > 30
