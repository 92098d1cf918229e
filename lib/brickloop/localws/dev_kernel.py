"""Notebooks run at once, without the server: engine and kernels kept warm by a process of its own.

It shares tables, volumes and DBFS with the local workspace's server, which need not run. A request
is a line of JSON on stdin, what is heard of it comes as lines on stdout; it ends with its stdin.

    {"do": "run", "id": 7, "folder": "etl", "notebook": "clean", "parameters": {},
     "files": [["clean", "/home/me/etl/clean.py"]], "from_changed": false}
    {"do": "cancel", "id": 7}

Answers have the request's id and a kind ``k``: ``begun`` (``output`` is the real folder of the
output document, ``kept`` how many cells are, ``why`` what ends that part, ``network`` whether they
asked it), ``command`` (as the notebook model has it, with ``kept`` where it was not run), and as
the last one ``outcome`` or ``refused``. A first line of kind ``ready`` says that requests are read.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import threading
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from brickloop.errors import BrickloopError, ConnectionFailed, PathError
from brickloop.localws.compute import Compute
from brickloop.localws.kept_cells import Chain, Copy, Kept, choose, now
from brickloop.localws.kernel_job import KernelJob
from brickloop.localws.kernel_pool import KernelPool
from brickloop.localws.layout import StoreLayout
from brickloop.localws.notebook_files import read_notebook
from brickloop.localws.record import ENGINE_VARIABLE, read_record
from brickloop.model.locking import FileLock, is_held
from brickloop.model.notebook import Cell
from brickloop.model.whole_file import write_whole
from brickloop.runtime.recorder import OUTPUT_PARAMETER
from brickloop.runtime.wheel import runtime_wheel

_HOME = f"/Workspace/Users/{KernelJob.user}"
_MOST_AT_ONCE = 64
_OUTPUTS_KEPT = 32
_CHAINS_KEPT = 4
"""Notebooks of which copies of kernels are kept."""


@dataclass(frozen=True)
class _Request:
    """One run, as it was asked for."""

    id: int
    folder: str
    """Name of the folder below ours that the files are put into."""
    notebook: str
    files: tuple[tuple[str, Path], ...]
    """Names below the folder, and where each is read."""
    parameters: dict[str, str]
    from_changed: bool = False
    """Whether cells may be kept from the last run."""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> _Request:
        """The request in a line."""
        files = tuple((str(name), Path(source)) for name, source in data["files"])
        given = {str(key): str(value) for key, value in data["parameters"].items()}
        return cls(
            int(data["id"]),
            str(data["folder"]),
            str(data["notebook"]),
            files,
            given,
            bool(data.get("from_changed")),
        )


class DevKernel:
    """Runs notebooks as they are asked for; ``home`` is its own folder of the workspace's tree."""

    def __init__(self, layout: StoreLayout, home: str, answers: int, engine: str = "") -> None:
        self._layout = layout
        self._home = home
        self._answers = answers
        self._compute = Compute(layout, engine)
        self._writing = threading.Lock()
        self._placed: dict[str, set[str]] = {}
        self._chains: dict[str, Chain] = {}
        self._choosing = threading.Lock()

    def serve(self, requests: Any) -> None:
        """Read requests until their end; whatever still runs then is ended."""
        self._compute.start()
        self._say("ready")
        try:
            for line in requests:
                request = json.loads(line)
                if request["do"] == "cancel":
                    # it waits for the run's end, the next request does not
                    number = int(request["id"])
                    threading.Thread(
                        target=self._compute.cancel, args=(number,), daemon=True
                    ).start()
                else:
                    arguments = (_Request.from_json(request),)
                    threading.Thread(target=self._run, args=arguments, daemon=True).start()
        finally:
            self._compute.stop()
            for chain in self._chains.values():
                chain.close()

    def _run(self, request: _Request) -> None:
        try:
            outcome = self._execute(request)
        except BrickloopError as error:
            self._refuse(request, str(error), error.hint, ours=isinstance(error, ConnectionFailed))
        except Exception as error:  # noqa: BLE001 - who asked must hear of it
            text = f"{type(error).__name__}: {error}"
            self._refuse(request, text, None, ours=not isinstance(error, OSError))
        else:
            self._say("outcome", id=request.id, **vars(outcome))

    def _refuse(self, request: _Request, text: str, hint: str | None, *, ours: bool) -> None:
        """Say that the run does not begin; ``ours`` where the kernel is to blame, not the words."""
        self._say("refused", id=request.id, message=text, hint=hint, ours=ours)

    def _execute(self, request: _Request) -> Any:
        folder = f"{self._home}/{request.folder}"
        self._place(folder, request)
        output = f"{self._home}/outputs/{request.id}"
        self._forget_outputs()
        server = self._server()
        path = f"{folder}/{request.notebook}"
        job = KernelJob(
            run_id=request.id,
            root=str(self._layout.root),
            engine="",
            task={"notebook_task": {"notebook_path": path}},
            parameters={**request.parameters, OUTPUT_PARAMETER: output},
            libraries=(self._wheel(),),
            host=server[0],
            token=server[1],
        )
        try:
            with self._compute.lease() as (endpoint, pool):
                job = replace(job, engine=endpoint)
                if request.from_changed:
                    outcome = self._go_on(request, job, pool, output)
                else:
                    self._say("begun", id=request.id, output=str(self._layout.real(output)))
                    outcome = pool.run(
                        job,
                        lambda event: self._say("command", id=request.id, command=event["command"]),
                    )
            # whatever it had the engine do, and did not wait for, may go on there
            self._compute.look_after_stop(endpoint)
            return outcome
        finally:
            shutil.rmtree(self._layout.runs / str(request.id), ignore_errors=True)

    def _go_on(self, request: _Request, job: KernelJob, pool: KernelPool, output: str) -> Any:
        """Run a notebook from its first changed cell on, or from its beginning."""
        path = job.task["notebook_task"]["notebook_path"]
        cells = read_notebook(self._layout, path).cells
        around = (
            tuple(sorted(request.parameters.items())),
            tuple(sorted(name for name, _ in request.files)),
            job.libraries,
            (job.engine, job.host, job.token),
        )
        with self._choosing:
            chain, kept = self._choose(path, cells, around, output)
            chain.busy = True
        try:
            return _Rerun(self, request, chain, kept).run(
                replace(
                    job,
                    keeps=True,
                    parameters={**request.parameters, OUTPUT_PARAMETER: chain.output},
                ),
                pool,
            )
        finally:
            chain.busy = False

    def _choose(
        self, path: str, cells: tuple[Cell, ...], around: tuple[Any, ...], output: str
    ) -> tuple[Chain, Kept]:
        """The chain that a run belongs to, made where there is none that fits."""
        chain = self._chains.pop(path, None)
        kept = Kept(None, "")
        if chain is not None and chain.busy:
            # the run that goes on keeps what it has; ours begins at the beginning
            kept, chain = Kept(None, "another run of it goes on"), None
        elif chain is not None and chain.surroundings != around:
            kept = Kept(None, "parameters, files or server are others")
        elif chain is not None:
            kept = choose(chain, cells, self._layout)
        if chain is None or kept.copy is None:
            if chain is not None:
                chain.close()
            chain = Chain(around, output)
        chain.cells, chain.why_not = cells, ""
        last = kept.copy.count if kept.copy is not None else 0
        chain.commands = {at: each for at, each in chain.commands.items() if at <= last}
        self._chains[path] = chain
        for other in [name for name, each in self._chains.items() if not each.busy][:-_CHAINS_KEPT]:
            if other != path:
                self._chains.pop(other).close()
        return chain, kept

    def real_output(self, chain: Chain) -> Path:
        """The real folder of a chain's output document, emptied."""
        real = self._layout.real(chain.output)
        shutil.rmtree(real, ignore_errors=True)
        return real

    def say(self, kind: str, **fields: Any) -> None:
        """Answer."""
        self._say(kind, **fields)

    def _place(self, folder: str, request: _Request) -> None:
        """Have the folder hold the files that were named; ours that are no longer named go."""
        base = self._layout.real(folder)
        names = {name for name, _ in request.files}
        for name, source in request.files:
            target = self._inside(base, name)
            data = source.read_bytes()
            if target.is_dir():
                shutil.rmtree(target)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.is_file() or target.read_bytes() != data:
                write_whole(target, data)
        for name in self._placed.get(folder, set()) - names:
            with contextlib.suppress(OSError):
                self._inside(base, name).unlink()
        self._placed[folder] = names

    def _forget_outputs(self) -> None:
        """Remove the documents of long past runs: who asked for one has read it."""
        folder = self._layout.real(f"{self._home}/outputs")
        with contextlib.suppress(OSError):
            for old in sorted(folder.iterdir(), key=lambda found: found.name)[:-_OUTPUTS_KEPT]:
                shutil.rmtree(old, ignore_errors=True)

    def _inside(self, base: Path, name: str) -> Path:
        target = base / name
        if not target.resolve().is_relative_to(base.resolve()):
            raise PathError(f"'{name}' leads out of its folder")
        return target

    def _wheel(self) -> str:
        """The workspace path of the runtime wheel, which is written once for each content."""
        name, data = runtime_wheel(version("brickloop"))
        path = f"{self._home}/runtime/{name}"
        real = self._layout.real(path)
        if not real.is_file():
            real.parent.mkdir(parents=True, exist_ok=True)
            write_whole(real, data)
        return path

    def _server(self) -> tuple[str, str]:
        """Address and token of the local workspace's server where it runs, for what needs it."""
        root = self._layout.root
        record = read_record(root) if is_held(root / "server.lock") else None
        return (record.url, record.token) if record is not None else ("", "")

    def _say(self, kind: str, **fields: Any) -> None:
        data = memoryview(json.dumps({"k": kind, **fields}).encode() + b"\n")
        # a reader that is gone needs no answer
        with self._writing, contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._answers, data) :]


class _Rerun:
    """One run that may keep cells, and what is told of it."""

    def __init__(self, kernel: DevKernel, request: _Request, chain: Chain, kept: Kept) -> None:
        self._kernel = kernel
        self._id = request.id
        self._chain = chain
        self._kept = kept
        self._begun = False
        self._output = str(kernel.real_output(chain))

    def run(self, job: KernelJob, pool: KernelPool) -> Any:
        """The outcome of the job."""
        copy = self._kept.copy
        if copy is None:
            self._begin(0, self._kept.why)
        return pool.run(job, self._take, copy.line if copy is not None else None)

    def _begin(self, count: int, why: str, *, network: bool = False) -> None:
        if not self._begun:
            self._begun = True
            facts = {"output": self._output, "kept": count, "why": why, "network": network}
            self._kernel.say("begun", id=self._id, **facts)

    def _take(self, event: dict[str, Any]) -> None:
        chain, copy = self._chain, self._kept.copy
        if event["kind"] == "resumed" and copy is not None:
            self._begin(copy.count, self._kept.why, network=copy.network)
            for command in chain.commands.values():
                self._kernel.say("command", id=self._id, command={**command, "kept": True})
        elif event["kind"] == "snapshot":
            copy = Copy(event["count"], event["line"], event["state"], event["network"], now())
            chain.add(copy)
        elif event["kind"] == "unkept":
            chain.why_not = f"after cell {event['count']} nothing is kept: {event['why']}"
        elif event["kind"] == "command":
            if not self._begun:
                # the copy could not go on: all cells are run
                chain.commands.clear()
                chain.close()
                self._begin(0, "the kept state could not be taken up")
            command = event["command"]
            chain.commands[command["position"]] = command
            self._kernel.say("command", id=self._id, command=command)


def main(root: Path) -> None:
    """Serve stdin for the workspace in ``root``."""
    answers = os.dup(1)
    engine = os.environ.pop(ENGINE_VARIABLE, "")
    # nothing that is printed here may come between the answers
    os.dup2(2, 1)
    layout = StoreLayout(root)
    layout.make()
    (layout.warehouse / "main" / "default").mkdir(parents=True, exist_ok=True)
    layout.volumes.joinpath("main", "default", "brickloop").mkdir(parents=True, exist_ok=True)
    for number in range(1, _MOST_AT_ONCE + 1):
        with contextlib.ExitStack() as stack:
            try:
                lock = FileLock(root / f"dev-{number}.lock", wait_seconds=0)
                stack.enter_context(lock)
            except TimeoutError:
                # another watch of this project has this folder
                continue
            home = f"{_HOME}/.brickloop/dev-{number}"
            stack.callback(shutil.rmtree, layout.real(home), ignore_errors=True)
            # what a killed one left
            shutil.rmtree(layout.real(home), ignore_errors=True)
            layout.real(home).mkdir(parents=True)
            DevKernel(layout, home, answers, engine).serve(sys.stdin)
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
