"""Paths in volumes: which volume, which real file, and whether the volume is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brickloop.localws.disk import name_problem
from brickloop.localws.layout import StoreLayout
from brickloop.localws.wire import ApiError, invalid
from brickloop.model.paths import RemotePath, Store, parse_remote_path

_VOLUME_PARTS = 3


@dataclass(frozen=True)
class VolumePath:
    """A path below ``/Volumes`` whose volume exists."""

    path: str
    real: Path
    depth: int
    """Steps below the volume; 0 is the volume itself."""


def find_volume_path(layout: StoreLayout, path: str) -> VolumePath:
    """The place of ``path``; raises the API's 404 where there is no such volume."""
    remote = parse_remote_path(path)
    problem = name_problem(remote.path)
    if problem:
        raise invalid(problem)
    parts = remote.path.split("/")[2:]
    if remote.store is not Store.VOLUME or len(parts) < _VOLUME_PARTS:
        raise invalid(f"Invalid path: {path}; write /Volumes/<catalog>/<schema>/<volume>/...")
    volume = layout.volumes.joinpath(*parts[:_VOLUME_PARTS])
    if not volume.is_dir():
        name = ".".join(parts[:_VOLUME_PARTS])
        raise ApiError(404, "NOT_FOUND", f"Volume '{name}' does not exist.")
    real = layout.real(RemotePath(Store.VOLUME, remote.path))
    return VolumePath(remote.path, real, len(parts) - _VOLUME_PARTS)
