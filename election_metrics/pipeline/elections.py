"""What follows from hours: metrics of constituencies by period, and the summary of each election."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pandas as pd
import sqlalchemy as sa

from election_metrics.metrics.constituency import constituency_metrics
from election_metrics.metrics.election import election_summary
from election_metrics.settings import Settings
from election_metrics.warehouse import elections as store
from election_metrics.warehouse import registry
from election_metrics.warehouse.database import session_lock, transaction
from election_metrics.warehouse.replace import notify, replace_scope
from election_metrics.warehouse.tables import constituency_metrics as metrics_table
from election_metrics.warehouse.tables import election_summaries as summaries_table

Progress = Callable[[int, int], None]


def compute_constituency_metrics(
    settings: Settings, run_id: str, named: Sequence[str] | None = None, now: datetime | None = None
) -> dict[str, int]:
    """Replaces `constituency_metrics` of the elections that are behind (or named); returns rows by election."""
    moment = now or datetime.now(UTC)
    written = {}
    with session_lock(settings, "constituency_metrics"):
        with transaction(settings) as connection:
            behind = store.behind_metrics(connection, named)
        for election in sorted(behind):
            with transaction(settings, snapshot=True) as connection:
                version = store.behind_metrics(connection, [election])[election]
                hourly = store.read_hourly(connection, election)
                known = registry.read_constituencies(connection).set_index("constituency_id")
            rows = constituency_metrics(hourly, known["time_zone"], known["registered_voters"].astype("Int64"))
            with transaction(settings) as connection:
                scope = sa.or_(
                    metrics_table.c.election_id == election,
                    metrics_table.c.constituency_id.in_(sorted(set(hourly["constituency_id"]))),
                )
                replace_scope(connection, metrics_table, scope, rows.assign(run_id=run_id, computed_at=moment))
                store.mark_metrics(connection, election, version)
                notify(connection, metrics_table, [election])
            written[election] = len(rows)
    return written


def compute_election_summaries(
    settings: Settings, run_id: str, named: Sequence[str] | None = None, now: datetime | None = None
) -> pd.DataFrame:
    """Replaces `election_summaries` of the elections that may have changed (or named); returns their rows."""
    moment = now or datetime.now(UTC)
    frames = [pd.DataFrame()]
    with session_lock(settings, "election_summaries"):
        with transaction(settings) as connection:
            registry.drop_empty_elections(connection)
            behind = store.behind_summaries(connection, named)
        for election in sorted(behind):
            with transaction(settings, snapshot=True) as connection:
                version = store.behind_summaries(connection, [election])[election]
                known = registry.read_constituencies(connection)
                summary = election_summary(
                    store.read_metrics(connection, election, "election"),
                    store.read_metrics(connection, election, "hour"),
                    known[known["election_id"] == election],
                    store.read_deliveries(connection, election),
                    store.count_rejected(connection, election),
                    moment,
                )
            row = summary.assign(election_id=election, run_id=run_id, computed_at=moment)
            with transaction(settings) as connection:
                replace_scope(connection, summaries_table, summaries_table.c.election_id == election, row)
                store.mark_summary(connection, election, version)
                notify(connection, summaries_table, [election])
            frames.append(row)
    return pd.concat(frames, ignore_index=True)
