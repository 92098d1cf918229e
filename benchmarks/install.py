"""What an installation costs: with and without the local workspace, from an empty cache.

The wheel of this repository goes into fresh environments, by pip without a cache and by uv with one
that is empty. Seconds depend on the line to the index; megabytes do not. Needs the network.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, write_table

_ROOT = Path(__file__).resolve().parents[1]
_LOCAL = "brickloop[local]"


def main(argv: list[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks install", description=__doc__)
    parser.add_argument("--times", type=int, default=1, help="installations of each kind")
    options = parser.parse_args(argv)
    if options.times < 1:
        parser.error("numbers must be 1 or more")
    seconds: dict[str, list[float]] = {}
    sizes: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory(prefix="brickloop-install-") as folder:
        wheel = build_wheel(Path(folder))
        for number in range(options.times):
            # in turns, so that a slow minute meets both
            for name in ("brickloop", _LOCAL):
                wanted = f"{wheel}{name.removeprefix('brickloop')}"
                place = Path(folder, f"{number}-{len(name)}")
                seconds.setdefault(f"pip, {name}", []).append(install_by_pip(place, wanted))
                sizes[name] = download(place, wanted), size(place)
                if shutil.which("uv"):
                    seconds.setdefault(f"uv, {name}", []).append(install_by_uv(place, wanted))
                shutil.rmtree(place)
    figures = []
    for name, taken in seconds.items():
        if _LOCAL in name:
            light = seconds[name.replace(_LOCAL, "brickloop")]
            figures.append(Figure(name, taken, "without the extra", light))
        else:
            figures.append(Figure(name, taken))
    print(write_table("a fresh installation", figures))
    for name, (loaded, kept) in sizes.items():
        print(f"{name}: {loaded:.0f} MB to download, {kept:.0f} MB on disk")
    return 0


def build_wheel(folder: Path) -> str:
    """The path of a wheel of this repository."""
    call = f"from hatchling.build import build_wheel; print(build_wheel({str(folder)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", call], cwd=_ROOT, check=True, capture_output=True, text=True
    )
    return str(folder / done.stdout.strip())


def install_by_pip(place: Path, wanted: str) -> float:
    """Seconds that pip takes without its cache; the environment stays."""
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    return timed([place / "bin" / "python", "-m", "pip", "install", "-q", "--no-cache-dir", wanted])


def install_by_uv(place: Path, wanted: str) -> float:
    """Seconds that uv takes with an empty cache."""
    fresh = place / "uv"
    subprocess.run(["uv", "venv", "-q", "--python", sys.executable, str(fresh)], check=True)
    python = str(fresh / "bin" / "python")
    command = ["uv", "pip", "install", "-q", "--link-mode=copy", "--python", python, wanted]
    return timed(command, UV_CACHE_DIR=str(place / "cache"))


def download(place: Path, wanted: str) -> float:
    """Megabytes of wheels that are fetched."""
    folder = place / "wheels"
    command = [place / "bin" / "python", "-m", "pip", "download", "-q", "-d", folder, wanted]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    loaded = size(folder)
    shutil.rmtree(folder)
    return loaded


def timed(command: list[str | Path], **environment: str) -> float:
    """Seconds that a command takes."""
    begun = time.perf_counter()
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", **environment}
    subprocess.run(command, check=True, env={**os.environ, **quiet})
    return time.perf_counter() - begun


def size(folder: Path) -> float:
    """Megabytes of all files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files) / 1e6


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
