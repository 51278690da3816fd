"""A few totals over all elections, for metadata and monitoring."""

from datetime import datetime

import sqlalchemy as sa

_FEW = 200_000


def read_totals(connection: sa.Connection, now: datetime) -> dict[str, int | float]:
    """Sums over all elections: votes, bulletins, gap, turnout and coverage (percent), findings, critical, lag_minutes.

    Turnout covers the elections whose register is known; unknown figures are left out.
    """
    query = sa.text(
        """
        SELECT sum(votes_cast)::bigint AS votes, sum(bulletins_issued)::bigint AS bulletins,
            sum(bulletins_issued - votes_cast)::bigint AS gap,
            round(100.0 * sum(votes_cast) FILTER (WHERE participation_rate IS NOT NULL)
                / nullif(sum(registered_voters) FILTER (WHERE participation_rate IS NOT NULL), 0), 3)::float AS turnout,
            round(100.0 * sum(hours_delivered) / nullif(sum(hours_expected), 0), 3)::float AS coverage,
            sum(anomalies_critical + anomalies_warning + anomalies_info)::bigint AS findings,
            sum(anomalies_critical)::bigint AS critical,
            round(extract(epoch FROM CAST(:now AS timestamptz) - max(last_transaction_at)) / 60, 1)::float
                AS lag_minutes
        FROM metrics.election_summaries
        """
    )
    found = connection.execute(query, {"now": now}).mappings().one()
    return {name: value for name, value in found.items() if value is not None}


def count_rows(connection: sa.Connection, table: sa.Table) -> int:
    """Number of rows of a table: counted if they are few, else PostgreSQL's estimate."""
    query = sa.text("SELECT reltuples::bigint FROM pg_class WHERE oid = CAST(:name AS regclass)")
    estimate = int(connection.execute(query, {"name": table.fullname}).scalar_one())
    if estimate > _FEW:
        return estimate
    return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
