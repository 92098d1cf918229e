"""``invoke sync.*`` as a person types it, against the real local workspace."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.workspace import ExportFormat, ImportFormat, Language
from invoke import Program
from tests.acceptance.conftest import DODO, TASKS, type_command, write_notebook

from brickloop import launcher
from brickloop.tasks import namespace

HEADER = "# Databricks notebook source\n"
LIMIT = 90.0


class Desk:
    """A project with one pair, and its folder in a workspace that other tests use too."""

    def __init__(
        self,
        root: Path,
        server: launcher.LocalServer,
        remote: str,
        client: Any,
        capture: pytest.CaptureFixture[str],
    ) -> None:
        self.root = root
        self._capture = capture
        self.local = root / "projects" / "etl"
        self.local.mkdir(parents=True)
        (root / "tasks.py").write_text(TASKS)
        self.env = {"DATABRICKS_HOST": server.host, "DATABRICKS_TOKEN": server.token}
        self.remote = remote
        self.client: WorkspaceClient = client
        self.configure()
        (self.local / "load.py").write_text(HEADER + "print(1)\n")
        (self.local / "data").mkdir()
        (self.local / "data" / "x.csv").write_text("1\n")

    def configure(self, **more: object) -> None:
        pair: dict[str, object] = {"local": "projects/etl", "workspace": self.remote}
        pair |= {key: more.pop(key) for key in ("direction", "auto_sync", "patterns")
                 if key in more}  # fmt: skip
        content = {"sync_pairs": [pair], **more}
        (self.root / ".databricks_sync.json").write_text(json.dumps(content, indent=1))

    def shell(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command in a process of its own."""
        found = type_command(self.root, "invoke", *words, **self.env)
        assert "Traceback" not in found.stderr
        return found

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same command by invoke's own program, without starting Python again."""
        self._capture.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.root)
            for name, value in self.env.items():
                patch.setenv(name, value)
            try:
                Program(namespace=namespace(), binary="invoke").run(["invoke", *words])
                code = 0
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 1
        out, err = self._capture.readouterr()
        assert "Traceback" not in err
        return subprocess.CompletedProcess(words, code, out, err)

    def report(self, *words: str, code: int = 0) -> dict[str, Any]:
        """The one pair's part of what a command prints as JSON."""
        done = self.type(*words, "--json")
        assert done.returncode == code, (done.stdout, done.stderr)
        found = json.loads(done.stdout)
        assert found["ok"] is (code == 0)
        (pair,) = found["pairs"]
        return pair

    def save_remotely(self, name: str, text: str) -> None:
        self.client.workspace.upload(
            f"{self.remote}/{name}", io.BytesIO((HEADER + text).encode()),
            format=ImportFormat.SOURCE, language=Language.PYTHON, overwrite=True,
        )  # fmt: skip

    def read_remotely(self, name: str) -> str:
        with self.client.workspace.download(
            f"{self.remote}/{name}", format=ExportFormat.SOURCE
        ) as stream:
            return stream.read().decode().removeprefix(HEADER)

    def names(self) -> set[str]:
        found = self.client.workspace.list(self.remote, recursive=True)
        return {str(one.path)[len(self.remote) + 1 :] for one in found}


@pytest.fixture
def desk(tmp_path: Path, local_server, remote_folder, client, capsys) -> Desk:
    return Desk(tmp_path / "project", local_server, remote_folder, client, capsys)


def until(condition: Callable[[], bool], told: list[str] | None = None) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, told
        time.sleep(0.05)


def test_a_day_of_pushing_pulling_and_settling(desk):
    planned = desk.shell("sync.push", "--dry-run")
    assert planned.returncode == 0, planned.stderr
    assert "→ load  would be created" in planned.stdout
    assert planned.stdout.splitlines()[-1] == "not done: 2 to send, 0 to receive, 0 unchanged"
    assert desk.names() == set()

    pushed = desk.shell("sync.push", "--project", "etl")
    assert pushed.returncode == 0, pushed.stderr
    assert "→ load  created" in pushed.stdout
    assert pushed.stdout.splitlines()[-1].startswith("2 sent, 0 received, 0 unchanged (")
    assert desk.report("sync.push")["changes"] == []

    desk.save_remotely("load", "theirs")
    (desk.local / "load.py").write_text(HEADER + "mine\n")
    (desk.local / "data" / "x.csv").write_text("2\n")
    held = desk.shell("sync.bidirectional")
    assert held.returncode == 1
    assert "✗ load.py  in conflict: was changed on both sides" in held.stdout
    assert "→ data/x.csv  pushed" in held.stdout
    assert "invoke sync.resolve PATH --keep local|remote|both" in held.stderr
    (beside,) = desk.local.glob("load.py.remote-*")
    assert beside.read_text().endswith("theirs")
    assert (desk.read_remotely("load"), (desk.local / "load.py").read_text()) == (
        "theirs", HEADER + "mine\n",
    )  # fmt: skip
    again = desk.report("sync.bidirectional", code=1)
    assert [one["path"] for one in again["conflicts"]] == ["load"]
    status = desk.type("sync.status")
    assert status.returncode == 0
    assert "in conflict" in status.stdout

    settled = desk.shell("sync.resolve", "projects/etl/load.py", "--keep", "both")
    assert settled.returncode == 0, settled.stderr
    assert desk.read_remotely("load").rstrip() == "mine"
    (copy,) = desk.local.glob("load.conflict-*.py")
    assert copy.read_text().endswith("theirs")
    assert desk.read_remotely(copy.stem) == "theirs"
    assert not beside.exists()
    assert desk.type("sync.status").stdout.splitlines()[-1] == "in sync: 3 files"


def test_what_was_overwritten_or_deleted_comes_back(desk):
    desk.type("sync.push")
    (desk.local / "load.py").write_text(HEADER + "print(2)\n")
    desk.type("sync.push")
    (desk.local / "load.py").unlink()
    assert desk.report("sync.push")["changes"][0]["action"] == "delete"
    listed = json.loads(desk.type("sync.history", "projects/etl/load.py", "--json").stdout)
    assert {one["event"] for one in listed} >= {"sent", "overwritten", "deleted"}
    assert all(one["path"] == "load.py" for one in listed)
    everything = desk.type("sync.history", ".")
    assert "data/x.csv" in everything.stdout
    oldest = min(one["number"] for one in listed)
    back = desk.type("sync.restore", "projects/etl/load.py", "--version", str(oldest))
    assert back.returncode == 0, back.stderr
    assert (desk.local / "load.py").read_text() == HEADER + "print(1)\n"
    assert desk.report("sync.push")["sent"] == 1
    assert desk.read_remotely("load").rstrip() == "print(1)"
    assert desk.type("sync.restore", "projects/etl/never.py").returncode == 2


def test_push_holds_what_changed_in_the_workspace_until_it_is_forced(desk):
    desk.type("sync.push")
    desk.save_remotely("load", "theirs")
    desk.save_remotely("new", "theirs")
    held = desk.report("sync.push", code=1)
    assert {(one["path"], one["reason"], one["counts"]) for one in held["held"]} == {
        ("load", "was changed in the workspace", True),
        ("new", "is new in the workspace", False),
    }
    assert desk.read_remotely("load") == "theirs"
    forced = desk.report("sync.push", "--force")
    assert [(one["path"], one["note"]) for one in forced["changes"]] == [("load", "brought back")]
    assert desk.read_remotely("load").rstrip() == "print(1)"
    extra = desk.report("sync.push", "--delete")
    assert [(one["path"], one["action"]) for one in extra["changes"]] == [("new", "delete")]
    kept = json.loads(desk.type("sync.history", f"{desk.remote}/new", "--json").stdout)
    assert kept[0]["event"] == "deleted"


def test_pull_holds_what_changed_here_and_can_delete_what_only_is_here(desk):
    desk.type("sync.push")
    (desk.local / "load.py").write_text(HEADER + "mine\n")
    (desk.local / "mine.txt").write_text("mine")
    desk.save_remotely("theirs", "theirs")
    held = desk.report("sync.pull", code=1)
    assert (desk.local / "theirs.py").read_text() == HEADER + "theirs"
    assert {one["path"]: one["counts"] for one in held["held"]} == {
        "load": True, "mine.txt": False,
    }  # fmt: skip
    assert desk.report("sync.pull", "--force", "--delete")["received"] == 2
    assert (desk.local / "load.py").read_text() == HEADER + "print(1)\n"
    assert not (desk.local / "mine.txt").exists()
    assert desk.type("sync.restore", "projects/etl/mine.txt").returncode == 0
    assert (desk.local / "mine.txt").read_text() == "mine"


def test_an_accident_halts_and_says_what_to_pass(desk):
    for number in range(12):
        (desk.local / f"{number}.txt").write_text(str(number))
    desk.type("sync.push")
    before = desk.names()
    for path in desk.local.glob("*.txt"):
        path.unlink()
    halted = desk.type("sync.push")
    assert halted.returncode == 1
    assert "HALTED" in halted.stderr
    assert "12 of 14 are gone locally; pass --accept-deletes 12 if that is meant" in halted.stderr
    assert desk.names() == before
    found = desk.report("sync.push", code=1)
    assert found["halted"]
    assert desk.type("sync.status").returncode == 0
    assert desk.report("sync.push", "--accept-deletes", "12")["sent"] == 12
    shutil.rmtree(desk.local)
    gone = desk.type("sync.push")
    assert gone.returncode == 1
    assert "HALTED" in gone.stderr
    assert "is gone" in gone.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sync.push", "--project", "nope"), "there is no pair 'nope'"),
        (("sync.pull", "--profile", "nope"), "there is no profile 'nope'"),
        (("sync.bidirectional", "--force"), "--force does not say which side is right"),
        (("sync.bidirectional", "--prefer", "me"), "--prefer is 'me'"),
        (("sync.push", "--accept-deletes", "-1"), "--accept-deletes is -1"),
        (("sync.resolve", "projects/etl/load.py", "--keep", "mine"), "--keep is 'mine'"),
        (("sync.resolve", "projects/etl/load.py", "--keep", "local"), "nothing is held here"),
        (("sync.explain", "elsewhere/x"), "is in no pair's folder"),
        (("sync.history", "projects/etl/load.py"), "no version of it is kept"),
        (("sync.init", "a", "/Workspace/a"), "there is one already"),
    ],
)
def test_bad_words_are_named_and_nothing_is_sent(desk, words, said):
    result = desk.type(*words)
    assert result.returncode == 2, result.stderr
    assert said in result.stderr
    assert desk.names() == set()


def test_a_mistake_in_the_file_is_named_with_its_line(desk):
    path = desk.root / ".databricks_sync.json"
    path.write_text(path.read_text().replace('"local"', '"locl"'))
    result = desk.type("sync.push")
    assert result.returncode == 2
    assert f"{path}:4: unknown key 'locl' in a pair" in result.stderr


def test_init_writes_a_file_that_works_and_a_schema_for_editors(desk):
    (desk.root / ".databricks_sync.json").unlink()
    missing = desk.type("sync.push")
    assert missing.returncode == 2
    assert "invoke sync.init" in missing.stderr
    assert desk.type("sync.init", "../up", desk.remote).returncode == 2
    assert desk.type("sync.init", "projects/etl", desk.remote).returncode == 0
    written = json.loads((desk.root / ".databricks_sync.json").read_text())
    schema = json.loads((desk.root / written["$schema"]).read_text())
    assert schema["title"] == ".databricks_sync.json"
    assert desk.report("sync.push")["sent"] == 2


def test_directions_and_patterns_mean_what_they_say(desk):
    desk.configure(direction="pull", patterns=["*.py"], exclude_patterns=["secret*"])
    refused = desk.type("sync.push")
    assert refused.returncode == 2
    assert "its direction is pull" in refused.stderr
    desk.save_remotely("theirs", "theirs")
    desk.save_remotely("secret", "theirs")
    pulled = desk.report("sync.pull")
    assert [one["path"] for one in pulled["changes"]] == ["theirs"]
    why = {
        path: desk.type("sync.explain", f"projects/etl/{path}").stdout.strip()
        for path in ("load.py", "data/x.csv", "secret.py")
    }
    assert why["load.py"].endswith(": takes part")
    assert why["data/x.csv"].endswith("left out: no pattern chooses it")
    assert why["secret.py"].endswith("left out: exclude_patterns match 'secret.py'")


def test_what_cannot_be_synced_is_listed_and_the_rest_is_carried(desk):
    (desk.local / "out").symlink_to(desk.root)
    (desk.local / "half.ipynb").write_text('{"cells": [')
    pushed = desk.type("sync.push")
    assert pushed.returncode == 1
    assert "! out  is a link" in pushed.stdout
    assert "! half  " in pushed.stdout
    assert "exclude_patterns" in pushed.stderr
    assert desk.names() == {"load", "data/x.csv"}
    desk.configure(exclude_patterns=["out", "half.*"])
    assert desk.report("sync.push")["changes"] == []


def test_a_workspace_that_does_not_answer_is_exit_3(desk):
    desk.env["DATABRICKS_HOST"] = "http://127.0.0.1:9"
    result = desk.type("sync.push", "--json")
    assert result.returncode == 3, result.stderr
    assert "cannot be reached" in result.stderr


# doit and sync know of each other


def test_doit_uploads_nothing_after_a_push_and_the_reverse(tmp_path, local_server, remote_folder):
    root = tmp_path / "project"
    notebooks = root / "notebooks"
    notebooks.mkdir(parents=True)
    (root / "dodo.py").write_text(DODO)
    (root / "tasks.py").write_text(TASKS)
    for name in ("a", "b"):
        write_notebook(notebooks / f"{name}.py", "print(1)")
    (root / ".databricks_sync.json").write_text(
        json.dumps({"sync_pairs": [{"local": "notebooks", "workspace": remote_folder}]})
    )
    env = {
        "DATABRICKS_HOST": local_server.host, "DATABRICKS_TOKEN": local_server.token,
        "BRICKLOOP_FOLDER": remote_folder,
    }  # fmt: skip

    def upload() -> str:
        done = type_command(root, "doit", "upload", **env)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def push() -> dict[str, Any]:
        done = type_command(root, "invoke", "sync.push", "--json", **env)
        assert done.returncode == 0, (done.stdout, done.stderr)
        (pair,) = json.loads(done.stdout)["pairs"]
        return pair

    assert push()["sent"] == 2
    assert "uploaded" not in upload()
    write_notebook(notebooks / "a.py", "print(2)")
    assert "uploaded a" in upload()
    assert push()["sent"] == 0
    # an edit after doit has sent the file is an edit, not a conflict
    write_notebook(notebooks / "a.py", "print(3)")
    assert push()["sent"] == 1
    assert "uploaded" not in upload()
    client = WorkspaceClient(host=local_server.host, token=local_server.token)
    client.workspace.upload(
        f"{remote_folder}/b", io.BytesIO((HEADER + "theirs").encode()), overwrite=True,
        format=ImportFormat.SOURCE, language=Language.PYTHON,
    )  # fmt: skip
    write_notebook(notebooks / "b.py", "mine")
    held = type_command(root, "doit", "upload", **env)
    assert held.returncode == 1
    assert "was changed in the workspace since it was last sent" in held.stderr + held.stdout


# two syncs at once


@pytest.fixture
def holder(desk) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the pair's lock until it is told to let go."""
    desk.type("sync.push")
    (lock,) = (desk.root / ".brickloop" / "sync").glob("*/lock")
    script = (
        "import sys\nfrom pathlib import Path\nfrom brickloop.sync.lock import held_lock\n"
        "with held_lock(Path(sys.argv[1]), seconds=5):\n"
        "    print('held', flush=True)\n    sys.stdin.readline()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(lock)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_sync_says_who_is_first_and_waits(desk, holder):
    (desk.local / "load.py").write_text(HEADER + "2\n")
    second = subprocess.Popen(
        [shutil.which("invoke", path=str(Path(sys.executable).parent)) or "", "sync.push"],
        cwd=desk.root, env={**os.environ, **desk.env}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert second.stderr is not None
    line = ""
    while "another sync" not in line:
        line = second.stderr.readline()
        assert line, "it ended without a word"
    assert f"process {holder.pid}" in line
    assert desk.read_remotely("load").rstrip() == "print(1)"
    assert holder.stdin is not None
    holder.stdin.write("\n")
    holder.stdin.flush()
    out, _ = second.communicate(timeout=LIMIT)
    assert second.returncode == 0
    assert "→ load  pushed" in out


def test_the_lock_of_a_killed_sync_is_taken_over(desk, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    (desk.local / "load.py").write_text(HEADER + "2\n")
    pushed = desk.type("sync.push")
    assert pushed.returncode == 0, pushed.stderr
    assert "another sync" not in pushed.stderr


def test_an_interrupted_push_ends_with_130_and_the_next_one_goes_on(desk):
    for number in range(400):
        (desk.local / f"{number}.txt").write_text(str(number))
    program = shutil.which("invoke", path=str(Path(sys.executable).parent))
    assert program
    process = subprocess.Popen(
        [program, "sync.push"], cwd=desk.root, env={**os.environ, **desk.env},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert "created" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    there = desk.names()
    assert len(there) < 402
    rest = desk.report("sync.push")
    assert rest["conflicts"] == []
    assert rest["sent"] == 402 - len([name for name in there if name != "data"])
    assert len(desk.names() - {"data"}) == 402


# watch


class Watch:
    """``invoke sync.watch --json`` in a process of its own."""

    def __init__(self, desk: Desk, *words: str) -> None:
        program = shutil.which("invoke", path=str(Path(sys.executable).parent))
        assert program
        self.process = subprocess.Popen(
            [program, "sync.watch", "--json", *words],
            cwd=desk.root, env={**os.environ, **desk.env}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self.lines)]

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        assert self.process.stderr is not None
        self.errors = self.process.stderr.read()
        self.process.stderr.close()
        code = self.process.wait(LIMIT)
        self._reader.join(LIMIT)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def test_watch_carries_saves_until_it_is_interrupted(desk):
    desk.configure(auto_sync=False)
    none = desk.type("sync.watch")
    assert none.returncode == 2
    assert "no pair has auto_sync" in none.stderr
    watch = Watch(desk, "--project", "etl")
    try:
        until(lambda: "load" in desk.names() and "data/x.csv" in desk.names(), watch.lines)
        (desk.local / "load.py").write_text(HEADER + "saved\n")
        until(lambda: desk.read_remotely("load").rstrip() == "saved", watch.lines)
        desk.save_remotely("theirs", "theirs")
        until(lambda: (desk.local / "theirs.py").exists(), watch.lines)
    finally:
        code = watch.interrupt()
    assert code == 130, watch.errors
    assert "Traceback" not in watch.errors
    events = watch.events()
    assert events[0]["event"] == "watching"
    assert events[-1]["event"] == "stopped"
    assert all(event["project"] == "etl" for event in events)
    changed = {change["path"] for event in events for change in event.get("changes", [])}
    assert changed >= {"load", "data/x.csv", "theirs"}
    assert desk.type("sync.status").stdout.splitlines()[-1] == "in sync: 3 files"
