"""What can be said of Windows from here: nothing but Python's own modules of POSIX is missing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import brickloop
from brickloop import launcher
from brickloop.errors import PathError, UsageError
from brickloop.model.paths import parse_remote_path, workspace_path
from brickloop.sync import tree
from brickloop.sync.tree import DiskTree

_POSIX = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty")
_CALLS = re.compile(
    r"\b(?:os\.(?:fork|killpg|getuid|geteuid|setsid|fchmod|mkfifo|waitpid)|signal\.SIGKILL)\b"
)
_GUARDED = {
    "clients": set(),
    "sql/cache.py": {"os.getuid"},
    "launcher.py": {"signal.SIGKILL"},
    "sync/tree.py": {"os.fchmod"},
    "flows/doctor_project.py": {"os.getuid"},
}
"""Where a call that Windows lacks stands behind a check of the platform."""


def test_every_module_outside_the_local_workspace_imports_without_posix():
    script = f"""
import importlib, pkgutil, sys
hidden = {set(_POSIX)!r}
# what others import may have found them: a dependency is not what is tested
import databricks.sdk, databricks.sql, doit, invoke, requests, rich.console, watchdog.observers
class Hiding:
    def find_spec(self, name, path=None, target=None):
        if name in hidden:
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)
for name in hidden:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Hiding())
import brickloop
names = [one.name for one in pkgutil.walk_packages(brickloop.__path__, "brickloop.")]
failed = []
count = 0
for name in names:
    if name.startswith("brickloop.localws.") and not name.endswith(".record"):
        continue
    if name.endswith("__main__"):
        continue
    count += 1
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed.append((name, str(error)))
print(failed, count > 150)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "[] True\n", done.stderr


def test_calls_that_windows_lacks_are_few_and_guarded():
    top = Path(brickloop.__file__).parent
    found = {}
    for path in top.rglob("*.py"):
        name = path.relative_to(top).as_posix()
        calls = set(_CALLS.findall(path.read_text(encoding="utf-8")))
        if calls and not name.startswith("localws/"):
            found[name] = calls
    assert found == {name: calls for name, calls in _GUARDED.items() if calls}


def test_the_local_workspace_says_what_it_needs(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UsageError, match="needs Linux, macOS or WSL") as caught:
        launcher.check_installed()
    assert "--profile" in caught.value.hint


@pytest.mark.parametrize("read", [parse_remote_path, workspace_path])
@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("C:/Program Files/Git/Workspace/Users/me", "MSYS_NO_PATHCONV=1"),
        (r"C:\Program Files\Git\Volumes\main", "MSYS_NO_PATHCONV=1"),
        (r"\Workspace\Users\me", "with slashes"),
        (r"Users\me", "with slashes"),
        ("Users/me", "begin the path with a slash"),
    ],
)
def test_a_path_of_windows_is_none_of_a_workspace(read, text, hint):
    with pytest.raises(PathError) as caught:
        read(text)
    assert hint in caught.value.hint


@pytest.mark.parametrize("path", ["con.py", "etl/a:b.csv", "load.", "x\\y.py", "nul/x.py"])
def test_what_windows_cannot_hold_is_not_written_there(tmp_path, monkeypatch, path):
    disk = DiskTree(tmp_path / "root", tmp_path / "trash")
    disk.make_root()
    monkeypatch.setattr(tree, "_IS_WINDOWS", True)
    with pytest.raises(PathError):
        disk.stage(path, b"x")
    assert list((tmp_path / "root").rglob("*")) == []
    staged = disk.stage("etl/load.py", b"x")
    disk.publish(staged, "etl/load.py")
    assert (tmp_path / "root" / "etl" / "load.py").read_bytes() == b"x"


def test_permissions_are_left_alone_where_there_are_none(tmp_path, monkeypatch):
    disk = DiskTree(tmp_path / "root", tmp_path / "trash")
    disk.make_root()
    (tmp_path / "root" / "a.py").write_text("old")
    monkeypatch.delattr("os.fchmod")
    staged = disk.stage("a.py", b"new", like="a.py")
    assert (tmp_path / "root" / staged).read_bytes() == b"new"
