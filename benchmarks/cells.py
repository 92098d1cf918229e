"""Reading the cells out of the page that runs/export gives, beside the standard library's way.

The page holds a notebook of which one cell printed many megabytes: base64 of URL-encoded JSON. Both
ways decode the same page, each in a process of its own, and must find the same text.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import Figure, write_table
from benchmarks.processes import run_process

_PAGE = """
import base64, json, sys
from pathlib import Path
from urllib.parse import quote

path, megabytes = Path(sys.argv[1]), int(sys.argv[2])
line = "2026-11-24 12:00:00 loaded 1,024 rows, größte Abweichung 0.25 %\\n"
text = line * (megabytes * 1_000_000 // len(line))
results = {"type": "listResults", "data": [{"type": "ansi", "data": text}]}
model = json.dumps({"commands": [{"position": 1.0, "command": "x", "results": results}]})
encoded = base64.b64encode(quote(model, safe="").encode()).decode()
path.write_text(f"<script>var __DATABRICKS_NOTEBOOK_MODEL = '{encoded}';</script>")
"""
_OURS = """
import json, sys, time
from pathlib import Path
from brickloop.jobs.cells import cells_of_page

page = Path(sys.argv[1]).read_text()
begun = time.perf_counter()
(cell,) = cells_of_page(page)
seconds = time.perf_counter() - begun
print(json.dumps([seconds, len(cell.outputs[0].text)]))
"""
_LIBRARY = """
import base64, json, re, sys, time
from pathlib import Path
from urllib.parse import unquote

page = Path(sys.argv[1]).read_text()
begun = time.perf_counter()
encoded = re.search("__DATABRICKS_NOTEBOOK_MODEL = '([^']+)'", page).group(1)
model = json.loads(unquote(base64.b64decode(encoded).decode()))
text = model["commands"][0]["results"]["data"][0]["data"]
seconds = time.perf_counter() - begun
print(json.dumps([seconds, len(text)]))
"""


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks cells", description=__doc__)
    parser.add_argument("--megabytes", type=int, default=20, help="what the cell printed")
    parser.add_argument("--repeats", type=int, default=3, help="how often each way is taken")
    options = parser.parse_args(argv)
    if options.megabytes < 1 or options.repeats < 1:
        parser.error("numbers must be 1 or more")
    with tempfile.TemporaryDirectory(prefix="brickloop-cells-") as name:
        folder = Path(name)
        run_process([sys.executable, "-c", _PAGE, "page.html", str(options.megabytes)], folder)
        times: dict[str, list[float]] = {_OURS: [], _LIBRARY: []}
        peak: dict[str, int] = {_OURS: 0, _LIBRARY: 0}
        lengths = set()
        for _ in range(options.repeats):
            for script in times:
                done = run_process([sys.executable, "-c", script, "page.html"], folder)
                seconds, length = json.loads(done.text)
                times[script].append(seconds)
                peak[script] = max(peak[script], done.peak_bytes)
                lengths.add(length)
        if len(lengths) != 1:
            raise RuntimeError(f"the two ways found texts of {lengths} characters")
    figure = Figure(
        f"cells of a page, one printed {options.megabytes} MB",
        times[_OURS],
        f"base64, unquote, json ({peak[_LIBRARY] / 1024**2:.0f} MB)",
        times[_LIBRARY],
        peak[_OURS],
    )
    print(write_table("cells out of an exported page", [figure]))
    return 0
