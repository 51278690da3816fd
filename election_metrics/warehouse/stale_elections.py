"""Which elections are stale: whose metrics, summary or reconciliation are behind what they are computed from."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from election_metrics.clock import GRACE, hour_start
from election_metrics.warehouse.tables import constituency_versions, election_versions


def behind_metrics(connection: sa.Connection, named: Sequence[str] | None = None) -> dict[str, int]:
    """hourly_version by election, if constituency_metrics is behind it (or of the named ones)."""
    query = sa.select(election_versions.c.election_id, election_versions.c.hourly_version)
    if named:
        query = query.where(election_versions.c.election_id.in_(named))
    else:
        query = query.where(election_versions.c.hourly_version > election_versions.c.metrics_version)
    return {election: version for election, version in connection.execute(query)}


def constituencies_behind(connection: sa.Connection, election: str) -> tuple[list[str] | None, datetime | None]:
    """Constituencies whose hourly rows changed since constituency_metrics was computed (None: all of them).

    And the first hour (UTC) that changed; None: any may have.
    """
    versions = connection.execute(sa.select(election_versions).filter_by(election_id=election)).one()
    if versions.whole_version > versions.metrics_version:
        return None, None
    changed = sa.select(constituency_versions.c.constituency_id, constituency_versions.c.since_hour).where(
        constituency_versions.c.election_id == election,
        constituency_versions.c.hourly_version > versions.metrics_version,
    )
    behind = connection.execute(changed).all()
    hours = [row.since_hour for row in behind]
    since = None if not hours or None in hours else hour_start(min(hours))
    return sorted(row.constituency_id for row in behind), since


def behind_summaries(connection: sa.Connection, named: Sequence[str] | None = None) -> dict[str, int]:
    """metrics_version by election whose summary may have changed.

    That is: its metrics changed or files landed (both by version, because clocks jump), or it is not over, so that
    time changes what is expected.
    """
    query = sa.text(
        """
        SELECT election.election_id, coalesce(version.metrics_version, 0)
        FROM metrics.elections AS election
        LEFT JOIN ingest.election_versions AS version USING (election_id)
        LEFT JOIN metrics.election_summaries AS summary USING (election_id)
        WHERE CASE WHEN cardinality(:named) > 0 THEN election.election_id = ANY(:named) ELSE
            summary.election_id IS NULL
            OR version.metrics_version > version.summary_version
            OR election.status IS DISTINCT FROM 'completed'
        END
        """
    ).bindparams(sa.bindparam("named", list(named or []), type_=sa.ARRAY(sa.Text)))
    return {election: version for election, version in connection.execute(query)}


def published_just_now(connection: sa.Connection, run_id: str, now: datetime) -> set[str]:
    """Elections whose summary this run wrote within ten minutes of `now`, and that have not changed since."""
    query = sa.text(
        """
        SELECT election_id FROM metrics.election_summaries AS summary
        JOIN ingest.election_versions AS version USING (election_id)
        WHERE summary.run_id = :run_id AND version.summary_version >= version.metrics_version
            AND abs(extract(epoch FROM summary.computed_at - :now)) < 600
        """
    )
    return set(connection.execute(query, {"run_id": run_id, "now": now}).scalars())


def read_closed(connection: sa.Connection, now: datetime) -> list[str]:
    """Elections whose voting is over and whose tables are newer than their reconciliation, if there is one."""
    query = sa.text(
        """
        SELECT election.election_id
        FROM metrics.elections AS election
        JOIN metrics.election_summaries AS summary USING (election_id)
        LEFT JOIN metrics.reconciliations AS done USING (election_id)
        WHERE election.ends_at + :grace < :now
            AND (done.computed_at IS NULL OR summary.computed_at > done.computed_at)
        ORDER BY election.ends_at
        """
    )
    return list(connection.execute(query, {"now": now, "grace": GRACE}).scalars())


def read_causes(connection: sa.Connection, named: Sequence[str] | None = None) -> set[str]:
    """Why elections (or these) were marked stale since they were summarised."""
    query = sa.select(sa.func.unnest(election_versions.c.causes)).distinct()
    if named is not None:
        query = query.where(election_versions.c.election_id.in_(named))
    return set(connection.execute(query).scalars())


def mark_metrics(connection: sa.Connection, election: str, version: int) -> None:
    """Stores the hourly version that constituency_metrics of an election was computed from."""
    connection.execute(
        sa.update(election_versions).where(election_versions.c.election_id == election).values(metrics_version=version)
    )


def mark_summary(connection: sa.Connection, election: str, version: int) -> None:
    """Stores the metrics version that the summary of an election was computed from."""
    of_election = sa.update(election_versions).where(election_versions.c.election_id == election)
    connection.execute(of_election.values(summary_version=version, causes=[]))
