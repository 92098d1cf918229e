"""WorkspaceSync through the stock client against the real local workspace."""

from __future__ import annotations

import io
import json
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from databricks.sdk.errors import NotFound
from databricks.sdk.service.workspace import ExportFormat, ImportFormat, Language

import brickloop
from brickloop import WorkspaceSync
from brickloop.errors import SettingsError, UsageError
from brickloop.sync.watch import WatchEvent

HEADER = "# Databricks notebook source\n"
LIMIT = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's local folder with a file and a notebook."""
    (tmp_path / "tasks.py").write_text("")
    local = tmp_path / "p"
    (local / "d").mkdir(parents=True)
    (local / "n.py").write_text(HEADER + "print(1)\n")
    (local / "d" / "f.txt").write_text("1")
    return local


def save_remotely(client, path: str, text: str) -> None:
    client.workspace.upload(
        path, io.BytesIO(text.encode()), format=ImportFormat.SOURCE, language=Language.PYTHON,
        overwrite=True,
    )  # fmt: skip


def read_remotely(client, path: str) -> bytes:
    with client.workspace.download(path, format=ExportFormat.SOURCE) as stream:
        return stream.read()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_push_pull_and_both_ways(client, remote_folder, folder) -> None:
    assert "WorkspaceSync" in dir(brickloop)
    with WorkspaceSync(folder, remote_folder, client) as sync:
        first = sync.sync_to_workspace()
        assert (first.sent, first.received, first.is_clean) == (2, 0, True)
        assert read_remotely(client, f"{remote_folder}/n").startswith(b"# Databricks")
        assert sync.sync_to_workspace().changes == []

        save_remotely(client, f"{remote_folder}/n", HEADER + "print(2)")
        pushed = sync.sync_to_workspace()
        assert [held.slot for held in pushed.held if held.counts] == ["n"]
        pulled = sync.sync_from_workspace()
        assert (folder / "n.py").read_text() == HEADER + "print(2)\n"
        assert pulled.received == 1

        save_remotely(client, f"{remote_folder}/n", HEADER + "theirs")
        (folder / "n.py").write_text(HEADER + "mine\n")
        both = sync.sync_bidirectional()
        assert [hold.slot for hold in both.conflicts] == ["n"]
        assert [hold.slot for hold in sync.conflicts()] == ["n"]
        assert read_remotely(client, f"{remote_folder}/n") == (HEADER + "theirs").encode()
        assert (folder / "n.py").read_text() == HEADER + "mine\n"
        assert sync.sync_bidirectional(prefer="local").is_clean
        assert read_remotely(client, f"{remote_folder}/n") == (HEADER + "mine").encode()


def test_push_heals_what_was_deleted_or_edited_elsewhere(client, remote_folder, folder) -> None:
    with WorkspaceSync(folder, remote_folder, client) as sync:
        sync.sync_to_workspace()
        client.workspace.delete(f"{remote_folder}/d/f.txt")
        save_remotely(client, f"{remote_folder}/n", HEADER + "theirs")
        held = sync.sync_to_workspace()
        assert {one.slot: one.reason for one in held.held if one.counts} == {
            "n": "was changed in the workspace",
            "d/f.txt": "was deleted in the workspace",
        }
        healed = sync.sync_to_workspace(force=True)
        assert healed.is_clean
        assert client.workspace.get_status(f"{remote_folder}/d/f.txt").size == 1
        assert read_remotely(client, f"{remote_folder}/n") == (HEADER + "print(1)").encode()


def test_a_pattern_narrows_and_forgets_nothing_of_the_rest(client, remote_folder, folder) -> None:
    with WorkspaceSync(folder, remote_folder, client) as sync:
        sync.sync_to_workspace()
        (folder / "n.py").write_text(HEADER + "2\n")
        (folder / "d" / "f.txt").write_text("2")
        only = sync.sync_to_workspace("**/*.py")
        assert [change.path for change in only.changes] == ["n"]
        # what the pattern left out still has its ancestor: no conflict, a plain update
        rest = sync.sync_to_workspace()
        assert [(change.path, change.verb) for change in rest.changes] == [("d/f.txt", "update")]
        assert rest.is_clean


def test_delete_takes_what_only_the_workspace_has(client, remote_folder, folder) -> None:
    with WorkspaceSync(folder, remote_folder, client) as sync:
        sync.sync_to_workspace()
        save_remotely(client, f"{remote_folder}/theirs", HEADER + "theirs")
        assert sync.sync_to_workspace().sent == 0
        assert sync.sync_to_workspace(delete=True, dry_run=True).sent == 1
        assert sync.sync_to_workspace(delete=True).sent == 1
        with pytest.raises(NotFound):
            client.workspace.get_status(f"{remote_folder}/theirs")


def test_names_and_contents_survive_the_round_trip(client, remote_folder, tmp_path) -> None:
    (tmp_path / "tasks.py").write_text("")
    here, there = tmp_path / "here", tmp_path / "there"
    contents = {
        "with space.txt": b"1", "#?+%&=.txt": b"2", "d/empty": b"",
        "big.bin": b"\x00\xff" * (5 << 20), unicodedata.normalize("NFC", "café.txt"): b"nfc",
        unicodedata.normalize("NFD", "naïve.txt"): b"nfd",
        "nb.ipynb": json.dumps({
            "cells": [{"cell_type": "markdown", "metadata": {}, "source": ["# T"]}],
            "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
        }, indent=1).encode(),
        "crlf.sql": b"-- Databricks notebook source\r\nSELECT 1\r\n",
        "日本.py": HEADER.encode() + b"print('x')\n",
        "s.scala": b"// Databricks notebook source\nval x = 1\n",
        "r.r": b"# Databricks notebook source\nx <- 1\n",
        "titled.py": HEADER.encode() + b"# DBTITLE 1,A title\nprint(1)\n\n# COMMAND ----------\n\n"
        b"# MAGIC %md\n# MAGIC text\n",
    }  # fmt: skip
    for name, data in contents.items():
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (here / "nothing in it").mkdir()
    with WorkspaceSync(here, remote_folder, client) as push:
        assert push.sync_to_workspace().is_clean
        assert push.sync_bidirectional().changes == []
    with WorkspaceSync(there, remote_folder, client) as pull:
        assert pull.sync_from_workspace().is_clean
    assert (there / "nothing in it").is_dir()
    for name, data in contents.items():
        found = (there / name).read_bytes()
        if name.rpartition(".")[2] in {"py", "sql", "scala", "r"}:
            # the workspace keeps neither the kind of line ends nor the last newline of a source
            assert found.rstrip(b"\n") == data.replace(b"\r\n", b"\n").rstrip(b"\n"), name
        else:
            assert found == data, name


def test_a_watch_carries_both_ways_and_stops(client, remote_folder, folder) -> None:
    events: list[WatchEvent] = []
    with WorkspaceSync(folder, remote_folder, client) as sync:
        observer = sync.watch_and_sync(on_event=events.append)
        try:
            until(lambda: any(event.report for event in events))
            (folder / "n.py").write_text(HEADER + "saved\n")
            until(lambda: read_remotely(client, f"{remote_folder}/n").endswith(b"saved"))
            save_remotely(client, f"{remote_folder}/theirs", HEADER + "theirs\n")
            until(lambda: (folder / "theirs.py").exists())
        finally:
            observer.stop()
            observer.join(LIMIT)
        assert not observer.is_alive()
        assert observer.failure is None
        assert [events[0].kind, events[-1].kind] == ["watching", "stopped"]


def test_without_a_client_the_workspace_of_the_settings_is_opened(
    client, local_server, folder, monkeypatch
) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", local_server.host)
    monkeypatch.setenv("DATABRICKS_TOKEN", local_server.token)
    monkeypatch.chdir(folder.parent)
    name = f"own-{time.time_ns()}"
    with WorkspaceSync("p", f"~/{name}") as sync:
        assert sync.sync_to_workspace().sent == 2
        user = client.current_user.me().user_name
        assert sync.workspace_dir == f"/Workspace/Users/{user}/{name}"
    assert client.workspace.get_status(f"/Workspace/Users/{user}/{name}/n").path
    # its memory is the project's, which the commands use as well
    assert list((folder.parent / ".brickloop" / "sync").glob("*/state.db"))


def test_wrong_words_are_refused_before_anything_is_asked(tmp_path) -> None:
    with pytest.raises(SettingsError, match="patterns"):
        WorkspaceSync(tmp_path, "/Workspace/x", patterns=["!"])
    with pytest.raises(UsageError, match="not absolute"):
        WorkspaceSync(tmp_path, "x")
