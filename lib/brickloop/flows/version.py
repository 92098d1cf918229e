"""What is installed here, in a few lines: brickloop, Python, the engine, the clients."""

from __future__ import annotations

import importlib.metadata
import platform

import brickloop

_PACKAGES = ("pysail", "pyspark-client", "databricks-sdk", "databricks-sql-connector")


def version_facts() -> dict[str, str | None]:
    """The version of each part by its name, None for what is not installed."""
    found: dict[str, str | None] = {
        "brickloop": brickloop.__version__,
        "python": platform.python_version(),
    }
    for name in (*_PACKAGES, "doit", "invoke"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found
