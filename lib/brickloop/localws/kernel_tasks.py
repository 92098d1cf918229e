"""Tasks that are no notebooks: a Python file, a wheel's entry point, a file of SQL statements."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import sys
from collections.abc import Callable
from typing import Any

from brickloop.errors import BrickloopError, UsageError
from brickloop.localws.cells import CellsOutcome, KernelServices, NotebookCells
from brickloop.localws.dbutils import NotebookExit
from brickloop.localws.display_hooks import fetch_frame
from brickloop.localws.sql_cells import named_parameters
from brickloop.localws.sql_text import split_statements
from brickloop.localws.traces import format_trace, one_line, remember_source
from brickloop.model.paths import parse_remote_path


def run_python_file(kernel: KernelServices, task: dict[str, Any]) -> CellsOutcome:
    """Run a Python file as ``__main__`` with its parameters as arguments."""
    remote = parse_remote_path(task["python_file"])
    real = kernel.layout.real(remote)
    if not real.is_file():
        raise UsageError(f"the Python file {remote} does not exist")
    source = real.read_bytes()
    shown = kernel.paths.present(str(real))
    sys.argv = [shown, *map(str, task.get("parameters") or [])]
    sys.path.insert(0, os.path.dirname(shown))  # noqa: PTH120 - a workspace path as text
    os.chdir(real.parent)
    cells = NotebookCells(kernel, shown)
    cells.install()
    text = source.decode("utf-8-sig", "replace")
    remember_source(shown, text)
    cells.give_spark(text)
    cells.namespace["__file__"] = shown

    def work() -> None:
        code = compile(source, shown, "exec", dont_inherit=True)
        exec(code, cells.namespace)

    return _finish(kernel, work)


def run_wheel(kernel: KernelServices, task: dict[str, Any]) -> CellsOutcome:
    """Call a package's entry point, or the function of that name in the package."""
    package, name = task["package_name"], task["entry_point"]
    named = task.get("named_parameters") or {}
    sys.argv = [
        name,
        *map(str, task.get("parameters") or []),
        *(f"--{key}={value}" for key, value in named.items()),
    ]
    NotebookCells(kernel, f"/Workspace/{package}").install()

    def work() -> None:
        _find_entry(package, name)()

    return _finish(kernel, work)


def run_sql_file(kernel: KernelServices, task: dict[str, Any]) -> CellsOutcome:
    """Run a file's statements in order and print the last result as text."""
    if "file" not in task:
        raise BrickloopError("UNSUPPORTED: the local workspace runs SQL tasks of kind 'file' only")
    remote = parse_remote_path(task["file"]["path"])
    real = kernel.layout.real(remote)
    if not real.is_file():
        raise UsageError(f"the SQL file {remote} does not exist")
    statements = split_statements(real.read_text(encoding="utf-8-sig"))
    values = {**kernel.job.parameters, **(task.get("parameters") or {})}
    pattern = re.compile(r"\{\{\s*(\w+)\s*\}\}")

    def work() -> None:
        item = None
        for statement in statements:
            text = pattern.sub(lambda found: str(values.get(found[1], found[0])), statement)
            given = {name: values[name] for name in named_parameters(text) if name in values}
            frame = kernel.session.get().sql(text, **({"args": given} if given else {}))
            item = fetch_frame(frame)
        if item is not None:
            print(text_table(item))  # noqa: T201

    return _finish(kernel, work)


def text_table(item: dict[str, Any]) -> str:
    """A table of the notebook model as aligned text."""
    rows = [[field["name"] for field in item["schema"]]]
    rows += [["NULL" if value is None else _cell(value) for value in row] for row in item["data"]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    if item["overflow"]:
        lines.append(f"(the first {len(item['data'])} rows)")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return re.sub(r"\s+", " ", text)


def _find_entry(package: str, name: str) -> Callable[[], Any]:
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        raise UsageError(f"the package {package} is not attached to the run") from None
    for point in distribution.entry_points:
        if point.name == name:
            found: Callable[[], Any] = point.load()
            return found
    module = importlib.import_module(package.replace("-", "_"))
    function: Callable[[], Any] | None = getattr(module, name, None)
    if function is None:
        raise UsageError(f"the package {package} has no entry point and no function '{name}'")
    return function


def _finish(kernel: KernelServices, work: Callable[[], None]) -> CellsOutcome:
    try:
        work()
    except NotebookExit as end:
        return CellsOutcome(exit_value=end.value)
    except SystemExit as end:
        if end.code in {None, 0}:
            return CellsOutcome()
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201
        return CellsOutcome(error=f"SystemExit: {end.code}", error_trace=f"SystemExit: {end.code}")
    except BaseException as error:  # noqa: BLE001 - user code may raise anything
        trace = format_trace(error, kernel.layout)
        # what a program that ends so would leave on its screen belongs to its logs
        print(trace, end="", file=sys.stderr)  # noqa: T201
        return CellsOutcome(error=one_line(error), error_trace=trace)
    return CellsOutcome()
