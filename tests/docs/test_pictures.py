"""The committed pictures are those that the commands make: their structure, not their pixels."""

from __future__ import annotations

import html
import re
import struct

import pytest
from docs.make import diagrams, pictures, session
from docs.make.pages import ROOT, linked_files

PICTURES = ROOT / "docs" / "pictures"
_ELSEWHERE = re.compile(r"""(?:href|src)=["']https?:|url\(\s*["']?https?:|@import""")


def words(path):
    """The lines of a recorded terminal, as they are read."""
    text = path.read_text(encoding="utf-8")
    spans = re.findall(r'<text[^>]*?y="([\d.]+)"[^>]*>(.*?)</text>', text)
    lines: dict[str, str] = {}
    for y, span in spans:
        lines[y] = lines.get(y, "") + html.unescape(span).replace("\xa0", " ")
    return list(lines.values())


@pytest.mark.parametrize("name", diagrams.made())
def test_a_diagram_is_as_it_would_be_drawn_now(name):
    made = (PICTURES / name).read_text(encoding="utf-8")
    assert made == diagrams.made()[name], "run: python -m docs.make diagrams"


@pytest.mark.parametrize(
    ("path", "steps"),
    [(ROOT / "docs" / "session.svg", session.STEPS), (PICTURES / "plan.svg", pictures.PLAN)],
    ids=["session", "plan"],
)
def test_a_recording_shows_the_steps_that_its_command_types(path, steps):
    typed = [line[2:].rstrip() for line in words(path) if line.startswith("$ ")]
    assert typed == [step.command for step in steps]
    assert len(words(path)) > 2 * len(steps)


def test_the_recorded_session_shows_that_a_second_doit_has_nothing_to_do():
    shown = "\n".join(words(ROOT / "docs" / "session.svg"))
    assert "nothing to do: 5 notebooks are up to date" in shown
    assert "5 succeeded in" in shown


@pytest.mark.parametrize("name", pictures.PAGES)
def test_a_picture_of_a_page_has_the_size_of_its_window(name):
    data = (PICTURES / name).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == pictures.PAGES[name][1:]
    assert len(data) < 250_000


def test_every_picture_is_on_a_page_and_asks_no_other_host_for_anything():
    kept = {path.relative_to(ROOT).as_posix() for path in PICTURES.iterdir()}
    assert kept | {"docs/session.svg"} <= linked_files()
    for path in [*PICTURES.glob("*.svg"), ROOT / "docs" / "session.svg"]:
        assert not _ELSEWHERE.search(path.read_text(encoding="utf-8")), path.name
