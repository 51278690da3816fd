"""Computes `hourly_stats` of a range of hours from the lake, and replaces it in one transaction.

Idempotent: computing an hour twice, in a range, or in any order gives the same rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pandas as pd
import sqlalchemy as sa

from election_metrics.clock import hour_number, hour_start
from election_metrics.errors import TransientError
from election_metrics.lake import hours as lake
from election_metrics.lake.connect import connect
from election_metrics.lake.engine import Engine
from election_metrics.pipeline import publication
from election_metrics.pipeline.hour_figures import chunks_of_hours, compute_frame, inside_frame, read_inputs
from election_metrics.pipeline.progress import Report
from election_metrics.pipeline.registry import refresh_registry
from election_metrics.settings import Settings
from election_metrics.warehouse import registry as store
from election_metrics.warehouse import stale_elections, stale_hours
from election_metrics.warehouse.commits import begin_commit
from election_metrics.warehouse.database import session_lock, transaction
from election_metrics.warehouse.replace import by_election, notify, replace_scope
from election_metrics.warehouse.tables import hourly_stats as table
from election_metrics.warehouse.tables import inside_hours, precinct_hours, verdict_rows

_MOST_TRIES = 20


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
        for chunk_first, chunk_last in chunks_of_hours(settings, first, last):
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
    beside = {
        inside_hours: inside_frame(engine, settings),
        precinct_hours: lake.precinct_hours(engine),
        verdict_rows: lake.verdict_rows(engine, inputs.verdicts),
    }
    # These hours become visible together with everything downstream.
    with session_lock(settings, publication.LOCK), transaction(settings) as connection:
        newer = _newer_hours(connection, inputs.versions, first, last)
        versions = inputs.versions[~inputs.versions["hour_number"].isin(newer)]
        numbers = frame["hour"].map(hour_number) if newer else pd.Series(0, index=frame.index)
        kept = frame[~numbers.isin(newer)] if newer else frame
        taken = [hour_start(number) for number in newer]
        causes = stale_hours.read_causes(connection, versions["hour_number"])
        begin_commit(connection, run_id, causes | stale_elections.read_causes(connection))
        hour = table.c.hour
        scope = sa.and_(hour >= hour_start(first), hour <= hour_start(last), hour.not_in(taken))
        store.publish_constituencies(connection)
        changed = by_election(replace_scope(connection, table, scope, kept))
        for other, others in beside.items():
            _replace_beside(connection, other, first, last, newer, others)
        stale_hours.mark_computed(connection, versions, now)
        store.touch_constituencies(connection, changed, first)
        notify(connection, table, changed)
        publication.publish(connection, run_id, now)
    report.hours += len(versions)
    report.elections |= set(changed)
    return frame


def _replace_beside(
    connection: sa.Connection, other: sa.Table, first: int, last: int, kept: Sequence[int], rows: pd.DataFrame
) -> None:
    """Replaces what another table tells of these hours, but of those whose newer rows are kept."""
    hour = other.c.hour_number
    scope = sa.and_(hour.between(first, last), hour.not_in(kept))
    replace_scope(connection, other, scope, rows[~rows["hour_number"].isin(kept)])


def _newer_hours(connection: sa.Connection, read: pd.DataFrame, first: int, last: int) -> list[int]:
    """Hours that another run computed from a newer landing meanwhile; its rows are kept."""
    stored = stale_hours.read_hour_versions(connection, first, last)
    both = stored.merge(read, on="hour_number", suffixes=("", "_read"))
    newer = both.loc[both["computed_version"] > both["landed_version_read"], "hour_number"]
    return [int(number) for number in newer]


def changed_hours(settings: Settings, now: datetime | None = None) -> list[datetime]:
    """Stale hours (UTC): rows landed after they were computed."""
    with transaction(settings) as connection:
        return [hour_start(number) for number in stale_hours.changed_hours(connection, now or datetime.now(UTC))]


def first_landed_hour(settings: Settings) -> datetime | None:
    """The first hour (UTC) with transactions; None if nothing has landed."""
    with transaction(settings) as connection:
        number, _ = stale_hours.first_and_last_hour(connection)
    return None if number is None else hour_start(number)


def contiguous(hours: list[datetime], most: int, apart: int = 1) -> Iterator[tuple[datetime, datetime]]:
    """The hours as ranges (first, last), none wider than `most` hours; of a range, they are `apart` hours at most."""
    group: list[datetime] = []
    for hour in sorted(set(hours)):
        if group and (hour - group[-1] > timedelta(hours=apart) or hour - group[0] >= timedelta(hours=most)):
            yield group[0], group[-1]
            group = []
        group.append(hour)
    if group:
        yield group[0], group[-1]
