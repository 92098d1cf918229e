"""The map of the house names what is there."""

from __future__ import annotations

import re

from docs.make.pages import ROOT, blocks, read

PAGE = "docs/architecture.md"
LIB = ROOT / "lib" / "brickloop"


def test_every_module_that_the_map_names_is_there():
    folders = ("lib", "docs", "tests", "benchmarks")
    found = [*ROOT.glob("*.py"), *(path for f in folders for path in (ROOT / f).rglob("*.py"))]
    modules = {path.relative_to(ROOT).as_posix() for path in found}
    named = set(re.findall(r"`([\w/]+\.py)`", read(PAGE)))
    assert len(named) > 60
    missing = [name for name in named if not any(f"/{m}".endswith(f"/{name}") for m in modules)]
    assert missing == []


def test_every_folder_and_module_at_the_top_is_on_the_map():
    drawing = blocks(PAGE)[0].text
    packages = [path.parent.name for path in LIB.glob("*/__init__.py")]
    modules = [path.stem for path in LIB.glob("*.py") if not path.stem.startswith("__")]
    assert [name for name in packages if f"{name}/" not in drawing] == []
    assert [name for name in modules if name not in drawing] == []
