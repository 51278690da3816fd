"""One schedule: drawn from a seed, run, and checked against the invariant."""

import os
import random
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from pathlib import Path

from rich.console import Console

from election_metrics.commands.runs import run_ingest
from election_metrics.errors import ElectionMetricsError
from election_metrics.lake.landing import hour_folder
from election_metrics.pipeline.compaction import compact_hours
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.hours import changed_hours, compute_hours, contiguous
from election_metrics.pipeline.lake_maintenance import compact_lake
from election_metrics.pipeline.withdrawal import restore, withdraw
from election_metrics.settings import Settings
from election_metrics_tests.computing import update
from faults import law, processes, steps
from faults.exports import START, Exports
from faults.home import Server
from faults.processes import Process

CLOCK = datetime(2026, 9, 25, 12, tzinfo=UTC)
"""The clock of every schedule: the elections ended days ago, even if a clock is wrong by a few hours."""
_LONG = 90.0
_BATCH = 120_000
"""Bytes of a batch: small enough for several batches in a landing, each with a separate commit."""
FILE_FAULTS = {
    "deliver": 7, "deliver_half": 2, "complete": 2, "deliver_packed": 2, "deliver_on_chain": 3, "repeat": 2, "rename": 1, "overwrite": 2,
    "damage": 2, "delete": 1, "withdraw": 2, "forbid": 1, "move": 1,
}  # fmt: skip
_PROCESS_FAULTS = {
    "run": 3, "kill_at_a_step": 4, "kill_at_a_moment": 2, "stop_at_a_step": 3, "two_at_once": 2, "cut_off": 2,
    "postgres_killed": 1, "disk_full": 2, "read_only_lake": 1,
}  # fmt: skip
_ARRIVES, _ON_CHAIN = 0.7, 0.3
"""How often files arrive before a fault of a process, and how often as blocks of the chain."""
_ACTIONS = {"update": 8, "land": 2, "compute": 2, "backfill": 2, "compact": 2, "take_back": 1, "ingest": 0.3}


@dataclass
class Schedule:
    """The schedule of a seed, in a separate system.

    Attributes:
        seed: seed of all random decisions.
        length: number of steps.
        server: server of its databases.
        known_steps: named steps of the pipeline, by action.
        told: what happened, one line for each step.
    """

    seed: int
    length: int
    server: Server
    known_steps: dict[str, list[str]]
    told: list[str] = field(default_factory=list)

    def run(self) -> list[str]:
        """Runs the schedule; returns every violation of the invariant."""
        name = f"s{self.seed}"
        self.folder = self.server.root / f"files-{name}"
        self.folder.mkdir()
        self.log = self.folder / "processes.log"
        self.exports = Exports(self.folder / "tree", self.folder / "in", random.Random(f"{self.seed}"))
        self.settings = self.server.make(name, self.exports.root, _BATCH)
        self.clean = self.server.make(f"{name}_clean", self.exports.root)
        try:
            for number in range(self.length):
                self._step(number)
            return self._judge()
        except (TimeoutError, AssertionError) as error:
            return [str(error)]
        finally:
            for each in (name, f"{name}_clean"):
                self.server.drop(each)
                shutil.rmtree(self.server.root / each, ignore_errors=True)

    def _step(self, number: int) -> None:
        chance = random.Random(f"{self.seed}/{number}")
        fault = draw(chance, {"file": 1, "process": 1.2})
        if fault == "file":
            name = draw(chance, FILE_FAULTS)
            outcome = getattr(self.exports, name)(chance)
        else:
            name = draw(chance, _PROCESS_FAULTS)
            bring = self.exports.deliver_on_chain if chance.random() < _ON_CHAIN else self.exports.deliver
            arrived = f"{bring(chance)}; " if chance.random() < _ARRIVES else ""
            outcome = arrived + getattr(self, f"_{name}")(chance)
        self.told.append(f"{number:2} {name.replace('_', ' ')}: {outcome}")

    # Processes ------------------------------------------------------------------------------------------------------

    def _start(
        self, chance: random.Random, hurt: Callable[[], None] = lambda: None, action: str | None = None
    ) -> tuple[str, Process]:
        action = action or draw(chance, _ACTIONS)
        hours = sorted(chance.sample(range(-1, 8), 2))
        begin, end = (START + timedelta(hours=hour) for hour in hours)
        clock = CLOCK + timedelta(hours=chance.choice((0, 0, 0, -30, -1, 1, 30)))
        most = chance.choice((1, 2, 744, 744))
        act: dict[str, Callable[[], object]] = {
            "update": lambda: update(self.settings, self.exports.root, datetime.now(UTC), most),
            "land": lambda: land(self.settings, self.exports.root, "run"),
            "compute": lambda: _compute(self.settings, most),
            "backfill": lambda: compute_hours(self.settings, begin, end, "run"),
            "compact": lambda: _compact(self.settings, begin, end),
            "take_back": lambda: _take_back(self.settings, self.exports.root, chance.random()),
            "ingest": lambda: run_ingest(Console(file=StringIO()), self.exports.root, self.settings),
        }
        drift = f" with a clock {(clock - CLOCK) / timedelta(hours=1):+g} h" if clock != CLOCK else ""
        return f"{action}{drift}", Process(act[action], self.log, clock, hurt)

    def _must_succeed(self, *ended: int) -> None:
        for code in ended:
            if code != 0:
                last = self.log.read_text("utf-8", "replace")[-3_000:]
                raise AssertionError(f"a run without a fault ended with {code}:\n{last}")

    def _run(self, chance: random.Random) -> str:
        outcome, process = self._start(chance)
        self._must_succeed(process.end(_LONG))
        return outcome

    def _kill_at_a_step(self, chance: random.Random) -> str:
        return self._at_a_step(chance, steps.kill_self)

    def _a_step(self, chance: random.Random) -> tuple[str, str]:
        """An action, and a named step that it passes."""
        action = draw(chance, {name: weight for name, weight in _ACTIONS.items() if name in self.known_steps})
        known = self.known_steps[action]
        return action, known[int(chance.random() * len(known))]

    def _at_a_step(self, chance: random.Random, act: Callable[[], None]) -> str:
        (action, step), time = self._a_step(chance), chance.choice((1, 1, 1, 2))
        outcome, process = self._start(chance, partial(steps.once, step, time, act), action)
        return f"{outcome}, {step} ({time}): ended with {process.end(_LONG)}"

    def _kill_at_a_moment(self, chance: random.Random) -> str:
        outcome, process = self._start(chance)
        moment = chance.uniform(0, 1.2)
        process.wait(moment)
        process.signal(signal.SIGKILL)
        return f"{outcome}, after {moment:.3f} s: ended with {process.end(_LONG)}"

    def _stop_at_a_step(self, chance: random.Random) -> str:
        """Stops a process in the middle of its work while another one works; then continues it."""
        action, step = self._a_step(chance)
        outcome, first = self._start(chance, partial(steps.once, step, 1, processes.stop_self), action)
        first.wait(_LONG)
        more = f", {self.exports.deliver(chance)}" if chance.random() < 0.5 else ""
        other, second = self._start(chance)
        second.wait(0.8)  # it may have to wait for the lock of the first process
        self._must_succeed(first.end(_LONG), second.end(_LONG))
        return f"{outcome}, {step}{more}; meanwhile {other}"

    def _two_at_once(self, chance: random.Random) -> str:
        (outcome, first), (other, second) = self._start(chance), self._start(chance)
        self._must_succeed(first.end(_LONG), second.end(_LONG))
        return f"{outcome} and {other}"

    def _cut_off(self, chance: random.Random) -> str:
        """Breaks every connection to PostgreSQL."""
        return self._at_a_step(chance, partial(processes.drop_connections, self.server.url(f"s{self.seed}")))

    def _postgres_killed(self, chance: random.Random) -> str:
        try:
            return self._at_a_step(chance, partial(os.kill, self.server.pid(), signal.SIGKILL))
        finally:
            self.server.revive()

    def _disk_full(self, chance: random.Random) -> str:
        quota = chance.choice((0, 100, chance.randrange(4_000), chance.randrange(30_000)))
        outcome, process = self._start(chance, partial(processes.small_quota, quota))
        return f"{outcome}, no file beyond {quota} bytes: ended with {process.end(_LONG)}"

    def _read_only_lake(self, chance: random.Random) -> str:
        lake = self.settings.lake_path
        # The folders of all rows of this schedule, including those that a landing would create.
        lake.mkdir(parents=True, exist_ok=True)
        folders = [lake, *(path for path in lake.rglob("*") if path.is_dir())]
        if chance.random() < 0.5:
            number = int(START.timestamp()) // 3600 + chance.randrange(3)
            one = lake / hour_folder(number)
            one.mkdir(parents=True, exist_ok=True)
            folders = [one]
        for path in folders:
            path.chmod(0o555)
        try:
            outcome, process = self._start(chance)
            return f"{outcome}, {len(folders)} folder(s): ended with {process.end(_LONG)}"
        finally:
            for path in folders:
                path.chmod(0o755)

    # The invariant --------------------------------------------------------------------------------------------------------

    def _judge(self) -> list[str]:
        self.exports.unlock()
        over = CLOCK + timedelta(days=3)
        processes.ask(lambda: law.settle(self.settings), self.log, over, _LONG)
        self.exports.settle(processes.ask(lambda: law.landed_versions(self.settings), self.log, CLOCK, _LONG))
        processes.ask(lambda: law.settle(self.settings), self.log, over, _LONG)  # restored files are new versions
        processes.ask(lambda: law.sweep(self.settings), self.log, datetime.now(UTC) + timedelta(days=3), _LONG)
        return processes.ask(lambda: law.broken(self.settings, self.clean, self.exports), self.log, over, _LONG)


@dataclass
class EveryStep(Schedule):
    """Kills a process once at each named step; a file arrives before each, so that there is work."""

    def __post_init__(self) -> None:
        """Assigns each step to the first action that passes it; the small actions come before `update`."""
        self.steps: dict[str, str] = {}
        for action in ("land", "compute", "backfill", "compact", "update"):
            self.steps |= {step: action for step in self.known_steps[action] if step not in self.steps}
        self.length = len(self.steps)

    def _step(self, number: int) -> None:
        chance = random.Random(f"{self.seed}/{number}")
        step, action = list(self.steps.items())[number]
        arrived = self.exports.deliver(chance) if self.exports.waiting else self.exports.repeat(chance)
        if action != "land":
            self._must_succeed(self._start(chance, action="land")[1].end(_LONG))
        _, process = self._start(chance, partial(steps.once, step, 1, steps.kill_self), action)
        self.told.append(f"{number:3} {action}, {step}: {arrived}; ended with {process.end(_LONG)}")


def draw(chance: random.Random, weights: dict[str, float]) -> str:
    """Draws a name by weight."""
    return chance.choices(list(weights), list(weights.values()))[0]


def _compute(settings: Settings, most: int = 744) -> None:
    for first, last in contiguous(changed_hours(settings), most):
        compute_hours(settings, first, last + timedelta(hours=1), "run")


def _compact(settings: Settings, begin: datetime, end: datetime) -> None:
    compact_lake(settings, dry_run=False)
    compact_hours(settings, begin, end)


def _take_back(settings: Settings, root: Path, place: float) -> None:
    """Withdraws one of the paths that landed, computes what follows, and restores it."""
    landed = sorted({path for path, _, _ in law.landed_versions(settings)})
    if not landed:
        return
    path = landed[int(place * len(landed))]
    # The other process may have replaced or taken back the same file; so may a file be there that was never readable.
    with suppress(ElectionMetricsError):
        withdraw(settings, path, "faults", "a fault")
        update(settings, root, datetime.now(UTC))
        restore(settings, path, "faults")


def known_steps(server: Server) -> dict[str, list[str]]:
    """The named steps that each action passes, recorded by one run on a full folder."""
    folder = server.root / "files-steps"
    exports = Exports(folder / "tree", folder / "in", random.Random("steps"))
    while exports.waiting:
        exports.deliver(random.Random("steps"))
    # Small batches, so that an hour has several parts and compaction has work.
    one_by_one, whole = server.make("steps", exports.root, 40_000), server.make("steps_whole", exports.root)
    hours = START - timedelta(hours=1), START + timedelta(hours=8)
    actions: dict[str, Callable[[], object]] = {
        "land": lambda: land(one_by_one, exports.root, "run"),
        "compute": lambda: _compute(one_by_one),
        "backfill": lambda: compute_hours(one_by_one, *hours, "run"),
        "compact": lambda: _compact(one_by_one, *hours),
        "update": lambda: (update(whole, exports.root, datetime.now(UTC)), steps.modules_now(folder / "modules.txt")),
    }
    found = {}
    for name, action in actions.items():
        written = folder / f"{name}.txt"
        written.touch()
        code = Process(action, folder / "log", CLOCK, partial(steps.record, written)).end(_LONG)
        assert code == 0, (folder / "log").read_text("utf-8")
        found[name] = written.read_text("utf-8").splitlines()
    steps.import_too(folder / "modules.txt")
    for name in ("steps", "steps_whole"):
        server.drop(name)
    return found
