"""doit's memory in the ledger: durable task by task, apart for each target."""

from __future__ import annotations

from brickloop.graph.state import LedgerBackend, state_name


def test_a_finished_task_is_durable_before_the_run_ends(tmp_path):
    path = tmp_path / "ledger.db"
    first = LedgerBackend(state_name(path, "target"), codec=None)
    first.set("run:a", "_values_:", {"fingerprint": "f"})
    first.set("run:a", "deps:", ())
    first.set("run:b", "_values_:", {"fingerprint": "g"})
    # no dump: the process is gone; the unfinished task is not believed
    second = LedgerBackend(state_name(path, "target"), codec=None)
    assert second.get("run:a", "_values_:") == {"fingerprint": "f"}
    assert second.in_("run:a")
    assert not second.in_("run:b")
    other = LedgerBackend(state_name(path, "other"), codec=None)
    assert not other.in_("run:a")
    second.remove("run:a")
    third = LedgerBackend(state_name(path, "target"), codec=None)
    assert not third.in_("run:a")
    for backend in (first, second, other, third):
        backend.dump()
