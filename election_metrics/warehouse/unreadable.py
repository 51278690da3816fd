"""Input that cannot be read: lines, whole files, parts of files, rows of tables; and whose it is."""

import pandas as pd
import sqlalchemy as sa

from election_metrics.warehouse.replace import read_frame

IS_LOST = "(rejected > 0 AND rejected * 2 > lines)"
"""Of a file of the ledger: most of its lines cannot be read."""
CONTRACT_OF_FILE = (
    "coalesce(file.constituency_id, substring(coalesce(nullif(member, ''), path) FROM '([^/_.]+)[^/]*$'))"
)
"""Of a file of the ledger: its contract. Where it could not be read, that is in its name."""


def read_unread_files(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Files of an election that cannot be read at all: constituency_id, path (and member), reason; by path."""
    query = sa.text(
        "SELECT place.constituency_id, rtrim(path || '/' || member, '/') AS path, reason "  # noqa: S608 our own text
        "FROM ingest.transaction_files AS file "
        f"JOIN metrics.constituencies AS place ON place.constituency_id = {CONTRACT_OF_FILE} "
        "WHERE status = 'unreadable' AND gone_at IS NULL AND election_id = :election ORDER BY path, member"
    )
    return read_frame(connection, query, election=election)


def read_unread_parts(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Files that hold input of an election and parts that cannot be read, of no known constituency.

    Returns:
        path, parts, reason (of the first part, with its name); by path.
    """
    query = sa.text(
        f"""
        SELECT file.path, count(*) AS parts,
            (array_agg(concat_ws(': ', nullif(file.member, ''), file.reason) ORDER BY file.member))[1] AS reason
        FROM ingest.transaction_files AS file
        WHERE file.status = 'unreadable' AND file.gone_at IS NULL
            AND NOT EXISTS (SELECT FROM metrics.constituencies AS own WHERE own.constituency_id = {CONTRACT_OF_FILE})
            AND EXISTS (
                SELECT FROM ingest.transaction_files AS other
                JOIN metrics.constituencies USING (constituency_id)
                WHERE other.path = file.path AND other.status = 'landed' AND election_id = :election
            )
        GROUP BY file.path ORDER BY file.path
        """  # noqa: S608 our own text
    )
    return read_frame(connection, query, election=election)


def read_unreadable_rows(connection: sa.Connection, election: str, present: int) -> pd.DataFrame:
    """Tables with rows of an election, and rows that cannot be read, of which nobody knows whose they are.

    Returns:
        path (`table:` and the table's name), lines (rows landed), rejected (of those), window_start, window_end: hours
        since 1970 (UTC) of the rejected ones that have a time before the hour `present`; null if none has.
    """
    query = sa.text(
        """
        SELECT
            'table:' || content.source AS path, sum(file.lines)::bigint AS lines,
            sum(file.rejected)::bigint AS rejected,
            min(hour_number) FILTER (WHERE file.rejected > 0 AND hour_number BETWEEN 0 AND :last) AS window_start,
            max(hour_number) FILTER (WHERE file.rejected > 0 AND hour_number BETWEEN 0 AND :last) + 1 AS window_end
        FROM ingest.table_contents AS content
        JOIN ingest.transaction_files AS file ON file.content_id = content.content_id AND file.status = 'landed'
        WHERE content.source IN (
            SELECT place.source FROM ingest.table_constituencies AS place
            JOIN metrics.constituencies USING (constituency_id)
            WHERE election_id = :election
        )
        GROUP BY content.source HAVING sum(file.rejected) > 0 ORDER BY content.source
        """
    )
    return read_frame(connection, query, election=election, last=present - 1)


def read_lines(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Lines of the current files of the constituencies that have some that cannot be read.

    Returns:
        constituency_id, lines, rejected, files (with such lines), all_files, lost_files (most of whose lines cannot),
        path, path_lines, path_rejected (of the file with the most), starts_at, ends_at (UTC) of the times that the
        files with such lines cover, election_lines (of all files of the election).
    """
    return read_frame(
        connection,
        sa.text(
            f"""
            WITH torn AS (
                SELECT DISTINCT constituency_id
                FROM ingest.transaction_files JOIN metrics.constituencies USING (constituency_id)
                WHERE election_id = :election AND status = 'landed' AND gone_at IS NULL AND rejected > 0
            ), file AS (
                SELECT DISTINCT ON (constituency_id, content_id, interval_start)
                    constituency_id, lines, rejected, rtrim(path || '/' || member, '/') AS path,
                    coalesce(interval_start AT TIME ZONE time_zone, first_transaction_at) AS starts_at,
                    coalesce(interval_end AT TIME ZONE time_zone, last_transaction_at) AS ends_at
                FROM ingest.transaction_files
                JOIN torn USING (constituency_id)
                JOIN metrics.constituencies USING (constituency_id)
                WHERE status = 'landed' AND gone_at IS NULL
                ORDER BY constituency_id, content_id, interval_start, path, member
            ), worst AS (
                SELECT DISTINCT ON (constituency_id)
                    constituency_id, path, lines AS path_lines, rejected AS path_rejected
                FROM file WHERE rejected > 0 ORDER BY constituency_id, rejected DESC, path
            )
            SELECT
                constituency_id, sum(lines)::bigint AS lines, sum(rejected)::bigint AS rejected,
                count(*) FILTER (WHERE rejected > 0) AS files, count(*) AS all_files,
                count(*) FILTER (WHERE {IS_LOST}) AS lost_files, worst.path, path_lines, path_rejected,
                min(starts_at) FILTER (WHERE rejected > 0) AS starts_at,
                max(ends_at) FILTER (WHERE rejected > 0) AS ends_at,
                (
                    SELECT sum(every.lines)::bigint
                    FROM ingest.transaction_files AS every JOIN metrics.constituencies USING (constituency_id)
                    WHERE election_id = :election AND status = 'landed' AND gone_at IS NULL
                ) AS election_lines
            FROM file JOIN worst USING (constituency_id)
            GROUP BY constituency_id, worst.path, path_lines, path_rejected
            """  # noqa: S608 our own text
        ),
        election=election,
    )
