"""A real system for tests: `election-metrics up` as a user starts it, and ways to hurt it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg

from election_metrics.pipeline.hours import changed_hours
from election_metrics.pipeline.pending_files import pending_files
from election_metrics.pipeline.publication import elections_behind
from election_metrics.runtime.launcher import PROCESS
from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import Settings
from election_metrics.warehouse.database import close_engines
from election_metrics.warehouse.server import dagster_url, plain_url, revive
from election_metrics_tests.quiet import Patience

FULL = os.environ.get("E2E") == "full"
"""Whether `make e2e` runs what `make test` runs in short."""
COMMAND = Path(sys.executable).parent / "election-metrics"
_MOMENT = 0.05  # of a run, which lives for a second or two


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 120, pause: float = 0.5) -> Any:
    """Waits until the condition gives something true; returns it. Asks ever more rarely, until it pauses so long.

    The seconds are those of a machine that has a core for everybody: under load, it waits longer.
    """
    clock = Patience()
    while (waited := clock.look()) < seconds:
        try:
            if found := condition():
                return found
        except (psycopg.Error, OSError):
            pass  # somebody has just been killed
        time.sleep(min(0.05 + waited / 20, pause))
    raise TimeoutError(f"{what}: not within {seconds:g} s")


@contextlib.contextmanager
def hanging(url: str) -> Iterator[None]:
    """The server of this URL hangs: it takes connections and says nothing."""
    with psycopg.connect(url, connect_timeout=5) as connection:
        postmaster = psutil.Process(connection.info.backend_pid).parent()
    assert postmaster is not None
    everything = [postmaster, *postmaster.children()]
    try:
        for process in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        yield
    finally:
        for process in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


class Up:
    """The supervisor's process and what it runs."""

    def __init__(self, settings: Settings, port: int, **environment: str) -> None:
        self.settings, self.port = settings, port
        self.output = settings.home.parent / "up.out"
        own = {"ELECTION_METRICS_HOME": str(settings.home), "ELECTION_METRICS_SOURCE": str(settings.source_path)}
        others = {name: text for name, text in os.environ.items() if not name.startswith("ELECTION_METRICS_")}
        # A service has the ports that it asks for, or none.
        own["ELECTION_METRICS_API_PORT"] = str(free_port(port + 1000))
        self.environment = others | own | environment

    def start(self) -> None:
        """Starts it and waits until the UI answers."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [COMMAND, "up", "--port", str(self.port)], env=self.environment, stdout=output, stderr=output,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        wait_for(f"the UI; see {self.output}", lambda: self.graphql("{version}")["version"])

    def stop(self) -> float:
        """Ctrl-C; returns how many seconds it took."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(90)
        return time.monotonic() - begin

    def kill(self) -> None:
        """The supervisor is killed, as by a machine that runs out of memory."""
        self.process.kill()
        self.process.wait()

    def kill_part(self, module: str) -> None:
        """Kills the part that runs this module."""
        (part,) = [p for p in psutil.Process(self.process.pid).children() if module in p.cmdline()]
        part.kill()

    def kill_postgres(self) -> None:
        """Kills the embedded server."""
        os.kill(int((self.settings.home / "postgres" / "postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)

    def kill_run(self, seconds: float = 120) -> str:
        """Waits for a run that works, and kills its process; returns its id."""
        query = (
            "SELECT runs.run_id, tags.value FROM runs JOIN run_tags AS tags USING (run_id) "
            "WHERE runs.status = 'STARTED' AND tags.key = %s LIMIT 1"
        )
        run, process = wait_for("a run to kill", lambda: self.dagster(query, PROCESS), seconds, _MOMENT)[0]
        psutil.Process(int(process.split()[1])).kill()
        return str(run)

    def cancel_run(self) -> str:
        """Cancels a run as the UI does; its id, or nothing where it had ended before it heard of that."""
        query = "SELECT run_id FROM runs WHERE status = 'STARTED'"
        run = wait_for("a run to cancel", lambda: self.dagster(query), pause=_MOMENT)[0][0]
        self.graphql("mutation Cancel($run: String!) { terminateRun(runId: $run) { __typename } }", run=run)
        return str(run) if self.end_of(run) == "CANCELED" else ""

    def end_of(self, run: str) -> str:
        """Waits for the end of a run; returns its status."""
        query = "SELECT status FROM runs WHERE run_id = %s AND status IN ('SUCCESS', 'FAILURE', 'CANCELED')"
        return str(wait_for(f"the end of run {run}", lambda: self.dagster(query, run))[0][0])

    def dagster(self, query: str, *parameters: object) -> list[Any]:
        """Rows of Dagster's own tables."""
        with psycopg.connect(plain_url(dagster_url(self.settings)), connect_timeout=5) as connection:
            return connection.execute(query, parameters or None).fetchall()

    def graphql(self, query: str, **variables: object) -> Any:
        """What the webserver answers."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            said = json.load(answer)
        assert "errors" not in said, said
        return said["data"]

    def processes(self) -> list[psutil.Process]:
        """Everything that is below the supervisor now."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def forget_connections(self) -> None:
        """This process, too, looks anew for a server that was killed."""
        close_engines()
        revive(self.settings)


def is_idle(up: Up, settings: Settings) -> bool:
    """Whether nothing is pending, running or behind."""
    pending, unseen, _ = pending_files(settings, settings.source_path, settled_only=False)
    running = up.dagster(
        "SELECT 1 FROM runs WHERE status IN ('QUEUED', 'NOT_STARTED', 'STARTING', 'STARTED', 'CANCELING')"
    )
    return not (pending or unseen or running or changed_hours(settings) or elections_behind(settings))
