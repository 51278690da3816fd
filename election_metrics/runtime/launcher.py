"""Run launcher: forks runs from a process that has everything imported, and detects runs whose process has died.

Dagster's default launcher starts an interpreter for each run and imports everything again, which takes longer than the
run. It cannot tell a killed run from a working one: a killed run stays STARTED and blocks the runs that wait for it.
This launcher can, on the machine that launched the run. `ELECTION_METRICS_WARM_RUNS=false` starts a new interpreter
for each run instead.
"""

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import Any, Self

import psutil
from dagster._config.config_schema import UserConfigSchema
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._core.storage.dagster_run import DagsterRun
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass, ConfigurableClassData, serialize_value
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import SQLAlchemyError

from election_metrics.runtime import worker
from election_metrics.settings import settings

DATABASE_AWAY = (DagsterPostgresException, SQLAlchemyError)
"""What Dagster's storage raises while its database cannot be reached."""
_SECONDS_TO_END = 10.0
PROCESS = ".dagster/election_metrics_process"
"""Run tag: host, process id and start time of the process that executes the run."""


def process_tag(pid: int) -> str:
    """Identifies a process by host, id and start time, because process ids are reused."""
    return f"{socket.gethostname()} {pid} {psutil.Process(pid).create_time():.2f}"


def _process_of(run: DagsterRun) -> psutil.Process | None:
    """The process of a run if it is alive on this machine; None if it is gone.

    Raises:
        LookupError: the run was not started on this machine, or has no such tag.
    """
    host, _, rest = run.tags.get(PROCESS, "").partition(" ")
    if host != socket.gethostname():
        raise LookupError(host or "unknown")
    pid, _, started = rest.partition(" ")
    try:
        process = psutil.Process(int(pid))
        alive = process.status() != psutil.STATUS_ZOMBIE and f"{process.create_time():.2f}" == started
    except psutil.NoSuchProcess:
        return None
    return process if alive else None


class WarmRunLauncher(RunLauncher[Any], ConfigurableClass):
    """Dagster's run launcher for one machine (`run_launcher` in dagster.yaml)."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._context: ForkServerContext | SpawnContext | None = None
        self._processes: list[Any] = []
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """Its entry in dagster.yaml."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """It has no configuration."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:  # noqa: ARG003
        """Called by Dagster with its entry in dagster.yaml."""
        return cls(inst_data=inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Starts the run's process and records it in a run tag."""
        if self._context is None:
            self._context = worker.context(warm=settings().warm_runs)
        run = context.dagster_run
        if run.job_code_origin is None:
            raise RuntimeError(f"run {run.run_id} does not say where its code is")
        arguments = ExecuteRunArgs(run.job_code_origin, run.run_id, self._instance.get_ref())
        process = self._context.Process(target=worker.execute, args=(serialize_value(arguments),), name=run.run_id)
        process.start()
        self._processes = [other for other in self._processes if other.is_alive()] + [process]
        if process.pid is not None:
            self._instance.add_run_tags(run.run_id, {PROCESS: process_tag(process.pid)})

    def terminate(self, run_id: str) -> bool:
        """Interrupts a run; its process aborts the step, records the cancellation and exits."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        try:
            process = _process_of(run)
        except LookupError as elsewhere:
            self._instance.report_engine_event(f"It runs on another machine ({elsewhere}); cancel it there.", run)
            return False
        if process is None:
            self._instance.report_run_canceled(run, "Its process was gone already.")
            return False
        process.send_signal(signal.SIGINT)
        # A process blocked in PostgreSQL or a file system may not react. Its transaction is rolled back.
        threading.Thread(target=self._end, args=(run_id, process), name=f"ends {run_id}", daemon=True).start()
        return True

    def _end(self, run_id: str, process: psutil.Process) -> None:
        """Kills the process of a cancelled run if it does not exit by itself."""
        try:
            process.wait(_SECONDS_TO_END)
        except psutil.TimeoutExpired:
            with contextlib.suppress(psutil.Error):
                process.kill()
                process.wait(_SECONDS_TO_END)
        with contextlib.suppress(*DATABASE_AWAY):  # the daemon finds a run whose process is gone
            run = self._instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                return
            self._instance.report_run_canceled(run, "Its process did not end by itself within seconds, and was killed.")

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes: the daemon can check whether a run's process is alive."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Checks whether the process of an unfinished run is alive."""
        try:
            process = _process_of(run)
        except LookupError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "on another machine; dagster/max_runtime bounds it")
        if process is None:
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the run's process is gone: killed, or a reboot")
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    def join(self, timeout: int = 30) -> None:
        """Waits for the runs that this process launched."""
        for process in self._processes:
            process.join(timeout)

    def dispose(self) -> None:
        """Does not end the runs: they finish by themselves."""
        del self._processes[:]


def own_process() -> dict[str, str]:
    """The tag of a run that this process executes itself."""
    return {PROCESS: process_tag(os.getpid())}
