"""Queries of what changed and when it was known: commits, and corrections of figures that were shown."""

import sqlalchemy as sa

from election_metrics.warehouse.rows import Found, Page, read_page
from election_metrics.warehouse.tables import constituencies

_COMMITS = sa.table(
    "commits", *map(sa.column, ("commit_number", "committed_at", "run_id", "causes", "is_kept")), schema="history"
)
_LOG = sa.table(
    "corrections_log",
    *map(
        sa.column,
        (
            "election_id", "constituency_id", "hour", "known_from", "corrected_at", "bulletins_before",
            "bulletins_after", "votes_before", "votes_after", "causes", "run_id",
        ),
    ),
    schema="metrics",
)  # fmt: skip


def commits(connection: sa.Connection, page: Page) -> Found:
    """Commits as of which the tables can be asked for, newest first."""
    number = _COMMITS.c.commit_number
    shown = [_COMMITS.c[name] for name in ("commit_number", "committed_at", "run_id", "causes")]
    query = sa.select(sa.null().label("election_id"), *shown).where(_COMMITS.c.is_kept)
    return read_page(connection, query, number, sa.cast(number, sa.Text), True, page)


def corrections(connection: sa.Connection, election: str | None, constituency: str | None, page: Page) -> Found:
    """Bulletins and votes of hours that changed after they were shown, the newest correction first, with names."""
    key = sa.func.concat_ws(" ", _LOG.c.constituency_id, sa.func.extract("epoch", _LOG.c.hour))
    query = sa.select(_LOG, constituencies.c.name, constituencies.c.region).outerjoin_from(
        _LOG, constituencies, constituencies.c.constituency_id == _LOG.c.constituency_id
    )
    if election is not None:
        query = query.where(_LOG.c.election_id == election)
    if constituency is not None:
        query = query.where(_LOG.c.constituency_id == constituency)
    return read_page(connection, query, _LOG.c.corrected_at, key, True, page)
