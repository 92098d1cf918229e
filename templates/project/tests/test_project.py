"""The project itself: `doit` understands it. Tests of modules and notebooks go beside this file."""

import subprocess
import sys


def test_doit_understands_every_notebook(pytestconfig):
    """All can be read, and none waits for itself; nothing is run and no workspace is asked."""
    listed = subprocess.run(
        [sys.executable, "-m", "doit", "list", "--all"],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    assert "run:" in listed.stdout
