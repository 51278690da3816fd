"""Finds current problems, as a pure function of the observed state, and formats their alerts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from election_metrics.pipeline.last_known import DATABASE

_BEHIND_TOO_LONG = timedelta(minutes=15)
_LEAST_FREE = 0.05
_TABLE_AWAY = timedelta(minutes=10)
_LONGEST_REASON = 300
STATUS = "election-metrics status"
_SERVER = "ps -eo pid,stat,args | grep postgres"
_DISK_FULL = "a disk is full"
_OF_CHECK = {
    "nothing_critical": "election-metrics anomalies list",
    "quarantine_empty": "election-metrics export rejected_transactions",
    "coverage_complete": "election-metrics export missing_input",
    "input_in_time": "election-metrics export missing_input",
    "hours_equal_lake": "election-metrics backfill --from HOUR --to HOUR",
    "nothing_differs": "election-metrics export reconciliations",
}
"""The command that tells more than `status` about a failed check."""


@dataclass(frozen=True)
class Problem:
    """Something that an operator should know.

    Attributes:
        key: identifies the problem; constant while it lasts.
        severity: error or warning.
        title: what is wrong, in one line.
        where: the path, asset or process.
        why: the cause, in plain words.
        do: what to type.
        link: where to look.
    """

    key: str
    severity: str
    title: str
    where: str
    why: str
    do: str
    link: str

    @property
    def detail(self) -> str:
        """Everything but the title, one line each."""
        return f"where: {self.where}\nwhy: {self.why}\ntype: {self.do}\nsee: {self.link}"


@dataclass(frozen=True)
class FailedRun:
    """A run that failed since the last success of its kind.

    Attributes:
        run_id: its id.
        kind: its job and its trigger.
        reason: the error that Dagster recorded.
        why: what was requested, and by whom.
    """

    run_id: str
    kind: str
    reason: str
    why: str = ""


@dataclass(frozen=True)
class FailedCheck:
    """A check whose newest result is a failure.

    Attributes:
        asset: the asset.
        check: its name.
        is_error: whether the figures are wrong; otherwise they should be looked at.
        description: what was expected.
        found: what was found instead; empty if the check does not say.
    """

    asset: str
    check: str
    is_error: bool
    description: str
    found: str = ""


@dataclass(frozen=True)
class Overdue:
    """An election in progress whose input is overdue (warehouse/due.py).

    Attributes:
        name: the election's name.
        hours: number of constituency hours that should have arrived.
        since: when the first of them was due.
    """

    name: str
    hours: int
    since: datetime


@dataclass(frozen=True)
class Waiting:
    """Files of the source that do not land.

    Attributes:
        path: the source.
        files: their number.
        since: when the oldest of them arrived, or when a file landed last, whichever is later.
    """

    path: str
    files: int
    since: datetime


@dataclass(frozen=True)
class FailingTicks:
    """A sensor or schedule whose last ticks failed.

    Attributes:
        name: its name.
        ticks: number of consecutive failures.
        error: the newest error.
    """

    name: str
    ticks: int
    error: str


@dataclass(frozen=True)
class Silent:
    """A process that does not answer, or a daemon without a heartbeat.

    Attributes:
        name: its name.
        since: when it answered last, or was first found silent.
    """

    name: str
    since: datetime


@dataclass(frozen=True)
class FullDisk:
    """A disk in use and its free space.

    Attributes:
        what: what it holds.
        path: its path.
        free_share: free share, 0 to 1.
        free: free space, as text.
        is_full: whether landing waits for free space.
    """

    what: str
    path: str
    free_share: float
    free: str
    is_full: bool = False


@dataclass(frozen=True)
class Seen:
    """The observed state from which problems are derived. Observers fill in what they can see; the rest is no problem.

    Attributes:
        failed_runs: runs that failed since the last success of their kind, newest first.
        failed_checks: checks whose newest result is a failure.
        overdue: elections whose input is overdue.
        oldest_behind: since when the oldest stale hour has been behind; None if no hour is.
        disks: the disks that are written to.
        tables: name of each watched transactions table, and when it was polled last.
        source: the source and what is wrong with it, as the end of a sentence; None if nothing is wrong.
        waiting: files that do not land; None if there are none.
        database: why PostgreSQL does not answer; empty if it does.
        silent: processes that do not answer, and daemons without a heartbeat.
        failing_ticks: sensors and schedules whose ticks fail.
        stopped: sensors and schedules that are turned off.
        sees_every_disk: whether every disk that is written to belongs to this machine. Then a full disk is reported as
            such, and not a second time by the runs that it makes fail.
    """

    failed_runs: Sequence[FailedRun] = ()
    failed_checks: Sequence[FailedCheck] = ()
    overdue: Sequence[Overdue] = ()
    oldest_behind: datetime | None = None
    disks: Sequence[FullDisk] = ()
    tables: Sequence[tuple[str, datetime]] = ()
    source: tuple[str, str] | None = None
    waiting: Waiting | None = None
    database: str = ""
    silent: Sequence[Silent] = ()
    failing_ticks: Sequence[FailingTicks] = ()
    stopped: Sequence[str] = ()
    sees_every_disk: bool = False


def find_problems(seen: Seen, now: datetime, ui_url: str, page_url: str | None = None) -> list[Problem]:
    """All current problems.

    Args:
        seen: the observed state.
        now: current time.
        ui_url: the Dagster UI, for links.
        page_url: the page, which answers also without the database; None if it is not served.
    """
    ui = ui_url.rstrip("/")
    return [
        *_of_database(seen, page_url or ui),
        *_of_source(seen, now, ui),
        *_of_disks(seen, page_url or ui),
        *_of_dagster(seen, ui, page_url or ui),
        *_of_runs(seen, ui),
        *(_failed_check(check, ui) for check in seen.failed_checks),
        *(_overdue(election, ui) for election in seen.overdue),
        *_of_lag(seen, now, ui),
    ]


def _of_database(seen: Seen, page: str) -> list[Problem]:
    if not seen.database:
        return []
    why = f"{seen.database}; everything waits for it and then continues"
    return [Problem(DATABASE, "error", "PostgreSQL does not answer", "PostgreSQL", why, _SERVER, page)]


def _of_source(seen: Seen, now: datetime, ui: str) -> list[Problem]:
    problems = []
    if seen.source is not None:
        path, trouble = seen.source
        why = (
            "it was moved, unmounted, or is out of reach; what landed from it stays, and new files land when it is back"
        )
        do = f"ls -ld '{path}'" if "://" not in path else STATUS
        title = f"The source {path} {trouble}"
        problems.append(Problem(f"source {path} {trouble[:40]}", "error", title, path, why, do, f"{ui}/automation"))
    waiting = seen.waiting
    if waiting is not None and seen.source is None and now - waiting.since > _BEHIND_TOO_LONG:
        minutes = int((now - waiting.since).total_seconds() / 60)
        title = f"{waiting.files} file(s) wait, and nothing has landed for {minutes} minutes"
        why = "their landing fails, or its sensor does not finish; its last tick says which"
        problems.append(Problem("waiting", "error", title, waiting.path, why, STATUS, f"{ui}/automation"))
    return problems


def _of_disks(seen: Seen, page: str) -> list[Problem]:
    problems = []
    for disk in seen.disks:
        if disk.is_full:
            title, why = f"The disk of {disk.what} is full", f"{disk.free}; landing waits until there is room"
            problems.append(Problem(f"disk full {disk.path}", "error", title, disk.path, why, STATUS, page))
        elif disk.free_share < _LEAST_FREE:
            title = f"The disk of {disk.what} is {100 - disk.free_share * 100:.0f} % full"
            do = "election-metrics maintain --dry-run"
            problems.append(Problem(f"disk {disk.path}", "error", title, disk.path, disk.free, do, page))
    return problems


def _of_dagster(seen: Seen, ui: str, page: str) -> list[Problem]:
    problems = []
    if not seen.database:  # a process that waits for the database is silent, too
        why = "it hangs or was stopped; up restarts it if it stays silent"
        problems += [
            Problem(f"silent {part.name}", "error", f"The {part.name} does not answer", part.name,
                    f"{why} (since {part.since:%H:%M:%S} UTC)", STATUS, ui if part.name == "API" else page)
            for part in seen.silent
        ]  # fmt: skip
    for tick in seen.failing_ticks:
        words, _ = in_our_words(tick.error)
        title = f"{tick.name} failed {tick.ticks} times in a row"
        link = f"{ui}/automation"
        problems.append(
            Problem(f"ticks {tick.name} {cause_of(tick.error)}", "error", title, tick.name, words, STATUS, link)
        )
    for name in seen.stopped:
        do = f"in the UI, Automation: turn {name} on"
        why = "it was turned off; the runs it would request do not start until it is on again"
        title = f"{name} is turned off"
        problems.append(Problem(f"stopped {name}", "warning", title, name, why, do, f"{ui}/automation"))
    return problems


def _of_runs(seen: Seen, ui: str) -> list[Problem]:
    """One problem for each cause, whichever jobs it makes fail; each links to its newest run."""
    by_cause: dict[str, list[FailedRun]] = {}
    for run in seen.failed_runs:
        by_cause.setdefault(cause_of(run.reason), []).append(run)
    problems = []
    for cause, runs in by_cause.items():
        if cause == _DISK_FULL and seen.sees_every_disk:
            continue  # the full disk is reported as the problem
        words, do = in_our_words(runs[0].reason)
        kinds = ", ".join(dict.fromkeys(run.kind for run in runs))
        known = _known_cause(words)
        title = f"{kinds} failed: {_shortened(words if known is None else known[0])}"
        where = f"{kinds}: {runs[0].why}" if runs[0].why else kinds
        problems.append(Problem(f"run {cause}", "error", title, where, words, do, f"{ui}/runs/{runs[0].run_id}"))
    return problems


def _failed_check(check: FailedCheck, ui: str) -> Problem:
    return Problem(
        f"check {check.asset}.{check.check}",
        "error" if check.is_error else "warning",
        f"Check {check.asset}.{check.check} failed",
        check.asset,
        f"expected: “{check.description.rstrip('.')}”" + (f"; found: {check.found}" if check.found else ""),
        _OF_CHECK.get(check.check, STATUS),
        f"{ui}/assets/{check.asset}?view=checks",
    )


def _overdue(election: Overdue, ui: str) -> Problem:
    lacking = "1 hour of its constituencies" if election.hours == 1 else f"{election.hours} hours of its constituencies"
    why = f"{lacking} should have arrived, the first at {election.since:%Y-%m-%d %H:%M} UTC; do files arrive?"
    title = f"Input of {election.name} is overdue while it is voting"
    return Problem(f"overdue {election.name}", "error", title, "landed_files", why, STATUS, f"{ui}/assets/landed_files")


def _of_lag(seen: Seen, now: datetime, ui: str) -> list[Problem]:
    problems = []
    if seen.oldest_behind is not None and now - seen.oldest_behind > _BEHIND_TOO_LONG:
        minutes = int((now - seen.oldest_behind).total_seconds() / 60)
        title = f"Hours have been behind for {minutes} minutes"
        why = "rows that landed are not computed: their runs fail, or are not requested"
        problems.append(Problem("hours behind", "error", title, "hourly_stats", why, STATUS, f"{ui}/automation"))
    for name, read_at in seen.tables:
        if now - read_at > _TABLE_AWAY:
            title = f"The table {name} could not be read since {read_at:%Y-%m-%d %H:%M} UTC"
            do = "election-metrics table check"
            why = "its database cannot be reached, or refuses access; the command says which"
            problems.append(Problem(f"table {name}", "error", title, name, why, do, f"{ui}/automation"))
    return problems


# Patterns of error messages, the cause in plain words, and what to type.
_WORDS = (
    (r"no space left|disk quota exceeded|could not extend file|disk of .* is full", _DISK_FULL, STATUS),
    (r"OperationalError|psycopg|server closed the connection|PostgreSQL is away|PostgreSQL does not answer"
     r"|connection to server", "PostgreSQL was away or busy", STATUS),
    (r"MemoryError|Out of ?Memory|OutOfMemoryException|could not allocate", "there was too little memory; give more by "
     "ELECTION_METRICS_MEMORY_LIMIT", STATUS),
    (r"run's process is gone|run worker|was killed|SIGKILL", "its process was killed", STATUS),
)  # fmt: skip


def in_our_words(reason: str) -> tuple[str, str]:
    """The cause in plain words, with the original message; and what to type."""
    original = _CLASS.sub("", " ".join(reason.split()))
    if (known := _known_cause(reason)) is not None:
        words, do = known
        return f"{words} ({_shortened(original, _LONGEST_REASON)})", do
    return _shortened(original, _LONGEST_REASON), STATUS


_CLASS = re.compile(r"\b(?:[a-z_]+\.)+[A-Z]\w+: ")  # an exception's class, as Dagster prints it


def _shortened(text: str, most: int = 100) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def cause_of(reason: str) -> str:
    """A key that is equal for equal causes: a known cause by its name, any other without numbers, ids and times."""
    line = " ".join(reason.split())
    if (known := _known_cause(line)) is not None:
        return known[0]
    without_ids = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "#", line)
    return re.sub(r"\d+", "#", without_ids)[:200]


def _known_cause(reason: str) -> tuple[str, str] | None:
    """A known cause in plain words, and what to type; None if the cause is not known."""
    line = " ".join(reason.split())
    return next(((words, do) for pattern, words, do in _WORDS if re.search(pattern, line, re.IGNORECASE)), None)


def message(problem: Problem, since: datetime, host: str) -> str:
    """The alert, as text."""
    mark = "🔴" if problem.severity == "error" else "🟠"
    return f"{mark} {problem.title} (on {host}, since {since:%Y-%m-%d %H:%M} UTC)\n{problem.detail}"


def recovery(title: str, since: datetime, now: datetime, host: str) -> str:
    """The all-clear, as text."""
    minutes = max(1, round((now - since).total_seconds() / 60))
    return f"🟢 Over after {minutes} min: {title} (on {host})"


def without_secrets(text: str, secrets: Mapping[str, str]) -> str:
    """The text with every secret replaced by its name, longest first: a secret may be part of another."""
    names: dict[str, str] = {}
    for name, secret in secrets.items():
        if len(secret) > 3:
            names.setdefault(secret, name)
    if not names:
        return text
    pattern = "|".join(re.escape(secret) for secret in sorted(names, key=len, reverse=True))
    return re.sub(pattern, lambda found: f"({names[found[0]]})", text)
