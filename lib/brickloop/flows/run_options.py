"""How a run is asked for and waited for: what the caller says, and the settings for the rest."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from brickloop.config.settings import Settings
from brickloop.errors import UsageError
from brickloop.flows.job_places import texts_of

if TYPE_CHECKING:
    from brickloop.jobs.submit import RunRequest, Work

_NAME_LENGTH = 100


@dataclass(frozen=True)
class RunOptions:
    """How a run is asked for and waited for; the same for every kind of task."""

    job_name: str | None = None
    """Runs a named job, which is made once; None for a one-time run."""
    parameters: Mapping[str, Any] | None = None
    """Texts, or values that are written as JSON."""
    arguments: Sequence[str] = ()
    """For a Python file or a wheel: what comes before its parameters."""
    compute: str | None = None
    """As the setting ``compute``, which it overrides."""
    timeout: float | None = None
    """Seconds after which the workspace ends the run; None for the setting ``run_timeout``."""
    retries: int = 0
    retry_pause: int = 0
    """Seconds between two attempts."""
    libraries: Sequence[str] = ()
    """Wheels by their remote path, and requirements."""
    wait: bool = True
    """False returns as soon as the run is asked for."""
    detach: bool = False
    """Whether Ctrl-C leaves the run instead of cancelling it."""
    fresh: bool = False
    """Whether a run that was asked for before, and goes on, is not taken up again."""
    show: bool = False
    """Whether output goes to the terminal."""
    on_run: Callable[[int], None] | None = None
    """Told the run's id as soon as it has one, to cancel it; one that is cancelled is then neither
    shown as a failure nor saved."""

    def request(self, work: Work, name: str, settings: Settings) -> RunRequest:
        """What the workspace is asked for, without what each single run gets."""
        from brickloop.jobs.submit import RunRequest, parse_compute

        compute = self.compute or settings.required("compute")
        return RunRequest(
            name=f"brickloop {name}"[:_NAME_LENGTH],
            work=work,
            run_key="",
            compute=parse_compute(compute, settings.root),
            parameters=texts_of(self.parameters or {}),
            arguments=tuple(self.arguments),
            libraries=tuple(self.libraries),
            timeout_seconds=math.ceil(self.seconds(settings)),
            retries=self.retries,
            retry_pause_seconds=self.retry_pause,
        )

    def check(self, settings: Settings) -> None:
        """Raise UsageError or SettingsError for options that cannot be, before anything is sent."""
        from brickloop.jobs.submit import NotebookWork, check_parameters

        check_parameters(self.request(NotebookWork(""), "", settings))

    def seconds(self, settings: Settings) -> float:
        """The time limit; raises UsageError for one that is none."""
        if self.timeout is None:
            return settings.seconds("run_timeout")
        if not 0 < self.timeout < float("inf"):
            raise UsageError(f"the timeout is {self.timeout}, not a number of seconds above 0")
        return self.timeout

    def fingerprint(self, request: RunRequest, content: Any) -> str:
        """Equal for two requests that ask for the same: what is taken up again must be that."""
        asked = replace(request, run_key="", output="", wheel="")
        parts = [content, repr(asked), self.job_name]
        return "job-" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()
