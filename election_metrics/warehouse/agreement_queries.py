"""Queries of the second count: what the portal published beside what is counted here."""

import sqlalchemy as sa

from election_metrics.warehouse.rows import Row, naturally, read_rows
from election_metrics.warehouse.tables import constituencies

_MOST = 1_000
_COUNTS = (
    "counted_bulletins", "published_bulletins", "counted_votes", "published_votes",
)  # fmt: skip
_SUMMARY = sa.table(
    "portal_agreement_summary",
    *map(
        sa.column,
        (
            "election_id", "level", "region", "constituency_id", "status", "hours_agreeing", "hours_differing",
            "hours_not_compared", "constituencies_differing", "constituencies_not_there", *_COUNTS, "differs_from",
            "differs_until", "compared_until",
        ),
    ),
    schema="metrics",
)  # fmt: skip
_HOURS = sa.table(
    "portal_agreement",
    *map(
        sa.column,
        ("election_id", "region", "constituency_id", "hour", "label", "status", *_COUNTS, "is_delivered",
         "published_since"),
    ),
    schema="metrics",
)  # fmt: skip


def agreement(connection: sa.Connection, election: str, most: int) -> list[Row]:
    """The election, its regions, and at most so many constituencies that differ; the largest differences first."""
    one, name = _SUMMARY, constituencies.c.name
    votes = sa.func.abs(one.c.counted_votes - one.c.published_votes)
    difference = votes + sa.func.abs(one.c.counted_bulletins - one.c.published_bulletins)
    query = sa.select(one, name).outerjoin_from(
        one, constituencies, constituencies.c.constituency_id == one.c.constituency_id
    )
    query = query.where(one.c.election_id == election)
    query = query.where(sa.or_(one.c.level != "constituency", one.c.status == "differs"))
    place = sa.case((one.c.level == "election", 0), (one.c.level == "region", 1), else_=2)
    largest = sa.case((one.c.level == "constituency", difference))
    rows = read_rows(
        connection, query.order_by(place, largest.desc(), naturally(one.c.region), one.c.constituency_id).limit(_MOST)
    )
    wide = [row for row in rows if row["level"] != "constituency"]
    return rows[: len(wide) + most]


_KINDS = sa.table(
    "election_kinds",
    *map(
        sa.column,
        ("election_id", "kind", "constituencies", "registered_voters", "bulletins_issued", "votes_cast",
         "participation_rate"),
    ),
    schema="metrics",
)  # fmt: skip


def kinds(connection: sa.Connection, election: str) -> list[Row]:
    """The election by kind of ballot; a single row where there is one kind, or none is known."""
    return read_rows(connection, sa.select(_KINDS).where(_KINDS.c.election_id == election).order_by(_KINDS.c.kind))


def agreement_hours(connection: sa.Connection, constituency: str) -> list[Row]:
    """Every hour of a constituency that either side has."""
    one = _HOURS
    arrived = sa.case((one.c.is_delivered, "arrived"), else_="missing").label("input")
    shown = [column for column in one.columns if column.name != "is_delivered"]
    query = sa.select(*shown, arrived).where(one.c.constituency_id == constituency)
    return read_rows(connection, query.order_by(one.c.hour, one.c.label))
