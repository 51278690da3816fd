"""Queries of constituencies, their hours and their periods."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from election_metrics.counts import NAMES
from election_metrics.warehouse.rows import (
    FIRST_PAGE,
    IDS,
    Found,
    Hours,
    Page,
    Row,
    by_constituency,
    naturally,
    read_page,
    read_rows,
)
from election_metrics.warehouse.tables import constituencies, constituency_metrics, hourly_stats, missing_input


def missing_of_constituencies(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Row]]:
    """Hours of voting that no file covers, as ranges, by constituency."""
    return by_constituency(ids, read_rows(connection, _MISSING_OF_CONSTITUENCIES, ids=list(ids)))


def hourly_of_constituency(connection: sa.Connection, constituency: str, hours: Hours) -> list[Row]:
    """Each hour of a constituency that has transactions, in order, with running totals to its end."""
    query = _HOURS_OF_CONSTITUENCIES.where(*hours.of(hourly_stats.c.hour))
    return read_rows(connection, query, ids=[constituency])


def hourly_of_constituencies(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Row]]:
    """Every hour of these constituencies that has transactions, in order, by constituency."""
    return by_constituency(ids, read_rows(connection, _HOURS_OF_CONSTITUENCIES, ids=list(ids)))


# The most frequent queries are built once: SQLAlchemy takes longer to build them than PostgreSQL to answer them.
_MISSING_OF_CONSTITUENCIES = (
    sa.select(missing_input)
    .where(missing_input.c.constituency_id == sa.any_(IDS))
    .order_by(missing_input.c.missing_from)
)

RUNNING = (
    "running_bulletins",
    "running_votes",
    "running_participation_rate",
    "running_issue_rate",
    "running_gap_rate",
)
_HOURS_OF_CONSTITUENCIES = (
    sa.select(hourly_stats, *[constituency_metrics.c[name] for name in RUNNING])
    .join(
        constituency_metrics,
        sa.and_(
            constituency_metrics.c.constituency_id == hourly_stats.c.constituency_id,
            constituency_metrics.c.period == "hour",
            constituency_metrics.c.period_start == hourly_stats.c.hour,
        ),
    )
    .where(hourly_stats.c.constituency_id == sa.any_(IDS))
    .order_by(hourly_stats.c.hour)
)


def busiest_hours(connection: sa.Connection, election: str | None, limit: int) -> list[Row]:
    """Hours of constituencies with the most anomalous transactions, most first."""
    query = (
        sa.select(hourly_stats, constituencies.c.name, constituencies.c.region)
        .join(constituencies, constituencies.c.constituency_id == hourly_stats.c.constituency_id)
        .where(hourly_stats.c.anomaly_count > 0)
        .order_by(hourly_stats.c.anomaly_count.desc(), hourly_stats.c.hour.desc(), hourly_stats.c.constituency_id)
        .limit(limit)
    )
    return read_rows(connection, query if election is None else query.where(hourly_stats.c.election_id == election))


_STANDING = constituency_metrics.alias("standing")
# The figures of a constituency's row, beside its columns of the registry; NULL if it is silent.
_FIGURES = [
    _STANDING.c[name]
    for name in (
        *NAMES, "participation_rate", "issue_rate", "gap", "gap_rate", "anomaly_score", "peak_hour", "peak_votes",
        "bulletin_trend", "vote_trend", "first_transaction_at", "last_transaction_at", "run_id", "computed_at",
    )
]  # fmt: skip
_PLACE = [
    constituencies.c[name]
    for name in (
        "constituency_id", "election_id", "name", "region_code", "region", "time_zone",
        "registered_voters", "starts_at", "ends_at",
    )
]  # fmt: skip
_ZONE_NOTE = sa.case((constituencies.c.is_zone_assumed, "assumed")).label("time_zone_note")
SORTABLE = ("name", "region", "registered_voters", "bulletins_issued", "votes_cast", "participation_rate", "issue_rate",
            "gap_rate", "anomaly_score", "last_transaction_at")  # fmt: skip


def _standing() -> sa.Select[Any]:
    joined = sa.and_(_STANDING.c.constituency_id == constituencies.c.constituency_id, _STANDING.c.period == "election")
    return sa.select(*_PLACE, _ZONE_NOTE, *_FIGURES).outerjoin_from(constituencies, _STANDING, joined)


_THESE_CONSTITUENCIES = _standing().where(constituencies.c.constituency_id == sa.any_(IDS))


def constituencies_named(connection: sa.Connection, ids: Sequence[str]) -> list[Row]:
    """These constituencies with their totals, in the order asked for; unknown ids are left out."""
    found = read_rows(connection, _THESE_CONSTITUENCIES, ids=list(ids))
    place = {constituency: number for number, constituency in enumerate(ids)}
    return sorted(found, key=lambda row: place[row["constituency_id"]])


def search_constituencies(
    connection: sa.Connection,
    *,
    election: str | None = None,
    region: str | None = None,
    text: str | None = None,
    reporting: bool | None = None,
    sort: str = "name",
    descending: bool = False,
    page: Page = FIRST_PAGE,
) -> Found:
    """Constituencies with their totals, a page of them; silent ones have NULL figures.

    Args:
        connection: in a transaction.
        election: only of this election_id.
        region: only of this region.
        text: only if name, region or id contain it, ignoring case.
        reporting: only those with (or without) a bulletin or vote.
        sort: one of SORTABLE; rows without a value come last, equal ones by id.
        descending: the highest first.
        page: the page to return.
    """
    query = _standing()
    if election is not None:
        query = query.where(constituencies.c.election_id == election)
    if region is not None:
        query = query.where(sa.func.coalesce(constituencies.c.region, "") == region)
    if text:
        searched = [constituencies.c.name, constituencies.c.region, constituencies.c.constituency_id]
        query = query.where(sa.or_(*[column.icontains(text, autoescape=True) for column in searched]))
    if reporting is not None:
        active = sa.func.coalesce(_STANDING.c.bulletins_issued + _STANDING.c.votes_cast, 0) > 0
        query = query.where(active if reporting else sa.not_(active))
    place = {column.name: column for column in (*_PLACE, *_FIGURES)}
    order = naturally if sort in ("name", "region") else None
    return read_page(connection, query, place[sort], constituencies.c.constituency_id, descending, page, order)


def hours_of_constituencies(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Row]]:
    """hour, bulletins_issued and votes_cast of each hour of these constituencies, for sparklines."""
    columns = [hourly_stats.c[name] for name in ("constituency_id", "hour", "bulletins_issued", "votes_cast")]
    found: dict[str, list[Row]] = {constituency: [] for constituency in ids}
    query = sa.select(*columns).where(hourly_stats.c.constituency_id.in_(ids)).order_by(hourly_stats.c.hour)
    for row in read_rows(connection, query):
        found[row.pop("constituency_id")].append(row)
    return found


def periods_of_constituency(connection: sa.Connection, constituency: str, period: str, hours: Hours) -> list[Row]:
    """A constituency by hour, day, week, month or election, in order; `hours` limits the starts of periods."""
    query = sa.select(constituency_metrics).where(
        constituency_metrics.c.constituency_id == constituency,
        constituency_metrics.c.period == period,
        *hours.of(constituency_metrics.c.period_start),
    )
    return read_rows(connection, query.order_by(constituency_metrics.c.period_start))


def elections_of_constituencies(connection: sa.Connection) -> dict[str, str]:
    """election_id by constituency_id."""
    query = sa.select(constituencies.c.constituency_id, constituencies.c.election_id)
    return {constituency: election for constituency, election in connection.execute(query)}
