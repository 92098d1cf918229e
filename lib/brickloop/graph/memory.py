"""What the ledger remembers of earlier work on one target, as decisions ask for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from brickloop.flows.edges import Observed
from brickloop.graph.fingerprint import RunDigest
from brickloop.sync.ledger import Ledger

ASSUME = "assume"
"""In a task's ``meta``: gives what is remembered of it as done, or the reason why it is not."""
_VALUES = "_values_:"
"""doit's key for what a task's action returned."""
_INPUTS = "inputs"
_DIGEST = "digest"
_OBSERVED = "observed"


class LedgerMemory:
    """The memory of one target; each table of the ledger is read once, when it is first needed."""

    def __init__(self, ledger: Ledger, key: str, uploaded: Mapping[str, str]) -> None:
        self._ledger = ledger
        self._key = key
        self._uploaded = uploaded
        self._done: dict[str, Any] | None = None
        self._states: dict[str, str] | None = None

    def uploaded(self, name: str) -> str | None:
        """Content hash of what was last sent under a name."""
        return self._uploaded.get(name)

    def done(self, basename: str, notebook: str) -> str | None:
        """Fingerprint with which ``run`` or ``fetch`` of a notebook was done last."""
        if self._done is None:
            self._done = self._ledger.task_values(self._key, _VALUES)
        values = self._done.get(f"{basename}:{task_name(notebook)}")
        return values.get("fingerprint") if isinstance(values, dict) else None

    def last_state(self, notebook: str) -> str | None:
        """State of the run that was asked for last."""
        if self._states is None:
            self._states = self._ledger.run_states(self._key)
        return self._states.get(notebook)

    def inputs(self, notebook: str) -> tuple[Mapping[str, Any], Mapping[int, str]] | None:
        """What the last run that succeeded was made of, and the hashes of its cells."""
        found = self._ledger.fact(_INPUTS, f"{self._key}|{notebook}")
        if found is None:
            return None
        return found["inputs"], {int(cell): sha for cell, sha in found["cells"]}

    def record_inputs(
        self, notebook: str, inputs: Mapping[str, Any], cells: tuple[tuple[int, str], ...]
    ) -> None:
        """Remember what a run that succeeded was made of."""
        self._ledger.record_fact(
            _INPUTS, f"{self._key}|{notebook}", {"inputs": dict(inputs), "cells": cells}
        )

    def observed(self) -> dict[str, Observed]:
        """What each notebook's last run was seen to read and write."""
        return {
            name: Observed(
                tuple(found["reads"]), tuple(found["writes"]), tuple(found["files"]), found["code"]
            )
            for name, found in self._ledger.facts(f"{_OBSERVED}|{self._key}").items()
        }

    def record_observed(self, notebook: str, seen: Observed) -> None:
        """Remember what a run was seen to read and write."""
        self._ledger.record_fact(f"{_OBSERVED}|{self._key}", notebook, asdict(seen))

    def digest(self, notebook: str) -> RunDigest | None:
        """What the last run put into its tables, None where that is not known."""
        found = self._ledger.fact(_DIGEST, f"{self._key}|{notebook}")
        return RunDigest(found["fingerprint"], found["tables"]) if found else None

    def record_digest(self, notebook: str, digest: RunDigest) -> None:
        """Remember what a run put into its tables."""
        value = {"fingerprint": digest.fingerprint, "tables": dict(digest.tables)}
        self._ledger.record_fact(_DIGEST, f"{self._key}|{notebook}", value)

    def to_json(self, notebooks: Iterable[str]) -> dict[str, Any]:
        """All that is remembered, as JSON types."""
        facts = {
            kind: {
                name: value
                for name in notebooks
                if (value := self._ledger.fact(kind, f"{self._key}|{name}")) is not None
            }
            for kind in (_INPUTS, _DIGEST)
        }
        facts[_OBSERVED] = self._ledger.facts(f"{_OBSERVED}|{self._key}")
        return {**self._ledger.rows_of(self._key), "facts": facts}

    def restore(self, data: Mapping[str, Any]) -> None:
        """Remember what ``to_json`` gave, and nothing else of this target."""
        self._ledger.restore_rows(self._key, dict(data))
        for kind in (_INPUTS, _DIGEST):
            for name, value in data["facts"][kind].items():
                self._ledger.record_fact(kind, f"{self._key}|{name}", value)
        for name, value in data["facts"][_OBSERVED].items():
            self._ledger.record_fact(f"{_OBSERVED}|{self._key}", name, value)


def notebook_name(task: str) -> str:
    """The notebook of a task such as ``run:02_clean``."""
    return task.partition(":")[2].replace("%3D", "=").replace("%25", "%")


def task_name(notebook: str) -> str:
    """A notebook's name as doit takes it: the equals sign is kept for parameters."""
    return notebook.replace("%", "%25").replace("=", "%3D")
