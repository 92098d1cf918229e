"""What may come next on a command line, as the shells are told."""

from __future__ import annotations

import subprocess
import sys

import pytest

from brickloop.errors import UsageError
from brickloop.tasks.completer import (
    DOIT_COMMANDS,
    FILES,
    answer,
    candidates,
    notebook_files,
    split_line,
)
from brickloop.tasks.completion import SHELLS, script_of

BREAKS = " \t\n\"'@><=;|&(:"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with notebooks, targets, pairs, profiles and a command of its own."""
    root = tmp_path / "project"
    (root / "notebooks" / "etl").mkdir(parents=True)
    (root / "dodo.py").write_text(
        "from brickloop.graph import notebook_tasks\n"
        "def task_notebooks():\n    'All of them.'\n    yield from notebook_tasks('notebooks')\n"
        "def task_docs():\n    return {'actions': None}\n"
    )
    (root / "tasks.py").write_text(
        "from invoke import task\nfrom brickloop.tasks import namespace\nns = namespace()\n"
        "@task\ndef bake(c, temperature=3):\n    'Bake.'\nns.add_task(bake)\n"
    )
    (root / "pyproject.toml").write_text(
        "[tool.brickloop.targets.dev]\n[tool.brickloop.targets.prod]\n"
    )
    (root / ".databricks_sync.json").write_text(
        '{"sync_pairs": [{"local": "notebooks", "workspace": "~/notebooks"}]}'
    )
    head = "# Databricks notebook source\n"
    (root / "notebooks" / "load.py").write_text(head + "# MAGIC %run ./etl/setup\n")
    (root / "notebooks" / "etl" / "clean it.py").write_text(head)
    (root / "notebooks" / "etl" / "setup.py").write_text(head)
    (root / "notebooks" / "rules.py").write_text("LIMIT = 3\n")
    (root / "notebooks" / "count.sql").write_text("-- Databricks notebook source\nSELECT 1\n")
    config = tmp_path / "cfg"
    config.write_text("[work]\nhost = https://work.example.com\ntoken = secret\n")
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(config))
    monkeypatch.chdir(root)
    return root


def _words(program, *words):
    return {one.word for one in candidates(program, words[:-1], words[-1])}


@pytest.mark.parametrize("program", ["invoke", "brickloop", "inv"])
def test_commands_the_project_s_own_ones_among_them(project, program):
    found = _words(program, "")
    assert {"run", "sync.push", "doctor", "bake"} <= found
    assert _words(program, "sync.pu") == {"sync.push", "sync.pull"}
    # a command may follow another one
    assert _words(program, "doctor", "ba") == {"bake"}
    about = {one.word: one.about for one in candidates(program, [], "doct")}
    assert about["doctor"].startswith("Show every setting")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("run", "notebooks/load.py", "--prof"), {"--profile"}),
        (("runs", "--limit", "5", "--lim"), set()),
        (("run", "a.py", "--para"), {"--parameter", "--parameters"}),
        (("run", "a.py", "-p", "x=1", "--parameter"), {"--parameter", "--parameters"}),
        (("bake", "--te"), {"--temperature"}),
        (("--he",), {"--help"}),
        (("doctor", "--he"), {"--help"}),
        (("run", "x", "--profile", ""), {"work", "local"}),
        (("run", "x", "--profile=w"), {"--profile=work"}),
        (("run", "x", "--target", ""), {"dev", "prod"}),
        (("sync.push", "--project", ""), {"notebooks"}),
        (("why", ""), {"load", "etl/clean it", "count"}),
        (("run", "notebooks/l"), {"notebooks/load.py"}),
        (("dev.watch", "notebooks/load.py", "notebooks/c"), {"notebooks/count.sql"}),
        (("build", "--select", "+lo"), {"+load"}),
        (("build", "--exclude", "state"), {"state:modified"}),
        (("query", "SELECT 1", "--format", "json"), {"json", "jsonl"}),
        (("sync.resolve", "x", "--keep", ""), {"local", "remote", "both"}),
        (("completion", ""), {"bash", "zsh", "fish"}),
        (("run", "x", "--compute", "s"), {"serverless"}),
        (("--help", "doct"), {"doctor"}),
        (("query", "SELECT 1", "--limit", ""), set()),
    ],
)
def test_flags_and_their_values(project, words, found):
    assert _words("invoke", *words) == found


def test_templates_are_offered(project):
    assert {"analysis", "query"} <= _words("invoke", "new", "x", "--template", "")


@pytest.mark.parametrize(
    "words", [("run", "elsewhere/"), ("query", "--file", ""), ("graph", "-o", "")]
)
def test_what_is_a_path_is_left_to_the_shell(project, words):
    assert candidates("invoke", words[:-1], words[-1]) == [FILES]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("run", "run:"), {"run:load", "run:etl/clean it", "run:count"}),
        (("fetch:l",), {"fetch:load"}),
        (("d",), {"dumpdb", "docs"}),
        (("list", "--al"), {"--all"}),
        (("forget", "do"), {"docs"}),
        (("help", "fo"), {"forget"}),
    ],
)
def test_doit_s_commands_tasks_and_options(project, words, found):
    assert _words("doit", *words) == found


def test_doit_s_commands_are_those_that_there_are():
    from doit.doit_cmd import DoitMain

    assert set(DOIT_COMMANDS) == set(DoitMain().get_cmds())


def test_notebooks_are_found_without_running_anything(project):
    (project / "dodo.py").write_text(
        (project / "dodo.py").read_text() + "raise SystemExit('it was run')\n"
    )
    assert set(notebook_files(project)) == {"load", "etl/clean it", "count"}


@pytest.mark.parametrize(
    ("line", "words", "current"),
    [
        ("invoke ", [], ""),
        ("invoke run", [], "run"),
        ("invoke run ", ["run"], ""),
        ("/x/bin/invoke run a", ["run"], "a"),
        ("FOO=1 invoke why l", ["why"], "l"),
        ("invoke query 'SELECT 1' --form", ["query", "SELECT 1"], "--form"),
        ("invoke query 'SELECT 1", ["query"], "SELECT 1"),
        ("invoke why etl/clean\\ ", ["why"], "etl/clean "),
        ('invoke why "etl/cl', ["why"], "etl/cl"),
    ],
)
def test_a_line_is_read_as_bash_does(line, words, current):
    assert split_line(line, "invoke") == (words, current)


@pytest.mark.parametrize(
    ("program", "line", "lines"),
    [
        ("invoke", "invoke sync.pu", ["sync.pull", "sync.push"]),
        ("invoke", "invoke why etl", ["etl/clean\\ it"]),
        ("invoke", "invoke run x --profile=w", ["work"]),
        ("doit", "doit run:l", ["load"]),
        ("doit", "doit run:", ["count", "load", "etl/clean\\ it"]),
        ("invoke", "invoke run x --compute cl", [":nospace", "cluster:"]),
        ("invoke", "invoke query --file ", [":files"]),
    ],
)
def test_bash_gets_what_stands_behind_its_last_break(project, capsys, program, line, lines):
    answer([program, BREAKS, line], "bash")
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(lines)


def test_other_shells_get_words_with_what_they_are(project, capsys):
    answer(["invoke", "run", "x", "--profile", "w"], "fish")
    assert capsys.readouterr().out == "work\thttps://work.example.com\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [("tasks.py", "1 / 0"), ("dodo.py", "def f(:"), ("pyproject.toml", "["), ("cfg", "[x")],
)
def test_a_broken_file_is_no_error_at_the_prompt(project, capsys, name, content):
    (project / name).write_text(content)
    for words in (["run", ""], ["why", ""], ["run", "x", "--target", ""], ["ru"]):
        answer(["invoke", *words], "fish")
    answer(["doit", ""], "fish")
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "run\t" in shown.out


def test_an_unknown_shell_is_refused():
    with pytest.raises(UsageError, match="'tcsh' is no shell"):
        script_of("tcsh")
    assert all("_BRICKLOOP_COMPLETE" in script_of(shell) for shell in SHELLS)


def test_completing_imports_nothing_heavy(project):
    script = (
        "import sys\nfrom brickloop.tasks.completer import candidates\n"
        "for words in (['']), ['why', ''], ['run', 'x', '--profile', '']:\n"
        "    assert candidates('invoke', words[:-1], words[-1])\n"
        "assert candidates('doit', [], '')\n"
        "heavy = {'databricks.sdk', 'pandas', 'pyarrow', 'sqlglot', 'rich', 'doit', 'requests',\n"
        "         'brickloop.graph', 'brickloop.flows.deploy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n", done.stderr
