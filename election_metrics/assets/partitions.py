"""The hour partitions that every hourly asset shares; definitions that differ could not share a job.

The grid that people see begins with the first hour that has transactions and ends with the hour in progress, so that a
system that works shows full bars. Its beginning is a setting of the process that shows it (FIRST_PARTITION): `up`
keeps that at what has landed, and starts the code location again where it moves, which is once in the life of a HOME
and whenever something older lands. Processes of runs and of the command line have all hours since FIRST_HOUR. Why so:

- Dynamic partitions would begin where data is, but have no order of time: a range of them is no one run.
- `exclusions` of a time window are written out in every run and backfill, an entry for each hour.
- A partition that leaves the grid costs nothing: its materializations stay in the event log, count no longer, and are
  back when the grid is as before. A run that names an hour before the grid, though, is a CheckError of Dagster's after
  the run was written down; so sensors hold such hours back (`in_grid`), and `runtime/asked.py` refuses them.
- An hour ahead of the clock, whose transactions are accepted up to a day before, is computed at once. Dagster writes no
  partition of it down then; it does when the hour is over and is computed once more, as every hour is.
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
"""The first hour of the grid that this process has."""


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


hours = Hours(start_date=FIRST.replace(tzinfo=None), timezone="UTC", end_offset=1)


def in_grid(asked: Iterable[datetime]) -> list[datetime]:
    """Those of the hours that this process may ask for; the others wait until the grid has them."""
    return [hour for hour in asked if hour >= FIRST]


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
