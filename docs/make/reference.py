"""Writes docs/reference/: commands from their help, Python from docstrings, settings, errors.

The pages are kept in the repository, where a code host shows them; a test compares them with what
this makes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import brickloop
from brickloop import errors, graph, testing
from brickloop.config.profile import resolve_target
from brickloop.config.settings import DEFAULTS, DESCRIPTIONS, SAID_EACH_TIME, variable_of
from brickloop.config.tables import PER_PROJECT
from brickloop.graph import commands as doit_commands
from brickloop.localws.api import ENDPOINTS
from brickloop.tasks import namespace
from docs.make.pages import ROOT

FOLDER = ROOT / "docs" / "reference"
MADE = "<!-- made by: python -m docs.make reference -->\n"
_GROUPS = {
    "": "Run, look, choose",
    "cache": "Query results that are kept",
    "dev": "The dev loop",
    "local": "The local workspace",
    "state": "What is known, on another machine",
    "sync": "Sync",
}
_VERSIONED = re.compile(r"/api/(\d\.\d)(/.*)")
_EXAMPLE = re.compile(r"(?s)\s*\bExamples?: (.*)$")
_DOIT = (
    ("run", "Run", "`doit` alone is `doit run`"),
    ("list", "List", "`--all` shows the tasks of each notebook, `--status` which are up to date"),
    ("info", "Info", "why a task is or is not up to date"),
    ("forget", "Forget", "have tasks run again the next time"),
    ("ignore", "Ignore", "leave tasks out until they are forgotten"),
    ("clean", "Clean", "remove the outputs of tasks"),
    ("reset-dep", "ResetDep", "take tasks for done as they stand, without running them"),
)


_COMMANDS_HEAD = """# Commands

{made}
`invoke --list` names the commands, `invoke --help run` explains one. Flags that are texts take a
value (`--limit 20` or `--limit=20`); those marked * may be given several times.

<!-- page not run: the examples are of many projects; how-to pages run what they show -->
"""
_DOIT_HEAD = """## doit

`notebook_tasks` makes three tasks for each notebook, named after its path below the folder:

| task | does |
|---|---|
| `upload:NAME` | sends the notebook, or a file that notebooks reach, where it changed |
| `run:NAME` | runs it as a job, after those whose tables it reads |
| `fetch:NAME` | fetches, shows and saves its output |

`upload`, `run` and `fetch` are all tasks of their kind. The commands are doit's own; `doit help
run` explains one:

| command | does |
|---|---|"""
_PYTHON_HEAD = """# Python

{made}
`from brickloop import ...`; each name is imported when it is first used. `NotebookOutput` needs
the standard library alone and resolves in notebooks on a cluster too.
"""
_DODO_HEAD = """## In a dodo.py

`from brickloop.graph import doit_config, notebook_tasks`
"""
_SETTINGS_HEAD = """# Settings

{made}
Authentication is no setting of brickloop: it stays in `.databrickscfg` and the environment. The
rest may stand in `pyproject.toml` below `[tool.brickloop]`, in a target's table below
`[tool.brickloop.targets.NAME]`, in the variable that is named, or be given as a flag where a
command has one. A flag wins over the variable, that over the target, that over
`[tool.brickloop]`. `invoke doctor` shows each with its value and where it came from. Editors
complete and check the table by [its schema](../../lib/brickloop/config/settings.schema.json)
([how](../targets.md)).

| setting | meaning | default | variable | in a target |
|---|---|---|---|---|"""
_LOCAL_API_HEAD = """# The local workspace's endpoints

{made}
What the [local workspace](../local-workspace.md) answers. Anything else of `/api/` is answered with
501 and the name of the endpoint, never with an empty success. A `*` stands for the rest of a path.
"""
_ERRORS_HEAD = """# Errors and exit codes

{made}
| exit code | meaning |
|---|---|
| 0 | done, or there was nothing to do |
| 1 | the work was done and did not succeed; something was held back |
| 2 | words, settings or files are wrong; nothing was changed |
| 3 | the workspace cannot be reached, or does not accept who we are |
| 4 | a time limit was reached |
| 10 | `invoke plan --check`: there is something to do |
| 130 | interrupted by Ctrl-C |

What to do about an error says its second line; [troubleshooting](../troubleshooting.md) says more.
From Python each is a class of `brickloop.errors`, with `message`, `where`, `hint`, `exit_code`:

| class | exit code | when |
|---|---|---|"""


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in made().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


def made() -> dict[str, str]:
    """The pages' texts by their file names."""
    return {
        "commands.md": commands_page(),
        "python.md": python_page(),
        "settings.md": settings_page(),
        "errors.md": errors_page(),
        "local-api.md": local_api_page(),
    }


def commands_page() -> str:
    """Every command of invoke with its words and flags, and the tasks and commands of doit."""
    lines = [_COMMANDS_HEAD.format(made=MADE)]
    tasks = namespace()
    groups: dict[str, list[str]] = {}
    for name in tasks.task_names:
        groups.setdefault(name.rpartition(".")[0], []).append(name)
    contexts = {context.name: context for context in tasks.to_contexts()}
    for group in sorted(groups):
        lines += [f"## {_GROUPS.get(group, group)}", ""]
        for name in sorted(groups[group]):
            lines += _command(name, tasks[name], contexts[name].args)
    return "\n".join([*lines, *_doit_lines()])


def _command(name: str, task: Any, arguments: Any) -> Iterator[str]:
    text = inspect.cleandoc(task.__doc__ or "")
    example = _EXAMPLE.search(text)
    words = " ".join(a.name.upper() for a in _once(arguments) if a.positional)
    yield from (f"### invoke {name}", "", _EXAMPLE.sub("", text).strip(), "")
    if example:
        yield from ("```bash", *example[1].strip().splitlines(), "```", "")
    flags = [argument for argument in _once(arguments) if not argument.positional]
    if words or flags:
        yield from ("| | |", "|---|---|")
        for argument in [*(a for a in _once(arguments) if a.positional), *flags]:
            yield f"| {_spelled(argument)} | {_cell(argument.help or '')}{_default(argument)} |"
        yield ""


def _once(arguments: Any) -> list[Any]:
    return list(dict.fromkeys(arguments.values()))


def _spelled(argument: Any) -> str:
    if argument.positional:
        return f"`{argument.name.upper()}`"
    names = [f"--{n}" if len(n) > 1 else f"-{n}" for n in argument.names]
    several = " *" if argument.kind is list else ""
    return ", ".join(f"`{name}`" for name in names) + several


def _default(argument: Any) -> str:
    given = argument.default
    shown = given not in (None, "", 0, False) and argument.kind is not list
    said = "default" in (argument.help or "")
    return f" (default: `{given}`)" if shown and not said and not argument.positional else ""


def _doit_lines() -> Iterator[str]:
    yield _DOIT_HEAD
    for name, made_by, meaning in _DOIT:
        assert hasattr(doit_commands, made_by)
        yield f"| `doit {name}` | {meaning} |"
    yield ""


def python_page() -> str:
    """The public names with their signatures and docstrings."""
    names = [name for name in brickloop.__all__ if not name.startswith("_")]
    lines = [_PYTHON_HEAD.format(made=MADE)]
    for name in names:
        lines += _object(name, getattr(brickloop, name))
    lines += [
        "## In a dodo.py",
        "",
        "`from brickloop.graph import doit_config, notebook_tasks`",
        "",
    ]
    for name in graph.__all__:
        lines += _member(f"{name}", getattr(graph, name), "###")
    lines += [
        "## In tests",
        "",
        "`from brickloop.testing import assert_table, rows, section` ([more](../testing.md))",
        "",
    ]
    for name in ("assert_table", "rows", "section"):
        lines += _member(name, getattr(testing, name), "###")
    lines += _object("LocalWorkspace", testing.LocalWorkspace)
    return "\n".join(lines)


def _object(name: str, found: Any) -> Iterator[str]:
    if not inspect.isclass(found):
        yield from _member(name, found, "##")
        return
    yield from (f"## {name}", "")
    yield from _signature(name, found)
    yield from (_markdown(inspect.getdoc(found) or ""), "")
    for member, value in vars(found).items():
        if not member.startswith("_"):
            yield from _member(f"{name}.{member}", value, "###")


def _member(name: str, value: Any, heading: str) -> Iterator[str]:
    plain = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    if isinstance(plain, property | cached_property):
        yield from (f"{heading} {name}", "", _markdown(inspect.getdoc(plain) or ""), "")
    elif inspect.isroutine(plain):
        yield from (f"{heading} {name}", "")
        yield from _signature(name, plain)
        yield from (_markdown(inspect.getdoc(plain) or ""), "")


class _Bare:
    """What is shown as it is written, without quotes."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _signature(name: str, found: Callable[..., Any]) -> Iterator[str]:
    signature = inspect.signature(found)
    parameters = [
        parameter.replace(
            annotation=_bare(parameter.annotation),
            default=_default_of(parameter),
        )
        for parameter in signature.parameters.values()
        if parameter.name not in ("self", "cls")
    ]
    nothing = inspect.Signature.empty
    returned = nothing if inspect.isclass(found) else signature.return_annotation
    text = str(signature.replace(parameters=parameters, return_annotation=_bare(returned)))
    if len(name) + len(text) > 96 and parameters:
        text = "(\n" + "".join(f"    {one},\n" for one in _shown(parameters)) + ")"
        text += f" -> {returned}" if returned is not nothing else ""
    yield from ("```text", f"{name}{text}", "```", "")


def _shown(parameters: list[inspect.Parameter]) -> Iterator[str]:
    keywords = False
    for parameter in parameters:
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not keywords:
            keywords = True
            yield "*"
        keywords = keywords or parameter.kind is inspect.Parameter.VAR_POSITIONAL
        yield str(parameter)


def _default_of(parameter: inspect.Parameter) -> Any:
    # a function's repr holds where it is in memory
    given = parameter.default
    return _Bare("...") if inspect.isroutine(given) else given


def _bare(annotation: Any) -> Any:
    return _Bare(annotation) if isinstance(annotation, str) else annotation


def settings_page() -> str:
    """Every setting with its meaning, default and places."""
    lines = [_SETTINGS_HEAD.format(made=MADE)]
    for name, default in DEFAULTS.items():
        shown = f"`{default}`" if default else ""
        per_target = "" if name in PER_PROJECT or "." in name or name in SAID_EACH_TIME else "yes"
        meaning = _cell(DESCRIPTIONS[name])
        if name in SAID_EACH_TIME:
            meaning += "; never in a file"
        lines.append(f"| `{name}` | {meaning} | {shown} | `{variable_of(name)}` | {per_target} |")
    order = inspect.cleandoc(inspect.getmodule(resolve_target).__doc__ or "")
    lines += ["", "## Which workspace is meant", "", _markdown(order.partition("\n\n")[2]), ""]
    return "\n".join(lines)


def errors_page() -> str:
    """The exit codes, and the classes behind them."""
    lines = [_ERRORS_HEAD.format(made=MADE)]
    lines += _tree(errors.BrickloopError, 0)
    return "\n".join([*lines, ""])


def local_api_page() -> str:
    """The endpoints of the local workspace with what their handlers say of themselves."""
    parts: dict[str, dict[tuple[str, str], list[str]]] = {}
    says: dict[tuple[str, str], str] = {}
    for endpoint in ENDPOINTS:
        found = _VERSIONED.fullmatch(endpoint.path)
        version, path = (found[1], found[2]) if found else ("", endpoint.path)
        area = path.strip("/").partition("/")[0] if found else "pages and sessions"
        key = (endpoint.method, path)
        parts.setdefault(area, {}).setdefault(key, []).append(version)
        handler = endpoint.handler or endpoint.stream
        says[key] = inspect.cleandoc(inspect.getdoc(handler) or "").partition("\n")[0]
    lines = [_LOCAL_API_HEAD.format(made=MADE)]
    for area in sorted(parts):
        lines += [f"## {area}", "", "| | API | |", "|---|---|---|"]
        for (method, path), versions in parts[area].items():
            spelled = ", ".join(dict.fromkeys(versions))
            lines.append(f"| `{method} {path}` | {spelled} | {_cell(says[method, path])} |")
        lines.append("")
    return "\n".join(lines)


def _tree(error: type[errors.BrickloopError], depth: int) -> Iterator[str]:
    indent = "&emsp;" * depth
    when = _cell(inspect.cleandoc(error.__doc__ or "").partition("\n")[0])
    yield f"| {indent}`{error.__name__}` | {error.exit_code} | {when} |"
    for below in error.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _tree(below, depth + 1)


def _cell(text: str) -> str:
    return _markdown(" ".join(text.split())).replace("|", "\\|").replace("<", "&lt;")


def _markdown(text: str) -> str:
    return text.replace("``", "`")


def current(name: str) -> str:
    """The text that the repository holds; "" where there is none."""
    path = Path(FOLDER / name)
    return path.read_text(encoding="utf-8") if path.is_file() else ""
