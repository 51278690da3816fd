"""A worker process runs schedules one after the other on a separate server."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from faults.home import Server
from faults.schedule import EveryStep, Schedule, known_steps
from faults.system import SystemSchedule

_worker: tuple[Server, dict[str, list[str]]] | None = None


def begin(root: Path, form: str) -> None:
    """Prepares this process for schedules of a form: starts its server, and finds the named steps."""
    global _worker  # noqa: PLW0603 one in each process
    for name in [name for name in os.environ if name.startswith("ELECTION_METRICS_")]:
        del os.environ[name]
    os.environ.pop("DAGSTER_HOME", None)
    server = Server(Path(tempfile.mkdtemp(dir=root)))
    _worker = server, {} if form == "system" else known_steps(server)


def carry_out(seed: int, steps: int, form: str) -> tuple[int, float, list[str], list[str]]:
    """Runs one schedule; returns its seed, seconds, what happened, and every violation of the invariant."""
    assert _worker is not None
    began = time.monotonic()
    server, steps_there_are = _worker
    schedule = {
        "random": lambda: Schedule(seed, steps, server, steps_there_are),
        "every-step": lambda: EveryStep(seed, steps, server, steps_there_are),
        "system": lambda: SystemSchedule(seed, steps, server),
    }[form]()
    broken = schedule.run()
    if broken:
        return seed, time.monotonic() - began, [*schedule.told, schedule.log.read_text("utf-8", "replace")], broken
    shutil.rmtree(schedule.folder, ignore_errors=True)
    return seed, time.monotonic() - began, schedule.told, []
