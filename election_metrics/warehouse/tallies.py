"""Published tallies, and whether they fit the accepted votes."""

import pandas as pd
import sqlalchemy as sa

from election_metrics.warehouse.replace import read_frame
from election_metrics.warehouse.rows import Row, read_rows

_TALLIES = sa.table(
    "published_tallies",
    *map(
        sa.column,
        ("election_id", "constituency_id", "question", "option", "name", "votes", "published_at", "transaction_id"),
    ),
    schema="metrics",
)
_CHECKS = sa.table(
    "tally_checks",
    *map(
        sa.column,
        ("election_id", "constituency_id", "question", "votes_cast", "tally_sum", "lowest_sum", "highest_sum", "status",
         "published_at", "transaction_id"),
    ),
    schema="metrics",
)  # fmt: skip


def read_wrong(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Tallies of an election that do not fit, or cannot be read: every column of `metrics.tally_checks`."""
    return read_frame(
        connection, sa.select(_CHECKS).where(_CHECKS.c.election_id == election, _CHECKS.c.status != "agrees")
    )


def tally_of(connection: sa.Connection, constituency: str) -> list[Row]:
    """The published tally of a constituency by question and option, each with the check of its question."""
    same = sa.and_(_CHECKS.c.constituency_id == _TALLIES.c.constituency_id, _CHECKS.c.question == _TALLIES.c.question)
    query = sa.select(_TALLIES, _CHECKS.c.votes_cast, _CHECKS.c.tally_sum, _CHECKS.c.status).join_from(
        _TALLIES, _CHECKS, same
    )
    query = query.where(_TALLIES.c.constituency_id == constituency)
    return read_rows(connection, query.order_by(_TALLIES.c.question, _TALLIES.c.option))
