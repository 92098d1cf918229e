"""One job in one process: a notebook's cells, a Python file, a wheel's entry point or an SQL file.

The process is a child of the forkserver, or one of its own where there is none. Before user code
runs, brickloop's own modules leave ``sys.modules``, so that ``import brickloop`` finds the attached
runtime wheel; hence nothing here imports from brickloop later than that.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import os
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brickloop.errors import BrickloopError
from brickloop.localws.cells import CellsOutcome, KernelServices, NotebookCells
from brickloop.localws.display_hooks import Display
from brickloop.localws.inputs import UsedInputs
from brickloop.localws.ipython_names import use_our_display
from brickloop.localws.kernel_channel import KernelChannel
from brickloop.localws.kernel_job import KernelJob
from brickloop.localws.kernel_tasks import run_python_file, run_sql_file, run_wheel
from brickloop.localws.layout import StoreLayout
from brickloop.localws.notebook_files import project_root, read_notebook
from brickloop.localws.observation import Observation
from brickloop.localws.packages import Packages
from brickloop.localws.snapshots import Snapshots
from brickloop.localws.spark_globals import LiveSession
from brickloop.localws.traces import one_line
from brickloop.localws.virtual_paths import VirtualPaths, install, lead_pyarrow
from brickloop.localws.wheels import attach_wheels, check_requirement, forget_replaced, put_first
from brickloop.localws.workspace_imports import ImportWatcher, WorkspaceImports
from brickloop.model.paths import workspace_path

RUNTIME_VERSION = "16.4"
"""The Databricks runtime whose behaviour is followed; libraries parse it."""
_HIDDEN_VARIABLES = ("DATABRICKS_", "BRICKLOOP_", "ARM_", "AWS_SECRET", "AWS_SESSION")
# what leaves sys.modules stays alive here
_KEPT: list[Any] = []


def serve_job(channel_end: int, out: int, err: int, taken: int) -> None:
    """Run the job that comes over the channel; returns when its outcome is sent."""
    for descriptor in (channel_end, taken):
        os.set_inheritable(descriptor, False)
    channel = KernelChannel(socket.socket(fileno=channel_end), taken)
    _take_streams(out, err)
    channel.send("hello", pid=os.getpid())
    signal.signal(signal.SIGTERM, _cancel)
    job = KernelJob.from_json(channel.read_job())
    try:
        outcome = _run(job, channel)
        status = "success" if outcome.error is None else "failed"
    except BrickloopError as error:
        text = str(error) + (f"; {error.hint}" if error.hint else "")
        outcome, status = CellsOutcome(error=text, error_trace=text), "failed"
    except Exception as error:  # noqa: BLE001 - the server must hear of it
        outcome, status = CellsOutcome(error=one_line(error), error_trace=repr(error)), "failed"
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    channel.send("outcome", status=status, **vars(outcome))


def _run(job: KernelJob, channel: KernelChannel) -> CellsOutcome:
    layout = StoreLayout(Path(job.root))
    # what the forkserver's own imports registered is not this run's to end
    atexit._clear()
    _set_environment(job)
    _reseed()
    for text in job.requirements:
        check_requirement(text)
    wheels = attach_wheels(layout, job.libraries)
    kernel = _make_services(job, layout, channel)
    watcher = ImportWatcher()
    observation = Observation(layout, job.parameters)
    # user code finds no trace of the folder in which this process began
    sys.path[:] = [entry for entry in sys.path if entry not in {"", str(layout.root)}]
    put_first(wheels)
    _forget_own_modules()
    forget_replaced(wheels)
    install(kernel.paths)
    kernel.imports.install()
    watcher.when_imported("pyarrow.util", lambda: None)
    watcher.when_imported("pyarrow", lambda: lead_pyarrow(kernel.paths))
    watcher.when_imported("matplotlib.pyplot", kernel.display.hook_pyplot)
    watcher.when_imported("plotly.io", kernel.display.hook_plotly)
    watcher.when_imported("IPython", lambda: use_our_display(kernel.display))
    watcher.when_imported("pyspark.sql.session", kernel.session.hook_builders)
    watcher.when_imported("pyspark.sql.connect.session", kernel.session.hook_builders)
    try:
        return _run_task(job, kernel, wheels, observation)
    finally:
        with contextlib.suppress(Exception):
            observation.write(kernel.session.record(), kernel.called)
        # an output document is sealed before the run counts as ended
        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()
        kernel.session.close()


def _run_task(
    job: KernelJob, kernel: KernelServices, wheels: list[str], observation: Observation
) -> CellsOutcome:
    task = job.task
    if "notebook_task" in task:
        path = workspace_path(task["notebook_task"]["notebook_path"])
        notebook = read_notebook(kernel.layout, path, user=job.user)
        _enter(kernel, path, wheels)
        # only now: on the way in we have looked into files that the notebook does not read
        observation.begin()
        cells = NotebookCells(kernel, path)
        cells.install()
        if kernel.snapshots is not None:
            kernel.snapshots.begin()
        return cells.run(notebook)
    observation.begin()
    for kind, work in (
        ("spark_python_task", run_python_file),
        ("python_wheel_task", run_wheel),
        ("sql_task", run_sql_file),
    ):
        if kind in task:
            return work(kernel, task[kind])
    kinds = ", ".join(sorted(key for key in task if key.endswith("_task"))) or "nothing to run"
    raise BrickloopError(f"UNSUPPORTED: the local workspace cannot run this task: {kinds}")


def _enter(kernel: KernelServices, path: str, wheels: list[str]) -> None:
    """Go to the notebook's folder and import from there and from its project."""
    folder = path.rpartition("/")[0]
    os.chdir(kernel.layout.real(folder))
    root = project_root(kernel.layout, path)
    put_first([*wheels, folder, *([root] if root else [])])


def _make_services(job: KernelJob, layout: StoreLayout, channel: KernelChannel) -> KernelServices:
    paths = VirtualPaths(layout)
    display = Display(lambda item: channel.send_and_wait("item", item=item))
    opener = _session_opener()
    session = LiveSession(
        lambda: opener(layout, job.engine, user=job.user),
        lambda frame: display.display(frame),
        f"local-{job.run_id}",
    )
    packages = Packages(layout, paths, layout.runs / str(job.run_id) / "packages")
    imports = WorkspaceImports(paths, str(layout.root / "store"))
    snapshots = None
    if job.keeps and "notebook_task" in job.task:
        notebook = layout.real(workspace_path(job.task["notebook_task"]["notebook_path"]))
        snapshots = Snapshots(channel, session, UsedInputs(layout, paths, str(notebook)))
    return KernelServices(
        job, layout, channel, paths, imports, session, display, packages, snapshots
    )


def _session_opener() -> Callable[..., Any]:
    """The function that opens a session; looked up now, while brickloop can be imported."""
    from brickloop.localws.session import open_session

    return open_session


def _take_streams(out: int, err: int) -> None:
    """Make the pipes this process's stdout and stderr, for native code and children too."""
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a descriptor is what is needed
        os.dup2(nothing.fileno(), 0)
    for number, pipe in ((1, out), (2, err)):
        os.dup2(pipe, number)
        os.close(pipe)
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream = open(  # noqa: SIM115 - lives as long as the process
            number, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    faulthandler.enable(file=2)


def _set_environment(job: KernelJob) -> None:
    """What a notebook finds in the environment; not what the server's own is set to."""
    for name in list(os.environ):
        if name.startswith(_HIDDEN_VARIABLES):
            del os.environ[name]
    os.environ["DATABRICKS_RUNTIME_VERSION"] = RUNTIME_VERSION
    os.environ["MPLBACKEND"] = "agg"
    # a cluster's clock
    os.environ["TZ"] = "UTC"
    time.tzset()
    os.environ["GRPC_VERBOSITY"] = "NONE"
    if job.host:
        # so that WorkspaceClient() in a notebook talks to its own workspace
        os.environ["DATABRICKS_HOST"] = job.host
        os.environ["DATABRICKS_TOKEN"] = job.token
    warnings.filterwarnings("ignore", module=r"pyspark\..*")


def _reseed() -> None:
    """All kernels are forked from one process; each must draw its own random numbers."""
    random: Any = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()


def _forget_own_modules() -> None:
    for name in list(sys.modules):
        if name == "brickloop" or name.startswith("brickloop."):
            _KEPT.append(sys.modules.pop(name))


def _cancel(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt("the run was canceled")


if __name__ == "__main__":
    serve_job(*(int(word) for word in sys.argv[1:5]))
    os._exit(0)
