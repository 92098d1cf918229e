"""What is published: wheel and sdist hold what they should, and a machine with only them works."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest
from tests.acceptance.conftest import DODO, TASKS, write_notebook

import brickloop
from brickloop import launcher
from brickloop.flows.scaffold import plan_project
from brickloop.flows.scaffold_names import project_name

ROOT = Path(__file__).resolve().parents[2]
_EPOCH = "1700000000"
_LEFT_BEHIND = frozenset(
    {"__pycache__", ".venv", ".brickloop", "outputs", ".doit.db", ".mypy_cache", ".pytest_cache",
     ".hypothesis", ".node", ".git", "node_modules", ".env"}
)  # fmt: skip
_LOCAL = (
    "pysail", "pyspark", "deltalake", "matplotlib", "starlette", "uvicorn", "python_multipart",
    "multipart", "grpc",
)  # fmt: skip
# what the installation of doit and invoke puts beside the interpreter
_PROGRAMS = {
    "doit": "from doit.__main__ import main\nsys.exit(main())",
    "invoke": "from invoke.main import program\nsys.exit(program.run())",
}
# what an interpreter sees where these packages are not installed
_BLOCKER = f"""
import importlib.machinery as machinery

_find = machinery.PathFinder.find_spec


def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in {set(_LOCAL)!r} else _find(name, path, target)


machinery.PathFinder.find_spec = find_spec
"""


def build(folder: Path, out: Path, *kinds: str) -> list[Path]:
    """The files that the build backend makes of a source folder, as installers call it."""
    out.mkdir(parents=True)
    calls = "; ".join(f"print(build_{kind}({str(out)!r}))" for kind in kinds)
    done = subprocess.run(
        [sys.executable, "-c", f"from hatchling.build import build_sdist, build_wheel; {calls}"],
        cwd=folder,
        env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return [out / name for name in done.stdout.split()]


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """The repository as it is here, without what is never published."""
    folder = tmp_path_factory.mktemp("source") / "brickloop"
    keep_out = shutil.ignore_patterns(".venv", ".git", ".node", ".brickloop", ".*_cache")
    shutil.copytree(ROOT, folder, ignore=keep_out)
    # what a day's work leaves, wherever the build may come by
    for litter in (
        "lib/brickloop/__pycache__/errors.cpython-311.pyc",
        "lib/brickloop/localws/.brickloop/ledger.db",
        "projects/nyc_flights/outputs/01_load.json",
        "outputs/index.html",
        "tests/__pycache__/conftest.pyc",
        ".doit.db",
        ".env",
    ):
        (folder / litter).parent.mkdir(parents=True, exist_ok=True)
        (folder / litter).write_text("litter")
    return folder


@pytest.fixture(scope="session")
def built(source, tmp_path_factory):
    """An sdist, and the wheel that is made of it."""
    out = tmp_path_factory.mktemp("built")
    (sdist,) = build(source, out / "sdist", "sdist")
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(out / "unpacked", filter="data")
        else:
            archive.extractall(out / "unpacked")
    (unpacked,) = (out / "unpacked").iterdir()
    (wheel,) = build(unpacked, out / "wheel", "wheel")
    return sdist, wheel


@pytest.fixture(scope="session")
def installed(built, tmp_path_factory):
    """The programs of an environment with the wheel in it; its dependencies are this one's."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run(
        [programs / "python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", built[1]],
        check=True,
        timeout=120,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    place = "import sysconfig; print(sysconfig.get_path('purelib'))"
    asked = subprocess.run(
        [programs / "python", "-c", place], check=True, capture_output=True, text=True
    )
    # added behind the environment's own, and without the editable install of this repository
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(asked.stdout.strip(), "dependencies.pth").write_text("\n".join(sorted(paths)) + "\n")
    for name, call in _PROGRAMS.items():
        shutil.copy(programs / "pip", programs / name)
        head = (programs / name).read_text().splitlines()[0]
        (programs / name).write_text(f"{head}\nimport sys\n{call}\n")
    return programs


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(name).decode())


def configuration() -> dict:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_wheel_holds_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[1]) as archive:
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
        times = {info.date_time[:3] for info in archive.infolist()}
    forced = configuration()["tool"]["hatch"]["build"]["targets"]["wheel"].get("force-include", {})
    expected = set()
    for source, target in {"lib/brickloop": "brickloop", **forced}.items():
        for path in (ROOT / source).rglob("*"):
            if path.is_file() and not {"__pycache__", ".brickloop", "outputs"} & set(path.parts):
                expected.add(f"{target}/{path.relative_to(ROOT / source).as_posix()}")
    assert found == expected
    assert "brickloop/py.typed" in found
    assert {name for name in found if name.endswith(".json")}
    assert times == {(2023, 11, 14)}


def test_the_sdist_holds_what_the_tests_need_and_no_litter(built):
    with tarfile.open(built[0]) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    litter = [n for n in names if _LEFT_BEHIND & set(n.split("/"))]
    assert litter == []
    needed = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "dodo.py", "tasks.py"}
    needed |= {"tests/conftest.py", "benchmarks/__main__.py", "projects/nyc_flights/01_load.py"}
    assert needed <= set(names)


def test_built_again_it_is_the_same_bytes(source, built, tmp_path):
    again = build(source, tmp_path / "again", "sdist", "wheel")
    assert [path.name for path in again] == [path.name for path in built]
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in built]


def test_the_metadata_are_what_an_index_shows(built):
    facts = metadata(built[1])
    assert facts["Description-Content-Type"] == "text/markdown"
    assert facts.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")
    assert facts["License-Expression"] == "Apache-2.0"
    assert facts.get_all("License-File") == ["LICENSE"]
    assert facts["Requires-Python"] == ">=3.10"
    classifiers = facts.get_all("Classifier")
    assert [
        f"Programming Language :: Python :: 3.{minor}" in classifiers for minor in range(10, 14)
    ]
    assert "Typing :: Typed" in classifiers
    with zipfile.ZipFile(built[1]) as archive:
        (licence,) = [n for n in archive.namelist() if n.endswith("licenses/LICENSE")]
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_there_is_one_place_for_the_version(built):
    version = brickloop.__version__
    assert metadata(built[1])["Version"] == version
    saying = []
    for path in (ROOT / "lib").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if version in [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]:
            saying.append(path.relative_to(ROOT / "lib" / "brickloop").as_posix())
    assert saying == ["__init__.py"]
    assert version not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"\n## [{version}] - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_default_install_is_without_the_local_workspace(built):
    required = metadata(built[1]).get_all("Requires-Dist")
    always = {line.split(";")[0] for line in required if "extra ==" not in line}
    names = {line.split(">")[0].split("<")[0].strip() for line in always}
    assert not names & {"pysail", "pyspark-client", "deltalake", "matplotlib", "starlette"}
    assert "local" in metadata(built[1]).get_all("Provides-Extra")


def test_with_nothing_but_the_wheel_a_project_runs(installed, tmp_path):
    project = made_project(tmp_path)
    try:
        done = typed(project, installed, "doit")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "six times seven is 42" in done.stdout
        where = typed(project, installed, "python", "-c", "import brickloop; print(brickloop)")
        assert str(installed.parent) in where.stdout
        listed = typed(project, installed, "invoke", "--list")
        assert "dev.watch" in listed.stdout
    finally:
        launcher.stop(project / ".brickloop" / "local")


def test_without_the_local_packages_a_real_workspace_is_worked_with(
    installed, local_server, tmp_path
):
    """A server in an environment of its own is as real as any."""
    project = made_project(tmp_path)
    light = blocked(tmp_path) | {
        "DATABRICKS_HOST": local_server.host,
        "DATABRICKS_TOKEN": local_server.token,
    }
    for words, wanted in (
        (["doit"], "six times seven is 42"),
        (["doit"], ""),
        (["invoke", "query", "SELECT 6 * 7 AS answer"], "42"),
        (["invoke", "dev.run", "notebooks/a.py"], "six times seven is 42"),
        (["invoke", "health"], ""),
        (["invoke", "sync.init", "notebooks", "~/light"], ""),
        (["invoke", "sync.push"], ""),
        (["invoke", "report"], ""),
        (["invoke", "doctor"], "local"),
    ):
        done = typed(project, installed, *words, **light)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        assert wanted in done.stdout, words


@pytest.mark.parametrize("template", ["etl", "report"])
def test_the_wheel_alone_makes_the_projects_of_the_checkout(installed, tmp_path, template):
    """As `uvx brickloop new` does: nothing else is installed yet."""
    words = ["python", "-m", "brickloop", "new", "sales", "--template", template]
    made = typed(tmp_path, installed, *words, **blocked(tmp_path))
    assert made.returncode == 0, made.stderr
    expected = {one.relative: one.data for one in plan_project(project_name("sales"), template)}
    made_files = [path for path in (tmp_path / "sales").rglob("*") if path.is_file()]
    files = [path for path in made_files if ".brickloop" not in path.parts]
    found = {path.relative_to(tmp_path / "sales").as_posix(): path.read_bytes() for path in files}
    assert found == expected


def test_without_them_tests_say_what_to_install(installed, tmp_path):
    script = "from brickloop.testing import LocalWorkspace as W; W().query('SELECT 1')"
    done = typed(tmp_path, installed, "python", "-c", script, **blocked(tmp_path))
    assert "the local workspace is not installed" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    "words",
    [
        ["doit"],
        ["invoke", "query", "SELECT 1", "--profile", "local"],
        ["invoke", "dev.run", "notebooks/a.py", "--local"],
        ["invoke", "local.start"],
    ],
)
def test_without_them_the_local_workspace_says_what_to_install(installed, tmp_path, words):
    done = typed(made_project(tmp_path), installed, *words, **blocked(tmp_path))
    assert "the local workspace is not installed" in done.stderr
    assert "pip install 'brickloop[local]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


def test_without_them_a_workspace_that_refuses_us_is_said_to_do_so(
    installed, local_server, tmp_path
):
    light = blocked(tmp_path) | {"DATABRICKS_HOST": local_server.host, "DATABRICKS_TOKEN": "no"}
    for words in (["invoke", "query", "SELECT 1"], ["doit"], ["invoke", "runs"]):
        done = typed(made_project(tmp_path), installed, *words, **light)
        assert done.returncode == 3, (words, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr


def made_project(tmp_path: Path) -> Path:
    root = tmp_path / "made"
    (root / "notebooks").mkdir(parents=True, exist_ok=True)
    (root / "dodo.py").write_text(DODO)
    (root / "tasks.py").write_text(TASKS)
    write_notebook(
        root / "notebooks" / "a.py",
        'n = spark.sql("SELECT 6 * 7").collect()[0][0]\nprint("six times seven is", n)',
    )
    return root


def blocked(tmp_path: Path) -> dict[str, str]:
    """The variables of a process that finds none of the local workspace's packages."""
    folder = tmp_path / "blocker"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(_BLOCKER)
    return {"PYTHONPATH": str(folder)}


def typed(
    folder: Path, programs: Path, *words: str, **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [programs / words[0], *words[1:]],
        cwd=folder,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
