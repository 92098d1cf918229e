"""`invoke plan`, `why`, `graph` and `build` as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.conftest import type_command, write_notebook
from tests.acceptance.test_doit import ran

PLAIN_DODO = """from brickloop.graph import doit_config, notebook_tasks

DOIT_CONFIG = doit_config()


def task_notebooks():
    yield from notebook_tasks("notebooks", tags={{"c_alone": ["daily"]}}, depends={depends})
"""


def steps(text: str) -> dict[str, str]:
    return {
        found["notebook"]: found["step"]
        for graph in json.loads(text)
        for found in graph["notebooks"]
    }


def test_what_is_planned_is_what_is_done(project):
    (project / "dodo.py").write_text(PLAIN_DODO.format(depends={}))
    first = type_command(project, "invoke", "plan", "--check")
    assert first.returncode == 10, first.stderr
    lines = {line.split()[1]: line for line in first.stdout.splitlines() if line.startswith("run ")}
    assert set(lines) == {"a_load", "b_sum", "c_alone", "d_count"}
    assert "never run here; upstream a_load runs" in lines["b_sum"]
    assert "sends shared.py" in first.stdout
    assert not (project / "outputs").exists()
    assert not (project / ".brickloop" / "local" / "server.json").exists(), "nothing was started"

    assert type_command(project, "doit").returncode == 0
    done = type_command(project, "invoke", "plan", "--check")
    assert (done.returncode, done.stdout) == (0, "")

    notebooks = project / "notebooks"
    loader = notebooks / "a_load.py"
    loader.write_text(loader.read_text().replace("range(4)", "range(6)"))
    (project / "outputs" / "c_alone.txt").unlink()
    planned = type_command(project, "invoke", "plan", "--json")
    assert steps(planned.stdout) == {
        "a_load": "run", "b_sum": "perhaps run", "c_alone": "fetch", "d_count": "perhaps run",
    }  # fmt: skip
    reasons = {
        one["notebook"]: one["reasons"] for one in json.loads(planned.stdout)[0]["notebooks"]
    }
    assert reasons["a_load"] == ["cell 1 of a_load changed"]
    assert reasons["b_sum"] == ["upstream a_load runs"]
    assert reasons["c_alone"] == ["its output files are missing"]

    # what is chosen is worked on, and that alone; what it reads is said to be old
    chosen = type_command(project, "invoke", "build", "--select", "b_sum")
    assert (chosen.returncode, ran(chosen.stderr)) == (0, [])
    assert "b_sum reads what a_load makes, which is not up to date" in chosen.stderr
    forced = type_command(project, "invoke", "build", "--select", "b_sum", "--force")
    assert ran(forced.stderr) == ["b_sum"]
    upstream = type_command(project, "invoke", "build", "--select", "+d_count")
    assert (upstream.returncode, ran(upstream.stderr)) == (0, ["a_load", "d_count"])
    rest = type_command(project, "doit")
    assert ran(rest.stderr) == ["b_sum"], "it was run on what was there before"
    assert "total\n-----\n15\n" in rest.stdout
    assert type_command(project, "invoke", "plan", "--check").returncode == 0

    write_notebook(
        notebooks / "c_alone.py",
        'dbutils.widgets.text("full_refresh", "false")',
        'print("refresh", dbutils.widgets.get("full_refresh"))',
    )
    tagged = type_command(project, "invoke", "build", "--select", "tag:daily", "--full-refresh")
    assert ran(tagged.stderr) == ["c_alone"]
    assert "refresh true" in tagged.stdout


def test_a_failed_run_is_planned_again_with_its_reason(project):
    (project / "notebooks" / "b_sum.py").unlink()
    write_notebook(project / "notebooks" / "c_alone.py", "1 / 0")
    assert type_command(project, "doit", "--continue").returncode == 1
    planned = json.loads(type_command(project, "invoke", "plan", "--json").stdout)
    found = {one["notebook"]: one for one in planned[0]["notebooks"]}
    assert found["c_alone"]["step"] == "run"
    assert "its last run failed" in found["c_alone"]["reasons"]
    assert found["a_load"]["step"] == "up to date"
    state = type_command(project, "invoke", "plan", "--select", "state:failed", "--json")
    assert set(steps(state.stdout)) == {"c_alone"}


def test_why_and_graph_name_lines(project):
    because = type_command(project, "invoke", "why", "b_sum", "--json")
    found = {(one["kind"], one["source"]): one for one in json.loads(because.stdout)["because"]}
    table = found[("table", "a_load")]
    assert (table["what"], table["file"], table["cell"]) == ("shop.items", "b_sum.py", 2)
    assert found[("import", "shared.py")]["line"] == 2
    told = type_command(project, "invoke", "why", "notebooks/b_sum.py")
    assert "which a_load writes (a_load.py:3, cell 1)" in told.stdout
    tree = type_command(project, "invoke", "graph")
    assert "├─ b_sum  (shop.items)  [run]" in tree.stdout
    for form, sign in (("mermaid", "flowchart LR"), ("dot", "digraph"), ("json", "[")):
        drawn = type_command(project, "invoke", "graph", "--format", form)
        assert drawn.stdout.startswith(sign)
    page = type_command(project, "invoke", "graph", "--format", "html", "--output", "graph.html")
    assert page.returncode == 0
    assert "<svg" in (project / "graph.html").read_text()
    unknown = type_command(project, "invoke", "graph", "--format", "png")
    assert (unknown.returncode, "'png' is no format" in unknown.stderr) == (2, True)


def test_what_cannot_be_seen_is_listed_and_can_be_declared(project):
    write_notebook(
        project / "notebooks" / "c_alone.py", "name = input_name()", "spark.table(name).show()"
    )
    listed = type_command(project, "invoke", "graph", "--unresolved")
    assert listed.stdout == "c_alone.py:6, cell 2: a table named by name\n"
    depends = {"c_alone": {"reads": ["shop.items"]}}
    (project / "dodo.py").write_text(PLAIN_DODO.format(depends=depends))
    why = type_command(project, "invoke", "why", "c_alone")
    assert "was seen to read shop.items, which a_load writes (a_load.py:3, cell 1)" in why.stdout
    (project / "dodo.py").write_text(PLAIN_DODO.format(depends={"nosuch": {}}))
    wrong = type_command(project, "invoke", "plan")
    assert wrong.returncode == 2
    assert "'nosuch', which is no notebook here" in wrong.stderr
    (project / "dodo.py").write_text(PLAIN_DODO.format(depends={"c_alone": {"odd": []}}))
    assert type_command(project, "doit").returncode == 2


def test_a_run_that_leaves_the_same_data_outdates_nobody(project):
    assert type_command(project, "doit").returncode == 0
    loader = project / "notebooks" / "a_load.py"
    text = loader.read_text()
    loader.write_text(text.replace("range(4)", "range(1 + 3)"))
    planned = steps(type_command(project, "invoke", "plan", "--json").stdout)
    assert planned["b_sum"] == planned["d_count"] == "perhaps run"
    again = type_command(project, "doit")
    assert (again.returncode, ran(again.stderr)) == (0, ["a_load"])
    assert type_command(project, "invoke", "plan", "--check").returncode == 0
    loader.write_text(text.replace("range(4)", "range(5)"))
    other = type_command(project, "doit")
    assert ran(other.stderr)[0] == "a_load"
    assert sorted(ran(other.stderr)) == ["a_load", "b_sum", "d_count"]


def test_what_a_run_was_seen_to_do_is_known_the_next_time(project):
    notebooks = project / "notebooks"
    (notebooks / "limits.csv").write_text("3\n")
    write_notebook(
        notebooks / "c_alone.py",
        "schema = ''.join(['sh', 'op'])\nname = 'limits'",
        "spark.table(f'{schema}.items'.lower()).count()",
        "print(open(name + '.csv').read())  # limits.csv",
    )
    (project / "dodo.py").write_text(
        PLAIN_DODO.format(depends={"c_alone": {"files": ["limits.csv"]}})
    )
    # whichever came first: the second doit knows that c_alone reads what a_load makes
    assert type_command(project, "doit").returncode == 0
    assert type_command(project, "doit").returncode == 0
    why = type_command(project, "invoke", "why", "c_alone", "--json")
    because = {(one["kind"], one["source"]): one for one in json.loads(why.stdout)["because"]}
    assert because[("table", "a_load")]["what"] == "main.shop.items"
    assert ("path", "limits.csv") in because
    assert type_command(project, "invoke", "plan", "--check").returncode == 0, "it has settled"
    loader = notebooks / "a_load.py"
    loader.write_text(loader.read_text().replace("range(4)", "range(7)"))
    changed = type_command(project, "doit")
    assert sorted(ran(changed.stderr)) == ["a_load", "b_sum", "c_alone", "d_count"]


def test_a_called_notebook_is_seen_and_nothing_that_was_only_looked_into(project):
    jobs = project / "notebooks" / "jobs"
    jobs.mkdir()
    write_notebook(jobs / "inner.py", "dbutils.notebook.exit('done')")
    write_notebook(jobs / "outer.py", "print(dbutils.notebook.run(''.join(['./in', 'ner']), 60))")
    # inner is run by itself as well, so that it is there when outer calls it
    assert type_command(project, "doit", "run:jobs/inner").returncode == 0
    assert type_command(project, "doit", "run:jobs/outer").returncode == 0
    why = type_command(project, "invoke", "why", "jobs/outer", "--json")
    because = {(one["kind"], one["source"]) for one in json.loads(why.stdout)["because"]}
    assert because == {("path", "jobs/inner")}
    alone = type_command(project, "invoke", "why", "jobs/inner", "--json")
    assert json.loads(alone.stdout)["because"] == []


def test_what_the_runtime_wheel_records_does_where_no_workspace_does(project):
    """As on a cluster: the local workspace's own record is replaced by that of the wheel."""
    notebooks = project / "notebooks"
    (notebooks / "limits.csv").write_text("3\n")
    write_notebook(
        notebooks / "c_alone.py",
        "import os\nos.environ.pop('BRICKLOOP_OBSERVER')\n"
        "from brickloop import NotebookOutput\nout = NotebookOutput()",
        "spark.sql('USE ' + ''.join(['sh', 'op']))\nrows = spark.table('items'.lower())",
        "spark.sql('SELECT * FROM IDENTIFIER(:t)', args={'t': 'shop.' + 'items'}).count()",
        "rows.write.mode('overwrite').saveAsTable('_'.join(['cop', 'ied']))",
        "print(open('lim' + 'its.csv').read())",
    )
    write_notebook(
        notebooks / "e_last.py",
        "import os\nos.environ.pop('BRICKLOOP_OBSERVER')\nimport brickloop",
        "name = '.'.join(['shop', 'cop_ied'])\n"
        "print(spark.table(name).count() if spark.catalog.tableExists(name) else 'not yet')\n"
        "try:\n    spark.read.table(name).count()\nexcept Exception as error:\n    print(error)",
    )
    (project / "dodo.py").write_text(
        PLAIN_DODO.format(depends={"c_alone": {"files": ["limits.csv"]}})
    )
    for _ in range(2):
        done = type_command(project, "doit")
        assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in project.rglob("_OBSERVED.json")]
    files = {
        Path(name).name
        for record in records
        if record["by"] == "runtime"
        for name in record["files"]
    }
    assert files == {"limits.csv"}
    why = type_command(project, "invoke", "why", "c_alone")
    assert "was seen to read shop.items, which a_load writes" in why.stdout
    last = type_command(project, "invoke", "why", "e_last")
    assert "which c_alone was seen to write" in last.stdout
    loader = notebooks / "a_load.py"
    loader.write_text(loader.read_text().replace("range(4)", "range(7)"))
    changed = ran(type_command(project, "doit").stderr)
    assert {"a_load", "c_alone", "e_last"} <= set(changed)
    assert changed.index("a_load") < changed.index("c_alone") < changed.index("e_last")
    assert type_command(project, "invoke", "plan", "--check").returncode == 0


def test_mistakes_are_named_without_a_traceback(project):
    for words, said in (
        (["plan", "--select", "nosuch"], "no notebook is called 'nosuch'"),
        (["why", "nosuch"], "there is no notebook 'nosuch'"),
        (["build", "--jobs", "0"], "--jobs is 0"),
    ):
        wrong = type_command(project, "invoke", *words)
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert said in wrong.stderr
        assert "Traceback" not in wrong.stderr
    (project / "dodo.py").write_text("raise ValueError('broken')\n")
    broken = type_command(project, "invoke", "plan")
    assert broken.returncode == 2
    assert "cannot be loaded: ValueError: broken" in broken.stderr
    (project / "dodo.py").unlink()
    none = type_command(project, "invoke", "plan")
    assert (none.returncode, "there is no dodo.py" in none.stderr) == (2, True)


def test_a_plan_imports_nothing_heavy(project):
    import subprocess
    import sys

    code = (
        "import sys\nfrom brickloop.graph.dodo import project_graphs\n"
        "project_graphs()[0].decisions()\n"
        "heavy = {'databricks.sdk', 'databricks.sql', 'pyarrow', 'pandas', 'pyspark'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
