"""Wheels attached to a run: unpacked once by content, then put on the path."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import sys
import zipfile
from pathlib import Path, PurePosixPath

from brickloop.errors import UsageError
from brickloop.localws.layout import StoreLayout

_NATIVE = {"grpc", "matplotlib", "numpy", "pandas", "pyarrow", "pysail", "pyspark"}
_PURE = ("py3-none-any", "py2.py3-none-any")


def attach_wheels(layout: StoreLayout, libraries: tuple[str, ...]) -> list[str]:
    """The folders that hold the wheels' packages, in the order asked for.

    Raises UsageError for a library that is missing, is no pure Python wheel or needs a package
    that is not installed.
    """
    cache = layout.root / "cache" / "wheels"
    cache.mkdir(parents=True, exist_ok=True)
    folders = [str(unpack_wheel(layout.real(path), cache, shown=path)) for path in libraries]
    attached = list(importlib.metadata.distributions(path=folders))
    names = {_plain(found.metadata["Name"]) for found in attached}
    for found in attached:
        for text in found.requires or ():
            check_requirement(text, needed_by=found.metadata["Name"], present=names)
    return folders


def unpack_wheel(wheel: Path, cache: Path, *, shown: str | None = None) -> Path:
    """The folder below ``cache`` that holds the wheel's packages."""
    where = shown or str(wheel)
    if wheel.suffix != ".whl":
        raise UsageError("is no wheel: the local workspace attaches .whl files", where=where)
    if not wheel.is_file():
        raise UsageError("the library does not exist", where=where)
    if not wheel.stem.endswith(_PURE):
        raise UsageError(
            "is no pure Python wheel (py3-none-any)",
            where=where,
            hint="install what needs native code beside brickloop",
        )
    target = cache / hashlib.sha256(wheel.read_bytes()).hexdigest()[:32]
    if target.is_dir():
        return target
    unfinished = cache / f"{target.name}.{os.getpid()}"
    try:
        _extract(wheel, unfinished)
    except (zipfile.BadZipFile, NotImplementedError, EOFError):
        shutil.rmtree(unfinished, ignore_errors=True)
        raise UsageError("the library is no wheel: it cannot be unpacked", where=where) from None
    try:
        unfinished.rename(target)
    except OSError:
        # another run was faster; its folder has the same content
        shutil.rmtree(unfinished, ignore_errors=True)
        if not target.is_dir():
            raise
    return target


def check_requirement(
    text: str, *, needed_by: str | None = None, present: set[str] | None = None
) -> str:
    """The version that meets a requirement, empty when it does not apply to this machine.

    Raises UsageError when it is malformed or nothing installed meets it.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        raise UsageError(f"'{text}' is no requirement") from None
    if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
        return ""
    if present is not None and _plain(wanted.name) in present:
        return ""
    source = f", which {needed_by} needs," if needed_by else ""
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        raise UsageError(
            f"the requirement {text}{source} is not installed beside brickloop",
            hint=f"install it into brickloop's environment: pip install '{text}'",
        ) from None
    if not wanted.specifier.contains(version, prereleases=True):
        raise UsageError(
            f"the requirement {text}{source} is not met: {wanted.name} {version} is installed",
            hint=f"install it into brickloop's environment: pip install '{text}'",
        )
    return version


def forget_replaced(folders: list[str]) -> None:
    """Take out of ``sys.modules`` what is loaded already and is in a wheel as well.

    What native code stands behind stays: it cannot be loaded twice.
    """
    for folder in folders:
        names = {entry.name.removesuffix(".py") for entry in Path(folder).iterdir()}
        for name in [name for name in sys.modules if name.partition(".")[0] in names - _NATIVE]:
            del sys.modules[name]


def put_first(folders: list[str]) -> None:
    """Put folders before all others on ``sys.path``, in their order."""
    sys.path[:] = [*folders, *(entry for entry in sys.path if entry not in folders)]


def _extract(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            parts = PurePosixPath(entry.filename).parts
            if not parts or ".." in parts or parts[0] == "/" or entry.is_dir():
                continue
            if parts[0].endswith(".data"):
                # purelib and platlib stand beside the packages, scripts and headers stay away
                if len(parts) < 3 or parts[1] not in {"purelib", "platlib"}:
                    continue
                parts = parts[2:]
            target = folder.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, target.open("wb") as written:
                shutil.copyfileobj(source, written)
    if not folder.is_dir():
        raise zipfile.BadZipFile("empty")


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")
