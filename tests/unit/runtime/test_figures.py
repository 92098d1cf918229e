"""Figures of every library as the bytes of an image; what is none is refused."""

from __future__ import annotations

import io

import pytest
from tests.fakes.notebook import png

from brickloop.runtime.figures import read_figure

SVG = "<?xml version='1.0'?><!-- c --><svg xmlns='http://www.w3.org/2000/svg'/>"


def test_matplotlib_figures_axes_and_the_module_itself():
    import matplotlib

    matplotlib.use("agg")
    import PIL.Image
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot([1, 2])
    try:
        for given in (figure, axes, pyplot):
            mime, data = read_figure(given)
            assert mime == "image/png"
            PIL.Image.open(io.BytesIO(data)).verify()
        huge = pyplot.figure(figsize=(100, 1))
        _, data = read_figure(huge)
        assert max(PIL.Image.open(io.BytesIO(data)).size) <= 4100
    finally:
        pyplot.close("all")
    assert read_figure(PIL.Image.new("L", (2, 2)))[0] == "image/png"


def test_bytes_text_and_files(tmp_path):
    assert read_figure(png()) == ("image/png", png())
    assert read_figure(bytearray(png()))[1] == png()
    (tmp_path / "a.png").write_bytes(png())
    assert read_figure(tmp_path / "a.png") == ("image/png", png())
    assert read_figure(SVG) == ("image/svg+xml", SVG.encode())
    assert read_figure(SVG.encode())[0] == "image/svg+xml"
    jpeg = b"\xff\xd8\xff\xe0 anything \xff\xd9"
    assert read_figure(jpeg) == ("image/jpeg", jpeg)


class Plotly:
    """A plotly figure, as far as it is asked."""

    def __init__(self, image: bytes | None) -> None:
        self.image = image

    def to_plotly_json(self):
        return {}

    def to_image(self, format):
        if self.image is None:
            raise ValueError("kaleido is not there")
        return self.image

    def to_html(self, full_html, include_plotlyjs):
        assert full_html
        assert include_plotlyjs
        return "<html></html>"


def test_plotly_draws_where_it_can_and_gives_a_page_where_not():
    assert read_figure(Plotly(png())) == ("image/png", png())
    assert read_figure(Plotly(None)) == ("text/html", b"<html></html>")


def test_a_real_plotly_figure_where_there_is_plotly():
    graph_objects = pytest.importorskip("plotly.graph_objects")
    mime, data = read_figure(graph_objects.Figure())
    assert mime in {"image/png", "text/html"}
    assert len(data) > 1000


def test_objects_that_show_themselves_to_notebooks():
    class Graph:
        def _repr_png_(self):
            return None

        def _repr_svg_(self):
            return SVG

    assert read_figure(Graph())[0] == "image/svg+xml"


@pytest.mark.parametrize(
    "wrong",
    [
        b"", b"GIF89a", png()[:-1], png()[:8], png() [:8] + b"\0" * 40, b"\xff\xd8\xff no end",
        "", "text", "<svg", "<html><svg></svg></html>", "<svg><a></svg>", 7, None, object(),
        {"a": 1},
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_is_no_image_is_refused(wrong):
    with pytest.raises(ValueError, match=r"no (PNG|SVG|JPEG|image|figure)"):
        read_figure(wrong)
