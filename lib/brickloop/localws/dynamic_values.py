"""Dynamic value references in a task's parameters, such as ``{{job.run_id}}``.

https://docs.databricks.com/aws/en/jobs/dynamic-value-references. A reference that is unknown stays
as it is, as it does in a workspace.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

_REFERENCE = re.compile(r"\{\{\s*([A-Za-z0-9_.\-\[\]'\"]+)\s*\}\}")


def fill_references(value: Any, known: Mapping[str, str]) -> Any:
    """``value`` with every known reference in its texts replaced, lists and objects included."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda found: known.get(found.group(1), found.group(0)), value)
    if isinstance(value, list):
        return [fill_references(item, known) for item in value]
    if isinstance(value, dict):
        return {key: fill_references(item, known) for key, item in value.items()}
    return value


def known_values(
    *,
    job_id: int,
    job_name: str,
    job_run_id: int,
    task_key: str,
    task_run_id: int,
    attempt: int,
    started_ms: int,
    parameters: Mapping[str, str],
    task_values: Mapping[str, Mapping[str, Any]],
    results: Mapping[str, str],
    repairs: int = 0,
) -> dict[str, str]:
    """What each reference stands for in one attempt at a task."""
    started = datetime.fromtimestamp(started_ms / 1000, tz=timezone.utc)
    date = started.strftime("%Y-%m-%d")
    known = {
        "job.id": str(job_id),
        "job.name": job_name,
        "job.run_id": str(job_run_id),
        "job.repair_count": str(repairs),
        "job.start_time.iso_date": date,
        "job.start_time.iso_datetime": started.strftime("%Y-%m-%dT%H:%M:%S"),
        "job.start_time.timestamp_ms": str(started_ms),
        "job.start_time.year": str(started.year),
        "job.start_time.month": str(started.month),
        "job.start_time.day": str(started.day),
        "task.name": task_key,
        "task.run_id": str(task_run_id),
        "task.execution_count": str(attempt + 1),
        # the older spellings
        "job_id": str(job_id),
        "run_id": str(task_run_id),
        "parent_run_id": str(job_run_id),
        "task_key": task_key,
        "task_retry_count": str(attempt),
        "start_date": date,
        "start_time": str(started_ms),
    }
    known |= {f"job.parameters.{name}": text for name, text in parameters.items()}
    known |= {f"tasks.{key}.result_state": state.lower() for key, state in results.items()}
    for key, values in task_values.items():
        for name, value in values.items():
            text = value if isinstance(value, str) else json.dumps(value)
            known[f"tasks.{key}.values.{name}"] = text
    return known
