"""The flags of the command that this process carries out: they hold wherever settings are read.

A command does much by calling what reads settings itself, a dodo.py among it. So what its flags say
is kept here while it runs, and not handed through every function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class _Given:
    values: Mapping[str, str] = {}


def given_flags() -> Mapping[str, str]:
    """The settings that flags give, by name; those that were not typed are missing."""
    return _Given.values


@contextmanager
def flags(values: Mapping[str, str | None]) -> Iterator[None]:
    """Within, these flags hold too; None and empty text mean that a flag was not typed."""
    before = _Given.values
    _Given.values = {**before, **{name: value for name, value in values.items() if value}}
    try:
        yield
    finally:
        _Given.values = before


@contextmanager
def no_flags() -> Iterator[None]:
    """Within, no flags hold: for the settings of another project than the command was typed for."""
    before = _Given.values
    _Given.values = {}
    try:
        yield
    finally:
        _Given.values = before
