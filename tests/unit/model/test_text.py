"""Foreign text on a terminal."""

from hypothesis import given
from hypothesis import strategies as st

from brickloop.model.text import harmless, one_line


def test_escape_sequences_go_and_control_characters_are_shown():
    assert harmless("a\x1b[2Jb\x1b]0;title\x07c") == "abc"
    assert harmless("bell\x07 back\x08 \x9b31m") == "bell\\x07 back\\x08 \\x9b31m"
    assert harmless("line\r\nnext\rlast\tend") == "line\nnext\nlast\tend"
    assert "\u202e" not in harmless("\u202eevil")
    assert harmless("\u202e\u200f") == "\\u202e\\u200f"
    assert harmless("half \ud83d of one") == "half \ufffd of one"


def test_a_sequence_without_its_end_hides_nothing():
    assert harmless("a\x1b]0;the rest\nand more") == "a0;the rest\nand more"
    assert harmless("a\x1bPthe rest") == "athe rest"
    assert harmless("a\x1b") == "a"
    assert harmless("\x1b]" + "x" * 5000 + "\x07") == "x" * 5000 + "\\x07"


def test_one_line():
    assert one_line("a\nb\tc\x1b[1md") == "a⏎b cd"


@given(st.text())
def test_nothing_that_moves_a_cursor_is_left(text):
    assert not any(
        (ord(char) < 32 and char not in "\n\t") or 127 <= ord(char) < 160 for char in harmless(text)
    )
