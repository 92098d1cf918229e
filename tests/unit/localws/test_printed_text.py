"""What a cell prints belongs to that cell, however quick the cells are."""

from __future__ import annotations

from brickloop.localws.engine import Engine
from brickloop.localws.kernel_job import KernelJob
from brickloop.localws.kernel_pool import KernelPool
from brickloop.localws.layout import StoreLayout


def test_text_stands_at_the_cell_that_printed_it(tmp_path):
    layout = StoreLayout(tmp_path)
    layout.make()
    folder = layout.workspace / "Users" / "me"
    folder.mkdir(parents=True)
    cells = "\n# COMMAND ----------\n".join(f"print({number})" for number in range(60))
    (folder / "quick").write_text(f"# Databricks notebook source\n{cells}\n")
    task = {"notebook_task": {"notebook_path": "/Users/me/quick"}}
    engine, pool = Engine(layout), KernelPool(layout)
    try:
        endpoint = engine.start()
        for run_id in range(1, 4):
            found: dict[float, str] = {}

            def keep(event, found=found):
                results = event["command"]["results"] or {"data": []}
                text = "".join(item["data"] for item in results["data"])
                found[event["command"]["position"]] = text

            outcome = pool.run(KernelJob(run_id, str(tmp_path), endpoint, task), keep)
            assert outcome.status == "success", outcome
            assert [found[position] for position in sorted(found)] == [
                f"{number}\n" for number in range(60)
            ]
    finally:
        pool.stop()
        engine.stop()
