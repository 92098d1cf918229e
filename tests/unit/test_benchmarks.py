from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks import noop
from benchmarks.__main__ import find_benchmarks, main
from benchmarks.figures import Figure, write_seconds, write_table
from benchmarks.processes import run_process

ROOT = Path(__file__).parents[2]


def test_every_benchmark_is_found_and_listed_with_what_it_measures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert set(find_benchmarks()) >= {"noop", "run", "output", "report", "cells", "sync"}
    assert main([]) == 0
    listed = capsys.readouterr().out.splitlines()
    for name in find_benchmarks():
        line = next(line for line in listed if line.startswith(f"  {name} "))
        assert len(line.split(maxsplit=1)[1]) > 20


def test_an_unknown_benchmark_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["nosuch"]) == 2
    error = capsys.readouterr().err
    assert "there is no benchmark 'nosuch'" in error
    assert "noop" in error


@pytest.mark.parametrize(
    "name",
    ["noop", "commands", "graph", "run", "output", "report", "query", "cells", "sync", "dev"],
)
def test_each_explains_itself_and_refuses_senseless_numbers(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    assert f"python -m benchmarks {name}" in capsys.readouterr().out
    option = {"run": "--warm", "output": "--sections", "dev": "--saves"}.get(name, "--repeats")
    with pytest.raises(SystemExit) as left:
        main([name, option, "0"])
    assert left.value.code == 2


def test_a_ratio_is_that_of_the_medians() -> None:
    figure = Figure("a", [3.0, 1.0, 2.0], "b", [0.5, 9.0, 0.5])
    assert figure.ratio == 4.0
    assert Figure("alone", [1.0]).ratio is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.000_042, "42 µs"), (0.0042, "4 ms"), (0.9994, "999 ms"), (1.5, "1.50 s")],
)
def test_a_time_is_written_in_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert write_seconds(seconds) == text


def test_the_table_aligns_its_columns_and_leaves_no_trailing_blanks() -> None:
    table = write_table(
        "title",
        [
            Figure("short", [0.1], "floor", [0.05], peak_bytes=3 * 1024**2, budget="1.0 s"),
            Figure("a longer name", [12.0, 14.0, 13.0]),
        ],
    )
    lines = table.splitlines()
    assert lines[0] == "title"
    assert lines[3].split() == [
        "short",
        "100",
        "ms",
        "100",
        "ms",
        "floor",
        "50",
        "ms",
        "2.00",
        "1.0",
        "s",
        "3",
        "MB",
    ]
    assert lines[4].split() == [
        "a",
        "longer",
        "name",
        "13.00",
        "s",
        "12.00",
        "s",
        "-",
        "-",
        "-",
        "-",
        "-",
    ]
    assert all(line == line.rstrip() for line in lines)
    assert lines[3].index("100 ms") + len("100 ms") == lines[4].index("13.00 s") + len("13.00 s")


def test_a_process_is_measured_with_what_it_said(tmp_path: Path) -> None:
    done = run_process([sys.executable, "-c", "print('a' * 3); b = b'b' * 80_000_000"], tmp_path)
    assert done.text == "aaa\n"
    assert done.seconds > 0
    if sys.platform != "win32":
        assert done.peak_bytes > 80_000_000


def test_a_process_that_fails_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3:\nno"):
        run_process([sys.executable, "-c", "print('no'); raise SystemExit(3)"], tmp_path)


def test_no_real_workspace_can_be_meant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", "https://real.example.com")
    monkeypatch.setenv("BRICKLOOP_PROFILE", "real")
    script = "import os; print({'DATABRICKS_HOST', 'BRICKLOOP_PROFILE'} & set(os.environ))"
    assert run_process([sys.executable, "-c", script], tmp_path).text == "set()\n"


def test_the_made_up_project_is_done_and_doit_has_nothing_to_do(tmp_path: Path) -> None:
    noop.make_project(tmp_path, 12)
    noop.prepare(tmp_path)
    figure = noop.measure(tmp_path, 12, 1)
    assert figure.what == "12 notebooks, 36 tasks"
    assert figure.ratio is not None
    # the measured command sees the files: after an edit it has something to do again
    edited = tmp_path / "notebooks" / "group_0000" / "n00003.py"
    edited.write_text(edited.read_text().replace("rows", "more rows"))
    listed = run_process([sys.executable, "-m", "doit", "list", "--all", "--status"], tmp_path)
    stale = [line.split()[1] for line in listed.text.splitlines() if line.startswith("R ")]
    assert "upload:group_0000/n00003" in stale
    assert "run:group_0000/n00003" in stale
    # each notebook reads the table of the one before it
    assert "run:group_0000/n00009" in stale
    assert "run:group_0000/n00002" not in stale
    assert not [name for name in stale if "group_0001" in name]
