"""Verdicts: ballots that a verifier found invalid, and where they count."""

from collections.abc import Mapping
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from election_metrics.warehouse.replace import copy_rows, read_frame, replace_scope
from election_metrics.warehouse.rows import Row, read_rows
from election_metrics.warehouse.tables import verdict_lists, verdict_rows


def read_ids(connection: sa.Connection, but: str | None = None) -> pd.DataFrame:
    """transaction_id of every verdict, but those of one verifier."""
    query = sa.select(verdict_lists.c.transaction_id).distinct()
    return read_frame(connection, query if but is None else query.where(verdict_lists.c.verifier != but))


def replace_list(connection: sa.Connection, verifier: str, reasons: Mapping[str, str], now: datetime) -> None:
    """Makes these the verdicts of a verifier: the reason by transaction id."""
    connection.execute(sa.delete(verdict_lists).where(verdict_lists.c.verifier == verifier))
    rows = pd.DataFrame({"transaction_id": list(reasons), "reason": list(reasons.values())}, dtype="str")
    copy_rows(connection, verdict_lists, rows.assign(verifier=verifier, recorded_at=now))


def replace_rows(connection: sa.Connection, rows: pd.DataFrame) -> list[str]:
    """Replaces where the ballots of all verdicts count: every column of `verdict_rows`.

    Returns:
        The constituencies of which something changed, or may have: those with such a ballot before or now.
    """
    before = connection.execute(sa.select(verdict_rows.c.constituency_id).distinct()).scalars()
    touched = {*before, *rows["constituency_id"]}
    replace_scope(connection, verdict_rows, sa.true(), rows)
    return sorted(touched)


def read_found_invalid(connection: sa.Connection, election: str, present: int) -> pd.DataFrame:
    """Votes that count and were found invalid, in hours before `present`.

    Returns:
        constituency_id, verifier, reason, votes, first_hour, last_hour (hours since 1970, UTC); for a vote with several
        verdicts, the one of the first verifier by name.
    """
    query = sa.text(
        """
        SELECT constituency_id, verifier, reason, sum(votes)::bigint AS votes,
            min(hour_number) AS first_hour, max(hour_number) AS last_hour
        FROM (
            SELECT DISTINCT ON (ballot.transaction_id) ballot.*, verifier, reason
            FROM ingest.verdict_rows AS ballot
            JOIN ingest.verdict_lists USING (transaction_id)
            JOIN metrics.constituencies USING (constituency_id)
            WHERE counts_as = 'vote_cast' AND election_id = :election AND hour_number < :present
            ORDER BY ballot.transaction_id, verifier
        ) AS found
        GROUP BY constituency_id, verifier, reason
        ORDER BY constituency_id, votes DESC, reason
        """
    )
    return read_frame(connection, query, election=election, present=present)


_SAID = """
    WITH said AS (
        SELECT
            {election} AS election_id, verifier, reason,
            coalesce(sum(votes_found_invalid), 0)::bigint AS votes_found_invalid,
            count(*) FILTER (WHERE counts_as <> 'vote_cast') AS not_counted,
            count(*) FILTER (WHERE counts_as IS NULL) AS unknown_here
        FROM metrics.verdicts
        WHERE {whose}
        GROUP BY verifier, reason
    ), placed AS (
        SELECT *, row_number() OVER (
            PARTITION BY verifier ORDER BY votes_found_invalid DESC, unknown_here DESC, reason
        ) <= 20 AS is_frequent
        FROM said
    )
    SELECT
        max(election_id) AS election_id, verifier, CASE WHEN is_frequent THEN reason ELSE 'other reasons' END AS reason,
        sum(votes_found_invalid)::bigint AS votes_found_invalid, sum(not_counted)::bigint AS not_counted,
        sum(unknown_here)::bigint AS unknown_here
    FROM placed
    GROUP BY verifier, is_frequent, CASE WHEN is_frequent THEN reason ELSE 'other reasons' END
    ORDER BY verifier, is_frequent DESC, votes_found_invalid DESC, reason
"""
"""The 20 most frequent reasons of each verifier; the others are one row. metrics.verdicts has every verdict."""


def verdicts_of_election(connection: sa.Connection, election: str) -> list[Row]:
    """Verdicts by verifier and reason: those on ballots of the election, and those on ids that are not known here."""
    whose = "election_id = :election OR constituency_id IS NULL"
    query = sa.text(_SAID.format(election="CAST(:election AS text)", whose=whose))
    return read_rows(connection, query, election=election)


def verdicts_of_constituency(connection: sa.Connection, constituency: str) -> list[Row]:
    """Verdicts on ballots of a constituency, by verifier and reason."""
    query = sa.text(_SAID.format(election="max(election_id)", whose="constituency_id = :constituency"))
    return read_rows(connection, query, constituency=constituency)


def read_lists(connection: sa.Connection) -> pd.DataFrame:
    """Every verifier's list: verifier, verdicts, votes_found_invalid, not_counted, unknown_here, recorded_at (UTC).

    not_counted: ids of transactions that are no vote that counts here; unknown_here: ids of no transaction here.
    """
    query = sa.text(
        """
        SELECT
            verifier, count(*) AS verdicts, sum(votes_found_invalid)::bigint AS votes_found_invalid,
            count(*) FILTER (WHERE counts_as <> 'vote_cast') AS not_counted,
            count(*) FILTER (WHERE counts_as IS NULL) AS unknown_here, max(recorded_at) AS recorded_at
        FROM metrics.verdicts GROUP BY verifier ORDER BY verifier
        """
    )
    return read_frame(connection, query)
