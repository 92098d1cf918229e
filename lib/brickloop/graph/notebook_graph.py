"""One folder of notebooks as a graph on one target: doit's tasks and `invoke plan` stand on it."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import brickloop
from brickloop.config.named_target import NamedTarget
from brickloop.config.profile import Target, resolve_target
from brickloop.config.settings import Settings
from brickloop.display import diagnostics
from brickloop.errors import BrickloopError, UsageError
from brickloop.flows.deploy import Deployment
from brickloop.flows.edges import Observed
from brickloop.flows.local_outputs import SUFFIXES
from brickloop.flows.project import Project, folder_listing, has_file, read_project
from brickloop.flows.protection import require_committed
from brickloop.flows.target import ledger_key
from brickloop.graph.decision import Decision, Step, decide, has_output_files
from brickloop.graph.failure import failing_line
from brickloop.graph.fingerprint import Fingerprints, hash_of
from brickloop.graph.memory import LedgerMemory
from brickloop.graph.selection import Selector
from brickloop.graph.state import open_ledger
from brickloop.model.file_names import shown_path
from brickloop.runtime.wheel import runtime_wheel
from brickloop.sync.ledger import Ledger

_STAMP_VERSION = 2
_RACY_NS = 2_000_000_000
"""A file that was written this shortly ago may change again without a new time stamp."""


@dataclass(frozen=True)
class GraphRequest:
    """What a dodo.py asks for with ``notebook_tasks``."""

    folder: Path
    parameters: Mapping[str, Mapping[str, Any]]
    declared: Mapping[str, Mapping[str, Any]]
    """For each notebook what cannot be read from its text: ``reads``, ``writes``, ``files``."""
    tags: Mapping[str, Iterable[str]] = field(default_factory=dict)
    """For each notebook words to choose it by."""


class NotebookGraph:
    """The graph of one folder; nothing is read before it is asked for."""

    def __init__(self, settings: Settings, request: GraphRequest) -> None:
        self.settings = settings
        self.folder = request.folder
        self._request = request

    @cached_property
    def target(self) -> Target:
        """The workspace that is meant."""
        return resolve_target(self.settings)

    @cached_property
    def key(self) -> str:
        """The name under which the ledger keeps what is known of the target."""
        return ledger_key(self.settings, target=self.target)

    @cached_property
    def ledger(self) -> Ledger:
        """The project's ledger."""
        return open_ledger(self.settings.state_folder / "ledger.db")

    @cached_property
    def declared(self) -> dict[str, Observed]:
        """What the dodo.py declares; raises UsageError for what is no such declaration."""
        return {name: _declaration(name, given) for name, given in self._request.declared.items()}

    @cached_property
    def project(self) -> Project:
        """The files and how they hang together, by their text, by runs, and by declaration."""
        known = dict(self.declared)
        for name, seen in self.memory.observed().items():
            known[name] = known[name].joined(seen) if name in known else seen
        return read_project(self.folder, self.ledger, known)

    @cached_property
    def parameters(self) -> dict[str, dict[str, str]]:
        """Parameters as the workspace takes them: text, or JSON for what is not text."""
        for name in self.declared:
            self._require(name, "the dodo.py declares dependencies of")
        found: dict[str, dict[str, str]] = {}
        for notebook, values in self._request.parameters.items():
            self._require(notebook, "parameters are given for")
            found[notebook] = {
                str(key): _text(notebook, key, value) for key, value in values.items()
            }
        target = self.settings.target
        if target is not None:
            self._check_notebooks(target)
            for notebook in self.project.upstream if target.parameters else ():
                theirs = target.parameters_of(notebook)
                own = {key: _text(notebook, key, value) for key, value in theirs.items()}
                found[notebook] = {**found.get(notebook, {}), **own}
        return found

    @cached_property
    def wheel(self) -> str:
        """Name of the runtime wheel, which holds its content's hash."""
        return runtime_wheel(brickloop.__version__)[0]

    @cached_property
    def deployment(self) -> Deployment:
        """What does the work."""
        return Deployment(self.settings, self.target, self.key, self.ledger, self.folder.name)

    @cached_property
    def memory(self) -> LedgerMemory:
        """What is remembered of earlier work."""
        uploaded = self.deployment.uploaded()
        for name in self.strayed:
            uploaded.pop(name, None)
        return LedgerMemory(self.ledger, self.key, uploaded)

    @cached_property
    def strayed(self) -> dict[str, str]:
        """What is not in the workspace as it was sent, by name, each with what became of it."""
        try:
            return self.deployment.strayed()
        except BrickloopError as error:
            diagnostics.warn(
                f"the workspace was not looked at: {error}",
                "BRICKLOOP_OFFLINE=1 spares the look; what has to be done will need the workspace",
            )
            return {}

    @cached_property
    def prints(self) -> Fingerprints:
        """The fingerprint of each notebook's run."""
        return Fingerprints(
            self.project,
            self.parameters,
            self.settings.required("compute"),
            self.wheel,
            self.memory.digest,
        )

    def decisions(self, *, explain: bool = True) -> dict[str, Decision]:
        """What would be done with each notebook, in the project's order."""
        check = has_output_files(self.deployment.outputs.folder, SUFFIXES)
        return decide(
            self.project,
            self.prints,
            self.memory,
            check,
            strayed=self.strayed,
            explain=explain,
        )

    def forget_strangers(self) -> None:
        """Look no more at what is gone from the workspace and is not of the project any more."""
        for name in self.strayed:
            if name not in self.project.files:
                self.deployment.forget_sent(name)

    def select(self, select: str = "", exclude: str = "") -> list[str]:
        """The notebooks that are chosen, in the project's order; all where nothing is said.

        Raises UsageError for words that select nothing; ``graph.selection`` says how to write them.
        """
        for name in self._request.tags:
            self._require(name, "tags are given for")
        selector = Selector(self.project.upstream, self._request.tags, self._in_state)
        return selector.select(select, exclude)

    @property
    def upstream(self) -> dict[str, tuple[str, ...]]:
        """For each notebook, in the project's order, those that come before it."""
        return self.project.upstream

    def place_of(self, name: str, *, failed: bool) -> tuple[str, int]:
        """A notebook's file below the project's folder, and the line where it failed or 0."""
        path = self.project.files[name].path
        outputs = self.settings.root / self.settings.required("outputs")
        line = failing_line(path, outputs / f"{name}.json") if failed else 0
        return shown_path(path, self.settings.root), line

    def notebook_name(self, words: str) -> str | None:
        """The notebook that a name, a path, or the last part of a name means; None for none."""
        names = list(self.project.upstream)
        path = Path(words).absolute()
        for name in names:
            if words == name or path == self.project.files[name].path.absolute():
                return name
        found = [name for name in names if name.rsplit("/", 1)[-1] == Path(words).stem]
        return found[0] if len(found) == 1 else None

    def _in_state(self, name: str, state: str) -> bool:
        if state == "failed":
            return self.memory.last_state(name) == "failed"
        if state == "new":
            return self.memory.inputs(name) is None
        if state == "stale":
            return self._decided[name].step is not Step.NOTHING
        known = self.memory.inputs(name)
        if known is None:
            return True
        before, now = dict(known[0]), self.prints.inputs(name)
        # what happens upstream is the upstream notebook's modification
        before.pop("upstream", None)
        now.pop("upstream")
        return hash_of(before) != hash_of(now)

    def require_committed(self, names: Iterable[str]) -> None:
        """Return where these files may be sent to the target; see ``flows.protection``."""
        require_committed(self.settings, [self.project.files[name].path for name in names])

    @cached_property
    def _decided(self) -> dict[str, Decision]:
        return self.decisions(explain=False)

    def _require(self, name: str, what: str) -> None:
        if name not in self.project.upstream:
            raise UsageError(
                f"{what} '{name}', which is no notebook here",
                hint=f"the notebooks are: {', '.join(self.project.upstream)}",
            )

    def _check_notebooks(self, target: NamedTarget) -> None:
        """Raise UsageError for parameters of a notebook that is in no folder of the project."""
        for name in target.notebooks:
            if name not in self.project.upstream and not has_file(self.settings.root, name):
                self._require(name, f"{target.source} gives parameters of")

    def stamp(self) -> str | None:
        """A hash of all that a decision depends on, but for the ledger; None just after a write.

        Costs a listing of the notebooks' and the outputs' folders: nothing is read or parsed.
        """
        if not self.folder.is_dir():
            return None
        files, newest = folder_listing(self.folder)
        if newest > time.time_ns() - _RACY_NS:
            return None
        outputs = self.settings.root / self.settings.required("outputs")
        return hash_of(
            [
                _STAMP_VERSION,
                brickloop.__version__,
                files,
                _names_below(outputs),
                _plain(self._request.parameters),
                _plain(self._request.declared),
                _plain(self.settings.target.parameters if self.settings.target else {}),
                self.settings.required("compute"),
                self.wheel,
            ]
        )

    def all_done(self) -> int | None:
        """The number of notebooks if nothing can be left to do, without reading any of them."""
        known = self.ledger.all_done(self.key, str(self.folder))
        if known is None or known[0] != self.stamp() or self.strayed:
            return None
        # the look may have learned something
        self.ledger.record_all_done(self.key, str(self.folder), *known)
        return known[1]

    def record_all_done(self, stamp: str | None) -> None:
        """Remember that nothing is left to do, if the stamp is still that of ``stamp``."""
        self.deployment.finish()
        if stamp is not None and stamp == self.stamp():
            count = len(self.project.upstream)
            self.ledger.record_all_done(self.key, str(self.folder), stamp, count)


def _declaration(name: str, given: Mapping[str, Any]) -> Observed:
    known = ("reads", "writes", "files")
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UsageError(
            f"'{unknown[0]}' cannot be declared for {name}",
            hint=f"what can be: {', '.join(known)}",
        )
    values: dict[str, tuple[str, ...]] = {}
    for kind, names in given.items():
        if isinstance(names, str) or not all(isinstance(one, str) for one in names):
            raise UsageError(f"{kind} of {name} must be a list of names", where="dodo.py")
        values[kind] = tuple(
            one if kind == "files" else one.replace("`", "").lower() for one in names
        )
    return Observed(
        reads=values.get("reads", ()),
        writes=values.get("writes", ()),
        files=values.get("files", ()),
    )


def _text(notebook: str, key: str, value: Any) -> str:
    try:
        return value if isinstance(value, str) else json.dumps(value)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"parameter {key} of {notebook} cannot be written as JSON: {error}"
        ) from None


def _plain(values: Any) -> Any:
    return json.loads(json.dumps(values, default=str, sort_keys=True))


def _names_below(folder: Path) -> str:
    """A digest of the names in a folder and below it; content does not enter."""
    digest = hashlib.sha256()
    waiting = [str(folder)]
    while waiting:
        current = waiting.pop()
        try:
            with os.scandir(current) as entries:
                found = sorted(
                    (entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries
                )
        except OSError:
            continue
        for name, is_folder in found:
            digest.update(f"{current}/{name}\n".encode("utf-8", "surrogateescape"))
            if is_folder:
                waiting.append(f"{current}/{name}")
    return digest.hexdigest()
