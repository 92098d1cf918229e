"""doit: the graph from local file to fetched output. ``dodo.py`` needs these two names."""

from brickloop.graph.tasks import doit_config, notebook_tasks

__all__ = ["doit_config", "notebook_tasks"]
