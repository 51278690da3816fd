"""Read endpoints of constituencies."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import HTTPException, Query

from election_metrics.api.arguments import (
    ConstituencyId,
    Cursor,
    ElectionFilter,
    ElectionId,
    From,
    Limit,
    Text,
    To,
    hours_between,
    page_of,
    paged,
)
from election_metrics.api.endpoints import get, new_router
from election_metrics.api.models import (
    Answer,
    Compared,
    Constituency,
    ConstituencyDetail,
    ListedConstituency,
    PageOf,
    Period,
    Precinct,
    columns_of,
)
from election_metrics.api.not_found import check_constituency, check_election, no_constituency
from election_metrics.api.rendering import Reply
from election_metrics.warehouse import constituency_queries, finding_queries, precinct_queries
from election_metrics.warehouse.rows import Hours

router = new_router()
_MOST_COMPARED = 10

Region = Annotated[str | None, Query(max_length=200, description="Only of this region")]
Reporting = Annotated[bool | None, Query(description="Only those with (without) a bulletin or vote")]
Sort = Annotated[Literal[constituency_queries.SORTABLE], Query()]  # type: ignore[valid-type]
Sparkline = Annotated[bool, Query(description="With the hours of each")]


@get(router, "/election/{election_id}/constituencies", PageOf[list[ListedConstituency]], "elections")
def election_constituencies(
    connection: sa.Connection,
    election_id: ElectionId,
    region: Region = None,
    q: Text = None,
    reporting: Reporting = None,
    sort: Sort = "name",
    descending: bool = False,
    sparkline: Sparkline = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Reply:
    """The constituencies of an election: search, filter, sort, page."""
    check_election(connection, election_id)
    return _constituencies(connection, election_id, region, q, reporting, sort, descending, sparkline, limit, cursor)


@get(router, "/constituencies", PageOf[list[ListedConstituency]], "constituencies")
def constituencies(
    connection: sa.Connection,
    election: ElectionFilter = None,
    region: Region = None,
    q: Text = None,
    reporting: Reporting = None,
    sort: Sort = "name",
    descending: bool = False,
    sparkline: Sparkline = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Reply:
    """The registry with its figures: search, filter, sort, page."""
    return _constituencies(connection, election, region, q, reporting, sort, descending, sparkline, limit, cursor)


def _constituencies_in_detail(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Reply | Exception]:
    found = {row["constituency_id"]: row for row in constituency_queries.constituencies_named(connection, ids)}
    missing = constituency_queries.missing_of_constituencies(connection, list(found))
    unresolved = finding_queries.unresolved_of_constituencies(connection, list(found))
    replies = {
        one: Reply(row | {"missing": missing[one], "findings": unresolved[one]}, [row]) for one, row in found.items()
    }
    return {one: replies.get(one) or no_constituency(one) for one in ids}


@get(
    router, "/constituency/{constituency_id}", Answer[ConstituencyDetail], "constituencies",
    many=_constituencies_in_detail, csv_of=Constituency,
)  # fmt: skip
def constituency(connection: sa.Connection, constituency_id: ConstituencyId) -> Reply:
    """One constituency: figures, missing hours, findings that are not resolved."""
    return _or_raise(_constituencies_in_detail(connection, [constituency_id])[constituency_id])


@get(router, "/constituency/{constituency_id}/time-period", Answer[list[Period]], "constituencies")  # type: ignore[valid-type]
def constituency_periods(
    connection: sa.Connection,
    constituency_id: ConstituencyId,
    period: Literal["hour", "day", "week", "month", "election"] = "day",
    first: From = None,
    to: To = None,
) -> Reply:
    """One constituency by period, in its time zone."""
    check_constituency(connection, constituency_id)
    found = constituency_queries.periods_of_constituency(
        connection, constituency_id, period, hours_between(first, to, None)
    )
    return Reply(found, found)


@get(router, "/constituency/{constituency_id}/precincts", Answer[list[Precinct]], "constituencies", has_history=False)
def constituency_precincts(connection: sa.Connection, constituency_id: ConstituencyId) -> Reply:
    """The precincts of a constituency: bulletins issued, and their registers. Empty: its calls name none."""
    check_constituency(connection, constituency_id)
    found = precinct_queries.precincts_of(connection, constituency_id)
    return Reply(found, found)


@get(router, "/compare-constituencies", Answer[list[Compared]], "constituencies", csv_of=Constituency)
def compare(
    connection: sa.Connection,
    ids: Annotated[
        list[str],
        Query(
            min_length=2,
            max_length=_MOST_COMPARED,
            description="Two to ten constituency_ids, each as an `ids` of its own: ids=…&ids=…",
        ),
    ],
) -> Reply:
    """Constituencies side by side: figures and hours."""
    asked = list(dict.fromkeys(ids))
    found = constituency_queries.constituencies_named(connection, asked)
    if unknown := set(asked) - {row["constituency_id"] for row in found}:
        raise HTTPException(404, f"there is no constituency {sorted(unknown)[0]!r}; /constituencies lists them")
    data = [
        {
            "constituency": row,
            "hours": constituency_queries.hourly_of_constituency(connection, row["constituency_id"], Hours()),
        }
        for row in found
    ]
    return Reply(data, found)


def _constituencies(
    connection: sa.Connection,
    election: str | None,
    region: str | None,
    text: str | None,
    reporting: bool | None,
    sort: str,
    descending: bool,
    sparkline: bool,
    limit: int,
    cursor: str | None,
) -> Reply:
    kinds: dict[str, Any] = {"name": str, "region": str, "last_transaction_at": datetime.fromisoformat}
    page = page_of(limit, cursor, kinds.get(sort, float))
    found = constituency_queries.search_constituencies(
        connection, election=election, region=region, text=text, reporting=reporting, sort=sort,
        descending=descending, page=page,
    )  # fmt: skip
    if not sparkline:
        return replace(paged(found.rows, found), columns=columns_of(Constituency))
    hours = constituency_queries.hours_of_constituencies(connection, [row["constituency_id"] for row in found.rows])
    return paged([row | {"hours": hours[row["constituency_id"]]} for row in found.rows], found)


def _or_raise(reply: Reply | Exception) -> Reply:
    if isinstance(reply, Exception):
        raise reply
    return reply
