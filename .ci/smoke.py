"""What every supported Python must do: import all modules without a warning, and run the example.

Run by the interpreter that is tried, in an environment with ``brickloop[local]`` and nothing else.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# they take the place of names of the process, or begin to serve
_NOT_IMPORTED = ("__main__",)
# what users of it have, and we have not
_EXTRAS = {"pytest"}


def import_everything() -> int:
    """Import each module, warnings as errors; how many there are."""
    import brickloop

    count = 0
    for module in pkgutil.walk_packages(brickloop.__path__, "brickloop."):
        if module.name.rpartition(".")[2] in _NOT_IMPORTED:
            continue
        with warnings.catch_warnings():
            # of our own only: what others warn of is theirs
            warnings.filterwarnings("error", module=r"brickloop\.")
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                if error.name not in _EXTRAS:
                    raise
        count += 1
    return count


def run_example(folder: Path) -> None:
    """Run the example project twice: all of it, then nothing."""
    shutil.copytree(
        ROOT / "projects", folder / "projects", ignore=shutil.ignore_patterns("outputs")
    )
    for name in ("dodo.py", "tasks.py"):
        shutil.copy(ROOT / name, folder / name)
    programs = Path(sysconfig.get_path("scripts"))
    env = {**os.environ, "HOME": str(folder), "PYTHONWARNINGS": "default"}
    env = {name: value for name, value in env.items() if not name.startswith("DATABRICKS_")}

    def type_command(*words: str) -> str:
        done = subprocess.run(
            [programs / words[0], *words[1:]],
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        if done.returncode != 0 or "Traceback" in done.stdout:
            sys.exit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}")
        lines = done.stdout.splitlines()
        signs = ("/brickloop/", "unclosed database")
        ours = [
            line
            for line in lines
            if "Warning:" in line
            and any(sign in line for sign in signs)
            # what lives as long as the process ends with it
            and not line.startswith("<sys>:0:")
        ]
        if ours:
            sys.exit(f"{' '.join(words)} warned:\n" + "\n".join(ours))
        return done.stdout

    try:
        type_command("doit")
        type_command("doit")
        if not (folder / "outputs").is_dir():
            sys.exit("doit left no outputs")
        told = type_command("invoke", "query", "SELECT 6 * 7 AS answer", "--profile", "local")
        if "42" not in told:
            sys.exit(f"the query gave: {told}")
    finally:
        type_command("invoke", "local.stop")


def main() -> None:
    """Try it all and say so in one line."""
    count = import_everything()
    with tempfile.TemporaryDirectory(prefix="brickloop-smoke-") as folder:
        run_example(Path(folder))
    print(f"Python {sys.version.split()[0]}: {count} modules, the example project twice, a query")


if __name__ == "__main__":
    main()
