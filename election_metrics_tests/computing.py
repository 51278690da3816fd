"""The whole pipeline without Dagster, for tests: land, then compute until nothing is behind."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.hours import changed_hours, compute_hours, contiguous
from election_metrics.pipeline.landing import LandingReport
from election_metrics.pipeline.publication import (
    compute_anomalies,
    compute_constituency_metrics,
    compute_election_summaries,
)
from election_metrics.pipeline.registry import refresh_registry
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import read_frame
from election_metrics.warehouse.tables import LINEAGE

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TABLES = (
    "elections", "constituencies", "hourly_stats", "election_hours", "constituency_metrics", "election_summaries", "region_summaries",
    "participation_extremes", "missing_input", "interval_stats", "rule_coverage",
    "precinct_hourly_stats", "precinct_current",
)  # fmt: skip


def update(settings: Settings, source: Path, now: datetime = NOW, most: int = 744) -> LandingReport:
    """Lands what is pending and computes what changed, in ranges of at most so many hours."""
    report = land(settings, source, "run", now)
    refresh_registry(settings, "run", now)
    for first, last in contiguous(changed_hours(settings, now), most):
        compute_hours(settings, first, last + timedelta(hours=1), "run", now)
    compute_constituency_metrics(settings, "run", now=now)
    compute_anomalies(settings, "run", now=now)
    compute_election_summaries(settings, "run", now=now)
    return report


def rows(settings: Settings, query: str) -> pd.DataFrame:
    """The rows of a query."""
    with transaction(settings) as connection:
        return read_frame(connection, sa.text(query))


def hourly(settings: Settings) -> dict[str, dict[str, int]]:
    """hourly_stats by hour of HOUR's day, summed over constituencies: only counts that are not 0."""
    counts = ("transaction_count", "bulletins_issued", "bulletins_failed", "votes_cast", "votes_rejected",
              "votes_unknown", "revotes", "withdrawn")  # fmt: skip
    frame = rows(settings, "SELECT * FROM metrics.hourly_stats ORDER BY hour")
    sums = frame.groupby(frame["hour"].map(lambda hour: f"{hour:%H}"))[list(counts)].sum() if len(frame) else frame
    return {hour: {name: int(n) for name, n in row.items() if n} for hour, row in sums.to_dict("index").items()}


def everything(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every derived table, lineage aside."""
    result = {}
    for table in TABLES:
        frame = rows(settings, f"SELECT * FROM metrics.{table}").drop(columns=list(LINEAGE), errors="ignore")
        frame = frame.astype(object).where(frame.notna(), None)
        result[table] = sorted((tuple(row) for row in frame.itertuples(index=False)), key=repr)
    return result
