"""What is wrong with the words of run, runs and output is said before anything is opened."""

from __future__ import annotations

import pytest
from invoke import Exit

from brickloop.tasks import run


@pytest.mark.parametrize(
    ("task", "words", "said"),
    [
        (run.output, {"run_id": "seven"}, "'seven', not a whole number"),
        (run.output, {"run_id": "0"}, "must be from 1"),
        (run.output, {"run_id": "٣"}, "not a whole number"),
        (run.output, {"run_id": "9" * 30}, "must be from 1"),
        (run.runs, {"limit": "0"}, "must be from 1 to 1000"),
        (run.runs, {"limit": "5000"}, "must be from 1 to 1000"),
        (run.runs, {"job": "x"}, "not a whole number"),
        (run.run, {"notebook": "nothing.py"}, "there is no such file"),
        (run.run, {"notebook": "nothing.py", "timeout": "soon"}, "not a number of seconds"),
        (run.run, {"notebook": "nothing.py", "timeout": "-1"}, "not a number of seconds"),
        (run.run, {"notebook": "nothing.py", "timeout": "nan"}, "not a number of seconds"),
        (run.run, {"notebook": "nothing.py", "retries": "-1"}, "not a whole number"),
        (run.run, {"notebook": "nothing.py", "parameters": "[1]"}, "no JSON object"),
    ],
)
def test_wrong_words_end_with_2_and_open_nothing(tmp_path, monkeypatch, capsys, task, words, said):
    monkeypatch.chdir(tmp_path)
    if task is run.run:
        words = {"parameter": [], "argument": [], "library": [], **words}
    with pytest.raises(Exit) as caught:
        task.body(None, **words)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("nightly load", "nightly load"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("a\x00\x1b[31m/b", "a_31m_b"),
        ("..", "run"),
        ("x" * 300, "x" * 100),
        ("größer", "größer"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("x" * 99 + ". y", "x" * 99),
    ],
)
def test_a_run_s_name_becomes_a_harmless_file_name(name, file):
    assert run._file_name(name) == file
