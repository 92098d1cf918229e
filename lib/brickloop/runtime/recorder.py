"""What a notebook really reads and writes, kept beside its output for who asked for the run.

In a run of brickloop (the parameter ``brickloop_output`` names its folder) recording begins with
``import brickloop``. What Spark's Python API is asked for is heard by ``hooks``; files and modules
of the workspace are heard as Python opens them. ``_OBSERVED.json`` is written after cells that
brought something new, and at the end. The next `doit` takes it for the notebook's dependencies.

Nothing in here may ever fail a notebook or hold it up: whatever goes wrong is passed over.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from .redaction import redact
from .sinks import Sink, open_sink

OUTPUT_PARAMETER = "brickloop_output"
"""The run's parameter that names the folder of its output."""
OBSERVED_NAME = "_OBSERVED.json"
OBSERVED_VERSION = 1
OBSERVER_VARIABLE = "BRICKLOOP_OBSERVER"
"""Set where somebody records already who sees more: the local workspace."""
_WORKSPACE = "/Workspace/"
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_MOST_CALLS = 5_000
_MOST_FILES = 5_000
_LONGEST_TEXT = 100_000
_FREE_SECONDS = 1.0
_SHARE = 0.02
"""Of the notebook's time that recording may take, beyond the free seconds."""
_ANSWER_SECONDS = 5.0
# as they are now: a notebook may replace them
_here, _normal = os.getcwd, os.path.normpath


class Recorder:
    """Gathers what is heard, and writes it to a run's folder."""

    def __init__(self, folder: str, dbutils: Any) -> None:
        self._sink: Sink = open_sink(folder, dbutils)
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._begun = time.monotonic()
        self._spent = 0.0
        self._full = False
        self._calls: dict[tuple[str, str, int], None] = {}
        self._uses = 0
        self._seen: dict[str, dict[str, None]] = {
            kind: {} for kind in ("tables_read", "paths_read", "paths_written", "files")
        }
        self._session: Any = None
        self._namespace: tuple[str, str] | None = None
        self._asked = False
        self._written = ""

    def call(self, kind: str, text: Any) -> None:
        """Note a call in its order: ``sql``, ``read``, ``write``, ``hide``, ``use_...``."""
        if not isinstance(text, str) or not text:
            return
        with self._lock:
            if len(self._calls) >= _MOST_CALLS:
                self._full = True
                return
            text = redact(text[:_LONGEST_TEXT])
            self._calls.setdefault((kind, text, self._uses), None)
            # the same name may stand for another table after it
            if kind.startswith("use_") or (kind == "sql" and text.lstrip()[:4].lower() == "use "):
                self._uses += 1

    def saw(self, kind: str, *names: Any) -> None:
        """Note what was read or written, by its full name."""
        with self._lock:
            found = self._seen[kind]
            for name in names:
                if isinstance(name, str) and name:
                    if len(found) >= _MOST_FILES:
                        self._full = True
                        return
                    found[name] = None

    def meet(self, session: Any) -> None:
        """Remember the Spark session, to be asked which schema is current."""
        if self._session is None and hasattr(type(session), "catalog"):
            self._session = session

    def heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Python's audit events: of files of the workspace that are opened for reading."""
        if event != "open":
            return
        try:
            path, _, flags = arguments
            if not isinstance(path, str) or (isinstance(flags, int) and flags & _WRITING):
                return
            whole = workspace_path(path)
            if whole.startswith(_WORKSPACE) and "/__pycache__/" not in whole:
                self._seen["files"].setdefault(whole, None)
        except Exception:
            return

    def write(self) -> None:
        """Write what was heard so far, if there is anything new."""
        if os.getpid() != self._owner:
            return
        with self.spending(), contextlib.suppress(Exception):
            text = json.dumps(self._facts())
            if text != self._written:
                self._sink.put(OBSERVED_NAME, text.encode("ascii"))
                self._written = text

    def write_between_cells(self) -> None:
        """As ``write``, unless recording has taken too long already."""
        if self.has_time:
            self.write()

    @property
    def has_time(self) -> bool:
        """Whether recording has taken no more of the notebook's time than it may."""
        return self._spent <= _FREE_SECONDS + _SHARE * (time.monotonic() - self._begun)

    @contextlib.contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time that something takes."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._spent += time.monotonic() - begun

    def _facts(self) -> dict[str, Any]:
        self._ask_namespace()
        files = [*self._seen["files"], *_modules()]
        with self._lock:
            return {
                "version": OBSERVED_VERSION,
                "by": "runtime",
                "complete": not self._full,
                "tables_read": list(self._seen["tables_read"]),
                "tables_written": [],
                "paths_read": list(self._seen["paths_read"]),
                "paths_written": list(self._seen["paths_written"]),
                "files": sorted(set(files)),
                "namespace": list(self._namespace) if self._namespace else None,
                "calls": [[kind, text] for kind, text, _ in self._calls],
            }

    def _ask_namespace(self) -> None:
        """Learn once what names without a schema belong to; after a USE it is too late to ask."""
        if self._asked or self._session is None or self._uses or not self._calls:
            return
        self._asked = True
        found: list[tuple[str, str]] = []

        def ask() -> None:
            with contextlib.suppress(Exception):
                catalog = self._session.catalog
                found.append((str(catalog.currentCatalog()), str(catalog.currentDatabase())))

        # an engine that does not answer must not keep the notebook
        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(_ANSWER_SECONDS)
        if found:
            self._namespace = found[0]


_recorder: Recorder | None = None


def begin_recording(dbutils: Any) -> Recorder | None:
    """Record this run from now on, if it is one of brickloop's; the recorder of this process."""
    global _recorder
    if _recorder is not None or dbutils is None or os.environ.get(OBSERVER_VARIABLE):
        return _recorder
    try:
        folder = str(dbutils.widgets.get(OUTPUT_PARAMETER)).rstrip("/")
        if not folder:
            return None
        _recorder = recorder = Recorder(folder, dbutils)
    except Exception:
        # a notebook that was not started by brickloop has no such widget
        return None
    from . import hooks

    with contextlib.suppress(Exception):
        hooks.install(recorder, dbutils)
    with contextlib.suppress(Exception):
        sys.addaudithook(recorder.heard)
    with contextlib.suppress(Exception):
        _after_each_cell(recorder)
    atexit.register(recorder.write)
    return recorder


def workspace_path(path: str) -> str:
    """A path in full: a relative one is below the notebook's folder, where a notebook begins."""
    return _normal(path if path[:1] == "/" else f"{_here()}/{path}")


def write_record() -> None:
    """Write what was heard so far, where this run is recorded."""
    if _recorder is not None:
        _recorder.write()


def _after_each_cell(recorder: Recorder) -> None:
    """Write after cells where IPython runs the notebook: its process may be ended without ado."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None:
        shell.events.register("post_run_cell", lambda *_result: recorder.write_between_cells())


def _modules() -> Iterable[str]:
    """The files of the workspace that modules were imported from."""
    for module in list(sys.modules.values()):
        # asked of its own names: some modules load themselves when they are asked for anything
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str) and file.startswith(_WORKSPACE):
            yield file
