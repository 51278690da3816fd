"""Due and overdue input: the single definition of overdue hours of voting, for alerts, API and page.

The file of an hour arrives after the hour is over, and a vote may have hours without transactions. Therefore input is
overdue not by the age of the newest transaction, but if an hour ended more than `late_after` ago and no file covers it.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from election_metrics.warehouse.tables import Instant

_DUE = """
    WITH clock AS (
        SELECT
            date_trunc('hour', now(), 'UTC') AS present,
            date_trunc('hour', now() - CAST(:late_after AS interval), 'UTC') AS overdue_before
    ), missing AS ( -- hours that were missing when the figures were computed
        SELECT election_id, missing_from AS starts_at, least(missing_to, overdue_before) AS ends_at
        FROM metrics.missing_input CROSS JOIN clock
    ), voting AS (
        SELECT
            constituency.election_id,
            date_trunc('hour', constituency.starts_at, 'UTC') AS starts_at,
            coalesce(
                date_trunc('hour', constituency.ends_at + interval '1 hour' - interval '1 microsecond', 'UTC'),
                date_trunc('hour', constituency.starts_at, 'UTC') + interval '96 hours' -- as coverage expects it
            ) AS ends_at,
            date_trunc('hour', summary.computed_at, 'UTC') AS seen_before
        FROM metrics.constituencies AS constituency
        LEFT JOIN metrics.election_summaries AS summary USING (election_id)
        WHERE constituency.starts_at IS NOT NULL
    ), unseen AS ( -- hours that ended after the figures were computed: no file of them can be included
        SELECT election_id, greatest(starts_at, seen_before) AS starts_at, least(ends_at, overdue_before) AS ends_at
        FROM voting CROSS JOIN clock
        WHERE seen_before IS NOT NULL
    ), overdue AS (
        SELECT
            election_id,
            sum(extract(epoch FROM ends_at - starts_at) / 3600)::bigint AS hours_overdue,
            min(starts_at) + interval '1 hour' AS overdue_since
        FROM (SELECT * FROM missing UNION ALL SELECT * FROM unseen) AS late
        WHERE starts_at < ends_at
        GROUP BY election_id
    ), next AS (
        SELECT election_id, min(greatest(starts_at, present)) + interval '1 hour' AS next_due_at
        FROM voting CROSS JOIN clock
        WHERE ends_at > present
        GROUP BY election_id
    )
    SELECT
        election.election_id,
        coalesce(overdue.hours_overdue, 0) AS hours_overdue,
        overdue.overdue_since,
        next.next_due_at
    FROM metrics.elections AS election
    LEFT JOIN overdue USING (election_id)
    LEFT JOIN next USING (election_id)
"""


def input_due(late_after: timedelta) -> sa.Subquery:
    """Due and overdue input, one row for each election.

    Args:
        late_after: how long after its end an hour's input may arrive without being overdue.

    Returns:
        election_id; hours_overdue, constituency hours; overdue_since, when the first of them was due; next_due_at, the
        end of the first hour of voting that is not over.
    """
    columns: list[sa.ColumnClause[Any]] = [
        sa.column("election_id", sa.Text),
        sa.column("hours_overdue", sa.BigInteger),
        sa.column("overdue_since", Instant),
        sa.column("next_due_at", Instant),
    ]
    return sa.text(_DUE).bindparams(late_after=late_after).columns(*columns).subquery("due")


def read_overdue(connection: sa.Connection, late_after: timedelta) -> list[tuple[str, int, datetime]]:
    """(name, hours overdue, since when) of each election that is voting, or has just ended, and lacks input."""
    query = """
        SELECT election.name, due.hours_overdue, due.overdue_since
        FROM ({0}) AS due
        JOIN metrics.elections AS election USING (election_id)
        WHERE due.hours_overdue > 0 AND now() <= election.ends_at + CAST(:late_after AS interval)
        ORDER BY metrics.natural_order(election.name)
    """
    found = connection.execute(sa.text(query.format(_DUE)), {"late_after": late_after})
    return [(name, hours, since) for name, hours, since in found]
