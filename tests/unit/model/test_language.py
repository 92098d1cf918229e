"""Which language a cell is in."""

from __future__ import annotations

import pytest

from brickloop.model.language import known_language, language_of


@pytest.mark.parametrize(
    ("source", "language"),
    [
        ("%sql\nSELECT 1", "sql"),
        ("-- a remark\nselect 1", "sql"),
        ("WITH a AS (SELECT 1) SELECT * FROM a", "sql"),
        ("with open('x') as file:\n    pass", "python"),
        ("%md # Title", "markdown"),
        ("%sh ls", "bash"),
        ("%time x = 1", "python"),
        ("show(x)", "python"),
        ("", "python"),
    ],
)
def test_language_of(source, language):
    assert language_of(source) == language


def test_names_that_people_give():
    assert [known_language(name) for name in ("SQL", " py", "md", "cobol", None)] == [
        "sql", "python", "markdown", "text", "text",
    ]  # fmt: skip
