"""The workspace is not trusted: what was deleted or edited there since is noticed by `doit`."""

from __future__ import annotations

import io
import json

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.workspace import ImportFormat, Language
from tests.acceptance.conftest import type_command, write_notebook
from tests.acceptance.test_doit import ran

from brickloop import launcher


@pytest.fixture
def remote(project):
    """The project's folder in the workspace and a client, after a first `doit`."""
    for name in ("a_load.py", "b_sum.py", "d_count.sql", "shared.py"):
        (project / "notebooks" / name).unlink()
    write_notebook(project / "notebooks" / "c_alone.py", "print('alone')")
    write_notebook(project / "notebooks" / "sub_other.py", "print('other')")
    assert type_command(project, "doit").returncode == 0
    server = launcher.find_running(project / ".brickloop" / "local")
    assert server is not None
    client = WorkspaceClient(host=server.host, token=server.token)
    user = client.current_user.me().user_name
    return client, f"/Workspace/Users/{user}/.brickloop/notebooks"


def test_what_was_deleted_is_sent_again_and_nothing_is_run_for_it(project, remote):
    client, folder = remote
    assert type_command(project, "doit").stderr == ""
    client.workspace.delete(f"{folder}/c_alone")
    planned = json.loads(type_command(project, "invoke", "plan", "--json").stdout)
    found = {one["notebook"]: one for one in planned[0]["notebooks"]}
    assert found["c_alone"]["step"] == "upload"
    assert found["c_alone"]["reasons"] == ["c_alone is gone from the workspace"]
    assert found["sub_other"]["step"] == "up to date"
    unseen = type_command(project, "invoke", "plan", "--offline", "--check")
    assert (unseen.returncode, unseen.stdout) == (0, "")
    spared = type_command(project, "doit", BRICKLOOP_OFFLINE="1")
    assert spared.stdout == "nothing to do: 2 notebooks are up to date\n"
    healed = type_command(project, "doit")
    assert (healed.returncode, ran(healed.stderr)) == (0, [])
    assert "uploaded c_alone" in healed.stderr
    assert client.workspace.get_status(f"{folder}/c_alone").object_id
    assert type_command(project, "doit").stderr == ""


def test_what_was_edited_is_held_and_never_overwritten(project, remote):
    client, folder = remote
    assert type_command(project, "doit").returncode == 0
    theirs = b"# Databricks notebook source\nprint('theirs')\n"
    client.workspace.upload(
        f"{folder}/c_alone",
        io.BytesIO(theirs),
        format=ImportFormat.SOURCE,
        language=Language.PYTHON,
        overwrite=True,
    )
    held = type_command(project, "doit")
    assert held.returncode == 1, held.stdout + held.stderr
    assert "c_alone" in held.stderr
    assert ran(held.stderr) == []
    exported = client.workspace.download(f"{folder}/c_alone").read()
    assert b"theirs" in exported
    # taken over by hand: equal on both sides again
    (project / "notebooks" / "c_alone.py").write_bytes(theirs)
    settled = type_command(project, "doit")
    assert (settled.returncode, ran(settled.stderr)) == (0, ["c_alone"])


def test_a_touch_in_the_workspace_is_no_change(project, remote):
    client, folder = remote
    ours = (project / "notebooks" / "c_alone.py").read_bytes()
    client.workspace.upload(
        f"{folder}/c_alone",
        io.BytesIO(ours),
        format=ImportFormat.SOURCE,
        language=Language.PYTHON,
        overwrite=True,
    )
    done = type_command(project, "doit")
    assert (done.returncode, done.stdout) == (0, "nothing to do: 2 notebooks are up to date\n")


def test_a_workspace_that_does_not_answer_spares_the_look_with_a_word(project, remote):
    launcher.stop(project / ".brickloop" / "local")
    quiet = type_command(project, "doit")
    assert (quiet.returncode, quiet.stderr) == (0, "")
