"""Lands a transactions table: new rows in batches, and changed hours as a whole.

For the ledger, a batch is one file for each hour that it has rows of. The watermark only limits how much is read;
correctness comes from comparing every hour of the table with what landed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from election_metrics.clock import HOUR_MS, hour_number, hour_start
from election_metrics.errors import SettingsError, SourceError
from election_metrics.lake import landing as lake
from election_metrics.lake import table_rows
from election_metrics.lake.connect import connect
from election_metrics.lake.engine import Readable
from election_metrics.pipeline.landing import (
    Again,
    Landing,
    LandingReport,
    Pending,
    Source,
    StagedBatch,
    commit_batch,
)
from election_metrics.pipeline.progress import Report
from election_metrics.pipeline.scratch import make_scratch, work_folder
from election_metrics.settings import Settings
from election_metrics.sources.table_mapping import TableMapping, read_mapping
from election_metrics.sources.transactions_table import (
    FIELDS,
    LAST_HOUR,
    MOST_PEEKED,
    NO_HOUR,
    NO_TEXT,
    PendingMark,
    Snapshot,
    TransactionsTable,
    Watermark,
)
from election_metrics.warehouse import ledger, registry, table_reads
from election_metrics.warehouse.database import lock, session_lock, transaction

_ROWS_A_BATCH = 1_000_000


def open_table(settings: Settings) -> TransactionsTable | None:
    """The table in the settings; None if there is none.

    Raises:
        SettingsError: the URL or the mapping is invalid.
    """
    if settings.source_url is None:
        return None
    return TransactionsTable(read_mapping(settings.source_table), settings.source_url.get_secret_value())


def named_table(settings: Settings) -> TransactionsTable:
    """The table in the settings.

    Raises:
        SettingsError: there is none, or the URL or the mapping is invalid.
    """
    table = open_table(settings)
    if table is None:
        raise SettingsError(
            "no table is named; set ELECTION_METRICS_SOURCE_URL to its database, such as "
            "postgresql+psycopg://reader@host/votes"
        )
    return table


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
        if again is not None and again.constituency is not None:
            raise SettingsError(f"{self.name!r} is read by hours, not by constituency; leave out again_constituency")
        hours = None if again is None else (_number(again.first), _number(again.last))
        land_table(
            settings, self.table, run_id, progress=progress, report=report, compare=self.compare or None, again=hours
        )


def _number(hour: datetime | None) -> int | None:
    return None if hour is None else hour_number(hour)


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
    _check_place(table, state)
    with table.snapshot() as snapshot:
        rows, first, last = snapshot.peek(_read_up_to(state))
    is_due = state is None or _is_due(state, table.mapping, now)
    if not rows and state is not None and now - state["read_at"] > timedelta(minutes=1):
        with transaction(settings) as connection:
            table_reads.mark_looked_at(connection, table.mapping.source, now)
    earliest, latest = hour_number(settings.first_hour), hour_number(now) + 24
    seen = [hour for text in (first, last) if (hour := _hour_of(text, table)) is not None]
    hours = range(max(min(seen), earliest), min(max(seen), latest) + 1) if seen else range(0)
    return NewRows(rows, hours, is_due)


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


def state_of(settings: Settings, source: str) -> Mapping[str, Any] | None:
    """When a table was read and compared: read_at, compared_at and more; None: never."""
    with transaction(settings) as connection:
        return table_reads.read_state(connection, source)


def _check_place(table: TransactionsTable, state: Mapping[str, Any] | None) -> None:
    if state is not None and state["place"] != table.place:
        raise SourceError(
            f"{table.mapping.source!r} was read from {state['place']} before, and is {table.place} now; "
            "give the new one another `name` in its mapping"
        )


def _is_due(state: Mapping[str, Any], mapping: TableMapping, now: datetime) -> bool:
    compared = state["compared_at"]
    return compared is None or now - compared >= timedelta(minutes=mapping.compare_minutes)


def land_table(
    settings: Settings,
    table: TransactionsTable,
    run_id: str,
    now: datetime | None = None,
    progress: Report | None = None,
    *,
    report: LandingReport | None = None,
    compare: bool | None = None,
    again: tuple[int | None, int | None] | None = None,
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
        job = _Job(settings, engine, run_id, moment, report, table, snapshot, reading)
        _check_place(table, state)
        suspects = _land_new(job, _read_up_to(state), progress)
        if again is not None:
            _land_hours(job, _hours_between(job, *again))
        if compare or (compare is None and (state is None or _is_due(state, table.mapping, moment))):
            _land_hours(job, differing_hours(job))
            with transaction(settings) as connection:
                table_reads.mark_compared(connection, name, moment)
        elif suspects and snapshot.horizon is None:
            _land_hours(job, sorted(suspects))
        elif suspects:
            _land_hours(job, sorted(suspects & set(differing_hours(job))))
    return report


@dataclass(frozen=True)
class _Job(Landing):
    table: TransactionsTable
    snapshot: Snapshot
    reading: table_rows.Reading

    @property
    def source(self) -> str:
        return self.table.mapping.source


def reading_of(table: TransactionsTable, secret: str = "") -> table_rows.Reading:
    """Parameters for parsing the table's text; `secret` keys the fingerprints of its rows, if they are needed."""
    mapping = table.mapping
    kind = table.table.c[mapping.columns.time].type
    is_untyped = isinstance(kind, sa.types.NullType)
    unit = 1000 if mapping.time_unit == "s" else 1
    return table_rows.Reading(
        fields=FIELDS,
        time_zone=mapping.time_zone,
        milliseconds=unit if is_untyped or isinstance(kind, sa.Numeric | sa.Float | sa.Integer) else None,
        is_untyped=is_untyped,
        operations=mapping.types,
        outcomes=mapping.status.outcomes(),
        otherwise=mapping.status.otherwise,
        last_hour=LAST_HOUR,
        no_text=NO_TEXT,
        secret=secret,
    )


def unreadable_of_sample(settings: Settings, table: TransactionsTable) -> tuple[int, pd.DataFrame]:
    """Parses the first rows of the table as a landing would; lands none.

    Returns:
        The number of rows read, at most 100,000; and for those that cannot be read: reason, rows, example (text).

    Raises:
        SourceError: the table cannot be read.
    """
    make_scratch(settings)
    with connect(settings) as engine, table.snapshot() as snapshot:
        reading = reading_of(table)
        table_rows.begin_rows(engine.local, reading)
        for batch in islice(snapshot.every_row(), 1):
            table_rows.add_rows(engine.local, reading, batch.rows)
        return table_rows.count_rows(engine.local), table_rows.unreadable(
            engine.local, settings, reading, datetime.now(UTC)
        )


def _land_new(job: _Job, read: Watermark, progress: Report | None) -> set[int]:
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
            known |= _land_batch(job, read)
            table_rows.begin_rows(job.engine.local, job.reading)
    overlap = timedelta(minutes=job.table.mapping.overlap_minutes)
    known |= _land_batch(job, read, read.moved(newest, job.snapshot.horizon, overlap, job.now))
    return known


def differing_hours(job: _Job) -> list[int]:
    """Hours whose rows in the table differ from what landed; rows that are only held back do not count."""
    there = job.snapshot.fingerprints(job.reading.secret)
    if there is None:
        there = _fingerprints_of_every_row(job)
        there = there.assign(settled_rows=there["rows"], settled_fingerprint=there["fingerprint"])
    both = there.merge(_landed(job), on="hour_number", how="outer", suffixes=("", "_landed"))
    is_all = (both["rows"] == both["rows_landed"]) & (both["fingerprint"] == both["fingerprint_landed"])
    is_settled = (both["settled_rows"] == both["rows_landed"].fillna(0)) & (
        both["settled_fingerprint"] == both["fingerprint_landed"].fillna("0")
    )
    same = is_all.fillna(False) | is_settled.fillna(False)
    return sorted(int(hour) for hour in both.loc[~same, "hour_number"])


def _fingerprints_of_every_row(job: _Job) -> pd.DataFrame:
    parts = []
    for batch in job.snapshot.every_row():
        table_rows.begin_rows(job.engine.local, job.reading)
        table_rows.add_rows(job.engine.local, job.reading, batch.rows)
        parts.append(table_rows.fingerprints(job.engine.local))
    if not parts:
        return pd.DataFrame({"hour_number": [], "rows": [], "fingerprint": []}).astype({"fingerprint": "str"})
    frame = pd.concat(parts).assign(fingerprint=lambda frame: frame["fingerprint"].map(int))
    sums = frame.groupby("hour_number").sum().reset_index()
    return sums.assign(fingerprint=sums["fingerprint"].map(str))


def _landed(job: _Job) -> pd.DataFrame:
    with transaction(job.settings) as connection:
        return table_reads.landed_hours(connection, job.source)


def _land_hours(job: _Job, hours: Sequence[int]) -> None:
    """Reloads these hours entirely; rows of them that landed before are replaced."""
    for some in _together(hours):
        table_rows.begin_rows(job.engine.local, job.reading)
        for batch in job.snapshot.every_row(some):
            table_rows.add_rows(job.engine.local, job.reading, batch.rows, some)
        _land_batch(job, instead_of=some)


def _hours_between(job: _Job, first: int | None, last: int | None) -> list[int]:
    hours = sorted(int(hour) for hour in _landed(job)["hour_number"])
    return [h for h in hours if (first is None or h >= first) and (last is None or h <= last)]


_MOST_HOURS = 24


def _together(hours: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(hours), _MOST_HOURS):
        yield hours[start : start + _MOST_HOURS]


def _land_batch(
    job: _Job, before: Watermark | None = None, after: Watermark | None = None, instead_of: Sequence[int] = ()
) -> set[int]:
    """Lands `table_rows` in one transaction.

    Args:
        job: the landing.
        before: the watermark before these rows; None: the rows are whole hours.
        after: the watermark after these rows; None: more rows follow.
        instead_of: the hours that the rows replace.

    Returns:
        Hours of rows that had landed before and were left out, which may have changed since.
    """
    settings, engine = job.settings, job.engine
    with work_folder(settings.scratch_path) as work, transaction(settings) as connection:
        lock(connection, "land")
        known = set() if before is None else _drop_landed(job, connection, before)
        by_hour = table_rows.fingerprints(engine.local)
        if len(by_hour) or instead_of:
            _record(job, connection, work, by_hour, instead_of)
        if after is not None:
            table_reads.store_state(connection, job.source, job.table.place, _as_json(after), job.now)
    return known


def _drop_landed(job: _Job, connection: sa.Connection, before: Watermark) -> set[int]:
    if job.snapshot.horizon is None and before.newest is not None:
        table_rows.drop_rejected(job.engine.local, job.settings, job.reading, before.newest, job.now)
    hours = [int(hour) for hour in table_rows.fingerprints(job.engine.local)["hour_number"]]
    own = table_reads.own_contents(connection, job.source, hours)
    if not own:
        return set()
    parts = [job.settings.lake_path / path for path in ledger.parts_of_hours(connection, hours)["path"]]
    here = job.engine.local
    suspects = table_rows.find_landed(here, parts, own)
    if job.snapshot.horizon is None:
        # Rows within the overlap are read again and usually equal; a new row with a known id is a change.
        newest = -1 if before.newest is None else before.newest
        suspects = (
            table_rows.hours_of_changed_rows(here, job.settings, job.reading, newest, job.now) if suspects else set()
        )
    table_rows.drop_landed(here)
    return suspects


def _record(job: _Job, connection: sa.Connection, work: Path, by_hour: pd.DataFrame, instead_of: Sequence[int]) -> None:
    engine = job.engine
    hours = [int(hour) for hour in by_hour["hour_number"]]
    contents = dict(zip(hours, ledger.next_content_ids(connection, len(hours)), strict=True))
    table_rows.stage_rows(engine.local, job.settings, job.reading, contents, job.now)
    places = table_rows.places(engine.local)
    if job.table.mapping.election is not None:
        places = places.assign(election=job.table.mapping.election)
    engine.take_local("staged")
    lake.drop_repeats_within_files(engine)
    forgotten: set[str] = set()

    def record(connection: sa.Connection) -> None:
        forgotten.update(table_reads.forget_contents(connection, job.source, instead_of))
        rows = by_hour.assign(source=job.source, content_id=by_hour["hour_number"].map(contents))
        table_reads.add_contents(connection, rows.astype({"hour_number": "int64"}))

    def settle(connection: sa.Connection) -> None:
        table_reads.add_places(connection, job.source, places, forgotten)
        elections = table_reads.elections_of(connection, [*places["constituency_id"], *forgotten])
        registry.touch_constituencies(connection, {election: [] for election in elections})

    batch = StagedBatch(
        versions=_hour_versions(job, contents, by_hour),
        new=[Readable(number, "", work, 0, f"{_path(job.source, hour)}/{number}") for hour, number in contents.items()],
        settled=table_reads.paths_of_hours(connection, job.source, instead_of) if instead_of else [],
        record=record,
        settle=settle,
    )
    commit_batch(job, connection, batch, work)


def _hour_versions(job: _Job, contents: Mapping[int, int], by_hour: pd.DataFrame) -> pd.DataFrame:
    """One ledger row for each hour of the batch."""
    return pd.DataFrame.from_records(
        [
            {
                "path": _path(job.source, int(hour)),
                "member": str(contents[int(hour)]),
                "size": int(rows),
                "modified_ns": int(job.now.timestamp() * 1e9),
                "content_hash": f"{int(fingerprint):032x}",
                "content_id": contents[int(hour)],
            }
            for hour, rows, fingerprint in by_hour[["hour_number", "rows", "fingerprint"]].itertuples(index=False)
        ]
    )


def _path(source: str, hour: int) -> str:
    when = "no-time" if hour == NO_HOUR else f"{hour_start(hour):%Y-%m-%dT%H}"
    return table_reads.PATH.format(source=source) + when


def _as_json(read: Watermark) -> dict[str, Any]:
    marks = [{**asdict(mark), "at": mark.at.isoformat()} for mark in read.marks]
    return {"horizon": read.horizon, "low": read.low, "newest": read.newest, "marks": marks}


def _read_up_to(state: Mapping[str, Any] | None) -> Watermark:
    if state is None:
        return Watermark()
    stored = state["read_up_to"]
    marks = tuple(
        PendingMark(mark["position"], mark["end"], datetime.fromisoformat(mark["at"])) for mark in stored["marks"]
    )
    return Watermark(stored["horizon"], stored["low"], stored["newest"], marks)
