"""The cells of one notebook, run in order in their common namespace."""

from __future__ import annotations

import builtins
import os
import re
import sys
import types
from dataclasses import dataclass, field
from typing import Any

from brickloop.localws.dbutils import (
    DbUtils,
    Jobs,
    Library,
    NotebookExit,
    NotebookUtils,
    RestartPython,
    Secrets,
    TaskValues,
    Widgets,
)
from brickloop.localws.dbutils_files import FileSystem
from brickloop.localws.display_hooks import Display
from brickloop.localws.ipython_names import IPythonNames, Shell
from brickloop.localws.kernel_channel import KernelChannel
from brickloop.localws.kernel_job import KernelJob
from brickloop.localws.layout import StoreLayout
from brickloop.localws.magics import Magics
from brickloop.localws.notebook_files import read_notebook, resolve_notebook
from brickloop.localws.packages import Packages
from brickloop.localws.python_cell import MAGIC_CALL, SHELL_CALL, PythonCells
from brickloop.localws.snapshots import Snapshots
from brickloop.localws.spark_globals import (
    LiveSession,
    SqlContext,
    dbutils_module,
    runtime_module,
    session_functions,
)
from brickloop.localws.sql_cells import (
    named_parameters,
    parse_widget,
    shows_nothing,
    substitute,
    unresolved,
)
from brickloop.localws.sql_text import split_statements
from brickloop.localws.traces import format_trace, one_line
from brickloop.localws.virtual_paths import VirtualPaths
from brickloop.localws.workspace_imports import WorkspaceImports
from brickloop.model.notebook import Cell, CellKind, Notebook

_SPARK = re.compile(r"\bspark\b")
_RUN_LINE = re.compile(r"\s*(?:\"([^\"]*)\"|'([^']*)'|(\S+))\s*(.*)", re.DOTALL)
_RUN_ARGUMENT = re.compile(r"\$(\w+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|(\S+))")
_LANGUAGES = {CellKind.SCALA: "Scala", CellKind.R: "R"}
_NESTING_LIMIT = 50


class UnsupportedCell(Exception):
    """A cell in a language that the local workspace cannot run."""


class WorkflowException(Exception):
    """A notebook that ``dbutils.notebook.run`` started has failed."""


@dataclass
class KernelServices:
    """What a kernel's parts share."""

    job: KernelJob
    layout: StoreLayout
    channel: KernelChannel
    paths: VirtualPaths
    imports: WorkspaceImports
    session: LiveSession
    display: Display
    packages: Packages
    snapshots: Snapshots | None = None
    """Set where later runs may go on from copies of this process."""
    task_values: dict[str, dict[str, Any]] = field(default_factory=dict)
    called: list[str] = field(default_factory=list)
    """Paths of the notebooks that ``dbutils.notebook.run`` was asked for."""


@dataclass(frozen=True)
class CellsOutcome:
    """How a notebook ended."""

    exit_value: str | None = None
    error: str | None = None
    error_trace: str | None = None


class NotebookCells:
    """One notebook's namespace, widgets and ``dbutils``, and the running of its cells."""

    def __init__(self, kernel: KernelServices, path: str) -> None:
        self._kernel = kernel
        self._path = path
        self._python = PythonCells()
        self.widgets = Widgets(kernel.job.parameters)
        self.dbutils = DbUtils(
            fs=FileSystem(kernel.layout),
            widgets=self.widgets,
            notebook=NotebookUtils(self._run_apart, _facts(kernel.job, path)),
            secrets=Secrets(kernel.job.host, kernel.job.token, self._hide),
            jobs=Jobs(TaskValues(kernel.job.task_values, self._keep_task_value)),
            library=Library(),
        )
        self._main = types.ModuleType("__main__")
        self.namespace: dict[str, Any] = self._main.__dict__
        self._magics = Magics(self.namespace, self.dbutils.fs, kernel.packages, kernel.paths)
        self._shell = Shell(self.namespace, self._magics.run_line_magic)
        self._globals = self._make_globals()
        self._reset()

    def install(self) -> None:
        """Make the namespace this process's ``__main__`` and ``databricks.sdk.runtime``."""
        sys.modules["__main__"] = self._main
        sys.modules["databricks.sdk.runtime"] = runtime_module(self._kernel.session, self._globals)
        sys.modules["pyspark.dbutils"] = dbutils_module(self.dbutils)
        # last, so that an installed IPython comes first
        sys.meta_path.append(IPythonNames(self._kernel.display, self._shell))

    def run(self, notebook: Notebook) -> CellsOutcome:
        """Run all cells, reporting each; stops at the first error or at ``notebook.exit``."""
        channel = self._kernel.channel
        heads = [_head(cell) for cell in notebook.cells]
        channel.send("plan", heads=heads)
        cells, done = notebook.cells, 0
        while done < len(cells):
            cell = cells[done]
            channel.send_and_wait("begin", position=_head(cell)["position"])
            try:
                self._run_cell(cell, self._path, 0)
            except NotebookExit as end:
                channel.send("end", state="finished")
                return CellsOutcome(exit_value=end.value)
            except BaseException as error:  # noqa: BLE001 - a cell may raise anything
                self._show_figures_of_failed()
                summary, trace = one_line(error), format_trace(error, self._kernel.layout)
                channel.send("end", state="error", summary=summary, error=trace)
                return CellsOutcome(error=summary, error_trace=trace)
            channel.send("end", state="finished")
            done += 1
            cells = self._after(done, cells)
        return CellsOutcome()

    def _after(self, done: int, cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
        """Leave a copy of the process; the notebook's cells, which are others where it goes on."""
        kernel = self._kernel
        if kernel.snapshots is None:
            return cells
        resumed = kernel.snapshots.after(done, last=done == len(cells))
        if resumed is None:
            return cells
        cells = read_notebook(kernel.layout, self._path, user=kernel.job.user).cells
        kernel.channel.send("plan", heads=[_head(cell) for cell in cells[done:]])
        return cells

    def give_spark(self, source: str) -> None:
        """Put the session into the namespace when the source speaks of it."""
        if "spark" not in self.namespace and _SPARK.search(source):
            self.namespace["spark"] = self._kernel.session.get()

    def _run_cell(self, cell: Cell, path: str, depth: int) -> None:
        if cell.kind is CellKind.PYTHON:
            self._run_python(cell, path)
        elif cell.kind is CellKind.SQL:
            self._run_sql(cell.source)
        elif cell.kind is CellKind.RUN:
            self._run_inline(cell.source, path, depth)
        elif cell.kind is CellKind.SHELL:
            self._magics.run_shell_cell(cell.source)
        elif cell.kind is CellKind.FS:
            result = self._magics.run_fs(cell.source)
            if result is not None:
                self._kernel.display.display(result)
        elif cell.kind is CellKind.PIP:
            self._kernel.packages.run(cell.source)
        elif cell.kind in _LANGUAGES:
            language = _LANGUAGES[cell.kind]
            raise UnsupportedCell(
                f"UNSUPPORTED: the local workspace runs Python, SQL and shell cells, not"
                f" {language}; run this notebook on a cluster"
            )

    def _run_python(self, cell: Cell, path: str) -> None:
        self.give_spark(cell.source)
        filename = f"{path} cell {cell.index + 1}"
        try:
            if cell.source.lstrip().startswith("%%"):
                value = self._magics.run_cell_magic(cell.source, self._execute, filename)
            else:
                value = self._execute(cell.source, filename)
            if value is not None:
                self._remember(value)
                self._kernel.display.show_last(value)
            self._kernel.display.show_figures()
        except RestartPython:
            self._reset()
            self._kernel.imports.forget_modules()

    def _execute(self, source: str, filename: str) -> Any:
        return self._python.run(source, filename, self.namespace)

    def _remember(self, value: Any) -> None:
        self.namespace["__"], self.namespace["_"] = self.namespace.get("_"), value

    def _run_sql(self, source: str) -> None:
        values = self.widgets.getAll()
        text = self._with_settings(substitute(source, values))
        statements = split_statements(text)
        for number, statement in enumerate(statements, start=1):
            widget = parse_widget(statement)
            if widget is not None:
                self._apply_widget(widget.name, widget.default)
                continue
            values = self.widgets.getAll()
            given = {name: values[name] for name in named_parameters(statement) if name in values}
            frame = self._kernel.session.get().sql(statement, **({"args": given} if given else {}))
            last = number == len(statements) and not shows_nothing(statement)
            self._kernel.display.show_last_statement(frame, shown=last)
            if last and frame.schema.fields:
                self.namespace["_sqldf"] = frame

    def _with_settings(self, text: str) -> str:
        """``${some.key}`` stands for a Spark setting where no widget has that name."""
        names = unresolved(text)
        if not names:
            return text
        conf = self._kernel.session.get().conf
        found = {name: conf.get(name.removeprefix("conf."), None) for name in names}
        return substitute(text, {name: value for name, value in found.items() if value is not None})

    def _apply_widget(self, name: str, default: str | None) -> None:
        if default is None:
            self.widgets.remove(name)
        else:
            self.widgets.text(name, default)

    def _run_inline(self, source: str, path: str, depth: int) -> None:
        """``%run``: another notebook's cells among this one's names."""
        found = _RUN_LINE.match(source)
        target = (
            next((part for part in found.groups()[:3] if part is not None), "") if found else ""
        )
        other = resolve_notebook(target, path)
        if depth >= _NESTING_LIMIT:
            raise RecursionError(f"%run is nested more than {_NESTING_LIMIT} deep, at {other}")
        arguments = found.group(4) if found else ""
        self.widgets.give(
            {
                match.group(1): next(part for part in match.groups()[1:] if part is not None)
                for match in _RUN_ARGUMENT.finditer(arguments)
            }
        )
        notebook = read_notebook(self._kernel.layout, other, user=self._kernel.job.user)
        for cell in notebook.cells:
            self._run_cell(cell, other, depth + 1)

    def _run_apart(self, target: str, seconds: int, arguments: dict[str, str]) -> str:
        """``dbutils.notebook.run``: another notebook in a kernel of its own."""
        path = resolve_notebook(target, self._path)
        self._kernel.called.append(path)
        if self._kernel.snapshots is not None:
            self._kernel.snapshots.give_up("it ran another notebook")
        answer = self._kernel.channel.call(
            timeout=seconds,
            job={"task": {"notebook_task": {"notebook_path": path}}, "parameters": arguments},
        )
        if answer["status"] != "success":
            reason = answer["error"] or answer["status"]
            if answer["status"] == "canceled" and seconds:
                reason = f"it did not end within {seconds} seconds"
            raise WorkflowException(f"the notebook {path} failed: {reason}")
        return str(answer["value"] or "")

    def _make_globals(self) -> dict[str, Any]:
        session = self._kernel.session
        display = self._kernel.display
        return {
            "sc": session.context,
            "sqlContext": SqlContext(session),
            **session_functions(session),
            "dbutils": self.dbutils,
            "getArgument": self.widgets.getArgument,
            "get_ipython": lambda: self._shell,
            "display": display.display,
            "displayHTML": display.display_html,
        }

    def _reset(self) -> None:
        spark = self.namespace.get("spark")
        self.namespace.clear()
        self.namespace.update(
            {
                "__name__": "__main__",
                "__doc__": None,
                "__builtins__": builtins,
                SHELL_CALL: self._magics.run_shell_line,
                MAGIC_CALL: self._magics.run_line_magic,
                **self._globals,
            }
        )
        if spark is not None:
            self.namespace["spark"] = spark

    def _show_figures_of_failed(self) -> None:
        try:
            self._kernel.display.show_figures()
        except Exception:  # noqa: BLE001 - what counts is the error that stopped the cell
            return

    def _hide(self, secret: str) -> None:
        if self._kernel.snapshots is not None:
            self._kernel.snapshots.secrets.append(secret)
        self._kernel.channel.send("secret", value=secret)

    def _keep_task_value(self, key: str, value: Any) -> None:
        if self._kernel.snapshots is not None:
            self._kernel.snapshots.give_up("it set a task value")
        self._kernel.channel.send("task_value", key=key, value=value)


def _head(cell: Cell) -> dict[str, Any]:
    return {"position": float(cell.index + 1), "command": cell.command, "title": cell.title}


def _facts(job: KernelJob, path: str) -> dict[str, str]:
    return {
        "user": job.user,
        "userName": job.user,
        "notebookPath": path.removeprefix("/Workspace"),
        "notebook_path": path.removeprefix("/Workspace"),
        "apiToken": job.token,
        "apiUrl": job.host,
        "browserHostName": job.host.partition("://")[2],
        "jobId": str(job.job_id),
        "runId": str(job.run_id),
        "currentRunId": str(job.run_id),
        "multitaskParentRunId": str(job.parent_run_id),
        "taskKey": job.task_key,
        "clusterId": "local",
        "orgId": "0",
        "sparkVersion": os.environ.get("DATABRICKS_RUNTIME_VERSION", ""),
    }
