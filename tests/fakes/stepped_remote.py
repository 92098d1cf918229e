"""A workspace's port that counts and stops at each request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brickloop.sync.remote import Remote

Hook = Callable[[str, str, str], None]
_CALLS = {
    "list_folder": "list", "status": "status", "export": "export", "put": "put",
    "delete": "delete", "make_folder": "mkdirs",
}  # fmt: skip


class SteppedRemote:
    """Calls ``hook(phase, call, path)`` before and after each request of another port."""

    def __init__(self, remote: Remote, hook: Hook) -> None:
        self._remote = remote
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        whole = getattr(self._remote, name)

        def send(path: str, *more: object, **options: object) -> object:
            self._hook("before", _CALLS[name], path)
            answer = whole(path, *more, **options)
            self._hook("after", _CALLS[name], path)
            return answer

        return send if name in _CALLS else whole
