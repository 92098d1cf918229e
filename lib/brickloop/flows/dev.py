"""``DevWorkflow``: edit here, run in the local kernel or in the workspace, see what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brickloop.clients.workspace import translate
from brickloop.config.settings import Settings, find_root, load_settings
from brickloop.display import diagnostics
from brickloop.errors import BrickloopError, UsageError
from brickloop.flows.job_runner import JobRunner, RunOptions
from brickloop.flows.local_run import LocalRuns
from brickloop.flows.protection import refuse_watch
from brickloop.model.job_result import JobResult

if TYPE_CHECKING:
    from brickloop.flows.dev_watch import Cut, DevWatch


class DevWorkflow:
    """Runs one project's notebooks while they are written, here or in the workspace.

    Nothing is started or opened before it is needed; ``close``, or ``with``, ends the local kernel.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        profile: str | None = None,
        target: str | None = None,
        compute: str | None = None,
        runner: JobRunner | None = None,
    ) -> None:
        """``settings`` are those of the project that the working folder is in, if not given.

        ``runner`` is one that has opened the workspace already.
        """
        self._settings = settings or load_settings(
            find_root(Path.cwd()),
            overrides={"profile": profile, "target": target, "compute": compute},
        )
        self._runner = runner or JobRunner(self._settings)
        self._owns_runner = runner is None
        self._local = LocalRuns(self._settings)

    def run_locally(
        self,
        notebook_path: str | Path,
        parameters: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        show: bool = True,
        from_changed: bool = False,
    ) -> JobResult:
        """What a notebook gives in the local kernel: ``cells``, ``document``, ``exit_value``.

        Nothing is uploaded and no server is asked: the notebook runs on the engine of the local
        workspace, whose tables it shares, in a process that stays warm until ``close``. Each run
        has fresh names and runs every cell; ``from_changed`` keeps the first cells of the last run
        where neither they nor what they used has changed (their ``kept`` is True). A run that fails
        is a result like any other. Raises UsageError for what is no notebook, NotebookError for a
        broken one, ConnectionFailed where the kernel does not start.
        """
        return self._local.run(
            Path(notebook_path), parameters, timeout=timeout, show=show, from_changed=from_changed
        )

    def deploy_to_databricks(self, notebook_path: str | Path) -> str:
        """The workspace path of a notebook that was sent with what it reaches, where it changed.

        Raises HeldBack where the workspace holds a version that was not sent from here.
        """
        return self._runner.deploy_file(Path(notebook_path))

    def changed_since_sent(self, notebook_path: str | Path) -> dict[str, str]:
        """What ``deploy_to_databricks`` would send: local files, each with its workspace path."""
        return self._runner.changed_since_sent(Path(notebook_path))

    def run_in_databricks(
        self,
        notebook_path: str | Path,
        parameters: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        show: bool = True,
    ) -> JobResult:
        """What a notebook gives in the workspace: sent, run as a job, followed, shown and saved."""
        options = RunOptions(parameters=parameters, timeout=timeout, show=show)
        return self._runner.run_file(Path(notebook_path), options)

    def watch_and_deploy(
        self,
        pattern: str | Path | Iterable[str | Path],
        *,
        local: bool = False,
        queue: bool = False,
        now: bool = False,
        from_changed: bool = False,
        parameters: Mapping[str, Any] | None = None,
        on_result: Callable[[Path, JobResult], None] = lambda _path, _result: None,
    ) -> DevWatch:
        """A watch that was started, with ``stop()`` and ``join()``: what a save affects is run.

        ``pattern`` is a glob such as ``etl/**/*.py``, a path or a folder, or several. A notebook is
        affected when it, or a file that it reaches, has changed, or a notebook that writes what it
        reads. It is deployed and run in the workspace, or, ``local``, in the local kernel. A save
        that affects the running notebook cancels it, or, ``queue``, waits for its end. ``now`` runs
        all of them at the start. ``from_changed`` is that of ``run_locally``. Raises UsageError for
        a path that is not there, and for ``from_changed`` without ``local``.
        """
        from brickloop.flows.affected import Choice
        from brickloop.flows.dev_watch import DevWatch

        if from_changed and not local:
            raise UsageError(
                "cells are kept by the local kernel only",
                hint="add --local, or leave out --from-changed",
            )
        one = isinstance(pattern, str | Path)
        choice = Choice([pattern] if one else pattern)  # type: ignore[list-item, arg-type]
        if local:
            self._local.warm_up()
            executor: _Local | _Remote = _Local(self._local, parameters, from_changed=from_changed)
        else:
            refuse_watch(self._settings)
            self._runner.runs()
            executor = _Remote(self._runner, parameters)
        ledger = self._settings.state_folder / "ledger.db"
        watch = DevWatch(choice, executor, ledger, queue=queue, now=now, on_result=on_result)
        watch.start()
        return watch

    def close(self) -> None:
        """End the local kernel and close the ledger; the next call opens them again."""
        self._local.close()
        if self._owns_runner:
            self._runner.close()

    def __enter__(self) -> DevWorkflow:
        """The workflow itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End the local kernel and close the ledger."""
        self.close()


class _Local:
    """Runs for a watch in the local kernel."""

    def __init__(
        self, runs: LocalRuns, parameters: Mapping[str, Any] | None, *, from_changed: bool
    ) -> None:
        self._runs = runs
        self._parameters = parameters
        self._from_changed = from_changed

    def run(self, path: Path, cut: Cut) -> JobResult:
        """The result of a notebook, which is shown."""

        def started(run_id: int) -> None:
            cut.on_cancel(lambda: self._runs.cancel(run_id))

        return self._runs.run(
            path, self._parameters, from_changed=self._from_changed, on_run=started
        )


class _Remote:
    """Runs for a watch in the workspace."""

    def __init__(self, runner: JobRunner, parameters: Mapping[str, Any] | None) -> None:
        self._runner = runner
        self._parameters = parameters

    def run(self, path: Path, cut: Cut) -> JobResult:
        """The result of a notebook, which is deployed, run, followed and shown."""

        def started(run_id: int) -> None:
            cut.on_cancel(lambda: self._end(run_id))

        options = RunOptions(parameters=self._parameters, fresh=True, show=True, on_run=started)
        return self._runner.run_file(path, options)

    def _end(self, run_id: int) -> None:
        opened = self._runner.runs().opened
        try:
            with translate(opened.host):
                opened.client.jobs.cancel_run(run_id)
        except BrickloopError as error:
            diagnostics.warn(f"run {run_id} could not be cancelled and may go on: {error}")
