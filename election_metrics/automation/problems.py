"""Finds current problems, as a pure function of the observed state."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from election_metrics.automation.causes import DISK_FULL, STATUS, cause_of, in_our_words, known_cause, shortened
from election_metrics.automation.observations import FailedCheck, FailedRun, Overdue, Seen
from election_metrics.pipeline.last_known import DATABASE

_BEHIND_TOO_LONG = timedelta(minutes=15)
_LEAST_FREE = 0.05
_TABLE_AWAY = timedelta(minutes=10)
_SERVER = "ps -eo pid,stat,args | grep postgres"
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
        if cause == DISK_FULL and seen.sees_every_disk:
            continue  # the full disk is reported as the problem
        words, do = in_our_words(runs[0].reason)
        kinds = ", ".join(dict.fromkeys(run.kind for run in runs))
        known = known_cause(words)
        title = f"{kinds} failed: {shortened(words if known is None else known[0])}"
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
