"""invoke: the commands of a project, gathered by ``namespace()``."""

from __future__ import annotations

import os
import sys

# invoke switches compiled bytecode off, so every later import would be compiled again at each call
sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))

from brickloop.tasks.namespace import namespace  # noqa: E402  the line above must come first

__all__ = ["namespace"]
