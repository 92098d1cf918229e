"""The pages, and what stands in them: links, anchors, blocks of code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
_MARK = re.compile(r"<!--\s*(.*?)\s*-->", re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')
_NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")
_COMMANDS = ("$", "doit", "invoke", "brickloop", "pip", "uv", "uvx", "python", "python3", "git")


@dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    page: str
    """The page's path from the repository's root."""
    line: int
    """Where it begins, from 1."""
    language: str
    """What the fence says; of an indented block ``bash`` where it begins with a command."""
    title: str
    """The file that it is, or where it stands ("in a notebook"); "" where the fence has none."""
    text: str
    marks: tuple[str, ...]
    """The invisible comments right before it."""

    @property
    def place(self) -> str:
        """``page:line``."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Link:
    """A link or picture of a page."""

    page: str
    target: str


def pages() -> list[str]:
    """The pages at the root and all below docs/, by their paths from the root."""
    found = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def read(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """The blocks of code in a page, from top to bottom."""
    found: list[Block] = []
    marks: list[str] = []
    for token in _tokens(page):
        if token.type == "html_block":
            comments = _MARK.findall(token.content)
            marks.extend(one for one in comments if not one.startswith("before:"))
            found.extend(
                Block(page, (token.map or [0])[0] + 1, "before", "", one[7:], ())
                for one in comments
                if one.startswith("before:")
            )
        elif token.type in ("fence", "code_block"):
            words = token.info.split(maxsplit=1)
            language = words[0] if words else _language_of(token.content)
            title = _TITLE.search(words[1]) if len(words) > 1 else None
            line = (token.map or [0])[0] + (2 if token.type == "fence" else 1)
            name = title[1] if title else ""
            found.append(Block(page, line, language, name, token.content, tuple(marks)))
            marks = []
        elif token.nesting >= 0:
            marks = []
    return found


def links(page: str) -> list[Link]:
    """The links and pictures of a page, without those in blocks of code."""
    found = []
    for token in _tokens(page):
        for child in token.children or ():
            target = child.attrs.get("href") or child.attrs.get("src")
            if target:
                found.append(Link(page, str(target)))
    return found


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as a code host and the site make them."""
    seen: dict[str, int] = {}
    found = set()
    tokens = list(_tokens(page))
    for token, after in pairwise(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in after.children or ())
            name = _NOT_IN_ANCHORS.sub("", text.lower()).strip().replace(" ", "-")
            count = seen.get(name, 0)
            seen[name] = count + 1
            found.add(f"{name}-{count}" if count else name)
    return found


def linked_files() -> set[str]:
    """The files of the repository, other than pages, that a page links to."""
    found = set()
    for page in pages():
        for link in links(page):
            path = resolve(link)
            if path and not path.endswith(".md") and (ROOT / path).is_file():
                found.add(path)
    return found


def resolve(link: Link) -> str | None:
    """The path from the root that a link means; None where it leads out of the repository."""
    target = link.target.partition("#")[0]
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return None
    if not target:
        return link.page
    path = (ROOT / link.page).parent / target
    resolved = Path(re.sub(r"/+$", "", str(path))).resolve()
    return resolved.relative_to(ROOT).as_posix() if resolved.is_relative_to(ROOT) else "../"


def _tokens(page: str) -> Iterator[Token]:
    yield from MarkdownIt("commonmark").enable("table").parse(read(page))


def _language_of(text: str) -> str:
    first = text.split(maxsplit=1)
    return "bash" if first and first[0] in _COMMANDS else "text"
