"""Read endpoints of hours."""

from collections.abc import Sequence

import sqlalchemy as sa

from election_metrics.api.arguments import (
    ConstituencyId,
    Day,
    ElectionFilter,
    ElectionId,
    From,
    Latest,
    Limit,
    To,
    hours_between,
)
from election_metrics.api.endpoints import get, new_router
from election_metrics.api.models import Answer, ConstituencyHour, ElectionHour, NamedHour
from election_metrics.api.not_found import check_constituency, check_election, no_constituency
from election_metrics.api.rendering import Reply
from election_metrics.warehouse import constituency_queries, election_queries

router = new_router()


def _hours_of_constituencies(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Reply | Exception]:
    found = constituency_queries.hourly_of_constituencies(connection, ids)
    silent = [one for one, rows in found.items() if not rows]
    known = (
        {row["constituency_id"] for row in constituency_queries.constituencies_named(connection, silent)}
        if silent
        else set()
    )
    return {one: Reply(rows, rows) if rows or one in known else no_constituency(one) for one, rows in found.items()}


@get(
    router, "/hourly-stats/constituency/{constituency_id}", Answer[list[ConstituencyHour]], "hours",  # type: ignore[valid-type]
    many=_hours_of_constituencies,
)  # fmt: skip
def constituency_hours(
    connection: sa.Connection,
    constituency_id: ConstituencyId,
    first: From = None,
    to: To = None,
    day: Day = None,
    latest: Latest = False,
) -> Reply:
    """Hours of a constituency that have transactions."""
    found = constituency_queries.hourly_of_constituency(connection, constituency_id, hours_between(first, to, day))
    if not found:
        check_constituency(connection, constituency_id)  # is there one at all?
    return Reply(found[-1:], found[-1:]) if latest else Reply(found, found)


@get(router, "/hourly-stats/election/{election_id}", Answer[list[ElectionHour]], "hours")  # type: ignore[valid-type]
def election_hours(
    connection: sa.Connection,
    election_id: ElectionId,
    first: From = None,
    to: To = None,
    day: Day = None,
    latest: Latest = False,
) -> Reply:
    """Hours of an election: counts, participation, running totals."""
    found = election_queries.hourly_of_election(connection, election_id, hours_between(first, to, day))
    if not found:
        check_election(connection, election_id)
    return Reply(found[-1:], found[-1:]) if latest else Reply(found, found)


@get(router, "/hourly-stats/highest-anomaly-counts", Answer[list[NamedHour]], "hours")  # type: ignore[valid-type]
def highest_anomaly_counts(connection: sa.Connection, election: ElectionFilter = None, limit: Limit = 20) -> Reply:
    """Hours of constituencies with the most anomalous transactions."""
    found = constituency_queries.busiest_hours(connection, election, limit)
    return Reply(found, found)
