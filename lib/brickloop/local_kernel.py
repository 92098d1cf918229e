"""A warm kernel for local runs, in a process that speaks over pipes: no server, no HTTP.

The process is ``brickloop.localws.dev_kernel``, which says what the lines mean. It lives as long as
the one who started it, and is started anew where it has died.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from brickloop.errors import ConnectionFailed, UsageError
from brickloop.launcher import check_installed, server_environment

_END_SECONDS = 10.0
_LOG_BYTES = 1024 * 1024


class LocalKernel:
    """Runs notebooks on the local workspace's engine and kernels; safe to use from threads."""

    def __init__(self, root: Path, engine: str = "") -> None:
        """``root`` is the local workspace's folder; nothing is started before it is needed.

        ``engine`` is the Spark Connect server to run on, empty for one of its own.
        """
        self._engine = engine
        self._root = root.resolve()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._listeners: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}

    @property
    def log(self) -> Path:
        """What the process and its engine had to say."""
        return self._root / "dev.log"

    def start(self) -> None:
        """Start the process where it does not run; it warms up by itself.

        Raises UsageError where the local workspace cannot be had.
        """
        if sys.platform == "win32":
            raise UsageError("local runs need Linux or macOS", hint="use WSL, or a workspace")
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                return
            check_installed()
            self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
            with contextlib.suppress(FileNotFoundError):
                if self.log.stat().st_size > _LOG_BYTES:
                    self.log.unlink()
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "brickloop.localws.dev_kernel", str(self._root)],
                    cwd=self._root,
                    env=server_environment(self._engine),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    # Ctrl-C is ours to tell it
                    start_new_session=True,
                )
            threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()

    def run(
        self,
        run_id: int,
        folder: str,
        notebook: str,
        files: Sequence[tuple[str, Path]],
        parameters: Mapping[str, str],
        *,
        from_changed: bool = False,
        every: float = 0.1,
    ) -> Generator[dict[str, Any] | None, None, None]:
        """What is heard of a run, the last one of kind ``outcome``; None after ``every`` s of none.

        ``files`` are names below ``folder`` and where each is read; ``from_changed`` keeps cells of
        the notebook's last run that need not be run again. Raises UsageError where the
        run is refused, ConnectionFailed where the process does not start or ends.
        """
        self.start()
        heard: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._listeners[run_id] = heard
        try:
            self._ask(
                {
                    "do": "run",
                    "id": run_id,
                    "folder": folder,
                    "notebook": notebook,
                    "files": [[name, str(source)] for name, source in files],
                    "parameters": dict(parameters),
                    "from_changed": from_changed,
                }
            )
            while True:
                try:
                    answer = heard.get(timeout=every)
                except queue.Empty:
                    yield None
                    continue
                if answer["k"] == "refused":
                    refusal = ConnectionFailed if answer["ours"] else UsageError
                    raise refusal(answer["message"], hint=answer["hint"] or f"see {self.log}")
                if answer["k"] == "died":
                    raise self._death()
                yield answer
                if answer["k"] == "outcome":
                    return
        finally:
            self._listeners.pop(run_id, None)

    def cancel(self, run_id: int) -> None:
        """End a run and all that it started; its outcome is still told."""
        with contextlib.suppress(ConnectionFailed):
            self._ask({"do": "cancel", "id": run_id})

    def close(self) -> None:
        """End the process with all that it runs, and wait for it."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _ask(self, request: dict[str, Any]) -> None:
        line = json.dumps(request).encode() + b"\n"
        with self._lock:
            process = self._process
            if process is None or process.stdin is None or process.stdin.closed:
                raise self._death()
            try:
                process.stdin.write(line)
                process.stdin.flush()
            except OSError:
                raise self._death() from None

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Hand the answers to those who wait for them; ends with the process."""
        assert process.stdout is not None
        with process.stdout as answers:
            for line in answers:
                answer = json.loads(line)
                listener = self._listeners.get(answer.get("id", 0))
                if listener is not None:
                    listener.put(answer)
        process.wait()
        assert process.stdin is not None
        with self._lock, contextlib.suppress(OSError):
            process.stdin.close()
        for listener in list(self._listeners.values()):
            listener.put({"k": "died"})

    def _death(self) -> ConnectionFailed:
        return ConnectionFailed(
            "the local kernel does not run, or ended amid the work",
            where=str(self._root),
            hint=f"see {self.log}; the next run starts it anew",
        )
