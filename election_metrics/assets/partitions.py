"""The hour partitions that every hourly asset shares; definitions that differ could not share a job."""

from datetime import datetime, timedelta

import dagster as dg

from election_metrics.settings import settings

# A transaction may be stamped up to a day ahead of the clock, so its hour must be there to be computed.
HOURS_AHEAD = 24

hours = dg.HourlyPartitionsDefinition(
    start_date=settings().first_hour.replace(tzinfo=None), timezone="UTC", end_offset=HOURS_AHEAD + 1
)


def hours_of(context: dg.AssetExecutionContext) -> list[datetime]:
    """The hours (UTC) of the run."""
    window = context.partition_time_window
    count = int((window.end - window.start).total_seconds()) // 3600
    return [window.start + timedelta(hours=number) for number in range(count)]
