"""From a task as the API took it to a job that a kernel can execute, or the reason it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brickloop.errors import PathError
from brickloop.localws.kernel_job import KernelJob
from brickloop.localws.layout import StoreLayout
from brickloop.localws.run_store import Ending
from brickloop.model.paths import parse_remote_path, workspace_path
from brickloop.model.run import LifeCycle, ResultState


class TaskRefused(Exception):
    """A task that cannot start; carries how it ends."""

    def __init__(self, message: str, code: str = "RUN_EXECUTION_ERROR") -> None:
        super().__init__(message)
        self.ending = Ending(LifeCycle.INTERNAL_ERROR, ResultState.FAILED, message, code)


@dataclass(frozen=True)
class Needs:
    """What must be installed for a task."""

    wheels: tuple[str, ...]
    requirements: tuple[str, ...]


def prepare(job: KernelJob, layout: StoreLayout, environments: list[dict[str, Any]]) -> KernelJob:
    """``job`` with its libraries and its parameters joined.

    ``job.parameters`` are the job's own; they win over the task's. Raises TaskRefused when the
    notebook, file or library that the task names is not there.
    """
    needs = find_needs(job.task, environments, layout)
    for wheel in needs.wheels:
        if not _real(layout, wheel).is_file():
            raise TaskRefused(
                f"Library installation failed: the wheel '{wheel}' does not exist",
                "LIBRARY_INSTALLATION_ERROR",
            )
    check_source(job.task, layout)
    own: Mapping[str, str] = {}
    if "notebook_task" in job.task:
        own = job.task["notebook_task"].get("base_parameters") or {}
    elif "python_wheel_task" in job.task:
        own = job.task["python_wheel_task"].get("named_parameters") or {}
    elif "sql_task" in job.task:
        own = job.task["sql_task"].get("parameters") or {}
    return KernelJob(
        **{
            **vars(job),
            "parameters": {**own, **job.parameters},
            "libraries": needs.wheels,
            "requirements": needs.requirements,
        }
    )


def check_source(task: Mapping[str, Any], layout: StoreLayout) -> None:
    """Refuse a task whose notebook or file is not there."""
    if "notebook_task" in task:
        path = task["notebook_task"]["notebook_path"]
        if not layout.real(workspace_path(path)).is_file():
            raise TaskRefused(
                f'Unable to access the notebook "{path}". Either it does not exist, or the '
                "identity used to run this job lacks the required permissions",
                "RESOURCE_NOT_FOUND",
            )
    elif "spark_python_task" in task:
        _check_file(task["spark_python_task"]["python_file"], layout)
    elif "sql_task" in task:
        _check_file(task["sql_task"]["file"]["path"], layout)


def find_needs(
    task: Mapping[str, Any], environments: list[dict[str, Any]], layout: StoreLayout
) -> Needs:
    """The wheels and requirements of a task's libraries and of its environment, in order."""
    wheels: list[str] = []
    requirements: list[str] = []
    for library in task.get("libraries") or []:
        if "whl" in library:
            wheels.append(library["whl"])
        elif "pypi" in library:
            requirements.append(library["pypi"]["package"])
        elif "requirements" in library:
            _read_requirements(library["requirements"], layout, wheels, requirements)
        else:
            kind = next(iter(library), "?")
            raise TaskRefused(
                f"Library installation failed: the local workspace installs no '{kind}' library",
                "LIBRARY_INSTALLATION_ERROR",
            )
    key = task.get("environment_key")
    for environment in environments:
        if key is not None and environment.get("environment_key") == key:
            for line in (environment.get("spec") or {}).get("dependencies") or []:
                _sort_requirement(line, layout, wheels, requirements)
    return Needs(tuple(wheels), tuple(requirements))


def _sort_requirement(
    line: str, layout: StoreLayout, wheels: list[str], requirements: list[str]
) -> None:
    text = line.strip()
    if not text or text.startswith("#"):
        return
    if text.startswith("-r"):
        _read_requirements(text[2:].strip(), layout, wheels, requirements)
    elif text.endswith(".whl") and text.startswith(("/", "dbfs:/", "file:/")):
        wheels.append(text)
    else:
        requirements.append(text)


def _read_requirements(
    path: str, layout: StoreLayout, wheels: list[str], requirements: list[str]
) -> None:
    real = _real(layout, path)
    if not real.is_file():
        raise TaskRefused(
            f"Library installation failed: '{path}' does not exist", "LIBRARY_INSTALLATION_ERROR"
        )
    for line in real.read_text(encoding="utf-8").splitlines():
        # a file that names itself would never end
        if not line.strip().startswith("-r"):
            _sort_requirement(line, layout, wheels, requirements)


def _check_file(path: str, layout: StoreLayout) -> None:
    if not _real(layout, path).is_file():
        raise TaskRefused(f"Cannot read the file {path}: it does not exist", "RESOURCE_NOT_FOUND")


def _real(layout: StoreLayout, path: str) -> Path:
    try:
        return layout.real(parse_remote_path(path))
    except PathError as error:
        raise TaskRefused(str(error), "INVALID_RUN_CONFIGURATION") from None
