"""Tags of runs: trigger, reason and hours. This module does not import Dagster.

The UI sorts tags alphabetically, so `why` is followed by `why/…`; it hides `.dagster/…`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from election_metrics.errors import SettingsError

JOB = "update_metrics_job"
PORTAL_JOB = "portal_job"
TRIGGER = "why/trigger"
"""Run tag: what requested the run (new_transactions, changed_hours, schedule, ingest, backfill, refresh)."""
STATE = ".dagster/election_metrics_state"
"""Run tag: a fingerprint of the state that a sensor saw, by which it counts failed runs of the same work."""
WHY = "why"
"""Run tag: the reason of the run, as text."""

KEY_FORMAT = "%Y-%m-%d-%H:%M"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
ONE_HOUR = "dagster/partition"
HOURS = "why/hours"
"""Run tag: the hours of a run, as text."""
WHO = "why/who"
"""Run tag: the person or program that requested the run."""
CANCELLED = "why/cancelled"
"""Run tag: when the run was cancelled."""
GRID = ".dagster/election_metrics_first_partition"
"""Tag of the job: the first partition of the process that planned the run."""
HOURLY = ("raw_transactions", "hourly_stats")
"""The assets with hour partitions: a run of them must name its hours."""

_PRIORITIES = {
    "new_transactions": 10, "refresh": 8, "changed_hours": 5, "schedule": 3, "backfill": -5, "upkeep": -10
}  # fmt: skip
"""Dagster starts the highest first: new input has priority over recomputation."""
_LONGEST_TAG = 250
_LONGEST_WHY = 120
FILES = "why/files"
"""Run tag: the number of files to land."""


def priority(trigger: str) -> str:
    """The priority of runs with this trigger, as the value of Dagster's tag."""
    return str(_PRIORITIES.get(trigger, 0))


def range_tags(first: datetime, last: datetime) -> dict[str, str]:
    """Tags by which one run covers the hours first..last, both inclusive."""
    return {RANGE_START: first.strftime(KEY_FORMAT), RANGE_END: last.strftime(KEY_FORMAT)}


def cut(text: str, most: int) -> str:
    """The text, truncated to at most `most` characters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def in_words(first: datetime, last: datetime) -> str:
    """The hours first..last (UTC, both inclusive), as text."""
    until = "" if first == last else f" to {last:%Y-%m-%d %H:%M}"
    return f"{first:%Y-%m-%d %H:%M}{until} UTC"


def width(first: datetime, last: datetime) -> int:
    """Number of hours in first..last, both inclusive."""
    return int((last - first) / timedelta(hours=1)) + 1


def hours_of_tags(tags: Mapping[str, str]) -> tuple[datetime, datetime] | None:
    """The hours (UTC, both inclusive) that a run's tags name; None if they name none.

    Raises:
        SettingsError: the tags name half a range, not a whole hour, or an end before the beginning.
    """
    first, last = (tags.get(key) or tags.get(ONE_HOUR) for key in (RANGE_START, RANGE_END))
    if first is None and last is None:
        return None
    if first is None or last is None:
        lacking = RANGE_START if first is None else RANGE_END
        raise SettingsError(f"a range of hours has two ends; add the tag {lacking}, such as {EXAMPLE}")
    begin, end = hour_of_key(first), hour_of_key(last)
    if begin > end:
        raise SettingsError(f"the range of hours ends before it begins: {first} is after {last}; swap them")
    return begin, end


EXAMPLE = "2026-09-18-05:00"
WITHOUT_HOURS = (
    f"say for which hours: choose a partition or a range such as [{EXAMPLE}...2026-09-18-09:00] (UTC). Hours that "
    "changed are computed by themselves"
)
"""The message for a run of the hourly assets that names no hours."""


def hour_of_key(key: str) -> datetime:
    """The hour (UTC) of a partition key.

    Raises:
        SettingsError: the key is not a whole hour.
    """
    try:
        hour = datetime.strptime(key, KEY_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        hour = None
    if hour is None or hour.minute:
        raise SettingsError(f"{key!r} is not an hour; type it as {EXAMPLE} (UTC, whole hours)")
    return hour


def run_tags(
    trigger: str,
    why: str,
    hours: tuple[datetime, datetime] | None = None,
    files: int | None = None,
    elections: Sequence[str] = (),
) -> dict[str, str]:
    """Tags of a run: trigger, reason, hours (first and last, UTC), number of files, elections."""
    tags = {TRIGGER: trigger, WHY: cut(why, _LONGEST_WHY), "dagster/priority": priority(trigger)}
    if hours is not None:
        first, last = hours
        tags |= range_tags(first, last)
        tags[HOURS] = in_words(first, last)
    if files is not None:
        tags[FILES] = str(files)
    if elections:
        tags["why/elections"] = cut(", ".join(elections), _LONGEST_TAG)
    return tags
