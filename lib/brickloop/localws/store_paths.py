"""Paths as Spark code writes them, led into the store; a path to read that is missing is an error.

A path without a scheme is DBFS, as on a cluster; ``file:/`` is this machine, apart from
``file:/Workspace`` and ``file:/dbfs``; object stores (``s3://``, ``abfss://``) are left alone.
"""

from __future__ import annotations

import glob
import re
from pathlib import Path

from brickloop.errors import PathError
from brickloop.localws.layout import StoreLayout
from brickloop.localws.spark_errors import analysis_error, path_not_found
from brickloop.localws.sql_tokens import Token, read_tokens, string_literal

FILE_FORMATS = frozenset({"avro", "binaryfile", "csv", "delta", "json", "orc", "parquet", "text"})
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):(?!/?$)")
_LOCAL = ("file:/Workspace", "file:/Volumes", "file:/dbfs")
_BRACES = re.compile(r"\{([^{}]*)\}")


class StorePaths:
    """Translates the paths of one local workspace."""

    def __init__(self, layout: StoreLayout, shown_root: Path | None = None) -> None:
        """``shown_root`` is the store's root as the user knows it, where that is another path."""
        self._layout = layout
        self._root = str(layout.root)
        self._shown_root = str(shown_root or layout.root)

    @property
    def volumes(self) -> Path:
        """The tree behind ``/Volumes``."""
        return self._layout.volumes

    def real(self, path: str) -> str:
        """The path for the engine; raises PATH_NOT_FOUND for one that would lead out."""
        for root in (self._root, self._shown_root):
            if path == root or path.startswith(root + "/"):
                return self._root + path.removeprefix(root)
        text = re.sub(r"^file:/+", "file:/", path)
        if text.startswith(_LOCAL):
            text = text.removeprefix("file:")
        elif text.startswith("file:"):
            return text.removeprefix("file:")
        elif (found := _SCHEME.match(text)) and found.group(1).lower() != "dbfs":
            return path
        if not text.startswith(("/", "dbfs:")):
            text = "/" + text
        if text == "/dbfs":
            return str(self._layout.dbfs)
        try:
            real = str(self._layout.real(text))
        except PathError as error:
            raise analysis_error("PATH_NOT_FOUND", f"{error}.") from None
        return real + "/" if path.endswith("/") and not real.endswith("/") else real

    def existing(self, path: str) -> str:
        """The path for the engine to read from; raises PATH_NOT_FOUND where nothing is there."""
        real = self.real(path)
        if _SCHEME.match(real):
            return real
        patterns = _expand(real)
        if len(patterns) == 1 and not glob.has_magic(real):
            if not Path(real).exists():
                raise path_not_found(path)
            return real
        if not any(glob.glob(pattern) for pattern in patterns):  # noqa: PTH207 - absolute patterns
            raise path_not_found(path)
        return real

    def shown(self, real: str) -> str:
        """A real path as a user of the workspace writes it."""
        found = self._layout.virtual(Path(real))
        if found is None and real.startswith(self._root + "/"):
            return self._shown_root + real.removeprefix(self._root)
        return found or real

    def lead_statement(self, text: str) -> tuple[str, list[str], list[str]]:
        """The statement with its paths made real; the paths it reads, and those it may write.

        Paths stand as ``csv.`path```, after ``LOCATION`` and as the option ``path``.
        """
        lowered = text.lower()
        if "location" not in lowered and "path" not in lowered and "`" not in text:
            return text, [], []
        tokens = read_tokens(text)
        replaced: list[tuple[Token, str]] = []
        makes = bool(tokens) and tokens[0].upper in {"ALTER", "CREATE", "REPLACE"}
        options = False
        reads: list[str] = []
        writes: list[str] = []
        for index, token in enumerate(tokens):
            before = tokens[index - 1] if index else None
            if _is_path_table(tokens, index):
                reads.append(token.value)
                replaced.append((token, "`" + self.existing(token.value) + "`"))
            elif token.kind == "word":
                # the options end where the query begins, which may have a column called path
                options = (options or token.upper == "OPTIONS") and token.upper != "AS"
            elif makes and token.kind == "string" and before is not None:
                if before.text == "=" and index > 1:
                    before = tokens[index - 2]
                if before.upper == "LOCATION" or (options and before.value.lower() == "path"):
                    writes.append(token.value)
                    replaced.append((token, string_literal(self.real(token.value))))
        for token, new in reversed(replaced):
            text = text[: token.start] + new + text[token.end :]
        return text, reads, writes


def _is_path_table(tokens: tuple[Token, ...], index: int) -> bool:
    token = tokens[index]
    return (
        token.kind == "quoted"
        and index >= 2
        and tokens[index - 1].text == "."
        and tokens[index - 2].value.lower() in FILE_FORMATS
        and (index < 3 or tokens[index - 3].text != ".")
        and ("/" in token.text or ":" in token.text)
    )


def _expand(pattern: str) -> list[str]:
    """The patterns that one with ``{a,b}`` stands for."""
    found = _BRACES.search(pattern)
    if found is None:
        return [pattern]
    head, tail = pattern[: found.start()], pattern[found.end() :]
    return [each for choice in found.group(1).split(",") for each in _expand(head + choice + tail)]
