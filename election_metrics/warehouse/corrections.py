"""What rows change in other hours: rollbacks, repeated votes, ids in conflict, and calls on the register."""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from election_metrics.warehouse.ledger import is_any_of
from election_metrics.warehouse.replace import copy_rows, read_frame
from election_metrics.warehouse.tables import (
    conflicting_rows,
    contract_statements,
    corrections,
    registry_events,
    transaction_files,
)

LAST_STANDS = "last_vote_stands"
"""Kind of a correction: a contract of which the last vote of a voter key counts; the first one counts elsewhere."""
_SUPERSEDED_CONTENTS = sa.except_(
    sa.select(transaction_files.c.content_id).where(
        transaction_files.c.status.in_(("superseded", "withdrawn")), transaction_files.c.content_id.is_not(None)
    ),
    sa.select(transaction_files.c.content_id).where(transaction_files.c.status == "landed"),
)


def add_corrections(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Adds new corrections (every column of the table)."""
    _insert_new(connection, corrections, rows)


def add_conflicts(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Adds rows of transaction ids in conflict (every column of the table)."""
    _insert_new(connection, conflicting_rows, rows)


def conflicting_ids(connection: sa.Connection, contents: Sequence[int]) -> set[str]:
    """Transaction ids in conflict with a row in these contents."""
    query = sa.select(conflicting_rows.c.transaction_id).where(is_any_of(conflicting_rows.c.content_id, contents))
    return set(connection.execute(query.distinct()).scalars())


def places_of_conflicts(connection: sa.Connection, transaction_ids: Sequence[str]) -> set[str]:
    """Constituencies (constituency_id) with a row of these ids, if the ids are in conflict."""
    query = sa.select(conflicting_rows.c.constituency_id).where(
        is_any_of(conflicting_rows.c.transaction_id, transaction_ids)
    )
    return set(connection.execute(query.distinct()).scalars())


def add_registry_events(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Adds calls that change the register or the state of voting."""
    _insert_new(connection, registry_events, rows)


def add_statements(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Adds what contracts say of their ballots and their votes."""
    _insert_new(connection, contract_statements, rows)


def _insert_new(connection: sa.Connection, table: sa.Table, rows: pd.DataFrame) -> None:
    """Inserts the rows that do not exist yet, by COPY into a temporary table."""
    if rows.empty:
        return
    twin = sa.Table(f"incoming_{table.name}", sa.MetaData(), *[sa.Column(c.name, c.type) for c in table.columns])
    connection.execute(sa.text(f"CREATE TEMP TABLE {twin.name} (LIKE {table.fullname})"))
    copy_rows(connection, twin, rows)
    names = [column.name for column in table.columns]
    connection.execute(insert(table).from_select(names, sa.select(twin)).on_conflict_do_nothing())
    connection.execute(sa.text(f"DROP TABLE {twin.name}"))


def rollback_ids(connection: sa.Connection, contents: Sequence[int] | None = None) -> list[str]:
    """Transaction ids withdrawn by rollbacks in current contents, or in these."""
    query = sa.select(corrections.c.transaction_id).where(corrections.c.kind == "rollback")
    if contents is None:
        query = query.where(corrections.c.content_id.not_in(_SUPERSEDED_CONTENTS))
    else:
        query = query.where(is_any_of(corrections.c.content_id, contents))
    return list(connection.execute(query.distinct()).scalars())


def hours_of_peers(connection: sa.Connection, contents: Sequence[int], transaction_ids: Sequence[str]) -> set[int]:
    """Hours of rows that may begin or cease to count because of these contents or transactions.

    These are the other votes of the same voter keys, and the other rows of the ids.
    """
    query = sa.text(
        """
        WITH touched AS (
            SELECT DISTINCT constituency_id, sender FROM ingest.corrections
            WHERE kind = 'repeated_vote' AND (content_id = ANY(:contents) OR transaction_id = ANY(:ids))
        )
        SELECT peer.occurred_ms / 3600000
        FROM ingest.corrections AS peer
        JOIN touched USING (constituency_id, sender)
        WHERE peer.kind = 'repeated_vote'
        UNION
        SELECT occurred_ms / 3600000 FROM ingest.conflicting_rows WHERE place = 1 AND transaction_id = ANY(:ids)
        """
    )
    parameters = {"contents": list(contents), "ids": list(transaction_ids)}
    return set(connection.execute(query, parameters).scalars())


def hours_of_policies(connection: sa.Connection, contents: Sequence[int], transaction_ids: Sequence[str]) -> set[int]:
    """Hours with several votes of a voter key, of constituencies of which these say that the last counts.

    These are calls in contents, and calls by their ids, which a rollback may withdraw.
    """
    policy, vote = corrections.alias(), corrections.alias()
    query = sa.select(vote.c.occurred_ms / 3_600_000).where(
        policy.c.kind == LAST_STANDS,
        is_any_of(policy.c.content_id, contents) | is_any_of(policy.c.transaction_id, transaction_ids),
        vote.c.kind == "repeated_vote", vote.c.constituency_id == policy.c.constituency_id,
    )  # fmt: skip
    return {int(hour) for hour in connection.execute(query.distinct()).scalars()}


def read_corrections(connection: sa.Connection) -> dict[str, pd.DataFrame]:
    """Corrections for conflicted hours: superseded, rollbacks, lost_rows, repeated_votes (see lake.hours)."""
    withdrawn = rollback_ids(connection)
    of_last = sa.select(corrections.c.constituency_id).where(
        corrections.c.kind == LAST_STANDS,
        corrections.c.content_id.not_in(_SUPERSEDED_CONTENTS),
        ~is_any_of(corrections.c.transaction_id, withdrawn),
    )
    votes = sa.select(
        corrections.c.constituency_id, corrections.c.sender, corrections.c.transaction_id,
        corrections.c.occurred_ms, corrections.c.content_id,
        corrections.c.constituency_id.in_(of_last).label("last_stands"),
    ).where(corrections.c.kind == "repeated_vote")  # fmt: skip
    return {
        "superseded": read_frame(connection, _SUPERSEDED_CONTENTS),
        "rollbacks": pd.DataFrame({"transaction_id": withdrawn}, dtype=object),
        "lost_rows": read_frame(connection, sa.text("SELECT transaction_id, content_id FROM ingest.lost_rows")),
        "repeated_votes": read_frame(connection, votes),
    }
