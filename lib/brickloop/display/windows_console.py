"""The console of Windows: it understands escape sequences once it is asked to.

Source: Microsoft, "Console Virtual Terminal Sequences".
"""

from __future__ import annotations

import os
import sys

_STDOUT, _STDERR = -11, -12
_UNDERSTANDS_ESCAPES = 0x0004


def take_escapes() -> None:
    """Have this process's console understand them; where it cannot, none are written.

    Nothing on other systems, and nothing for a file or a pipe.
    """
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.WinDLL("kernel32")
        kernel.GetStdHandle.restype = ctypes.c_void_p
        for number in (_STDOUT, _STDERR):
            handle = ctypes.c_void_p(kernel.GetStdHandle(number))
            mode = ctypes.c_uint32()
            if not kernel.GetConsoleMode(handle, ctypes.byref(mode)):
                continue
            if not kernel.SetConsoleMode(handle, mode.value | _UNDERSTANDS_ESCAPES):
                os.environ["TERM"] = "dumb"
