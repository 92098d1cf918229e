"""The ledger: what is written stays, what cannot be read is kept aside."""

import sqlite3
import threading

import pytest

from brickloop.sync.ledger import Ledger, RemoteObject, RunRecord


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".brickloop" / "ledger.db"


def test_facts_of_every_kind_survive_closing(path):
    ledger = Ledger(path)
    seen = RemoteObject("/Workspace/a", "aa", "NOTEBOOK", 7, 123)
    ledger.record_remote_object("t", seen)
    ledger.record_file_hashes({"a.py": (1, 2, "aa")})
    ledger.record_fact("scan", "aa", {"reads": ["x"]})
    ledger.record_task_state("t", "run:a", {"fingerprint": "f"})
    run = RunRecord("k", "t", "a", "f", None, "asked", "/Volumes/x", 1.0, None)
    ledger.record_run(run)
    ledger.close()
    again = Ledger(path)
    assert again.set_aside is None
    assert again.remote_object("t", "/Workspace/a") == seen
    assert again.remote_objects("other") == {}
    assert again.file_hashes() == {"a.py": (1, 2, "aa")}
    assert again.facts("scan") == {"aa": {"reads": ["x"]}}
    assert again.task_values("t", "fingerprint") == {"run:a": "f"}
    assert again.latest_run("t", "a") == run
    again.forget_task_state("t", "run:a")
    again.forget_remote_object("t", "/Workspace/a")
    assert again.task_values("t", "fingerprint") == {}
    assert again.remote_object("t", "/Workspace/a") is None
    again.close()


@pytest.mark.parametrize("damage", ["garbage", "truncated", "version"])
def test_an_unreadable_ledger_is_kept_aside_and_begun_anew(path, damage):
    ledger = Ledger(path)
    for number in range(200):
        ledger.record_fact("scan", str(number), "x" * 100)
    ledger.close()
    if damage == "garbage":
        path.write_bytes(b"this is no database" * 100)
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
    kept = path.read_bytes()
    again = Ledger(path)
    assert again.set_aside is not None
    assert again.set_aside.read_bytes() == kept
    assert again.facts("scan") == {}
    again.record_fact("scan", "a", 1)
    again.close()


def test_threads_write_at_once(path):
    ledger = Ledger(path)

    def write(number: int) -> None:
        for step in range(20):
            ledger.record_task_state("t", f"task-{number}-{step}", {"ok": True})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.task_values("t", "ok")) == 80
    ledger.close()
