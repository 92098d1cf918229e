"""Fixtures of brickloop.testing: `workspace`, `run_notebook`, `run_folder`, `query`, `spark`."""

pytest_plugins = ["brickloop.testing"]
