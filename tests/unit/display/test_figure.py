"""Figures on terminals of different abilities."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from tests.unit.display.samples import on_terminal, png

from brickloop.display.figure import show_figure

PLAIN = "[figure, image/png, 230 bytes] outputs/n.png"


def shown(monkeypatch, mime="image/png", data=None, **env):
    data = png() if data is None else data

    def show():
        show_figure(mime, data, Path("outputs/n.png"))

    return on_terminal(monkeypatch, show, 80, **env)


def test_piped_and_where_links_are_not_known_the_path_is_written(monkeypatch, capsys):
    show_figure("image/png", png(), Path("outputs/n.png"))
    assert capsys.readouterr().out == PLAIN + "\n"
    assert shown(monkeypatch) == PLAIN + "\n"
    assert "\x1b" not in shown(monkeypatch, TERM_PROGRAM="vscode", TMUX="/tmp/x,1,0")


@pytest.mark.parametrize(
    "env",
    [
        {"TERM_PROGRAM": "vscode"},
        {"VTE_VERSION": "7200"},
        {"FORCE_HYPERLINK": "1", "TMUX": "/tmp/x,1,0"},
    ],
)
def test_a_link_where_the_terminal_has_links(monkeypatch, env):
    seen = shown(monkeypatch, **env)
    path = Path("outputs/n.png").resolve().as_uri()
    assert f"\x1b]8;;{path}\x1b\\outputs/n.png\x1b]8;;\x1b\\" in seen


def test_the_image_itself_in_iterm_and_kitty(monkeypatch):
    iterm = shown(monkeypatch, TERM_PROGRAM="iTerm.app")
    found = re.search(r"\x1b\]1337;File=inline=1;size=230;width=auto:([\w+/=]+)\x07", iterm)
    assert base64.b64decode(found[1]) == png()
    kitty = shown(monkeypatch, TERM="xterm-kitty")
    parts = re.findall(r"\x1b_G([^;]*);([\w+/=]*)\x1b\\", kitty)
    assert base64.b64decode("".join(data for _, data in parts)) == png()
    assert parts[0][0].startswith("a=T,f=100")
    assert parts[-1][0].endswith("m=0")


def test_a_coarse_preview_with_24_bit_colours(monkeypatch):
    seen = shown(monkeypatch, COLORTERM="truecolor")
    assert seen.count("▀") == 54 * 18
    assert "\x1b[38;2;" in seen
    assert "▀" not in shown(monkeypatch, COLORTERM="truecolor", NO_COLOR="1")


@pytest.mark.parametrize(
    "data", [b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, png()[:60], png(30_000, 1)[:100]]
)
def test_what_is_no_image_is_a_link(monkeypatch, data):
    seen = shown(monkeypatch, data=data, COLORTERM="truecolor")
    assert seen == f"[figure, image/png, {len(data)} bytes] outputs/n.png\n"


def test_what_is_no_image_is_not_sent_inline(monkeypatch):
    assert "\x1b_G" not in shown(monkeypatch, data=b"no image", TERM="xterm-kitty")


def test_a_huge_image_is_not_unpacked(monkeypatch):
    bomb = bytearray(png())
    bomb[16:24] = (100_000).to_bytes(4, "big") * 2
    assert "▀" not in shown(monkeypatch, data=bytes(bomb), COLORTERM="truecolor")
