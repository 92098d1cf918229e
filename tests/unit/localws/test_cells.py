"""Cells as people write them: what each kind does, and what an error says."""

from __future__ import annotations

import pytest

from .conftest import Bench


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("1 + 1", "2\n"),
        ("1 + 1;", ""),
        ("1 + 1  # a remark", "2\n"),
        ("1 + 1;  # a remark", ""),
        ("'a;'", "'a;'\n"),
        ("x = 3", ""),
        ("None", ""),
        ("x = 3\nx", "3\n"),
        ("for i in range(2):\n    i", ""),
        (" def f():\n     return 5\n f()", "5\n"),
        ("\n\n    y = 1\n    y", "1\n"),
        ("import asyncio\nawait asyncio.sleep(0, 'awaited')", "'awaited'\n"),
        ("!echo hello", "hello\n"),
        ("name = 'x'\n!echo {name} $name $HOMELESS", "x x\n"),
        ("lines = !printf 'a\\nb\\n'\nlines", "['a', 'b']\n"),
        ("if True:\n    !echo nested", "nested\n"),
        ("%matplotlib inline\n%load_ext autoreload\n%autoreload 2\n7", "7\n"),
        ("text = '''\n%not a magic\n!nor a command\n'''\n!echo {len(text)}", "29\n"),
        ("total = (10\n%3)\ntotal", "1\n"),
        ("total = [10\n%3,\n]\n!echo {total[0]}", "1\n"),
        ("x = 5 \\\n%3\n!echo {x}", "2\n"),
        ("!echo a \\\n  b", "a b\n"),
        ("%pwd", "'/Workspace/Users/local@brickloop.test/FOLDER'\n"),
        (
            "%env GREETING=hello\nimport os; os.environ['GREETING']",
            "env: GREETING=hello\n'hello'\n",
        ),
        ("from __future__ import annotations\ndef f(x: Missing): ...\nf.__annotations__", None),
        ("%%capture\nprint('hidden')", ""),
        ("%%bash\necho from bash", "from bash\n"),
        ("# MAGIC %restart_python", ""),
        ("[1] * 60", None),
    ],
)
def test_python_cell(bench: Bench, source: str, shown: str | None) -> None:
    ran = bench.run(source)
    assert ran.outcome.status == "success", ran.outcome.error_trace
    folder = bench.folder.rpartition("/")[2]
    if shown is not None:
        assert ran.text() == shown.replace("FOLDER", folder)
    assert ran.text(1, "stderr") == ""


def test_names_and_future_imports_last_from_cell_to_cell(bench: Bench) -> None:
    ran = bench.run(
        "from __future__ import annotations\nx = 20",
        "def f(y: NotDefinedAnywhere) -> int:\n    return x + y",
        "f(1)",
        "_ + 1",
    )
    assert ran.text(3) == "21\n"
    assert ran.text(4) == "22\n"


def test_time_magics_show_the_time(bench: Bench) -> None:
    ran = bench.run("%time x = sum(range(10))\nx", "%%time\ny = 2\ny", "%timeit pass")
    assert "Wall time: " in ran.text(1)
    assert ran.text(1).endswith("45\n")
    assert "Wall time: " in ran.text(2)
    assert ran.text(2).endswith("2\n")
    assert "per loop" in ran.text(3)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise ValueError('boom')", "ValueError: boom"),
        ("1 +", "SyntaxError: invalid syntax"),
        ("%nonsense x", "UsageError: Line magic function `%nonsense` not found."),
        ("%%nonsense\nx", "UsageError: Cell magic `%%nonsense` not found."),
        ("x = 1; x(", "SyntaxError: '(' was never closed"),
        ("x = 1\n%run ./other", "UsageError: %run must be the first word of its cell"),
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("raise ValueError('one\\ntwo')", "ValueError: one"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class Odd(Exception):\n    def __str__(self): raise RuntimeError\nraise Odd()", "Odd"),
    ],
)
def test_error_of_a_python_cell(bench: Bench, source: str, error: str) -> None:
    ran = bench.run("x = 1", source, "never")
    assert ran.outcome.status == "failed"
    assert (ran.outcome.error or "").startswith(error)
    assert ran.states() == ["finished", "error", "skipped"]
    assert ran.commands[1]["errorSummary"] == ran.outcome.error
    assert ran.commands[1]["error"] == ran.outcome.error_trace


def test_trace_shows_the_notebooks_lines_and_nothing_of_the_kernel(bench: Bench) -> None:
    ran = bench.run("def fail(x):\n    return x / 0", "print('before')\nfail(1)")
    trace = ran.outcome.error_trace or ""
    assert ran.text(2) == "before\n"
    assert f'File "{bench.folder}/main cell 2", line 2, in <module>\n    fail(1)\n' in trace
    assert f'File "{bench.folder}/main cell 1", line 2, in fail\n    return x / 0\n' in trace
    assert trace.startswith("Traceback (most recent call last):\n")
    assert trace.endswith("ZeroDivisionError: division by zero\n")
    assert "localws" not in trace
    assert str(bench.layout.root) not in trace


def test_trace_of_a_chain_of_errors(bench: Bench) -> None:
    ran = bench.run(
        "try:\n    {}['k']\nexcept KeyError as e:\n    raise RuntimeError('outer') from e"
    )
    trace = ran.outcome.error_trace or ""
    assert "KeyError: 'k'" in trace
    assert "The above exception was the direct cause" in trace
    assert "localws" not in trace


def test_trace_of_a_syntax_error_names_cell_and_line(bench: Bench) -> None:
    ran = bench.run("x = 1\nif x\n    y = 2")
    trace = ran.outcome.error_trace or ""
    assert f'File "{bench.folder}/main cell 1", line 2\n    if x\n' in trace
    assert ran.outcome.error == "SyntaxError: expected ':'"


def test_trace_through_a_module_names_its_workspace_path(bench: Bench) -> None:
    bench.write("helpers.py", "def fail():\n    raise OSError('deep')\n")
    ran = bench.run("import helpers\nhelpers.fail()")
    trace = ran.outcome.error_trace or ""
    assert f'File "{bench.folder}/helpers.py", line 2, in fail\n    raise OSError' in trace


def test_source_of_a_cell_can_be_inspected(bench: Bench) -> None:
    ran = bench.run("def f():\n    return 1", "import inspect; print(inspect.getsource(f))")
    assert ran.text(2) == "def f():\n    return 1\n\n"


def test_functions_of_a_cell_belong_to_main(bench: Bench) -> None:
    ran = bench.run("def f(): ...\nimport __main__\nprint(f.__module__, __main__.f is f, __name__)")
    assert ran.text() == "__main__ True __main__\n"


def test_restart_python_clears_names_and_modules(bench: Bench) -> None:
    bench.write("counted.py", "print('imported')\n")
    ran = bench.run(
        "import counted\nx = 1",
        "dbutils.library.restartPython()\nprint('not reached')",
        "print('x' in globals(), 'dbutils' in globals())\nimport counted",
    )
    assert ran.outcome.status == "success"
    assert ran.text(2) == ""
    assert ran.text(3) == "False True\nimported\n"


def run_source(bench: Bench, text: str) -> list[str]:
    """What the cells of a notebook given as a whole print."""
    bench.write("whole", text)
    ran = bench.run_task({"notebook_task": {"notebook_path": f"{bench.folder}/whole"}})
    assert ran.outcome.status == "success", ran.outcome.error_trace
    return [ran.text(number) for number in range(1, len(ran.commands) + 1)]


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        (
            '# /// script\n# [tool.databricks.environment]\n# environment_version = "5"\n# ///\n'
            "print('glued')",
            ["glued\n"],
        ),
        ("# DBTITLE 1,A title, with comma\n# MAGIC %sh echo titled", ["titled\n"]),
        ("# MAGIC %sh\n# MAGIC\n# MAGIC echo bare", ["bare\n"]),
        ("# a remark\n# MAGIC %sh echo below a remark", ["below a remark\n"]),
        ("print('a')\r\n\r\n# COMMAND ----------\r\n\r\nprint('b')\r\n", ["a\n", "b\n"]),
        (" print('led by a blank')", ["led by a blank\n"]),
        ("x = 1\n%pip install packaging\nprint(x)", None),
        ("# MAGIC %md\n# MAGIC %sql select broken from nowhere", [""]),
        ("# MAGIC %skip\n# MAGIC raise ValueError", [""]),
        ("# MAGIC %skip %sql\n# MAGIC select broken", [""]),
        ('# MAGIC %environment\n# MAGIC "client": "1"', [""]),
        ("# only a remark", [""]),
        ("# MAGIC %python\n# MAGIC print('python')", ["python\n"]),
        ("%sh echo hand-written", ["hand-written\n"]),
    ],
)
def test_cutting_into_cells(bench: Bench, body: str, texts: list[str] | None) -> None:
    newline = "\r\n" if "\r\n" in body else "\n"
    found = run_source(bench, f"# Databricks notebook source{newline}{body}")
    if texts is not None:
        assert found == texts
    else:
        assert "Requirement already satisfied: packaging" in found[0]
        assert found[0].endswith("1\n")


def test_ipynb(bench: Bench) -> None:
    bench.write(
        "jupyter",
        '{"nbformat": 4, "metadata": {}, "cells": ['
        '{"cell_type": "markdown", "source": ["# Title"]},'
        '{"cell_type": "code", "source": ["x = 2\\n", "x"], "metadata": {}},'
        '{"cell_type": "code", "source": "%sh echo shell", "metadata": {}}]}',
    )
    ran = bench.run_task({"notebook_task": {"notebook_path": f"{bench.folder}/jupyter"}})
    assert ran.outcome.status == "success"
    assert ran.commands[0]["command"] == "%md\n# Title"
    assert ran.text(2) == "2\n"
    assert ran.text(3) == "shell\n"


@pytest.mark.parametrize("language", ["scala", "r"])
def test_a_cell_in_another_language_fails_loudly(bench: Bench, language: str) -> None:
    ran = bench.run("print('ran')", f"# MAGIC %{language}\n# MAGIC val x = 1", "print('never')")
    assert ran.outcome.status == "failed"
    assert "UNSUPPORTED" in (ran.outcome.error or "")
    assert ran.states() == ["finished", "error", "skipped"]


def test_a_missing_notebook_and_a_file(bench: Bench) -> None:
    bench.write("plain.py", "print(1)\n")
    for path, words in (("nowhere", "Unable to access the notebook"), ("plain.py", "is a file")):
        ran = bench.run_task({"notebook_task": {"notebook_path": f"{bench.folder}/{path}"}})
        assert ran.outcome.status == "failed"
        assert words in (ran.outcome.error or "")
        assert ran.commands == []


def test_shell_cells(bench: Bench) -> None:
    bench.write("data/file.txt", "content\n")
    ran = bench.run(
        "# MAGIC %sh cat data/file.txt; exit 3",
        f"# MAGIC %sh\n# MAGIC cat {bench.folder}/data/file.txt\n# MAGIC echo error >&2",
        "# MAGIC %sh\n# MAGIC echo data > /Volumes/main/default/brickloop/of_shell.txt",
        "open('/Volumes/main/default/brickloop/of_shell.txt').read()",
        "# MAGIC %sh -e\n# MAGIC echo first\n# MAGIC false\n# MAGIC echo never",
    )
    assert ran.text(1) == "content\n"
    assert ran.text(2) == "content\n"
    assert ran.text(2, "stderr") == "error\n"
    assert ran.text(4) == "'data\\n'\n"
    assert ran.text(5) == "first\n"
    assert ran.states() == ["finished"] * 4 + ["error"]
    assert (ran.outcome.error or "").startswith("CalledProcessError")


def test_pip(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write("requirements.txt", "# a remark\npackaging>=20  # fine\nnumpy\n")
    ran = bench.run(
        "# MAGIC %pip install --quiet 'packaging>=20' numpy",
        "# MAGIC %pip install -r requirements.txt",
        "# MAGIC %uv pip install packaging",
        "import os; os.environ['PIP_NO_INDEX'] = '1'",
        "# MAGIC %pip install no-such-package-anywhere==1.0",
    )
    assert "Requirement already satisfied: packaging>=20" in ran.text(1)
    assert "Requirement already satisfied: numpy" in ran.text(2)
    assert "Requirement already satisfied: packaging" in ran.text(3)
    assert ran.states()[-1] == "error"
    assert "no-such-package-anywhere==1.0" in (ran.outcome.error or "")
    assert (ran.outcome.error or "").startswith("PackageError")


@pytest.mark.parametrize("line", ["pip uninstall numpy", "conda install x", "pip install -e ."])
def test_pip_that_cannot_be_done(bench: Bench, line: str) -> None:
    ran = bench.run(f"# MAGIC %{line}")
    assert "UNSUPPORTED" in (ran.outcome.error or "")


def test_fs_cells(bench: Bench) -> None:
    base = f"/tmp/{bench.folder.rpartition('/')[2]}"
    ran = bench.run(
        f"# MAGIC %fs mkdirs {base}/sub",
        f"# MAGIC %fs put {base}/sub/a.txt 'some text' true",
        f"# MAGIC %fs ls dbfs:{base}/sub",
        f"# MAGIC %fs cp -r {base}/sub {base}/copy",
        f"# MAGIC %fs head {base}/copy/a.txt",
        f"# MAGIC %fs rm -r {base}",
        "# MAGIC %fs format c:",
    )
    rows = ran.table(3)
    assert [row[:3] for row in rows] == [[f"dbfs:{base}/sub/a.txt", "a.txt", 9]]
    assert ran.text(5) == "some text\n"
    assert ran.states() == ["finished"] * 6 + ["error"]
    assert "%fs knows no command 'format'" in (ran.outcome.error or "")


def test_run_shares_names(bench: Bench) -> None:
    bench.notebook("lib/~Configs/defs", "y = x + 1\nprint('in defs')", "def twice(n): return 2 * n")
    ran = bench.run("x = 1", '# MAGIC %run "./lib/~Configs/defs"', "twice(y)")
    assert ran.text(2) == "in defs\n"
    assert ran.text(3) == "4\n"


def test_run_finds_notebooks_by_every_spelling(bench: Bench) -> None:
    bench.notebook("shared", "print('shared')")
    bench.notebook("sub/inner", "# MAGIC %run ../shared")
    absolute = f"{bench.folder}/shared"
    ran = bench.run(
        "# MAGIC %run ./sub/inner",
        f"# MAGIC %run {absolute}",
        f"# MAGIC %run {absolute.removeprefix('/Workspace')}",
        "# MAGIC %run shared",
        "# MAGIC %run './shared'",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert [ran.text(number) for number in range(1, 6)] == ["shared\n"] * 5


def test_run_passes_arguments_as_widgets(bench: Bench) -> None:
    bench.notebook(
        "child",
        "dbutils.widgets.text('name', 'default')",
        "print(dbutils.widgets.get('name'), getArgument('n'))",
    )
    ran = bench.run('# MAGIC %run ./child $name="a value" $n=5')
    assert ran.text() == "a value 5\n"


def test_run_stops_at_an_error_and_names_the_child(bench: Bench) -> None:
    bench.notebook("child", "x = 1", "def f():\n    raise KeyError('inner')\nf()")
    ran = bench.run("# MAGIC %run ./child", "print('never')")
    assert ran.outcome.error == "KeyError: 'inner'"
    assert f'File "{bench.folder}/child cell 2", line 3' in (ran.outcome.error_trace or "")
    assert ran.states() == ["error", "skipped"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("./missing", "Unable to access the notebook"),
        ("./plain.py", "is a file, not a notebook"),
        ("../../../../../etc/passwd", "leads outside the workspace"),
        ("", "needs the path of a notebook"),
        ("./main", "nested more than 50 deep"),
    ],
)
def test_run_of_what_cannot_be_run(bench: Bench, target: str, words: str) -> None:
    bench.write("plain.py", "x = 1\n")
    ran = bench.run(f"# MAGIC %run {target}".rstrip())
    assert ran.outcome.status == "failed"
    assert words in (ran.outcome.error or "")


def test_exit_in_a_child_of_run_ends_the_run(bench: Bench) -> None:
    bench.notebook("child", "dbutils.notebook.exit('from child')")
    ran = bench.run("# MAGIC %run ./child", "print('never')")
    assert ran.outcome.status == "success"
    assert ran.outcome.exit_value == "from child"
    assert ran.states() == ["finished", "skipped"]


def test_sql_cells_in_a_python_notebook(spark_bench: Bench) -> None:
    ran = spark_bench.run(
        "# MAGIC %sql\n# MAGIC select 1 as a; select 'x;y' as b, 2 as c; -- the last is shown",
        "_sqldf.columns",
        "# MAGIC %sql\n# MAGIC -- only a remark\n# MAGIC ;",
        "# MAGIC %sql create or replace temp view v as select * from range(3)",
        "# MAGIC %sql\n# MAGIC select count(*) n from v",
        "_sqldf.collect()[0].n",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.table(1) == [["x;y", 2]]
    assert [item["type"] for item in ran.items(1)] == ["table"]
    assert ran.text(2) == "['b', 'c']\n"
    assert ran.items(3) == []
    assert ran.items(4) == []
    assert ran.table(5) == [[3]]
    assert ran.text(6) == "3\n"


def test_widgets_in_sql(spark_bench: Bench) -> None:
    ran = spark_bench.run(
        "# MAGIC %sql create widget text city default 'it''s'; create widget text n default '2'",
        "# MAGIC %sql select :city as c, ':n' as q, cast('7' as int)::string as t -- :n",
        "# MAGIC %sql select ${n} + 1 as braced, $n as bare, getArgument('city') as arg",
        "# MAGIC %sql create widget dropdown d default 'b' choices select 'b'; select :d as d",
        "# MAGIC %sql remove widget n",
        "sorted(dbutils.widgets.getAll())",
        "spark.conf.set('my.table', 'range(2)')",
        "# MAGIC %sql select count(*) from ${my.table}",
        parameters={"city": "given"},
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.table(2) == [["given", ":n", "7"]]
    assert ran.table(3) == [[3, 2, "given"]]
    assert ran.table(4) == [["b"]]
    assert ran.text(6) == "['city', 'd']\n"
    assert ran.table(8) == [[2]]


def test_sql_notebook(spark_bench: Bench) -> None:
    ran = spark_bench.run(
        "-- MAGIC %md\n-- MAGIC # Title",
        "select 1 as a",
        "-- MAGIC %python\n-- MAGIC print(_sqldf.count())",
        "with t as (select 5 as n) select n from t",
        "select broken syntax here from",
        "select 'never'",
        comment="--",
    )
    assert ran.table(2) == [[1]]
    assert ran.text(3) == "1\n"
    assert ran.table(4) == [[5]]
    assert ran.states() == ["finished"] * 4 + ["error", "skipped"]
    assert "Syntax error at or near 'here'" in (ran.outcome.error or "")
    assert "site-packages" not in (ran.outcome.error_trace or "")


def test_a_query_before_the_last_is_really_run(spark_bench: Bench) -> None:
    ran = spark_bench.run("# MAGIC %sql select raise_error('found out'); select 1")
    assert ran.outcome.status == "failed"
    assert "found out" in (ran.outcome.error or "")


def test_cte_with_insert(spark_bench: Bench) -> None:
    ran = spark_bench.run(
        "# MAGIC %sql create table with_insert (n int)",
        "# MAGIC %sql insert into with_insert with t as (select 1 as n) select n from t",
        "# MAGIC %sql select * from with_insert",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.table(3) == [[1]]


def test_a_failing_cell_keeps_what_it_showed(bench: Bench) -> None:
    ran = bench.run("displayHTML('<b>x</b>')\nprint('printed')\n1 / 0")
    assert [item["type"] for item in ran.items()] == ["htmlSandbox", "ansi"]
    assert ran.states() == ["error"]


def test_a_cell_that_closes_its_streams(bench: Bench) -> None:
    ran = bench.run("import sys\nprint('a')\nsys.stdout.close()", "1 / 0", "print('never')")
    assert ran.outcome.status == "failed"
    assert ran.text(1) == "a\n"
