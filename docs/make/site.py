"""Builds the site into build/site.

The pages keep the paths that they have in the repository, so one link holds there and here. What a
page links to beside pages (schemas, pictures) comes along.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec

from docs.make.pages import ROOT, linked_files, pages

SOURCE = ROOT / "build" / "site-source"


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


def assemble() -> None:
    """Copy the pages, and the files that they link to, to where the generator reads them."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for path in {*pages(), *linked_files()}:
        target = SOURCE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, target)
