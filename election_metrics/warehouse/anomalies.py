"""Findings in the warehouse, and further inputs of the rules, as frames."""

from collections.abc import Mapping

import pandas as pd
import sqlalchemy as sa

from election_metrics.warehouse.finding_queries import WORST_FIRST, findings_with
from election_metrics.warehouse.ledger import is_any_of
from election_metrics.warehouse.replace import read_frame, replace_scope
from election_metrics.warehouse.tables import (
    anomalies,
    anomaly_thresholds,
    constituencies,
    elections,
    highest_totals,
)

_SEVERITIES = ("critical", "warning", "info")
_LANDED = """
    correction.content_id IN (SELECT content_id FROM ingest.transaction_files WHERE status = 'landed')
    AND (correction.transaction_id, correction.content_id) NOT IN (
        SELECT transaction_id, content_id FROM ingest.lost_rows
    )
    AND NOT EXISTS (
        SELECT 1 FROM ingest.corrections AS rollback
        JOIN ingest.transaction_files AS file ON file.content_id = rollback.content_id AND file.status = 'landed'
        WHERE rollback.kind = 'rollback' AND rollback.transaction_id = correction.transaction_id
    )
"""


def read_anomalies(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Stored findings on an election, its regions and its present constituencies."""
    return read_frame(
        connection,
        sa.text(
            """
            SELECT * FROM metrics.anomalies
            WHERE (election_id = :election AND constituency_id IS NULL)
                OR constituency_id IN (SELECT constituency_id FROM metrics.constituencies WHERE election_id = :election)
            ORDER BY detected_at, anomaly_id
            """
        ),
        election=election,
    )


def replace_anomalies(connection: sa.Connection, before: pd.DataFrame, rows: pd.DataFrame) -> None:
    """Replaces the findings that were read by the new ones of an election."""
    replace_scope(connection, anomalies, is_any_of(anomalies.c.anomaly_id, before["anomaly_id"]), rows)


def read_thresholds(connection: sa.Connection, election: str) -> dict[str, dict[str, float]]:
    """Thresholds of an election that differ from the defaults, by rule and name."""
    query = sa.select(anomaly_thresholds).where(anomaly_thresholds.c.election_id == election)
    chosen: dict[str, dict[str, float]] = {}
    for row in connection.execute(query):
        chosen.setdefault(row.rule, {})[row.threshold] = row.value
    return chosen


def read_repeated_issues(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Bulletins issued to voters who already had one: constituency_id, hour_number, voters."""
    return read_frame(
        connection,
        sa.text(
            f"""
            SELECT constituency_id, occurred_ms / 3600000 AS hour_number, count(*) AS voters
            FROM (
                SELECT issue.*, row_number() OVER (
                    PARTITION BY constituency_id, sender ORDER BY occurred_ms, transaction_id
                ) AS place
                FROM (
                    SELECT DISTINCT ON (correction.transaction_id) correction.*
                    FROM ingest.corrections AS correction
                    JOIN metrics.constituencies USING (constituency_id)
                    WHERE correction.kind = 'repeated_issue' AND election_id = :election AND {_LANDED}
                    ORDER BY correction.transaction_id, correction.occurred_ms
                ) AS issue
            ) AS placed
            WHERE place > 1
            GROUP BY constituency_id, hour_number
            """  # noqa: S608 our own text
        ),
        election=election,
    )


def read_conflicts(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Rows of ids in conflict, by constituency and hour.

    Returns:
        constituency_id, hour_number, transactions (ids), lost (rows here that do not count), files: [counts in, not in,
        ids] for each pair of files of which one holds the row that counts and the other a row that does not.
    """
    return read_frame(
        connection,
        sa.text(
            """
            WITH conflict AS (
                SELECT
                    transaction_id, election_id, constituency_id, stands,
                    floor(extract(epoch FROM occurred_at) / 3600)::bigint AS hour_number,
                    substring(file FROM '((?:[^/]*/){0,2}[^/]*)$') AS file
                FROM metrics.conflicting_transactions
            ), place AS (
                SELECT
                    constituency_id, hour_number, count(DISTINCT transaction_id) AS transactions,
                    count(*) FILTER (WHERE NOT stands) AS lost
                FROM conflict
                WHERE election_id = :election
                GROUP BY constituency_id, hour_number
            ), pair AS (
                SELECT
                    here.constituency_id, here.hour_number, counts.file AS counts_in, lost.file AS not_in,
                    jsonb_agg(DISTINCT here.transaction_id) AS ids
                FROM conflict AS here
                JOIN conflict AS counts ON counts.transaction_id = here.transaction_id AND counts.stands
                JOIN conflict AS lost ON lost.transaction_id = here.transaction_id AND NOT lost.stands
                WHERE here.election_id = :election
                    AND (here.file = counts.file OR here.file = lost.file)
                GROUP BY 1, 2, 3, 4
            )
            SELECT
                constituency_id, hour_number, transactions, lost,
                coalesce(
                    jsonb_agg(jsonb_build_array(counts_in, not_in, ids) ORDER BY counts_in, not_in)
                        FILTER (WHERE ids IS NOT NULL), '[]'
                ) AS files
            FROM place
            LEFT JOIN pair USING (constituency_id, hour_number)
            GROUP BY constituency_id, hour_number, transactions, lost
            """
        ),
        election=election,
    )


def read_highest(connection: sa.Connection, election: str) -> pd.DataFrame:
    """The highest totals so far of an election's constituencies."""
    return read_frame(
        connection,
        sa.text(
            "SELECT highest.* FROM ingest.highest_totals AS highest "
            "JOIN metrics.constituencies USING (constituency_id) WHERE election_id = :election"
        ),
        election=election,
    )


def raise_highest(connection: sa.Connection, totals: pd.DataFrame) -> None:
    """Raises the highest totals of constituencies: constituency_id, transactions, first_hour, last_hour of each."""
    connection.execute(
        sa.text(
            f"""
            INSERT INTO {highest_totals.fullname} AS highest
            SELECT * FROM unnest(
                CAST(:constituency_id AS text[]), CAST(:transactions AS bigint[]), CAST(:first_hour AS bigint[]),
                CAST(:last_hour AS bigint[])
            )
            ON CONFLICT (constituency_id) DO UPDATE SET transactions = excluded.transactions,
                first_hour = excluded.first_hour, last_hour = excluded.last_hour
            WHERE excluded.transactions > highest.transactions
            """  # noqa: S608 our own name
        ),
        {name: totals[name].tolist() for name in ("constituency_id", "transactions", "first_hour", "last_hour")},
    )


def count_unresolved(connection: sa.Connection, election: str) -> tuple[dict[str, int], dict[str, int]]:
    """Findings of an election that are open or acknowledged: by severity, and by rule."""
    query = (
        sa.select(anomalies.c.severity, anomalies.c.rule, sa.func.count())
        .where(anomalies.c.election_id == election, anomalies.c.state != "resolved")
        .group_by(anomalies.c.severity, anomalies.c.rule)
        .order_by(anomalies.c.rule)
    )
    by_severity, by_rule = dict.fromkeys(_SEVERITIES, 0), dict[str, int]()
    for severity, rule, count in connection.execute(query):
        by_severity[severity] += count
        by_rule[rule] = by_rule.get(rule, 0) + count
    return by_severity, by_rule


def list_anomalies(connection: sa.Connection, wanted: Mapping[str, str | None], *, unresolved: bool) -> pd.DataFrame:
    """Findings with the names of their places, what to look at, and their time zone: worst and newest first.

    Args:
        connection: in a transaction.
        wanted: value by column (election_id, constituency_id, rule, severity, anomaly_id); None: any.
        unresolved: leave resolved ones out.
    """
    place = constituencies.alias("place")
    of_region = sa.select(sa.func.min(place.c.time_zone)).where(
        place.c.election_id == anomalies.c.election_id, place.c.region == anomalies.c.region
    )
    of_region = of_region.having(sa.func.count(sa.distinct(place.c.time_zone)) == 1)
    zones = (constituencies.c.time_zone, of_region.scalar_subquery(), elections.c.time_zone, "UTC")
    zone = sa.func.coalesce(*zones).label("time_zone")
    query = findings_with(wanted, unresolved=unresolved).add_columns(zone)
    query = query.order_by(WORST_FIRST, anomalies.c.window_start.desc(), anomalies.c.anomaly_id)
    return read_frame(connection, query)
