"""The doctor's questions, put by the real client to the real local workspace."""

from __future__ import annotations

import pytest
import responses

from brickloop.flows.doctor import examine

HOST = "https://workspace.example.com"


@pytest.fixture
def remote(local_server, monkeypatch):
    """The local workspace as one that is named by the environment."""
    monkeypatch.setenv("DATABRICKS_HOST", local_server.host)
    monkeypatch.setenv("DATABRICKS_TOKEN", local_server.token)


def _whats(diagnosis, check):
    return " | ".join(one.what for name, one in diagnosis.findings if name == check)


def test_a_workspace_is_described(remote, tmp_path, local_server):
    diagnosis = examine(tmp_path, seconds=60)
    facts = diagnosis.as_json()
    assert diagnosis.exit_code == 0, facts["findings"]
    assert facts["connection"]["user"] == "local@brickloop.test"
    assert facts["connection"]["auth_type"] == "pat"
    # a server that is kept waiting stamps its answers late
    assert abs(facts["clock"]["skew_seconds"]) < 30
    assert facts["warehouse"]["state"] == "RUNNING"
    assert facts["storage"]["dbfs_root"] is True
    assert facts["storage"]["volume"] == "/Volumes/main/default/brickloop"
    assert facts["storage"]["workspace_files"] is True
    assert facts["compute"]["kind"] == "serverless"
    assert local_server.token not in str(facts)
    assert list(tmp_path.iterdir()) == []


def test_what_is_configured_and_not_there_ends_with_2(remote, tmp_path, monkeypatch):
    monkeypatch.setenv("BRICKLOOP_WAREHOUSE", "nope")
    monkeypatch.setenv("BRICKLOOP_COMPUTE", "cluster: nobody")
    diagnosis = examine(tmp_path, seconds=60)
    assert diagnosis.exit_code == 2
    assert "there is no warehouse 'nope'" in _whats(diagnosis, "warehouse")
    assert "there is no cluster 'nobody'" in _whats(diagnosis, "compute")


def test_a_cluster_that_is_there_is_shown_with_its_state(remote, tmp_path, monkeypatch, client):
    found = next(iter(client.clusters.list()))
    monkeypatch.setenv("BRICKLOOP_COMPUTE", f"cluster: {found.cluster_name}")
    facts = examine(tmp_path, seconds=60).as_json()
    assert facts["compute"]["id"] == found.cluster_id
    assert facts["compute"]["state"]


def test_a_refused_token_ends_with_3(remote, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABRICKS_TOKEN", "wrong")
    diagnosis = examine(tmp_path, seconds=60)
    assert diagnosis.exit_code == 3
    assert "does not accept the credentials" in _whats(diagnosis, "connection")


def test_an_old_clock_and_a_closed_dbfs_root_are_said(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABRICKS_HOST", HOST)
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-very-secret")
    monkeypatch.setenv("BRICKLOOP_OUTPUT_ROOT", "dbfs:/out")
    denied = {"error_code": "PERMISSION_DENIED", "message": "Public DBFS root is disabled."}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as web:
        web.get(
            f"{HOST}/.well-known/databricks-config",
            status=404,
            headers={"Date": "Wed, 01 Jan 2020 00:00:00 GMT"},
        )
        web.get(f"{HOST}/api/2.0/preview/scim/v2/Me", json={"userName": "me@example.com"})
        web.get(f"{HOST}/api/2.0/dbfs/get-status", status=403, json=denied)
        web.get(f"{HOST}/api/2.1/unity-catalog/catalogs", json={"catalogs": [{"name": "main"}]})
        web.get(
            f"{HOST}/api/2.1/unity-catalog/volumes",
            json={"volumes": [{"name": "out", "full_name": "main.default.out"}]},
        )
        web.get(f"{HOST}/api/2.0/workspace/get-status", json={"object_type": "DIRECTORY"})
        web.get(
            f"{HOST}/api/2.0/sql/warehouses",
            json={
                "warehouses": [
                    {"id": "a", "name": "small", "state": "STOPPED"},
                    {"id": "b", "name": "big", "state": "RUNNING"},
                ]
            },
        )
        diagnosis = examine(tmp_path, seconds=60)
    facts = diagnosis.as_json()
    assert "ahead of the workspace's" in _whats(diagnosis, "clock")
    assert facts["storage"].get("dbfs_root") is False, facts["findings"]
    assert "output_root is dbfs:/out, and the DBFS root is closed" in _whats(diagnosis, "storage")
    assert facts["warehouse"]["name"] == "big"
    assert diagnosis.exit_code == 2
