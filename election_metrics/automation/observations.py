"""The observed state from which problems are derived."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


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
