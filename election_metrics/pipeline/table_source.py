"""A transactions table as a source: which rows are new, and how they land."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from election_metrics.clock import HOUR_MS, hour_number
from election_metrics.errors import SettingsError
from election_metrics.pipeline.expected_hours import hours_of_run
from election_metrics.pipeline.landing import Again, LandingReport, Pending, Source
from election_metrics.pipeline.progress import Report
from election_metrics.pipeline.table_landing import land_table
from election_metrics.pipeline.table_opening import reading_of
from election_metrics.pipeline.table_state import check_place, is_comparison_due, watermark_of
from election_metrics.settings import Settings
from election_metrics.sources.table_snapshot import MOST_PEEKED
from election_metrics.sources.transactions_table import TransactionsTable
from election_metrics.warehouse import table_reads
from election_metrics.warehouse.database import transaction


class TableRows(Source):
    """Rows of a table in another database, read by a mapping; with `compare`, every hour is compared now."""

    unit = "rows"

    def __init__(self, table: TransactionsTable, *, compare: bool = False) -> None:
        self.table, self.name, self.compare = table, table.mapping.source, compare

    def __str__(self) -> str:
        return f"the transactions table {self.table.place}"

    def pending(self, settings: Settings, now: datetime) -> Pending:
        """New rows, and whether it is time to compare every hour."""
        new = pending_rows(settings, self.table, now)
        news = f"{new.rows} new row(s)" + (" or more" if new.rows >= MOST_PEEKED else "")
        return Pending(
            news=news if new.rows else ("the table's hours are compared with what landed" if new.is_due else ""),
            nothing="every row of the table has landed, and its hours were compared a while ago",
            hours=new.hours if new.rows else [],
            elections=[],
            state=["table", self.table.place, new.rows, new.is_due],
            config={"sources": [self.name]},
        )

    def land(
        self, settings: Settings, run_id: str, report: LandingReport, *, progress: Report | None = None,
        found: Callable[[int], None] = lambda _: None, again: Again | None = None,  # noqa: ARG002 rows are no files
    ) -> None:  # fmt: skip
        """Lands new rows, and hours that differ; with `again`, reloads landed hours, changed or not."""
        hours = hours_again(self.name, again)
        land_table(
            settings, self.table, run_id, progress=progress, report=report, compare=self.compare or None, again=hours
        )


def hours_again(source: str, again: Again | None) -> tuple[int | None, int | None] | None:
    """The first and the last hour (since 1970, UTC) of a source by hours that are reloaded; None: none is.

    Raises:
        SettingsError: a constituency is named.
    """
    if again is None:
        return None
    if again.constituency is not None:
        raise SettingsError(f"{source!r} is read by hours, not by constituency; leave out again_constituency")
    return tuple(None if hour is None else hour_number(hour) for hour in (again.first, again.last))  # type: ignore[return-value]


@dataclass(frozen=True)
class NewRows:
    """Rows of a table that have not landed.

    Attributes:
        rows: number of new rows, counted up to MOST_PEEKED.
        hours: hours that they probably touch (since 1970, UTC).
        is_due: whether it is time to compare every hour.
    """

    rows: int
    hours: range
    is_due: bool


def pending_rows(settings: Settings, table: TransactionsTable, now: datetime) -> NewRows:
    """Looks for new rows; if there are none, records the poll time.

    Raises:
        SourceError: the table cannot be read.
    """
    with transaction(settings) as connection:
        state = table_reads.read_state(connection, table.mapping.source)
    check_place(table, state)
    with table.snapshot() as snapshot:
        rows, first, last = snapshot.peek(watermark_of(state))
    is_due = state is None or is_comparison_due(state, table.mapping, now)
    if not rows and state is not None and now - state["read_at"] > timedelta(minutes=1):
        with transaction(settings) as connection:
            table_reads.mark_looked_at(connection, table.mapping.source, now)
    seen = Counter(hour for text in (first, last) if (hour := _hour_of(text, table)) is not None)
    return NewRows(rows, hours_of_run(settings, seen, now), is_due)


def _hour_of(text: str | None, table: TransactionsTable) -> int | None:
    """The hour of a time value of the table, as an estimate."""
    reading = reading_of(table)
    try:
        if text is None:
            return None
        if reading.milliseconds is not None and (not reading.is_untyped or text.lstrip("-").isdecimal()):
            return int(text) * reading.milliseconds // HOUR_MS
        moment = pd.Timestamp(text)
        moment = moment.tz_localize(table.mapping.time_zone) if moment.tzinfo is None else moment
        return hour_number(moment)
    except (ValueError, OverflowError):
        return None
