"""Stale elections, and the inputs of their derived tables, as frames."""

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from election_metrics.clock import GRACE
from election_metrics.counts import NAMES
from election_metrics.warehouse.replace import arrow_schema, read_arrow, read_frame, read_table, to_frame
from election_metrics.warehouse.tables import (
    constituency_metrics,
    constituency_versions,
    election_hours,
    election_summaries,
    election_versions,
    hourly_stats,
)

FIGURES = [column.name for column in hourly_stats.columns if column.name not in ("run_id", "computed_at")]
"""Columns of hourly_stats without run_id and computed_at."""


def behind_metrics(connection: sa.Connection, named: Sequence[str] | None = None) -> dict[str, int]:
    """hourly_version by election, if constituency_metrics is behind it (or of the named ones)."""
    query = sa.select(election_versions.c.election_id, election_versions.c.hourly_version)
    if named:
        query = query.where(election_versions.c.election_id.in_(named))
    else:
        query = query.where(election_versions.c.hourly_version > election_versions.c.metrics_version)
    return {election: version for election, version in connection.execute(query)}


def constituencies_behind(connection: sa.Connection, election: str) -> list[str] | None:
    """Constituencies whose hourly rows changed since constituency_metrics was computed; None: all of them."""
    versions = connection.execute(sa.select(election_versions).filter_by(election_id=election)).one()
    if versions.whole_version > versions.metrics_version:
        return None
    changed = sa.select(constituency_versions.c.constituency_id).where(
        constituency_versions.c.election_id == election,
        constituency_versions.c.hourly_version > versions.metrics_version,
    )
    return sorted(connection.execute(changed).scalars())


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


def read_behind_since(connection: sa.Connection) -> datetime | None:
    """When the longest-stale hour became stale; None if no hour is stale."""
    query = sa.text(
        """
        SELECT greatest(max(version.computed_at), min(file.seen_at))
        FROM ingest.hour_versions AS version
        LEFT JOIN ingest.content_hours AS content USING (hour_number)
        LEFT JOIN ingest.transaction_files AS file USING (content_id)
        WHERE version.landed_version > version.computed_version
            AND (version.computed_at IS NULL OR file.seen_at > version.computed_at)
        """
    )
    found: datetime | None = connection.execute(query).scalar()
    return found


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


def mark_metrics(connection: sa.Connection, election: str, version: int) -> None:
    """Stores the hourly version that constituency_metrics of an election was computed from."""
    connection.execute(
        sa.update(election_versions).where(election_versions.c.election_id == election).values(metrics_version=version)
    )


def mark_summary(connection: sa.Connection, election: str, version: int) -> None:
    """Stores the metrics version that the summary of an election was computed from."""
    connection.execute(
        sa.update(election_versions).where(election_versions.c.election_id == election).values(summary_version=version)
    )


def read_hourly(
    connection: sa.Connection,
    election: str,
    names: Sequence[str] | None = None,
    constituencies: Sequence[str] | None = None,
) -> pd.DataFrame:
    """hourly_stats of an election's hours: all columns and constituencies, or these."""
    where = "election_id = %(election)s"
    if constituencies is None:
        return read_table(connection, hourly_stats, names or FIGURES, where, election=election)
    where += " AND constituency_id = ANY(%(constituencies)s)"
    return read_table(
        connection, hourly_stats, names or FIGURES, where, election=election, constituencies=list(constituencies)
    )


def read_hours_of_members(connection: sa.Connection, election: str) -> pd.DataFrame:
    """hourly_stats of the present constituencies of an election, whatever election_id their rows have."""
    where = "constituency_id IN (SELECT constituency_id FROM metrics.constituencies WHERE election_id = %(election)s)"
    return read_table(connection, hourly_stats, FIGURES, where, election=election)


def give_hours_to_own_election(connection: sa.Connection, constituencies: Sequence[str]) -> set[str]:
    """Sets election_id in hourly_stats of these constituencies to the election that they vote in now.

    Returns:
        The elections (election_id) that lost or gained rows.
    """
    query = sa.text(
        """
        WITH misplaced AS (
            SELECT row.constituency_id, row.hour, row.election_id AS had, place.election_id AS has
            FROM metrics.hourly_stats AS row
            JOIN ingest.constituency_registry AS place USING (constituency_id)
            WHERE row.constituency_id = ANY(:constituencies) AND row.election_id <> place.election_id
        ), given AS (
            UPDATE metrics.hourly_stats AS row SET election_id = misplaced.has FROM misplaced
            WHERE row.constituency_id = misplaced.constituency_id AND row.hour = misplaced.hour
        )
        SELECT DISTINCT had, has FROM misplaced
        """
    )
    rows = connection.execute(query, {"constituencies": list(constituencies)}).all()
    return {name for row in rows for name in (row.had, row.has)}


def sum_hours(connection: sa.Connection, election: str) -> pd.DataFrame:
    """The sums of an election's hourly_stats by hour: input of `metrics.hourly.election_hours`."""
    columns = hourly_stats.columns
    sums = [
        sa.cast(sa.func.sum(columns[name]), columns[name].type).label(name)
        for name in (*NAMES, "bulletin_velocity", "vote_velocity", "outside_voting")
    ]
    query = (
        sa.select(
            columns.election_id,
            columns.hour,
            sa.func.count().label("constituencies_active"),
            *sums,
            sa.func.max(columns.last_transaction_at).label("last_transaction_at"),
        )
        .where(columns.election_id == election)
        .group_by(columns.election_id, columns.hour)
    )
    return read_frame(connection, query)


def hours_that_differ(connection: sa.Connection, election: str, rows: pd.DataFrame) -> list[datetime]:
    """Hours (start, UTC) whose row differs from the stored one in election_hours, or is missing on one side."""
    names = [column.name for column in election_hours.columns if column.name not in ("run_id", "computed_at")]
    stored = read_table(connection, election_hours, names, "election_id = %(election)s", election=election)
    now = to_frame(pa.Table.from_pandas(rows[names], schema=arrow_schema(election_hours, names), preserve_index=False))
    return list(pd.concat([stored, now]).drop_duplicates(keep=False)["hour"].drop_duplicates())


def read_members(connection: sa.Connection, election: str) -> pd.DataFrame:
    """An election's constituencies: constituency_id, reference_voters, reports_from (first hour with a ballot, UTC)."""
    query = sa.text(
        """
        SELECT constituency_id, reference_voters, (
            SELECT min(hour) FROM metrics.hourly_stats AS row
            WHERE row.constituency_id = place.constituency_id AND (bulletins_issued > 0 OR votes_cast > 0)
        ) AS reports_from
        FROM metrics.constituencies AS place WHERE election_id = :election
        """
    )
    return read_frame(connection, query, election=election)


def read_hours_of(
    connection: sa.Connection, constituencies: Sequence[str], first: datetime | None, last: datetime | None
) -> pd.DataFrame:
    """hourly_stats of these constituencies from the first to the last hour, inclusive; None: no limit."""
    query = sa.select(hourly_stats).where(hourly_stats.c.constituency_id.in_(constituencies))
    if first is not None:
        query = query.where(hourly_stats.c.hour >= first)
    if last is not None:
        query = query.where(hourly_stats.c.hour <= last)
    return read_frame(connection, query)


def read_metrics(connection: sa.Connection, election: str, period: str) -> pd.DataFrame:
    """constituency_metrics of an election and period."""
    return read_frame(
        connection,
        sa.select(constituency_metrics).where(
            constituency_metrics.c.election_id == election, constituency_metrics.c.period == period
        ),
    )


def read_deliveries(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Times covered by files, by constituency: constituency_id, starts_at, ends_at (UTC), by_interval.

    A file with an interval in its name covers that interval, in the time zone of its constituency: a row of a
    neighbouring hour does not make that hour delivered. Consecutive whole hours are one row. Any other file covers the
    time from its first to its last transaction. A table covers everything until it was last polled.
    """
    # Hourly files are contiguous: as ranges they are a hundredth of the rows.
    query = """
        WITH file AS (
            SELECT constituency_id, interval_start AT TIME ZONE time_zone AS starts_at,
                interval_end AT TIME ZONE time_zone AS ends_at, first_transaction_at, last_transaction_at
            FROM ingest.transaction_files JOIN metrics.constituencies USING (constituency_id)
            WHERE election_id = %(election)s AND status = 'landed'
        ), whole AS (
            SELECT constituency_id, unnest(range_agg(tstzrange(starts_at, ends_at))) AS span
            FROM file
            WHERE starts_at < ends_at AND extract(epoch FROM starts_at) %% 3600 = 0
                AND extract(epoch FROM ends_at) %% 3600 = 0
            GROUP BY constituency_id
        )
        SELECT constituency_id, lower(span), upper(span), true FROM whole
        UNION ALL
        SELECT DISTINCT constituency_id, starts_at, ends_at, true FROM file
        WHERE starts_at IS NOT NULL AND NOT coalesce(starts_at < ends_at AND extract(epoch FROM starts_at) %% 3600 = 0
            AND extract(epoch FROM ends_at) %% 3600 = 0, false)
        UNION ALL
        SELECT DISTINCT constituency_id, first_transaction_at, last_transaction_at, false FROM file
        WHERE starts_at IS NULL AND first_transaction_at IS NOT NULL
        UNION ALL
        SELECT constituency_id, least(date_trunc('hour', constituency.starts_at), to_timestamp(own.first_hour * 3600)),
            date_trunc('hour', read.read_at), true
        FROM ingest.table_constituencies AS own
        JOIN ingest.table_reads AS read USING (source)
        JOIN metrics.constituencies AS constituency USING (constituency_id)
        WHERE constituency.election_id = %(election)s
        """
    instant = pa.timestamp("us", tz="UTC")
    schema = pa.schema(
        {"constituency_id": pa.string(), "starts_at": instant, "ends_at": instant, "by_interval": pa.bool_()}
    )
    return to_frame(read_arrow(connection, query, schema, election=election))


def count_rejected(connection: sa.Connection, election: str) -> int:
    """Lines in quarantine from the election's current files, and rows from tables that hold its constituencies."""
    query = sa.text(
        """
        SELECT coalesce(sum(file.rejected), 0) FROM ingest.transaction_files AS file
        WHERE file.status = 'landed' AND (
            file.constituency_id IN (SELECT constituency_id FROM metrics.constituencies WHERE election_id = :election)
            OR file.rejected > 0 AND file.constituency_id IS NULL AND file.content_id IN (
                SELECT content.content_id FROM ingest.table_contents AS content
                JOIN ingest.table_constituencies USING (source)
                JOIN metrics.constituencies AS constituency USING (constituency_id)
                WHERE constituency.election_id = :election
            )
        )
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


def read_problems(connection: sa.Connection) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Unreadable files (path, reason), and the quarantine by reason (reason, lines, files, example)."""
    unreadable = sa.text(
        "SELECT rtrim(path || '/' || member, '/') AS path, reason FROM ingest.transaction_files "
        "WHERE status = 'unreadable' ORDER BY path LIMIT 100"
    )
    rejected = sa.text(
        "SELECT reason, count(*) AS lines, count(DISTINCT file) AS files, "
        "min(file || ', line ' || line_number) AS example "
        "FROM ingest.rejected_transactions GROUP BY reason ORDER BY count(*) DESC LIMIT 50"
    )
    return read_frame(connection, unreadable), read_frame(connection, rejected)


def count_problems(connection: sa.Connection, below: str) -> int:
    """Unreadable files below a path, and lines in quarantine from there."""
    query = sa.text(
        "SELECT (SELECT count(*) FROM ingest.transaction_files "
        "WHERE status = 'unreadable' AND starts_with(path, :below)) + "
        "(SELECT count(*) FROM ingest.rejected_transactions WHERE starts_with(file, :below))"
    )
    return int(connection.execute(query, {"below": below}).scalar_one())


def count_files_outside(connection: sa.Connection, below: str) -> int:
    """Files in the ledger that are not below a path."""
    query = sa.text("SELECT count(*) FROM ingest.transaction_files WHERE NOT starts_with(path, :below)")
    return int(connection.execute(query, {"below": below}).scalar_one())
