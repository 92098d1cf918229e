"""The page of all notebooks in a real browser."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.browser.conftest import CONTRAST, look
from tests.unit.display.samples import png, status
from tests.unit.report.samples import everything

from brickloop.model.document import Document, Section
from brickloop.model.run import RunResult
from brickloop.report.index import collect, write_index
from brickloop.report.saved import save_outputs


@pytest.fixture
def page(tmp_path):
    """The index of fifteen notebooks, of which one failed."""
    figure = Section("figure", "f", mime="image/png", image=png())
    for number in range(14):
        began = replace(status(), started_ms=1000 * number, ended_ms=1000 * number + 30 * number)
        document = Document((figure,) * number, complete=True)
        save_outputs(RunResult(began, document=document), tmp_path, f"folder/n{number}")
    failed = everything()
    save_outputs(failed, tmp_path, "x" * 120)
    return write_index(collect(tmp_path)[0], tmp_path, "project")


def column(browser, number):
    return browser.execute_script(
        "return [...document.querySelectorAll('tbody tr:not([hidden])')]"
        ".map(row => row.cells[arguments[0]].textContent)",
        number,
    )


def test_notebooks_are_sorted_filtered_and_opened(browser, page):
    browser.get(page.as_uri())
    name, _, started, took, *_ = browser.find_elements("css selector", "th button")
    took.click()
    assert column(browser, 3)[:4] == ["0 ms", "30 ms", "60 ms", "90 ms"]
    assert column(browser, 3)[-1] == "12.5 s"
    started.click()
    started.click()
    assert column(browser, 0)[0] == "folder/n13"
    name.click()
    assert column(browser, 0)[:3] == ["folder/n0", "folder/n1", "folder/n2"]
    browser.find_element("css selector", "input[type=search]").send_keys("keyerror")
    assert [text[:3] for text in column(browser, 0)] == ["xxx"]
    browser.find_element("css selector", "tbody tr:not([hidden]) a").click()
    assert browser.title.endswith(": FAILED")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_and_can_be_read(browser, page, width, scheme):
    look(browser, width, scheme=scheme)
    browser.get(page.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(CONTRAST) == []
    assert browser.execute_script(
        "return Promise.all([...document.images].map(i => i.decode())).then(() => true)"
    )
