"""The reference pages are what the commands, docstrings and settings say now."""

from __future__ import annotations

import re

import pytest
from docs.make import reference
from docs.make.pages import pages, read

import brickloop
from brickloop.config.settings import DEFAULTS
from brickloop.tasks import namespace

PAGES = reference.made()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_it_would_be_made_now(name):
    assert reference.current(name) == PAGES[name], "run: python -m docs.make reference"


def test_every_command_has_a_text_and_an_example():
    page = PAGES["commands.md"]
    for name in namespace().task_names:
        part = page.partition(f"\n### invoke {name}\n")[2].partition("\n### ")[0]
        text, _, example = part.partition("```bash\n")
        assert text.strip(), name
        assert example.startswith(f"invoke {name}") or f"invoke {name}" in example, name


def test_every_command_is_shown_in_use_on_a_page_that_tells_how_to():
    texts = "\n".join(read(page) for page in pages() if "/reference/" not in page)
    shown = set(
        re.findall(r"(?:invoke |brickloop |`)(?!invoke |brickloop )([a-z][a-z.]+)\b", texts)
    )
    assert set(namespace().task_names) - shown == set()


def test_every_public_name_and_method_has_a_text():
    page = PAGES["python.md"]
    for name in brickloop.__all__:
        if not name.startswith("_"):
            assert f"\n## {name}\n" in page
    for part in page.split("\n### ")[1:]:
        words = part.partition("\n")[2].partition("\n## ")[0]
        text = words.rpartition("```")[2] if "```" in words else words
        assert text.strip(), part.partition("\n")[0]


def test_every_setting_is_explained():
    for name in DEFAULTS:
        assert f"\n| `{name}` | " in PAGES["settings.md"]
