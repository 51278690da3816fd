"""Lands a transactions table: new rows in batches, and changed hours as a whole.

For the ledger, a batch is one file for each hour that it has rows of. The watermark only limits how much is read;
correctness comes from comparing every hour of the table with what landed.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from election_metrics.lake import table_rows
from election_metrics.lake.connect import connect
from election_metrics.pipeline.landing import LandingReport
from election_metrics.pipeline.mapped_files import AnyTable, FilesSnapshot
from election_metrics.pipeline.progress import Report
from election_metrics.pipeline.scratch import make_scratch
from election_metrics.pipeline.table_batches import TableLanding, land_batch
from election_metrics.pipeline.table_comparison import differing_hours, landed_hours
from election_metrics.pipeline.table_opening import reading_of
from election_metrics.pipeline.table_state import check_place, is_comparison_due, watermark_of
from election_metrics.settings import Settings
from election_metrics.sources.watermark import Watermark
from election_metrics.warehouse import table_reads
from election_metrics.warehouse.database import session_lock, transaction

_ROWS_A_BATCH = 1_000_000
Finish = Callable[[sa.Connection, Any, datetime], None]


def land_table(
    settings: Settings,
    table: AnyTable,
    run_id: str,
    now: datetime | None = None,
    progress: Report | None = None,
    *,
    report: LandingReport | None = None,
    compare: bool | None = None,
    again: tuple[int | None, int | None] | None = None,
    begin: Finish | None = None,
    finish: Finish | None = None,
) -> LandingReport:
    """Lands what is new in the table, and hours that differ from what landed.

    Args:
        settings: the settings.
        table: the table.
        run_id: the Dagster run.
        now: current time.
        progress: called with positions done and total positions.
        report: report to add to; None: a new one.
        compare: compare every hour; None: if the mapping's interval has passed.
        again: reload the landed hours first..last (since 1970, UTC), changed or not; None: from the first, to the
            last.
        begin: called likewise before anything lands; what it raises ends the landing.
        finish: called with a connection, the snapshot and the time when the rows have landed; it commits by itself.

    Raises:
        SourceError: the table cannot be read, or another table was read under its name.
        TransientError: the connection to a database was lost.
    """
    moment = now or datetime.now(UTC)
    report = report or LandingReport()
    make_scratch(settings)
    name = table.mapping.source
    with (
        session_lock(settings, f"table {name}"),  # concurrent landings would overwrite each other's watermark
        connect(settings) as engine,
        table.snapshot() as snapshot,
    ):
        with transaction(settings) as connection:
            state = table_reads.read_state(connection, name)
            reading = reading_of(table, table_reads.row_secret(connection))
        if isinstance(snapshot, FilesSnapshot):
            snapshot.parse(reading)
        job = TableLanding(settings, engine, run_id, moment, report, table, snapshot, reading)
        check_place(table, state)
        if begin is not None:
            with transaction(settings) as connection:
                begin(connection, snapshot, moment)
        suspects = _land_new(job, watermark_of(state), progress)
        if again is not None:
            _land_hours(job, _hours_between(job, *again))
        if compare or (compare is None and (state is None or is_comparison_due(state, table.mapping, moment))):
            _land_hours(job, differing_hours(job))
            with transaction(settings) as connection:
                table_reads.mark_compared(connection, name, moment)
        elif suspects and snapshot.horizon is None:
            _land_hours(job, sorted(suspects))
        elif suspects:
            _land_hours(job, sorted(suspects & set(differing_hours(job))))
        if finish is not None:
            with transaction(settings) as connection:
                finish(connection, snapshot, moment)
    return report


def _land_new(job: TableLanding, read: Watermark, progress: Report | None) -> set[int]:
    """Lands new rows; returns hours of landed rows that may have changed since."""
    known: set[int] = set()
    newest = None
    last = job.snapshot.last_position()
    table_rows.begin_rows(job.engine.local, job.reading)
    for batch in job.snapshot.new_rows(read):
        table_rows.add_rows(job.engine.local, job.reading, batch.rows)
        newest = newest if batch.newest is None else batch.newest
        if progress and newest is not None:
            progress(newest - (read.low or 0), last - (read.low or 0))
        if table_rows.count_rows(job.engine.local) >= _ROWS_A_BATCH:
            known |= land_batch(job, read)
            table_rows.begin_rows(job.engine.local, job.reading)
    overlap = timedelta(minutes=job.table.mapping.overlap_minutes)
    known |= land_batch(job, read, read.moved(newest, job.snapshot.horizon, overlap, job.now))
    return known


def _land_hours(job: TableLanding, hours: Sequence[int]) -> None:
    """Reloads these hours entirely; rows of them that landed before are replaced."""
    for some in _together(hours, job.snapshot.hours_at_once):
        table_rows.begin_rows(job.engine.local, job.reading)
        for batch in job.snapshot.every_row(some):
            table_rows.add_rows(job.engine.local, job.reading, batch.rows, some)
        land_batch(job, instead_of=some)


def _hours_between(job: TableLanding, first: int | None, last: int | None) -> list[int]:
    hours = sorted(int(hour) for hour in landed_hours(job)["hour_number"])
    return [h for h in hours if (first is None or h >= first) and (last is None or h <= last)]


def _together(hours: Sequence[int], most: int) -> Iterable[Sequence[int]]:
    for start in range(0, len(hours), most):
        yield hours[start : start + most]
