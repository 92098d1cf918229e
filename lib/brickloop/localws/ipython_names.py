"""The few names of IPython that notebooks use, without IPython.

A Databricks notebook runs in IPython; here there is only what notebooks ask of it: the shell's
namespace, and ways to display.
"""

from __future__ import annotations

import base64
import sys
import types
from collections.abc import Callable
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from brickloop.localws.display_hooks import Display


class Shell:
    """What ``get_ipython()`` gives."""

    def __init__(
        self, namespace: dict[str, Any], run_line_magic: Callable[[str, str], Any]
    ) -> None:
        self.user_ns = namespace
        self.user_global_ns = namespace
        self.kernel = None
        self.events = Events()
        self._run_line_magic = run_line_magic

    def run_line_magic(self, magic_name: str, line: str = "", **_options: Any) -> Any:
        """Run ``%magic_name line``."""
        return self._run_line_magic(magic_name, line)

    def magic(self, arg_s: str) -> Any:
        """Run a line magic written as one text."""
        word, _, rest = arg_s.partition(" ")
        return self._run_line_magic(word, rest)

    def set_custom_exc(self, *_args: Any) -> None:
        """Nothing to set: errors are shown as they are."""


class Events:
    """What libraries hook their drawing to; cells show figures at their end anyhow."""

    def register(self, event: str, function: Callable[..., Any]) -> None:
        """Nothing to call back."""

    unregister = register


class HTML:
    """HTML to be displayed."""

    def __init__(self, data: Any = None, **_options: Any) -> None:
        self.data = str(data)

    def _repr_html_(self) -> str:
        return self.data


class Markdown:
    """Markdown to be displayed; shown as it is written."""

    def __init__(self, data: Any = None, **_options: Any) -> None:
        self.data = str(data)

    def __repr__(self) -> str:
        return self.data


class Image:
    """A PNG or JPEG picture to be displayed, from bytes or a file."""

    def __init__(
        self, data: Any = None, url: Any = None, filename: Any = None, **_options: Any
    ) -> None:
        if url is not None:
            raise ValueError("UNSUPPORTED: an image from an address; pass its bytes or a file")
        if isinstance(data, str):
            filename = data
        self.data = data if isinstance(data, bytes) else Path(filename).read_bytes()

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, str]:
        mime = "image/png" if self.data.startswith(b"\x89PNG") else "image/jpeg"
        return {mime: base64.b64encode(self.data).decode()}


class SVG:
    """An SVG picture to be displayed."""

    def __init__(self, data: Any = None, **_options: Any) -> None:
        self.data = str(data)

    def _repr_svg_(self) -> str:
        return self.data


class IPythonNames(MetaPathFinder, Loader):
    """Provides ``IPython`` when it is imported and not installed.

    It is not put into ``sys.modules`` before: libraries that see it there behave otherwise.
    """

    def __init__(self, display: Display, shell: Shell) -> None:
        self._modules = _modules(display, shell)

    def find_spec(
        self, fullname: str, path: Any = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """A spec for one of the modules."""
        if fullname not in self._modules:
            return None
        return ModuleSpec(fullname, self, is_package=fullname in {"IPython", "IPython.core"})

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """The module, which is complete already."""
        return self._modules[spec.name]

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing to run."""


def _modules(display: Display, shell: Shell) -> dict[str, types.ModuleType]:
    top: Any = types.ModuleType("IPython")
    shown: Any = types.ModuleType("IPython.display")
    core: Any = types.ModuleType("IPython.core")
    top.version_info = (9, 0, 0)
    top.get_ipython = lambda: shell
    for each in (HTML, Markdown, Image, SVG):
        setattr(shown, each.__name__, each)
    top.display = shown
    shown.display = display.display
    shown.clear_output = lambda *_args, **_options: None
    top.core = core
    core.display = shown
    return {
        "IPython": top,
        "IPython.display": shown,
        "IPython.core": core,
        "IPython.core.display": shown,
    }


def use_our_display(display: Display) -> None:
    """Make an installed IPython show things in the notebook; it has no shell to do it with."""
    main: Any = sys.modules["__main__"]
    top: Any = sys.modules["IPython"]
    shown: Any = sys.modules.get("IPython.display")
    if "get_ipython" in vars(main):
        top.get_ipython = main.get_ipython
    if shown is not None:
        shown.display = display.display
