"""``invoke query``, ``cache.*`` and ``health`` as a person types them."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.acceptance.conftest import TASKS, type_command

from brickloop import launcher

HEAVY = ("databricks.sdk", "databricks.sql", "pandas", "pyarrow", "sqlglot", "numpy")
INVOKE = shutil.which("invoke", path=str(Path(sys.executable).parent)) or "invoke"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, local_server):
    """A project whose local workspace is that of the test session, with a table."""
    root = tmp_path_factory.mktemp("project")
    (root / "tasks.py").write_text(TASKS)
    (root / ".brickloop").mkdir()
    (root / ".brickloop" / "local").symlink_to(local_server.root)
    return root


@pytest.fixture(scope="module")
def table(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABRICKS_CONFIG_FILE", os.devnull)
        made = ask(
            folder,
            "CREATE OR REPLACE TABLE main.default.rides AS SELECT id AS n, id * id AS square,"
            " CAST(id / 4 AS DECIMAL(10, 2)) AS share, concat('ride ', id) AS name FROM range(100)",
        )
    assert made.returncode == 0, made.stderr
    return "main.default.rides"


def ask(folder, *words, stdin=None, **env):
    return subprocess.run(
        [INVOKE, "query", *words],
        cwd=folder,
        env={**os.environ, **env},
        input=stdin if stdin is not None else "",
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_data_is_on_stdout_and_the_story_on_stderr(folder, table):
    words = (f"SELECT n, share FROM {table} WHERE n < 3 ORDER BY n", "--format", "csv")
    live = ask(folder, *words)
    assert live.returncode == 0, live.stderr
    assert live.stdout == "n,share\n0,0.00\n1,0.25\n2,0.50\n"
    assert live.stderr.startswith("live: 3 rows in ")
    assert "not in the cache" in live.stderr
    cached = ask(folder, *words)
    assert cached.stdout == live.stdout
    assert cached.stderr.startswith("cached ")
    assert "3 rows" in cached.stderr
    assert "--refresh asks anew" in cached.stderr
    anew = ask(folder, *words, "--refresh")
    assert "asked anew" in anew.stderr
    assert anew.stdout == live.stdout


@pytest.mark.parametrize("form", ["table", "csv", "json", "jsonl", "markdown", "vertical"])
def test_a_cached_result_looks_like_the_live_one_in_every_format(folder, table, form):
    words = (f"SELECT * FROM {table} WHERE n IN (1, 7) ORDER BY n", "--format", form)
    live = ask(folder, *words, "--refresh")
    cached = ask(folder, *words)
    assert live.stderr.startswith("live: ")
    assert cached.stderr.startswith("cached ")
    assert cached.stdout == live.stdout
    if form == "json":
        assert json.loads(live.stdout)[1] == {"n": 7, "square": 49, "share": 1.75, "name": "ride 7"}
        assert '"share": 1.75' in live.stdout
    elif form == "jsonl":
        assert [json.loads(line)["n"] for line in live.stdout.splitlines()] == [1, 7]
    elif form == "csv":
        assert list(csv.reader(io.StringIO(live.stdout)))[2] == ["7", "49", "1.75", "ride 7"]
    else:
        assert "ride 7" in live.stdout


def test_files_are_written_in_the_format_of_their_suffix(folder, table, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    query = f"SELECT n, share FROM {table} ORDER BY n"
    for name in ("out.parquet", "out.arrow", "out.csv", "out.json"):
        done = ask(folder, query, "--output", str(tmp_path / name))
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        assert f"wrote {tmp_path / name}" in done.stderr
    tables = [
        pq.read_table(tmp_path / "out.parquet"),
        pa.ipc.open_file(str(tmp_path / "out.arrow")).read_all(),
    ]
    for found in tables:
        assert found.num_rows == 100
        assert found.schema.field("share").type == pa.decimal128(10, 2)
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 101
    assert len(json.loads((tmp_path / "out.json").read_text())) == 100
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.arrow",
        "out.csv",
        "out.json",
        "out.parquet",
    ]
    piped = subprocess.run(
        [INVOKE, "query", query, "--format", "parquet"],
        cwd=folder,
        capture_output=True,
        timeout=120,
    )
    assert pq.read_table(io.BytesIO(piped.stdout)).num_rows == 100


def test_a_script_with_parameters_from_a_file_and_from_stdin(folder, table, tmp_path):
    script = tmp_path / "rides.sql"
    script.write_text(
        "-- which; rides\nUSE main.default;\nSELECT count(*) AS c FROM rides WHERE n >= :low;\n"
        "SELECT name FROM rides WHERE name = :name;\n"
    )
    words = ("-p", "low=90", "--param", "name:string=ride 7", "--format", "csv")
    from_file = ask(folder, "-f", str(script), *words)
    assert from_file.returncode == 0, from_file.stderr
    assert from_file.stdout == "c\n10\nname\nride 7\n"
    assert "one of several statements" in from_file.stderr
    piped = ask(folder, "-", *words, stdin=script.read_text())
    assert piped.stdout == from_file.stdout


def test_a_limit_says_that_there_is_more(folder, table):
    done = ask(folder, f"SELECT n FROM {table} ORDER BY n", "--limit", "2", "--format", "csv")
    assert done.stdout == "n\n0\n1\n"
    assert "--limit 2 cut them off" in done.stderr


def test_charts_are_drawn(folder, table):
    query = f"SELECT n, name, square FROM {table} WHERE n < 9 ORDER BY n"
    bars = ask(folder, query, "--chart", "bar", "name", "square")
    assert bars.returncode == 0, bars.stderr
    assert bars.stdout.splitlines()[0] == "square by name"
    assert "ride 8 64 │█████" in bars.stdout
    line = ask(folder, "--chart", "line", "n", "square", query)
    assert line.returncode == 0, line.stderr
    assert line.stdout.splitlines()[1].startswith("64 ┤")
    wrong = ask(folder, query, "--chart", "bar", "name", "colour")
    assert wrong.returncode == 2
    assert "its columns are: n, name, square" in wrong.stderr


def test_a_refused_statement_is_shown_with_its_place(folder, table, tmp_path):
    script = tmp_path / "bad.sql"
    script.write_text(f"SELECT 1;\n\nSELECT nam\nFROM {table};\n")
    done = ask(folder, "-f", str(script))
    assert done.returncode == 1
    assert ">   3 │ SELECT nam\n      │        ^^^\n" in done.stderr
    assert f"{script}:3" in done.stderr
    assert "UNRESOLVED_COLUMN" in done.stderr
    assert "Traceback" not in done.stderr
    syntax = ask(folder, f"SELECT * FORM {table}")
    assert syntax.returncode == 1
    assert "^" in syntax.stderr
    assert "PARSE_SYNTAX_ERROR" in syntax.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("SELECT :a",), "parameter :a has no value"),
        (("SELECT 1", "-p", "a=1"), "no statement has the parameter :a"),
        (("SELECT :a", "-p", "a:int=x"), "'x' is no INT"),
        (("SELECT 1", "--format", "xml"), "there is no format 'xml'"),
        (("SELECT 1", "--output", "out.xyz"), "the suffix '.xyz' says no format"),
        (("SELECT 1", "--output", "nowhere/out.csv"), "its folder does not exist"),
        (("SELECT 1", "--limit", "many"), "no number of rows"),
        (("SELECT 1", "--ttl", "soon"), "no length of time"),
        (("SELECT 1", "--offline", "--refresh"), "--offline"),
        (("SELECT 1", "--chart", "pie", "a", "b"), "there is no chart 'pie'"),
        (("-f", "nothing.sql"), "cannot be read"),
        (("-- nothing",), "there is no statement"),
        (("SELECT 1", "--profile", "nope"), "there is no profile 'nope'"),
        (("SELECT 1", "--warehouse", "nope"), "there is no warehouse 'nope'"),
    ],
)
def test_bad_input_is_named_and_nothing_is_asked(folder, words, said):
    done = ask(folder, *words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_no_statement(folder, flag):
    done = ask(folder, flag)
    assert done.returncode == 0
    assert "--chart" in done.stdout
    assert "-f STRING, --file=STRING" in done.stdout


def test_offline_answers_without_a_server(folder, tmp_path, local_server):
    words = ("SELECT 'kept' AS word", "--format", "csv")
    assert ask(folder, *words).returncode == 0
    # the same project, its server not to be found: any attempt to ask would have to start one
    there = tmp_path / "copy"
    (there / ".brickloop" / "local").mkdir(parents=True)
    (there / "tasks.py").write_text(TASKS)
    for name in ("ledger.db", "cache"):
        source = folder / ".brickloop" / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, there / ".brickloop" / name)
    for name in ("ledger.db-wal", "ledger.db-shm"):
        if (folder / ".brickloop" / name).exists():
            shutil.copy(folder / ".brickloop" / name, there / ".brickloop" / name)
    shutil.copy(local_server.root / "workspace_id", there / ".brickloop" / "local")
    done = ask(there, *words, "--offline")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "word\nkept\n"
    missing = ask(there, "SELECT 'other'", "--offline")
    assert missing.returncode == 1
    assert "no cached result: not in the cache" in missing.stderr
    assert launcher.find_running(there / ".brickloop" / "local") is None


def test_ten_at_once_run_one_query(folder, table):
    query = f"SELECT count(*) AS c, 'ten' AS word FROM {table} a CROSS JOIN {table} b"
    processes = [
        subprocess.Popen(
            [INVOKE, "query", query, "--format", "csv"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(10)
    ]
    answers = [process.communicate(timeout=180) for process in processes]
    assert [out for out, _ in answers] == ["c,word\n10000,ten\n"] * 10
    told = [err for _, err in answers]
    assert sum("live: " in err for err in told) == 1, told
    assert sum("cached " in err for err in told) == 9


def test_a_change_from_here_is_seen_at_once(folder):
    name = "main.default.changing"
    assert ask(folder, f"CREATE OR REPLACE TABLE {name} AS SELECT 1 AS n").returncode == 0
    count = (f"SELECT count(*) AS c FROM {name}", "--format", "csv")
    assert ask(folder, *count).stdout == "c\n1\n"
    assert ask(folder, f"INSERT INTO {name} VALUES (2)").returncode == 0
    again = ask(folder, *count)
    assert again.stdout == "c\n2\n"
    assert "data was changed from here" in again.stderr


def test_a_notebook_that_ran_makes_older_results_stale(folder):
    notebook = folder / "change.py"
    notebook.write_text(
        "# Databricks notebook source\n"
        'spark.sql("CREATE OR REPLACE TABLE main.default.noted AS SELECT 1 AS n")\n'
    )
    assert type_command(folder, "invoke", "run", "change.py").returncode == 0
    count = ("SELECT max(n) AS m FROM main.default.noted", "--format", "csv")
    assert ask(folder, *count).stdout == "m\n1\n"
    notebook.write_text(notebook.read_text().replace("SELECT 1", "SELECT 2"))
    assert type_command(folder, "invoke", "run", "change.py").returncode == 0
    assert ask(folder, *count).stdout == "m\n2\n"


def test_another_workspace_shares_no_result(folder, tmp_path):
    words = ("SELECT 'mine' AS word", "--offline")
    assert ask(folder, words[0]).returncode == 0
    other = ask(
        folder, *words, DATABRICKS_HOST="http://127.0.0.1:1", DATABRICKS_TOKEN="dapi-nobody-12345"
    )
    assert other.returncode == 1
    assert "nothing is known of this workspace" in other.stderr
    for path in (folder / ".brickloop").glob("*"):
        if path.is_file():
            assert b"dapi-nobody" not in path.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_ctrl_c_cancels_on_the_server(folder):
    import pty

    text = "SELECT count(*) FROM range(100000000) a CROSS JOIN range(1000000) b WHERE a.id+b.id>5"
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name != "CI"}
    process = subprocess.Popen(
        [INVOKE, "query", text],
        cwd=folder,
        env={**env, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    told = b""
    while b"query: running" not in told:
        told += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 130
    with contextlib.suppress(OSError):
        while chunk := os.read(ours, 4096):
            told += chunk
    os.close(ours)
    assert b"cancelled on the server" in told
    assert ask(folder, "SELECT 'still there'").returncode == 0


def modules_of(folder, *words):
    """What a command has imported, seen from inside its own process at its end."""
    script = (
        "import atexit, sys\n"
        f"heavy = {HEAVY!r}\n"
        "def tell():\n"
        "    found = [name for name in heavy if name in sys.modules]\n"
        "    print('IMPORTED', found, file=sys.stderr)\n"
        "atexit.register(tell)\n"
        "from invoke.main import program\n"
        "program.run(['invoke', *sys.argv[1:]])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return next(line for line in done.stderr.splitlines() if line.startswith("IMPORTED")), done


def test_cached_queries_and_listings_import_nothing_heavy(folder, table):
    query = ("query", f"SELECT * FROM {table} ORDER BY n")
    imported, done = modules_of(folder, *query)
    assert "databricks.sql" in imported
    for form in ("table", "csv", "json", "vertical", "markdown"):
        imported, done = modules_of(folder, *query, "--format", form)
        assert "cached " in done.stderr
        assert imported == "IMPORTED []"
    for words in (("--list",), ("query", "--help"), ("cache.stats",), ("cache.list",)):
        assert modules_of(folder, *words)[0] == "IMPORTED []"


def test_the_cache_is_counted_listed_and_cleared(folder, table):
    assert ask(folder, "SELECT 'listed' AS word").returncode == 0
    stats = json.loads(type_command(folder, "invoke", "cache.stats", "--json").stdout)
    assert stats["entries"] >= 1
    assert Path(stats["directory"]).stat().st_mode & 0o777 == 0o700
    assert "cached " in ask(folder, "SELECT 'listed' AS word").stderr
    before, stats = (
        stats,
        json.loads(type_command(folder, "invoke", "cache.stats", "--json").stdout),
    )
    assert stats["counts"]["hits"] == before["counts"]["hits"] + 1
    assert stats["counts"]["misses"] == before["counts"]["misses"] >= 1
    assert stats["counts"]["saved_seconds"] > before["counts"]["saved_seconds"]
    shown = type_command(folder, "invoke", "cache.stats").stdout
    assert "hits       " in shown and "saved      " in shown
    listed = json.loads(type_command(folder, "invoke", "cache.list", "--json").stdout)
    assert listed[0]["statement"] == "SELECT 'listed' AS word"
    assert listed[0]["rows"] == 1
    assert "SELECT 'listed' AS word" in type_command(folder, "invoke", "cache.list").stdout
    kept = type_command(folder, "invoke", "cache.clear", "--older-than", "1h")
    assert kept.stderr == "0 results forgotten\n"
    assert type_command(folder, "invoke", "cache.clear").returncode == 0
    assert (
        json.loads(type_command(folder, "invoke", "cache.stats", "--json").stdout)["entries"] == 0
    )
    wrong = type_command(folder, "invoke", "cache.clear", "--older-than", "long")
    assert wrong.returncode == 2


def test_a_cache_that_cannot_be_used_is_one_line_of_warning(folder, tmp_path):
    (tmp_path / "file").write_text("")
    done = ask(folder, "SELECT 1 AS n", "--format", "csv", BRICKLOOP_CACHE=str(tmp_path / "file"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "n\n1\n"
    assert done.stderr.count("warning:") == 1
    assert "cannot be used" in done.stderr


def test_health_says_what_works(folder):
    done = type_command(folder, "invoke", "health", "--json")
    assert done.returncode == 0, done.stderr + done.stdout
    facts = json.loads(done.stdout)
    assert facts["ok"] is True
    assert list(facts["checks"]) == ["sql", "api", "workspace", "storage"]
    assert all(check["seconds"] > 0 for check in facts["checks"].values())
    failed = type_command(
        folder,
        "invoke",
        "health",
        DATABRICKS_HOST="http://127.0.0.1:1",
        DATABRICKS_TOKEN="dapi-nobody-12345",
    )
    assert failed.returncode == 3
    assert failed.stdout.count("failed") == 4
    assert "connection refused" in failed.stdout
    assert "dapi-nobody" not in failed.stdout + failed.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_health_goes_on_until_ctrl_c(folder):
    process = subprocess.Popen(
        [INVOKE, "health", "--json", "--watch", "--interval", "0.2"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for _ in range(3):
        assert json.loads(process.stdout.readline())["ok"] is True
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
