"""The console of Windows, as far as its calls can be doubled here."""

from __future__ import annotations

import ctypes
import os
import sys
from types import SimpleNamespace

import pytest

from brickloop.display.windows_console import take_escapes


class Kernel:
    """kernel32 with two handles: a console each, or a file."""

    def __init__(self, modes, can):
        self.modes, self.can = modes, can

        def std_handle(number):
            return -number

        def get_mode(handle, mode):
            known = self.modes.get(handle.value)
            if known is None:
                return 0
            mode._obj.value = known
            return 1

        def set_mode(handle, mode):
            if self.can:
                self.modes[handle.value] = mode
            return int(self.can)

        # functions take attributes, as those of a library do
        self.GetStdHandle, self.GetConsoleMode, self.SetConsoleMode = std_handle, get_mode, set_mode


@pytest.mark.parametrize(
    ("modes", "can", "after", "dumb"),
    [
        ({11: 3, 12: 3}, True, {11: 7, 12: 7}, False),
        ({11: 3}, True, {11: 7}, False),
        ({}, True, {}, False),
        ({11: 3, 12: 3}, False, {11: 3, 12: 3}, True),
    ],
)
def test_a_console_is_asked_to_and_one_that_cannot_gets_none(monkeypatch, modes, can, after, dumb):
    kernel = Kernel(modes, can)
    monkeypatch.setenv("TERM", "")
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "WinDLL", lambda _name: kernel, raising=False)
    take_escapes()
    assert modes == after
    assert (os.environ["TERM"] == "dumb") is dumb


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "WinDLL", SimpleNamespace, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    take_escapes()
    assert os.environ["TERM"] == "xterm"
