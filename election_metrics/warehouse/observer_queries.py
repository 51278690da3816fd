"""What the tables that observers exchange need of the warehouse."""

import pandas as pd
import sqlalchemy as sa

from election_metrics.warehouse.replace import read_frame

_CONTRACTS = """
    SELECT constituency.constituency_id AS contract_id, constituency.region, election.name AS election,
        constituency.name AS district
    FROM metrics.constituencies AS constituency
    JOIN metrics.elections AS election USING (election_id)
    ORDER BY constituency.constituency_id COLLATE "C"
"""
_RESULTS = """
    SELECT constituency_id, name, votes FROM metrics.published_tallies WHERE question = 1
    ORDER BY constituency_id COLLATE "C", option
"""


def contracts(connection: sa.Connection) -> pd.DataFrame:
    """Every contract of the registry: contract_id, region, election, district; names are None where not known."""
    frame = read_frame(connection, sa.text(_CONTRACTS)).astype(object)
    return frame.where(frame.notna(), None)


def results(connection: sa.Connection) -> pd.DataFrame:
    """The published tally of each contract's first question: constituency_id, name, votes, in the order of options."""
    frame = read_frame(connection, sa.text(_RESULTS)).astype(object)
    return frame.where(frame.notna(), None)


def sums(connection: sa.Connection) -> tuple[int, int]:
    """Bulletins and accepted votes of all hours that are computed."""
    query = (
        "SELECT coalesce(sum(bulletins_issued), 0)::bigint, coalesce(sum(votes_cast), 0)::bigint "
        "FROM metrics.hourly_stats"
    )
    bulletins, votes = connection.execute(sa.text(query)).one()
    return bulletins, votes
