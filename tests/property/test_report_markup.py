"""Nothing that a notebook wrote becomes markup of the page."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.display.test_hostile_text import results, sections

from brickloop.model.document import Document, Section
from brickloop.model.run import CellResult, HtmlOutput, RunResult, TextOutput
from brickloop.report.html import render_page
from brickloop.report.saved import as_json, as_text

PIECES = (
    "<script>alert(1)</script>", "</script>", "</style>", "</title>", "</pre>",
    "<img src=x onerror=y>", "'", '"', "&lt;", "<!--", "-->", "<![CDATA[", "<svg/onload=x>",
    "javascript:x", "$policy", "${x}", "[a](javascript:x)", "![b](http://h/c.png)", "<http://h>",
    "```\n<b>\n```", "|a|\n|-|\n|<i>|", "<iframe src=http://h>", "{{x}}", "\x00<script>",
)  # fmt: skip
markup = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4)), max_size=8).map("".join)
ALLOWED = {
    "a", "article", "b", "blockquote", "body", "br", "button", "caption", "code", "dd", "details",
    "div", "dl", "dt", "em", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "head",
    "header", "hr", "html", "iframe", "img", "input", "li", "link", "main", "meta", "nav", "ol",
    "p", "path", "pre", "progress", "script", "section", "small", "span", "strong", "style",
    "summary", "svg", "table", "tbody", "td", "th", "thead", "time", "title", "tr", "ul",
}  # fmt: skip


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@st.composite
def runs(draw):
    text = draw(markup)
    kind = draw(
        st.sampled_from(["text", "markdown", "code", "json", "html", "table", "query", "log"])
    )
    own = Section(
        kind, text, text=text, query=draw(markup), columns=((text, text),), rows=((text,),)
    )
    prose = Section("markdown", draw(markup), text=draw(markup))
    base = draw(results())
    cell = CellResult(2, draw(markup), text, "finished", (TextOutput(text), HtmlOutput(text)))
    document = Document(
        (draw(sections()), own, prose), {text: text}, reason=draw(markup), params={text: text}
    )
    return RunResult(
        base.status, draw(markup), draw(markup), text, (*base.cells, cell), text, document
    )


@settings(max_examples=80, deadline=None)
@given(runs(), markup)
def test_no_foreign_text_is_markup(result, name):
    reader = Reader()
    reader.feed(render_page(result, name))
    tags = [tag for tag, _ in reader.found]
    assert set(tags) <= ALLOWED
    assert (tags.count("script"), tags.count("style"), tags.count("link")) == (1, 1, 1)
    for tag, attributes in reader.found:
        assert not [each for each in attributes if each.startswith("on")]
        if tag == "iframe":
            assert attributes["sandbox"] is None
            assert "src" not in attributes
        if tag == "img":
            assert attributes["src"].startswith("data:image/")
        if "href" in attributes:
            scheme = attributes["href"].split(":")[0].lower()
            assert scheme not in {"javascript", "vbscript", "file"}
        style = attributes.get("style")
        if style and tag == "span":
            assert style.startswith("--from:")


@settings(max_examples=50, deadline=None)
@given(runs(), markup)
def test_the_other_forms_are_written_too(result, name):
    assert "\x1b" not in as_text(result, name)
    assert as_json(result, name)["notebook"] == name
