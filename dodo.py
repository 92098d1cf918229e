"""The graph: `doit` uploads, runs and fetches what changed; `doit list --all` shows the tasks."""

from brickloop.graph import doit_config, notebook_tasks

DOIT_CONFIG = doit_config()


def task_notebooks():
    """Every notebook of the example project: upload, run, fetch."""
    yield from notebook_tasks("projects/nyc_flights")
