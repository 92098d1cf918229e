"""Wrong words on the command line: which one, what may be meant, exit code 2."""

from __future__ import annotations

import io
import sys

import pytest
from invoke import Program

from brickloop.tasks import namespace
from brickloop.tasks.parsing import example_of, nearest


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Type a command: its exit code, stdout and stderr."""
    (tmp_path / "tasks.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", sys.dont_write_bytecode)

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            Program(namespace=namespace(), binary="invoke").run(["invoke", *words])
        shown = capsys.readouterr()
        return caught.value.code or 0, shown.out, shown.err

    return run


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["nope"], "there is no command 'nope'", "invoke --list shows all"),
        (["local.stat"], "there is no command 'local.stat'", "did you mean local.status"),
        (["push"], "there is no command 'push'", "did you mean sync.push?"),
        (["--help", "helth"], "there is no command 'helth'", "did you mean health?"),
        (["runs", "--limt", "5"], "invoke runs has no flag '--limt'", "did you mean --limit"),
        (["run", "--bogus", "x"], "invoke run has no flag '--bogus'", "invoke --help run"),
        (["why", "--jsn"], "invoke why has no flag '--jsn'", "did you mean --json"),
        (["run", "a.py", "-q"], "invoke run has no flag '-q'", "invoke --help run"),
        (["--search-root"], "invoke has no flag '--search-root'", "invoke --help"),
        (["--command-timeout"], "--command-timeout needs a value", "invoke --help"),
        (["--command-timeout", "x"], "--command-timeout is 'x', not a whole number", "timeout"),
        (["--bogus"], "invoke has no flag '--bogus'", "invoke --help"),
        (["run"], "run needs NOTEBOOK", "such as: invoke run "),
        (["sync.init"], "sync.init needs LOCAL and WORKSPACE", "such as: invoke sync.init "),
        (["run", "a.py", "--retries"], "--retries needs a value", "invoke --help run"),
        (["run", "a.py", "b.py"], "'b.py' is left over after run", "in quotes"),
        (["doctor", "--offline=3"], "'3' is left over after doctor", "invoke --help doctor"),
        (["local.start", "--port", "abc"], "--port is 'abc', not a whole number", "port to"),
        (["build", "--as-job", "run"], "'run' may be a flag's value or a word", "equals sign"),
    ],
)
def test_what_is_wrong_is_named_with_what_may_be_meant(typed, words, said, hint):
    code, out, errors = typed(*words)
    assert code == 2
    assert errors.startswith(f"error: {said}")
    assert hint in errors.splitlines()[1]
    assert "Traceback" not in errors
    assert out == ""


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("name", ["run", "why", "sync.init", "query", "dev.watch", "doctor"])
def test_help_is_help_also_where_a_word_is_awaited(typed, name, flag):
    code, out, errors = typed(name, flag)
    assert (code, errors) == (0, "")
    assert out.startswith(f"Usage: invoke [--core-opts] {name} ")


def test_a_statement_that_begins_like_a_flag_is_no_flag():
    program = Program(namespace=namespace(), binary="invoke")
    program.create_config()
    program.parse_core(["invoke", "query", "--sql=-- a comment\nSELECT 1"])
    program.parse_collection()
    program.parse_tasks()
    assert program.tasks[0].as_kwargs["sql"] == "-- a comment\nSELECT 1"


def test_a_project_s_own_value_error_is_not_hidden(monkeypatch):
    program = Program(namespace=namespace(), binary="invoke")
    monkeypatch.setattr(program, "_make_parser", lambda: int("x"))
    program.create_config()
    program.parse_core(["invoke", "doctor"])
    program.parse_collection()
    with pytest.raises(ValueError, match="invalid literal"):
        program.parse_tasks()


def test_installing_it_twice_wraps_once():
    namespace()
    first = Program.parse_tasks
    namespace()
    assert Program.parse_tasks is first


def test_nearest_takes_parts_of_names_before_what_merely_looks_alike():
    assert nearest("push", ["sync.push", "sync.pull", "plan"])[0] == "sync.push"
    assert nearest("xyz", ["sync.push"]) == []


def test_the_example_is_the_line_of_the_docstring():
    assert example_of("Do.\n\n    Example: invoke run a.py -p x=1\n") == "invoke run a.py -p x=1"
    assert example_of("Do.") == ""


def test_a_full_disk_is_said_of_the_list_too(typed, monkeypatch):
    def full(self, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Program, "print_columns", full)
    code, _, errors = typed("--list")
    assert code == 1
    assert errors.startswith("error: no space left on device\n  make room")


@pytest.mark.parametrize("words", [("--port", "70000"), ("--port", "-1"), ("--tls-port", "65536")])
def test_a_port_that_there_is_not_is_refused_before_anything_is_started(typed, words):
    code, _, errors = typed("local.start", *words)
    assert code == 2
    assert "not from 0 to 65535" in errors


def test_a_closed_pipe_is_no_error_of_the_list(monkeypatch):
    program = Program(namespace=namespace(), binary="invoke")

    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

        def fileno(self):
            return sys.__stdout__.fileno()

    quieted = []
    monkeypatch.setattr("brickloop.tasks.command.quiet_pipe", lambda: quieted.append(True))
    monkeypatch.setattr("sys.stdout", Closed())
    with pytest.raises(SystemExit) as caught:
        program.run(["invoke", "--list"])
    assert caught.value.code == 0
    assert quieted == [True]
