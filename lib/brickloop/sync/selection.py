"""Which paths take part in a sync: patterns and excludes in gitignore's language."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from brickloop.errors import SettingsError
from brickloop.sync.tree import is_staged

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

ALWAYS_OUT = frozenset(
    {".git", ".brickloop", ".databricks", ".venv", "node_modules", "__pycache__"}
)
_EDITORS = re.compile(r"~$|^\..+\.sw[a-p]$|___jb_(tmp|old)___$|^\.#|^#.+#$|^\.DS_Store$")
"""What vim, PyCharm, Emacs and file managers lay beside a file for a while."""
_SIDECAR = re.compile(r"\.remote-\d{8}T\d{6}Z-[0-9a-f]{8}$")


def sidecar_name(name: str, moment: str, sha256: str) -> str:
    """The name beside a held file for the workspace's version of it.

    The extension comes last, so that nothing imports or collects it.
    """
    return f"{name}.remote-{moment}-{sha256[:8]}"


def is_sidecar(name: str) -> bool:
    """Whether a name is one that ``sidecar_name`` makes."""
    return _SIDECAR.search(name) is not None


def is_always_out(name: str) -> bool:
    """Whether nothing of this name ever takes part: tools' own folders, versions on their way."""
    return (
        name in ALWAYS_OUT
        or is_staged(name)
        or is_sidecar(name)
        or _EDITORS.search(name) is not None
    )


class Selection:
    """The paths that take part; ``patterns`` empty means all.

    What takes part has to match ``narrow`` too, where that is given.
    """

    def __init__(
        self,
        root: Path | None = None,
        patterns: Iterable[str] = (),
        excludes: Iterable[str] = (),
        *,
        narrow: Iterable[str] = (),
        gitignore: bool = True,
    ) -> None:
        self._root = root
        given, narrower = tuple(patterns), tuple(narrow)
        self.is_narrow = bool(given or narrower)
        """Whether patterns choose; then folders count only for what is chosen in them."""
        self._patterns = _spec(given, "patterns") if given else None
        self._narrow = _spec(narrower, "pattern") if narrower else None
        self._excludes = _spec(tuple(excludes), "exclude_patterns")
        self._reads_gitignore = gitignore and root is not None
        self.forget_ignores()

    def forget_ignores(self) -> None:
        """Read the .gitignore files anew from here on."""
        self._ignore_files: dict[str, GitIgnoreSpec | None] = {}
        self._out = lru_cache(maxsize=1 << 16)(self._is_out)

    def leaves_out(self, path: str, is_folder: bool) -> bool:
        """Whether a path takes no part, for itself or for a folder it is in."""
        parts = path.split("/")
        for depth in range(1, len(parts)):
            if self._out("/".join(parts[:depth]), True):
                return True
        return self._out(path, is_folder)

    def chooses(self, path: str) -> bool:
        """Whether a file takes part."""
        if self.leaves_out(path, False):
            return False
        return all(spec is None or spec.match_file(path) for spec in (self._patterns, self._narrow))

    def files(self, folder: Path) -> Iterator[Path]:
        """The files of a folder that take part; what cannot be listed has none."""
        for here, folders, names in os.walk(folder):
            base = Path(here).relative_to(folder).as_posix()
            prefix = "" if base == "." else f"{base}/"
            folders[:] = [name for name in folders if not self._out(f"{prefix}{name}", True)]
            yield from (Path(here) / name for name in names if self.chooses(f"{prefix}{name}"))

    def why(self, path: str, *, is_folder: bool = False) -> str:
        """One phrase that says why a file or folder takes part or not."""
        parts = path.split("/") if path else []
        for depth in range(1, len(parts) + 1):
            step = "/".join(parts[:depth])
            if self._out(step, is_folder or depth < len(parts)):
                return f"left out: {self._reason(step, is_folder or depth < len(parts))}"
        if is_folder:
            return "takes part"
        if self._patterns is not None and not self._patterns.match_file(path):
            return "left out: no pattern chooses it"
        return "takes part"

    def _reason(self, path: str, is_folder: bool) -> str:
        name = path.rsplit("/", 1)[-1]
        if is_always_out(name):
            return f"'{name}' always is"
        if _verdict(self._excludes, path, is_folder):
            return f"exclude_patterns match '{path}'"
        return f"a .gitignore matches '{path}'"

    def _is_out(self, path: str, is_folder: bool) -> bool:
        name = path.rsplit("/", 1)[-1]
        if is_always_out(name):
            return True
        if _verdict(self._excludes, path, is_folder):
            return True
        return self._reads_gitignore and self._is_ignored(path, is_folder)

    def _is_ignored(self, path: str, is_folder: bool) -> bool:
        """By the .gitignore nearest to the path that says anything of it."""
        folder = PurePosixPath(path)
        while folder.parts:
            folder = folder.parent
            base = "" if folder == PurePosixPath(".") else folder.as_posix()
            spec = self._ignore_file(base)
            if spec is not None:
                verdict = _verdict(spec, path[len(base) + 1 :] if base else path, is_folder)
                if verdict is not None:
                    return verdict
            if not base:
                break
        return False

    def _ignore_file(self, folder: str) -> GitIgnoreSpec | None:
        if folder not in self._ignore_files:
            spec = None
            assert self._root is not None
            try:
                text = (self._root / folder / ".gitignore").read_text("utf-8", "replace")
            except OSError:
                text = ""
            if text:
                spec = _spec(tuple(text.splitlines()), f"{folder or '.'}/.gitignore", strict=False)
            self._ignore_files[folder] = spec
        return self._ignore_files[folder]


def _verdict(spec: GitIgnoreSpec, path: str, is_folder: bool) -> bool | None:
    return spec.check_file(path + "/" if is_folder else path).include


def _spec(lines: tuple[str, ...], where: str, *, strict: bool = True) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError as error:
        if strict:
            raise SettingsError(f"a pattern cannot be understood: {error}", where=where) from None
    # git itself passes over a line it cannot understand
    good = []
    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue
        good.append(line)
    return GitIgnoreSpec.from_lines(good)
