"""Words on the command line that invoke alone would not take as people mean them.

invoke gives the next word to a positional argument that has none yet, even if that is ``--help``,
and refuses a command whose positional arguments did not all get one. A ``Word`` may be left out,
and ``--help`` is never one.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from invoke import Argument, Task

_HELP = frozenset({"-h", "--help"})
_LETTERS = {"file": "f", "limit": "l", "output": "o", "param": "p", "warehouse": "w"}
_GIVING = frozenset({"handle", "see_positional_arg"})
_BETWEEN = frozenset({"missing_positional_args", "<listcomp>"})


class CommandTask(Task):  # type: ignore[misc]  # invoke has no types
    """A task whose help can be read as often as one likes; invoke's own is used up by reading."""

    help: dict[str, str]

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """The arguments that the command line is read with."""
        kept = dict(self.help)
        try:
            found: list[Argument] = super().get_arguments(ignore_unknown_help=ignore_unknown_help)
            for argument in found:
                # where all letters are taken, invoke makes one of the hyphen
                argument.names = tuple(name for name in argument.names if name != "-")
            return found
        finally:
            self.help = kept


class Word(Argument):  # type: ignore[misc]
    """A positional argument that may be left out, and is "" then.

    The parser asks for its value in two places, and None means "missing" to it: where it has a word
    to give away, and at the end, where what is missing is an error. Only who asks tells them apart.
    """

    after: Argument | None = None
    """The flag without which no word is taken."""

    @property
    def value(self) -> Any:
        """The word; None where one may be given now, "" where there was none."""
        if self._value is not None:
            return self._value
        frame = _asking(sys._getframe(1))
        open_now = frame.f_code.co_name in _GIVING and frame.f_locals.get("token") not in _HELP
        return None if open_now and (self.after is None or self.after.value) else ""

    @value.setter
    def value(self, word: str) -> None:
        self.raw_value = self._value = word


class Words(Word):
    """Positional words, as many as are given, which may be none: a list."""

    @property
    def value(self) -> Any:
        """The words; None where one more may be given now."""
        frame = _asking(sys._getframe(1))
        open_now = frame.f_code.co_name in _GIVING and frame.f_locals.get("token") not in _HELP
        return None if open_now else list(self._value or ())

    @value.setter
    def value(self, word: str) -> None:
        self._value: Any = [*(self._value or ()), word]
        self.raw_value = word


class WordsTask(CommandTask):
    """A command whose one positional argument takes all the words that it is given."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """The arguments that the command line is read with."""
        found: list[Argument] = super().get_arguments(ignore_unknown_help=ignore_unknown_help)
        for place, arg in enumerate(found):
            if arg.positional:
                words = Words(names=arg.names, help=arg.help, positional=True)
                words.attr_name = arg.attr_name
                found[place] = words
        return found


class WordTask(CommandTask):
    """A command whose positional arguments are Words; all but the first stand after ``--chart``."""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """The arguments that the command line is read with."""
        found: list[Argument] = super().get_arguments(ignore_unknown_help=ignore_unknown_help)
        chart = next(arg for arg in found if arg.name == "chart")
        for place, arg in enumerate(found):
            # invoke would give every flag some letter, and -h to one of them
            letter = _LETTERS.get(arg.names[0])
            arg.names = (arg.names[0], letter) if letter else (arg.names[0],)
            if arg.positional:
                word = Word(names=arg.names, help=arg.help, positional=True)
                word.attr_name = arg.attr_name
                word.after = None if arg.name == self.positional[0] else chart
                found[place] = word
        return found


def _asking(frame: FrameType) -> FrameType:
    while frame.f_code.co_name in _BETWEEN and frame.f_back is not None:
        frame = frame.f_back
    return frame
