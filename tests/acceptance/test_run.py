"""invoke run, runs and output as a person types them, and what becomes of an interrupted run."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from tests.acceptance.conftest import DODO, TASKS, type_command, write_notebook

from brickloop import launcher

GO = "/Volumes/main/default/brickloop/go-{}"
WAIT_FOR = """import os, time
end = time.time() + 100
while not os.path.exists({path!r}):
    assert time.time() < end
    time.sleep(0.05)
"""


def hear_sigint() -> None:
    """A shell lets what it starts in the background ignore SIGINT; the tests may be such."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Bench:
    """A project with a local workspace of its own, and a client of that."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notebooks = root / "notebooks"
        self.notebooks.mkdir(parents=True)
        (root / "dodo.py").write_text(DODO)
        (root / "tasks.py").write_text(TASKS)
        server = launcher.ensure_started(root / ".brickloop" / "local")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DATABRICKS_CONFIG_FILE", os.devnull)
            self.client = WorkspaceClient(host=server.host, token=server.token)

    def notebook(self, name: str, *cells: str) -> str:
        write_notebook(self.notebooks / f"{name}.py", *cells)
        return f"notebooks/{name}.py"

    def waiting_notebook(self, name: str) -> str:
        """Adds a section, waits until ``go`` is called, adds another one."""
        return self.notebook(
            name,
            "from brickloop import NotebookOutput\nout = NotebookOutput()\n"
            f"out.add_section('one', 'first of {name}')",
            WAIT_FOR.format(path=GO.format(name)),
            f"out.add_section('two', 'second of {name}')\nout.close()",
        )

    def go(self, name: str) -> None:
        import io

        self.client.files.upload(GO.format(name), io.BytesIO(b""), overwrite=True)

    def type(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return type_command(self.root, *words, **env)

    def start(self, *words: str) -> subprocess.Popen[str]:
        program = str(Path(sys.executable).parent / words[0])
        return subprocess.Popen(
            [program, *words[1:]],
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            start_new_session=True,
            preexec_fn=hear_sigint,
        )

    def state(self, run_id: int) -> str:
        state = self.client.jobs.get_run(run_id).state
        assert state is not None
        return (state.result_state or state.life_cycle_state).value

    def runs_named(self, name: str) -> list[int]:
        return [
            int(run.run_id or 0) for run in self.client.jobs.list_runs() if run.run_name == name
        ]

    def events(self, run_id: int) -> list[dict]:
        path = self.root / ".brickloop" / "runs" / str(run_id) / "events.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("bench") / "project"
    yield Bench(root)
    launcher.stop(root / ".brickloop" / "local")


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class Output:
    """Reads what a process writes while it goes on."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.text = ""
        self._process = process
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def until(self, pattern: str) -> re.Match[str]:
        until(lambda: re.search(pattern, self.text) is not None, f"{pattern}: {self.text}")
        found = re.search(pattern, self.text)
        assert found
        return found

    def end(self) -> int:
        code = self._process.wait(timeout=90)
        self._thread.join(timeout=30)
        assert self._process.stdout
        self._process.stdout.close()
        return code

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.text += line


def test_a_killed_doit_takes_its_run_up_again(bench):
    bench.waiting_notebook("killed")
    first = bench.start("doit", "fetch:killed")
    output = Output(first)
    run_id = int(output.until(r"killed: run (\d+)").group(1))
    output.until("first of killed")
    os.killpg(first.pid, signal.SIGKILL)
    output.end()
    assert bench.state(run_id) == "RUNNING"

    bench.go("killed")
    second = bench.type("doit", "fetch:killed")
    assert second.returncode == 0, second.stderr
    assert f"taking up run {run_id}" in second.stderr
    assert "second of killed" in second.stdout
    assert bench.runs_named("brickloop notebooks/killed") == [run_id]
    events = bench.events(run_id)
    titles = [event["section"]["title"] for event in events if event["kind"] == "section"]
    assert titles == ["one", "two"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["kind"] == "finished"


@pytest.mark.parametrize("words", [("invoke", "run", "notebooks/{}.py"), ("doit", "run:{}")])
def test_sigint_cancels_the_run_and_ends_with_130(bench, words):
    name = f"interrupted_{words[0]}"
    bench.waiting_notebook(name)
    process = bench.start(*(word.format(name) for word in words))
    output = Output(process)
    run_id = int(output.until(rf"{name}: run (\d+)").group(1))
    output.until(f"first of {name}")
    process.send_signal(signal.SIGINT)
    assert output.end() == 130
    assert f"run {run_id} is being cancelled" in output.text
    assert "Traceback" not in output.text
    until(lambda: bench.state(run_id) == "CANCELED", "the run goes on")
    # what was cancelled is not taken up again
    bench.go(name)
    again = bench.type(*(word.format(name) for word in words))
    assert again.returncode == 0, again.stderr
    assert f"run {run_id}" not in again.stderr


def test_ctrl_c_on_a_terminal_cancels_and_the_line_below_moves(bench):
    path = bench.waiting_notebook("terminal")
    master, slave = os.openpty()
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / "invoke"), "run", path],
        cwd=bench.root,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: (hear_sigint(), fcntl.ioctl(0, termios.TIOCSCTTY, 0)),
        # no line moves where a CI system looks on
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "CI": ""},
    )
    os.close(slave)
    seen = bytearray()

    def read() -> None:
        while True:
            try:
                data = os.read(master, 4096)
            except OSError:
                return
            if not data:
                return
            seen.extend(data)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    until(lambda: b"first of terminal" in seen, "no section")
    # a moving line with the state and the time
    until(lambda: re.search(rb"terminal[^\r\n]*running[^\r\n]*\d s", seen) is not None, "no line")
    os.write(master, b"\x03")
    assert process.wait(timeout=60) == 130
    reader.join(timeout=10)
    os.close(master)
    assert b"is being cancelled" in seen
    assert b"Traceback" not in seen
    run_id = int(re.search(rb"run (\d+)", seen).group(1))
    until(lambda: bench.state(run_id) == "CANCELED", "the run goes on")


def test_detach_leaves_the_run_and_output_comes_back_to_it(bench):
    path = bench.waiting_notebook("detached")
    process = bench.start("invoke", "run", path, "--detach")
    output = Output(process)
    output.until("first of detached")
    process.send_signal(signal.SIGINT)
    assert output.end() == 130
    run_id = int(re.search(r"come back with: invoke output (\d+)", output.text).group(1))
    assert bench.state(run_id) == "RUNNING"

    following = bench.start("invoke", "output", str(run_id))
    output = Output(following)
    output.until("first of detached")
    bench.go("detached")
    assert output.end() == 0
    assert "second of detached" in output.text
    assert bench.state(run_id) == "SUCCESS"


def test_no_wait_returns_at_once_and_output_shows_the_rest(bench):
    path = bench.waiting_notebook("left")
    left = bench.type("invoke", "run", path, "--no-wait", "--json")
    assert left.returncode == 0, left.stderr
    run_id = json.loads(left.stdout)["run"]["run_id"]
    assert f"invoke output {run_id}" in left.stderr
    so_far = bench.type("invoke", "output", str(run_id), "--no-wait")
    assert so_far.returncode == 0
    assert "second of left" not in so_far.stdout
    bench.go("left")
    shown = bench.type("invoke", "output", str(run_id), "--save", "--json")
    assert shown.returncode == 0, shown.stderr
    sections = json.loads(shown.stdout)["sections"]
    assert [section["title"] for section in sections] == ["one", "two"]
    assert (bench.root / "outputs" / "left.html").is_file()


def test_a_driver_that_dies_leaves_an_incomplete_output(bench):
    path = bench.notebook(
        "dies",
        "from brickloop import NotebookOutput\nout = NotebookOutput()\n"
        "out.add_section('last words', 'said')",
        "import os\nos._exit(9)",
    )
    result = bench.type("invoke", "run", path)
    assert result.returncode == 1
    assert "said" in result.stdout
    assert "output incomplete" in result.stderr


def test_output_of_a_run_that_was_started_by_hand(bench):
    from databricks.sdk.service.jobs import NotebookTask, SubmitTask, TaskDependency
    from databricks.sdk.service.workspace import ImportFormat, Language

    folder = "/Workspace/Users/local@brickloop.test"
    for name, cell in (
        ("hand_a", "print('by hand')\ndisplay(spark.range(2))"),
        ("hand_b", "print('then this')\n1/0"),
    ):
        text = f"# Databricks notebook source\n{cell}\n".encode()
        bench.client.workspace.upload(
            f"{folder}/{name}", text, format=ImportFormat.SOURCE, language=Language.PYTHON
        )
    run_id = bench.client.jobs.submit(
        run_name="by hand",
        tasks=[
            SubmitTask(task_key="a", notebook_task=NotebookTask(f"{folder}/hand_a")),
            SubmitTask(
                task_key="b",
                depends_on=[TaskDependency("a")],
                notebook_task=NotebookTask(f"{folder}/hand_b"),
            ),
        ],
    ).run_id
    shown = bench.type("invoke", "output", "latest")
    assert shown.returncode == 0, shown.stderr
    assert f"run {run_id}" in shown.stderr
    assert "by hand" in shown.stdout and "(2 rows)" in shown.stdout
    assert "then this" in shown.stdout and "ZeroDivisionError" in shown.stdout
    assert bench.type("invoke", "output", str(run_id), "--exit-code").returncode == 1
    listed = json.loads(bench.type("invoke", "runs", "--json", "--limit", "3").stdout)
    assert (listed[0]["run_id"], listed[0]["name"]) == (run_id, "by hand")
    assert len(listed) <= 3
    table = bench.type("invoke", "runs", "--limit", "1")
    assert re.search(rf"{run_id}\s+by hand\s+FAILED", table.stdout), table.stdout


def test_json_is_all_that_stdout_holds_and_the_exit_code_tells_the_end(bench):
    path = bench.notebook("timed", "import time\nprint('begun')\ntime.sleep(60)")
    result = bench.type("invoke", "run", path, "--json", "--timeout", "1")
    assert result.returncode == 4, result.stderr
    data = json.loads(result.stdout)
    assert data["run"]["result"] == "TIMEDOUT"
    timed = bench.type("doit", "run:timed", BRICKLOOP_RUN_TIMEOUT="1")
    assert timed.returncode == 4, timed.stderr
    assert "run_timeout" in timed.stderr
    failed = bench.type("invoke", "run", bench.notebook("fails", "raise KeyError('k')"), "--json")
    assert failed.returncode == 1
    assert json.loads(failed.stdout)["error"].startswith("KeyError")


def test_the_old_import_is_hinted_at(bench):
    path = bench.notebook("old", "from core.notebook_output import NotebookOutput")
    result = bench.type("invoke", "run", path)
    assert result.returncode == 1
    assert "from brickloop import NotebookOutput" in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("output", "7"), 1, "there is no run 7"),
        (("run", "dodo.py", "--compute", "{}"), 2, "job cluster"),
    ],
)
def test_bad_input_is_named(bench, words, code, said):
    result = bench.type("invoke", *words)
    assert result.returncode == code, result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr


class _OfSomebodyElse(BaseHTTPRequestHandler):
    """A workspace where we are somebody, and the run is somebody else's."""

    def do_GET(self) -> None:
        status, body = 404, {"error_code": "NOT_FOUND", "message": "no"}
        if "scim" in self.path:
            status, body = 200, {"userName": "me@example.com"}
        elif "runs/get" in self.path:
            message = "User me@example.com does not have View permission on run 42."
            status, body = 403, {"error_code": "PERMISSION_DENIED", "message": message}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def test_the_run_of_another_user_is_said_to_be_one(bench):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _OfSomebodyElse)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    host = f"http://127.0.0.1:{server.server_port}"
    try:
        result = bench.type(
            "invoke", "output", "42", DATABRICKS_HOST=host, DATABRICKS_TOKEN="dapi-secret"
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert result.returncode == 1, result.stderr
    assert "run 42 may not be seen" in result.stderr
    assert "ask its owner" in result.stderr
    assert "dapi-secret" not in result.stderr
