"""Queries of precincts: bulletins and register by the commission that the calls name."""

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from election_metrics.warehouse.replace import read_arrow
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


_TOTALS = """
    SELECT constituency_id, region_code, precinct, sum(bulletins_issued)::bigint AS bulletins_issued,
        sum(voters_listed)::bigint AS listed_voters, sum(voters_restored)::bigint AS restored_voters,
        sum(voters_removed)::bigint AS removed_voters, max(hour_number) AS last_hour,
        coalesce(max(hour_number) FILTER (WHERE voters_listed > 0), 0) AS listed_until,
        coalesce(min(hour_number) FILTER (WHERE bulletins_issued > 0), 0) AS issued_since,
        count(*) FILTER (WHERE bulletins_issued > 0) AS busy_hours
    FROM ingest.precinct_hours
    WHERE hour_number < %(present)s
        AND constituency_id IN (SELECT constituency_id FROM metrics.constituencies WHERE election_id = %(election)s)
    GROUP BY constituency_id, region_code, precinct
"""
_BUSY_HOURS = """
    SELECT constituency_id, region_code, precinct, hour_number, bulletins_issued, voters_removed, (
        SELECT sum(bulletins_issued) FROM ingest.precinct_hours AS every
        WHERE every.constituency_id = one.constituency_id AND every.hour_number = one.hour_number
    )::bigint AS of_hour
    FROM ingest.precinct_hours AS one
    WHERE hour_number < %(present)s AND (bulletins_issued >= 20 OR voters_removed >= 20)
        AND constituency_id IN (SELECT constituency_id FROM metrics.constituencies WHERE election_id = %(election)s)
"""


def read_precincts(connection: sa.Connection, election: str, present: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the rules look at, of hours before `present`: each precinct so far, and its busy hours."""
    key = ("region_code", "precinct")
    so_far = ("bulletins_issued", "listed_voters", "restored_voters", "removed_voters", "last_hour",
              "listed_until", "issued_since", "busy_hours")  # fmt: skip
    totals = _read(connection, _TOTALS, (*key, *so_far), election, present)
    return totals, _read(
        connection,
        _BUSY_HOURS,
        (*key, "hour_number", "bulletins_issued", "voters_removed", "of_hour"),
        election,
        present,
    )


def _read(connection: sa.Connection, query: str, numbers: Sequence[str], election: str, present: int) -> pd.DataFrame:
    schema = pa.schema([("constituency_id", pa.string()), *((name, pa.int64()) for name in numbers)])
    found: pd.DataFrame = read_arrow(connection, query, schema, election=election, present=present).to_pandas()
    return found
