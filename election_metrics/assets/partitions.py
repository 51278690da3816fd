"""The hour partitions that every hourly asset shares; definitions that differ could not share a job."""

from datetime import datetime, timedelta

import dagster as dg

from election_metrics.errors import SettingsError
from election_metrics.pipeline.run_tags import WITHOUT_HOURS, hours_of_tags, width
from election_metrics.settings import settings

# A transaction may be stamped up to a day ahead of the clock, so its hour must be there to be computed.
HOURS_AHEAD = 24

hours = dg.HourlyPartitionsDefinition(
    start_date=settings().first_hour.replace(tzinfo=None), timezone="UTC", end_offset=HOURS_AHEAD + 1
)


def hours_of(context: dg.AssetExecutionContext) -> list[datetime]:
    """The hours (UTC) of the run.

    Raises:
        SettingsError: its tags name none, or no range; says what to choose.
    """
    named = hours_of_tags(context.run.tags)
    if named is None:
        raise SettingsError(WITHOUT_HOURS)
    first, last = named
    return [first + timedelta(hours=number) for number in range(width(first, last))]
