"""Builds the site into build/site.

The pages keep the paths that they have in the repository, so one link holds there and here. What a
page links to beside pages (schemas, pictures) comes along.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

from docs.make.pages import ROOT, linked_files, pages

SOURCE = ROOT / "build" / "site-source"
SITE = ROOT / "build" / "site"
_LINK = re.compile(r"""(?:href|src)=["']?([^"'\s>#?]+)""")
_LOADED = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*?(?:href|src)=["']?(https?:[^"'\s>]+)""")
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//")


def main() -> None:
    """Lay the pages out and build; ends the process where a link is broken."""
    if find_spec("zensical") is None:
        sys.exit("the site needs zensical: pip install -e '.[docs]' (Python 3.11 or newer)")
    assemble()
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--clean"], cwd=ROOT
    )
    if done.returncode:
        sys.exit(done.returncode)
    broken = broken_links(SITE)
    if broken:
        sys.exit("broken links in the site:\n" + "\n".join(broken))


def broken_links(site: Path) -> list[str]:
    """What the built pages refer to and is not there, or load from another host."""
    found = []
    for page in sorted(site.rglob("*.html")):
        if page.name == "404.html":
            continue  # its addresses begin at the root of wherever it is put
        text = page.read_text(encoding="utf-8")
        found += [f"{page.relative_to(site)}: loads {one}" for one in _LOADED.findall(text)]
        for target in _LINK.findall(text):
            if _ELSEWHERE.match(target):
                continue
            path = (page.parent / unquote(target)).resolve()
            if not (path.is_file() or (path / "index.html").is_file()):
                found.append(f"{page.relative_to(site)}: {target}")
    return found


def assemble() -> None:
    """Copy the pages, and the files that they link to, to where the generator reads them."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for path in {*pages(), *linked_files()}:
        target = SOURCE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, target)
