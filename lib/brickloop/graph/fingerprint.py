"""The fingerprint of a run: equal inputs, equal fingerprint, on any machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from brickloop.flows.project import Project

_VERSION = 1


def fingerprints(
    project: Project,
    parameters: Mapping[str, Mapping[str, str]],
    compute: str,
    wheel: str,
) -> dict[str, str]:
    """The fingerprint of each notebook's run.

    Made of the code it runs, every file it reaches, its parameters, compute, the runtime wheel's
    name (which holds its content's hash) and the fingerprints of the runs before it.
    """
    found: dict[str, str] = {}
    for notebook in project.notebooks:
        reached = []
        for name in project.reaches[notebook.name]:
            file = project.files[name]
            # of another notebook only what is run counts, of a file every byte
            reached.append([name, file.facts.code if file.is_notebook else file.sha256])
        parts = {
            "version": _VERSION,
            "code": notebook.facts.code,
            "reaches": reached,
            "parameters": dict(sorted(parameters.get(notebook.name, {}).items())),
            "compute": compute,
            "wheel": wheel,
            "upstream": [found[name] for name in project.upstream[notebook.name]],
        }
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        found[notebook.name] = hashlib.sha256(text.encode()).hexdigest()
    return found
