"""`doit` as a person types it, against the real local workspace."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.acceptance.conftest import type_command, write_notebook


def ran(output: str) -> list[str]:
    """The notebooks that were run, in order."""
    return re.findall(r"^(\S+): run \d+", output, re.M)


def test_first_run_no_op_edits_and_failure(project):
    notebooks = project / "notebooks"
    first = type_command(project, "doit")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "no workspace is configured: using the local workspace" in first.stderr
    assert sorted(ran(first.stderr)) == ["a_load", "b_sum", "c_alone", "d_count"]
    assert ran(first.stderr)[0] == "a_load"
    assert "total\n-----\n6\n" in first.stdout
    for name in ("a_load", "b_sum", "c_alone", "d_count"):
        for suffix in (".txt", ".json", ".html"):
            assert (project / "outputs" / f"{name}{suffix}").stat().st_size > 0
    saved = json.loads((project / "outputs" / "b_sum.json").read_text())
    assert saved["run"]["result"] == "SUCCESS"
    assert saved["complete"] is True
    assert [section["title"] for section in saved["sections"]] == ["Total", "Factor"]
    assert saved["sections"][0]["rows"] == [[6]]

    second = type_command(project, "doit")
    assert (second.returncode, second.stdout) == (0, "nothing to do: 4 notebooks are up to date\n")
    assert second.stderr == ""

    listed = type_command(project, "doit", "list", "--all", "--quiet")
    assert {"upload:a_load", "run:a_load", "fetch:a_load", "upload:shared.py"} <= set(
        listed.stdout.split()
    )

    # one notebook edited: it alone; nothing reads what it makes
    write_notebook(notebooks / "c_alone.py", "from shared import FACTOR", "print(FACTOR + 2)")
    edited = type_command(project, "doit")
    assert ran(edited.stderr) == ["c_alone"]
    assert "12" in edited.stdout

    # Markdown is sent, and nothing is run again for it
    with (notebooks / "c_alone.py").open("a") as file:
        file.write("\n# COMMAND ----------\n\n# MAGIC %md\n# MAGIC a remark\n")
    remark = type_command(project, "doit")
    assert "uploaded c_alone" in remark.stderr
    assert ran(remark.stderr) == []

    # a module that two notebooks import: those two
    (notebooks / "shared.py").write_text("FACTOR = 20\n")
    shared = type_command(project, "doit")
    assert sorted(ran(shared.stderr)) == ["b_sum", "c_alone"]
    assert "times 20" in shared.stdout

    # the writer of a table: it, and who reads the table
    loader = notebooks / "a_load.py"
    loader.write_text(loader.read_text().replace("range(4)", "range(5)"))
    upstream = type_command(project, "doit")
    assert ran(upstream.stderr)[0] == "a_load"
    assert sorted(ran(upstream.stderr)) == ["a_load", "b_sum", "d_count"]
    assert "total\n-----\n10\n" in upstream.stdout

    # a notebook that raises: the cell, the error, the trace; then it again, and nothing else
    write_notebook(notebooks / "c_alone.py", "x = 1", "def broken():\n    return x / 0\nbroken()")
    failed = type_command(project, "doit")
    assert failed.returncode == 1
    assert "cell 2" in failed.stdout
    assert "ZeroDivisionError: division by zero" in failed.stdout
    assert 'c_alone cell 2", line 3' in failed.stdout
    assert json.loads((project / "outputs" / "c_alone.json").read_text())["error"]
    again = type_command(project, "doit")
    assert (again.returncode, ran(again.stderr)) == (1, ["c_alone"])
    write_notebook(notebooks / "c_alone.py", "x = 1", "print('mended')")
    mended = type_command(project, "doit")
    assert (mended.returncode, ran(mended.stderr)) == (0, ["c_alone"])


def test_two_doits_at_once_share_one_server(project):
    runs = [
        subprocess.Popen(
            [str(Path(sys.executable).parent / "doit"), f"run:{name}"],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ("a_load", "c_alone")
    ]
    outputs = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    hosts = {re.search(r"workspace at (\S+)", output).group(1) for output in outputs}
    assert len(hosts) == 1


def test_a_corrupt_ledger_is_kept_aside_and_nothing_is_sent_twice(project):
    assert type_command(project, "doit", "run:c_alone").returncode == 0
    ledger = project / ".brickloop" / "ledger.db"
    ledger.write_bytes(b"torn" * 2000)
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (ledger.parent / name).unlink(missing_ok=True)
    again = type_command(project, "doit", "run:c_alone")
    assert again.returncode == 0, again.stderr
    assert "the ledger could not be read; it is kept as" in again.stderr
    kept = list(ledger.parent.glob("ledger.db.unreadable-*"))
    assert [path.read_bytes() for path in kept] == [b"torn" * 2000]


def test_a_server_that_was_killed_is_started_anew(project):
    import os
    import signal

    assert type_command(project, "doit", "run:a_load").returncode == 0
    record = json.loads((project / ".brickloop" / "local" / "server.json").read_text())
    os.kill(record["pid"], signal.SIGKILL)
    after = type_command(project, "doit", "run:b_sum")
    assert after.returncode == 0, after.stdout + after.stderr
    assert "6" in after.stdout  # the table is still there


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no notebooks found"),
        ({"x.ipynb": "{"}, "no valid .ipynb"),
        ({"x.py": "\ufeff# Databricks notebook source\nx = 1\n"}, "line 1 is not exactly"),
        (
            {
                "a.py": "# Databricks notebook source\nx = 1\n",
                "a.sql": "-- Databricks notebook source\nSELECT 1\n",
            },
            "a.py and a.sql would be one object",
        ),
        (
            {
                "a.sql": "-- Databricks notebook source\nCREATE TABLE t AS SELECT * FROM u\n",
                "b.sql": "-- Databricks notebook source\nCREATE TABLE u AS SELECT * FROM t\n",
            },
            "in a circle: a -> b -> a",
        ),
    ],
)
def test_bad_input_is_named_and_nothing_is_done(project, files, said):
    for path in (project / "notebooks").iterdir():
        path.unlink()
    for name, text in files.items():
        (project / "notebooks" / name).write_text(text, encoding="utf-8")
    result = type_command(project, "doit")
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert not (project / "outputs").exists()
    assert not (project / ".brickloop" / "local" / "server.json").exists()


def test_a_parameter_that_json_cannot_hold_is_named(project):
    dodo = project / "dodo.py"
    dodo.write_text(
        dodo.read_text().replace(
            '"notebooks")', '"notebooks", parameters={"c_alone": {"when": object()}})'
        )
    )
    result = type_command(project, "doit")
    assert result.returncode == 2
    assert "parameter when of c_alone cannot be written as JSON" in result.stderr


class _Stranger(BaseHTTPRequestHandler):
    """A host that is not ours and accepts no token."""

    def do_GET(self):
        body = json.dumps({"error_code": "PERMISSION_DENIED", "message": "Invalid access token."})
        self.send_response(404 if "well-known" in self.path else 403)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args):
        pass


def test_a_wrong_token_ends_with_3_and_is_never_printed(project):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Stranger)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    host = f"http://127.0.0.1:{server.server_port}"
    try:
        result = type_command(
            project, "doit", DATABRICKS_HOST=host, DATABRICKS_TOKEN="dapi-very-secret"
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert result.returncode == 3, result.stderr
    assert "does not accept the credentials" in result.stderr
    assert host in result.stderr
    assert "dapi-very-secret" not in result.stdout + result.stderr
    assert not (project / ".brickloop" / "local" / "server.json").exists()


def test_a_host_that_cannot_be_reached_ends_with_3_and_starts_nothing(project):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{held.getsockname()[1]}"
    begun = time.monotonic()
    result = type_command(project, "doit", DATABRICKS_HOST=host, DATABRICKS_TOKEN="dapi-x")
    assert time.monotonic() - begun < 15
    assert result.returncode == 3, result.stderr
    assert f"error: {host}: the workspace cannot be reached" in result.stderr
    assert "--profile local" in result.stderr
    assert not (project / ".brickloop" / "local" / "server.json").exists()


def test_the_no_op_imports_none_of_the_heavy_libraries(project):
    assert type_command(project, "doit").returncode == 0
    script = (
        "import sys\nfrom doit.doit_cmd import DoitMain\n"
        "code = DoitMain().run([])\n"
        "heavy = {'databricks.sdk', 'pandas', 'pyarrow', 'pyspark', 'sqlglot', 'rich'}\n"
        "print(code, sorted(heavy & set(sys.modules)))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.stdout.splitlines() == ["nothing to do: 4 notebooks are up to date", "0 []"]
