"""``--target``, ``--profile`` and ``--force``: the flags of every command that meets a workspace.

``@command(workspace="reads")`` and ``"sends"`` add those that a command's function does not have.
What is typed holds in ``load_settings`` while the command runs; the function need not pass it on.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

from brickloop.config.flags import flags

Workspace = Literal["reads", "sends"]
"""Whether a command sends what a protected target takes from a clean git tree alone."""
FORCE = "send to a protected target also what is not committed"
HELP = {
    "target": "which of [tool.brickloop.targets] is meant: its workspace, folder and settings",
    "profile": "profile of .databrickscfg; 'local' is the local workspace",
    "force": FORCE,
}
_DEFAULTS: dict[str, Any] = {"target": "", "profile": "", "force": False}


def taking_flags(
    function: Callable[..., None], workspace: Workspace, help: Mapping[str, str]
) -> tuple[Callable[..., None], dict[str, str]]:
    """A command's function that takes the flags too, and the help for all that it takes."""
    names = ["target", "profile", *(["force"] if workspace == "sends" else [])]
    signature = inspect.signature(function)
    added = [name for name in names if name not in signature.parameters]

    @functools.wraps(function)
    def taking(*args: Any, **kwargs: Any) -> None:
        typed = {name: kwargs.get(name) for name in names}
        for name in added:
            kwargs.pop(name, None)
        with flags({name: "1" if value is True else value for name, value in typed.items()}):
            function(*args, **kwargs)

    kind = inspect.Parameter.KEYWORD_ONLY
    more = [inspect.Parameter(name, kind, default=_DEFAULTS[name]) for name in added]
    taking.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *more]
    )
    return taking, {**{name: HELP[name] for name in names}, **help}
