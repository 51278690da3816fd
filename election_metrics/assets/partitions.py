"""The hour partitions that every hourly asset shares; definitions that differ could not share a job."""

from datetime import datetime, timedelta

import dagster as dg

from election_metrics.settings import settings

# A transaction may be stamped up to a day ahead of the clock, so its hour must be there to be computed.
HOURS_AHEAD = 24

hours = dg.HourlyPartitionsDefinition(
    start_date=settings().first_hour.replace(tzinfo=None), timezone="UTC", end_offset=HOURS_AHEAD + 1
)

KEY_FORMAT = "%Y-%m-%d-%H:%M"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def range_tags(first: datetime, last: datetime) -> dict[str, str]:
    """Tags by which one run covers the hours first..last, both inclusive."""
    return {RANGE_START: first.strftime(KEY_FORMAT), RANGE_END: last.strftime(KEY_FORMAT)}


def hours_of(context: dg.AssetExecutionContext) -> list[datetime]:
    """The hours (UTC) of the run."""
    window = context.partition_time_window
    count = int((window.end - window.start).total_seconds()) // 3600
    return [window.start + timedelta(hours=number) for number in range(count)]
