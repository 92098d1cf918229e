"""``%pip`` in a notebook: what is installed is accepted, the rest is put beside the run."""

from __future__ import annotations

import importlib
import shlex
import subprocess
import sys
from pathlib import Path

from brickloop.errors import UsageError
from brickloop.localws.layout import StoreLayout
from brickloop.localws.virtual_paths import VirtualPaths
from brickloop.localws.wheels import check_requirement, put_first, unpack_wheel

_WITH_VALUE = {
    "-c", "--constraint", "-i", "--index-url", "--extra-index-url", "-f", "--find-links",
    "--trusted-host", "--proxy", "--timeout", "--retries", "--python-version", "--platform",
    "--progress-bar", "--cache-dir", "--log", "--upgrade-strategy", "-t", "--target",
}  # fmt: skip
_SHOWING = {
    "list",
    "show",
    "freeze",
    "check",
    "debug",
    "config",
    "index",
    "help",
    "--version",
    "-V",
}


class PackageError(Exception):
    """A requirement of the notebook cannot be met."""


class Packages:
    """Installs for one run; nothing it does outlives the run."""

    def __init__(self, layout: StoreLayout, paths: VirtualPaths, folder: Path) -> None:
        self._layout = layout
        self._paths = paths
        self._folder = folder

    def run(self, line: str) -> None:
        """Do what a ``pip ...`` or ``uv pip ...`` line says; raises PackageError when it cannot."""
        words = shlex.split(line.replace("\\\n", " ").split("\n", 1)[0], comments=True)
        if words[:2] == ["uv", "pip"]:
            words = words[1:]
        if not words or words[0] != "pip":
            raise PackageError(f"UNSUPPORTED: %{line.strip()}: only pip installs into a local run")
        if len(words) > 1 and words[1] in _SHOWING:
            self._call_pip(words[1:])
        elif len(words) > 1 and words[1] == "install":
            self._install(words[2:])
        else:
            raise PackageError(
                f"UNSUPPORTED: %{line.strip()}: a run does not change what is installed"
            )

    def _install(self, arguments: list[str]) -> None:
        wanted, options = self._split(arguments)
        if not wanted:
            raise PackageError("%pip install names no requirement")
        missing: list[tuple[str, str]] = []
        for requirement in wanted:
            try:
                self._accept(requirement)
            except UsageError as error:
                missing.append((requirement, str(error)))
        if missing:
            self._fetch(missing, options)
        importlib.invalidate_caches()

    def _accept(self, requirement: str) -> None:
        """Take a wheel of the store, or a requirement that is met already."""
        real = Path(self._paths.lead(requirement.removeprefix("dbfs:")))
        if requirement.startswith("dbfs:"):
            real = self._layout.real(requirement)
        if requirement.endswith(".whl") and "://" not in requirement:
            folder = unpack_wheel(real, self._wheel_cache(), shown=requirement)
            put_first([str(folder)])
            print(f"Attached {requirement}")  # noqa: T201
            return
        version = check_requirement(requirement)
        print(  # noqa: T201
            f"Requirement already satisfied: {requirement}" + (f" ({version})" if version else "")
        )

    def _fetch(self, missing: list[tuple[str, str]], options: list[str]) -> None:
        names = [requirement for requirement, _ in missing]
        command = ["install", "--target", str(self._folder), "--retries", "1", "--timeout", "10"]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *command, *options, *names],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        print(done.stdout, end="")  # noqa: T201
        if done.returncode != 0:
            reasons = "; ".join(reason for _, reason in missing)
            last = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            raise PackageError(f"{reasons}; pip could not install it for this run: {last}")
        put_first([str(self._folder)])

    def _split(self, arguments: list[str]) -> tuple[list[str], list[str]]:
        """The requirements, those of ``-r`` files among them, and pip's options."""
        wanted: list[str] = []
        options: list[str] = []
        rest = iter(arguments)
        for word in rest:
            if word in {"-r", "--requirement"}:
                wanted += self._read_requirements(next(rest, ""))
            elif word.startswith("--requirement="):
                wanted += self._read_requirements(word.partition("=")[2])
            elif word in {"-e", "--editable"}:
                raise PackageError("UNSUPPORTED: an editable install; put the folder on sys.path")
            elif word in _WITH_VALUE:
                options += [word, next(rest, "")]
            elif word.startswith("-"):
                options.append(word)
            else:
                wanted.append(word)
        return wanted, options

    def _read_requirements(self, name: str) -> list[str]:
        try:
            with open(name, encoding="utf-8") as lines:  # noqa: PTH123 - leads into the store
                stripped = [line.split(" #")[0].strip() for line in lines]
        except OSError as error:
            raise PackageError(f"the requirements file {name} cannot be read: {error}") from None
        wanted: list[str] = []
        for line in stripped:
            if line.startswith(("-r ", "--requirement ")):
                wanted += self._read_requirements(line.split(None, 1)[1])
            elif line and not line.startswith(("#", "-")):
                wanted.append(line)
        return wanted

    def _wheel_cache(self) -> Path:
        cache = self._layout.root / "cache" / "wheels"
        cache.mkdir(parents=True, exist_ok=True)
        return cache

    def _call_pip(self, words: list[str]) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "pip", *words], check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode != 0:
            raise PackageError(f"pip {' '.join(words)} ended with code {done.returncode}")
