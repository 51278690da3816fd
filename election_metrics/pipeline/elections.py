"""What follows from hours: metrics of constituencies by period, and the summary of each election."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pandas as pd
import sqlalchemy as sa

from election_metrics.metrics.constituency import constituency_metrics
from election_metrics.metrics.coverage import coverage
from election_metrics.metrics.election import participation_extremes, summarise
from election_metrics.settings import Settings
from election_metrics.warehouse import anomalies, registry
from election_metrics.warehouse import elections as store
from election_metrics.warehouse.database import session_lock, transaction
from election_metrics.warehouse.replace import notify, replace_scope
from election_metrics.warehouse.tables import constituency_metrics as metrics_table
from election_metrics.warehouse.tables import election_summaries as summaries_table
from election_metrics.warehouse.tables import participation_extremes as extremes_table
from election_metrics.warehouse.tables import region_summaries as regions_table

Progress = Callable[[int, int], None]


def elections_behind(settings: Settings) -> list[str]:
    """Elections (election_id) whose hours changed since their metrics were computed."""
    with transaction(settings) as connection:
        return sorted(store.behind_metrics(connection))


def compute_constituency_metrics(
    settings: Settings, run_id: str, named: Sequence[str] | None = None, now: datetime | None = None
) -> dict[str, int]:
    """Replaces `constituency_metrics` of the constituencies that are behind, or of the elections that are named.

    Returns:
        Rows written, by election.
    """
    moment = now or datetime.now(UTC)
    written = {}
    with session_lock(settings, "constituency_metrics"):
        with transaction(settings) as connection:
            behind = store.behind_metrics(connection, named)
        for election in sorted(behind):
            with transaction(settings, snapshot=True) as connection:
                version = store.behind_metrics(connection, [election])[election]
                only = None if named else store.constituencies_behind(connection, election)
                hourly = store.read_hourly(connection, election, constituencies=only)
                known = registry.read_constituencies(connection).set_index("constituency_id")
            rows = constituency_metrics(hourly, known["time_zone"], known["registered_voters"].astype("Int64"))
            with transaction(settings) as connection:
                ids = sorted(set(hourly["constituency_id"])) if only is None else only
                whole = metrics_table.c.election_id == election if only is None else sa.false()
                scope = sa.or_(whole, metrics_table.c.constituency_id.in_(ids))
                replace_scope(connection, metrics_table, scope, rows.assign(run_id=run_id, computed_at=moment))
                store.mark_metrics(connection, election, version)
                notify(connection, metrics_table, {election: only})
            written[election] = len(rows)
    return written


def picture_of(
    settings: Settings, election: str
) -> tuple[str, list[tuple[datetime, int, int]], list[tuple[datetime, datetime, str]]]:
    """What a picture of an election shows: its name, hours (start, bulletins, votes), and its critical findings."""
    with transaction(settings) as connection:
        return store.read_picture(connection, election)


def compute_election_summaries(
    settings: Settings, run_id: str, named: Sequence[str] | None = None, now: datetime | None = None
) -> pd.DataFrame:
    """Replaces `election_summaries`, `region_summaries` and `participation_extremes` of the elections that may have
    changed (or named); returns the rows of the first.
    """  # noqa: D205
    moment = now or datetime.now(UTC)
    frames = [pd.DataFrame()]
    with session_lock(settings, "election_summaries"):
        with transaction(settings) as connection:
            registry.drop_empty_elections(connection)
            behind = store.behind_summaries(connection, named)
        for election in sorted(behind):
            with transaction(settings, snapshot=True) as connection:
                version = store.behind_summaries(connection, [election])[election]
                summary, regions, extremes = _summarise(connection, election, moment)
            lineage = {"election_id": election, "run_id": run_id, "computed_at": moment}
            with transaction(settings) as connection:
                for table, rows in (
                    (summaries_table, summary), (regions_table, regions), (extremes_table, extremes)
                ):  # fmt: skip
                    replace_scope(connection, table, table.c.election_id == election, rows.assign(**lineage))
                # What is said of a constituency is not in these tables.
                notify(connection, summaries_table, {election: []})
                store.mark_summary(connection, election, version)
            frames.append(summary.assign(**lineage))
    return pd.concat(frames, ignore_index=True)


def _summarise(
    connection: sa.Connection, election: str, now: datetime
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The election in one row, its regions, and the ends of its ranking by participation."""
    totals = store.read_metrics(connection, election, "election")
    hours = store.read_hourly(connection, election, ["constituency_id", "hour", "votes_cast"])
    known = registry.read_constituencies(connection)
    known = known[known["election_id"] == election]
    expected = coverage(known, store.read_deliveries(connection, election), now)
    ids = known["constituency_id"]
    region = pd.Series(known["region"].fillna("").to_numpy(), index=ids)
    by_severity, by_rule = anomalies.count_unresolved(connection, election)
    summary = summarise(pd.Series(election, index=ids), totals, hours, known, expected).reset_index(drop=True)
    return (
        summary.assign(
            rejected_lines=store.count_rejected(connection, election),
            anomalies_by_rule=json.dumps(by_rule),
            **{f"anomalies_{severity}": count for severity, count in by_severity.items()},
        ),
        summarise(region, totals, hours, known, expected).rename_axis("region").reset_index(),
        participation_extremes(totals, known.astype({"registered_voters": "Int64"})),
    )
