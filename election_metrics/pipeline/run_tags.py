"""Tags of runs: what asked for a run and why, and which hours it covers. Nothing of Dagster is imported here."""

from collections.abc import Sequence
from datetime import datetime

JOB = "update_metrics_job"
TRIGGER = "election_metrics/trigger"
"""Run tag: what asked for the run (new_transactions, changed_hours, schedule, ingest, backfill, refresh)."""
STATE = "election_metrics/state"
"""Run tag: a fingerprint of what a sensor saw, so that it can count the tries at the same work."""
WHY = "election_metrics/why"
"""Run tag: what asked for the run saw, in words."""

KEY_FORMAT = "%Y-%m-%d-%H:%M"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

_PRIORITIES = {
    "new_transactions": 10, "refresh": 8, "changed_hours": 5, "schedule": 3, "backfill": -5, "upkeep": -10
}  # fmt: skip
"""Dagster starts the highest first: what arrives goes before what is repeated."""
_LONGEST_TAG = 250
FILES = "election_metrics/files"
"""How many files the sensor saw."""


def range_tags(first: datetime, last: datetime) -> dict[str, str]:
    """Tags by which one run covers the hours first..last, both inclusive."""
    return {RANGE_START: first.strftime(KEY_FORMAT), RANGE_END: last.strftime(KEY_FORMAT)}


def run_tags(
    trigger: str,
    why: str,
    hours: tuple[datetime, datetime] | None = None,
    files: int | None = None,
    elections: Sequence[str] = (),
) -> dict[str, str]:
    """Tags of a run: what asked for it and why, its hours (first and last, UTC), how many files, whose elections."""
    tags = {TRIGGER: trigger, WHY: why, "dagster/priority": str(_PRIORITIES.get(trigger, 0))}
    if hours is not None:
        first, last = hours
        tags |= range_tags(first, last)
        tags["election_metrics/hours"] = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    if files is not None:
        tags[FILES] = str(files)
    if elections:
        tags["election_metrics/elections"] = ", ".join(elections)[:_LONGEST_TAG]
    return tags
