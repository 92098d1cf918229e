"""Line and cell magics, shell commands and ``%fs``."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from brickloop.localws.dbutils import RestartPython
from brickloop.localws.dbutils_files import FileSystem
from brickloop.localws.packages import Packages
from brickloop.localws.virtual_paths import VirtualPaths

_SILENT = {
    "matplotlib", "load_ext", "reload_ext", "unload_ext", "autoreload", "config", "precision",
    "xmode", "pdb", "colors", "pylab", "set_cell_max_output_size_in_mb", "alias_magic", "logstart",
    "logstop", "reset_selective", "aimport",
}  # fmt: skip
_FS_COMMANDS = {"ls", "head", "cp", "mv", "rm", "mkdirs", "put", "mounts", "refreshMounts"}
_BRACES = re.compile(r"\{([^{}]+)\}|\$\$|\$([A-Za-z_]\w*)")


class UsageError(Exception):
    """A magic that is not there, or is not used as it should be; IPython's name for it."""


class Magics:
    """The magics of one notebook."""

    def __init__(
        self,
        namespace: dict[str, Any],
        files: FileSystem,
        packages: Packages,
        paths: VirtualPaths,
    ) -> None:
        self._namespace = namespace
        self._files = files
        self._packages = packages
        self._paths = paths

    def run_line_magic(self, word: str, body: str) -> Any:
        """``%word body``; raises UsageError for a word that is not known."""
        if word in _SILENT:
            return None
        if word == "restart_python":
            raise RestartPython
        if word in {"pip", "uv", "conda"}:
            return self._packages.run(f"{word} {body}")
        if word == "time":
            return self._time(body)
        if word == "timeit":
            return self._time_often(body)
        if word == "sh":
            return self.run_shell_line(body, False)
        if word == "fs":
            return self.run_fs(body)
        if word == "cd":
            return os.chdir(os.path.expanduser(body.strip("\"'") or "~"))  # noqa: PTH111
        if word == "pwd":
            return os.getcwd()  # noqa: PTH109 - the workspace path, as text
        if word in {"env", "set_env"}:
            return self._environment(body)
        if word in {"who", "whos", "who_ls"}:
            return sorted(name for name in self._namespace if not name.startswith("_"))
        if word in {"run", "sql", "md", "scala", "r"}:
            raise UsageError(f"%{word} must be the first word of its cell")
        raise UsageError(f"Line magic function `%{word}` not found.")

    def run_cell_magic(self, source: str, execute: Callable[[str, str], Any], filename: str) -> Any:
        """``%%word ...`` and the lines below it."""
        head, _, body = source.lstrip().partition("\n")
        word, _, rest = head[2:].partition(" ")
        if word in {"time", "timeit"}:
            begun = time.perf_counter()
            value = execute(f"{rest}\n{body}", filename)
            print(f"Wall time: {_duration(time.perf_counter() - begun)}")  # noqa: T201
            return value
        if word == "capture":
            import contextlib
            import io

            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                execute(f"\n{body}", filename)
            return None
        if word in {"bash", "sh", "script"}:
            self.run_shell_cell(f"-e {body}" if word == "bash" else body)
            return None
        if word == "writefile":
            append = rest.startswith("-a ")
            name = rest.removeprefix("-a ").strip().strip("\"'")
            with open(name, "a" if append else "w", encoding="utf-8") as written:  # noqa: PTH123
                written.write(body)
            print(f"{'Appending to' if append else 'Writing'} {name}")  # noqa: T201
            return None
        raise UsageError(f"Cell magic `%%{word}` not found.")

    def run_shell_line(self, command: str, wanted: bool) -> list[str] | None:
        """``!command``: its output is shown, or with ``name = !command`` its lines returned."""
        process = self._bash(self._with_names(command), capture=wanted)
        self._namespace["_exit_code"] = process.returncode
        return str(process.stdout).splitlines() if wanted else None

    def run_shell_cell(self, source: str) -> None:
        """``%sh``; with ``-e`` a command that fails raises CalledProcessError."""
        strict = re.match(r"\s*-e(?:\s|$)", source)
        script = source[strict.end() :] if strict else source
        process = self._bash(f"set -e\n{script}" if strict else script, capture=False)
        if strict and process.returncode != 0:
            raise subprocess.CalledProcessError(process.returncode, "%sh -e")

    def run_fs(self, line: str) -> Any:
        """``%fs``: a call of ``dbutils.fs`` written as a command."""
        words = shlex.split(line)
        command = words[0] if words else ""
        if command not in _FS_COMMANDS:
            known = ", ".join(sorted(_FS_COMMANDS))
            raise UsageError(f"%fs knows no command '{command}'; it knows {known}")
        arguments: list[Any] = []
        options: dict[str, Any] = {}
        for word in words[1:]:
            if word in {"-r", "--recurse", "-R"}:
                options["recurse"] = True
            elif word.startswith("--maxBytes="):
                options["maxBytes"] = int(word.partition("=")[2])
            elif word.lower() in {"true", "false"} and arguments:
                arguments.append(word.lower() == "true")
            else:
                arguments.append(word)
        try:
            return getattr(self._files, command)(*arguments, **options)
        except TypeError as error:
            raise UsageError(f"%fs {line}: {error}") from None

    def _bash(self, script: str, *, capture: bool) -> subprocess.CompletedProcess[str]:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        shell = shutil.which("bash") or "/bin/sh"
        return subprocess.run(
            [shell, "-c", self._paths.translate_text(script)],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else None,
            text=True,
            errors="replace",
        )

    def _with_names(self, command: str) -> str:
        """``{expression}`` and ``$name`` stand for Python values, where there are such."""

        def replace(found: re.Match[str]) -> str:
            if found.group() == "$$":
                return "$"
            if found.group(2) is not None:
                known = found.group(2) in self._namespace
                return str(self._namespace[found.group(2)]) if known else found.group()
            try:
                return str(eval(found.group(1), self._namespace))
            except Exception:  # noqa: BLE001 - braces of the shell's own
                return found.group()

        return _BRACES.sub(replace, command)

    def _time(self, statement: str) -> Any:
        begun, processor = time.perf_counter(), time.process_time()
        value = self._evaluate(statement)
        wall, used = time.perf_counter() - begun, time.process_time() - processor
        print(f"CPU times: total: {_duration(used)}\nWall time: {_duration(wall)}")  # noqa: T201
        return value

    def _time_often(self, statement: str) -> None:
        import timeit

        words = statement.split()
        while words and words[0].startswith("-"):
            words = words[1 if len(words[0]) > 2 else 2 :]
        code = compile(" ".join(words), "<timeit>", "exec")
        count, seconds = timeit.Timer(lambda: exec(code, self._namespace)).autorange()
        print(f"{_duration(seconds / count)} per loop (mean of {count:,} loops)")  # noqa: T201

    def _evaluate(self, statement: str) -> Any:
        try:
            code = compile(statement, "<time>", "eval")
        except SyntaxError:
            exec(compile(statement, "<time>", "exec"), self._namespace)
            return None
        return eval(code, self._namespace)

    def _environment(self, body: str) -> Any:
        if not body.strip():
            return dict(os.environ)
        name, separator, value = re.split(r"(\s*=\s*|\s+)", body.strip(), maxsplit=1) + [""] * (
            0 if re.search(r"[=\s]", body.strip()) else 2
        )
        if not separator:
            return os.environ.get(name)
        os.environ[name] = self._with_names(value)
        print(f"env: {name}={os.environ[name]}")  # noqa: T201
        return None


def _duration(seconds: float) -> str:
    for limit, factor, unit in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1.0, 1e3, "ms")):
        if seconds < limit:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"
