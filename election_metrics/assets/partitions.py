"""The hour partitions that every hourly asset shares; definitions that differ could not share a job."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from election_metrics.settings import settings

if TYPE_CHECKING:
    from dagster._core.instance.types import DynamicPartitionsStore

# A transaction may be stamped up to a day ahead of the clock, so its hour must be there to be computed.
HOURS_AHEAD = 24


class Hours(dg.HourlyPartitionsDefinition):
    """Hours in UTC. A run asks three times for the keys of all, which are some 9,000 more each year."""

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: "DynamicPartitionsStore | None" = None,
    ) -> Sequence[str]:
        """The keys as Dagster makes them, which goes from one cron tick to the next and takes seven times as long."""
        with dg.partition_loading_context(current_time, dynamic_partitions_store):
            first, last = self.get_first_partition_window(), self.get_last_partition_window()
        if first is None or last is None:
            return []
        begin, hour = first.start.replace(tzinfo=None), timedelta(hours=1)
        count = (last.end.replace(tzinfo=None) - begin) // hour
        return [(begin + number * hour).isoformat("-", "minutes") for number in range(count)]


hours = Hours(start_date=settings().first_hour.replace(tzinfo=None), timezone="UTC", end_offset=HOURS_AHEAD + 1)


def hours_of(context: dg.AssetExecutionContext) -> list[datetime]:
    """The hours (UTC) of the run."""
    window = context.partition_time_window
    count = int((window.end - window.start).total_seconds()) // 3600
    return [window.start + timedelta(hours=number) for number in range(count)]
