"""The fingerprint of a run: equal inputs, equal fingerprint, on any machine; and what changed."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from brickloop.flows.edges import short_name
from brickloop.flows.project import Project

_VERSION = 2


@dataclass(frozen=True)
class RunDigest:
    """What a run put into its tables, where that is known."""

    fingerprint: str
    """Of the run that made them."""
    tables: Mapping[str, str]
    """Digest of each table's data, whatever files hold it, by ``schema.table``."""


class Fingerprints:
    """The fingerprint of each notebook's run, worked out when it is asked for.

    Made of the code it runs, every file it reaches, its parameters, compute, the runtime wheel's
    name (which holds its content's hash) and the runs before it: by the data that they left where
    that is known, else by their fingerprints. So a run that leaves the same data outdates nobody.
    """

    def __init__(
        self,
        project: Project,
        parameters: Mapping[str, Mapping[str, str]],
        compute: str,
        wheel: str,
        digest_of: Callable[[str], RunDigest | None] = lambda _name: None,
    ) -> None:
        self._project = project
        self._parameters = parameters
        self._compute = compute
        self._wheel = wheel
        self._digest_of = digest_of
        self._lock = threading.RLock()
        self._known: dict[str, str] = {}
        self._digests: dict[str, RunDigest | None] = {}
        self._left: Mapping[str, str] = {}
        self._seen: dict[str, tuple[Mapping[str, tuple[str, ...]], tuple[str, ...]]] = {}

    def of(self, name: str) -> str:
        """The fingerprint of a notebook's run as things stand."""
        with self._lock:
            if name not in self._known:
                # upstream first, by hand: a chain may be longer than Python's stack
                waiting = [name]
                while waiting:
                    missing = [
                        before
                        for before in self._project.upstream[waiting[-1]]
                        if before not in self._known
                    ]
                    if missing:
                        waiting += missing
                    else:
                        done = waiting.pop()
                        self._known[done] = hash_of(self.inputs(done))
            return self._known[name]

    def own(self, name: str) -> str:
        """A hash of what a notebook's run is made of, without what comes before it."""
        inputs = self.inputs(name)
        inputs["upstream"] = [before for before, _ in inputs["upstream"]]
        return hash_of(inputs)

    def inputs(self, name: str) -> dict[str, Any]:
        """What the fingerprint is made of, as JSON types."""
        project = self._project
        notebook = project.files[name]
        more, files = self._seen.get(name, ({}, ()))
        reached = []
        for other in sorted({*project.reaches[name], *files}):
            file = project.files[other]
            # of another notebook only what is run counts, of a file every byte
            reached.append([other, file.facts.code if file.is_notebook else file.sha256])
        return {
            "version": _VERSION,
            "code": notebook.facts.code,
            "reaches": reached,
            "parameters": dict(sorted(self._parameters.get(name, {}).items())),
            "compute": self._compute,
            "wheel": self._wheel,
            "upstream": [
                [before, self._mark(name, before)]
                for before in sorted({*project.upstream[name], *more})
            ],
        }

    def tables_between(self, before: str, name: str) -> dict[str, str]:
        """The tables that one notebook makes and another one reads: ``schema.table`` to full name.

        A text may name a table without its catalog, and a run is seen to read it with it.
        """
        more = self._seen.get(name, ({}, ()))[0].get(before, ())
        known = self._project.tables.edges_of(name).get(before, ())
        # the longest name last, so that it is kept
        return {short_name(table): table for table in sorted({*known, *more}, key=_parts)}

    def extend(
        self, name: str, upstream: Mapping[str, tuple[str, ...]], files: Iterable[str]
    ) -> None:
        """Count what a run was seen to depend on among its inputs, as the next look at it will."""
        with self._lock:
            self._seen[name] = (dict(upstream), tuple(files))
            for after in downstream(self._project, [name]):
                self._known.pop(after, None)

    def leave(self, names: Mapping[str, str]) -> None:
        """Count these notebooks as they were last run, by the fingerprint of that run.

        For runs of notebooks whose upstream is not up to date and is not to be run now: they see
        the data of its last run, and must run again once it has run.
        """
        with self._lock:
            self._left = dict(names)
            self._known.clear()

    def forget(self, name: str) -> None:
        """After a run: its digest, and the fingerprints of what comes after, are looked up anew."""
        with self._lock:
            self._digests.pop(name, None)
            for after in downstream(self._project, [name]):
                if after != name:
                    self._known.pop(after, None)

    def _mark(self, name: str, before: str) -> str:
        """What stands for an upstream run: the data it left for this notebook, or its inputs."""
        fingerprint = self._left.get(before) or self.of(before)
        if before not in self._digests:
            self._digests[before] = self._digest_of(before)
        left = self._digests[before]
        if left is None or left.fingerprint != fingerprint:
            return fingerprint
        shared = self.tables_between(before, name)
        marks = [[table, left.tables.get(table)] for table in sorted(shared)]
        if not marks or any(mark is None for _, mark in marks):
            return fingerprint
        return f"data {hash_of(marks)}"


def _parts(table: str) -> int:
    return table.count(".")


def hash_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def downstream(project: Project, names: list[str]) -> set[str]:
    """The notebooks and all that come after them."""
    found = set(names)
    # in the project's order a notebook stands behind all that it depends on
    for name, before in project.upstream.items():
        if name not in found and not found.isdisjoint(before):
            found.add(name)
    return found


def changes(
    before: Mapping[str, Any] | None,
    now: Mapping[str, Any],
    cells_before: Mapping[int, str],
    cells_now: Mapping[int, str],
    name: str,
) -> Iterator[str]:
    """What is different between two sets of inputs, in words; nothing where they are equal."""
    if before is None:
        yield "never run here"
        return
    if before.get("version") != now["version"]:
        yield "the way fingerprints are made has changed"
    if before.get("code") != now["code"]:
        yield _changed_cells(cells_before, cells_now, name)
    yield from _changed_map(dict(before.get("reaches", [])), dict(now["reaches"]), "file")
    yield from _changed_map(before.get("parameters", {}), now["parameters"], "parameter")
    if before.get("compute") != now["compute"]:
        yield f"compute was {before.get('compute')}, is {now['compute']}"
    if before.get("wheel") != now["wheel"]:
        yield "brickloop's runtime wheel changed"
    yield from _changed_map(dict(before.get("upstream", [])), dict(now["upstream"]), "upstream")


def _changed_cells(before: Mapping[int, str], now: Mapping[int, str], name: str) -> str:
    if not before:
        return f"the code of {name} changed"
    if len(before) != len(now):
        was, are = len(before), len(now)
        return f"{name} has {are} code cell{'' if are == 1 else 's'}, had {was}"
    changed = [
        str(number)
        for (number, sha), old in zip(now.items(), before.values(), strict=True)
        if sha != old
    ]
    if not changed:
        return f"the order of cells of {name} changed"
    noun = "cell" if len(changed) == 1 else "cells"
    return f"{noun} {', '.join(changed)} of {name} changed"


def _changed_map(before: Mapping[str, Any], now: Mapping[str, Any], what: str) -> Iterator[str]:
    for key in sorted(before.keys() | now.keys()):
        if key not in before:
            yield f"{what} {key} is new"
        elif key not in now:
            yield f"{what} {key} is gone"
        elif before[key] != now[key]:
            yield f"{what} {key} changed"
