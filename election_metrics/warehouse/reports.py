"""What is reported: of a run, of an election, of the ledger and its quarantine."""

from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from election_metrics.warehouse.replace import read_frame
from election_metrics.warehouse.tables import constituency_metrics, election_summaries


def metrics_of_run(connection: sa.Connection, run_id: str) -> dict[str, int]:
    """Rows of constituency_metrics that a run wrote, by election."""
    query = sa.select(constituency_metrics.c.election_id, sa.func.count()).filter_by(run_id=run_id)
    return {election: rows for election, rows in connection.execute(query.group_by("election_id"))}


def summaries_of_run(connection: sa.Connection, run_id: str) -> pd.DataFrame:
    """Rows of election_summaries that a run wrote."""
    return read_frame(connection, sa.select(election_summaries).filter_by(run_id=run_id))


def findings_of_run(connection: sa.Connection, run_id: str) -> pd.DataFrame:
    """Every finding of the elections that a run summarised, worst and newest first."""
    query = sa.text(
        """
        SELECT * FROM metrics.anomalies
        WHERE election_id IN (SELECT election_id FROM metrics.election_summaries WHERE run_id = :run_id)
        ORDER BY array_position(ARRAY['critical', 'warning', 'info'], severity), window_start DESC, anomaly_id
        """
    )
    return read_frame(connection, query, run_id=run_id)


def read_newest_transactions(
    connection: sa.Connection,
) -> list[tuple[str, datetime | None, datetime | None, datetime | None]]:
    """(name, starts_at, ends_at, newest transaction) of each election."""
    query = sa.text(
        """
        SELECT election.name, election.starts_at, election.ends_at, summary.last_transaction_at
        FROM metrics.elections AS election
        LEFT JOIN metrics.election_summaries AS summary USING (election_id)
        ORDER BY metrics.natural_order(election.name)
        """
    )
    return [(name, starts, ends, newest) for name, starts, ends, newest in connection.execute(query)]


def read_picture(
    connection: sa.Connection, election: str
) -> tuple[str, list[tuple[datetime, int, int]], list[tuple[datetime, datetime, str]]]:
    """An election's name, its hours (start, bulletins, votes), and its critical findings (start, end, rule)."""
    parameters = {"election": election}
    name = connection.execute(sa.text("SELECT name FROM metrics.elections WHERE election_id = :election"), parameters)
    hours = connection.execute(
        sa.text(
            "SELECT hour, sum(bulletins_issued)::bigint, sum(votes_cast)::bigint FROM metrics.hourly_stats "
            "WHERE election_id = :election GROUP BY hour ORDER BY hour"
        ),
        parameters,
    )
    findings = connection.execute(
        sa.text(
            "SELECT window_start, coalesce(window_end, window_start), rule FROM metrics.anomalies "
            "WHERE election_id = :election AND severity = 'critical' AND state <> 'resolved' "
            "ORDER BY window_start DESC LIMIT 20"
        ),
        parameters,
    )
    return name.scalar_one(), [(h, b, v) for h, b, v in hours], [(start, end, rule) for start, end, rule in findings]


def count_rejected(connection: sa.Connection, election: str) -> int:
    """Lines in quarantine from the election's current files, and rows from tables that hold its constituencies."""
    query = sa.text(
        """
        SELECT coalesce(sum(rejected), 0) FROM (
        SELECT DISTINCT ON (file.constituency_id, file.content_id) file.rejected FROM ingest.transaction_files AS file
        WHERE file.status = 'landed' AND file.gone_at IS NULL AND (
            file.constituency_id IN (SELECT constituency_id FROM metrics.constituencies WHERE election_id = :election)
            OR file.rejected > 0 AND file.constituency_id IS NULL AND file.content_id IN (
                SELECT content.content_id FROM ingest.table_contents AS content
                JOIN ingest.table_constituencies USING (source)
                JOIN metrics.constituencies AS constituency USING (constituency_id)
                WHERE constituency.election_id = :election
            )
        )
        ) AS content
        """
    )
    return int(connection.execute(query, {"election": election}).scalar_one())


def read_status(connection: sa.Connection) -> dict[str, int]:
    """Counts for `status`: files by state, lines in quarantine, parts, hours behind, elections behind."""
    query = sa.text(
        """
        SELECT
            (SELECT count(*) FROM ingest.transaction_files WHERE status = 'landed') AS files_landed,
            (SELECT count(*) FROM ingest.transaction_files WHERE status = 'superseded') AS files_superseded,
            (SELECT count(*) FROM ingest.transaction_files WHERE status = 'unreadable') AS files_unreadable,
            (SELECT count(*) FROM ingest.transaction_files WHERE status = 'withdrawn') AS files_withdrawn,
            (
                SELECT count(DISTINCT constituency_id) FROM ingest.transaction_files
                WHERE is_counts_only AND status = 'landed'
            ) AS contracts_of_counts_only,
            (SELECT count(*) FROM ingest.rejected_transactions) AS lines_in_quarantine,
            (SELECT count(DISTINCT transaction_id) FROM ingest.judged_rows WHERE NOT stands) AS ids_in_conflict,
            (SELECT count(*) FROM ingest.judged_rows WHERE NOT stands) AS rows_lost_to_them,
            (SELECT count(*) FROM ingest.lake_parts WHERE retired_at IS NULL) AS lake_parts,
            (SELECT coalesce(sum(size), 0) FROM ingest.lake_parts WHERE retired_at IS NULL) AS lake_bytes,
            (SELECT count(*) FROM ingest.hour_versions) AS hours_with_transactions,
            (SELECT count(*) FROM ingest.hour_versions WHERE landed_version > computed_version) AS hours_behind,
            (SELECT count(*) FROM ingest.election_versions WHERE hourly_version > metrics_version) AS elections_behind
        """
    )
    return {key: int(value) for key, value in connection.execute(query).mappings().one().items()}


def read_conflicts(connection: sa.Connection, election: str | None) -> pd.DataFrame:
    """metrics.conflicting_transactions of ids with a row in this election (or of all); rows that count first."""
    query = sa.text(
        """
        SELECT * FROM metrics.conflicting_transactions
        WHERE CAST(:election AS text) IS NULL OR transaction_id IN (
            SELECT transaction_id FROM metrics.conflicting_transactions WHERE election_id = :election
        )
        ORDER BY transaction_id, stands DESC, occurred_at, constituency_id, file
        """
    )
    return read_frame(connection, query, election=election)


def read_summaries(connection: sa.Connection) -> pd.DataFrame:
    """election_summaries with the election's name and current status, largest first."""
    query = sa.text(
        """
        SELECT election.name, election.starts_at, election.ends_at, summary.*,
            CASE
                WHEN election.ends_at <= now() THEN 'completed'
                WHEN election.starts_at > now() THEN 'scheduled'
                WHEN election.starts_at <= now() THEN 'active'
            END AS status
        FROM metrics.election_summaries AS summary
        JOIN metrics.elections AS election USING (election_id)
        ORDER BY summary.transaction_count DESC, metrics.natural_order(election.name)
        """
    )
    return read_frame(connection, query)


# Lines in quarantine of files that exist; those of files that are gone are history.
_EXISTS = (
    "EXISTS (SELECT 1 FROM ingest.transaction_files AS current WHERE current.content_id = rejected.content_id "
    "AND current.status = 'landed' AND current.gone_at IS NULL)"
)


def read_rule_coverage(connection: sa.Connection, most: int) -> pd.DataFrame:
    """Election (name), rule, constituencies_judged, constituencies_total; of the latest elections, largest first."""
    query = sa.text(
        "SELECT election.name, rule, constituencies_judged, constituencies_total "
        "FROM metrics.rule_coverage JOIN (SELECT election_id, name, summary.votes_cast "
        "FROM metrics.elections JOIN metrics.election_summaries AS summary USING (election_id) "
        "ORDER BY summary.last_transaction_at DESC NULLS LAST, election_id LIMIT :most) AS election "
        "USING (election_id) "
        "ORDER BY election.votes_cast DESC, election.name, rule"
    )
    return read_frame(connection, query, most=most)


def read_problems(connection: sa.Connection) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Unreadable files (path, reason), and the quarantine by reason (reason, lines, files, example)."""
    unreadable = sa.text(
        "SELECT rtrim(path || '/' || member, '/') AS path, reason FROM ingest.transaction_files "
        "WHERE status = 'unreadable' ORDER BY path LIMIT 100"
    )
    rejected = sa.text(
        "SELECT reason, count(*) AS lines, count(DISTINCT file) AS files, "  # noqa: S608 our own condition
        "min(file || ', line ' || line_number) AS example "
        f"FROM ingest.rejected_transactions AS rejected WHERE {_EXISTS} "
        "GROUP BY reason ORDER BY count(*) DESC LIMIT 50"
    )
    return read_frame(connection, unreadable), read_frame(connection, rejected)


def count_problems(connection: sa.Connection, below: str) -> int:
    """Files below a path that are unreadable or set aside, and lines in quarantine from files there that exist."""
    query = sa.text(
        f"""
        SELECT
            (SELECT count(*) FROM ingest.transaction_files WHERE status = 'unreadable' AND starts_with(path, :below))
            + (SELECT count(*) FROM ingest.landing_attempts
                WHERE set_aside_at IS NOT NULL AND starts_with(path, :below))
            + (SELECT count(*) FROM ingest.rejected_transactions AS rejected
                WHERE starts_with(file, :below) AND {_EXISTS})
        """  # noqa: S608 our own condition
    )
    return int(connection.execute(query, {"below": below}).scalar_one())


def count_files_outside(connection: sa.Connection, below: str) -> int:
    """Files in the ledger that are not below a path."""
    query = sa.text("SELECT count(*) FROM ingest.transaction_files WHERE NOT starts_with(path, :below)")
    return int(connection.execute(query, {"below": below}).scalar_one())
