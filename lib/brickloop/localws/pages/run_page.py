"""The page behind a run's ``run_page_url``; its link is signed and opens nothing else."""

from __future__ import annotations

from datetime import datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from brickloop.localws.command_log import read_commands
from brickloop.localws.pages.cells_html import STYLE, cells_html, plain
from brickloop.localws.run_store import TASK_RUN, Run
from brickloop.localws.services import Services
from brickloop.localws.wire import ApiError, Endpoint, invalid

_HEADERS = {
    # nothing in a page may load, run or be framed, whatever a notebook displayed
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


async def show_run(services: Services, request: Request, tail: str) -> Response:
    """The page of a run: its tasks, their cells and what came of them."""
    number = tail.strip("/")
    if not number.isdecimal() or len(number) > 18:
        raise invalid(f"'{number}' is no run id.")
    if not services.identity.is_signed(f"run:{int(number)}", request.query_params.get("t", "")):
        raise ApiError(403, "PERMISSION_DENIED", "The link to this page is not complete.")
    page = await run_in_threadpool(_render, services, int(number))
    return HTMLResponse(page, headers=_HEADERS)


def _render(services: Services, run_id: int) -> str:
    run = services.runs.run(run_id)
    tasks = [run] if run.kind == TASK_RUN else services.runs.attempts(run_id)
    refresh = "" if run.life_cycle.is_final else '<meta http-equiv="refresh" content="2">'
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8">{refresh}',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{plain(run.name)}</title><style>{STYLE}</style></head><body>",
        f'<h1>{plain(run.name)} <span class="dim">run {run.run_id}</span></h1>',
        f"<p>{_state(run)}</p>",
        *(_task(services, task) for task in tasks),
        "</body></html>",
    ]
    return "\n".join(parts)


def _task(services: Services, task: Run) -> str:
    attempt = f", attempt {task.attempt + 1}" if task.attempt else ""
    parts = [f"<h2>{plain(task.task_key or '')}{attempt}</h2>", f"<p>{_state(task)}</p>"]
    parts.append(cells_html(read_commands(services.layout.runs / str(task.run_id))))
    for label, name in (("Exit value", "exit_value"), ("Log", "logs"), ("Trace", "error_trace")):
        if task.outcome.get(name):
            parts.append(f"<h3>{label}</h3><pre>{plain(str(task.outcome[name]))}</pre>")
    return "\n".join(parts)


def _state(run: Run) -> str:
    tone = {None: "dim", "SUCCESS": "good"}.get(run.result.value if run.result else None, "bad")
    text = run.result.value if run.result else run.life_cycle.value
    started = datetime.fromtimestamp(run.created_ms / 1000).strftime("%Y-%m-%d %H:%M:%S")
    spent = f", {(run.ended_ms - run.created_ms) / 1000:.1f} s" if run.ended_ms else ""
    message = f"<br>{plain(run.message)}" if run.message else ""
    return f'<b class="{tone}">{plain(text)}</b> <span class="dim">{started}{spent}</span>{message}'


ENDPOINTS = (Endpoint("GET", "/runs/*", stream=show_run, public=True),)
