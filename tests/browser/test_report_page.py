"""The page of a run in a real browser: what it does, and what it lets nobody do."""

from __future__ import annotations

import io
import time

import pytest
from tests.browser.conftest import CONTRAST, look
from tests.unit.display.samples import CELLS, SECTIONS, png, status
from tests.unit.report.samples import NUMBERS, SORTED, everything

from brickloop.model.document import Document, Section
from brickloop.model.run import (
    CellResult,
    ErrorOutput,
    HtmlOutput,
    ImageOutput,
    ResultState,
    RunResult,
    TableOutput,
    TextOutput,
)
from brickloop.report.saved import save_outputs


def open_page(browser, folder, result, name="notebook"):
    page = save_outputs(result, folder, name)[2]
    browser.get(page.as_uri())
    return page


def run(*sections, cells=(), **more):
    document = Document(tuple(sections), complete=True, status="finished", **more)
    return RunResult(status(), cells=tuple(cells), document=document)


def column(browser, number):
    return browser.execute_script(
        "return [...document.querySelectorAll('tbody tr:not([hidden])')]"
        ".map(row => row.cells[arguments[0]]?.textContent ?? '')",
        number,
    )


@pytest.mark.parametrize("key", [False, True])
def test_numbers_are_sorted_as_numbers_and_nulls_stay_last(browser, tmp_path, key):
    open_page(browser, tmp_path, run(SORTED))
    button, price, name = browser.find_elements("css selector", "th button")

    def press(which):
        if key:
            from selenium.webdriver.common.keys import Keys

            which.send_keys(Keys.ENTER)
        else:
            which.click()

    def sort_of(which):
        return which.find_element("xpath", "..").get_attribute("aria-sort")

    there = sorted(n for n in NUMBERS if n is not None)
    press(button)
    assert sort_of(button) == "ascending"
    assert column(browser, 0) == [*map(str, there), "NULL"]
    press(button)
    assert sort_of(button) == "descending"
    assert column(browser, 0) == [*map(str, reversed(there)), "NULL"]
    press(button)
    assert sort_of(button) is None
    assert column(browser, 0) == ["NULL" if n is None else str(n) for n in NUMBERS]
    # decimals come as texts
    press(price)
    assert column(browser, 1) == [*(f"{n}.50" for n in there), "NULL"]
    press(name)
    assert sort_of(price) is None
    assert column(browser, 2)[-1] == "NULL"
    assert column(browser, 2)[0:2] == ["item -1", "item 2"]


def test_rows_are_filtered_as_one_types(browser, tmp_path):
    open_page(browser, tmp_path, run(SORTED, SECTIONS[1]))
    assert len(browser.find_elements("css selector", "input[type=search]")) == 1
    box = browser.find_element("css selector", "input[type=search]")
    box.send_keys("ITEM 33")
    assert [text for text in column(browser, 2) if "item" in text] == ["item 33"]
    assert browser.find_element("css selector", "[role=status]").text == "1 of 14 rows"


def test_code_is_opened_by_one_button(browser, tmp_path):
    open_page(browser, tmp_path, run(cells=CELLS))
    button = browser.find_element("css selector", "[data-action=code]")
    count = "return document.querySelectorAll('details.code[open]').length"
    assert browser.execute_script(count) == 0
    button.click()
    assert (browser.execute_script(count), button.text) == (3, "Hide all code")


def hostile(port):
    """Everything that could run or fetch, in every place that a notebook can write to."""
    url = f"http://127.0.0.1:{port}"
    markup = (
        f"<script>document.title='HACKED';fetch('{url}/1')</script><script src='{url}/2'></script>"
        f"<img src='{url}/3' onerror=\"document.title='HACKED'\"><svg onload=\"top.HACKED=1\">"
        f"<image href='{url}/4'/></svg><link rel=stylesheet href='{url}/5'>"
        f"<link rel=preconnect href='{url}'><LINK rel=prefetch href='{url}/6'>"
        f"<meta http-equiv=refresh content='0;url={url}/7'><iframe src='{url}/8'></iframe>"
        f"<object data='{url}/9'></object><embed src='{url}/10'><video src='{url}/11'></video>"
        f"<style>@import '{url}/12';body{{background:url({url}/13)}}"
        f"@font-face{{font-family:x;src:url({url}/14)}}*{{font-family:x}}</style>"
        f"<base href='{url}/'><img src=15><form action='{url}/16'><button autofocus>x</button>"
        f"</form><details open ontoggle=\"top.HACKED=1\"></details><a ping='{url}/17'>a</a>"
        '</pre></script></style></title></iframe><body onload="top.HACKED=1">'
    )
    closing = f'"></iframe><script>top.HACKED=1</script>{markup}'
    svg = f"<svg xmlns='http://www.w3.org/2000/svg'>{markup}<image href='{url}/18'/></svg>"
    plain = [closing, markup, "javascript:top.HACKED=1"]
    sections = [
        Section(kind, text, text=text, query=text, notes=(text,))
        for text in plain
        for kind in ("text", "markdown", "json", "code", "html", "warning", "log", "error")
    ]
    sections += [
        Section("table", markup, columns=((markup, markup),), rows=((markup,), (closing,))),
        Section("values", markup, values=((markup, markup),)),
        Section("figure", closing, mime="image/svg+xml", image=svg.encode()),
        Section("figure", closing, mime=closing, image=b"x"),
        Section("figure", closing, mime="text/html", image=markup.encode()),
        Section("markdown", "m", text=f"![x]({url}/19) [y](javascript:top.HACKED=1) <{url}/20>"),
    ]  # fmt: skip
    cells = [
        CellResult(0, markup, closing, "finished", (TextOutput(markup), HtmlOutput(markup))),
        CellResult(1, f"%md {markup}", None, "finished", ()),
        CellResult(2, "x", None, "finished", (
            TableOutput(((markup, ""),), ((closing,),)), ImageOutput("image/svg+xml", svg.encode()),
            HtmlOutput(closing),
        )),
        CellResult(3, closing, markup, "error", (ErrorOutput(markup, closing, markup),)),
    ]  # fmt: skip
    document = Document(tuple(sections), {markup: markup}, reason=markup, params={closing: closing})
    bad = status(ResultState.FAILED, message=markup)
    return RunResult(bad, exit_value=closing, error=markup, cells=tuple(cells), document=document)


def test_nothing_foreign_runs_and_nothing_is_fetched(browser, tmp_path, listener):
    open_page(browser, tmp_path, hostile(listener.port))
    # frames and images are loaded when they come into sight
    frames = browser.execute_script(
        "for (const each of document.querySelectorAll('[loading]')) each.loading = 'eager';"
        "for (const each of document.querySelectorAll('.card')) each.style.contentVisibility"
        " = 'visible';"
        "return document.querySelectorAll('iframe').length"
    )
    assert frames == 5
    for button in browser.find_elements("css selector", "th button"):
        browser.execute_script("arguments[0].click()", button)
    assert not listener.heard.wait(2.0)
    assert listener.connections == 0
    assert browser.title == "notebook: FAILED"
    assert browser.execute_script("return window.HACKED") is None
    # of our elements alone: none of theirs has come to be one
    assert browser.execute_script("return document.querySelectorAll('script').length") == 1
    handlers = (
        "return [...document.querySelectorAll('*')].filter(e => [...e.attributes]"
        ".some(a => a.name.startsWith('on'))).length"
    )
    assert browser.execute_script(handlers) == 0
    for frame in browser.find_elements("tag name", "iframe"):
        assert frame.get_attribute("sandbox") == ""


@pytest.mark.parametrize(
    "markup",
    [
        "<iframe src='{url}'></iframe>", "<IFrame\nsrc='{url}'>", "<object data='{url}'></object>",
        "<embed src='{url}'>", "<link rel=preconnect href='{url}'>", "<link/rel=icon href='{url}'>",
        "<meta http-equiv=refresh content='0;url={url}'>", "<frameset><frame src='{url}'>",
    ],
)  # fmt: skip
def test_no_tag_of_a_cells_html_connects(browser, tmp_path, listener, markup):
    html = markup.format(url=f"http://127.0.0.1:{listener.port}/")
    open_page(browser, tmp_path, run(cells=[CellResult(0, "x", None, "f", (HtmlOutput(html),))]))
    browser.execute_script("document.querySelector('iframe').scrollIntoView()")
    assert not listener.heard.wait(0.7)


def test_the_listener_hears_a_page_that_is_not_protected(browser, tmp_path, listener):
    page = tmp_path / "open.html"
    page.write_text(f"<img src='http://127.0.0.1:{listener.port}/x'>")
    browser.get(page.as_uri())
    assert listener.heard.wait(30)


def test_the_policy_holds_a_script_that_got_in(browser, tmp_path, listener):
    page = open_page(browser, tmp_path, run(SORTED))
    text = page.read_text()
    inside = f"<script>document.title='HACKED';fetch('http://127.0.0.1:{listener.port}')</script>"
    page.write_text(text.replace("</main>", f"{inside}<img src=x onerror='top.HACKED=1'></main>"))
    browser.get(page.as_uri())
    assert browser.title == "notebook: SUCCESS"
    assert browser.execute_script("return window.HACKED") is None
    refused = [each for each in browser.get_log("browser") if "Content Security" in str(each)]
    assert refused


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_scheme_and_can_be_read(browser, tmp_path, scheme):
    look(browser, 1280, scheme=scheme)
    open_page(browser, tmp_path, everything())
    browser.execute_script(
        "for (const each of document.querySelectorAll('details')) each.open = true;"
    )
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    lightness = sum(map(int, background.strip("rgb()").split(","))) / 3
    assert lightness < 60 if scheme == "dark" else lightness > 200
    assert browser.execute_script(CONTRAST) == []


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_is_never_wider_than_the_screen(browser, tmp_path, width):
    long = "x" * 500
    columns = tuple((f"{long[:40]}{n}", "int") for n in range(30))
    wide = Section("table", long, columns=columns, rows=((1,) * 30,))
    cell = CellResult(0, long, long, "finished", (TextOutput(long), HtmlOutput(f"<b>{long}</b>")))
    result = everything()
    document = Document((*result.document.sections, wide), {long: long}, complete=True)
    look(browser, width)
    open_page(
        browser,
        tmp_path,
        RunResult(result.status, exit_value=long, cells=(*result.cells, cell), document=document),
    )
    browser.execute_script(
        "for (const each of document.querySelectorAll('.card'))"
        " each.style.contentVisibility = 'visible'"
    )
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width, (
        browser.execute_script(
            "return [...document.querySelectorAll('body *')].filter((e) => !e.parentElement"
            ".closest('.scroll') && e.getBoundingClientRect().right > arguments[0])"
            ".map((e) => e.outerHTML.slice(0, 90))",
            width,
        )
    )


def test_it_can_be_found_by_ear(browser, tmp_path):
    open_page(browser, tmp_path, everything())
    script = """
    const named = (e) => e.getAttribute("aria-label") || e.textContent.trim() || e.title;
    const levels = [...document.querySelectorAll("h1,h2,h3")].map((e) => +e.tagName[1]);
    return {
      lang: document.documentElement.lang,
      marks: ["header", "nav", "main", "footer"].map(
        (tag) => document.querySelectorAll(`body > ${tag}, .wrap > ${tag}`).length),
      first: levels[0], ones: levels.filter((level) => level === 1).length,
      jumps: levels.some((level, at) => at && level > levels[at - 1] + 1),
      tables: [...document.querySelectorAll(".table table")].every((t) => t.caption.textContent),
      images: [...document.images].every((image) => image.alt),
      buttons: [...document.querySelectorAll("button, input, iframe")].every(named),
      ids: [...document.querySelectorAll("[id]")].map((e) => e.id),
      links: [...document.querySelectorAll("a[href^='#']")].every(
        (a) => document.getElementById(a.hash.slice(1))),
    }"""
    found = browser.execute_script(script)
    assert found.pop("ids") == list(dict.fromkeys(browser.execute_script(script)["ids"]))
    assert found == {
        "lang": "en", "marks": [1, 1, 1, 1], "first": 1, "ones": 1, "jumps": False, "tables": True,
        "images": True, "buttons": True, "links": True,
    }  # fmt: skip


def test_html_of_a_cell_keeps_its_looks_in_its_frame(browser, tmp_path):
    open_page(
        browser, tmp_path, run(Section("html", "H", text="<p style='color:rgb(1,2,3)'>x</p>"))
    )
    frame = browser.find_element("tag name", "iframe")
    browser.execute_script("arguments[0].scrollIntoView()", frame)
    browser.switch_to.frame(frame)
    paragraph = browser.find_element("tag name", "p")
    assert "rgba(1, 2, 3, 1)" in paragraph.value_of_css_property("color")
    browser.switch_to.default_content()


def test_ten_thousand_sections_and_fifty_megabytes_open(browser, tmp_path):
    sections = [Section("text", f"s{n}", text=f"text {n}") for n in range(10_000)]
    huge = TextOutput("0123456789abcdef\n" * 3_000_000)
    rows = tuple((n, f"name {n}") for n in range(100_000))
    table = TableOutput((("n", "int"), ("name", "string")), rows)
    cells = (
        CellResult(0, "loop()", None, "finished", (huge,)),
        CellResult(1, "all()", None, "finished", (table,)),
    )
    begun = time.monotonic()
    page = open_page(browser, tmp_path, run(*sections, cells=cells))
    browser.find_element("css selector", "footer")
    assert time.monotonic() - begun < 100
    assert page.stat().st_size < 30_000_000
    notes = [e.text for e in browser.find_elements("css selector", ".banner")]
    assert any("8,000 more of 10,000 sections are not shown" in note for note in notes), notes
    text = browser.execute_script("return document.querySelector('#cell-1').textContent")
    assert "262,144 of 50,999,999 characters are shown" in text
    text = browser.execute_script("return document.querySelector('#cell-2 .note').textContent")
    assert "30,000 of 100,000 rows" in text
    links = browser.execute_script(
        "return [...document.querySelectorAll('footer a')].map(a=>a.href)"
    )
    assert [link.rsplit("/", 1)[1] for link in links] == ["notebook.txt", "notebook.json"]
    assert (tmp_path / "notebook.txt").stat().st_size > 51_000_000


def test_a_picture_of_it(browser, tmp_path):
    from PIL import Image

    open_page(browser, tmp_path, everything())
    with Image.open(io.BytesIO(browser.get_screenshot_as_png())) as image:
        assert image.width == 1280
        assert len(image.convert("RGB").getcolors(1 << 20)) > 50
    # the figures are there, as what they are
    sizes = browser.execute_script(
        "for (const each of document.images) each.loading = 'eager';"
        "return Promise.all([...document.images].map((i) => i.decode()))"
        ".then(() => [...document.images].map((i) => [i.naturalWidth, i.naturalHeight]))"
    )
    assert sizes == [[12, 8], [12, 8]]
    assert len(png()) == 230
