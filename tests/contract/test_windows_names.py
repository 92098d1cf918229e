"""A workspace holds names that Windows cannot: the others are pulled, and these are named."""

from __future__ import annotations

import json

import pytest
from databricks.sdk.service.workspace import ImportFormat
from invoke import Exit

from brickloop.sync import tree
from brickloop.tasks import sync


def test_a_pull_on_windows_leaves_out_what_cannot_be_there(
    tmp_path, monkeypatch, capsys, client, local_server, remote_folder
):
    for name in ("good.txt", "con.txt", "what?.txt", "dots."):
        client.workspace.upload(f"{remote_folder}/{name}", b"x", format=ImportFormat.RAW)
    monkeypatch.setenv("DATABRICKS_HOST", local_server.host)
    monkeypatch.setenv("DATABRICKS_TOKEN", local_server.token)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks.py").write_text("")
    pair = {"local": "here", "workspace": remote_folder, "direction": "pull"}
    (tmp_path / ".databricks_sync.json").write_text(json.dumps({"sync_pairs": [pair]}))
    monkeypatch.setattr(tree, "_IS_WINDOWS", True)
    for _ in range(2):
        with pytest.raises(Exit) as caught:
            sync.pull.body(None, json=True)
        assert caught.value.code == 1
        (found,) = json.loads(capsys.readouterr().out)["pairs"]
        assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["good.txt"]
        reasons = " ".join(one["reason"] for one in found["failures"])
        assert "'con.txt' is the name of a device on Windows" in reasons
        assert "'what?.txt' has '?' in it" in reasons
        assert "'dots.' ends with a blank or a dot" in reasons
