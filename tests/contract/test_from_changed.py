"""Cells that are kept from the last run: what is kept, what is not, and what is said of it."""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from brickloop import DevWorkflow
from brickloop.config.settings import load_settings
from brickloop.errors import UsageError
from brickloop.model.run import TextOutput

HEADER = "# Databricks notebook source\n"
_NUMBERS = itertools.count()
SLOW = "import time\ntime.sleep(0.06)\n"
STAMP = f"{SLOW}import os\nstamp = os.urandom(8).hex()\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def workflow(root):
    """One kernel for all tests of this file."""
    with DevWorkflow(load_settings(root, env={})) as made:
        yield made


@pytest.fixture
def keep(workflow, root, capsys):
    """``keep(*cells, **parameters)``: runs one notebook again and again, cells are kept."""
    name = f"n{next(_NUMBERS)}"

    def run(*cells, **parameters):
        path = root / f"{name}.py"
        path.write_text(HEADER + "\n\n# COMMAND ----------\n\n".join(cells) + "\n")
        capsys.readouterr()
        result = workflow.run_locally(path, parameters, from_changed=True)
        assert result.success, result["error"]
        return result

    run.said = lambda: capsys.readouterr()
    run.name = name
    return run


def texts(result):
    return [
        "".join(output.text for output in cell.outputs if isinstance(output, TextOutput)).strip()
        for cell in result.cells
    ]


def kept(result):
    return [cell.kept for cell in result.cells]


def test_names_and_objects_are_those_of_the_last_run(keep):
    first = keep(
        f"{STAMP}items = [1]\nlate = iter('abc')", f"{SLOW}items.append(2)", "print(stamp)"
    )
    again = keep(
        f"{STAMP}items = [1]\nlate = iter('abc')",
        f"{SLOW}items.append(2)",
        "print(stamp, items, next(late))",
    )
    assert kept(first) == [False, False, False]
    assert kept(again) == [True, True, False]
    assert texts(again)[2] == f"{texts(first)[2]} [1, 2] a"
    third = keep(
        f"{STAMP}items = [1]\nlate = iter('abc')", f"{SLOW}items.append(3)", "print(items)"
    )
    assert kept(third) == [True, False, False]
    assert texts(third)[2] == "[1, 3]"


def test_it_is_said_in_the_terminal_the_json_and_the_page(keep, root):
    keep(f"{SLOW}print('expensive')", "print(1)")
    keep(f"{SLOW}print('expensive')", "print(2)")
    said = keep.said()
    assert "1 cell kept from the last run (cell 2 is another)" in said.err
    assert "expensive" in said.out
    assert "[1, kept] import time" in said.out
    saved = json.loads((root / "outputs" / f"{keep.name}.json").read_text())
    assert [cell.get("kept", False) for cell in saved["cells"]] == [True, False]
    page = (root / "outputs" / f"{keep.name}.html").read_text()
    assert page.count(">kept<") == 1


def test_the_session_is_as_it_was_between_the_cells(keep):
    first = (
        f"{SLOW}spark.range(3).createOrReplaceTempView('v')\n"
        "spark.conf.set('spark.sql.shuffle.partitions', '3')\n"
        "spark.udf.register('plus', lambda i: i + 1, 'long')\n"
        "spark.sql('DECLARE VARIABLE w INT DEFAULT 5')\n"
        "spark.sql('CREATE SCHEMA IF NOT EXISTS apart')\nspark.sql('USE apart')\n"
        "frame = spark.table('v')"
    )
    look = (
        "print(frame.count(), spark.conf.get('spark.sql.shuffle.partitions'),"
        " *spark.sql('SELECT plus(1), w, current_schema()').collect()[0])"
    )
    spoil = (
        "\nspark.range(9).createOrReplaceTempView('v')\nspark.sql('USE default')\n"
        "spark.conf.set('spark.sql.shuffle.partitions', '9')"
    )
    assert texts(keep(first, look + spoil))[1] == "3 3 2 5 apart"
    for number in range(3):
        again = keep(first, f"{look}{spoil}\n# {number}")
        assert kept(again) == [True, False]
        assert texts(again)[1] == "3 3 2 5 apart"


def test_what_was_used_must_be_as_it_was(keep, root):
    helper = root / "helper_of_kept.py"
    helper.write_text("VALUE = 1\n")
    outside = root / "numbers.csv"
    outside.write_text("1")
    cells = (
        f"{STAMP}from helper_of_kept import VALUE\n"
        f"text = open({str(outside)!r}).read()\n"
        "spark.sql('CREATE TABLE IF NOT EXISTS kept_input (a INT)')",
        f"{SLOW}count = spark.table('kept_input').count()",
    )
    show = "print(VALUE, text, count)"
    keep(*cells, show)
    assert kept(keep(*cells, f"{show}\n#")) == [True, True, False]
    outside.write_text("22")
    changed = keep(*cells, show)
    assert (kept(changed), texts(changed)[2]) == ([False, False, False], "1 22 0")
    assert "numbers.csv has changed" in keep.said().err
    helper.write_text("VALUE = 2\n")
    changed = keep(*cells, show)
    assert (kept(changed), texts(changed)[2]) == ([False, False, False], "2 22 0")
    keep(*cells, "spark.sql('INSERT INTO kept_input VALUES (1)')")
    changed = keep(*cells, show)
    assert texts(changed)[2] == "2 22 1"
    assert kept(changed)[1] is False
    assert "the table main.default.kept_input has changed" in keep.said().err
    assert kept(keep(*cells, show, month="2")) == [False, False, False]
    assert "parameters, files or server are others" in keep.said().err


def test_a_table_that_a_later_cell_adds_to_is_made_again(keep):
    make = f"{SLOW}spark.sql('CREATE OR REPLACE TABLE kept_grown AS SELECT 1 AS a')"
    add = "spark.sql('INSERT INTO kept_grown VALUES (2)')"
    show = "print(spark.table('kept_grown').count())"
    assert texts(keep(make, add, show))[2] == "2"
    assert texts(keep(make, add, f"{show}\n#"))[2] == "2"
    assert texts(keep(make, f"{add}\n{add}", show))[2] == "3"


def test_a_kept_cell_does_not_add_twice(keep):
    make = "spark.sql('CREATE OR REPLACE TABLE kept_once AS SELECT 1 AS a')"
    add = f"{SLOW}spark.sql('INSERT INTO kept_once VALUES (2)')"
    show = "print(spark.table('kept_once').count())"
    keep(make, add, show)
    again = keep(make, add, f"{show}\n#")
    assert (kept(again), texts(again)[2]) == ([True, True, False], "2")


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
         "a thread runs"),
        ("file = open('/etc/hostname')", "/etc/hostname is open"),
        ("import socket\nline = socket.socket()", "a connection is open"),
        ("!true", "it started a program"),
        ("print(spark.catalog.listTables())", "it used spark.catalog"),
        ("spark.sql('SHOW TABLES').collect()", "it listed what is in the catalog"),
        ("rows = spark.range(100000).toLocalIterator()\nnext(rows)",
         "a result is still being read"),
        ("from brickloop import NotebookOutput\nNotebookOutput().add_section('a', 'b')",
         "an output document has been begun"),
    ],
    ids=["thread", "file", "socket", "program", "catalog", "listing", "stream", "document"],
)  # fmt: skip
def test_where_a_copy_would_not_be_exact_it_is_said_why(keep, cell, why):
    cells = (f"{STAMP}{cell}", f"{SLOW}after = 1")
    keep(*cells, "print(stamp)")
    again = keep(*cells, "print('again', stamp)")
    assert kept(again) == [False, False, False]
    assert f"after cell 1 nothing is kept: {why}" in keep.said().err


def test_what_came_from_the_network_is_kept_and_said_to_be(keep):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"now")

        def log_message(self, *_words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        fetch = (
            f"{SLOW}import urllib.request\n"
            f"with urllib.request.urlopen('http://127.0.0.1:{port}/') as answer:\n"
            "    text = answer.read().decode()"
        )
        keep(fetch, "print(text)")
        again = keep(fetch, "print(text, 'again')")
        server.shutdown()
    assert (kept(again), texts(again)[1]) == ([True, False], "now again")
    assert "with what the network answered then" in keep.said().err


def test_copies_that_were_killed_cost_time_and_nothing_else(keep, root):
    keep(f"{SLOW}x = 1", "print(x)")
    for copy in copies(root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(copy, signal.SIGKILL)
    again = keep(f"{SLOW}x = 1", "print(x, 'again')")
    assert (kept(again), texts(again)[1]) == ([False, False], "1 again")


def test_no_copy_outlives_the_workflow(tmp_path):
    path = tmp_path / "n.py"
    path.write_text(f"{HEADER}x = 1\n")
    with DevWorkflow(load_settings(tmp_path, env={})) as made:
        assert made.run_locally(path, show=False, from_changed=True).success
        assert copies(tmp_path)
    deadline = time.monotonic() + 60
    while copies(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def copies(root):
    """The processes that stand in a project's store and are no kernel of a run that goes on."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            here = entry.name.isdigit() and str((entry / "cwd").readlink())
            if here and here.startswith(f"{root}{os.sep}") and "/.brickloop/dev-" in here:
                found.append(int(entry.name))
    return found


def test_cells_are_kept_by_local_runs_only(workflow, root):
    with pytest.raises(UsageError, match="local kernel only"):
        workflow.watch_and_deploy(root, from_changed=True)


def test_copies_that_are_gone_cost_a_whole_run_and_nothing_else(keep, workflow):
    cells = (f"{SLOW}number = 1", f"{SLOW}number += 1")
    keep(*cells, "print(number)")
    assert kept(keep(*cells, "print(number, 'again')")) == [True, True, False]
    for pid in copies_of(workflow):
        os.kill(pid, signal.SIGALRM)
    whole = keep(*cells, "print(number, 'whole')")
    assert (kept(whole), texts(whole)[2]) == ([False, False, False], "2 whole")
    assert kept(keep(*cells, "print(number, 'kept')")) == [True, True, False]


def copies_of(workflow):
    """The processes that keep the state between cells: those that came from the forkserver."""
    kernel = workflow._local._kernel._process.pid
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                parents[int(folder.name)] = int(fields[1])
    servers = [pid for pid, parent in parents.items() if parent == kernel]
    return [pid for pid, parent in parents.items() if parent in servers]
