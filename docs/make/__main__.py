"""``python -m docs.make`` lists what it makes; ``python -m docs.make NAME...`` makes it."""

from __future__ import annotations

import sys
from importlib import import_module

MAKERS = {
    "reference": "docs/reference/*.md, from the commands' help, docstrings and settings",
    "schema": "the JSON schema of [tool.brickloop], which is shipped",
    "diagrams": "docs/pictures: the diagrams of the ideas",
    "session": "docs/session.svg, a session on the example project",
    "pictures": "docs/pictures: the plan, a notebook's page, the graph; needs a Chromium",
    "site": "build/site, the whole site; a broken link is an error",
}


def main(names: list[str]) -> int:
    """Make what is named, one after the other; the exit code."""
    unknown = [name for name in names if name not in MAKERS]
    if unknown or not names:
        for name, made in MAKERS.items():
            print(f"python -m docs.make {name:<10} {made}")
        return 2 if unknown else 0
    for name in names:
        import_module(f"docs.make.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
