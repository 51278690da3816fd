"""Queries of the API: named functions, rows as dictionaries.

Each takes a connection in a transaction. Instants are UTC, rates are percent, unknown is None. The columns are
documented in `tables.py`. Nothing here writes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from election_metrics.counts import NAMES
from election_metrics.warehouse.due import input_due
from election_metrics.warehouse.tables import (
    anomalies,
    anomaly_thresholds,
    audit_log,
    constituencies,
    constituency_metrics,
    constituency_reference,
    election_hours,
    election_reference,
    election_summaries,
    elections,
    hourly_stats,
    missing_input,
    participation_extremes,
    reconciliations,
    region_summaries,
    rejected_transactions,
    table_constituencies,
    table_contents,
    transaction_files,
)

Row = dict[str, Any]

_WORST_FIRST = sa.func.array_position(sa.cast(["critical", "warning", "info"], sa.ARRAY(sa.Text)), anomalies.c.severity)


@dataclass(frozen=True)
class Hours:
    """A range of hours: from the start of `first` to the end of `last` (UTC, inclusive); None: no limit."""

    first: datetime | None = None
    last: datetime | None = None

    def of(self, column: ColumnElement[datetime]) -> list[ColumnElement[bool]]:
        """The conditions on a column that holds the start of an hour."""
        conditions = [] if self.first is None else [column >= self.first]
        return conditions if self.last is None else [*conditions, column <= self.last]


@dataclass(frozen=True)
class Page:
    """A page of a sorted list: `limit` rows after the last row of the previous page."""

    limit: int = 100
    after: tuple[Any, str] | None = None
    """Value and key of that row."""


@dataclass(frozen=True)
class Found:
    """A page of rows."""

    rows: list[Row]
    after: tuple[Any, str] | None
    """Start of the next page (`Page.after`); None: this was the last one."""


def naturally(name: ColumnElement[str]) -> ColumnElement[str]:
    """Sort key of names: numbers in them as numbers, №2 before №10, in the same order on every server."""
    return sa.func.metrics.natural_order(name, type_=sa.Text)


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
    return _rows(connection, query)


def has_election(connection: sa.Connection, election: str) -> bool:
    """Whether there is such an election, with figures."""
    query = sa.select(election_summaries.c.election_id).filter_by(election_id=election)
    return connection.execute(query).scalar() is not None


def regions_of(connection: sa.Connection, election: str) -> list[Row]:
    """Regions of an election, by name."""
    query = sa.select(region_summaries).filter_by(election_id=election).order_by(naturally(region_summaries.c.region))
    return _rows(connection, query)


def extremes_of(connection: sa.Connection, election: str) -> list[Row]:
    """Constituencies with the highest and the lowest participation, with their names."""
    query = (
        sa.select(participation_extremes, constituencies.c.name, constituencies.c.region)
        .join(constituencies, constituencies.c.constituency_id == participation_extremes.c.constituency_id)
        .where(participation_extremes.c.election_id == election)
        .order_by(participation_extremes.c.side, participation_extremes.c.rank)
    )
    return _rows(connection, query)


def reconciliation_of(connection: sa.Connection, election: str) -> Row | None:
    """The last time every hour of the election was counted again from the raw transactions."""
    return next(iter(_rows(connection, sa.select(reconciliations).filter_by(election_id=election))), None)


def missing_of(connection: sa.Connection, election: str) -> list[Row]:
    """Hours of voting that no file covers, as ranges."""
    query = sa.select(missing_input).filter_by(election_id=election)
    return _rows(connection, query.order_by(missing_input.c.missing_from, missing_input.c.constituency_id))


def missing_of_constituencies(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Row]]:
    """Hours of voting that no file covers, as ranges, by constituency."""
    return _grouped(ids, _rows(connection, _MISSING_OF_CONSTITUENCIES, ids=list(ids)))


def hourly_of_constituency(connection: sa.Connection, constituency: str, hours: Hours) -> list[Row]:
    """Each hour of a constituency that has transactions, in order, with running totals to its end."""
    query = _HOURS_OF_CONSTITUENCIES.where(*hours.of(hourly_stats.c.hour))
    return _rows(connection, query, ids=[constituency])


def hourly_of_constituencies(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Row]]:
    """Every hour of these constituencies that has transactions, in order, by constituency."""
    return _grouped(ids, _rows(connection, _HOURS_OF_CONSTITUENCIES, ids=list(ids)))


def _grouped(ids: Sequence[str], rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {constituency: [] for constituency in ids}
    for row in rows:
        found[row["constituency_id"]].append(row)
    return found


# The most frequent queries are built once: SQLAlchemy takes longer to build them than PostgreSQL to answer them.
_IDS = sa.bindparam("ids", type_=sa.ARRAY(sa.Text))
_MISSING_OF_CONSTITUENCIES = (
    sa.select(missing_input)
    .where(missing_input.c.constituency_id == sa.any_(_IDS))
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
    .where(hourly_stats.c.constituency_id == sa.any_(_IDS))
    .order_by(hourly_stats.c.hour)
)


def hourly_of_election(connection: sa.Connection, election: str, hours: Hours) -> list[Row]:
    """Each hour of an election with transactions, in order: counts, participation, and running totals to its end."""
    query = sa.select(election_hours).filter_by(election_id=election).where(*hours.of(election_hours.c.hour))
    return _rows(connection, query.order_by(election_hours.c.hour))


def busiest_hours(connection: sa.Connection, election: str | None, limit: int) -> list[Row]:
    """Hours of constituencies with the most anomalous transactions, most first."""
    query = (
        sa.select(hourly_stats, constituencies.c.name, constituencies.c.region)
        .join(constituencies, constituencies.c.constituency_id == hourly_stats.c.constituency_id)
        .where(hourly_stats.c.anomaly_count > 0)
        .order_by(hourly_stats.c.anomaly_count.desc(), hourly_stats.c.hour.desc(), hourly_stats.c.constituency_id)
        .limit(limit)
    )
    return _rows(connection, query if election is None else query.where(hourly_stats.c.election_id == election))


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
        "constituency_id", "election_id", "name", "region_code", "region", "time_zone", "registered_voters",
        "starts_at", "ends_at",
    )
]  # fmt: skip
SORTABLE = ("name", "region", "registered_voters", "bulletins_issued", "votes_cast", "participation_rate", "issue_rate",
            "gap_rate", "anomaly_score", "last_transaction_at")  # fmt: skip


def _standing() -> sa.Select[Any]:
    joined = sa.and_(_STANDING.c.constituency_id == constituencies.c.constituency_id, _STANDING.c.period == "election")
    return sa.select(*_PLACE, *_FIGURES).outerjoin_from(constituencies, _STANDING, joined)


_THESE_CONSTITUENCIES = _standing().where(constituencies.c.constituency_id == sa.any_(_IDS))


def constituencies_named(connection: sa.Connection, ids: Sequence[str]) -> list[Row]:
    """These constituencies with their totals, in the order asked for; unknown ids are left out."""
    found = _rows(connection, _THESE_CONSTITUENCIES, ids=list(ids))
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
    page: Page = Page(),
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
    return _found(connection, query, place[sort], constituencies.c.constituency_id, descending, page, order)


def hours_of_constituencies(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Row]]:
    """hour, bulletins_issued and votes_cast of each hour of these constituencies, for sparklines."""
    columns = [hourly_stats.c[name] for name in ("constituency_id", "hour", "bulletins_issued", "votes_cast")]
    found: dict[str, list[Row]] = {constituency: [] for constituency in ids}
    query = sa.select(*columns).where(hourly_stats.c.constituency_id.in_(ids)).order_by(hourly_stats.c.hour)
    for row in _rows(connection, query):
        found[row.pop("constituency_id")].append(row)
    return found


def periods_of_constituency(connection: sa.Connection, constituency: str, period: str, hours: Hours) -> list[Row]:
    """A constituency by hour, day, week, month or election, in order; `hours` limits the starts of periods."""
    query = sa.select(constituency_metrics).where(
        constituency_metrics.c.constituency_id == constituency,
        constituency_metrics.c.period == period,
        *hours.of(constituency_metrics.c.period_start),
    )
    return _rows(connection, query.order_by(constituency_metrics.c.period_start))


_FINDINGS = (
    sa.select(anomalies, elections.c.name.label("election"), constituencies.c.name.label("constituency"))
    .outerjoin_from(anomalies, elections, elections.c.election_id == anomalies.c.election_id)
    .outerjoin(constituencies, constituencies.c.constituency_id == anomalies.c.constituency_id)
)
_UNRESOLVED_OF_CONSTITUENCIES = _FINDINGS.where(
    anomalies.c.constituency_id == sa.any_(_IDS), anomalies.c.state != "resolved"
).order_by(_WORST_FIRST, anomalies.c.anomaly_id)


def unresolved_of_constituencies(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Row]]:
    """Findings that are open or acknowledged, worst first, by constituency."""
    return _grouped(ids, _rows(connection, _UNRESOLVED_OF_CONSTITUENCIES, ids=list(ids)))


def findings(
    connection: sa.Connection,
    *,
    election: str | None = None,
    constituency: str | None = None,
    rule: str | None = None,
    severity: str | None = None,
    state: str | None = None,
    page: Page = Page(),
) -> Found:
    """Findings with the names of their places: worst first, then by id. `state` unresolved: open or acknowledged."""
    query = _FINDINGS
    wanted = {"election_id": election, "constituency_id": constituency, "rule": rule, "severity": severity}
    for column, value in wanted.items():
        if value is not None:
            query = query.where(anomalies.c[column] == value)
    if state == "unresolved":
        query = query.where(anomalies.c.state != "resolved")
    elif state is not None:
        query = query.where(anomalies.c.state == state)
    return _found(connection, query, _WORST_FIRST, anomalies.c.anomaly_id, False, page)


def finding(connection: sa.Connection, anomaly_id: str) -> Row | None:
    """One finding, with the names of its place."""
    return next(iter(_rows(connection, _FINDINGS.where(anomalies.c.anomaly_id == anomaly_id))), None)


def thresholds(connection: sa.Connection, election: str | None) -> list[Row]:
    """Thresholds that differ from the defaults, of all elections or one."""
    query = sa.select(anomaly_thresholds).order_by(*anomaly_thresholds.primary_key.columns)
    return _rows(connection, query if election is None else query.filter_by(election_id=election))


def constituency_references(connection: sa.Connection, page: Page) -> Found:
    """Overrides of constituencies, by id, with the election that each votes in."""
    key = constituency_reference.c.constituency_id
    query = sa.select(constituencies.c.election_id, constituency_reference).outerjoin_from(
        constituency_reference, constituencies, constituencies.c.constituency_id == key
    )
    return _found(connection, query, key, key, False, page)


def election_references(connection: sa.Connection) -> list[Row]:
    """Overrides of elections, by id."""
    return _rows(connection, sa.select(election_reference).order_by(election_reference.c.election_id))


def audit(connection: sa.Connection, page: Page) -> Found:
    """Entries of the audit log, newest first, with their election, if any."""
    entry = audit_log.c.entry_id

    def key(name: str) -> ColumnElement[str]:
        return sa.func.coalesce(audit_log.c.after[name].astext, audit_log.c.before[name].astext)

    place = constituencies.c.constituency_id == key("constituency_id")
    of_place = sa.select(constituencies.c.election_id).where(place)
    election = sa.func.coalesce(key("election_id"), of_place.scalar_subquery()).label("election_id")
    return _found(connection, sa.select(audit_log, election), entry, sa.cast(entry, sa.Text), True, page)


def quarantine(connection: sa.Connection, text: str | None, page: Page) -> Found:
    """Lines that could not be read, by file and line; `text`: only of files whose path contains it."""
    key = sa.func.format("%s:%s", rejected_transactions.c.content_id, rejected_transactions.c.line_number)
    of_file = (
        sa.select(constituencies.c.election_id)
        .join(transaction_files, transaction_files.c.constituency_id == constituencies.c.constituency_id)
        .where(
            transaction_files.c.content_id == rejected_transactions.c.content_id,
            transaction_files.c.status == "landed",
        )
        .limit(1)
    )
    query = sa.select(of_file.scalar_subquery().label("election_id"), rejected_transactions)
    if text:
        query = query.where(rejected_transactions.c.file.icontains(text, autoescape=True))
    return _found(connection, query, rejected_transactions.c.file, key, False, page)


def sources_of(connection: sa.Connection, constituency: str, hours: Hours) -> list[Row]:
    """Current files of a constituency with transactions in these hours: the sources of its figures.

    Contents of a table may hold rows of all its constituencies.
    """
    tables = (
        sa.select(table_contents.c.content_id)
        .join(table_constituencies, table_constituencies.c.source == table_contents.c.source)
        .where(table_constituencies.c.constituency_id == constituency)
    )
    election = sa.select(constituencies.c.election_id).where(constituencies.c.constituency_id == constituency)
    query = sa.select(election.scalar_subquery().label("election_id"), transaction_files).where(
        (transaction_files.c.constituency_id == constituency) | transaction_files.c.content_id.in_(tables),
        transaction_files.c.status == "landed",
    )
    if hours.first is not None:
        query = query.where(transaction_files.c.last_transaction_at >= hours.first)
    if hours.last is not None:
        query = query.where(transaction_files.c.first_transaction_at < hours.last + timedelta(hours=1))
    return _rows(connection, query.order_by(transaction_files.c.first_transaction_at, transaction_files.c.file_id))


def elections_of_constituencies(connection: sa.Connection) -> dict[str, str]:
    """election_id by constituency_id."""
    query = sa.select(constituencies.c.constituency_id, constituencies.c.election_id)
    return {constituency: election for constituency, election in connection.execute(query)}


def _rows(connection: sa.Connection, query: sa.Select[Any], **parameters: Any) -> list[Row]:
    result = connection.execute(query, parameters)
    names = list(map(str, result.keys()))  # SQLAlchemy returns a subclass of str
    return [dict(zip(names, row, strict=True)) for row in result]


def _found(
    connection: sa.Connection,
    query: sa.Select[Any],
    value: ColumnElement[Any],
    key: ColumnElement[str],
    descending: bool,
    page: Page,
    order: Callable[[ColumnElement[Any]], ColumnElement[Any]] | None = None,
) -> Found:
    """A page of rows sorted by value, then key, rows without a value last.

    Keyset pagination, not offset: rows that appear or disappear meanwhile neither repeat nor hide others. `order` is
    the sort key of a value, if it is not the value itself.
    """
    placed = value if order is None else order(value)
    query = query.add_columns(value.label("page_value"), key.label("page_key"))
    query = query.order_by((placed.desc() if descending else placed.asc()).nulls_last(), key).limit(page.limit + 1)
    if page.after is not None:
        last, last_key = page.after
        if last is None:
            query = query.where(value.is_(None), key > last_key)
        else:
            end = last if order is None else order(sa.literal(last, sa.Text))
            beyond = placed < end if descending else placed > end
            query = query.where(sa.or_(beyond, value.is_(None), sa.and_(placed == end, key > last_key)))
    rows = _rows(connection, query)
    ends = [(row.pop("page_value"), row.pop("page_key")) for row in rows]
    return Found(rows[: page.limit], ends[page.limit - 1] if len(rows) > page.limit else None)
