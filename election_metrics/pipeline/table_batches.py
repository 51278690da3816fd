"""Lands one batch of a table's rows; for the ledger, it is one file for each hour that it has rows of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from election_metrics.clock import hour_start
from election_metrics.lake import landing as lake
from election_metrics.lake import table_rows
from election_metrics.lake.engine import Readable
from election_metrics.pipeline.landing import Landing, StagedBatch, commit_batch
from election_metrics.pipeline.mapped_files import AnyTable, FilesSnapshot
from election_metrics.pipeline.scratch import work_folder
from election_metrics.pipeline.table_state import watermark_as_json
from election_metrics.sources.table_snapshot import NO_HOUR, Snapshot
from election_metrics.sources.watermark import Watermark
from election_metrics.warehouse import lake_manifest, ledger, registry, table_reads
from election_metrics.warehouse.database import lock, transaction


@dataclass(frozen=True)
class TableLanding(Landing):
    """Parameters of a landing of a table."""

    table: AnyTable
    snapshot: Snapshot | FilesSnapshot
    reading: table_rows.Reading

    @property
    def source(self) -> str:
        """The table's name in the ledger."""
        return self.table.mapping.source


def land_batch(
    job: TableLanding, before: Watermark | None = None, after: Watermark | None = None, instead_of: Sequence[int] = ()
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
            table_reads.store_state(connection, job.source, job.table.place, watermark_as_json(after), job.now)
    return known


def _drop_landed(job: TableLanding, connection: sa.Connection, before: Watermark) -> set[int]:
    if job.snapshot.horizon is None and before.newest is not None:
        table_rows.drop_rejected(job.engine.local, job.settings, job.reading, before.newest, job.now)
    hours = [int(hour) for hour in table_rows.fingerprints(job.engine.local)["hour_number"]]
    own = table_reads.own_contents(connection, job.source, hours)
    if not own:
        return set()
    parts = [job.settings.lake_path / path for path in lake_manifest.parts_of_hours(connection, hours)["path"]]
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


def _record(
    job: TableLanding, connection: sa.Connection, work: Path, by_hour: pd.DataFrame, instead_of: Sequence[int]
) -> None:
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
        named = [*places["constituency_id"], *forgotten]
        elections = (
            table_reads.elections_of(connection, named)
            if named
            else table_reads.elections_of_source(connection, job.source)  # nothing but rows that cannot be read
        )
        registry.touch_constituencies(connection, {election: [] for election in elections})

    batch = StagedBatch(
        versions=_hour_versions(job, contents, by_hour),
        new=[Readable(number, "", work, 0, f"{_path(job.source, hour)}/{number}") for hour, number in contents.items()],
        settled=table_reads.paths_of_hours(connection, job.source, instead_of) if instead_of else [],
        record=record,
        settle=settle,
    )
    commit_batch(job, connection, batch, work)


def _hour_versions(job: TableLanding, contents: Mapping[int, int], by_hour: pd.DataFrame) -> pd.DataFrame:
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
