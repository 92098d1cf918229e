"""The pool: what a run's end looks like from the server, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from brickloop.localws.kernel_job import KernelJob
from brickloop.localws.kernel_pool import KernelPool
from brickloop.localws.layout import StoreLayout

from .conftest import Bench


def wait_for(condition: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for counts."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False
    return state == "Z"


def test_success_has_output_states_and_times(bench: Bench) -> None:
    before = time.time() * 1000
    ran = bench.run("print('one')", "import sys; print('two', file=sys.stderr)", "3 + 4")
    assert ran.outcome.status == "success"
    assert ran.outcome.exit_value is None
    assert ran.states() == ["finished", "finished", "finished"]
    assert ran.text(1) == "one\n"
    assert ran.text(2, "stderr") == "two\n"
    assert ran.text(3) == "7\n"
    first = ran.commands[0]
    assert first["position"] == 1.0
    assert first["command"] == "print('one')"
    assert before <= first["startTime"] <= first["finishTime"] <= time.time() * 1000
    assert 0 < ran.outcome.seconds < 60


def test_every_cell_is_reported_running_before_it_ends(bench: Bench) -> None:
    ran = bench.run("x = 1")
    assert [event["command"]["state"] for event in ran.events] == ["running", "finished"]
    assert all(event["kind"] == "command" for event in ran.events)


def test_output_is_seen_while_the_cell_runs(bench: Bench) -> None:
    marker = bench.layout.root / "go on"
    seen: list[str] = []

    def look(event: dict[str, Any]) -> None:
        results = event["command"]["results"]
        if results is not None and event["command"]["state"] == "running":
            seen.append(results["data"][0]["data"])
            marker.touch()

    path = bench.notebook(
        "main",
        "import os, time\nprint('first')\n"
        f"while not os.path.exists({str(marker)!r}): time.sleep(0.01)\nprint('second')",
    )
    ran = bench.run_task({"notebook_task": {"notebook_path": path}}, on_event=look)
    assert seen[0] == "first\n"
    assert ran.text() == "first\nsecond\n"


def test_runs_go_on_at_once(bench: Bench) -> None:
    path = bench.notebook(
        "main",
        "import os, time\nmine, other = getArgument('mine'), getArgument('other')\n"
        "open(mine, 'w').close()\nend = time.time() + 20\n"
        "while not os.path.exists(other) and time.time() < end: time.sleep(0.01)\n"
        "print(os.path.exists(other))",
    )
    a, b = (str(bench.layout.root / name) for name in ("meet a", "meet b"))
    task = {"notebook_task": {"notebook_path": path}}
    with ThreadPoolExecutor() as threads:
        pair = list(
            threads.map(
                lambda each: bench.run_task(task, parameters=each),
                [{"mine": a, "other": b}, {"mine": b, "other": a}],
            )
        )
    assert [ran.text() for ran in pair] == ["True\n", "True\n"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; print('last words', flush=True); os._exit(3)", "exited with code 3"),
        (
            "import os, signal; print('last words', flush=True); os.kill(os.getpid(), 9)",
            "SIGKILL",
        ),
        (
            "import os, signal; print('last words', flush=True); os.kill(os.getpid(), 11)",
            "SIGSEGV",
        ),
    ],
)
def test_death_is_named_and_output_kept(bench: Bench, code: str, words: str) -> None:
    ran = bench.run("print('fine')", code, "print('never')")
    assert ran.outcome.status == "died"
    assert words in (ran.outcome.error or "")
    assert ran.states() == ["finished", "error", "skipped"]
    assert ran.text(2) == "last words\n"
    assert words in ran.commands[1]["errorSummary"]


def test_output_of_native_code_and_of_children_is_captured(bench: Bench) -> None:
    ran = bench.run(
        "import os, subprocess, sys\n"
        "os.write(1, b'raw\\n')\n"
        "subprocess.run([sys.executable, '-c', 'print(\"child\")'])\n"
        "import ctypes; libc = ctypes.CDLL(None); libc.puts(b'native'); libc.fflush(None)\n"
        "os.write(2, b'raw error\\n');",
    )
    assert ran.text() == "raw\nchild\nnative\n"
    assert ran.text(1, "stderr") == "raw error\n"


def test_a_process_left_behind_neither_blocks_nor_lives_on(bench: Bench) -> None:
    ran = bench.run(
        "import subprocess\nchild = subprocess.Popen(['sleep', '60'])\nprint(child.pid)"
    )
    assert ran.outcome.status == "success"
    assert ran.outcome.seconds < 20
    wait_for(lambda: is_gone(int(ran.text())))


def test_a_death_is_seen_though_a_child_holds_the_lines(bench: Bench) -> None:
    ran = bench.run(
        "import os\nif os.fork() == 0:\n    import time; time.sleep(60)\nelse:\n    os._exit(7)"
    )
    assert ran.outcome.status == "died"
    assert "code 7" in (ran.outcome.error or "")
    assert ran.outcome.seconds < 20


def test_cancel_ends_the_run_and_what_it_started(bench: Bench) -> None:
    started = threading.Event()
    path = bench.notebook(
        "main",
        "import subprocess, time\nchild = subprocess.Popen(['sleep', '60'])\n"
        "print(child.pid)\ntime.sleep(60)",
        "print('never')",
    )
    pids: list[int] = []

    def look(event: dict[str, Any]) -> None:
        results = event["command"]["results"]
        if results and not started.is_set():
            pids.append(int(results["data"][0]["data"]))
            started.set()

    with ThreadPoolExecutor() as threads:
        task = {"notebook_task": {"notebook_path": path}}
        future = threads.submit(bench.run_task, task, on_event=look)
        assert started.wait(20)
        bench.pool.cancel(bench.running[-1])
        ran = future.result(20)
    assert ran.outcome.status == "canceled"
    assert ran.states() == ["error", "skipped"]
    wait_for(lambda: is_gone(pids[0]))


def test_cancel_lets_user_code_clean_up(bench: Bench) -> None:
    started = threading.Event()
    path = bench.notebook(
        "main",
        "import time\ntry:\n    print('in')\n    time.sleep(60)\nfinally:\n    print('cleaned up')",
    )
    with ThreadPoolExecutor() as threads:
        task = {"notebook_task": {"notebook_path": path}}

        def look(event: dict[str, Any]) -> None:
            if event["command"]["results"]:
                started.set()

        future = threads.submit(bench.run_task, task, on_event=look)
        assert started.wait(20)
        bench.pool.cancel(bench.running[-1])
        ran = future.result(20)
    assert ran.outcome.status == "canceled"
    assert "cleaned up" in ran.text()


def test_cancel_of_one_that_refuses_to_end(bench: Bench) -> None:
    started = threading.Event()
    path = bench.notebook(
        "main",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('in')\n"
        "time.sleep(60)",
    )
    with ThreadPoolExecutor() as threads:
        task = {"notebook_task": {"notebook_path": path}}

        def look(event: dict[str, Any]) -> None:
            if event["command"]["results"]:
                started.set()

        future = threads.submit(bench.run_task, task, on_event=look)
        assert started.wait(20)
        begun = time.monotonic()
        bench.pool.cancel(bench.running[-1])
        ran = future.result(20)
    assert ran.outcome.status == "canceled"
    assert time.monotonic() - begun < 10


def test_cancel_before_the_run_begins(bench: Bench) -> None:
    path = bench.notebook("main", "print('never')")
    bench.pool.cancel(987_654)
    job = KernelJob(
        run_id=987_654,
        root=str(bench.layout.root),
        engine="",
        task={"notebook_task": {"notebook_path": path}},
    )
    events: list[dict[str, Any]] = []
    assert bench.pool.run(job, events.append).status == "canceled"
    assert events == []


def test_a_dead_forkserver_is_replaced(layout: StoreLayout) -> None:
    pool = KernelPool(layout)
    bench = Bench(layout, pool, "/Workspace/Users/local@brickloop.test/replaced")
    try:
        assert bench.run("print(1)").text() == "1\n"
        server = pool._server
        assert server is not None
        os.kill(server.pid, signal.SIGKILL)
        assert bench.run("print(2)").text() == "2\n"
        server.wait(10)
        assert bench.run("print(3)").text() == "3\n"
    finally:
        pool.stop()


def test_a_run_without_a_forkserver(layout: StoreLayout, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = KernelPool(layout)
    monkeypatch.setattr(pool, "_start_server", lambda: None)
    bench = Bench(layout, pool, "/Workspace/Users/local@brickloop.test/alone")
    ran = bench.run("import os; print(os.getcwd())", "1 / 0")
    assert ran.text() == "/Workspace/Users/local@brickloop.test/alone\n"
    assert ran.outcome.error == "ZeroDivisionError: division by zero"
    died = bench.run("import os; os._exit(5)")
    assert died.outcome.status == "died"
    assert "code 5" in (died.outcome.error or "")


def test_stop_ends_forkserver_and_runs(layout: StoreLayout) -> None:
    pool = KernelPool(layout)
    pool.start()
    bench = Bench(layout, pool, "/Workspace/Users/local@brickloop.test/stopped")
    started = threading.Event()
    path = bench.notebook("main", "import time; print('in'); time.sleep(60)")
    server = pool._server
    assert server is not None

    def look(event: dict[str, Any]) -> None:
        if event["command"]["results"]:
            started.set()

    with ThreadPoolExecutor() as threads:
        future = threads.submit(
            bench.run_task, {"notebook_task": {"notebook_path": path}}, on_event=look
        )
        assert started.wait(30)
        pool.stop()
        assert future.result(20).outcome.status == "canceled"
    assert server.poll() is not None


def test_each_kernel_draws_its_own_random_numbers(bench: Bench) -> None:
    draw = "import numpy, random, uuid; print(numpy.random.random(), random.random(), uuid.uuid4())"
    assert len({bench.run(draw).text() for _ in range(3)}) == 3


def test_a_cell_may_print_ten_megabytes(bench: Bench) -> None:
    ran = bench.run("for _ in range(120): print('x' * 99_999)")
    assert ran.outcome.status == "success"
    assert len(ran.text()) == 10_000_000
    assert "output cut: a cell may print 10,000,000 characters" in ran.text(1, "stderr")


def test_output_that_is_not_utf8(bench: Bench) -> None:
    ran = bench.run("import os; os.write(1, b'a\\xff\\xc3'); os.write(1, b'\\xa4z\\n');")
    assert ran.text() == "a\ufffd\u00e4z\n"


def test_text_stands_where_it_was_printed(bench: Bench) -> None:
    cell = "print('a'); displayHTML('<i>1</i>'); print('b'); displayHTML('<i>2</i>'); print('c')"
    ran = bench.run(*[cell.replace("'a'", f"'a{number}'") for number in range(30)])
    for number in range(30):
        shown = [item["data"] for item in ran.items(number + 1)]
        assert shown == [f"a{number}\n", "<i>1</i>", "b\n", "<i>2</i>", "c\n"]


def test_kernels_end_with_a_server_that_is_killed(layout: StoreLayout) -> None:
    folder = layout.real("/Workspace/Users/local@brickloop.test")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "orphan").write_text(
        "# Databricks notebook source\nimport os, time\nprint(os.getpid())\ntime.sleep(60)\n"
    )
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from brickloop.localws.kernel_job import KernelJob\n"
        "from brickloop.localws.kernel_pool import KernelPool\n"
        "from brickloop.localws.layout import StoreLayout\n"
        "def show(event):\n"
        "    results = event['command']['results']\n"
        "    if results: print(results['data'][0]['data'], end='', flush=True)\n"
        "task = {'notebook_task': {'notebook_path': '/Users/local@brickloop.test/orphan'}}\n"
        "pool = KernelPool(StoreLayout(Path(sys.argv[1])))\n"
        "pool.run(KernelJob(run_id=1, root=sys.argv[1], engine='', task=task), show)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(layout.root)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        server.kill()
    wait_for(lambda: is_gone(pid))


def test_output_outside_of_cells_is_not_a_notebooks_log(bench: Bench) -> None:
    ran = bench.run("import atexit\natexit.register(print, 'at the end');")
    assert ran.outcome.logs == ""
    assert ran.outcome.status == "success"
