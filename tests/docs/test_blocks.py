"""Every block of code in the README and in the pages does what it says.

A page's blocks are run in order, in a scratch copy of the example project, against a local
workspace. Invisible comments say what a reader need not know:

- ``<!-- not run: why -->`` before a block that cannot be run here; ``<!-- page not run: why -->``
- ``<!-- fails with 1 -->`` before a shell block: its exit code
- ``<!-- context: ... -->`` before a Python block: Python that it needs
- ``<!-- before: ... -->`` anywhere: shell commands that what follows needs
"""

from __future__ import annotations

import re

import pytest
import yaml
from docs.make.pages import Block, blocks, pages, read
from markdown_it import MarkdownIt
from tests.docs.page_session import NOT_RUN, SHELLS, PageSession, exit_code
from tests.docs.words import commands, fault

from brickloop import launcher

_OWN_WORKSPACE = re.compile(r"invoke local\.(stop|reset)|--tls")
_PAGE_NOT_RUN = re.compile(r"<!-- page not run: .{10,} -->")
_MOST_NOT_RUN = 15
_MOST_PAGES_NOT_RUN = 1
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_NAMES = re.compile(r"(invoke|doit|brickloop|python -m) ")


def runs(page: str) -> bool:
    """Whether blocks of a page are run."""
    return bool(blocks(page)) and not _PAGE_NOT_RUN.search(read(page))


@pytest.fixture
def session(tmp_path, request):
    """The page's project; its local workspace is that of all tests, unless the page stops it."""
    page = request.getfixturevalue("page")
    folder = tmp_path / "project"
    folder.mkdir()
    started = PageSession(folder)
    started.lay_out()
    local = folder / ".brickloop" / "local"
    own = any(_OWN_WORKSPACE.search(block.text) for block in blocks(page))
    if not own:
        local.parent.mkdir()
        local.symlink_to(request.getfixturevalue("local_server").root)
    yield started
    started.close()
    # also one that a page's command has started in a project of its own
    for found in folder.rglob(".brickloop/local"):
        if not found.is_symlink():
            launcher.stop(found)


def not_run(block: Block) -> str | None:
    """Why a block is not run; None where it is."""
    return next((f[1] for mark in block.marks if (f := NOT_RUN.fullmatch(mark))), None)


@pytest.mark.parametrize("page", [page for page in pages() if runs(page)])
def test_the_blocks_of_a_page_do_what_they_say(page, session):
    for block in blocks(page):
        if not_run(block) is None:
            session.run(block)


def scripts(text: str) -> list[str]:
    """The shell texts in a CI system's file."""
    found: list[str] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ("run", "script", "before_script", "after_script"):
                    found.extend([inner] if isinstance(inner, str) else map(str, inner))
                else:
                    walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(yaml.safe_load(text))
    return found


def test_the_steps_of_a_ci_file_are_found():
    assert scripts("jobs: {a: {steps: [{run: doit}, {script: [invoke plan]}]}}") == [
        "doit",
        "invoke plan",
    ]


@pytest.mark.parametrize("page", pages())
def test_the_commands_that_a_page_names_are_there_with_their_flags(page):
    shells = [b.text for b in blocks(page) if b.language in SHELLS - {"console"}]
    # wrong words that a page shows are wrong on purpose
    consoles = [b.text for b in blocks(page) if b.language == "console" and exit_code(b) != 2]
    typed = [line[2:] for text in consoles for line in text.splitlines() if line[:2] == "$ "]
    steps = [text for b in blocks(page) if b.language == "yaml" for text in scripts(b.text)]
    inline = [code for code in _CODE.findall(read(page)) if _NAMES.match(code)]
    own = [[name] for name in re.findall(r"@task\ndef (\w+)", read(page))]
    faults = [
        (" ".join(words), wrong)
        for texts, name_only in (([*shells, *typed, *steps], False), (inline, True))
        for text in texts
        for words in commands(text)
        if words[1:2] not in own
        if (wrong := fault(words, name_only=name_only))
    ]
    assert faults == []


def test_few_blocks_are_not_run_and_each_says_why():
    every = [block for page in pages() for block in blocks(page)]
    left_out = [block for block in every if not_run(block)]
    assert len(left_out) <= _MOST_NOT_RUN, [block.place for block in left_out]
    pages_left_out = [page for page in pages() if blocks(page) and not runs(page)]
    assert len(pages_left_out) <= _MOST_PAGES_NOT_RUN, pages_left_out
    for block in every:
        for mark in block.marks:
            known = re.match("not run: .{10}|page not run: |fails with|context:|made by: ", mark)
            assert known, f"{block.place}: {mark}"


def test_what_is_called_text_holds_no_commands():
    for page in pages():
        for block in blocks(page):
            # rows of figures are named after the commands that were measured
            if block.language == "text" and page != "docs/benchmarks.md":
                assert not re.search(r"(?m)^(\$ )?(doit|invoke|pip|uvx?) ", block.text), block.place


def test_every_block_is_fenced_with_its_language():
    for page in pages():
        if page not in ("docs/benchmarks.md", "CHANGELOG.md"):
            tokens = MarkdownIt("commonmark").enable("table").parse(read(page))
            assert [t.map for t in tokens if t.type == "code_block"] == [], page
            assert [t.map for t in tokens if t.type == "fence" and not t.info.strip()] == [], page
