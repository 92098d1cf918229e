"""Wheels: unpacked once by content, and refused when they are not what they should be."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from brickloop.errors import UsageError
from brickloop.localws.layout import StoreLayout
from brickloop.localws.wheels import attach_wheels, check_requirement, put_first, unpack_wheel

from .conftest import Bench

VOLUME = "/Volumes/main/default/brickloop"


def make_wheel(path: Path, files: dict[str, str], requires: str = "") -> Path:
    name, version = path.name.split("-")[:2]
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
        archive.writestr(f"{name}-{version}.dist-info/METADATA", head)
        for inner, text in files.items():
            archive.writestr(inner, text)
    return path


def test_unpacked_once_by_content(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    one = make_wheel(tmp_path / "a-1-py3-none-any.whl", {"a.py": "x = 1"})
    folder = unpack_wheel(one, cache)
    assert (folder / "a.py").read_text() == "x = 1"
    (folder / "mark").touch()
    copy = tmp_path / "b" / one.name
    copy.parent.mkdir()
    copy.write_bytes(one.read_bytes())
    assert unpack_wheel(copy, cache) == folder
    assert (folder / "mark").exists()
    other = make_wheel(tmp_path / "c" / "a-1-py3-none-any.whl", {"a.py": "x = 2"})
    assert unpack_wheel(other, cache) != folder


def test_nothing_is_unpacked_outside(tmp_path: Path) -> None:
    files = {
        "../evil.py": "", "/abs.py": "", "ok.py": "", "a-1.data/purelib/p.py": "",
        "a-1.data/scripts/s": "",
    }  # fmt: skip
    folder = unpack_wheel(
        make_wheel(tmp_path / "w" / "a-1-py3-none-any.whl", files), tmp_path / "c"
    )
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"ok.py", "p.py", "a-1.dist-info/METADATA"}
    assert not (tmp_path / "c" / "evil.py").exists()


def test_what_is_no_wheel(tmp_path: Path) -> None:
    broken = tmp_path / "a-1-py3-none-any.whl"
    broken.write_text("no zip")
    native = make_wheel(tmp_path / "a-1-cp311-cp311-linux_x86_64.whl", {"a.py": ""})
    egg = tmp_path / "a.egg"
    for path, words in (
        (broken, "cannot be unpacked"),
        (native, "no pure Python wheel"),
        (egg, "is no wheel"),
        (tmp_path / "gone-1-py3-none-any.whl", "does not exist"),
    ):
        with pytest.raises(UsageError, match=words):
            unpack_wheel(path, tmp_path / "cache")
    left = list((tmp_path / "cache").iterdir()) if (tmp_path / "cache").exists() else []
    assert left == []


def test_requirements_of_wheels(tmp_path: Path) -> None:
    layout = StoreLayout(tmp_path)
    layout.make()
    (layout.dbfs / "w").mkdir()
    make_wheel(
        layout.dbfs / "w" / "first-1-py3-none-any.whl",
        {"first.py": ""},
        "Requires-Dist: second>=1\nRequires-Dist: numpy\nRequires-Dist: nothing; extra == 'x'\n",
    )
    make_wheel(layout.dbfs / "w" / "second-1-py3-none-any.whl", {"second.py": ""})
    both = ("dbfs:/w/first-1-py3-none-any.whl", "dbfs:/w/second-1-py3-none-any.whl")
    assert len(attach_wheels(layout, both)) == 2
    with pytest.raises(UsageError, match=r"second>=1, which first needs, is not installed"):
        attach_wheels(layout, both[:1])


def test_check_requirement() -> None:
    assert check_requirement("numpy>=1") != ""
    assert check_requirement("nothing; python_version < '3'") == ""
    with pytest.raises(UsageError, match="is no requirement"):
        check_requirement("!!")


def test_put_first_keeps_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["x", "b", "y"])
    put_first(["a", "b"])
    assert sys.path == ["a", "b", "x", "y"]


@pytest.mark.parametrize("place", [VOLUME, "dbfs:/libs", "/Workspace/Shared"])
def test_attached_from_everywhere_and_before_what_is_installed(bench: Bench, place: str) -> None:
    path = f"{place}/packaging-99.0-py3-none-any.whl"
    make_wheel(bench.real(path), {"packaging/__init__.py": "__version__ = '99.0'\n"})
    ran = bench.run(
        "import packaging, importlib.metadata\n"
        "print(packaging.__version__, importlib.metadata.version('packaging'))",
        libraries=(path,),
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text() == "99.0 99.0\n"


def test_a_library_that_is_missing_fails_the_run(bench: Bench) -> None:
    ran = bench.run("print('never')", libraries=("dbfs:/none-1-py3-none-any.whl",))
    assert ran.outcome.status == "failed"
    assert "dbfs:/none-1-py3-none-any.whl: the library does not exist" in (ran.outcome.error or "")
    assert ran.commands == []


def test_pip_install_of_a_wheel_of_the_store(bench: Bench) -> None:
    make_wheel(bench.real("libs/mine-1-py3-none-any.whl"), {"mine.py": "VALUE = 5\n"})
    ran = bench.run(
        "# MAGIC %pip install ./libs/mine-1-py3-none-any.whl",
        "import mine; mine.VALUE",
        f"# MAGIC %pip install {bench.folder}/libs/mine-1-py3-none-any.whl",
    )
    assert ran.outcome.status == "success", ran.outcome.error_trace
    assert ran.text(2) == "5\n"
