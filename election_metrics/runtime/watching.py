"""The watch of `up`: source, disks, PostgreSQL, the daemon's heartbeat, and a health check of each process.

It reports problems without the warehouse and the daemon: its state is in memory and in a small file (`last_known`),
and it sends alerts itself, once for each problem and once when it is over. Every check has a deadline. A process that
has not answered for long is killed and restarted, because a hung process does not recover by waiting. While PostgreSQL
does not answer, no process is killed: waiting for it is correct.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy as sa

from election_metrics.automation import duty
from election_metrics.automation.alert_texts import message, recovery
from election_metrics.automation.alerts import full_disks
from election_metrics.automation.delivery import deliver, without_own_secrets
from election_metrics.automation.observations import FailingTicks, Seen, Silent
from election_metrics.automation.problems import Problem, find_problems
from election_metrics.pipeline.last_known import Known, LastKnown, read_last_known, write_last_known
from election_metrics.pipeline.source import EMPTIED, SourceState, landed_from, look_at_source
from election_metrics.runtime.supervisor import Supervisor
from election_metrics.settings import Settings
from election_metrics.warehouse.answering import HANGS, SECONDS, Asker, ask_database
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.reports import read_status

LOOK_EVERY = 2.0
_SLOW_LOOK_EVERY = 15.0
_POST_AGAIN_AFTER = timedelta(seconds=30)
_SILENT_AFTER = timedelta(seconds=10)
KILLED_AFTER = timedelta(seconds=60)
_DAEMON = "daemon"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Duty:
    """Health of Dagster's automation, from its tables."""

    ticks: Sequence[FailingTicks] = ()
    stopped: Sequence[str] = ()
    silent: Sequence[Silent] = ()
    heartbeat: datetime | None = None


@dataclass
class Watch:
    """Checks the system, compares the problems with those reported before, and reports the difference.

    Attributes:
        settings: the settings.
        supervisor: the supervisor whose parts it watches.
        instance: the Dagster instance.
        page_url: the page, for links that work while the database does not answer.
        patience: deadline of each check, in seconds.
        killed_after: how long a part may be silent before it is killed.
    """

    settings: Settings
    supervisor: Supervisor
    instance: dg.DagsterInstance
    page_url: str | None = None
    patience: float = SECONDS
    killed_after: timedelta = KILLED_AFTER
    known: LastKnown = field(default_factory=LastKnown)
    seen: Seen = field(default_factory=Seen)
    _asker: Asker = field(default_factory=Asker)
    _dagster: _Duty = field(default_factory=_Duty)
    _slow_at: float = 0.0
    _database_at: datetime = _LONG_AGO
    _away_looks: int = 0
    _silent_since: dict[str, datetime] = field(default_factory=dict)
    _tried_at: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Loads the problems that were reported before a restart."""
        self.known = read_last_known(self.settings)

    @property
    def heartbeat(self) -> datetime | None:
        """The oldest of the daemons' last heartbeats; None if unknown."""
        return self._dagster.heartbeat

    def run(self, asked: threading.Event) -> None:
        """Checks every LOOK_EVERY seconds until asked to stop."""
        while not asked.is_set():
            try:
                self.look(datetime.now(UTC))
            except Exception as error:  # the watch must survive any error
                self.supervisor.tell(f"The check of the system failed: {type(error).__name__}: {error}")
            asked.wait(LOOK_EVERY)

    def look(self, now: datetime) -> None:
        """Checks once."""
        answers = self._ask()
        self.seen = self._see(answers, now)
        found = {problem.key: problem for problem in find_problems(
            self.seen, now, self.settings.ui_url, self.page_url)}  # fmt: skip
        self._say(found, now)
        self._kill_what_hangs(now)
        self.known.looked_at = now
        write_last_known(self.settings, self.known)

    def _ask(self) -> Mapping[str, object | Exception]:
        settings = self.settings
        questions: dict[str, Callable[[], object]] = {"database": lambda: ask_database(settings)}
        for part, question in self.supervisor.questions().items():
            questions[f"part {part}"] = question
        source = settings.source_path
        if source is not None:
            questions["source"] = lambda: look_at_source(source)
        if time.monotonic() - self._slow_at > _SLOW_LOOK_EVERY and not self.seen.database:
            self._slow_at = time.monotonic()
            questions["duty"] = self._duty
            questions["warehouse"] = self._read_warehouse
            if source is not None:
                questions["landed"] = lambda: landed_from(settings, source)
        return self._asker.ask_all(questions, self.patience)

    def _see(self, answers: Mapping[str, object | Exception], now: datetime) -> Seen:
        database = self._trouble_with_database(answers["database"])
        if database:
            self._database_at = now
        found = answers.get("duty")
        if isinstance(found, _Duty):
            self._dagster = found
        if isinstance(answers.get("warehouse"), tuple):
            figures, problems = answers["warehouse"]  # type: ignore[misc]
            self.known.figures, self.known.of_warehouse, self.known.figures_at = figures, problems, now
        return Seen(
            source=self._trouble_with_source(answers),
            disks=full_disks(self.settings),
            database=database,
            silent=self._silent_parts(answers, now),
            failing_ticks=self._dagster.ticks,
            stopped=self._dagster.stopped,
        )

    def _trouble_with_database(self, answer: object) -> str:
        """Reports a hang at once, and a refused connection only when repeated, because a restart takes a moment."""
        if not isinstance(answer, Exception):
            self._away_looks = 0
            return ""
        self._away_looks += 1
        if isinstance(answer, TimeoutError):
            return f"{HANGS} within {self.patience:g} s"
        reason = without_own_secrets(self.settings, " ".join(str(answer).split()))
        return f"it cannot be reached: {reason}" if self._away_looks > 1 or self.seen.database else ""

    def _trouble_with_source(self, answers: Mapping[str, object | Exception]) -> tuple[str, str] | None:
        source = self.settings.source_path
        if source is None:
            return None
        name, state = str(source), answers["source"]
        if isinstance(state, TimeoutError):
            return name, f"does not answer within {self.patience:g} s"
        if not isinstance(state, SourceState):
            return name, f"cannot be checked: {state}"
        if (state.has_files or answers.get("landed") is True) and name not in self.known.filled:
            self.known.filled.append(name)
        if state.trouble:
            return name, state.trouble
        return (name, EMPTIED) if not state.has_files and name in self.known.filled else None

    def _silent_parts(self, answers: Mapping[str, object | Exception], now: datetime) -> list[Silent]:
        silent = []
        for part in self.supervisor.parts:
            answers_now = answers.get(f"part {part.name}") is True
            if part.name == _DAEMON:
                answers_now = answers_now and not self._dagster.silent
            if answers_now:
                self._silent_since.pop(part.name, None)
                continue
            since = self._silent_since.setdefault(part.name, now)
            if now - since >= _SILENT_AFTER:
                silent.append(Silent(part.name, since))
        return silent

    def _kill_what_hangs(self, now: datetime) -> None:
        if self.seen.database:
            # A part that waits for the database is not hung; its time starts again when the database is back.
            self._silent_since.clear()
            return
        for part in self.seen.silent:
            if now - part.since >= self.killed_after and self.supervisor.end_hanging(part.name):
                self._silent_since[part.name] = now - _SILENT_AFTER  # still silent, but it gets time to start
                self._dagster = replace(self._dagster, silent=[])

    def _duty(self) -> _Duty:
        now = datetime.now(UTC)
        (daemon,) = (part for part in self.supervisor.parts if part.name == _DAEMON)
        started = now - timedelta(seconds=time.monotonic() - daemon.started_at)
        return _Duty(
            duty.failing_ticks(self.instance),
            duty.stopped(self.instance),
            duty.without_heartbeat(self.instance, max(started, self._database_at), now),
            duty.oldest_heartbeat(self.instance),
        )

    def _read_warehouse(self) -> tuple[dict[str, int], list[Known]]:
        query = sa.text(
            "SELECT problem_id, severity, title, detail, since, alerted_at FROM ingest.problems ORDER BY since"
        )
        with transaction(self.settings) as connection:
            rows = connection.execute(query).all()
            figures = read_status(connection)
        names = ("key", "severity", "title", "detail", "since", "alerted_at")
        return figures, [Known(**dict(zip(names, row, strict=True))) for row in rows]

    def _say(self, found: Mapping[str, Problem], now: datetime) -> None:
        host = socket.gethostname()
        reported = {problem.key: problem for problem in self.known.problems}
        for key in reported.keys() - found.keys():
            over = reported[key]
            text = recovery(over.title, over.since, now, host)
            if over.alerted_at is None or self._deliver(f"over {key}", text, now):
                del reported[key]
                self._tried_at.pop(key, None)
        for key, problem in found.items():
            before = reported.get(key)
            since = before.since if before else now
            text = message(problem, since, host)
            if before is None:
                self.supervisor.tell(without_own_secrets(self.settings, text))
            if before is None or before.alerted_at is None:
                alerted_at = now if self._deliver(key, text, now, is_told=True) else None
            else:
                alerted_at = before.alerted_at
            title, detail = (without_own_secrets(self.settings, each) for each in (problem.title, problem.detail))
            reported[key] = Known(key=key, severity=problem.severity, title=title, detail=detail, since=since,
                                  alerted_at=alerted_at)  # fmt: skip
        self.known.problems = list(reported.values())

    def _deliver(self, key: str, text: str, now: datetime, *, is_told: bool = False) -> bool:
        """Sends a text; after a failure, it is sent again only after a pause."""
        tried = self._tried_at.get(key)
        if tried is not None and now - tried < _POST_AGAIN_AFTER:
            return False
        if not is_told and tried is None:
            self.supervisor.tell(without_own_secrets(self.settings, text))
        self._tried_at[key] = now
        arrived = deliver(self.settings, text)
        if arrived:
            self._tried_at.pop(key, None)
        return arrived


@contextlib.contextmanager
def in_background(*loops: Callable[[threading.Event], None]) -> Iterator[None]:
    """Runs these in threads until the block ends; a thread that hangs is abandoned."""
    asked = threading.Event()
    threads = [threading.Thread(target=loop, args=(asked,), daemon=True) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        asked.set()
        for thread in threads:
            thread.join(2)
