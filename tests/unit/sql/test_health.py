from __future__ import annotations

import threading
import time

from brickloop.errors import ConnectionFailed
from brickloop.sql.health import Probe, run_checks


def test_parts_are_asked_at_once_and_each_says_what_it_found():
    gate = threading.Barrier(3, timeout=30)

    def meet(word):
        def ask():
            gate.wait()
            return word

        return ask

    report = run_checks({name: Probe("look", meet(name)) for name in "abc"}, 30)
    assert report
    assert [check.detail for check in report.checks] == ["a", "b", "c"]
    assert report["a"].tried == "look"


def test_one_that_fails_hides_no_other():
    def refuse():
        raise ConnectionFailed("refused", where="there", hint="do this")

    def break_down():
        raise RuntimeError("a fault")

    probes = {"a": Probe("x", refuse), "b": Probe("x", break_down), "c": Probe("x", lambda: "well")}
    report = run_checks(probes, 30)
    assert not report
    assert [check.name for check in report.failed] == ["a", "b"]
    assert (report["a"].detail, report["a"].hint) == ("there: refused", "do this")
    assert report["b"].detail == "RuntimeError: a fault"
    assert report["c"]


def test_one_that_does_not_answer_is_not_waited_for():
    release = threading.Event()
    begun = time.monotonic()
    probes = {"a": Probe("x", lambda: str(release.wait(60))), "b": Probe("x", lambda: "well")}
    report = run_checks(probes, 0.3)
    release.set()
    assert time.monotonic() - begun < 30
    assert "no answer within" in report["a"].detail
    assert report["b"]
