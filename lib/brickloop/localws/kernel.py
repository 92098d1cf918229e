"""One job in one process: a notebook's cells, or a Python file, a wheel or an SQL file.

Runs in a child of the forkserver. After ``run_job`` has taken this package's modules off the table,
``import brickloop`` in a notebook finds the attached runtime wheel: nothing here may import from
brickloop later than at the top.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import traceback
import types
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from brickloop.errors import BrickloopError, UsageError
from brickloop.localws import virtual_paths
from brickloop.localws.dbutils import (
    DbUtils,
    FileSystem,
    Jobs,
    Library,
    NotebookExit,
    NotebookUtils,
    Secrets,
    Widgets,
)
from brickloop.localws.display_hooks import Display, attach
from brickloop.localws.kernel_job import KernelJob, KernelOutcome
from brickloop.localws.layout import StoreLayout
from brickloop.localws.python_cell import execute
from brickloop.localws.recorder import Recorder, Stream
from brickloop.localws.session import open_session
from brickloop.localws.sql_text import split_statements
from brickloop.localws.wheels import unpack
from brickloop.model.notebook import (
    SUFFIX_LANGUAGES,
    Cell,
    CellKind,
    Notebook,
    language_of_source,
    parse_notebook,
)
from brickloop.model.paths import workspace_path

_RUN_ARGUMENT = re.compile(r"\$(\w+)\s*=\s*(\"[^\"]*\"|'[^']*'|\S+)")
_WIDGET = re.compile(r"\$\{(\w+)\}")
_NAMED_PARAMETER = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)")
_CREATE_WIDGET = re.compile(
    r"^\s*CREATE\s+WIDGET\s+\w+\s+(\w+)\s+DEFAULT\s+(['\"])(.*?)\2", re.I | re.S
)
_LOG_LIMIT = 5 * 1024 * 1024
_CLIENT = str(Path("pyspark") / "sql" / "connect")


class UnsupportedCellError(Exception):
    """A cell in a language that the local workspace cannot run."""


def run_job(job: KernelJob, send: Callable[[dict[str, Any]], None]) -> None:
    """Run a job to its end and send its outcome as the last event."""
    try:
        outcome = _Run(job, send).outcome()
    except BrickloopError as error:
        outcome = KernelOutcome("failed", error=str(error), error_trace=str(error))
    send({"kind": "ended", "outcome": asdict(outcome)})


class _Run:
    def __init__(self, job: KernelJob, send: Callable[[dict[str, Any]], None]) -> None:
        self.job = job
        self.layout = StoreLayout(Path(job.root))
        self.secrets = Secrets(self._read_secrets)
        self.recorder = Recorder(send, self.secrets.redact)
        self.display = Display(self.recorder)
        self.jobs = Jobs(job.task_values)
        self.logs: list[str] = []
        self.spark = open_session(self.layout, job.engine, user=job.user)
        attach(type(self.spark.range(0)), self.display.display)

    def outcome(self) -> KernelOutcome:
        task = self.job.task
        self._check_requirements()
        wheels = [
            unpack(self.layout.real(path), self._wheel_cache()) for path in self.job.libraries
        ]
        # compiled modules stay out of the workspace's folders
        sys.pycache_prefix = str(self.layout.root / "pycache")
        virtual_paths.install(self.layout)
        _forget_own_modules()
        sys.path[:0] = [str(folder) for folder in wheels]
        if "notebook_task" in task:
            return self._notebook(task["notebook_task"]["notebook_path"])
        if "spark_python_task" in task:
            return self._script(lambda: self._python_file(task["spark_python_task"]))
        if "python_wheel_task" in task:
            return self._script(lambda: self._wheel_entry(task["python_wheel_task"]))
        if "sql_task" in task:
            return self._script(lambda: self._sql_file(task["sql_task"]))
        raise UsageError(f"the local workspace cannot run a task of kind {sorted(task)}")

    def _notebook(self, path: str) -> KernelOutcome:
        self._redirect(self.recorder.text)
        context = _Context(self, workspace_path(path), self.job.parameters)
        try:
            context.run_cells(record=True)
        except NotebookExit as end:
            return self._ended("success", exit_value=end.value)
        except BaseException as error:  # noqa: BLE001  whatever user code raises is its outcome
            return self._ended("failed", error=one_line(error), error_trace=notebook_trace(error))
        return self._ended("success")

    def _script(self, work: Callable[[], None]) -> KernelOutcome:
        self._redirect(lambda text, _stream: self.logs.append(text))
        try:
            work()
        except NotebookExit as end:
            return self._ended("success", exit_value=end.value)
        except SystemExit as end:
            if end.code in {None, 0}:
                return self._ended("success")
            error = f"SystemExit: {end.code}"
            return self._ended("failed", error=error, error_trace=error)
        except BaseException as error:  # noqa: BLE001  whatever user code raises is its outcome
            return self._ended("failed", error=one_line(error), error_trace=notebook_trace(error))
        return self._ended("success")

    def _python_file(self, task: dict[str, Any]) -> None:
        real = self.layout.real(workspace_path(task["python_file"]))
        sys.argv = [str(real), *task.get("parameters", [])]
        sys.path.insert(0, str(real.parent))
        _Context(self, workspace_path(task["python_file"]), {}).install_modules()
        runpy.run_path(str(real), run_name="__main__")

    def _wheel_entry(self, task: dict[str, Any]) -> None:
        sys.argv = [task["entry_point"], *task.get("parameters", [])]
        for name, value in (task.get("named_parameters") or {}).items():
            sys.argv.append(f"--{name}={value}")
        found = [
            point
            for point in importlib.metadata.entry_points().select(name=task["entry_point"])
            if point.dist is not None
            and point.dist.name.replace("-", "_") == task["package_name"].replace("-", "_")
        ]
        if not found:
            raise UsageError(
                f"package {task['package_name']} has no entry point {task['entry_point']}"
            )
        found[0].load()()

    def _sql_file(self, task: dict[str, Any]) -> None:
        text = self.layout.real(workspace_path(task["file"]["path"])).read_text(encoding="utf-8")
        for statement in split_statements(text):
            frame = self.spark.sql(statement, self.job.parameters or None)
            sys.stdout.write(f"{frame.limit(1000).toArrow().to_pylist()}\n")

    def _ended(self, status: str, **facts: str) -> KernelOutcome:
        redacted: dict[str, Any] = {key: self.secrets.redact(value) for key, value in facts.items()}
        logs = self.secrets.redact("".join(self.logs))[-_LOG_LIMIT:]
        return KernelOutcome(status, logs=logs, task_values=self.jobs.taskValues.values, **redacted)

    def _redirect(self, write: Callable[[str, str], None]) -> None:
        sys.stdout = Stream(write, "stdout")
        sys.stderr = Stream(write, "stderr")

    def _check_requirements(self) -> None:
        from packaging.requirements import InvalidRequirement, Requirement

        for text in self.job.requirements:
            try:
                wanted = Requirement(text)
                version = importlib.metadata.version(wanted.name)
            except InvalidRequirement:
                raise UsageError(f"'{text}' is no requirement") from None
            except importlib.metadata.PackageNotFoundError:
                raise UsageError(
                    f"the requirement {text} is not installed beside brickloop",
                    hint=f"install it into brickloop's environment: pip install '{text}'",
                ) from None
            if version not in wanted.specifier:
                raise UsageError(f"{text} is required, {version} is installed beside brickloop")

    def _wheel_cache(self) -> Path:
        cache = self.layout.root / "wheels"
        cache.mkdir(exist_ok=True)
        return cache

    def _read_secrets(self) -> dict[str, dict[str, str]]:
        path = self.layout.root / "secrets.json"
        return json.loads(path.read_text()) if path.exists() else {}


class _Context:
    """A notebook's names, parameters and folder; ``%run`` shares it, ``notebook.run`` does not."""

    def __init__(self, run: _Run, path: str, parameters: dict[str, str]) -> None:
        self.run = run
        self.path = path
        self.widgets = Widgets(parameters)
        self.dbutils = DbUtils(
            fs=FileSystem(run.layout),
            widgets=self.widgets,
            notebook=NotebookUtils(self._run_apart, self._facts()),
            secrets=run.secrets,
            jobs=run.jobs,
            library=Library(),
        )
        self.namespace = self._fresh_namespace()

    def run_cells(self, *, record: bool) -> None:
        """Run the notebook's cells in order; what a cell raises comes through."""
        folder = self.run.layout.real(self.path).parent
        self.install_modules()
        root = _project_root(folder, self.run.layout.workspace)
        sys.path[:0] = [str(folder), str(root)]
        os.chdir(folder)
        notebook = read_notebook(self.run.layout, self.path)
        sys.modules["__main__"].__dict__.update(self.namespace)
        for position, cell in enumerate(notebook.cells, start=1):
            if cell.kind is CellKind.EMPTY:
                continue
            if record:
                self.run.recorder.begin(position, cell.command, cell.title)
            try:
                self._run_cell(cell, self.path)
            except NotebookExit:
                if record:
                    self.run.recorder.end("finished")
                    self._skip(notebook, position)
                raise
            except BaseException as error:
                if record:
                    self.run.recorder.end("error", one_line(error), notebook_trace(error))
                    self._skip(notebook, position)
                raise
            if record:
                self.run.recorder.end("finished")

    def install_modules(self) -> None:
        """Make ``from databricks.sdk.runtime import ...`` and getOrCreate() give what is here."""
        runtime = types.ModuleType("databricks.sdk.runtime")
        runtime.__dict__.update(self.namespace)
        sys.modules["databricks.sdk.runtime"] = runtime
        session_class = type(self.run.spark)
        builder = type(session_class.builder)
        live = self.run.spark
        builder.getOrCreate = lambda _self: live

    def _fresh_namespace(self) -> dict[str, Any]:
        spark = self.run.spark
        from pyspark.sql.functions import udf

        return {
            "__name__": "__main__",
            "__builtins__": __builtins__,
            "spark": spark,
            "sql": spark.sql,
            "table": spark.table,
            "udf": udf,
            "sqlContext": spark,
            "dbutils": self.dbutils,
            "getArgument": self.widgets.getArgument,
            "display": self.run.display.display,
            "displayHTML": self.run.display.display_html,
            "__shell__": self._shell,
            "__pip__": self._pip,
            "__unknown_magic__": _refuse_magic,
        }

    def _run_cell(self, cell: Cell, path: str) -> None:
        if cell.kind in {CellKind.MARKDOWN, CellKind.SKIP, CellKind.EMPTY}:
            return
        if cell.kind is CellKind.PYTHON:
            value = execute(cell.source, f"{path} cell {cell.index + 1}", self.namespace)
            self.run.display.show_last(value)
            self.run.display.show_figures()
        elif cell.kind is CellKind.SQL:
            self._run_sql(cell.source)
        elif cell.kind is CellKind.RUN:
            self._run_inline(cell.source, path)
        elif cell.kind is CellKind.SHELL:
            self._shell(cell.source)
        elif cell.kind is CellKind.FS:
            self._run_fs(cell.source)
        elif cell.kind is CellKind.PIP:
            self._pip(cell.source)
        else:
            raise UnsupportedCellError(
                f"UNSUPPORTED: the local workspace runs Python and SQL, not {cell.kind.value} cells"
            )

    def _run_sql(self, source: str) -> None:
        text = _WIDGET.sub(lambda found: self.widgets.getAll().get(found[1], found[0]), source)
        frame = None
        for statement in split_statements(text):
            if found := _CREATE_WIDGET.match(statement):
                self.widgets.text(found.group(1), found.group(3))
                continue
            known = self.widgets.getAll()
            names = {name for name in _NAMED_PARAMETER.findall(statement) if name in known}
            arguments = {name: known[name] for name in names}
            frame = self.run.spark.sql(statement, arguments or None)
        if frame is not None:
            self.namespace["_sqldf"] = frame
            self.run.display.show_frame(frame)

    def _run_inline(self, source: str, path: str) -> None:
        """``%run``: another notebook's cells among this one's names."""
        target, _, rest = _first_word(source)
        self.widgets.set({name: value.strip("\"'") for name, value in _RUN_ARGUMENT.findall(rest)})
        other = resolve(target, path)
        for cell in read_notebook(self.run.layout, other).cells:
            self._run_cell(cell, other)

    def _run_apart(self, path: str, parameters: dict[str, str]) -> str:
        """``dbutils.notebook.run``: another notebook among names of its own."""
        before = Path.cwd(), list(sys.path)
        context = _Context(self.run, resolve(path, self.path), parameters)
        try:
            context.run_cells(record=False)
        except NotebookExit as end:
            return end.value
        finally:
            os.chdir(before[0])
            sys.path[:] = before[1]
            sys.modules["__main__"].__dict__.update(self.namespace)
        return ""

    def _run_fs(self, source: str) -> None:
        words = shlex.split(source)
        if not words or not hasattr(self.dbutils.fs, words[0]):
            raise ValueError(f"%fs knows no command '{words[0] if words else ''}'")
        result = getattr(self.dbutils.fs, words[0])(*[w for w in words[1:] if w != "-r"])
        if isinstance(result, list):
            columns = [(name, "string") for name in ("path", "name", "size", "modificationTime")]
            self.run.recorder.table(columns, [list(entry) for entry in result], False)
        else:
            self.run.display.display(result)

    def _shell(self, source: str) -> list[str]:
        process = subprocess.Popen(
            ["/bin/bash", "-c", source.removeprefix("-e ")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        lines = []
        if process.stdout is not None:
            for line in process.stdout:
                sys.stdout.write(line)
                lines.append(line.rstrip("\n"))
        if process.wait() != 0 and source.startswith("-e "):
            raise subprocess.CalledProcessError(process.returncode, source)
        return lines

    def _pip(self, source: str) -> None:
        words = shlex.split(source.split("\n", 1)[0])
        target = self.run.layout.runs / str(self.run.job.run_id) / "pip"
        process = subprocess.run(
            [sys.executable, "-m", "pip", *words[words.index("install") :], "--target", str(target)]
            if "install" in words
            else [sys.executable, "-m", "pip", *words[1:]],
            capture_output=True,
            text=True,
            check=False,
        )
        sys.stdout.write(process.stdout)
        if process.returncode != 0:
            raise RuntimeError(f"%{source} failed: {process.stderr.strip()[-2000:]}")
        if str(target) not in sys.path:
            sys.path.insert(0, str(target))

    def _skip(self, notebook: Notebook, after: int) -> None:
        for position, cell in enumerate(notebook.cells[after:], start=after + 1):
            if cell.kind is not CellKind.EMPTY:
                self.run.recorder.begin(position, cell.command, cell.title)
                self.run.recorder.end("skipped")

    def _facts(self) -> dict[str, str]:
        job = self.run.job
        return {
            "user": job.user,
            "userName": job.user,
            "notebookPath": self.path,
            "apiToken": job.token,
            "apiUrl": job.host,
            "browserHostName": job.host,
            "jobId": str(job.job_id),
            "currentRunId": str(job.run_id),
            "clusterId": "local",
        }


def read_notebook(layout: StoreLayout, path: str) -> Notebook:
    """The notebook stored at a workspace path; raises UsageError where there is none."""
    real = layout.real(path)
    if not real.is_file():
        raise UsageError(f"Notebook not found: {path}")
    data = real.read_bytes()
    if data.lstrip()[:1] == b"{":
        return parse_notebook(data, ".ipynb", where=path)
    for suffix in SUFFIX_LANGUAGES:
        if language_of_source(suffix, data) is not None:
            return parse_notebook(data, suffix, where=path)
    raise UsageError(f"{path} is a file, not a notebook")


def resolve(target: str, beside: str) -> str:
    """The workspace path that ``%run`` or ``notebook.run`` means in a notebook at ``beside``."""
    target = target.strip("\"'")
    if target.startswith("/"):
        return workspace_path(target)
    parts: list[str] = list(PurePosixPath(beside).parent.parts)
    for part in PurePosixPath(target).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return workspace_path(str(PurePosixPath(*parts)))


def one_line(error: BaseException) -> str:
    """Class and first line of an error."""
    text = str(error).strip().split("\n", 1)[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def notebook_trace(error: BaseException) -> str:
    """The trace from the notebook's first line on, without the kernel's own frames."""
    shown = traceback.TracebackException.from_exception(error)
    own = str(Path(__file__).parent)
    for part in _chain(shown):
        part.stack = traceback.StackSummary.from_list(
            [
                frame
                for frame in part.stack
                # the client's own frames say nothing about the notebook
                if not frame.filename.startswith(own) and _CLIENT not in frame.filename
            ]
        )
    return "".join(shown.format())


def _chain(shown: traceback.TracebackException) -> list[traceback.TracebackException]:
    found: list[traceback.TracebackException] = []
    waiting: list[traceback.TracebackException | None] = [shown]
    while waiting:
        part = waiting.pop()
        if part is not None:
            found.append(part)
            waiting += [part.__cause__, part.__context__]
    return found


def _first_word(source: str) -> tuple[str, str, str]:
    found = re.match(r"\s*(\"[^\"]*\"|'[^']*'|\S+)(\s*)(.*)", source, re.S)
    return (found.group(1), found.group(2), found.group(3)) if found else ("", "", "")


def _project_root(folder: Path, workspace: Path) -> Path:
    """The folder under the user's home that the notebook belongs to; its own for a loose one."""
    with contextlib.suppress(ValueError):
        parts = folder.relative_to(workspace).parts
        depth = 4 if len(parts) > 3 and parts[2].startswith(".") else 3
        if len(parts) >= depth and parts[0] in {"Users", "Repos"}:
            return workspace.joinpath(*parts[:depth])
    return folder


def _forget_own_modules() -> None:
    for name in list(sys.modules):
        if name == "brickloop" or name.startswith("brickloop."):
            del sys.modules[name]


def _refuse_magic(word: str) -> None:
    raise UnsupportedCellError(f"UNSUPPORTED: the line magic %{word}")
