"""The commands and their names."""

from __future__ import annotations

from invoke import Collection

from brickloop.tasks import (
    adopt,
    clean,
    completion,
    dev,
    graph,
    local,
    new,
    project,
    query,
    report,
    run,
    state,
    sync,
)
from brickloop.tasks.parsing import explain_wrong_words


def namespace() -> Collection:
    """Every command of brickloop, for a project's ``tasks.py``."""
    explain_wrong_words()
    commands = Collection()
    commands.add_task(run.run)
    commands.add_task(run.runs)
    commands.add_task(run.output)
    for task in _tasks(graph):
        commands.add_task(task)
    commands.add_task(adopt.adopt)
    commands.add_task(clean.clean)
    commands.add_task(report.report)
    commands.add_task(query.query)
    commands.add_task(query.health)
    for task in _tasks(project):
        commands.add_task(task)
    commands.add_task(new.new)
    commands.add_task(completion.completion)
    commands.add_collection(Collection("cache", *query.CACHE))
    commands.add_collection(Collection("dev", *_tasks(dev)))
    commands.add_collection(Collection("local", *_tasks(local)))
    commands.add_collection(Collection("state", *_tasks(state)))
    commands.add_collection(Collection("sync", *_tasks(sync)))
    return commands


def _tasks(module: object) -> list[object]:
    from invoke import Task

    return [found for found in vars(module).values() if isinstance(found, Task)]
