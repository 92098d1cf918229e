"""Makes docs/session.svg: a real session with `doit` on a copy of the example project.

    python -m docs.make session

The commands run under a pseudo-terminal, so the picture shows what a person sees. Long outputs are
cut in the middle, with the number of lines that are left out.
"""

from __future__ import annotations

from docs.make.pages import ROOT
from docs.make.terminal import Step, example_project, picture

STEPS = (
    Step("doit", head=27, tail=9),
    Step("doit", head=1),
    # the shell's own work, shown as it is typed
    Step("sed -i.bak 's/^FOG = 3.0/FOG = 2.0/' projects/nyc_flights/flight_rules.py"),
    Step("doit", head=17, tail=3),
)


def main() -> None:
    """Run the steps and write the picture."""
    with example_project() as folder:
        text = picture(folder, STEPS)
    (ROOT / "docs" / "session.svg").write_text(text, encoding="utf-8")
