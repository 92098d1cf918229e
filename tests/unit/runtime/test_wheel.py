"""The runtime wheel: the same bytes everywhere, and it stands alone."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from brickloop.runtime.wheel import runtime_wheel


def test_the_same_sources_give_the_same_bytes():
    assert runtime_wheel("1.0") == runtime_wheel("1.0")
    assert runtime_wheel("1.0")[0] != runtime_wheel("1.1")[0]


def test_it_installs_and_imports_without_anything_else(tmp_path):
    name, data = runtime_wheel("1.0")
    (tmp_path / name).write_bytes(data)
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--target", str(target),
         str(tmp_path / name)],
        check=True, capture_output=True,
    )  # fmt: skip
    script = (
        f"import sys; sys.path.insert(0, {str(target)!r})\n"
        "import brickloop\nfrom brickloop import NotebookOutput\n"
        "out = NotebookOutput(); out.add_section('a', 'b'); print(brickloop.__version__)\n"
        "assert 'b' in out.render()\n"
    )
    # -S and -E: no site packages, no environment
    result = subprocess.run(
        [sys.executable, "-S", "-E", "-c", script], capture_output=True, text=True
    )
    assert (result.stdout, result.stderr) == ("1.0\n", "")


def test_it_holds_every_module_that_notebooks_need():
    import io

    from brickloop.runtime import wheel

    names = {path.name for path in Path(wheel.__file__).parent.glob("*.py")} - {"wheel.py"}
    with zipfile.ZipFile(io.BytesIO(runtime_wheel("1.0")[1])) as archive:
        shipped = {
            name.rsplit("/", 1)[1]
            for name in archive.namelist()
            if name.startswith("brickloop/runtime/")
        }
    assert shipped == names


def test_its_record_names_every_file(tmp_path):
    name, data = runtime_wheel("1.0")
    (tmp_path / name).write_bytes(data)
    with zipfile.ZipFile(tmp_path / name) as archive:
        record = next(entry for entry in archive.namelist() if entry.endswith("RECORD"))
        listed = {line.split(",")[0] for line in archive.read(record).decode().splitlines()}
        assert listed == set(archive.namelist())
