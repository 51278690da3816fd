"""Queries of elections, their regions and their hours."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from election_metrics.warehouse.due import input_due
from election_metrics.warehouse.rows import Hours, Row, naturally, read_rows
from election_metrics.warehouse.tables import (
    constituencies,
    election_hours,
    election_summaries,
    elections,
    missing_input,
    participation_extremes,
    reconciliations,
    region_summaries,
)


def elections_now(connection: sa.Connection, late_after: timedelta, election: str | None = None) -> list[Row]:
    """Elections with current status and summary, those that are voting first, then the newest; or one of them.

    Args:
        connection: in a transaction.
        late_after: how long after its end an hour's input may arrive without being overdue.
        election: only this election_id.
    """
    status = sa.case(
        (elections.c.ends_at <= sa.func.now(), "completed"),
        (elections.c.starts_at > sa.func.now(), "scheduled"),
        (elections.c.starts_at <= sa.func.now(), "active"),
    ).label("status")
    named = [
        elections.c.election_id,
        elections.c.name,
        elections.c.starts_at,
        elections.c.ends_at,
        elections.c.time_zone,
    ]
    figures = [column for column in election_summaries.columns if column.name != "election_id"]
    due = input_due(late_after)
    # Elections are grouped by their length in days begun, from the first opening to the last closing. Time zones add
    # up to ten hours to that, which is less than a day.
    length = sa.func.extract("epoch", elections.c.ends_at - elections.c.starts_at)
    voting_days = sa.cast(sa.func.ceil(length / 86400), sa.BigInteger).label("voting_days")
    query = (
        sa.select(*named, status, voting_days, *figures, due.c.hours_overdue, due.c.overdue_since, due.c.next_due_at)
        .join_from(elections, election_summaries, elections.c.election_id == election_summaries.c.election_id)
        .join(due, due.c.election_id == elections.c.election_id)
        .order_by(
            (status == "active").desc().nulls_last(),
            elections.c.starts_at.desc().nulls_last(),
            naturally(elections.c.name),
        )
    )
    if election is not None:
        query = query.where(elections.c.election_id == election)
    return read_rows(connection, query)


def has_election(connection: sa.Connection, election: str) -> bool:
    """Whether there is such an election, with figures."""
    query = sa.select(election_summaries.c.election_id).filter_by(election_id=election)
    return connection.execute(query).scalar() is not None


def regions_of(connection: sa.Connection, election: str) -> list[Row]:
    """Regions of an election, by name."""
    query = sa.select(region_summaries).filter_by(election_id=election).order_by(naturally(region_summaries.c.region))
    return read_rows(connection, query)


def extremes_of(connection: sa.Connection, election: str) -> list[Row]:
    """Constituencies with the highest and the lowest participation, with their names."""
    query = (
        sa.select(participation_extremes, constituencies.c.name, constituencies.c.region)
        .join(constituencies, constituencies.c.constituency_id == participation_extremes.c.constituency_id)
        .where(participation_extremes.c.election_id == election)
        .order_by(participation_extremes.c.side, participation_extremes.c.rank)
    )
    return read_rows(connection, query)


def reconciliation_of(connection: sa.Connection, election: str) -> Row | None:
    """The last time every hour of the election was counted again from the raw transactions."""
    return next(iter(read_rows(connection, sa.select(reconciliations).filter_by(election_id=election))), None)


def missing_of(connection: sa.Connection, election: str) -> list[Row]:
    """Hours of voting that no file covers, as ranges."""
    query = sa.select(missing_input).filter_by(election_id=election)
    return read_rows(connection, query.order_by(missing_input.c.missing_from, missing_input.c.constituency_id))


def hourly_of_election(connection: sa.Connection, election: str, hours: Hours) -> list[Row]:
    """Each hour of an election with transactions, in order: counts, participation, and running totals to its end."""
    query = sa.select(election_hours).filter_by(election_id=election).where(*hours.of(election_hours.c.hour))
    return read_rows(connection, query.order_by(election_hours.c.hour))


def newest_hours(connection: sa.Connection, election: str, before: datetime, limit: int) -> list[Row]:
    """Hours of an election that were over at a time, with its name and running totals, the newest first."""
    query = (
        sa.select(election_hours, elections.c.name, elections.c.time_zone)
        .join(elections, elections.c.election_id == election_hours.c.election_id)
        .where(election_hours.c.election_id == election, election_hours.c.hour <= before - timedelta(hours=1))
        .order_by(election_hours.c.hour.desc())
        .limit(limit)
    )
    return read_rows(connection, query)
