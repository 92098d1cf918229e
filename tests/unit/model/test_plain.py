"""A run as plain lines."""

from __future__ import annotations

import pytest

from brickloop.model.document import Section
from brickloop.model.plain import is_numeric, row_note, section_lines, table_lines, value_text
from brickloop.model.text import cut_to_width, display_width, write_duration


def test_a_table_is_aligned_by_what_is_seen_and_ends_in_no_blank():
    lines = table_lines((("a", ""), ("b", "")), (("日本", 1), ("x", None), ("\u0301e", "y\tz")))
    assert lines == [
        "a     b", "----  ----", "日本  1", "x     NULL", "\u0301e     y z", "(3 rows)",
    ]  # fmt: skip


def test_a_row_of_another_width_and_odd_values_are_shown():
    assert table_lines((("a", ""), ("b", "")), ((1,), (1, 2, 3)))[2:4] == ["1  NULL", "1  2"]
    assert value_text(True) == "true"
    assert value_text({"a": [1, None]}) == '{"a": [1, null]}'
    assert value_text("a\nb") == "a⏎b"


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (row_note(1, 1, None, False), "(1 row)"),
        (row_note(5, 5, 16, True, ms=1234), "(5 of 16 rows, 1.2 s)"),
        (row_note(40, 5000, None, False), "(40 of 5,000 rows)"),
        (row_note(100, 100, None, True), "(the first 100 rows; there are more)"),
    ],
)
def test_row_note(note, said):
    assert note == said


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("bigint", True), ("DECIMAL(18,2)", True), ("int64", True), ("Float64", True),
        ("interval day", False), ("string", False), ("array<int>", False), ("integer", True),
    ],
)  # fmt: skip
def test_numeric_types(kind, number):
    assert is_numeric(("c", kind), []) is number


def test_without_a_type_the_values_decide():
    assert is_numeric(("c", ""), [1, 2.5, None])
    assert not is_numeric(("c", ""), [1, "x"])
    assert not is_numeric(("c", ""), [True])
    assert not is_numeric(("c", ""), [None])


@pytest.mark.parametrize(
    ("section", "lines"),
    [
        (Section("log", "t", text="x", level="error"), ["ERROR x"]),
        (Section("warning", "t", text="x"), ["warning: x"]),
        (Section("metric", "t", values=(("f1", 0.5),), unit="%"), ["f1  0.5 %"]),
        (
            Section("progress", "t", done=5, of=20, text="files"),
            ["[#####...............] 25% (5 of 20)  files"],
        ),
        (Section("progress", "t", done=5), ["5"]),
        (Section("figure", "t", mime="image/png"), ["[figure, its bytes are missing]"]),
        (Section("query", "t", query="SELECT 1", text="1", ms=5), ["SELECT 1", "", "1", "(5 ms)"]),
        (Section("novel", "t", text="x", notes=("cut",)), ["x", "(cut)"]),
        (Section("text", "t"), []),
    ],
)
def test_sections_of_each_kind(section, lines):
    assert section_lines(section) == lines


def test_widths_and_durations():
    assert display_width("日本e\u0301") == 5
    assert cut_to_width("日本語", 5) == "日本…"
    assert cut_to_width("abc", 3) == "abc"
    said = [write_duration(ms) for ms in (-5, 999, 1000, 59_949, 59_951, 125_000, 3_725_000)]
    assert said == ["0 ms", "999 ms", "1.0 s", "59.9 s", "1:00 min", "2:05 min", "1:02:05 h"]
