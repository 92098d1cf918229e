"""``invoke doctor``: what holds here and why, and what is wrong with it; nothing is changed.

The checks run side by side with one time limit. None of them starts the local workspace, writes a
file or raises: what goes wrong in a check is a finding.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import brickloop
from brickloop.clients.failure import known_failure
from brickloop.errors import BrickloopError
from brickloop.flows import doctor_machine as machine
from brickloop.flows import doctor_project as project
from brickloop.flows.doctor_settings import check_credentials, check_settings
from brickloop.flows.doctor_workspace import Asked
from brickloop.model.finding import Checked, Finding, Severity, error, warning

_SECONDS = 25.0
_TICK = 0.1
Check = Callable[[], Checked]


@dataclass(frozen=True)
class Diagnosis:
    """What all checks gave, by their names."""

    root: Path
    checks: Mapping[str, Checked]

    @property
    def findings(self) -> tuple[tuple[str, Finding], ...]:
        """What was found, with the check that found it; what matters most comes first."""
        order = list(Severity)
        found = [(name, one) for name, check in self.checks.items() for one in check.findings]
        return tuple(sorted(found, key=lambda pair: order.index(pair[1].severity)))

    @property
    def exit_code(self) -> int:
        """0 without an error; 2 where settings are wrong, else 3 without a workspace, else 1."""
        codes = {one.exit_code for _, one in self.findings if one.severity is Severity.ERROR}
        return next((code for code in (2, 3, 1) if code in codes), 0)

    def as_json(self) -> dict[str, Any]:
        """The diagnosis in JSON types."""
        return {
            "ok": self.exit_code == 0,
            "exit_code": self.exit_code,
            "brickloop": brickloop.__version__,
            "root": str(self.root),
            **{name: check.facts for name, check in self.checks.items()},
            "findings": [
                {
                    "check": name,
                    "severity": one.severity.value,
                    "what": one.what,
                    "do": one.do,
                }
                for name, one in self.findings
            ],
        }


def examine(
    root: Path,
    overrides: Mapping[str, str | None] | None = None,
    *,
    offline: bool = False,
    seconds: float = _SECONDS,
    on_wait: Callable[[list[str]], None] = lambda _names: None,
) -> Diagnosis:
    """What all checks find in a project's folder, which need not be one; never raises.

    ``offline`` leaves out what asks a workspace. ``on_wait`` hears from time to time which checks
    have not ended; those that have not after ``seconds`` are left to themselves.
    """
    first, settings, target = check_settings(root, overrides)
    asked = Asked(settings, target)
    checks: dict[str, Check] = {
        "credentials": lambda: check_credentials(target),
        "versions": lambda: machine.check_versions(target),
        "environment": machine.check_environment,
        "network": lambda: machine.check_proxy(target),
        "project": lambda: project.check_project(root),
        "git": lambda: project.check_git(root),
        "disk": lambda: project.check_disk(root),
        "local": lambda: project.check_local(root, settings.text("local.engine")),
        "locks": lambda: project.check_locks(root),
    }
    if target is not None and not offline:
        checks |= {
            "connection": asked.check_connection,
            "clock": asked.check_clock,
            "compute": asked.check_compute,
            "warehouse": asked.check_warehouse,
            "storage": asked.check_storage,
        }
    return Diagnosis(root, {**first, **run_together(checks, seconds, on_wait)})


def run_together(
    checks: Mapping[str, Check], seconds: float, on_wait: Callable[[list[str]], None]
) -> dict[str, Checked]:
    """What the checks give, each in a thread of its own; one that raises is a finding."""
    found: dict[str, Checked] = {}
    threads = {
        name: threading.Thread(target=_run, args=(name, check, found), daemon=True)
        for name, check in checks.items()
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        waiting = [name for name, thread in threads.items() if thread.is_alive()]
        if not waiting:
            break
        on_wait(waiting)
        threads[waiting[0]].join(min(_TICK, max(deadline - time.monotonic(), 0.0)))
    return {name: found.get(name) or Checked(findings=(_unanswered(seconds),)) for name in checks}


def _run(name: str, check: Check, found: dict[str, Checked]) -> None:
    try:
        found[name] = check()
    except Exception as failure:  # noqa: BLE001  a check that fails must not hide the others
        found[name] = Checked(findings=(_failed(failure),))


def _failed(failure: Exception) -> Finding:
    known: BrickloopError | None = known_failure(failure)
    if known is None:
        return warning(f"this could not be checked: {type(failure).__name__}: {failure}")
    return error(str(known), known.hint, exit_code=known.exit_code)


def _unanswered(seconds: float) -> Finding:
    return warning(
        f"this was not answered within {seconds:.0f} s",
        "look at the network and the proxy, or give more time: --seconds 60",
    )
