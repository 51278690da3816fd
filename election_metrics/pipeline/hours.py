"""Computes `hourly_stats` of a range of hours from the lake, and replaces it in one transaction.

Idempotent: computing an hour twice, in a range, or in any order gives the same rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import duckdb
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from election_metrics.clock import hour_number, hour_start
from election_metrics.errors import TransientError
from election_metrics.lake import hours as lake
from election_metrics.lake.connect import connect
from election_metrics.lake.engine import Engine
from election_metrics.locations import Location, remove
from election_metrics.metrics.hourly import hourly_stats
from election_metrics.metrics.hours import hour_starts
from election_metrics.metrics.registry import register_by_hour
from election_metrics.pipeline import publication
from election_metrics.pipeline.progress import Report
from election_metrics.pipeline.registry import refresh_registry
from election_metrics.pipeline.scratch import work_folder
from election_metrics.settings import Settings
from election_metrics.warehouse import corrections, lake_manifest, stale_hours
from election_metrics.warehouse import registry as store
from election_metrics.warehouse.database import is_free, session_lock, transaction
from election_metrics.warehouse.elections import FIGURES
from election_metrics.warehouse.replace import arrow_schema, notify, read_arrow, read_frame, replace_scope
from election_metrics.warehouse.tables import hourly_stats as table

FORGET_PARTS = "forget parts"
"""Advisory lock for removing files of the lake; long readers of the lake hold it shared."""
_RETIRED_FOR = timedelta(minutes=30)
_MOST_ROWS_AT_ONCE = 10_000_000
_MOST_TRIES = 20
# Velocities of the current hour depend on the time of computation, so they are not compared.
COUNTED = [name for name in FIGURES if not name.endswith("_velocity")]


@dataclass
class HoursReport:
    """Result of a computation: hours with transactions, rows of `hourly_stats`, sums, and the elections touched."""

    hours: int = 0
    rows: int = 0
    transactions: int = 0
    bulletins_issued: int = 0
    votes_cast: int = 0
    elections: set[str] = field(default_factory=set)
    by_hour: pd.DataFrame = field(default_factory=pd.DataFrame)
    engine: dict[str, str] = field(default_factory=dict)


def compute_hours(
    settings: Settings,
    start: datetime,
    end: datetime,
    run_id: str,
    now: datetime | None = None,
    progress: Report | None = None,
) -> HoursReport:
    """Replaces `hourly_stats` of the hours from `start` to before `end`, with everything downstream, atomically.

    Args:
        settings: the settings.
        start: first hour (UTC).
        end: the hour after the last (UTC).
        run_id: the Dagster run.
        now: current time, for velocities of the current hour.
        progress: called with hours done and total hours.
    """
    first, last = hour_number(start), hour_number(end) - 1
    report = HoursReport()
    frames = []
    with connect(settings) as engine:
        report.engine = engine.about()
        for chunk_first, chunk_last in _chunks(settings, first, last):
            with session_lock(settings, "hourly_stats"):
                frame = _compute_chunk(
                    settings, engine, chunk_first, chunk_last, run_id, now or datetime.now(UTC), report
                )
            frames.append(frame)
            if progress:
                progress(chunk_last - first + 1, last - first + 1)
    rows = pd.concat(frames, ignore_index=True)
    report.rows = len(rows)
    groups = rows.groupby("hour")
    sums = groups[["transaction_count", "bulletins_issued", "votes_cast"]].sum()
    report.by_hour = sums.assign(constituencies=groups.size()).reset_index()
    report.transactions, report.bulletins_issued, report.votes_cast = (int(total) for total in sums.sum())
    return report


def _chunks(settings: Settings, first: int, last: int) -> list[tuple[int, int]]:
    """Splits the range so that no chunk has too many rows for memory."""
    with transaction(settings) as connection:
        parts = lake_manifest.parts_of_hours(connection, range(first, last + 1))
    rows = parts.groupby("hour_number")["rows"].sum() if len(parts) else pd.Series(dtype="int64")
    chunks, start, held = [], first, 0
    for number, count in rows.sort_index().items():
        hour = int(str(number))
        if held and held + count > _MOST_ROWS_AT_ONCE:
            chunks.append((start, hour - 1))
            start, held = hour, 0
        held += int(count)
    return [*chunks, (start, last)]


@dataclass(frozen=True)
class _Inputs:
    versions: pd.DataFrame
    hours: lake.LakeHours
    constituencies: pd.DataFrame
    events: pd.DataFrame


def read_inputs(settings: Settings, first: int, last: int) -> _Inputs:
    """All inputs of these hours' figures, as of one moment."""
    with transaction(settings, snapshot=True) as connection:
        versions = stale_hours.read_hour_versions(connection, first, last)
        parts = lake_manifest.parts_of_hours(connection, range(first, last + 1))
        conflicted = set(versions.loc[versions["is_conflicted"].astype(bool), "hour_number"])
        corrected = corrections.read_corrections(connection) if conflicted else _NO_CORRECTIONS
        constituencies = store.read_registry(connection)
        events = store.read_events(connection)
    is_conflicted = parts["hour_number"].isin(conflicted)
    hours = lake.LakeHours(
        clean_parts=_paths(settings, parts[~is_conflicted]),
        conflicted_parts=_paths(settings, parts[is_conflicted]),
        **corrected,
    )
    constituencies["reference_voters"] = constituencies["reference_voters"].astype("Int64")
    return _Inputs(versions, hours, constituencies, events)


_NO_CORRECTIONS = {name: pd.DataFrame() for name in ("superseded", "rollbacks", "lost_rows", "repeated_votes")}


def _paths(settings: Settings, parts: pd.DataFrame) -> list[Location]:
    return [settings.lake_path / path for path in parts["path"]]


def compute_frame(engine: Engine, inputs: _Inputs, now: datetime) -> pd.DataFrame:
    """The rows of `hourly_stats` (without run_id and computed_at) for these inputs."""
    lake.open_hours(engine, inputs.hours)
    counts = lake.hourly_counts(engine, _voting_times(inputs.constituencies))
    counts["hour"] = hour_starts(counts.pop("hour_number"))
    counts["first_transaction_at"] = pd.to_datetime(counts.pop("first_ms"), unit="ms", utc=True)
    counts["last_transaction_at"] = pd.to_datetime(counts.pop("last_ms"), unit="ms", utc=True)
    register = register_by_hour(inputs.constituencies, inputs.events, counts)
    elections = inputs.constituencies.set_index("constituency_id")["election_id"]
    return hourly_stats(counts, elections, register, now)


def _voting_times(constituencies: pd.DataFrame) -> pd.DataFrame:
    frame = constituencies[["constituency_id"]].copy()
    for column, name in (("starts_at", "starts_ms"), ("ends_at", "ends_ms")):
        instants = pd.to_datetime(constituencies[column], utc=True)
        frame[name] = ((instants - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(milliseconds=1)).astype("Int64")
    return frame


def _compute_chunk(
    settings: Settings,
    engine: Engine,
    first: int,
    last: int,
    run_id: str,
    now: datetime,
    report: HoursReport,
) -> pd.DataFrame:
    inputs = read_inputs(settings, first, last)
    frame = compute_frame(engine, inputs, now)
    tries = 0
    while frame["election_id"].isna().any():
        # Files that landed after the registry was refreshed may bring a new constituency, repeatedly.
        tries += 1
        if tries > _MOST_TRIES:
            raise TransientError("files of new constituencies land faster than the registry can follow")
        refresh_registry(settings, run_id, now)
        inputs = read_inputs(settings, first, last)
        frame = compute_frame(engine, inputs, now)
    frame = frame.assign(run_id=run_id, computed_at=now)
    # These hours become visible together with everything downstream.
    with session_lock(settings, publication.LOCK), transaction(settings) as connection:
        newer = _newer_hours(connection, inputs.versions, first, last)
        versions = inputs.versions[~inputs.versions["hour_number"].isin(newer)]
        numbers = frame["hour"].map(hour_number) if newer else pd.Series(0, index=frame.index)
        kept = frame[~numbers.isin(newer)] if newer else frame
        taken = [hour_start(number) for number in newer]
        hour = table.c.hour
        scope = sa.and_(hour >= hour_start(first), hour <= hour_start(last), hour.not_in(taken))
        store.publish_constituencies(connection)
        before = stored_figures(connection, first, last, newer)
        changed = _changed_constituencies(engine.local, before, kept)
        replace_scope(connection, table, scope, kept)
        stale_hours.mark_computed(connection, versions, now)
        store.touch_constituencies(connection, changed)
        notify(connection, table, _written_constituencies(before, kept))
        publication.publish(connection, run_id, now)
    report.hours += len(versions)
    report.elections |= set(changed)
    return frame


def stored_figures(connection: sa.Connection, first: int, last: int, without: Sequence[int] = ()) -> pa.Table:
    """The stored figures of the hours first..last, without run_id and computed_at."""
    query = (
        f"SELECT {', '.join(FIGURES)} FROM metrics.hourly_stats "  # noqa: S608 names are ours
        "WHERE hour BETWEEN %(first)s AND %(last)s AND hour <> ALL(%(without)s::timestamptz[])"
    )
    hours = {"first": hour_start(first), "last": hour_start(last), "without": [hour_start(n) for n in without]}
    return read_arrow(connection, query, arrow_schema(table, FIGURES), **hours)


def _changed_constituencies(
    here: duckdb.DuckDBPyConnection, before: pa.Table, after: pd.DataFrame
) -> dict[str, list[str]]:
    """Constituencies with any figure that is new, missing or different, by election."""
    now = pa.Table.from_pandas(after[FIGURES], schema=before.schema, preserve_index=False)
    here.register("figures_before", before)
    here.register("figures_now", now)
    rows = here.execute(
        """
        SELECT election_id, list(DISTINCT constituency_id) FROM (
            (FROM figures_before EXCEPT ALL FROM figures_now) UNION ALL
            (FROM figures_now EXCEPT ALL FROM figures_before)
        ) GROUP BY election_id
        """
    ).fetchall()
    here.unregister("figures_before")
    here.unregister("figures_now")
    return dict(rows)


def _written_constituencies(before: pa.Table, after: pd.DataFrame) -> dict[str, set[str]]:
    """Constituencies whose rows are replaced, by election, including those with an unchanged figure and a new run."""
    keys = ["election_id", "constituency_id"]
    rows = pd.concat([before.select(keys).to_pandas(), after[keys]]).drop_duplicates()
    return {str(election): set(group["constituency_id"]) for election, group in rows.groupby("election_id")}


def different_rows(here: duckdb.DuckDBPyConnection, stored: pa.Table, counted: pd.DataFrame) -> pd.DataFrame:
    """Constituency hours with any figure that differs, or that are missing on one side.

    Args:
        here: a DuckDB connection for the comparison.
        stored: rows with the columns COUNTED.
        counted: the expected rows.

    Returns:
        election_id, constituency_id, hour.
    """
    now = pa.Table.from_pandas(counted[COUNTED], schema=stored.schema, preserve_index=False)
    here.register("stored_rows", stored)
    here.register("counted_rows", now)
    frame = here.execute(
        """
        SELECT DISTINCT election_id, constituency_id, epoch_ms(hour) AS hour FROM (
            (FROM stored_rows EXCEPT ALL FROM counted_rows) UNION ALL
            (FROM counted_rows EXCEPT ALL FROM stored_rows)
        ) ORDER BY hour, constituency_id
        """
    ).df()
    here.unregister("stored_rows")
    here.unregister("counted_rows")
    frame["hour"] = pd.to_datetime(frame["hour"], unit="ms", utc=True)
    return frame


def preview_hours(settings: Settings, start: datetime, end: datetime) -> pd.DataFrame:
    """What `compute_hours` would change in the hours from `start` to before `end`; writes nothing.

    Returns:
        hour (UTC), rows stored now, rows_after, rows_changed (new, missing or different); of hours with any.
    """
    frames = []
    with connect(settings) as engine:
        for first, last in _chunks(settings, hour_number(start), hour_number(end) - 1):
            with session_lock(settings, "hourly_stats"):
                inputs = read_inputs(settings, first, last)
                with transaction(settings) as connection:
                    stored = stored_figures(connection, first, last).select(COUNTED)
            counted = compute_frame(engine, inputs, datetime.now(UTC))
            counts = {
                "rows": stored["hour"].to_pandas(),
                "rows_after": counted["hour"],
                "rows_changed": different_rows(engine.local, stored, counted)["hour"],
            }
            frames.append(pd.DataFrame({name: hours.value_counts() for name, hours in counts.items()}))
    table_of_hours = pd.concat(frames).fillna(0).astype("int64").rename_axis("hour")
    return table_of_hours.sort_index().reset_index()


def _newer_hours(connection: sa.Connection, read: pd.DataFrame, first: int, last: int) -> list[int]:
    """Hours that another run computed from a newer landing meanwhile; its rows are kept."""
    stored = stale_hours.read_hour_versions(connection, first, last)
    both = stored.merge(read, on="hour_number", suffixes=("", "_read"))
    newer = both.loc[both["computed_version"] > both["landed_version_read"], "hour_number"]
    return [int(number) for number in newer]


def lake_parts(settings: Settings, start: datetime, end: datetime) -> pd.DataFrame:
    """The live parts of the hours from `start` to before `end`: path, hour_number, rows, size."""
    with transaction(settings) as connection:
        return lake_manifest.parts_of_hours(connection, range(hour_number(start), hour_number(end)))


def compact_hours(settings: Settings, start: datetime, end: datetime, now: datetime | None = None) -> dict[int, int]:
    """Merges the parts of hours that have many; returns the number of merged parts by hour.

    Retired parts stay on disk for a while, for readers that still use them.
    """
    moment = now or datetime.now(UTC)
    first, last = hour_number(start), hour_number(end) - 1
    parts = lake_parts(settings, start, end)
    many = {number: list(group["path"]) for number, group in parts.groupby("hour_number")
            if len(group) >= settings.compact_after_parts}  # fmt: skip
    merged = {}
    with connect(settings) as engine:
        for number, paths in many.items():
            if _compact_hour(settings, engine, int(str(number)), paths, moment):
                merged[int(str(number))] = len(paths)
    with transaction(settings) as connection:
        # A backup may be reading parts; files that cannot be removed now are left to the next compaction.
        may = is_free(connection, FORGET_PARTS)
        forgotten = (
            lake_manifest.forget_parts(connection, moment - _RETIRED_FOR, list(range(first, last + 1))) if may else []
        )
    for path in forgotten:
        remove(settings.lake_path / path)
    return merged


def _compact_hour(settings: Settings, engine: Engine, number: int, paths: list[str], now: datetime) -> bool:
    with transaction(settings, snapshot=True) as connection:
        superseded = corrections.read_corrections(connection)["superseded"]["content_id"].tolist()
    root = settings.lake_path
    with work_folder(settings.scratch_path) as work:
        merged = lake.compact(engine, root, work, number, [root / path for path in paths], superseded)
    with transaction(settings) as connection:
        if lake_manifest.retire_parts(connection, paths, now) != len(paths):
            connection.rollback()  # another process merged some of them
            remove(root / merged.path)
            return False
        row = (merged.path, number, merged.rows, merged.size, now)
        lake_manifest.add_parts(
            connection, pd.DataFrame([row], columns=["path", "hour_number", "rows", "size", "created_at"])
        )
    return True


def changed_hours(settings: Settings, now: datetime | None = None) -> list[datetime]:
    """Stale hours (UTC): rows landed after they were computed."""
    with transaction(settings) as connection:
        return [hour_start(number) for number in stale_hours.changed_hours(connection, now or datetime.now(UTC))]


def first_landed_hour(settings: Settings) -> datetime | None:
    """The first hour (UTC) with transactions; None if nothing has landed."""
    with transaction(settings) as connection:
        number = stale_hours.first_hour(connection)
    return None if number is None else hour_start(number)


def contiguous(hours: list[datetime], most: int) -> Iterator[tuple[datetime, datetime]]:
    """The hours as contiguous ranges (first, last), none wider than `most` hours."""
    group: list[datetime] = []
    for hour in sorted(set(hours)):
        if group and (hour - group[-1] > timedelta(hours=1) or len(group) >= most):
            yield group[0], group[-1]
            group = []
        group.append(hour)
    if group:
        yield group[0], group[-1]


def compare_with_lake(settings: Settings, start: datetime, end: datetime) -> pd.DataFrame:
    """Numbers of distinct transactions in the lake and in `hourly_stats`, by hour.

    Columns: hour (UTC), in_lake, in_hours. Hours that changed since they were computed are left out.
    """
    first, last = hour_number(start), hour_number(end) - 1
    with session_lock(settings, "hourly_stats"):
        inputs = read_inputs(settings, first, last)
        with transaction(settings) as connection:
            query = sa.select(
                table.c.hour, sa.func.sum(table.c.transaction_count + table.c.withdrawn).label("in_hours")
            ).where(table.c.hour >= start, table.c.hour < end)
            stored = read_frame(connection, query.group_by(table.c.hour))
    current = inputs.versions.loc[
        inputs.versions["landed_version"] == inputs.versions["computed_version"], "hour_number"
    ]
    with connect(settings) as engine:
        lake.open_hours(engine, inputs.hours)
        counted = lake.count_transactions(engine)
    in_hours = {hour_number(hour): int(count) for hour, count in stored.itertuples(index=False)}
    in_lake = {int(row.hour_number): int(row.transactions) for row in counted.itertuples()}
    numbers = sorted({int(number) for number in current} & (set(in_hours) | set(in_lake)))
    return pd.DataFrame(
        [(hour_start(number), in_lake.get(number, 0), in_hours.get(number, 0)) for number in numbers],
        columns=["hour", "in_lake", "in_hours"],
    )
