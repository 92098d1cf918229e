"""``invoke plan``, ``why``, ``graph`` and ``build``: the graph, looked at and worked on."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Any

from invoke import Exit

from brickloop.config.flags import flags
from brickloop.errors import UsageError
from brickloop.tasks.command import command
from brickloop.tasks.workspace_flags import FORCE

if TYPE_CHECKING:
    from brickloop.graph.decision import Decision
    from brickloop.graph.notebook_graph import NotebookGraph
    from brickloop.graph.session import Choice

_SELECT = {
    "select": "notebooks, such as '02_clean+', '+report', 'tag:daily', 'state:modified+'",
    "exclude": "notebooks that are left out, written likewise",
}
_OFFLINE = "do not look whether what was sent is still in the workspace"
_SOMETHING_TO_DO = 10


@command(
    workspace="reads",
    help={
        **_SELECT,
        "json": "print JSON",
        "check": "exit with 10 when there is something to do",
        "offline": _OFFLINE,
    },
)
def plan(
    _context: Any,
    select: str = "",
    exclude: str = "",
    json: bool = False,
    check: bool = False,
    offline: bool = False,
) -> None:
    """Show what `doit` would upload, run and fetch, each with its reason; nothing is done.

    Example: invoke plan --select "02_clean+"
    """
    with flags({"offline": "true" if offline else None}):
        busy = _plan(select, exclude, as_json=json)
    if busy and check:
        raise Exit(code=_SOMETHING_TO_DO)


def _run(words: list[str], choice: Choice, *, as_json: bool) -> int:
    """doit's exit code; as JSON, stdout holds what came of it alone, and stderr all else."""
    import contextlib
    import sys
    import tempfile
    from pathlib import Path

    from brickloop.display import console
    from brickloop.graph.dodo import run_doit

    if not as_json:
        return run_doit(words, choice)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "summary.json"
        with contextlib.redirect_stdout(sys.stderr):
            code = run_doit([*words, "-r", "summary", "-o", str(path)], choice)
        if path.is_file() and (text := path.read_text(encoding="utf-8").strip()):
            console.write(text)
    return code


def _plan(select: str, exclude: str, *, as_json: bool) -> int:
    """Show what would be done; for how many notebooks that is something."""
    from brickloop.display import console
    from brickloop.graph.decision import Step
    from brickloop.graph.dodo import project_graphs

    busy = 0
    shown: list[dict[str, Any]] = []
    for graph in project_graphs():
        decisions = graph.decisions()
        chosen = [decisions[name] for name in graph.select(select, exclude)]
        busy += sum(found.step is not Step.NOTHING for found in chosen)
        if as_json:
            shown.append(
                {
                    "folder": str(graph.folder),
                    "workspace": graph.target.host or "local",
                    "notebooks": [found.to_json() for found in chosen],
                }
            )
        else:
            _show_plan(graph, chosen)
    if as_json:
        console.write(dumps(shown, indent=2))
    return busy


@command(workspace="reads", help={"notebook": "name or path of a notebook", "json": "print JSON"})
def why(_context: Any, notebook: str, json: bool = False) -> None:
    """Show what a notebook depends on, with the line that says so, and why it would run.

    Example: invoke why 02_clean
    """
    from brickloop.display import console
    from brickloop.graph.dodo import project_graphs
    from brickloop.graph.explanation import edges_of

    graphs = project_graphs()
    graph, name = _find(graphs, notebook)
    decision = graph.decisions()[name]
    edges = edges_of(graph.project, name)
    if json:
        facts = {**decision.to_json(), "because": [edge.to_json() for edge in edges]}
        console.write(dumps(facts, indent=2))
        return
    console.write(f"{name}: {decision.step.value}")
    for reason in decision.reasons:
        console.write(f"  {reason}")
    for edge in edges:
        console.write(f"  {edge.text}")


@command(
    workspace="reads",
    help={
        **_SELECT,
        "format": "tree, mermaid, dot, html or json",
        "json": "as --format json",
        "output": "file to write to instead of the terminal",
        "unresolved": "list what cannot be seen: names that are computed at run time",
    },
)
def graph(
    _context: Any,
    select: str = "",
    exclude: str = "",
    format: str = "tree",
    output: str = "",
    unresolved: bool = False,
    json: bool = False,
) -> None:
    """Draw the graph of the project's notebooks.

    Example: invoke graph --format mermaid
    """
    from pathlib import Path

    from brickloop.display import console
    from brickloop.graph.dodo import project_graphs
    from brickloop.graph.explanation import unresolved_in

    if json:
        if unresolved or format not in {"tree", "json"}:
            other = "--unresolved" if unresolved else f"--format {format}"
            raise UsageError(f"--json and {other} exclude each other")
        format = "json"
    graphs = project_graphs()
    if unresolved:
        lines = [
            line
            for found in graphs
            for line in unresolved_in(found.project, found.select(select, exclude))
        ]
        lines = lines or ["everything that notebooks name can be seen"]
    else:
        lines = [line for found in graphs for line in _drawn(found, format, select, exclude)]
    if output:
        Path(output).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return
    for line in lines:
        console.write(line)


@command(
    workspace="sends",
    help={
        **_SELECT,
        "force": "run them even if they are up to date; " + FORCE,
        "full_refresh": "as --force, with the parameter full_refresh=true",
        "jobs": "how many notebooks at once",
        "keep_going": "a failure stops only what depends on it",
        "detach": "Ctrl-C leaves runs to themselves, and the next time takes them up again",
        "offline": _OFFLINE,
        "dry_run": "show what would be done, as invoke plan does, and do nothing",
        "json": "print what came of each notebook as JSON, and nothing else, on stdout",
        "as_job": "run them in one go as tasks of one job, which may be given a name",
    },
    optional=["as_job"],
)
def build(
    _context: Any,
    select: str = "",
    exclude: str = "",
    force: bool = False,
    full_refresh: bool = False,
    jobs: int = 1,
    keep_going: bool = False,
    detach: bool = False,
    as_job: str | bool | None = None,
    offline: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Do what `doit` does for the notebooks that are chosen, and for them alone.

    With --as-job one job in the workspace holds the whole graph; what has to run is run in one go.

    Example: invoke build --select "state:modified+" --jobs 4
    """
    from brickloop.display import diagnostics
    from brickloop.graph.session import Choice

    looks = flags({"offline": "true" if offline else None})
    if dry_run:
        with looks:
            _plan(select, exclude, as_json=json)
        if force or full_refresh:
            diagnostics.note("forced: all that are chosen would be run")
        return
    if jobs < 1:
        raise UsageError(f"--jobs is {jobs}", hint="give 1 or more")
    words = ["run", "-n", str(jobs if jobs > 1 else 0), "-P", "thread"]
    if keep_going:
        words.append("--continue")
    choice = Choice(
        select,
        exclude,
        force or full_refresh,
        full_refresh,
        detach,
        bool(as_job),
        as_job if isinstance(as_job, str) else None,
    )
    with looks:
        code = _run(words, choice, as_json=json)
    if code:
        raise Exit(code=code)


def _show_plan(graph: NotebookGraph, chosen: list[Decision]) -> None:
    from brickloop.display import console, diagnostics
    from brickloop.graph.decision import Step

    diagnostics.note(f"{graph.folder.name} on {graph.target.host or 'the local workspace'}")
    width = max((len(found.notebook) for found in chosen), default=0)
    for found in chosen:
        if found.step is Step.NOTHING:
            continue
        reasons = "; ".join(found.reasons)
        console.write(f"{found.step.value:<11}  {found.notebook:<{width}}  {reasons}".rstrip())
        for name in found.uploads:
            console.write(f"{'':<11}  {'':<{width}}  sends {name}")
    idle = sum(found.step is Step.NOTHING for found in chosen)
    busy = len(chosen) - idle
    diagnostics.note(f"{busy} with something to do, {idle} up to date")


def _find(graphs: list[NotebookGraph], notebook: str) -> tuple[NotebookGraph, str]:
    for found in graphs:
        name = found.notebook_name(notebook)
        if name is not None:
            return found, name
    known = ", ".join(name for found in graphs for name in found.project.upstream)
    raise UsageError(f"there is no notebook '{notebook}'", hint=f"the notebooks are: {known}")


def _drawn(graph: NotebookGraph, format: str, select: str, exclude: str) -> list[str]:
    from brickloop.graph.drawing import Drawing

    names = graph.select(select, exclude)
    decisions = graph.decisions(explain=False)
    edges = graph.project.tables.edges
    drawing = Drawing(
        {name: {up: edges[name][up] for up in edges[name] if up in names} for name in names},
        {name: graph.project.reaches[name] for name in names},
        {name: decisions[name].step.value for name in names},
    )
    if format == "tree":
        return drawing.tree()
    if format == "mermaid":
        return drawing.mermaid()
    if format == "dot":
        return drawing.dot()
    if format == "json":
        return dumps(drawing.to_json(), indent=2).split("\n")
    if format == "html":
        from brickloop.report.graph_page import graph_page

        return graph_page(graph.folder.name, drawing.upstream, drawing.marks).split("\n")
    raise UsageError(
        f"'{format}' is no format", hint="the formats are: tree, mermaid, dot, html, json"
    )
