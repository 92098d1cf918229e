"""Links hold on a code host as in the site, and every page is in the navigation."""

from __future__ import annotations

import re

from benchmarks.__main__ import find_benchmarks
from docs.make.pages import ROOT, anchors, links, pages, read, resolve
from docs.make.site import broken_links


def test_every_link_leads_to_a_file_and_an_anchor_that_are_there():
    broken = []
    for page in pages():
        for link in links(page):
            path = resolve(link)
            if path is None:
                continue
            anchor = link.target.partition("#")[2]
            there = (ROOT / path).is_file()
            if there and anchor and path.endswith(".md"):
                there = anchor in anchors(path)
            if not there:
                broken.append((page, link.target))
    assert broken == []


def test_every_page_is_in_the_navigation():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"[\w/.-]+\.md", text.partition("nav:")[2])
    assert sorted(named) == sorted(pages())


def test_a_built_page_that_refers_to_nothing_or_loads_from_elsewhere_is_named(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "index.html").write_text(
        '<a href="../x.json">x</a> <a href="#here">h</a>'
    )
    (tmp_path / "x.json").write_text("{}")
    page = tmp_path / "index.html"
    page.write_text('<a href="there/">t</a> <a href="https://example.com/">e</a>')
    assert broken_links(tmp_path) == []
    page.write_text('<a href="gone/">g</a> <img alt="p" src="https://example.com/p.png">')
    assert broken_links(tmp_path) == [
        "index.html: loads https://example.com/p.png",
        "index.html: gone/",
    ]


def test_every_benchmark_is_on_its_page():
    page = read("docs/benchmarks.md")
    found = find_benchmarks()
    assert len(found) > 10
    assert [name for name in found if f"python -m benchmarks {name}" not in page] == []
