"""Validates runs and backfills before Dagster plans them: refuses impossible ones with a reason, and tags the others.

This covers every origin: the UI, GraphQL, the API, Dagster's command line, sensors, retries.
"""

import getpass
from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

import click
import dagster as dg
from dagster._core.definitions.partitions.subset import TimeWindowPartitionsSubset
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.storage.tags import BACKFILL_ID_TAG, MAX_RETRIES_TAG, WILL_RETRY_TAG

from election_metrics.errors import ElectionMetricsError, SettingsError
from election_metrics.pipeline.run_tags import (
    CANCELLED,
    GRID,
    HOURLY,
    HOURS,
    JOB,
    KEY_FORMAT,
    TRIGGER,
    WHO,
    WHY,
    WITHOUT_HOURS,
    cut,
    hour_of_key,
    hours_of_tags,
    in_words,
    priority,
    width,
)
from election_metrics.sanitize import visible

OF_CANCELLATION = (CANCELLED, MAX_RETRIES_TAG, WILL_RETRY_TAG)
"""Tags that a cancellation adds to a run."""
_BY_HAND = "by hand"
_FROM_UI = "dagster/from_ui"
_AHEAD = timedelta(hours=24)
_LONGEST_TITLE = 100
_MOST_NAMED = 3
_MOST_RANGES = 24
_LONGEST_NAME = 60


class RefusedError(click.ClickException, ElectionMetricsError):
    """A run or backfill is refused; Dagster's command line prints the sentence without a traceback."""


def checked_run(run: dg.DagsterRun, most: int, now: datetime) -> dg.DagsterRun:
    """The run as it is stored: with tags that describe it.

    Args:
        run: the requested run.
        most: the most hours of a run.
        now: current time.

    Raises:
        RefusedError: it needs hours and names none, or names hours that are not allowed; says what to do.
    """
    try:
        named = hours_of_tags(run.tags)
        if named is None and _needs_hours(run):
            raise RefusedError(WITHOUT_HOURS)
        if named is not None:
            _check(*named, width(*named), _first_partition(run), most, now)
    except SettingsError as error:
        raise RefusedError(str(error)) from None
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    # A re-execution of a cancelled run is intended: it does not inherit the cancellation.
    theirs = {key: text for key, text in run.tags.items() if CANCELLED not in run.tags or key not in OF_CANCELLATION}
    tags = {**_labels(theirs, assets or [run.job_name], named, is_remote=run.remote_job_origin is not None), **theirs}
    # With this subset, Dagster plans each check once for every hour, but evaluates it once in a run: thousands
    # of rows that stay "Not evaluated". Without it, Dagster asks each asset and check for its own partitions.
    return run._replace(tags=tags, partitions_subset=None)


def checked_backfill(backfill: PartitionBackfill, most: int, now: datetime) -> PartitionBackfill:
    """The backfill as it is stored: with a title, and the tags of its runs.

    Raises:
        RefusedError: it covers no hour, too many hours, or hours in too many separate ranges (each is a run).
    """
    hours, earliest = _hours_of_backfill(backfill)
    if not hours and set(HOURLY) & {key.to_user_string() for key in backfill.asset_selection or ()}:
        raise RefusedError("that range contains no hour: choose a range that ends after it begins, both ends in UTC")
    assets = [key.to_user_string() for key in backfill.asset_selection or ()]
    named = (min(hours), max(hours)) if hours else None
    if named is not None:
        _check(*named, len(hours), earliest, most, now)
        ranges = sum(hour - timedelta(hours=1) not in hours for hour in hours)
        if ranges > _MOST_RANGES:
            raise RefusedError(
                f"these {len(hours):,} hours lie in {ranges:,} ranges, and each range is a run; a backfill has at most "
                f"{_MOST_RANGES}. Choose one range that holds them: hours that are right stay as they are"
            )
    labels = _labels({BACKFILL_ID_TAG: backfill.backfill_id, **backfill.tags}, assets, named, is_remote=True)
    title = backfill.title or f"{_short(assets)}{': ' if named else ''}{in_words(*named) if named else ''}"
    return backfill._replace(title=title[:_LONGEST_TITLE], tags={**labels, **backfill.tags})


def _check(first: datetime, last: datetime, hours: int, earliest: datetime | None, most: int, now: datetime) -> None:
    if hours > most:
        raise RefusedError(
            f"that is {hours:,} hours, {in_words(first, last)}; a run or backfill covers at most {most:,} "
            "(ELECTION_METRICS_MAX_HOURS_PER_BACKFILL). Nothing has to be computed twice, and hours that changed are "
            "computed by themselves. Choose a narrower range, or let a command cut it into runs that fit: "
            f"election-metrics backfill --from {first:%Y-%m-%dT%H:%M} --to {last:%Y-%m-%dT%H:%M}"
        )
    if last > now + _AHEAD:
        raise RefusedError(f"{last:{KEY_FORMAT}} is in the future; it is {now:%Y-%m-%d %H:%M} UTC now")
    if earliest is not None and first < earliest:
        raise RefusedError(
            f"{first:{KEY_FORMAT}} is before the first hour with transactions, {earliest:{KEY_FORMAT}} (UTC)"
        )


def _needs_hours(run: dg.DagsterRun) -> bool:
    """Whether the run computes hours. Without a selection it runs all of the job's assets."""
    if run.job_name != JOB and not run.job_name.startswith("__ASSET_JOB"):
        return False
    chosen = run.asset_selection
    return chosen is None or any(key.to_user_string() in HOURLY for key in chosen)


def _first_partition(run: dg.DagsterRun) -> datetime | None:
    """The first hour of the partition grid of the run; None if unknown."""
    if GRID in run.tags:
        return hour_of_key(run.tags[GRID])
    subset = run.partitions_subset
    return subset.partitions_def.start if isinstance(subset, TimeWindowPartitionsSubset) else None


def _hours_of_backfill(backfill: PartitionBackfill) -> tuple[set[datetime], datetime | None]:
    """The hours of a backfill, and the first hour that has a partition."""
    keys: set[str] = set(backfill.partition_names or ())
    earliest = None
    data = backfill.asset_backfill_data
    for subset in data.target_subset.partitions_subsets_by_asset_key.values() if data else ():
        keys.update(subset.get_partition_keys())
        if isinstance(subset, TimeWindowPartitionsSubset):
            earliest = subset.partitions_def.start
    return set(map(hour_of_key, keys)), earliest


def _labels(
    tags: Mapping[str, str], assets: Sequence[str], named: tuple[datetime, datetime] | None, *, is_remote: bool
) -> dict[str, str]:
    """Default tags of a run or backfill: hours, trigger, user, reason, priority."""
    labels = {HOURS: in_words(*named)} if named else {}
    if TRIGGER in tags and WHY in tags:
        return labels
    trigger = tags.get(TRIGGER) or ("backfill" if BACKFILL_ID_TAG in tags else _BY_HAND)
    who = tags.get(WHO) or _who(tags, is_remote=is_remote)
    why = f"{who}: {_short(assets)}{', ' + in_words(*named) if named else ''}"
    return {TRIGGER: trigger, WHO: who, WHY: why, "dagster/priority": priority(trigger), **labels}


ASKER: ContextVar[str | None] = ContextVar("asker", default=None)
"""While the UI answers a request: the name given at login, or "" for none. The token does not verify the name."""


def _who(tags: Mapping[str, str], *, is_remote: bool) -> str:
    if name := ASKER.get():
        return cut(visible(name), _LONGEST_NAME)
    if tags.get(_FROM_UI) == "true":
        return "a user of the UI"
    if is_remote:
        return "a GraphQL client"
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # the user of a container may have no name
        return "a user of the command line"


def _short(names: Iterable[str]) -> str:
    named = sorted(names)
    more = len(named) - _MOST_NAMED
    return ", ".join(named[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def now() -> datetime:
    """Current time, UTC."""
    return datetime.now(UTC)
