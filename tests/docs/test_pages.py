"""Links hold on a code host as in the site, and every page is in the navigation."""

from __future__ import annotations

import re

from docs.make.pages import ROOT, anchors, links, pages, resolve


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
