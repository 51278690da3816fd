"""Queries of the feeds: the newest findings, and turnout by hour."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from election_metrics.warehouse.rows import Row, read_rows
from election_metrics.warehouse.tables import anomalies, constituencies, election_hours, elections


def newest_findings(connection: sa.Connection, election: str | None, limit: int) -> list[Row]:
    """Findings with the names of their places, the newest first, resolved ones too."""
    changed = sa.func.greatest(anomalies.c.detected_at, anomalies.c.state_at).label("changed_at")
    query = (
        sa.select(anomalies, changed, elections.c.name.label("election"), constituencies.c.name.label("constituency"))
        .outerjoin_from(anomalies, elections, elections.c.election_id == anomalies.c.election_id)
        .outerjoin(constituencies, constituencies.c.constituency_id == anomalies.c.constituency_id)
        .order_by(anomalies.c.detected_at.desc(), anomalies.c.anomaly_id)
        .limit(limit)
    )
    return read_rows(connection, query if election is None else query.where(anomalies.c.election_id == election))


def newest_hours(connection: sa.Connection, election: str, before: datetime, limit: int) -> list[Row]:
    """Hours of an election that were over at a time, with its name and running totals, the newest first."""
    query = (
        sa.select(election_hours, elections.c.name, elections.c.time_zone)
        .join(elections, elections.c.election_id == election_hours.c.election_id)
        .where(election_hours.c.election_id == election, election_hours.c.hour <= before - timedelta(hours=1))
        .order_by(election_hours.c.hour.desc())
        .limit(limit)
    )
    return read_rows(connection, query)
