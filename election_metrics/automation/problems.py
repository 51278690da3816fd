"""What is wrong now, as a pure function of what was seen; and what to say of it, once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_BEHIND_TOO_LONG = timedelta(minutes=15)
_LEAST_FREE = 0.05
_TABLE_AWAY = timedelta(minutes=10)


@dataclass(frozen=True)
class Problem:
    """Something that a person should know of.

    Attributes:
        key: the same as long as it is the same problem.
        severity: error or warning.
        title: what is wrong, in a line.
        detail: where, why, and what to type.
    """

    key: str
    severity: str
    title: str
    detail: str


@dataclass(frozen=True)
class FailedRun:
    """The newest finished run of its kind, which failed."""

    run_id: str
    kind: str
    reason: str


@dataclass(frozen=True)
class FailedCheck:
    """The newest result of a check, which failed."""

    asset: str
    check: str
    is_error: bool
    description: str


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
class Seen:
    """Everything that problems follow from.

    Attributes:
        failed_runs: kinds of runs whose newest one failed.
        failed_checks: checks whose newest result failed.
        overdue: elections whose input is overdue.
        oldest_behind: since when some hour has been behind; None where none is.
        free_share: free part of the disk that the lake is on, 0 to 1.
        tables: name of each transactions table that is watched, and when it was looked at last.
    """

    failed_runs: Sequence[FailedRun]
    failed_checks: Sequence[FailedCheck]
    overdue: Sequence[Overdue]
    oldest_behind: datetime | None
    free_share: float
    tables: Sequence[tuple[str, datetime]] = ()


def find_problems(seen: Seen, now: datetime, ui_url: str) -> list[Problem]:
    """Everything that is wrong.

    Args:
        seen: what was seen.
        now: the clock.
        ui_url: the Dagster UI, for links.
    """
    problems = [
        Problem(
            f"run {run.kind}",
            "error",
            f"The newest run of {run.kind} failed",
            f"{run.reason}\n{ui_url}/runs/{run.run_id}",
        )
        for run in seen.failed_runs
    ]
    problems += [
        Problem(
            f"check {check.asset}.{check.check}",
            "error" if check.is_error else "warning",
            f"Check {check.asset}.{check.check} failed; expected: “{check.description.rstrip('.')}”",
            f"{ui_url}/assets/{check.asset}?view=checks",
        )
        for check in seen.failed_checks
    ]
    problems += [_overdue(election, ui_url) for election in seen.overdue]
    if seen.oldest_behind is not None and now - seen.oldest_behind > _BEHIND_TOO_LONG:
        minutes = int((now - seen.oldest_behind).total_seconds() / 60)
        detail = f"election-metrics status says which. Sensors and runs: {ui_url}/automation"
        problems.append(Problem("hours behind", "error", f"Hours have been behind for {minutes} minutes", detail))
    problems += [
        Problem(
            f"table {name}",
            "error",
            f"The table {name} could not be read since {read_at:%Y-%m-%d %H:%M} UTC",
            f"election-metrics table check says why. Its sensor: {ui_url}/automation",
        )
        for name, read_at in seen.tables
        if now - read_at > _TABLE_AWAY
    ]
    if seen.free_share < _LEAST_FREE:
        title = f"The disk of the lake is {100 - seen.free_share * 100:.0f} % full"
        problems.append(Problem("disk", "error", title, "election-metrics maintain --dry-run says what can go."))
    return problems


def _overdue(election: Overdue, ui_url: str) -> Problem:
    lacking = "1 hour of its constituencies" if election.hours == 1 else f"{election.hours} hours of its constituencies"
    return Problem(
        f"overdue {election.name}",
        "error",
        f"Input of {election.name} is overdue while it is voting",
        f"{lacking} should be here by now, the first since {election.since:%Y-%m-%d %H:%M} UTC."
        f" Do files arrive? {ui_url}/assets/landed_files",
    )


def message(problem: Problem, since: datetime) -> str:
    """The alert, as text."""
    mark = "🔴" if problem.severity == "error" else "🟠"
    return f"{mark} {problem.title} (since {since:%Y-%m-%d %H:%M} UTC)\n{problem.detail}"


def recovery(title: str, since: datetime, now: datetime) -> str:
    """The all-clear, as text."""
    minutes = max(1, round((now - since).total_seconds() / 60))
    return f"🟢 Over after {minutes} min: {title}"


def without_secrets(text: str, secrets: Mapping[str, str]) -> str:
    """The text with every secret replaced by its name."""
    for name, secret in secrets.items():
        if len(secret) > 3:
            text = text.replace(secret, f"({name})")
    return text
