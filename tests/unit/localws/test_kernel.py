"""What a notebook finds around it: folders, paths, imports; and tasks of other kinds."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from .conftest import HOME, Bench

VOLUME = "/Volumes/main/default/brickloop"


def make_wheel(bench: Bench, path: str, files: dict[str, str], metadata: str = "") -> str:
    """Put a wheel into the store; its workspace path."""
    name, version = Path(path).name.split("-")[:2]
    real = bench.real(path)
    real.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(real, "w") as archive:
        info = f"{name}-{version}.dist-info"
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
        )
        for inner, text in files.items():
            archive.writestr(inner.replace("INFO", info), text)
    return path if path.startswith("/") or ":" in path else f"{bench.folder}/{path}"


def test_the_folder_of_the_notebook(bench: Bench) -> None:
    ran = bench.run(
        "import os, sys, pathlib\n"
        "print(os.getcwd(), pathlib.Path.cwd(), os.path.abspath('x'), sys.path[0])",
    )
    folder = bench.folder
    assert ran.text() == f"{folder} {folder} {folder}/x {folder}\n"


def test_modules_beside_the_notebook_and_of_its_project(bench: Bench) -> None:
    project = bench.folder
    bench.notebook("top", "x = 1")
    bench.write("rules.py", "NAME = 'rules'\n")
    bench.write("package/__init__.py", "from .inner import VALUE\n")
    bench.write("package/inner.py", "VALUE = 'inner'\n")
    bench.write("deep/notebooks/beside.py", "NAME = 'beside'\n")
    ran = bench.run(
        "import rules, beside, package\nprint(rules.NAME, beside.NAME, package.VALUE)",
        "import sys; print(sys.path[:2])",
        name="deep/notebooks/main",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text(1) == "rules beside inner\n"
    assert ran.text(2) == f"['{project}/deep/notebooks', '{project}']\n"
    # the workspace holds what was put there, and nothing that Python leaves behind
    assert list(bench.real(project).rglob("__pycache__")) == []


def test_a_folder_put_on_the_path(bench: Bench) -> None:
    bench.write(f"{HOME}/elsewhere/extra.py", "NAME = 'extra'\n")
    ran = bench.run(
        "import os, sys\nsys.path.append(os.path.abspath('../elsewhere'))\nimport extra\n"
        "print(extra.NAME)"
    )
    assert ran.text() == "extra\n"


def test_a_notebook_cannot_be_imported(bench: Bench) -> None:
    bench.notebook("other", "x = 1")
    ran = bench.run("import other")
    assert ran.outcome.error == "ModuleNotFoundError: No module named 'other'"


def test_an_edited_module_is_seen_by_the_next_run(bench: Bench) -> None:
    bench.write("edited.py", "VALUE = 1\n")
    assert bench.run("import edited; edited.VALUE").text() == "1\n"
    bench.write("edited.py", "VALUE = 2\n")
    assert bench.run("import edited; edited.VALUE").text() == "2\n"


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("/dbfs/tmp/FOLDER/f.txt", "dbfs:/tmp/FOLDER/f.txt"),
        (f"{VOLUME}/FOLDER/f.txt", f"{VOLUME}/FOLDER/f.txt"),
        (f"{HOME}/FOLDER/f.txt", f"{HOME}/FOLDER/f.txt"),
        ("f.txt", f"{HOME}/FOLDER/f.txt"),
    ],
)
def test_file_calls_lead_into_the_store(bench: Bench, given: str, stored: str) -> None:
    folder = bench.folder.rpartition("/")[2]
    given, stored = given.replace("FOLDER", folder), stored.replace("FOLDER", folder)
    ran = bench.run(
        "import glob, io, os, pathlib, shutil\n"
        f"given = {given!r}\n"
        "folder = os.path.dirname(os.path.abspath(given))\n"
        "os.makedirs(folder, exist_ok=True)\n"
        "with open(given, 'w') as f: f.write('text')",
        "print(open(given).read(), io.open(given).read(), pathlib.Path(given).read_text())\n"
        "print(os.path.exists(given), os.path.isfile(given), os.path.getsize(given))\n"
        "print(glob.glob(folder + '/*.txt'), [e.path for e in os.scandir(folder) if '.' in "
        "e.name])\n"
        "print([str(p) for p in pathlib.Path(folder).glob('*.txt')])\n"
        "print([files for _, _, files in os.walk(folder)][0].count('f.txt'))\n"
        "print(shutil.copy(given, folder + '/copy.txt'), 'copy.txt' in os.listdir(folder))\n"
        "os.rename(folder + '/copy.txt', folder + '/moved.txt')\n"
        "print(os.path.exists(folder + '/moved.txt'))\n"
        "shutil.copytree(folder, folder + '-tree', dirs_exist_ok=True)\n"
        "print(os.path.exists(folder + '-tree/f.txt'))\n"
        "shutil.rmtree(folder + '-tree'); print(os.path.exists(folder + '-tree'))",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    absolute = given if given.startswith("/") else f"{bench.folder}/{given}"
    parent = absolute.rpartition("/")[0]
    assert ran.text(2) == (
        "text text text\nTrue True 4\n"
        f"['{absolute}'] ['{absolute}']\n['{absolute}']\n1\n"
        f"{parent}/copy.txt True\nTrue\nTrue\nFalse\n"
    )
    assert bench.real(stored).read_text() == "text"


def test_pandas_and_pyarrow_read_and_write_the_store(bench: Bench) -> None:
    base = f"{VOLUME}/{bench.folder.rpartition('/')[2]}"
    ran = bench.run(
        f"import os, pandas as pd, pyarrow.parquet as pq, pyarrow.dataset as ds\nbase = {base!r}\n"
        "os.makedirs(base)\nframe = pd.DataFrame({'a': [1, 2, 3], 'k': ['x', 'y', 'x']})\n"
        "frame.to_csv(base + '/f.csv', index=False)\nframe.to_parquet(base + '/f.parquet')\n"
        "frame.to_parquet(base + '/parts', partition_cols=['k'])\n"
        "frame.to_json(base + '/f.json')",
        "print(len(pd.read_csv(base + '/f.csv')), len(pd.read_parquet(base + '/f.parquet')))\n"
        "print(len(pd.read_parquet(base + '/parts')), pq.read_table(base + "
        "'/f.parquet').num_rows)\n"
        "print(ds.dataset(base + '/parts').count_rows(), pq.ParquetFile(base + "
        "'/f.parquet').metadata.num_rows)\n"
        "pq.write_table(pq.read_table(base + '/f.parquet'), base + '/g.parquet')\n"
        "print(os.path.exists(base + '/g.parquet'))",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text(2) == "3 3\n3 3\n3 3\nTrue\n"
    assert bench.real(f"{base}/g.parquet").is_file()


def test_a_volume_takes_no_append_and_no_random_write(bench: Bench) -> None:
    ran = bench.run(
        f"path = '{VOLUME}/whole.txt'\n"
        "def refused(work):\n"
        "    try:\n        work()\n    except OSError as e:\n        return e.errno == 95\n"
        "print(refused(lambda: open(path, 'a')), refused(lambda: open(path, 'r+')))\n"
        "def back():\n"
        "    with open(path, 'wb') as f:\n        f.write(b'abc')\n        f.seek(0)\n"
        "print(refused(back))",
        "import os\nwith open(path, 'w') as f:\n    f.write('whole')\n"
        "    f.flush(); print('whole' in open(path).read() if os.path.exists(path) else 'not "
        "there')\n"
        "print(open(path).read())",
        "import zipfile\nwith zipfile.ZipFile(path, 'w') as z: z.writestr('a', 'b')",
    )
    assert ran.text(1) == "True True\nTrue\n"
    assert ran.text(2).endswith("whole\n")
    assert "no random write" in (ran.outcome.error or "")


def test_paths_do_not_lead_out_of_the_store(bench: Bench) -> None:
    ran = bench.run("open('/Volumes/../../../../../etc/hostname')", "print('never')")
    # as on a cluster, that is a path of the driver's own disk, or none at all
    assert str(bench.layout.root) not in (ran.outcome.error or "")
    bench.real(f"{HOME}").joinpath("link").unlink(missing_ok=True)
    bench.real(f"{HOME}").joinpath("link").symlink_to("/etc")
    assert "leads outside" in (bench.run(f"open('{HOME}/link/hostname')").outcome.error or "")


def test_processes_that_a_notebook_starts_get_real_paths(bench: Bench) -> None:
    bench.write("data.txt", "data\n")
    ran = bench.run(
        "import subprocess\n"
        f"print(subprocess.check_output(['cat', '{bench.folder}/data.txt'], text=True), end='')\n"
        f"print(subprocess.check_output('cat {bench.folder}/data.txt', shell=True, text=True), "
        "end='')\n"
        f"print(subprocess.check_output(['cat', 'data.txt'], text=True, cwd='{bench.folder}'), "
        "end='')",
    )
    assert ran.text() == "data\ndata\ndata\n"


def test_the_environment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = bench.run(
        "import os\nprint(os.environ['DATABRICKS_RUNTIME_VERSION'], "
        "os.environ['DATABRICKS_HOST'])\n"
        "print(sorted(k for k in os.environ if k.startswith(('DATABRICKS_', 'BRICKLOOP_'))))",
        host="http://127.0.0.1:1",
        token="a-token",
    )
    assert ran.text() == (
        "16.4 http://127.0.0.1:1\n"
        "['DATABRICKS_HOST', 'DATABRICKS_RUNTIME_VERSION', 'DATABRICKS_TOKEN']\n"
    )


def test_brickloop_is_what_the_attached_wheel_holds(bench: Bench) -> None:
    wheel = make_wheel(
        bench,
        f"{VOLUME}/brickloop-9.0-py3-none-any.whl",
        {"brickloop/__init__.py": "from .inner import NotebookOutput\n",
         "brickloop/inner.py": "class NotebookOutput: ...\n"},
    )  # fmt: skip
    ran = bench.run(
        "import sys\nprint([name for name in sys.modules if name.startswith('brickloop')])",
        "import brickloop\nprint(brickloop.__file__)",
        "from brickloop import NotebookOutput\nprint(NotebookOutput.__module__)",
        "import brickloop.localws",
        libraries=(wheel,),
    )
    assert ran.text(1) == "[]\n"
    assert "/cache/wheels/" in ran.text(2)
    assert ran.text(3) == "brickloop.inner\n"
    assert ran.outcome.error == "ModuleNotFoundError: No module named 'brickloop.localws'"


def test_brickloop_is_the_installed_package_without_a_wheel(bench: Bench) -> None:
    ran = bench.run("from brickloop import NotebookOutput\nprint(NotebookOutput.__name__)")
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text() == "NotebookOutput\n"


def test_names_of_the_runtime_module(spark_bench: Bench) -> None:
    spark_bench.write(
        "uses.py",
        "from databricks.sdk.runtime import dbutils, display, spark\n"
        "def count():\n    return spark.range(4).count()\n",
    )
    ran = spark_bench.run(
        "from databricks.sdk.runtime import *\nimport uses\nprint(uses.count(), dbutils is "
        "uses.dbutils)"
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text() == "4 True\n"


def test_the_session_is_one_however_it_is_got(spark_bench: Bench) -> None:
    ran = spark_bench.run(
        "from pyspark.sql import SparkSession\n"
        "mine = SparkSession.builder.appName('x').config('spark.sql.shuffle.partitions', "
        "'3').getOrCreate()",
        "print(mine is spark, SparkSession.getActiveSession() is spark)\n"
        "print(sqlContext.sparkSession is spark, spark.conf.get('spark.sql.shuffle.partitions'))\n"
        "print(sql('select 1').collect()[0][0], table('range(1)') is not None if False else True)",
        "sc.setLogLevel('ERROR')\nprint(sc.defaultParallelism > 0, sc.version == spark.version)\n"
        "print(sc.parallelize([3, 1, 2]).map(lambda x: x * 2).collect(), sc.broadcast(5).value)\n"
        "print(sc.parallelize([(1, 'a')]).toDF(['n', 's']).collect())",
        "from pyspark.sql.functions import col\n"
        "@udf('int')\ndef plus(x):\n    return x + 1\n"
        "print(spark.range(1).select(plus(col('id'))).collect()[0][0])",
        "sc.textFile('x')",
    )
    assert ran.text(2) == "True True\nTrue 3\n1 True\n"
    assert ran.text(3) == "True True\n[6, 2, 4] 5\n[Row(n=1, s='a')]\n"
    assert ran.text(4) == "1\n"
    assert "UNSUPPORTED: sparkContext.textFile" in (ran.outcome.error or "")


def test_udf_of_a_module_beside_the_notebook(spark_bench: Bench) -> None:
    spark_bench.write("rules.py", "BASE = 40\ndef plus(x):\n    return BASE + x\n")
    ran = spark_bench.run(
        "import rules\nfrom pyspark.sql.functions import col, udf\n"
        "print(spark.range(3).select(udf(rules.plus, 'long')(col('id'))).collect()[2][0])"
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text() == "42\n"


def test_a_notebook_that_needs_no_spark_opens_no_session(bench: Bench) -> None:
    # nothing answers at this bench's engine address
    ran = bench.run("print(type(sc).__name__)", "dbutils.widgets.getAll()", "displayHTML('x')")
    assert ran.outcome.status == "success"


def test_requirements_that_are_not_met(bench: Bench) -> None:
    assert bench.run("print(1)", requirements=("numpy>=1",)).outcome.status == "success"
    for text, words in (
        ("no-such-thing", "is not installed"),
        ("numpy<1", "is not met"),
        ("?", "no"),
    ):
        ran = bench.run("print('never')", requirements=(text,))
        assert ran.outcome.status == "failed"
        assert words in (ran.outcome.error or "")
        assert ran.commands == []


def test_python_file(bench: Bench) -> None:
    bench.write("beside.py", "NAME = 'beside'\n")
    bench.write(
        "job.py",
        "import sys, beside\nprint(__name__, sys.argv[1:], beside.NAME, __file__)\n"
        "print('to stderr', file=sys.stderr)\nif len(sys.argv) > 2:\n    "
        "sys.exit(int(sys.argv[2]))\n",
    )
    path = f"{bench.folder}/job.py"
    ran = bench.run_task({"spark_python_task": {"python_file": path, "parameters": ["a b"]}})
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert f"__main__ ['a b'] beside {path}\n" in ran.outcome.logs
    assert "to stderr\n" in ran.outcome.logs
    assert ran.events == []
    for code, status in (("0", "success"), ("3", "failed")):
        task = {"python_file": path, "parameters": ["a", code]}
        assert bench.run_task({"spark_python_task": task}).outcome.status == status


def test_python_file_on_a_volume_that_fails(bench: Bench) -> None:
    bench.write(f"{VOLUME}/failing.py", "def f():\n    raise ValueError('in file')\nf()\n")
    ran = bench.run_task({"spark_python_task": {"python_file": f"dbfs:{VOLUME}/failing.py"}})
    assert ran.outcome.error == "ValueError: in file"
    trace = ran.outcome.error_trace or ""
    assert f'File "{VOLUME}/failing.py", line 2, in f\n    raise ValueError' in trace
    assert trace in ran.outcome.logs
    missing = bench.run_task({"spark_python_task": {"python_file": "dbfs:/nowhere.py"}})
    assert "the Python file dbfs:/nowhere.py does not exist" in (missing.outcome.error or "")


def test_wheel_task(bench: Bench) -> None:
    wheel = make_wheel(
        bench,
        "wheels/tool-1.0-py3-none-any.whl",
        {
            "tool/__init__.py": "import sys\ndef main():\n    print('tool', sys.argv[1:])\n"
            "def direct():\n    print('direct')\n",
            "INFO/entry_points.txt": "[console_scripts]\nrun = tool:main\n",
        },
    )
    task = {"package_name": "tool", "entry_point": "run", "named_parameters": {"k": "v"}}
    ran = bench.run_task({"python_wheel_task": task}, libraries=(wheel,))
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.outcome.logs == "tool ['--k=v']\n"
    task = {"package_name": "tool", "entry_point": "direct"}
    assert (
        bench.run_task({"python_wheel_task": task}, libraries=(wheel,)).outcome.logs == "direct\n"
    )
    task = {"package_name": "tool", "entry_point": "missing"}
    ran = bench.run_task({"python_wheel_task": task}, libraries=(wheel,))
    assert "no entry point and no function 'missing'" in (ran.outcome.error or "")
    ran = bench.run_task({"python_wheel_task": task})
    assert "the package tool is not attached to the run" in (ran.outcome.error or "")


def test_sql_file(spark_bench: Bench) -> None:
    spark_bench.write(
        "report.sql", "-- a report\nselect 1;\nselect :who as name, null as nothing, {{n}} as n;\n"
    )
    path = f"{spark_bench.folder}/report.sql"
    ran = spark_bench.run_task(
        {"sql_task": {"file": {"path": path}, "parameters": {"who": "you", "n": "3"}}}
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.outcome.logs == "name  nothing  n\n----  -------  -\nyou   NULL     3\n"
    ran = spark_bench.run_task({"sql_task": {"query": {"query_id": "x"}}})
    assert "UNSUPPORTED" in (ran.outcome.error or "")


def test_a_task_of_an_unknown_kind(bench: Bench) -> None:
    ran = bench.run_task({"dbt_task": {}, "task_key": "x"})
    assert ran.outcome.status == "failed"
    assert "dbt_task" in (ran.outcome.error or "")


def test_the_clock_is_a_clusters(bench: Bench) -> None:
    ran = bench.run(
        "import datetime, time\n"
        "print(time.tzname[0], datetime.datetime.now().astimezone().tzname())"
    )
    assert ran.text() == "UTC UTC\n"


def test_libraries_do_not_take_the_notebook_for_ipython(bench: Bench) -> None:
    ran = bench.run(
        "import sys, matplotlib.pyplot as plt\nplt.plot([1])\nprint('IPython' in sys.modules)",
        "import IPython\nplt.plot([1]);",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text(1) == "False\n"
    assert [item["type"] for item in ran.items(2)] == ["mimeBundle"]


def test_names_of_ipython(bench: Bench) -> None:
    ran = bench.run(
        "import IPython\nfrom IPython.display import HTML, Markdown, SVG, display as show\n"
        "print(IPython.get_ipython().user_ns['dbutils'] is dbutils, get_ipython() is not None)",
        "show(HTML('<b>x</b>'))\nshow(Markdown('*text*'))\nSVG('<svg/>')",
        "get_ipython().run_line_magic('env', 'A=b')\nimport os; os.environ['A']",
        "from pyspark.dbutils import DBUtils\nprint(DBUtils(None) is dbutils)",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text(1) == "True True\n"
    assert [item["data"] for item in ran.items(2)] == [
        "<b>x</b>",
        "*text*\n",
        {"image/svg+xml": "<svg/>"},
    ]
    assert ran.text(4) == "True\n"


def test_spark_context_and_rdd_of_frames(spark_bench: Bench) -> None:
    ran = spark_bench.run(
        "spark.sparkContext.setLogLevel('ERROR')\nprint(spark.sparkContext is sc)\n"
        "rdd = spark.range(3).rdd\nprint(rdd.map(lambda row: row.id + 1).collect(), "
        "rdd.getNumPartitions())\n"
        "print(rdd.isEmpty(), rdd.map(lambda row: row[0]).max(), rdd.zipWithIndex().count())"
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text() == "True\n[1, 2, 3] 1\nFalse 2 3\n"


def test_processes_of_multiprocessing(bench: Bench) -> None:
    ran = bench.run(
        "import multiprocessing, os\ndef square(x):\n    print('in child')\n    return x * x",
        "with multiprocessing.get_context('fork').Pool(2) as workers:\n"
        "    print(workers.map(square, range(3)))",
        "1 + 1",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert "[0, 1, 4]\n" in ran.text(2)
    assert ran.text(3) == "2\n"
