"""Which language a piece of source is in."""

from __future__ import annotations

import re

_MAGIC = re.compile(r"^\s*%(\w+)")
_BY_MAGIC = {
    "sql": "sql", "md": "markdown", "sh": "bash", "fs": "bash", "scala": "scala", "r": "r",
    "python": "python", "run": "text", "pip": "text",
}  # fmt: skip
_OTHER_NAMES = {"md": "markdown", "sh": "bash", "shell": "bash", "py": "python", "js": "javascript"}
_KNOWN = {
    *_BY_MAGIC.values(), "json", "html", "xml", "yaml", "toml", "java", "javascript",
}  # fmt: skip
_SQL_WORDS = re.compile(
    r"^\s*(?:--[^\n]*\n\s*)*(?:select|with|create|insert|merge|update|delete|drop|alter|use|show"
    r"|describe|explain|set|optimize|vacuum|grant|analyze)\s",
    re.I,
)
_PYTHON_WITH = re.compile(r"^\s*with\b[^\n]*:\s*(?:#.*)?$", re.M)


def language_of(source: str) -> str:
    """The language of a cell by its magic word or its first word; Python where neither says."""
    found = _MAGIC.match(source)
    if found:
        return _BY_MAGIC.get(found[1].lower(), "python")
    if _SQL_WORDS.match(source) and not _PYTHON_WITH.match(source):
        return "sql"
    return "python"


def known_language(name: str | None) -> str:
    """A language by the name that somebody gave it, ``text`` for one that is not known."""
    wanted = (name or "").strip().lower()
    wanted = _OTHER_NAMES.get(wanted, wanted)
    return wanted if wanted in _KNOWN else "text"
