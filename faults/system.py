"""A schedule in the whole system: faults hit `election-metrics up` with its daemon, sensors, launcher and server."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psutil

from election_metrics.runtime.launch import dagster_environment
from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.database import close_engines
from election_metrics_tests.end_to_end.running import Up, is_idle, wait_for
from faults import law
from faults.exports import Exports
from faults.home import Server
from faults.processes import ask
from faults.schedule import FILE_FAULTS, draw

_SYSTEM_FAULTS = {
    "run_killed": 3, "daemon_killed": 1, "code_location_killed": 1, "postgres_killed": 1.5, "supervisor_killed": 1,
    "run_stopped": 2, "second_daemon": 1, "run_cancelled": 1, "nothing": 3,
}  # fmt: skip
_QUIET = 240.0
_LAW = 120.0


@dataclass
class SystemSchedule:
    """The schedule of a seed in the whole system; see `Schedule`."""

    seed: int
    length: int
    server: Server
    told: list[str] = field(default_factory=list)

    def run(self) -> list[str]:
        """Runs the schedule; returns every violation of the invariant."""
        self.folder = self.server.root / f"files-system{self.seed}"
        self.folder.mkdir()
        self.log = self.folder / "processes.log"
        self.exports = Exports(self.folder / "tree", self.folder / "in", random.Random(f"{self.seed}"))
        self.settings = read_settings(
            home=self.folder / "home", source=self.exports.root, compact_after_parts=2, set_aside_minutes=0.05
        )
        self.up = Up(
            self.settings, free_port(3600 + self.seed % 1000), ELECTION_METRICS_COMPACT_AFTER_PARTS="2",
            ELECTION_METRICS_SET_ASIDE_MINUTES="0.05", ELECTION_METRICS_MEMORY_LIMIT="400MB", ELECTION_METRICS_API_PORT="0",
        )  # fmt: skip
        clean = self.server.make(f"system{self.seed}", self.exports.root)
        self.up.start()
        try:
            for number in range(self.length):
                self._step(number)
            self.exports.unlock()
            wait_for(f"nothing behind; see {self.up.output}", lambda: is_idle(self.up, self.settings), _QUIET)
            landed = law.landed_versions(self.settings)
            self.exports.settle(landed)
            wait_for("nothing behind once more", lambda: is_idle(self.up, self.settings), _QUIET)
            self.up.stop()
            close_engines()
            return self._judge(clean)
        except (TimeoutError, AssertionError) as error:
            return [str(error)]
        finally:
            if self.up.process.poll() is None:
                self.up.stop()
            close_engines()
            self.server.drop(f"system{self.seed}")

    def _step(self, number: int) -> None:
        chance = random.Random(f"{self.seed}/{number}")
        events = [self.exports.deliver(chance)]
        name = draw(chance, FILE_FAULTS)
        events.append(getattr(self.exports, name)(chance))
        fault = draw(chance, _SYSTEM_FAULTS)
        time.sleep(chance.uniform(0, 6))
        events.append(getattr(self, f"_{fault}")(chance))
        self.told.append(f"{number:2} {name.replace('_', ' ')}, {fault.replace('_', ' ')}: {'; '.join(events)}")

    def _judge(self, clean: Settings) -> list[str]:
        now = datetime.now(UTC)
        ask(lambda: law.sweep(self.settings), self.log, now + timedelta(days=365), _LAW, as_root=True)
        return ask(lambda: law.broken(self.settings, clean, self.exports), self.log, now, _LAW, as_root=True)

    # Faults of the system ---------------------------------------------------------------------------------------

    def _nothing(self, _: random.Random) -> str:
        return "nothing"

    def _run_killed(self, _: random.Random) -> str:
        try:
            return f"run {self.up.kill_run(10)[:8]} is killed"
        except (TimeoutError, psutil.NoSuchProcess):
            return "no run to kill"

    def _run_cancelled(self, _: random.Random) -> str:
        running = self.up.dagster("SELECT run_id FROM runs WHERE status = 'STARTED'")
        if not running:
            return "no run to cancel"
        query = "mutation Cancel($run: String!) { terminateRun(runId: $run) { __typename } }"
        self.up.graphql(query, run=str(running[0][0]))
        return f"run {running[0][0][:8]} is cancelled"

    def _run_stopped(self, chance: random.Random) -> str:
        """Suspends a run for a while in the middle of its work."""
        from election_metrics.runtime.launcher import PROCESS

        query = "SELECT value FROM run_tags JOIN runs USING (run_id) WHERE status = 'STARTED' AND key = %s LIMIT 1"
        found = self.up.dagster(query, PROCESS)
        if not found:
            return "no run to stop"
        seconds = chance.uniform(1, 12)
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(found[0][0].split()[1]))
            process.suspend()
            time.sleep(seconds)
            process.resume()
        return f"a run is suspended for {seconds:.1f} s"

    def _daemon_killed(self, _: random.Random) -> str:
        with suppress(ValueError, psutil.NoSuchProcess):
            self.up.kill_part("dagster._daemon")
        return "the daemon is killed"

    def _code_location_killed(self, _: random.Random) -> str:
        with suppress(ValueError, psutil.NoSuchProcess):
            self.up.kill_part("api")
        return "the code location is killed"

    def _postgres_killed(self, _: random.Random) -> str:
        with suppress(FileNotFoundError, ProcessLookupError):
            self.up.kill_postgres()
        self.up.forget_connections()
        return "PostgreSQL is killed"

    def _supervisor_killed(self, _: random.Random) -> str:
        self.up.kill()
        self.up.start()
        return "the supervisor is killed and restarted"

    def _second_daemon(self, chance: random.Random) -> str:
        """Starts a second daemon, which evaluates the same sensors and launches the same runs for a while."""
        workspace = next(
            part.cmdline()[part.cmdline().index("-w") + 1]
            for part in psutil.Process(self.up.process.pid).children()
            if "-w" in part.cmdline()
        )
        environment = {**self.up.environment, **dagster_environment(self.settings)}
        command = [sys.executable, "-m", "dagster._daemon", "run", "-w", workspace]
        seconds = chance.uniform(8, 15)
        with (self.folder / "second.log").open("ab") as output:
            daemon = subprocess.Popen(
                command, env=environment, stdout=output, stderr=output, cwd=self.folder, start_new_session=True
            )
            time.sleep(seconds)
            os.killpg(daemon.pid, chance.choice((signal.SIGKILL, signal.SIGTERM)))
            daemon.wait()
        return f"a second daemon runs for {seconds:.1f} s"
