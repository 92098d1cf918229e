"""Figures of any kind as the bytes of an image."""

from __future__ import annotations

import io
import os
import xml.etree.ElementTree
from typing import Any

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_DPI = 110
_PIXELS = 4000
SUFFIXES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/svg+xml": "svg",
    "text/html": "html",
}
"""The file ending of each kind of figure."""


def read_figure(figure: Any) -> tuple[str, bytes]:
    """MIME type and bytes of a figure.

    Takes figures and axes of matplotlib (and of what is built on it), of plotly, images of Pillow,
    PNG and JPEG bytes, SVG text, a path to such a file, and whatever shows itself to notebooks as
    PNG or SVG. A plotly figure is drawn where kaleido is there, else it becomes a page
    (``text/html``) that draws itself. Raises ValueError for what is no image.
    """
    if isinstance(figure, os.PathLike):
        with open(figure, "rb") as file:  # noqa: PTH123 - a path of any class
            figure = file.read()
    if isinstance(figure, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(figure))
    if isinstance(figure, str):
        return _from_svg(figure)
    if hasattr(figure, "to_plotly_json"):
        return _from_plotly(figure)
    return _from_object(figure)


def _from_bytes(data: bytes) -> tuple[str, bytes]:
    if data.startswith(_PNG):
        if _is_whole_png(data):
            return "image/png", data
        raise ValueError("these bytes are no PNG image: they begin like one and are not whole")
    if data.startswith(_JPEG):
        if data.rstrip(b"\0").endswith(b"\xff\xd9"):
            return "image/jpeg", data
        raise ValueError("these bytes are no JPEG image: they begin like one and are not whole")
    if b"<svg" in data[:2000]:
        return _from_svg(data.decode("utf-8", "replace"))
    raise ValueError("these bytes are no image: give PNG, JPEG or SVG")


def _is_whole_png(data: bytes) -> bool:
    """Whether a PNG's blocks follow each other from the header to the end mark."""
    at, first = len(_PNG), True
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if first and (kind != b"IHDR" or length != 13):
            return False
        first = False
        at += 12 + length
        if kind == b"IEND":
            return at <= len(data)
    return False


def _from_svg(text: str) -> tuple[str, bytes]:
    if "<svg" not in text[:2000]:
        raise ValueError("this text is no SVG image")
    data = text.encode("utf-8", "replace")
    try:
        root = xml.etree.ElementTree.fromstring(data)
    except (xml.etree.ElementTree.ParseError, ValueError) as error:
        raise ValueError(f"this text is no SVG image: {error}") from None
    if root.tag.rpartition("}")[2] != "svg":
        raise ValueError("this text is no SVG image")
    return "image/svg+xml", data


def _from_plotly(figure: Any) -> tuple[str, bytes]:
    try:
        return "image/png", bytes(figure.to_image(format="png"))
    except Exception:
        # drawing takes kaleido and a browser, which few clusters have
        page = figure.to_html(full_html=True, include_plotlyjs=True)
        return "text/html", str(page).encode("utf-8", "replace")


def _from_object(figure: Any) -> tuple[str, bytes]:
    given = figure
    for way in ("get_figure", "gcf"):
        # axes, and matplotlib.pyplot itself
        if hasattr(figure, way) and not hasattr(figure, "get_size_inches"):
            figure = getattr(figure, way)()
    if not hasattr(figure, "savefig") and hasattr(figure, "figure"):
        figure = figure.figure
    if hasattr(figure, "savefig"):
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=_dpi_of(figure), bbox_inches="tight")
        return "image/png", buffer.getvalue()
    if type(given).__module__.startswith("PIL."):
        buffer = io.BytesIO()
        given.save(buffer, format="PNG")
        return "image/png", buffer.getvalue()
    if callable(getattr(given, "_repr_png_", None)):
        shown = given._repr_png_()
        if shown:
            return _from_bytes(bytes(shown))
    if callable(getattr(given, "_repr_svg_", None)):
        shown = given._repr_svg_()
        if shown:
            return _from_svg(str(shown))
    raise ValueError(
        f"{type(given).__name__} is no figure: give matplotlib, plotly, PNG bytes or SVG"
    )


def _dpi_of(figure: Any) -> float:
    """Dots per inch that keep the longer side within 4,000 pixels."""
    sizes = figure.get_size_inches() if hasattr(figure, "get_size_inches") else (1, 1)
    return min(_DPI, _PIXELS / max(1.0, *(float(size) for size in sizes)))
