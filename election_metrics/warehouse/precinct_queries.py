"""Queries of precincts: bulletins and register by the commission that the calls name."""

import sqlalchemy as sa

from election_metrics.warehouse.rows import Row, read_rows

COLUMNS = (
    "election_id", "constituency_id", "region_code", "precinct", "bulletins_issued", "registered_voters",
    "initial_voters", "added_voters", "restored_voters", "removed_voters", "issue_rate", "last_hour",
    "published_bulletins", "published_voters",
)  # fmt: skip
_PRECINCTS = sa.table("precinct_current", *map(sa.column, COLUMNS), schema="metrics")


def precincts_of(connection: sa.Connection, constituency: str) -> list[Row]:
    """The precincts of a constituency, by their numbers."""
    one = _PRECINCTS
    query = sa.select(one).where(one.c.constituency_id == constituency)
    return read_rows(connection, query.order_by(one.c.region_code, one.c.precinct))
