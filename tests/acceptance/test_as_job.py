"""`invoke build --as-job`: the whole graph as one job, with the results of one run for each."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.acceptance.conftest import DODO, type_command, write_notebook
from tests.acceptance.test_doit import ran
from tests.acceptance.test_run import hear_sigint

from brickloop import launcher
from brickloop.sync.ledger import Ledger

_CHANGING = re.compile(
    r"\b\d{7,}\b|http://\S+|\d{4}-\d\d-\d\d[T ][\d:.]+(\+00:00|Z| UTC)?|\d+(\.\d+)? m?s\b"
)


def test_the_two_ways_give_the_same(project, tmp_path):
    other = tmp_path / "other" / "project"
    shutil.copytree(project, other, ignore=shutil.ignore_patterns(".brickloop"))
    try:
        assert type_command(project, "doit").returncode == 0
        done = type_command(other, "invoke", "build", "--as-job")
        assert done.returncode == 0, done.stderr
        assert "4 succeeded" in done.stderr
        assert "── b_sum: Total" in done.stdout, "sections are shown"
        assert _outputs(project) == _outputs(other)
        assert _fingerprints(project) == _fingerprints(other)
        for folder in (project, other):
            again = type_command(folder, "doit")
            assert again.stdout == "nothing to do: 4 notebooks are up to date\n"
        assert len(_jobs(other)) == 1
        (run,) = _client(other).jobs.list_runs()
        shown = type_command(other, "invoke", "output", str(run.run_id))
        assert "Total" in shown.stdout and "times 10" in shown.stdout, shown.stderr
        assert not _jobs(project)

        counting = ("invoke", "query", "SELECT count(*) AS n FROM shop.items", "--format", "csv")
        assert type_command(other, *counting).stdout.split() == ["n", "4"]

        # what changed is run as one run, and what comes after it
        for folder in (project, other):
            loader = folder / "notebooks" / "a_load.py"
            loader.write_text(loader.read_text().replace("range(4)", "range(6)"))
        assert type_command(project, "doit").returncode == 0
        second = type_command(other, "invoke", "build", "--as-job")
        assert sorted(ran(second.stderr)) == ["a_load", "b_sum", "d_count"]
        assert type_command(other, *counting).stdout.split() == ["n", "6"], "nothing older is shown"
        assert "run of 3 notebooks" in re.sub(r"run \d+", "run", second.stderr)
        assert _outputs(project) == _outputs(other)
        assert _fingerprints(project) == _fingerprints(other)
        for folder in (project, other):
            assert type_command(folder, "invoke", "plan", "--check").returncode == 0
    finally:
        launcher.stop(other / ".brickloop" / "local")


def test_the_job_is_made_once_and_reset_when_a_parameter_changes(project):
    notebooks = project / "notebooks"
    for path in notebooks.iterdir():
        path.unlink()
    write_notebook(
        notebooks / "02_clean.py",
        'dbutils.widgets.text("limit", "1")\ndbutils.widgets.text("full_refresh", "no")',
        'print("limit", dbutils.widgets.get("limit"), dbutils.widgets.get("full_refresh"))',
    )
    write_notebook(notebooks / "other.py", "print('other')")
    first = type_command(project, "invoke", "build", "--as-job", "nightly")
    assert first.returncode == 0, first.stderr
    assert "limit 1 no" in first.stdout
    client = _client(project)
    (job_id,) = _jobs(project)
    settings = client.jobs.get(job_id).settings
    assert settings.name == "nightly"
    assert settings.tags == {"managed_by": "brickloop"}
    client.jobs.update(job_id, new_settings=_settings(description="mine", max_concurrent_runs=1))

    forced = type_command(project, "invoke", "build", "--as-job", "nightly", "--force")
    assert sorted(ran(forced.stderr)) == ["02_clean", "other"]
    dodo = DODO.replace('"notebooks")', '"notebooks", parameters={"02_clean": {"limit": "7"}})')
    (project / "dodo.py").write_text(dodo)
    changed = type_command(project, "invoke", "build", "--as-job", "nightly")
    assert ran(changed.stderr) == ["02_clean"], changed.stderr
    assert "limit 7 no" in changed.stdout
    fresh = type_command(project, "invoke", "build", "--as-job", "nightly", "--full-refresh")
    assert "limit 7 true" in fresh.stdout
    assert list(_jobs(project)) == [job_id]
    settings = client.jobs.get(job_id).settings
    assert settings.description == "mine", "what somebody set beside ours stays"
    given = [task.notebook_task.base_parameters for task in settings.tasks]
    assert [found.get("limit") for found in given] == ["7", None]

    # a parameter that is taken back is taken back from the job
    (project / "dodo.py").write_text(DODO)
    back = type_command(project, "invoke", "build", "--as-job", "nightly")
    assert "limit 1 no" in back.stdout
    assert len(list(client.jobs.list_runs(job_id=job_id))) == 5

    foreign = client.jobs.create(name="theirs", tasks=settings.tasks[:1],
                                 environments=settings.environments)  # fmt: skip
    refused = type_command(project, "invoke", "build", "--as-job", "theirs", "--force")
    assert refused.returncode == 2
    assert "that brickloop did not make" in refused.stderr
    assert client.jobs.get(foreign.job_id).settings.tags is None


def test_a_failure_stops_only_what_depends_on_it(project):
    notebooks = project / "notebooks"
    loader = notebooks / "a_load.py"
    right = loader.read_text()
    loader.write_text(right + "\n# COMMAND ----------\n\n1 / 0\n")
    done = type_command(project, "invoke", "build", "--as-job", BRICKLOOP_SUMMARY="summary.json")
    assert done.returncode == 1, done.stderr
    assert "ZeroDivisionError" in done.stdout
    assert "the run did not succeed" in done.stderr
    found = json.loads((project / "summary.json").read_text())["notebooks"]
    assert {one["name"]: one["state"] for one in found} == {
        "a_load": "failed", "b_sum": "skipped", "c_alone": "succeeded", "d_count": "skipped",
    }  # fmt: skip
    assert (project / "outputs" / "a_load.html").exists()
    (run,) = _client(project).jobs.list_runs()
    shown = type_command(project, "invoke", "output", str(run.run_id))
    assert "ZeroDivisionError" in shown.stdout, shown.stderr
    planned = type_command(project, "invoke", "plan", "--json")
    steps = {one["notebook"]: one for one in json.loads(planned.stdout)[0]["notebooks"]}
    assert "its last run failed" in steps["a_load"]["reasons"]
    assert steps["c_alone"]["step"] == "up to date"
    loader.write_text(right)
    mended = type_command(project, "doit")
    assert mended.returncode == 0
    assert sorted(ran(mended.stderr)) == ["a_load", "b_sum", "d_count"]


def test_plain_doit_runs_as_a_job_where_the_setting_says_so(project):
    (project / "pyproject.toml").write_text('[tool.brickloop]\nas_job = "nightly"\n')
    done = type_command(project, "doit", BRICKLOOP_SUMMARY="summary.json")
    assert done.returncode == 0, done.stderr
    assert "nightly: job run" in done.stderr
    assert "── b_sum: Total" in done.stdout
    found = json.loads((project / "summary.json").read_text())
    seconds = {one["name"]: one["seconds"] for one in found["notebooks"]}
    assert found["critical_path"][0] == "a_load"
    assert max(seconds.values()) < found["seconds"], "no task is charged with what it waited for"
    (job_id,) = _jobs(project)
    assert _client(project).jobs.get(job_id).settings.name == "nightly"
    again = type_command(project, "doit")
    assert again.stdout == "nothing to do: 4 notebooks are up to date\n"

    loader = project / "notebooks" / "a_load.py"
    loader.write_text(loader.read_text().replace("range(4)", "range(6)"))
    listed = type_command(project, "doit", "list", "--status", "--all")
    assert "R run:a_load" in listed.stdout
    named = type_command(project, "doit", "run:a_load")
    assert (named.returncode, ran(named.stderr)) == (0, ["a_load"])
    assert "job run" not in named.stderr, "what is named is a run of its own"
    rest = type_command(project, "doit")
    assert sorted(ran(rest.stderr)) == ["b_sum", "d_count"]
    assert "job run" in rest.stderr
    forced = type_command(project, "invoke", "build", "--select", "c_alone", "--force")
    assert (ran(forced.stderr), "job run" in forced.stderr) == (["c_alone"], True)
    alone = type_command(project, "doit", "-a", BRICKLOOP_AS_JOB="false")
    assert len(ran(alone.stderr)) == 4
    assert "job run" not in alone.stderr
    assert len(_jobs(project)) == 1


@pytest.mark.parametrize("way", ["build", "doit"])
def test_killed_amid_the_run_the_next_command_takes_it_up(project, tmp_path, way):
    gate = _gated(project, tmp_path)
    process = _begin(project, ["invoke", "build", "--as-job"])
    _wait_until(lambda: (tmp_path / "count").exists(), process)
    process.kill()
    process.communicate()
    words = ["invoke", "build", "--as-job"] if way == "build" else ["doit"]
    gate.touch()
    done = type_command(project, *words)
    assert done.returncode == 0, done.stderr
    assert "taking up run" in done.stderr
    assert (tmp_path / "count").read_text() == "xy", "each was run once"
    assert type_command(project, "invoke", "plan", "--check").returncode == 0
    assert "behind the gate" in (project / "outputs" / "slow.txt").read_text()


@pytest.mark.parametrize(
    ("detach", "words"),
    [
        (False, ["invoke", "build", "--as-job"]),
        (True, ["invoke", "build", "--as-job", "--detach"]),
        (False, ["doit"]),
        (True, ["doit"]),
    ],
)
def test_ctrl_c_cancels_or_leaves_the_run(project, tmp_path, monkeypatch, detach, words):
    gate = _gated(project, tmp_path)
    if words == ["doit"]:
        monkeypatch.setenv("BRICKLOOP_AS_JOB", "true")
        monkeypatch.setenv("BRICKLOOP_ON_INTERRUPT", "detach" if detach else "cancel")
    process = _begin(project, words)
    _wait_until(lambda: (tmp_path / "count").exists(), process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    if detach:
        assert "goes on" in told
        gate.touch()
        again = type_command(project, "invoke", "build", "--as-job")
        assert again.returncode == 0, again.stderr
        assert "taking up run" in again.stderr
        assert (tmp_path / "count").read_text() == "xy"
        return
    assert "is being cancelled" in told
    client = _client(project)
    (run,) = client.jobs.list_runs()
    _wait_until(lambda: client.jobs.get_run(run.run_id).state.life_cycle_state.value
                in {"TERMINATED", "INTERNAL_ERROR"})  # fmt: skip
    assert client.jobs.get_run(run.run_id).state.result_state.value == "CANCELED"


def _gated(project: Path, tmp_path: Path) -> Path:
    """A notebook that waits for a file, and one after it; both leave a mark when they run."""
    for path in (project / "notebooks").iterdir():
        path.unlink()
    gate = tmp_path / "gate"
    write_notebook(
        project / "notebooks" / "slow.py",
        f"import pathlib, time\nwith open({str(tmp_path / 'count')!r}, 'a') as file:\n"
        "    file.write('x')",
        f"until = time.monotonic() + 100\nwhile not pathlib.Path({str(gate)!r}).exists():\n"
        "    assert time.monotonic() < until\n    time.sleep(0.05)",
        "print('behind the gate')",
    )
    write_notebook(
        project / "notebooks" / "then.py",
        f"with open({str(tmp_path / 'count')!r}, 'a') as file:\n    file.write('y')",
    )
    (project / "dodo.py").write_text(
        DODO.replace(
            '"notebooks")',
            '"notebooks", depends={"slow": {"writes": ["x.y"]}, "then": {"reads": ["x.y"]}})',
        )
    )
    return gate


def _begin(project: Path, words: list[str]) -> subprocess.Popen[str]:
    program = shutil.which(words[0], path=str(Path(sys.executable).parent))
    assert program
    return subprocess.Popen(
        [program, *words[1:]],
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
        preexec_fn=hear_sigint,
    )


def _wait_until(holds, process=None) -> None:
    deadline = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.05)


def _outputs(project: Path) -> dict[str, str]:
    """What the text and the JSON of each notebook say, without what no two runs have in common."""
    found = {}
    for path in sorted((project / "outputs").rglob("*.txt")):
        found[path.name] = _CHANGING.sub("~", path.read_text())
    for path in sorted((project / "outputs").rglob("*.json")):
        saved = json.loads(path.read_text())
        for cell in saved["cells"]:
            cell.pop("started_ms", None)
            cell.pop("ended_ms", None)
        found[path.name] = json.dumps(saved["cells"]) + str(saved.get("exit_value"))
    return found


def _fingerprints(project: Path) -> dict[str, str]:
    ledger = Ledger(project / ".brickloop" / "ledger.db")
    rows = ledger._all("SELECT task, value FROM task_state WHERE key = '_values_:'", ())
    ledger.close()
    values = {task: json.loads(value) for task, value in rows}
    return {
        task: value.get("fingerprint")
        for task, value in values.items()
        if task[:4] in {"run:", "fetc"}
    }


def _client(project: Path):
    from databricks.sdk import WorkspaceClient

    server = launcher.find_running(project / ".brickloop" / "local")
    return WorkspaceClient(host=server.host, token=server.token)


def _jobs(project: Path) -> list[int]:
    return [job.job_id for job in _client(project).jobs.list()]


def _settings(**fields):
    from databricks.sdk.service.jobs import JobSettings

    return JobSettings(**fields)
