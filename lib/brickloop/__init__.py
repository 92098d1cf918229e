"""brickloop: the loop between a local editor and a Databricks workspace.

Public names are imported when they are first used, so that ``import brickloop`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brickloop.flows.api import DatabricksAPI
    from brickloop.flows.connections import ConnectionManager
    from brickloop.flows.dev import DevWorkflow
    from brickloop.flows.health import ConnectionHealth
    from brickloop.flows.job_runner import JobRunner
    from brickloop.flows.output import NotebookOutputReader
    from brickloop.flows.workspace_sync import WorkspaceSync
    from brickloop.runtime.notebook_output import NotebookOutput

__version__ = "0.1.0"

_PUBLIC = {
    "ConnectionHealth": "brickloop.flows.health",
    "ConnectionManager": "brickloop.flows.connections",
    "DatabricksAPI": "brickloop.flows.api",
    "DevWorkflow": "brickloop.flows.dev",
    "JobRunner": "brickloop.flows.job_runner",
    "NotebookOutput": "brickloop.runtime.notebook_output",
    "NotebookOutputReader": "brickloop.flows.output",
    "WorkspaceSync": "brickloop.flows.workspace_sync",
}

__all__ = [
    "ConnectionHealth",
    "ConnectionManager",
    "DatabricksAPI",
    "DevWorkflow",
    "JobRunner",
    "NotebookOutput",
    "NotebookOutputReader",
    "WorkspaceSync",
    "__version__",
]


def __getattr__(name: str) -> Any:
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'brickloop' has no attribute '{name}'")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted(__all__)
