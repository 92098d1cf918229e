"""Figures on a terminal: a link to the file, and the image itself where the terminal shows it."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path

from brickloop.display import console
from brickloop.model.plain import figure_line
from brickloop.model.text import one_line

_BEGINNINGS = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8"}
_LARGEST_INLINE = 4 * 1024 * 1024
_MOST_PIXELS = 40_000_000
_CHUNK = 4096
_PREVIEW_COLUMNS = 72
_PREVIEW_LINES = 18
_LINKING = {"iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "Tabby", "rio"}
_INLINE_ITERM = {"iTerm.app", "WezTerm"}
_LINKING_TERMS = ("xterm-kitty", "alacritty", "foot", "xterm-ghostty", "wezterm")


def show_figure(mime: str | None, data: bytes | None, saved: Path | None) -> None:
    """Show a figure as the terminal can: inline, as a coarse preview, and always by its file."""
    if not console.is_terminal():
        console.write(figure_line(mime, data, shown_path(saved) if saved else ""))
        return
    if data is not None and mime in _BEGINNINGS and data.startswith(_BEGINNINGS[mime]):
        picture = _inline(mime, data) or (_preview(data) if mime == "image/png" else "")
        if picture:
            console.write(picture)
    line = figure_line(mime, data, "")
    console.write(f"{line} {link(shown_path(saved), saved)}" if saved else line)


def shown_path(path: Path) -> str:
    """A path as a person would type it here."""
    whole = path.resolve()
    here = Path.cwd()
    return one_line(str(whole.relative_to(here) if whole.is_relative_to(here) else path))


def link(text: str, path: Path) -> str:
    """The text, as a link to a local file where the terminal has links (OSC 8)."""
    if not has_links():
        return text
    return f"\x1b]8;;{path.resolve().as_uri()}\x1b\\{text}\x1b]8;;\x1b\\"


def has_links() -> bool:
    """Whether the terminal is one that is known to have links; others might print them raw."""
    wanted = os.environ.get("FORCE_HYPERLINK")
    if not console.is_terminal() or wanted == "0":
        return False
    if wanted:
        return True
    if os.environ.get("TMUX") or os.environ.get("TERM", "").startswith("screen"):
        return False
    version = os.environ.get("VTE_VERSION", "")
    return (
        os.environ.get("TERM_PROGRAM") in _LINKING
        or os.environ.get("TERM", "").startswith(_LINKING_TERMS)
        or (version.isdigit() and int(version) >= 5000)
        or any(
            os.environ.get(name) for name in ("KITTY_WINDOW_ID", "WT_SESSION", "KONSOLE_VERSION")
        )
    )


def _inline(mime: str, data: bytes) -> str:
    """The image in the terminal's own protocol; empty where it has none that is known."""
    if len(data) > _LARGEST_INLINE or os.environ.get("TMUX"):
        return ""
    encoded = base64.b64encode(data).decode("ascii")
    term = os.environ.get("TERM", "")
    if os.environ.get("TERM_PROGRAM") in _INLINE_ITERM:
        return f"\x1b]1337;File=inline=1;size={len(data)};width=auto:{encoded}\x07"
    if mime == "image/png" and term in {"xterm-kitty", "xterm-ghostty"}:
        parts = [encoded[at : at + _CHUNK] for at in range(0, len(encoded), _CHUNK)]
        last = len(parts) - 1
        return "".join(
            f"\x1b_G{'a=T,f=100,q=2,' if at == 0 else ''}m={int(at < last)};{part}\x1b\\"
            for at, part in enumerate(parts)
        )
    return ""


def _preview(data: bytes) -> str:
    """The image in half blocks, coarse as it is; empty without 24-bit colours."""
    if os.environ.get("COLORTERM") not in {"truecolor", "24bit"} or not console.has_colour():
        return ""
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if not 0 < width * height <= _MOST_PIXELS:
        return ""
    try:
        from PIL import Image
    except ImportError:
        return ""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            columns = min(_PREVIEW_COLUMNS, console.width())
            # a half block is about as high as it is wide
            rows = round(columns * image.height / max(image.width, 1) / 2) * 2
            if rows > 2 * _PREVIEW_LINES:
                columns = max(columns * 2 * _PREVIEW_LINES // rows, 1)
                rows = 2 * _PREVIEW_LINES
            flat = Image.new("RGB", image.size, "white")
            whole = image.convert("RGBA")
            flat.paste(whole, mask=whole.getchannel("A"))
            small = flat.resize((columns, max(rows, 2)), Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError):
        # what is no image stays a link
        return ""
    pixels = memoryview(small.tobytes())
    lines = []
    for top in range(0, small.height - 1, 2):
        line = []
        for x in range(small.width):
            above, below = (pixels[(y * small.width + x) * 3 :][:3] for y in (top, top + 1))
            colours = ";".join(map(str, (38, 2, *above, 48, 2, *below)))
            line.append(f"\x1b[{colours}m▀")
        lines.append("".join(line) + "\x1b[0m")
    return "\n".join(lines)
