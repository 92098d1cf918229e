"""Conditions, loops, jobs within jobs and repairs, through the SDK."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue
from databricks.sdk.service.jobs import (
    ConditionTask,
    ConditionTaskOp,
    ForEachTask,
    JobParameterDefinition,
    JobSettings,
    NotebookTask,
    RepairHistoryItemType,
    Run,
    RunIf,
    RunJobTask,
    RunLifeCycleState,
    RunResultState,
    RunTask,
    Task,
    TaskDependency,
)
from databricks.sdk.service.workspace import ImportFormat, Language

PRINTS = (
    "dbutils.widgets.text('given', '')\n"
    "given = dbutils.widgets.get('given')\n"
    "if given == 'bad': raise ValueError('no ' + given)\n"
    "dbutils.notebook.exit(given)\n"
)
LOOP = "import time\nfor _ in range(3000): time.sleep(0.02)"


class Bench:
    """What the tests do with jobs, in a word each."""

    def __init__(self, client: WorkspaceClient, folder: str) -> None:
        self.client = client
        self._folder = folder

    def notebook(self, text: str = PRINTS, name: str = "nb") -> str:
        path = f"{self._folder}/{name}"
        source = ("# Databricks notebook source\n" + text).encode()
        self.client.workspace.upload(
            path, source, format=ImportFormat.SOURCE, language=Language.PYTHON, overwrite=True
        )
        return path

    def task(self, key: str, path: str, *after: Any, **parameters: str) -> Task:
        waits = [TaskDependency(one) if isinstance(one, str) else one for one in after]
        return Task(
            task_key=key,
            depends_on=waits or None,
            notebook_task=NotebookTask(path, base_parameters=parameters or None),
        )

    def job(self, *tasks: Task, **more: Any) -> int:
        made = self.client.jobs.create(name="control", tasks=list(tasks), **more).job_id
        assert made is not None
        return made

    def start(self, job_id: int, **given: Any) -> int:
        run_id = self.client.jobs.run_now(job_id, **given).run_id
        assert run_id is not None
        return run_id

    def end(self, run_id: int) -> Run:
        return self.until(run_id, lambda run: state(run)[0] in {"TERMINATED", "INTERNAL_ERROR"})

    def until(self, run_id: int, holds: Callable[[Run], bool]) -> Run:
        deadline = time.monotonic() + 60
        while not holds(run := self.client.jobs.get_run(run_id)):
            assert time.monotonic() < deadline, run.state
            time.sleep(0.02)
        return run

    def run(self, job_id: int, **given: Any) -> Run:
        return self.end(self.start(job_id, **given))

    def exit_value(self, task: RunTask) -> str | None:
        assert task.run_id is not None
        output = self.client.jobs.get_run_output(task.run_id).notebook_output
        return output.result if output else None


def state(run: Run | RunTask) -> tuple[str, str]:
    """Life cycle and result, in words."""
    assert run.state is not None
    result = run.state.result_state
    life = run.state.life_cycle_state or RunLifeCycleState.PENDING
    return life.value, result.value if result else ""


def message(run: Run | RunTask) -> str:
    """What is told of how it ended."""
    return (run.state.state_message if run.state else None) or ""


def last(run: Run) -> dict[str, RunTask]:
    """The last attempt at each task."""
    return {task.task_key: task for task in run.tasks or []}


def results(run: Run) -> dict[str, str]:
    """The result of each task."""
    return {key: state(task)[1] for key, task in last(run).items()}


@pytest.fixture
def bench(client: WorkspaceClient, remote_folder: str) -> Bench:
    """A bench with a folder of its own."""
    return Bench(client, remote_folder)


def test_a_condition_chooses_what_runs_after_it(bench: Bench) -> None:
    path = bench.notebook()
    job = bench.job(
        Task(
            task_key="large",
            condition_task=ConditionTask(
                ConditionTaskOp.GREATER_THAN, "{{job.parameters.count}}", "9.5"
            ),
        ),
        bench.task("yes", path, TaskDependency("large", outcome="true"), given="y"),
        bench.task("no", path, TaskDependency("large", outcome="false"), given="n"),
        bench.task("after_no", path, "no", given="never"),
        Task(
            task_key="end",
            depends_on=[TaskDependency("yes"), TaskDependency("no")],
            run_if=RunIf.NONE_FAILED,
            notebook_task=NotebookTask(
                path, base_parameters={"given": "{{tasks.yes.result_state}}"}
            ),
        ),
        parameters=[JobParameterDefinition("count", "1")],
    )
    run = bench.run(job, job_parameters={"count": "10"})
    assert state(run) == ("TERMINATED", "SUCCESS")
    assert results(run) == {
        "large": "SUCCESS", "yes": "SUCCESS", "no": "EXCLUDED", "after_no": "EXCLUDED",
        "end": "SUCCESS",
    }  # fmt: skip
    condition = last(run)["large"]
    assert condition.condition_task and condition.condition_task.outcome == "true"
    assert condition.resolved_values and condition.resolved_values.condition_task
    assert condition.resolved_values.condition_task.left == "10"
    assert bench.exit_value(last(run)["end"]) == "success"
    other = results(bench.run(job))
    assert (other["yes"], other["no"], other["after_no"]) == ("EXCLUDED", "SUCCESS", "SUCCESS")
    failed = bench.run(job, job_parameters={"count": "many"})
    assert results(failed)["large"] == "FAILED" and results(failed)["no"] == "UPSTREAM_FAILED"
    assert "'many' is not a number" in message(last(failed)["large"])


def test_a_loop_runs_its_task_for_each_value(bench: Bench) -> None:
    path = bench.notebook()
    makes = bench.notebook(
        "dbutils.jobs.taskValues.set('found', [{'n': 'a'}, {'n': 'b c'}, {'n': 'ü'}])", "makes"
    )
    nested = bench.task("each", path, given="{{input.n}}!")
    loop = Task(
        task_key="loop",
        depends_on=[TaskDependency("makes")],
        for_each_task=ForEachTask("{{tasks.makes.values.found}}", nested, concurrency=2),
    )
    run = bench.run(bench.job(bench.task("makes", makes), loop, bench.task("end", path, "loop")))
    assert results(run) == {"makes": "SUCCESS", "loop": "SUCCESS", "end": "SUCCESS"}
    shown = last(run)["loop"]
    assert shown.for_each_task and shown.for_each_task.stats and shown.run_id
    stats = shown.for_each_task.stats.task_run_stats
    assert stats and (stats.total_iterations, stats.succeeded_iterations) == (3, 3)
    whole = bench.client.jobs.get_run(shown.run_id)
    values = [bench.exit_value(one) for one in whole.iterations or []]
    assert values == ["a!", "b c!", "ü!"]
    # an iteration's own run leads to the whole one
    assert whole.iterations and whole.iterations[0].run_id
    assert bench.client.jobs.get_run(whole.iterations[0].run_id).job_run_id == run.run_id


def test_a_loop_goes_on_past_a_failure_and_fails(bench: Bench) -> None:
    nested = bench.task("each", bench.notebook(), given="{{input}}")
    loop = Task(task_key="loop", for_each_task=ForEachTask('["a", "bad", "c"]', nested))
    none = Task(task_key="none", for_each_task=ForEachTask("[]", nested))
    wrong = Task(task_key="wrong", for_each_task=ForEachTask("{{tasks.x.values.y}}", nested))
    run = bench.run(bench.job(loop, none, wrong))
    assert results(run) == {"loop": "FAILED", "none": "SUCCESS", "wrong": "FAILED"}
    found = last(run)
    assert "1 of 3 iterations failed" in message(found["loop"])
    assert "not a JSON array" in message(found["wrong"])
    shown = found["loop"].for_each_task
    assert shown and shown.stats and shown.stats.task_run_stats
    counts = shown.stats.task_run_stats
    assert (counts.succeeded_iterations, counts.failed_iterations) == (2, 1)


def test_a_loop_that_is_canceled_or_too_slow_stops_its_iterations(bench: Bench) -> None:
    slow = bench.notebook(LOOP, "slow")
    nested = bench.task("each", slow)
    loop = Task(task_key="loop", for_each_task=ForEachTask("[1, 2, 3]", nested, concurrency=2))
    run_id = bench.start(bench.job(loop))

    def iterations(run: Run) -> list[RunTask]:
        loop_id = last(run)["loop"].run_id
        assert loop_id is not None
        return list(bench.client.jobs.get_run(loop_id).iterations or [])

    bench.until(run_id, lambda run: any(state(one)[0] == "RUNNING" for one in iterations(run)))
    bench.client.jobs.cancel_run(run_id)
    run = bench.end(run_id)
    assert state(run)[1] == "CANCELED" and results(run) == {"loop": "CANCELED"}
    assert {state(one)[1] for one in iterations(run)} == {"CANCELED"}
    limited = Task(
        task_key="loop", timeout_seconds=2, for_each_task=ForEachTask("[1, 2, 3]", nested)
    )
    run = bench.run(bench.job(limited))
    assert results(run) == {"loop": "TIMEDOUT"} and len(iterations(run)) == 3
    assert all(state(one)[0] == "TERMINATED" for one in iterations(run))


def test_a_job_runs_another_and_takes_its_result(bench: Bench) -> None:
    path = bench.notebook()
    inner = bench.job(
        bench.task("main", path, given="{{job.parameters.what}}"),
        parameters=[JobParameterDefinition("what", "nothing")],
    )
    outer = bench.job(
        Task(
            task_key="calls",
            run_job_task=RunJobTask(inner, job_parameters={"what": "{{job.parameters.say}}"}),
        ),
        bench.task("after", path, "calls"),
        parameters=[JobParameterDefinition("say", "hello")],
    )
    run = bench.run(outer)
    assert results(run) == {"calls": "SUCCESS", "after": "SUCCESS"}
    output = bench.client.jobs.get_run_output(last(run)["calls"].run_id or 0)
    assert output.run_job_output and output.run_job_output.run_id
    child = bench.client.jobs.get_run(output.run_job_output.run_id)
    assert child.job_id == inner and bench.exit_value(last(child)["main"]) == "hello"
    failed = bench.run(outer, job_parameters={"say": "bad"})
    assert results(failed) == {"calls": "FAILED", "after": "UPSTREAM_FAILED"}
    bench.client.jobs.delete(inner)
    gone = bench.run(outer)
    assert f"Job {inner} does not exist" in message(last(gone)["calls"])


def test_canceling_a_run_cancels_the_job_it_runs_and_circles_end(bench: Bench) -> None:
    inner = bench.job(bench.task("main", bench.notebook(LOOP, "slow")))
    outer = bench.job(Task(task_key="calls", run_job_task=RunJobTask(inner)))
    run_id = bench.start(outer)

    def child_of(run: Run) -> int:
        found = bench.client.jobs.get_run_output(last(run)["calls"].run_id or 0).run_job_output
        return (found.run_id or 0) if found else 0

    child = child_of(bench.until(run_id, lambda run: child_of(run) > 0))
    bench.until(child, lambda run: state(run)[0] == "RUNNING")
    bench.client.jobs.cancel_run(run_id)
    assert state(bench.end(run_id))[1] == "CANCELED" and state(bench.end(child))[1] == "CANCELED"
    back = Task(task_key="back", run_job_task=RunJobTask(outer))
    bench.client.jobs.reset(inner, JobSettings(name="inner", tasks=[back]))
    run = bench.run(outer)
    assert results(run) == {"calls": "FAILED"}
    child = child_of(run)
    assert "would run itself" in message(last(bench.end(child))["back"])


def test_a_repair_runs_what_failed_and_keeps_the_rest(bench: Bench) -> None:
    path = bench.notebook()
    broken = bench.notebook("raise ValueError('broken')", "broken")
    job = bench.job(
        bench.task("good", path, given="kept"),
        bench.task("bad", broken, "good"),
        bench.task("after", path, "bad", given="{{job.repair_count}} {{job.parameters.word}}"),
        parameters=[JobParameterDefinition("word", "one")],
    )
    run_id = bench.start(job)
    with pytest.raises(InvalidParameterValue, match="is active"):
        bench.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    before = bench.end(run_id)
    assert results(before) == {"good": "SUCCESS", "bad": "FAILED", "after": "UPSTREAM_FAILED"}
    for wrong, words in (
        ({"rerun_tasks": ["none"]}, "'none' does not exist"),
        ({}, "no task to be repaired"),
        ({"rerun_all_failed_tasks": True, "rerun_tasks": ["bad"]}, "Only one of"),
        ({"rerun_all_failed_tasks": True, "latest_repair_id": 7}, "not repaired yet"),
    ):
        with pytest.raises(InvalidParameterValue, match=words):
            bench.client.jobs.repair_run(run_id, **wrong)  # type: ignore[arg-type]
    still = bench.client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    assert results(bench.end(run_id))["bad"] == "FAILED"
    repair_id = still.response.repair_id
    bench.notebook("print('mended')", "broken")
    with pytest.raises(InvalidParameterValue, match=f"the latest repair is {repair_id}"):
        bench.client.jobs.repair_run(run_id, rerun_tasks=["bad"])
    mended = bench.client.jobs.repair_run(
        run_id,
        rerun_tasks=["bad"],
        rerun_dependent_tasks=True,
        latest_repair_id=repair_id,
        job_parameters={"word": "two"},
    ).result()
    assert state(mended) == ("TERMINATED", "SUCCESS") and mended.run_id == run_id
    found = last(mended)
    assert found["good"].run_id == last(before)["good"].run_id
    assert found["bad"].attempt_number == 2 and bench.exit_value(found["after"]) == "2 two"
    history = bench.client.jobs.get_run(run_id, include_history=True).repair_history or []
    assert [one.type for one in history] == [
        RepairHistoryItemType.ORIGINAL, RepairHistoryItemType.REPAIR, RepairHistoryItemType.REPAIR
    ]  # fmt: skip
    ends = [one.state.result_state for one in history if one.state]
    assert ends == [RunResultState.FAILED, RunResultState.FAILED, RunResultState.SUCCESS]
    assert sorted(history[2].task_run_ids or []) == sorted(
        [found["bad"].run_id or 0, found["after"].run_id or 0]
    )


def test_the_pages_of_such_runs_open(bench: Bench) -> None:
    path = bench.notebook()
    inner = bench.job(bench.task("main", path, given="inner"))
    loop = ForEachTask('["a", "b"]', bench.task("each", path, given="{{input}}"))
    run = bench.run(
        bench.job(
            Task(task_key="if", condition_task=ConditionTask(ConditionTaskOp.EQUAL_TO, "1", "1")),
            Task(task_key="loop", for_each_task=loop),
            Task(task_key="calls", run_job_task=RunJobTask(inner)),
        )
    )
    assert state(run) == ("TERMINATED", "SUCCESS")
    for shown in (run, *(run.tasks or [])):
        page = requests.get(shown.run_page_url or "", timeout=30)
        assert page.status_code == 200 and "SUCCESS" in page.text.upper()
