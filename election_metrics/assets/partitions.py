"""Hour partitions, shared by all hourly assets; assets with different definitions could not share a job.

The grid in the UI starts at the first hour with transactions and ends at the current hour, so that a complete system
shows full bars. Its start is a setting of the code location (FIRST_PARTITION): `up` keeps it at the first landed hour
and restarts the code location when it moves, which happens once in the life of a HOME and whenever something older
lands. Processes of runs and of the command line know all hours since FIRST_HOUR. The reasons:

- Dynamic partitions would start where the data starts, but are not ordered by time: a range of them is not one run.
- `exclusions` of a time window are stored in every run and backfill, an entry for each hour.
- A partition that leaves the grid costs nothing: its materializations stay in the event log, are not counted, and
  count again when the grid returns. But a run that names an hour before the grid fails with a CheckError of Dagster
  after it was stored; so sensors hold such hours back (`in_grid`), and `runtime/asked.py` refuses them.
- An hour ahead of the clock (transactions are accepted up to a day ahead) is computed at once. Dagster records no
  partition for it then, but does so when the hour is over and is computed again, as every hour is.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from election_metrics.errors import SettingsError
from election_metrics.pipeline.run_tags import WITHOUT_HOURS, hours_of_tags, width
from election_metrics.settings import settings

if TYPE_CHECKING:
    from dagster._core.instance.types import DynamicPartitionsStore

FIRST = settings().first_shown
"""The first hour of this process's grid."""


class Hours(dg.HourlyPartitionsDefinition):
    """Hours in UTC. A run lists all keys three times, and there are some 9,000 more each year."""

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: "DynamicPartitionsStore | None" = None,
    ) -> Sequence[str]:
        """The same keys as Dagster's implementation, which iterates over cron ticks and is seven times slower."""
        with dg.partition_loading_context(current_time, dynamic_partitions_store):
            first, last = self.get_first_partition_window(), self.get_last_partition_window()
        if first is None or last is None:
            return []
        begin, hour = first.start.replace(tzinfo=None), timedelta(hours=1)
        count = (last.end.replace(tzinfo=None) - begin) // hour
        return [(begin + number * hour).isoformat("-", "minutes") for number in range(count)]


hours = Hours(start_date=FIRST.replace(tzinfo=None), timezone="UTC", end_offset=1)


def in_grid(asked: Iterable[datetime]) -> list[datetime]:
    """The hours that this process may request; the others wait until the grid contains them."""
    return [hour for hour in asked if hour >= FIRST]


def hours_of(context: dg.AssetExecutionContext) -> list[datetime]:
    """The hours (UTC) of the run.

    Raises:
        SettingsError: its tags name no hours, or no valid range; says what to choose.
    """
    named = hours_of_tags(context.run.tags)
    if named is None:
        raise SettingsError(WITHOUT_HOURS)
    first, last = named
    return [first + timedelta(hours=number) for number in range(width(first, last))]
