"""Makes the pictures of what commands leave: the plan, the page of a notebook, the graph.

    python -m docs.make pictures

All are of the example project after a real `doit`; the pages need a Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from docs.make.pages import ROOT
from docs.make.terminal import Step, example_project, picture, run

FOLDER = ROOT / "docs" / "pictures"
PLAN = (
    Step("sed -i.bak 's/^FOG = 3.0/FOG = 2.0/' projects/nyc_flights/flight_rules.py"),
    Step("invoke plan", head=20),
    Step("invoke why 04_weather", head=20),
)
PAGES = {
    "report.png": ("outputs/05_figures.html", 1000, 900),
    "graph.png": ("graph.html", 1180, 480),
}
"""Pictures of pages: the file, and how wide and high the window is."""
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")


def main() -> None:
    """Run the example, and write the pictures; ends the process where there is no Chromium."""
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
    if browser is None:
        sys.exit("the pages are looked at in a Chromium, and there is none on the path")
    FOLDER.mkdir(exist_ok=True)
    with example_project() as folder:
        run(folder, "doit")
        run(folder, "invoke graph --format html > graph.html")
        for name, (page, width, height) in PAGES.items():
            take(browser, folder / page, FOLDER / name, (width, height))
        (FOLDER / "plan.svg").write_text(picture(folder, PLAN), encoding="utf-8")


def take(browser: str, page: Path, target: Path, size: tuple[int, int]) -> None:
    """A picture of a page as a window of that size shows it."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                browser,
                *_FLAGS,
                f"--user-data-dir={profile}",
                f"--window-size={size[0]},{size[1]}",
                f"--screenshot={target}",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
        )
