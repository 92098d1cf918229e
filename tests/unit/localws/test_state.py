from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from brickloop.localws.run_store import JOB_RUN, SUBMIT_RUN, Ending, RunStore
from brickloop.localws.state import State
from brickloop.localws.wire import ApiError
from brickloop.model.run import LifeCycle, ResultState

SPEC = {"tasks": [{"task_key": "a"}, {"task_key": "b", "depends_on": [{"task_key": "a"}]}]}
DONE = Ending(LifeCycle.TERMINATED, ResultState.SUCCESS)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state.db")


def test_numbers_are_given_out_once(state: State) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: state.next_id("run"), range(200)))
    assert len(set(numbers)) == 200
    assert state.next_id("job") == min(numbers)


def test_numbers_are_not_given_out_again_after_a_restart(tmp_path: Path) -> None:
    first = State(tmp_path / "state.db")
    before = first.next_id("run")
    first.close()
    assert State(tmp_path / "state.db").next_id("run") == before + 1


def test_a_transaction_takes_effect_as_a_whole(state: State) -> None:
    store = RunStore(state)
    with pytest.raises(ZeroDivisionError), store.transaction():
        run_id = store.create_run(kind=SUBMIT_RUN, name="n", spec=SPEC)
        with store.transaction():
            store.create_job({})
        _ = 1 / 0
    with pytest.raises(ApiError, match=f"Run {run_id} does not exist"):
        store.run(run_id)
    assert store.jobs() == []


def test_a_database_of_another_version_is_kept_aside(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    state = State(path)
    state.execute("PRAGMA user_version=99")
    state.close()
    State(path).close()
    assert len(list(tmp_path.glob("state.db.unreadable-*"))) == 1


def test_a_run_begins_with_all_its_tasks(state: State) -> None:
    store = RunStore(state)
    run_id = store.create_run(kind=SUBMIT_RUN, name="n", spec=SPEC)
    assert [(one.task_key, one.life_cycle) for one in store.attempts(run_id)] == [
        ("a", LifeCycle.PENDING),
        ("b", LifeCycle.BLOCKED),
    ]


def test_the_first_ending_of_a_run_stays(state: State) -> None:
    store = RunStore(state)
    run_id = store.create_run(kind=SUBMIT_RUN, name="n", spec=SPEC)
    store.end(run_id, DONE, {"exit_value": "x"})
    store.end(run_id, Ending(LifeCycle.INTERNAL_ERROR, ResultState.FAILED, "late"))
    store.advance(run_id, LifeCycle.RUNNING)
    run = store.run(run_id)
    assert (run.ending, run.outcome) == (DONE, {"exit_value": "x"})


def test_a_further_attempt_knows_the_first(state: State) -> None:
    store = RunStore(state)
    run_id = store.create_run(kind=SUBMIT_RUN, name="n", spec=SPEC)
    first = store.attempts(run_id)[0]
    second = store.create_attempt(first)
    third = store.create_attempt(second)
    assert (third.attempt, third.first_run_id) == (2, first.run_id)


def test_runs_of_one_job_are_numbered(state: State) -> None:
    store = RunStore(state)
    job_id = store.create_job({"name": "j"})
    ids = [store.create_run(kind=JOB_RUN, name="j", spec=SPEC, job_id=job_id) for _ in range(3)]
    assert [store.run(one).number_in_job for one in ids] == [1, 2, 3]
    assert [run.run_id for run in store.runs(job_id)] == ids[::-1]
    store.end(ids[0], DONE)
    assert [run.run_id for run in store.active_runs(job_id)] == ids[1:]


def test_tokens_belong_to_their_job(state: State) -> None:
    store = RunStore(state)
    first = store.create_run(kind=SUBMIT_RUN, name="n", spec=SPEC, token="t")
    assert store.create_run(kind=SUBMIT_RUN, name="n", spec=SPEC, token="t") == first
    job_id = store.create_job({"name": "j"})
    other = store.create_run(kind=JOB_RUN, name="j", spec=SPEC, job_id=job_id, token="t")
    assert other != first
