"""What may come next on a command line, for the shells' completion; quick, and never an error.

A shell runs ``brickloop`` with ``_BRICKLOOP_COMPLETE`` set to its name and gets a line for each
candidate: the word, and for shells that show it a tab and what the word is. ``:files`` asks for
the shell's own completion of paths, ``:nospace`` says that a word is not at its end.
"""

from __future__ import annotations

import ast
import os
import posixpath
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brickloop.config.settings import Settings, find_root, load_settings
from brickloop.tasks.completion import SHELLS
from brickloop.tasks.description import commands_of, project_commands

VARIABLE = "_BRICKLOOP_COMPLETE"
DOIT_COMMANDS = {
    "clean": "remove what tasks made",
    "dumpdb": "show a database of doit's own",
    "forget": "let tasks count as not done",
    "help": "show help",
    "ignore": "leave tasks out from now on",
    "info": "show what a task depends on",
    "list": "list the tasks",
    "reset-dep": "let tasks count as done",
    "run": "run tasks",
    "strace": "list what a task reads and writes",
    "tabcompletion": "doit's own completion",
}
_CHOICES = {
    ("query", "format"): "table csv json jsonl markdown vertical parquet arrow",
    ("query", "chart"): "bar line",
    ("graph", "format"): "tree mermaid dot html json",
    ("sync.init", "direction"): "push pull bidirectional",
    ("sync.resolve", "keep"): "local remote both",
    ("sync.bidirectional", "prefer"): "local remote",
    ("completion", "shell"): " ".join(SHELLS),
    ("output", "run_id"): "latest",
    ("", "compute"): "serverless cluster:",
}
_FILES = frozenset({"file", "output", "path", "local", "library", "search-root", "config"})
_KINDS = ("run", "fetch", "upload")
_SUFFIXES = frozenset({".py", ".sql", ".scala", ".r", ".ipynb"})
_HEADER = b"Databricks notebook source"
_READ_BYTES = 100_000
_RUN = re.compile(rb"%run[ \t]+\"?([^\s\"\\$]+)")
_MOST_FILES = 20_000
_LEFT_OUT = frozenset({"__pycache__", "node_modules", "outputs", ".venv"})
_OPEN_ENDS = ("=", "/", ":")


@dataclass(frozen=True)
class Candidate:
    """A word that may come next."""

    word: str
    about: str = ""


FILES = Candidate(":files")
"""Paths, which the shell knows how to complete."""


def answer(arguments: Sequence[str], shell: str) -> None:
    """Print the candidates for a shell; nothing where something goes wrong."""
    try:
        lines = list(_lines(arguments, shell))
    except Exception:  # noqa: BLE001  a shell's prompt is no place for an error
        return
    # what is completed is data for the shell, and goes past our display
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def candidates(program: str, words: Sequence[str], current: str) -> list[Candidate]:
    """What may stand in place of ``current``, after the program's ``words``."""
    root = find_root(Path.cwd())
    found = _for_doit(root, words, current) if program == "doit" else _for_us(root, words, current)
    return [one for one in found if one is FILES or one.word.startswith(current)]


def _lines(arguments: Sequence[str], shell: str) -> Iterable[str]:
    if shell == "bash":
        program, breaks, line = arguments
        words, current = split_line(line, program)
        # readline replaces only what stands behind the last character that breaks words
        kept = max((current.rfind(char) + 1 for char in breaks if char in ":="), default=0)
    else:
        program, *words, current = arguments
        kept, breaks = 0, ""
    found = candidates(program, words, current)
    if found and all(one is not FILES and one.word.endswith(_OPEN_ENDS) for one in found):
        yield ":nospace"
    for one in dict.fromkeys(found):
        if one is FILES:
            yield one.word
        elif shell == "bash":
            yield re.sub(r"([^\w@%+=:,./~^-])", r"\\\1", one.word[kept:])
        else:
            yield f"{one.word}\t{' '.join(one.about.split())}"


def split_line(line: str, program: str) -> tuple[list[str], str]:
    """The words after the program, and the one that is being typed; a quote may be open."""
    for ending in ("", "'", '"'):
        try:
            words = shlex.split(line + ending)
        except ValueError:
            continue
        if not ending and (not line or line[-1].isspace()) and not line.endswith("\\ "):
            words.append("")
        break
    else:
        words = line.split()
    names = [place for place, word in enumerate(words) if word.rpartition("/")[2] == program]
    rest = words[names[0] + 1 :] if names else words[1:]
    return (rest[:-1], rest[-1]) if rest else ([], "")


def _for_us(root: Path, words: Sequence[str], current: str) -> list[Candidate]:
    from invoke import Program

    collection = project_commands(root, [])
    contexts = {one.name: one for one in collection.to_contexts(ignore_unknown_help=True)}
    core = Program().initial_context
    place = _place(words, contexts, core)
    context, name = place.context, place.name
    if place.waiting is not None:
        return _values(root, name, place.waiting.name, current)
    if current.startswith("-"):
        flag, equals, value = current.partition("=")
        if not equals:
            return _flags(context if context is not None else core, place.used)
        argument = _argument(flag, context, core)
        found = _values(root, name, argument.name, value) if argument is not None else []
        return [
            one if one is FILES else Candidate(f"{flag}={one.word}", one.about) for one in found
        ]
    if place.open_words:
        return _values(root, name, place.open_words[0].name, current)
    texts = {one: task.__doc__ or "" for one, task in commands_of(collection)}
    return [Candidate(one, text.strip().split("\n", 1)[0]) for one, text in texts.items()]


@dataclass
class _Place:
    """Where on a command line the next word stands."""

    context: Any = None
    """The command that it belongs to, None before the first one."""
    waiting: Any = None
    """The argument whose flag stands before it and wants a value."""
    open_words: list[Any] = field(default_factory=list)
    """The arguments that take a word without a flag, and have none yet."""
    used: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The command's name; empty before the first one."""
        return str(self.context.name) if self.context is not None else ""


def _place(words: Sequence[str], contexts: dict[str, Any], core: Any) -> _Place:
    place = _Place()
    for word in words:
        if place.waiting is not None:
            place.waiting = None
        elif word.startswith("-") and len(word) > 1:
            flag, equals, _ = word.partition("=")
            argument = _argument(flag, place.context, core)
            if argument is not None:
                place.used.add(argument.name)
                takes = argument.takes_value and not argument.optional and not equals
                place.waiting = argument if takes else None
        elif place.open_words:
            if not _takes_more(place.open_words[0]):
                place.open_words.pop(0)
        elif word in contexts:
            place = _Place(contexts[word], None, list(contexts[word].positional_args))
    return place


def _argument(flag: str, context: Any, core: Any) -> Any:
    for one in (context, core):
        if one is not None and flag in one.flags:
            return one.flags[flag]
    return None


def _takes_more(argument: Any) -> bool:
    return isinstance(argument.value, list)


def _flags(context: Any, used: set[str]) -> list[Candidate]:
    found = []
    for argument in context.args.values():
        if argument.name not in used or argument.kind is list:
            found += [
                Candidate(f"--{name}", argument.help or "")
                for name in argument.names
                if len(name) > 1
            ]
    found += [Candidate(flag, "") for flag in context.inverse_flags]
    return [*found, Candidate("--help", "show help")] if context.name else found


def _values(root: Path, command: str, argument: str, current: str) -> list[Candidate]:
    for key in ((command, argument), ("", argument)):
        if key in _CHOICES:
            return [Candidate(word) for word in _CHOICES[key].split()]
    if argument in _FILES:
        return [FILES]
    known: dict[str, Callable[[Path, str, str], list[Candidate]]] = {
        "profile": _profiles,
        "target": _targets,
        "project": _pairs,
        "template": _templates,
        "notebook": _notebooks,
        "select": _selection,
        "exclude": _selection,
        "help": _commands,
        "list": _commands,
    }
    return known[argument](root, command, current) if argument in known else []


def _profiles(root: Path, command: str, current: str) -> list[Candidate]:
    from brickloop.config.profile import LOCAL_PROFILE, profiles

    local = Candidate(LOCAL_PROFILE, "the local workspace")
    return [local, *(Candidate(name, host) for name, host in profiles().items())]


def _targets(root: Path, command: str, current: str) -> list[Candidate]:
    settings: Settings = load_settings(root)
    return [
        Candidate(name, "takes only what is committed" if one.is_protected else "")
        for name, one in settings.targets.items()
    ]


def _pairs(root: Path, command: str, current: str) -> list[Candidate]:
    from brickloop.config.sync_file import read_sync_file

    pairs = read_sync_file(root).pairs
    names = [pair.name for pair in pairs]
    return [
        Candidate(pair.name if names.count(pair.name) == 1 else pair.local, pair.workspace)
        for pair in pairs
    ]


def _templates(root: Path, command: str, current: str) -> list[Candidate]:
    from brickloop.flows.scaffold import notebook_templates, project_templates

    return [Candidate(one.name, one.about) for one in (*project_templates(), *notebook_templates())]


def _commands(root: Path, command: str, current: str) -> list[Candidate]:
    return [Candidate(name) for name, _ in commands_of(project_commands(root, []))]


def _notebooks(root: Path, command: str, current: str) -> list[Candidate]:
    """Names for what asks the graph; for what takes a path also paths."""
    names = notebook_files(root)
    if command == "why":
        return [Candidate(name, _shown(path, root)) for name, path in names.items()]
    here = Path.cwd()
    found = [Candidate(_shown(path, here)) for path in names.values()]
    fitting = [one for one in found if one.word.startswith(current)]
    return fitting or [FILES]


def _selection(root: Path, command: str, current: str) -> list[Candidate]:
    before = current[:1] if current[:1] == "+" else ""
    names = [Candidate(before + name) for name in notebook_files(root)]
    return [*names, Candidate("state:modified", "what has changed"), Candidate("tag:", "by a word")]


def notebook_files(root: Path) -> dict[str, Path]:
    """The notebooks of the folders that the dodo.py names, each by its name; it is not run."""
    found: dict[str, Path] = {}
    for folder in _notebook_folders(root):
        included: set[str] = set()
        for path in _walk(folder):
            text = _notebook_text(path)
            if text is None:
                continue
            name = path.relative_to(folder).with_suffix("").as_posix()
            found[name] = path
            for target in _RUN.findall(text):
                place = posixpath.join(posixpath.dirname(name), target.decode("utf-8", "replace"))
                included.add(posixpath.normpath(place))
        # what others take in by %run is no notebook of its own
        for name in included:
            found.pop(name, None)
    return found


def _notebook_folders(root: Path) -> list[Path]:
    tree = _parsed(root / "dodo.py")
    found = []
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Call) and node.args:
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            first = node.args[0]
            if name == "notebook_tasks" and isinstance(first, ast.Constant):
                found.append(root / str(first.value))
    return [folder for folder in found if folder.is_dir()]


def _parsed(path: Path) -> ast.Module | None:
    try:
        return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None


def _walk(folder: Path) -> Iterable[Path]:
    count = 0
    for top, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if one not in _LEFT_OUT and not one.startswith(".")]
        folders.sort()
        for name in sorted(names):
            count += 1
            if count > _MOST_FILES:
                return
            if os.path.splitext(name)[1].lower() in _SUFFIXES:  # noqa: PTH122  many times
                yield Path(top, name)


def _notebook_text(path: Path) -> bytes | None:
    """The beginning of a notebook; None for a file that is none."""
    try:
        with path.open("rb") as file:
            text = file.read(_READ_BYTES)
    except OSError:
        return None
    is_notebook = path.suffix.lower() == ".ipynb" or _HEADER in text.split(b"\n", 1)[0]
    return text if is_notebook else None


def _shown(path: Path, base: Path) -> str:
    return os.path.relpath(path, base).replace(os.sep, "/")


def _for_doit(root: Path, words: Sequence[str], current: str) -> list[Candidate]:
    command = next((word for word in words if word in DOIT_COMMANDS), "run")
    if current.startswith("-"):
        return _doit_options(command)
    if command in {"tabcompletion", "dumpdb"}:
        return []
    if command == "help":
        return [Candidate(name, about) for name, about in DOIT_COMMANDS.items()]
    tasks = [
        Candidate(f"{kind}:{name}") for kind in _KINDS for name in notebook_files(root)
    ] + _own_tasks(root)
    if words:
        return tasks
    return [*(Candidate(name, about) for name, about in DOIT_COMMANDS.items()), *tasks]


def _own_tasks(root: Path) -> list[Candidate]:
    tree = _parsed(root / "dodo.py")
    return [
        Candidate(node.name.removeprefix("task_"), (ast.get_docstring(node) or "").split("\n")[0])
        for node in (tree.body if tree is not None else ())
        if isinstance(node, ast.FunctionDef) and node.name.startswith("task_")
    ]


def _doit_options(command: str) -> list[Candidate]:
    from doit.doit_cmd import DoitMain

    kind = DoitMain().get_cmds().get_plugin(command)
    options = [*getattr(kind, "base_options", ()), *kind.cmd_options]
    return [
        Candidate(f"--{one['long']}", str(one.get("help", "")).split("\n", 1)[0])
        for one in options
        if one.get("long")
    ]
