"""The local workspace's commands: start, stop, status, reset, env."""

from __future__ import annotations

import shlex
import sys
from json import dumps
from pathlib import Path
from typing import Any

from brickloop import launcher
from brickloop.config.settings import find_root, load_settings
from brickloop.errors import UsageError
from brickloop.tasks.command import command

_LAST_PORT = 65535


def data_folder() -> Path:
    """Where the project's local workspace keeps its data."""
    return find_root(Path.cwd()) / ".brickloop" / "local"


def _engine() -> str:
    """The Spark Connect server that the settings name, empty for an engine of our own."""
    return load_settings(find_root(Path.cwd())).text("local.engine") or ""


@command(
    changes="starts a process",
    help={
        "port": "port to listen on (default: any that is free)",
        "tls": "serve https too, from now on, for clients that insist on it",
        "tls_port": "port of https (default: any that is free); 443 spares clients the port",
        "plain": "serve http only, from now on",
        "json": "print JSON",
    },
)
def start(
    _context: Any,
    port: int = 0,
    tls: bool = False,
    tls_port: int = 0,
    plain: bool = False,
    json: bool = False,
) -> None:
    """Start the local workspace, or find the one that runs.

    Example: invoke local.start --tls
    """
    from brickloop.display import console, diagnostics

    if plain and (tls or tls_port):
        raise UsageError("--plain and --tls exclude each other", hint="leave one of them out")
    for flag, number in (("--port", port), ("--tls-port", tls_port)):
        if not 0 <= number <= _LAST_PORT:
            raise UsageError(f"{flag} is {number}, not from 0 to {_LAST_PORT}", hint="0 is any")
    wanted = True if tls or tls_port else False if plain else None
    server = launcher.ensure_started(
        data_folder(),
        port=port or None,
        tls=wanted,
        tls_port=tls_port or None,
        engine=_engine(),
    )
    if port and not server.host.endswith(f":{port}"):
        diagnostics.warn(f"port {port} was not to be had, or the server runs already")
    if tls_port and not server.tls_host.endswith(("//127.0.0.1", f":{tls_port}")):
        diagnostics.warn(f"port {tls_port} was not to be had for https")
    if json:
        console.write(dumps(_server_json(server), indent=2))
        return
    diagnostics.note(f"the local workspace is at {server.host} (invoke local.env for its token)")
    if server.tls_host:
        diagnostics.note(f"and at {server.tls_host}; trust file: {server.trust_file}")


@command(changes="ends a process", help={"json": "print JSON"})
def stop(_context: Any, json: bool = False) -> None:
    """Stop the local workspace; its data stays.

    Example: invoke local.stop
    """
    from brickloop.display import console, diagnostics

    stopped = launcher.stop(data_folder())
    if json:
        console.write(dumps({"stopped": stopped}))
        return
    diagnostics.note("the local workspace is stopped" if stopped else "no local workspace runs")


@command(help={"json": "print JSON"})
def status(_context: Any, json: bool = False) -> None:
    """Say whether the local workspace runs, and where.

    Example: invoke local.status --json
    """
    from brickloop.display import console, diagnostics

    server = launcher.find_running(data_folder())
    if json:
        facts = {"running": False} if server is None else _server_json(server)
        console.write(dumps(facts, indent=2))
    elif server is None:
        diagnostics.note("no local workspace runs (invoke local.start)")
    else:
        console.write(f"running at {server.host}, process {server.pid}, data in {server.root}")


@command(
    changes="the local workspace",
    help={
        "yes": "do not ask",
        "dry_run": "say what would be deleted, and delete nothing",
        "json": "print JSON",
    },
)
def reset(_context: Any, yes: bool = False, dry_run: bool = False, json: bool = False) -> None:
    """Stop the local workspace and delete its notebooks, files, tables and runs.

    Example: invoke local.reset --yes
    """
    from brickloop.display import console, diagnostics

    folder = data_folder()
    if dry_run:
        count, size = _content(folder)
        if json:
            console.write(dumps({"folder": str(folder), "files": count, "bytes": size}))
        else:
            console.write(f"{folder}: {count:,} files, {size:,} bytes")
        diagnostics.note("nothing was deleted")
        return
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                f"this deletes everything in {folder}", hint="say so: invoke local.reset --yes"
            )
        diagnostics.note(f"this deletes everything in {folder}; type yes to go on:")
        if sys.stdin.readline().strip().lower() != "yes":
            diagnostics.note("nothing was deleted")
            return
    launcher.reset(folder)
    if json:
        console.write(dumps({"folder": str(folder), "deleted": True}))
    diagnostics.note("the local workspace is empty; the next command that needs it starts it anew")


@command(changes="starts a process", help={"json": "print JSON"})
def env(_context: Any, json: bool = False) -> None:
    """Print the lines that point any Databricks client at the local workspace.

    Example: eval "$(invoke local.env)"
    """
    from brickloop.display import console

    server = launcher.ensure_started(data_folder(), engine=_engine())
    values = {
        "DATABRICKS_HOST": server.tls_host or server.host,
        "DATABRICKS_TOKEN": server.token,
        "DATABRICKS_HTTP_PATH": server.http_path,
    }
    if server.tls_host:
        # the first two take this file for all authorities, the last one adds to its own
        values["SSL_CERT_FILE"] = values["REQUESTS_CA_BUNDLE"] = str(server.trust_file)
        values["NODE_EXTRA_CA_CERTS"] = str(server.authority_file)
    if json:
        console.write(dumps(values, indent=2))
        return
    for name, value in values.items():
        console.write(f"export {name}={shlex.quote(value)}")


def _server_json(server: launcher.LocalServer) -> dict[str, Any]:
    return {
        "running": True,
        "host": server.host,
        "tls_host": server.tls_host or None,
        "http_path": server.http_path,
        "pid": server.pid,
        "data": str(server.root),
        "workspace_id": server.workspace_id,
    }


def _content(folder: Path) -> tuple[int, int]:
    """How many files a folder holds, and their size."""
    sizes = [path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()]
    return len(sizes), sum(sizes)
