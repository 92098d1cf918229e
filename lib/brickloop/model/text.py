"""Text that came from elsewhere, made harmless for a terminal."""

from __future__ import annotations

import re
import unicodedata

# a sequence without its end is not let to swallow what follows it
_ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\)|[^\n])?"
)
# C0, DEL, C1, what turns the direction of text around, and halves of a character
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def harmless(text: str) -> str:
    r"""The text without escape sequences; other control characters are shown as ``\xNN``.

    Tabs and line ends stay; a carriage return counts as a line end.
    """
    text = _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _CONTROL.sub(_shown, text)


def one_line(text: str) -> str:
    """The text harmless and on one line, as titles and cells of tables are shown."""
    return harmless(text).replace("\n", "⏎").replace("\t", " ")


def display_width(text: str) -> int:
    """How many columns of a terminal a text without control characters takes."""
    if text.isascii():
        return len(text)
    return sum(_char_width(char) for char in text)


def cut_to_width(text: str, width: int) -> str:
    """The text, or its beginning and ``…`` where it takes more columns than ``width``."""
    if display_width(text) <= width:
        return text
    left = width - 1
    kept = []
    for char in text:
        left -= _char_width(char)
        if left < 0:
            break
        kept.append(char)
    return "".join(kept) + "…"


def write_duration(ms: float) -> str:
    """A duration as people say it: ``83 ms``, ``1.2 s``, ``2:05 min``, ``1:02:05 h``."""
    if ms < 1000:
        return f"{max(ms, 0):.0f} ms"
    if ms < 59_950:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d} h" if hours else f"{minutes}:{seconds:02d} min"


def _char_width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def _shown(found: re.Match[str]) -> str:
    code = ord(found.group())
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
