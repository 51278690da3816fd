"""What is wrong now, as a pure function of what was seen; and what to say of it, once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from election_metrics.pipeline.last_known import DATABASE

_BEHIND_TOO_LONG = timedelta(minutes=15)
_LEAST_FREE = 0.05
_TABLE_AWAY = timedelta(minutes=10)
_MOST_SAID = 300
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
"""What to type where a check failed, for more than `status` says."""


@dataclass(frozen=True)
class Problem:
    """Something that a person should know of.

    Attributes:
        key: the same as long as it is the same problem.
        severity: error or warning.
        title: what is wrong, in a line.
        where: the path, asset or part.
        why: the cause, in our words.
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
        """Everything but the title, a line each."""
        return f"where: {self.where}\nwhy: {self.why}\ntype: {self.do}\nsee: {self.link}"


@dataclass(frozen=True)
class FailedRun:
    """A run that failed since a run of its kind went well.

    Attributes:
        run_id: its id.
        kind: its job, and who asked for it.
        reason: what Dagster recorded.
        why: what was asked for, and by whom.
    """

    run_id: str
    kind: str
    reason: str
    why: str = ""


@dataclass(frozen=True)
class FailedCheck:
    """The newest result of a check, which failed.

    Attributes:
        asset: the asset.
        check: its name.
        is_error: whether the figures are wrong; else people should look.
        description: what should be.
        found: what it found instead; nothing where it does not say.
    """

    asset: str
    check: str
    is_error: bool
    description: str
    found: str = ""


@dataclass(frozen=True)
class Overdue:
    """An election that is voting, whose input is overdue (warehouse/due.py).

    Attributes:
        name: of the election.
        hours: constituency hours that should be here.
        since: when the first of them was due.
    """

    name: str
    hours: int
    since: datetime


@dataclass(frozen=True)
class Waiting:
    """Files that lie in the source and do not land.

    Attributes:
        path: the source.
        files: how many.
        since: since when the oldest of them lies there, or nothing has landed, whichever is later.
    """

    path: str
    files: int
    since: datetime


@dataclass(frozen=True)
class FailingTicks:
    """A sensor or schedule whose last ticks failed.

    Attributes:
        name: its name.
        ticks: how many in a row.
        error: what the newest said.
    """

    name: str
    ticks: int
    error: str


@dataclass(frozen=True)
class Silent:
    """A part that does not answer, or a daemon without a heartbeat.

    Attributes:
        name: its name.
        since: since when.
    """

    name: str
    since: datetime


@dataclass(frozen=True)
class FullDisk:
    """A disk and what is left of it.

    Attributes:
        what: what of ours is on it.
        path: where.
        free_share: free part, 0 to 1.
        free: how much is free, in words.
        is_full: whether landing waits for room.
    """

    what: str
    path: str
    free_share: float
    free: str
    is_full: bool = False


@dataclass(frozen=True)
class Seen:
    """Everything that problems follow from. Whoever looks fills in what it sees; what nobody saw is no problem.

    Attributes:
        failed_runs: runs that failed since one of their kind went well, newest first.
        failed_checks: checks whose newest result failed.
        overdue: elections whose input is overdue.
        oldest_behind: since when some hour has been behind; None where none is.
        disks: the disks that we write to.
        tables: name of each transactions table that is watched, and when it was looked at last.
        source: the source and what is wrong with it, as the end of a sentence; None where nothing is.
        waiting: files that do not land; None where none are.
        database: why PostgreSQL does not answer; nothing where it does.
        silent: parts that do not answer, and daemons without a heartbeat.
        failing_ticks: sensors and schedules whose ticks fail.
        stopped: sensors and schedules that are turned off.
        sees_every_disk: whether every disk that we write to is one of this machine: then one that is full is told of
            as such, and not once more by the runs that fail of it.
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
    """Everything that is wrong.

    Args:
        seen: what was seen.
        now: the clock.
        ui_url: the Dagster UI, for links.
        page_url: the page, which answers while the database does not; None: there is none.
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
    why = f"{seen.database}; everything waits for it, and goes on by itself"
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
        why = "their landing fails, or its sensor does not come to an end; its last tick says which"
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
    if not seen.database:  # whatever waits for the database is silent, too
        why = "it hangs, or was stopped; up starts it again if it stays so"
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
        why = "somebody turned it off; what it asks for does not happen until it is on again"
        title = f"{name} is turned off"
        problems.append(Problem(f"stopped {name}", "warning", title, name, why, do, f"{ui}/automation"))
    return problems


def _of_runs(seen: Seen, ui: str) -> list[Problem]:
    """One for each cause, whatever jobs fail of it; the newest run of each is linked."""
    by_cause: dict[str, list[FailedRun]] = {}
    for run in seen.failed_runs:
        by_cause.setdefault(cause_of(run.reason), []).append(run)
    problems = []
    for cause, runs in by_cause.items():
        if cause == _DISK_FULL and seen.sees_every_disk:
            continue  # the disk itself is the problem, and its end the end of it
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
        f"expected was: “{check.description.rstrip('.')}”" + (f"; found: {check.found}" if check.found else ""),
        _OF_CHECK.get(check.check, STATUS),
        f"{ui}/assets/{check.asset}?view=checks",
    )


def _overdue(election: Overdue, ui: str) -> Problem:
    lacking = "1 hour of its constituencies" if election.hours == 1 else f"{election.hours} hours of its constituencies"
    why = f"{lacking} should be here by now, the first since {election.since:%Y-%m-%d %H:%M} UTC; do files arrive?"
    title = f"Input of {election.name} is overdue while it is voting"
    return Problem(f"overdue {election.name}", "error", title, "landed_files", why, STATUS, f"{ui}/assets/landed_files")


def _of_lag(seen: Seen, now: datetime, ui: str) -> list[Problem]:
    problems = []
    if seen.oldest_behind is not None and now - seen.oldest_behind > _BEHIND_TOO_LONG:
        minutes = int((now - seen.oldest_behind).total_seconds() / 60)
        title = f"Hours have been behind for {minutes} minutes"
        why = "what landed is not computed: its runs fail, or nobody asks for them"
        problems.append(Problem("hours behind", "error", title, "hourly_stats", why, STATUS, f"{ui}/automation"))
    for name, read_at in seen.tables:
        if now - read_at > _TABLE_AWAY:
            title = f"The table {name} could not be read since {read_at:%Y-%m-%d %H:%M} UTC"
            do = "election-metrics table check"
            why = "its database is away, or refuses us; the command says which"
            problems.append(Problem(f"table {name}", "error", title, name, why, do, f"{ui}/automation"))
    return problems


# What others say of a cause that we have words for; then what to type.
_WORDS = (
    (r"no space left|disk quota exceeded|could not extend file|disk of .* is full", _DISK_FULL, STATUS),
    (r"OperationalError|psycopg|server closed the connection|PostgreSQL is away|PostgreSQL does not answer"
     r"|connection to server", "PostgreSQL was away or busy", STATUS),
    (r"MemoryError|Out of ?Memory|OutOfMemoryException|could not allocate", "there was too little memory; give more by "
     "ELECTION_METRICS_MEMORY_LIMIT", STATUS),
    (r"run's process is gone|run worker|was killed|SIGKILL", "its process was killed", STATUS),
)  # fmt: skip


def in_our_words(reason: str) -> tuple[str, str]:
    """The cause in our words, with what was said where that helps; and what to type."""
    said = _CLASS.sub("", " ".join(reason.split()))
    if (known := _known_cause(reason)) is not None:
        words, do = known
        return f"{words} ({_shortened(said, _MOST_SAID)})", do
    return _shortened(said, _MOST_SAID), STATUS


_CLASS = re.compile(r"\b(?:[a-z_]+\.)+[A-Z]\w+: ")  # of an exception, as Dagster prints it


def _shortened(text: str, most: int = 100) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def cause_of(reason: str) -> str:
    """The same for the same cause: without numbers, ids and moments, and by our word for it where we have one."""
    said = " ".join(reason.split())
    if (known := _known_cause(said)) is not None:
        return known[0]
    without_ids = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "#", said)
    return re.sub(r"\d+", "#", without_ids)[:200]


def _known_cause(reason: str) -> tuple[str, str] | None:
    """Our words for a cause, and what to type; None where we have none."""
    said = " ".join(reason.split())
    return next(((words, do) for pattern, words, do in _WORDS if re.search(pattern, said, re.IGNORECASE)), None)


def message(problem: Problem, since: datetime, host: str) -> str:
    """The alert, as text."""
    mark = "🔴" if problem.severity == "error" else "🟠"
    return f"{mark} {problem.title} (on {host}, since {since:%Y-%m-%d %H:%M} UTC)\n{problem.detail}"


def recovery(title: str, since: datetime, now: datetime, host: str) -> str:
    """The all-clear, as text."""
    minutes = max(1, round((now - since).total_seconds() / 60))
    return f"🟢 Over after {minutes} min: {title} (on {host})"


def without_secrets(text: str, secrets: Mapping[str, str]) -> str:
    """The text with every secret replaced by its name, the longest first: a secret may be part of another."""
    names: dict[str, str] = {}
    for name, secret in secrets.items():
        if len(secret) > 3:
            names.setdefault(secret, name)
    if not names:
        return text
    pattern = "|".join(re.escape(secret) for secret in sorted(names, key=len, reverse=True))
    return re.sub(pattern, lambda found: f"({names[found[0]]})", text)
