"""Job definitions, and starting their runs. https://docs.databricks.com/api/workspace/jobs

Limits: 1,000 tasks a job, 10,000 bytes of parameters, tokens of at most 64 characters.
"""

from __future__ import annotations

from typing import Any

from brickloop.localws.job_runs import begin_job_run, begin_run, job_run_spec
from brickloop.localws.job_settings import merge_settings, normal_settings
from brickloop.localws.run_store import SUBMIT_RUN, Job, refuse_reused
from brickloop.localws.services import CLUSTER_ID, USER, Services
from brickloop.localws.wire import Answer, Call, Endpoint, invalid, page_of

_TASKS_SHOWN = 100


def create(services: Services, call: Call) -> Answer:
    """The id of a new job."""
    fields = {k: v for k, v in call.fields.items() if k != "access_control_list"}
    settings = normal_settings(fields, CLUSTER_ID)
    settings.setdefault("name", "Untitled")
    return {"job_id": services.runs.create_job(settings)}


def get(services: Services, call: Call) -> Answer:
    """One job with its settings, 100 tasks a page."""
    job = services.runs.job(call.whole("job_id"))
    tasks = job.settings["tasks"]
    page, following, _ = page_of(tasks, call.optional_text("page_token"), _TASKS_SHOWN)
    shaped = _shape(job, {**job.settings, "tasks": page})
    if following:
        shaped |= {"next_page_token": following, "has_more": True}
    return shaped


def list_jobs(services: Services, call: Call) -> Answer:
    """Jobs, newest first, a page at a time."""
    name = call.text("name", "").lower()
    found = [
        job
        for job in services.runs.jobs()
        if not name or str(job.settings.get("name", "")).lower() == name
    ]
    size = call.whole("limit", 20)
    if not 1 <= size <= 100:
        raise invalid("limit must be from 1 to 100.")
    token = call.optional_text("page_token") or str(call.whole("offset", 0))
    page, following, before = page_of(found, token, size)
    expand = call.flag("expand_tasks")
    shaped = []
    for job in page:
        settings = dict(job.settings)
        if not expand:
            settings.pop("tasks")
        shaped.append(_shape(job, settings))
    answer: dict[str, Any] = {"has_more": following is not None}
    if shaped:
        answer["jobs"] = shaped
    if following:
        answer["next_page_token"] = following
    if before is not None:
        answer["prev_page_token"] = before
    return answer


def reset(services: Services, call: Call) -> Answer:
    """Give a job entirely new settings."""
    job = services.runs.job(call.whole("job_id"))
    settings = normal_settings(call.mapping("new_settings"), CLUSTER_ID)
    settings.setdefault("name", job.settings["name"])
    services.runs.change_job(job.job_id, settings)
    return {}


def update(services: Services, call: Call) -> Answer:
    """Change some of a job's settings."""
    job = services.runs.job(call.whole("job_id"))
    removed = call.fields.get("fields_to_remove") or []
    merged = merge_settings(job.settings, call.mapping("new_settings"), list(removed))
    services.runs.change_job(job.job_id, normal_settings(merged, CLUSTER_ID))
    return {}


def delete(services: Services, call: Call) -> Answer:
    """Remove a job and cancel what runs of it."""
    job = services.runs.job(call.whole("job_id"))
    services.runs.delete_job(job.job_id)
    for run in services.runs.active_runs(job.job_id):
        services.runner.cancel(run.run_id)
    return {}


def run_now(services: Services, call: Call) -> Answer:
    """The id of a run of a job; the same token always names the same run."""
    job = services.runs.job(call.whole("job_id"))
    queue, only = call.mapping("queue"), call.fields.get("only") or []
    spec = job_run_spec(job, call.fields, only, queue)
    token = call.optional_text("idempotency_token")
    refuse_reused(token)
    run_id = begin_job_run(services.runs, job, spec, token, services.runner.start)
    number = services.runs.run(run_id).number_in_job
    return {"run_id": run_id, "number_in_job": number}


def submit(services: Services, call: Call) -> Answer:
    """The id of a one-time run; the same token always names the same run."""
    fields = {k: v for k, v in call.fields.items() if k not in {"access_control_list", "run_as"}}
    settings = normal_settings(fields, CLUSTER_ID)
    if not settings["tasks"]:
        raise invalid("Missing required field: tasks")
    spec = {
        "tasks": settings["tasks"],
        "environments": settings.get("environments") or [],
        "timeout_seconds": settings.get("timeout_seconds") or 0,
        "parameters": {},
    }
    token = call.optional_text("idempotency_token")
    refuse_reused(token)
    run_id = begin_run(
        services.runs,
        kind=SUBMIT_RUN,
        name=call.text("run_name", "Untitled"),
        spec=spec,
        job_id=None,
        token=token,
        admit=lambda: True,
        start=services.runner.start,
    )
    return {"run_id": run_id}


def _shape(job: Job, settings: dict[str, Any]) -> dict[str, Any]:
    shown = {"format": "MULTI_TASK", "max_concurrent_runs": 1, "timeout_seconds": 0, **settings}
    return {
        "job_id": job.job_id,
        "creator_user_name": USER,
        "run_as_user_name": USER,
        "created_time": job.created_ms,
        "settings": shown,
    }


ENDPOINTS = tuple(
    endpoint
    for version in ("2.0", "2.1", "2.2")
    for endpoint in (
        Endpoint("POST", f"/api/{version}/jobs/create", create),
        Endpoint("GET", f"/api/{version}/jobs/get", get),
        Endpoint("GET", f"/api/{version}/jobs/list", list_jobs),
        Endpoint("POST", f"/api/{version}/jobs/reset", reset),
        Endpoint("POST", f"/api/{version}/jobs/update", update),
        Endpoint("POST", f"/api/{version}/jobs/delete", delete),
        Endpoint("POST", f"/api/{version}/jobs/run-now", run_now),
        Endpoint("POST", f"/api/{version}/jobs/runs/submit", submit),
    )
)
