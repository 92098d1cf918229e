"""Following a run: every state there is, and a workspace that does not always answer."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses
from databricks.sdk import WorkspaceClient
from tests.fakes.notebook import seal

from brickloop.clients.files import RemoteFiles
from brickloop.errors import ConnectionFailed, OutputUnavailable, TimedOut
from brickloop.jobs.document_follower import DocumentFollower
from brickloop.jobs.follow import Followed, Note, Pace, Waiting, follow
from brickloop.model.document import Section
from brickloop.model.run import LifeCycle, ResultState, RunStatus, exit_code_of, reason_of

HOST = "https://workspace.test"
FOLDER = "/Volumes/main/default/brickloop/runs/key"
QUICK = Pace(first=0.01, patience=5.0, grace=0.3)


@pytest.fixture
def edge() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.add(responses.GET, f"{HOST}/.well-known/databricks-config", json={}, status=404)
        yield mock


@pytest.fixture
def sdk(edge: responses.RequestsMock) -> WorkspaceClient:
    return WorkspaceClient(host=HOST, token="t", auth_type="pat")


class Workspace:
    """Answers runs/get from a list, the last for ever; the output's chunks come from a dict."""

    def __init__(self, edge: responses.RequestsMock, *looks: Any) -> None:
        self.looks = list(looks)
        self.asked = 0
        self.chunks: dict[str, bytes] = {}
        edge.add_callback(
            responses.GET, re.compile(rf"{HOST}/api/2\.\d/jobs/runs/get\?"), self._get
        )
        edge.add_callback(responses.GET, re.compile(rf"{HOST}/api/2.0/fs/"), self._file)

    def _get(self, request: requests.PreparedRequest) -> Any:
        look = self.looks[min(self.asked, len(self.looks) - 1)]
        self.asked += 1
        if isinstance(look, Exception):
            raise look
        if isinstance(look, tuple):
            return (look[0], look[1] if len(look) > 1 else {}, "{}")
        return (200, {}, json.dumps(look))

    def _file(self, request: requests.PreparedRequest) -> Any:
        if "/fs/directories/" in str(request.url):
            paths = [f"{FOLDER}/{name}" for name in self.chunks]
            listed = [{"path": path, "is_directory": False} for path in paths]
            return (200, {}, json.dumps({"contents": listed}))
        name = str(request.url).split("/runs/key/", 1)[1].split("?", 1)[0]
        if name not in self.chunks:
            body = {"error_code": "NOT_FOUND", "message": "no such file"}
            return (404, {"content-type": "application/json"}, json.dumps(body))
        return (200, {}, self.chunks[name])


def run(life: str, result: str | None = None, **more: Any) -> dict[str, Any]:
    state = {"life_cycle_state": life, **({"result_state": result} if result else {})}
    task = {
        "task_key": "main",
        "run_id": 8,
        "state": state,
        "notebook_task": {"notebook_path": "/n"},
    }
    return {"run_id": 7, "run_page_url": "https://page", "state": state, "tasks": [task], **more}


def section(number: int, title: str) -> bytes:
    event = {"v": 1, "seq": number, "t": 1.0, "kind": "text", "title": title, "text": "said"}
    return seal(event, number=number)


def followed(
    sdk: WorkspaceClient, *, timeout: float = 30, pace: Pace = QUICK
) -> tuple[list[Followed], DocumentFollower]:
    document = DocumentFollower(RemoteFiles(sdk, HOST), FOLDER)
    values: list[Followed] = []
    for value in follow(sdk, HOST, 7, document, timeout, pace=pace):
        if not isinstance(value, Waiting):
            values.append(value)
    return values, document


def statuses(values: list[Followed]) -> list[RunStatus]:
    return [value for value in values if isinstance(value, RunStatus)]


def notes(values: list[Followed]) -> list[str]:
    return [value.code for value in values if isinstance(value, Note)]


@pytest.mark.parametrize(
    ("life", "result", "succeeded", "code", "reason"),
    [
        ("TERMINATED", "SUCCESS", True, 0, ""),
        ("TERMINATED", "SUCCESS_WITH_FAILURES", True, 0, ""),
        ("TERMINATED", "FAILED", False, 1, "failed"),
        ("INTERNAL_ERROR", "FAILED", False, 1, "failed"),
        ("TERMINATED", "TIMEDOUT", False, 4, "time limit"),
        ("TERMINATED", "CANCELED", False, 1, "cancelled"),
        ("SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED", False, 1, "as often at once"),
        ("TERMINATED", "UPSTREAM_CANCELED", False, 1, "before it was cancelled"),
        ("TERMINATED", "UPSTREAM_FAILED", False, 1, "before it failed"),
        ("TERMINATED", "EXCLUDED", False, 1, "condition"),
        ("SKIPPED", "EXCLUDED", False, 1, "condition"),
        ("TERMINATED", "DISABLED", False, 1, "switched off"),
        ("SKIPPED", None, False, 1, "skipped"),
        ("INTERNAL_ERROR", None, False, 1, "no result"),
        ("TERMINATED", "A_STATE_OF_NEXT_YEAR", False, 1, "no result"),
    ],
)
def test_every_end_of_a_run_is_told(edge, sdk, life, result, succeeded, code, reason):
    Workspace(edge, run("RUNNING"), run(life, result))
    values, _ = followed(sdk)
    first, last = statuses(values)
    assert first.life_cycle is LifeCycle.RUNNING
    assert last.life_cycle.is_final
    assert (last.succeeded, exit_code_of(last)) == (succeeded, code)
    assert reason in reason_of(last)
    assert values[-1] is last


def test_every_state_before_the_end_is_told_once(edge, sdk):
    lives = ["PENDING", "QUEUED", "BLOCKED", "RUNNING", "WAITING_FOR_RETRY", "TERMINATING"]
    looks = [run(life) for life in lives for _ in range(3)]
    Workspace(edge, *looks, run("TERMINATED", "SUCCESS"))
    values, _ = followed(sdk)
    assert [status.life_cycle.value for status in statuses(values)] == [*lives, "TERMINATED"]
    assert {result.value for result in ResultState} >= {"SUCCESS", "DISABLED"}


def test_a_state_without_a_known_name_goes_on_until_the_run_has_an_end(edge, sdk):
    Workspace(edge, run("HOVERING"), run("LANDED", "SUCCESS", end_time=5))
    first, last = statuses(followed(sdk)[0])
    assert not first.life_cycle.is_final
    assert (last.life_cycle, last.succeeded) == (LifeCycle.TERMINATED, True)


def test_what_the_workspace_says_comes_before_our_own_words(edge, sdk):
    end = run("TERMINATED", "FAILED")
    end["state"]["state_message"] = "Task main failed with message: no luck."
    Workspace(edge, end)
    assert reason_of(statuses(followed(sdk)[0])[0]) == "Task main failed with message: no luck."


def test_a_task_that_was_tried_again_stands_as_its_last_attempt(edge, sdk):
    end = run("TERMINATED", "SUCCESS")
    first = {**end["tasks"][0], "run_id": 9, "attempt_number": 1}
    end["tasks"] = [first, {**first, "run_id": 8, "attempt_number": 0}]
    Workspace(edge, end)
    (status,) = statuses(followed(sdk)[0])
    assert (status.task_run_id, status.attempt, len(status.tasks)) == (9, 1, 1)


@pytest.mark.parametrize(
    "fault",
    [
        (500,),
        (502,),
        (504,),
        (503, {"Retry-After": "0"}),
        (429, {"Retry-After": "0"}),
        requests.ConnectionError("Connection reset by peer"),
        requests.Timeout("Read timed out"),
    ],
)
def test_a_poll_outlives_a_fault_of_the_moment(edge, sdk, fault):
    workspace = Workspace(edge, run("RUNNING"), fault, run("TERMINATED", "SUCCESS"))
    values, _ = followed(sdk, pace=Pace(0.01, 20.0, 0.3))
    assert statuses(values)[-1].succeeded
    assert workspace.asked == 3


def test_a_workspace_that_answers_again_is_said(edge, sdk):
    Workspace(edge, run("RUNNING"), (500,), (502,), run("TERMINATED", "SUCCESS"))
    values, _ = followed(sdk)
    assert notes(values) == ["connection_lost", "connection_restored"]


def test_patience_ends_and_says_how_to_come_back(edge, sdk):
    Workspace(edge, run("RUNNING"), (500,))
    with pytest.raises(ConnectionFailed) as caught:
        followed(sdk, pace=Pace(0.01, 0.2, 0.1))
    assert caught.value.exit_code == 3
    assert "invoke output 7" in str(caught.value.hint)


def test_a_request_that_never_ends_does_not_hold_us(edge, sdk):
    release = threading.Event()

    def hang(request: requests.PreparedRequest) -> Any:
        release.wait(30)
        return (200, {}, "{}")

    edge.add_callback(responses.GET, re.compile(rf"{HOST}/api/2\.\d/jobs/runs/get\?"), hang)
    begun = time.monotonic()
    try:
        with pytest.raises(ConnectionFailed, match="does not answer"):
            followed(sdk, pace=Pace(0.01, 0.3, 0.1))
        assert time.monotonic() - begun < 20
    finally:
        release.set()


@pytest.mark.parametrize(
    ("status", "code", "message", "said"),
    [
        (400, "INVALID_PARAMETER_VALUE", "Run 7 does not exist.", "there is no run 7"),
        (403, "PERMISSION_DENIED", "User x does not have View permission", "may not be seen"),
    ],
)
def test_a_run_that_is_not_ours_to_see_ends_at_once(edge, sdk, status, code, message, said):
    edge.add(
        responses.GET,
        re.compile(rf"{HOST}/api/2\.\d/jobs/runs/get\?"),
        json={"error_code": code, "message": message},
        status=status,
    )
    with pytest.raises(OutputUnavailable, match=said) as caught:
        followed(sdk)
    assert caught.value.hint


def test_a_run_that_takes_too_long_is_left_and_said(edge, sdk):
    Workspace(edge, run("RUNNING"))
    with pytest.raises(TimedOut, match="goes on") as caught:
        followed(sdk, timeout=0.05)
    assert caught.value.exit_code == 4


def test_sections_come_while_the_run_goes_on(edge, sdk):
    workspace = Workspace(edge, *[run("RUNNING")] * 3, run("TERMINATED", "SUCCESS"))
    workspace.chunks = {"c-000001.ndjson": section(1, "one"), "c-000002.ndjson": section(2, "two")}
    values, _ = followed(sdk)
    kinds = [value.title if isinstance(value, Section) else value.state for value in values]
    assert kinds == ["RUNNING", "one", "two", "SUCCESS"]


def test_a_driver_that_dies_leaves_an_incomplete_output_and_no_hang(edge, sdk):
    workspace = Workspace(edge, run("RUNNING"), run("INTERNAL_ERROR", "FAILED"))
    workspace.chunks = {"c-000001.ndjson": section(1, "one")}
    begun = time.monotonic()
    values, document = followed(sdk)
    assert time.monotonic() - begun < 10
    assert notes(values) == ["output_incomplete"]
    found = document.document()
    assert found is not None and not found.complete
    assert [one.title for one in found.sections] == ["one"]


def test_output_that_is_not_ours_does_not_end_the_following(edge, sdk):
    workspace = Workspace(edge, *[run("RUNNING")] * 2, run("TERMINATED", "SUCCESS"))
    workspace.chunks = {"c-000001.ndjson": b"something else\n"}
    values, _ = followed(sdk)
    assert notes(values) == ["output_unreadable"]
    assert statuses(values)[-1].succeeded


def test_the_pace_of_a_host():
    assert Pace.of("http://127.0.0.1:8080").first < 1
    assert Pace.of("https://127.0.0.1.example.com") == Pace()
    assert Pace.of("https://adb-1.azuredatabricks.net") == Pace(1.0, 300.0, 5.0)


def test_the_pace_slows_down_and_output_makes_it_quick_again():
    pace, pause, seconds, pauses = Pace(), 1.0, 0.0, []
    while seconds < 60:
        pause = pace.next(pause, seconds, came=False)
        pauses.append(pause)
        seconds += pause
    assert pauses[:10] == [1.0] * 10
    assert pauses[10] == pytest.approx(1.3)
    assert pauses == sorted(pauses)
    assert pauses[-1] == 10.0
    assert pace.next(10.0, 60, came=True) == 1.0
