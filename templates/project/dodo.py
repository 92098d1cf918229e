"""The graph: `doit` uploads, runs and fetches what changed; `doit list --all` shows the tasks."""

from brickloop.graph import doit_config, notebook_tasks

DOIT_CONFIG = doit_config()


def task_notebooks():
    """Every notebook: upload, run, fetch. What depends on what is read from the notebooks."""
    yield from notebook_tasks("notebooks")
