"""Names of local files: what Windows does not take, and how a path is shown.

Source: Microsoft, "Naming Files, Paths, and Namespaces".
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{kind}{number}" for kind in ("com", "lpt") for number in "123456789¹²³"}
)
_ILLEGAL = re.compile(r'[<>:"|?*\\\x00-\x1f]')


def windows_problem(path: str) -> str:
    """Why a relative path with slashes can be none on Windows; empty where it can.

    A workspace takes such names, and so does Linux.
    """
    for part in path.split("/"):
        found = _ILLEGAL.search(part)
        if found:
            return f"'{part}' has {_shown(found[0])} in it, which Windows does not take in a name"
        if part.endswith((" ", ".")) and part not in {"", ".", ".."}:
            return f"'{part}' ends with a blank or a dot, which Windows takes off"
        if is_device(part):
            return f"'{part}' is the name of a device on Windows"
    return ""


def is_device(name: str) -> bool:
    """Whether Windows takes a name for a device, whatever its ending: ``con``, ``NUL.txt``."""
    return name.partition(".")[0].rstrip(" ").lower() in _DEVICES


def shown_path(path: Path | str, base: Path | str) -> str:
    """A path as seen from a folder, with slashes; whole where that is on another drive."""
    try:
        return os.path.relpath(path, base).replace(os.sep, "/")
    except ValueError:
        return str(path)


def _shown(char: str) -> str:
    return f"'{char}'" if char.isprintable() else f"the character {ord(char)}"
