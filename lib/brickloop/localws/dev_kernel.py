"""Notebooks run at once, without the server: engine and kernels kept warm by a process of its own.

It shares tables, volumes and DBFS with the local workspace's server, which need not run. A request
is a line of JSON on stdin, what is heard of it comes as lines on stdout; it ends with its stdin.

    {"do": "run", "id": 7, "folder": "etl", "notebook": "clean", "parameters": {},
     "files": [["clean", "/home/me/etl/clean.py"]]}
    {"do": "cancel", "id": 7}

Answers have the request's id and a kind ``k``: ``begun`` (``output`` is the real folder of the
output document), ``command`` (as the notebook model has it), and as the last one ``outcome`` or
``refused``. A first line of kind ``ready`` says that requests are read.
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
from brickloop.localws.kernel_job import KernelJob
from brickloop.localws.layout import StoreLayout
from brickloop.localws.record import ENGINE_VARIABLE, read_record
from brickloop.model.locking import FileLock, is_held
from brickloop.model.whole_file import write_whole
from brickloop.runtime.recorder import OUTPUT_PARAMETER
from brickloop.runtime.wheel import runtime_wheel

_HOME = f"/Workspace/Users/{KernelJob.user}"
_MOST_AT_ONCE = 64
_OUTPUTS_KEPT = 32


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

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> _Request:
        """The request in a line."""
        files = tuple((str(name), Path(source)) for name, source in data["files"])
        given = {str(key): str(value) for key, value in data["parameters"].items()}
        return cls(int(data["id"]), str(data["folder"]), str(data["notebook"]), files, given)


class DevKernel:
    """Runs notebooks as they are asked for; ``home`` is its own folder of the workspace's tree."""

    def __init__(self, layout: StoreLayout, home: str, answers: int, engine: str = "") -> None:
        self._layout = layout
        self._home = home
        self._answers = answers
        self._compute = Compute(layout, engine)
        self._writing = threading.Lock()
        self._placed: dict[str, set[str]] = {}

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
        job = KernelJob(
            run_id=request.id,
            root=str(self._layout.root),
            engine="",
            task={"notebook_task": {"notebook_path": f"{folder}/{request.notebook}"}},
            parameters={**request.parameters, OUTPUT_PARAMETER: output},
            libraries=(self._wheel(),),
            host=server[0],
            token=server[1],
        )
        try:
            with self._compute.lease() as (endpoint, pool):
                self._say("begun", id=request.id, output=str(self._layout.real(output)))
                outcome = pool.run(
                    replace(job, engine=endpoint),
                    lambda event: self._say("command", id=request.id, command=event["command"]),
                )
            if outcome.status != "success":
                # whatever it had the engine do may go on there
                self._compute.look_after_stop(endpoint)
            return outcome
        finally:
            shutil.rmtree(self._layout.runs / str(request.id), ignore_errors=True)

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
