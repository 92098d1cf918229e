"""Giving a notebook the output framework that it does not use itself: pure text.

A notebook that already uses ``NotebookOutput`` keeps its cells. One in Python gets a cell that
makes ``output`` and a last one that writes it, if anything was added; SQL, Scala and R stay as they
are, because the output of their cells is fetched anyway.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from brickloop.errors import NotebookError
from brickloop.model.notebook import (
    SUFFIX_LANGUAGES,
    CellKind,
    Language,
    Notebook,
    header_line,
    parse_ipynb,
    parse_source,
)

_SEPARATOR = re.compile(r"^# COMMAND -{2,}\s*$")
_RESTARTS = re.compile(
    r"^\s*(?:# MAGIC\s+)?%(?:pip|uv|conda|restart_python)\b|dbutils\.library\.restartPython", re.M
)
_OLD_IMPORT = re.compile(
    r"^([ \t]*)from[ \t]+core\.notebook_output[ \t]+import[ \t]+(.+?)[ \t]*$", re.M
)
_SCRIPT_BEGIN, _SCRIPT_END = "# /// script", "# ///"
_NAME = "NotebookOutput"


@dataclass(frozen=True)
class Prepared:
    """A notebook's content as it is sent."""

    text: str
    language: Language
    suffix: str
    """Of a file that would hold it: ``.py``, ``.sql``, ``.scala``, ``.r`` or ``.ipynb``."""
    injected: bool = False
    """Whether the framework was put in."""
    mended: bool = False
    """Whether an import of ``core.notebook_output`` was turned into one of ``brickloop``."""


def prepare(content: str | bytes, path: str, language: str | None = None) -> Prepared:
    """The content as a notebook with its header on line 1.

    The language is that of the header, else ``language``, else what the path's suffix says, else
    Python. Raises NotebookError for content that is no text or a language that there is not.
    """
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        text.encode("utf-8")
    except UnicodeError as error:
        raise NotebookError(f"is no text in UTF-8: {error}", where=path) from None
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] == "{" and '"cells"' in text:
        return Prepared(text, parse_ipynb(text, where=path).language, ".ipynb")
    begun = text.lstrip()
    first = begun.split("\n", 1)[0].rstrip()
    wanted = _language(language, path) if language else None
    for suffix, found in SUFFIX_LANGUAGES.items():
        if first == header_line(found) and (wanted is None or header_line(wanted) == first):
            return Prepared(first + begun[len(first) :].lstrip(" \t"), wanted or found, suffix)
        if first == header_line(found) and wanted is not None:
            raise NotebookError(
                f"line 1 says that it is in {found.value.lower()}, and language is '{language}'",
                where=path,
                hint="leave language out, or correct the header",
            )
    chosen = wanted or _of_suffix(path)
    suffix = next(end for end, known in SUFFIX_LANGUAGES.items() if known is chosen)
    return Prepared(f"{header_line(chosen)}\n{text.lstrip(chr(10))}", chosen, suffix)


def mend_imports(notebook: Prepared) -> Prepared:
    """The notebook with imports that no cluster can resolve turned into those that one can."""
    if notebook.suffix == ".ipynb" or notebook.language is not Language.PYTHON:
        return notebook
    text = _OLD_IMPORT.sub(r"\1from brickloop import \2", notebook.text)
    return _changed(notebook, text, mended=True) if text != notebook.text else notebook


def inject(notebook: Prepared, output_path: str) -> Prepared:
    """The notebook with the framework put in, unless it uses it or is not in Python."""
    if notebook.language is not Language.PYTHON:
        return notebook
    if notebook.suffix == ".ipynb":
        parsed = parse_ipynb(notebook.text)
        if uses_framework(parsed):
            return notebook
        return _changed(notebook, _inject_ipynb(notebook.text, output_path), injected=True)
    if uses_framework(parse_source(notebook.text, Language.PYTHON)):
        return notebook
    return _changed(notebook, _inject_source(notebook.text, output_path), injected=True)


def uses_framework(notebook: Notebook) -> bool:
    """Whether a Python cell names ``NotebookOutput``; comments and texts do not count."""
    # a %pip line may stand above Python
    kinds = {CellKind.PYTHON, CellKind.PIP}
    return any(cell.kind in kinds and _names_it(cell.command) for cell in notebook.cells)


def _names_it(source: str) -> bool:
    if _NAME not in source:
        return False
    try:
        tree = ast.parse(source)
    except SyntaxError:
        # line magics are not Python; a line that is no comment and names it will do
        return any(_NAME in line.split("#", 1)[0] for line in source.split("\n"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == _NAME:
            return True
        if isinstance(node, ast.Attribute) and node.attr == _NAME:
            return True
        if isinstance(node, ast.ImportFrom) and any(name.name == _NAME for name in node.names):
            return True
    return False


def _first_cell(output_path: str) -> list[str]:
    return [
        "# DBTITLE 1,brickloop: an output for this notebook",
        f"from brickloop import {_NAME}",
        "",
        f"output = {_NAME}(output_path={output_path!r})",
    ]


def _last_cell() -> list[str]:
    return [
        "# DBTITLE 1,brickloop: write the output",
        f'if isinstance(globals().get("output"), {_NAME}) and output.sections:',
        "    output.write_to_dbfs()",
    ]


def _inject_source(text: str, output_path: str) -> str:
    end = "\r\n" if "\r\n" in text else "\n"
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    divider = ["", "# COMMAND ----------", ""]
    blocks: list[list[str]] = [[]]
    for line in lines[1:]:
        if _SEPARATOR.match(line):
            blocks.append([])
        else:
            blocks[-1].append(line)
    # a restart of Python forgets every name, so ours is made after the last one
    restarts = [place for place, block in enumerate(blocks) if _RESTARTS.search("\n".join(block))]
    made = _first_cell(output_path)
    if restarts:
        blocks.insert(restarts[-1] + 1, made)
    else:
        script, rest = _split_script(blocks[0])
        # a title stands first in its cell, or nowhere
        first = [*script, *made[1:]] if script else made
        blocks[0:1] = [first, rest] if _says_something(rest) else [first]
    blocks.append(_last_cell())
    body = [line for block in blocks for line in (*divider, *_trimmed(block))][len(divider) :]
    return end.join([lines[0], *body, ""])


def _split_script(block: list[str]) -> tuple[list[str], list[str]]:
    """The environment that stands right below the header (PEP 723), and what follows it."""
    if next((line for line in block if line.strip()), "") != _SCRIPT_BEGIN:
        return [], block
    begin = block.index(_SCRIPT_BEGIN)
    for place in range(begin + 1, len(block)):
        if block[place].strip() == _SCRIPT_END:
            return [*block[: place + 1], ""], block[place + 1 :]
    return [], block


def _inject_ipynb(text: str, output_path: str) -> str:
    document: dict[str, Any] = json.loads(text)
    cells: list[dict[str, Any]] = document["cells"]
    restarts = [
        place for place, cell in enumerate(cells) if _RESTARTS.search("".join(cell["source"]))
    ]
    cells.insert(restarts[-1] + 1 if restarts else 0, _code_cell(_first_cell(output_path)))
    cells.append(_code_cell(_last_cell()))
    return json.dumps(document, indent=1, ensure_ascii=False)


def _code_cell(lines: list[str]) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": "\n".join(lines),
    }


def _changed(
    notebook: Prepared, text: str, *, injected: bool = False, mended: bool = False
) -> Prepared:
    return Prepared(
        text,
        notebook.language,
        notebook.suffix,
        injected or notebook.injected,
        mended or notebook.mended,
    )


def _trimmed(block: list[str]) -> list[str]:
    begin, end = 0, len(block)
    while begin < end and not block[begin].strip():
        begin += 1
    while end > begin and not block[end - 1].strip():
        end -= 1
    return block[begin:end]


def _says_something(block: list[str]) -> bool:
    return any(line.strip() for line in block)


def _of_suffix(path: str) -> Language:
    return SUFFIX_LANGUAGES.get(PurePosixPath(path).suffix.lower(), Language.PYTHON)


def _language(name: str, path: str) -> Language:
    if name.upper() not in Language.__members__:
        raise NotebookError(
            f"'{name}' is no language of notebooks",
            where=path,
            hint=f"the languages are {', '.join(one.lower() for one in Language.__members__)}",
        )
    return Language(name.upper())
