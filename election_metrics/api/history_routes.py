"""Read endpoints of what changed, and when it was known."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import sqlalchemy as sa
from fastapi import Query

from election_metrics.api.arguments import Cursor, ElectionFilter, Limit, page_of, paged
from election_metrics.api.cache_tags import DependsOn
from election_metrics.api.endpoints import get, new_router
from election_metrics.api.models import Commit, Correction, PageOf, Version
from election_metrics.api.not_found import check_constituency, check_election
from election_metrics.api.rendering import Reply
from election_metrics.warehouse import history_queries
from election_metrics.warehouse.rows import Found, Page

router = new_router()


@get(router, "/corrections", PageOf[list[Correction]], "history", has_history=False)
def corrections(
    connection: sa.Connection,
    election: ElectionFilter = None,
    constituency: Annotated[str | None, Query(description="Only of this constituency_id", max_length=100)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Reply:
    """Bulletins and votes of hours that changed after they were first shown: by how much, when, why. Newest first."""
    return _page_of(history_queries.corrections, connection, election, constituency, limit, cursor)


@get(router, "/versions", PageOf[list[Version]], "history", has_history=False)
def versions(
    connection: sa.Connection,
    election: ElectionFilter = None,
    constituency: Annotated[
        str | None, Query(description="Of this constituency_id; else of the whole election", max_length=100)
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Reply:
    """Totals as they were shown, one after another: since when, until when, and why they changed. Newest first."""
    return _page_of(history_queries.versions, connection, election, constituency, limit, cursor)


def _page_of(
    read: Callable[[sa.Connection, str | None, str | None, Page], Found],
    connection: sa.Connection,
    election: str | None,
    constituency: str | None,
    limit: int,
    cursor: str | None,
) -> Reply:
    """A page of rows of an election or of a constituency, sorted by time."""
    if election is not None:
        check_election(connection, election)
    if constituency is not None:
        check_constituency(connection, constituency)
    found = read(connection, election, constituency, page_of(limit, cursor, datetime.fromisoformat))
    return paged(found.rows, found)


@get(router, "/commits", PageOf[list[Commit]], "history", DependsOn(), has_history=False)
def commits(connection: sa.Connection, limit: Limit = 100, cursor: Cursor = None) -> Reply:
    """Changes of the figures, newest first, with their causes: the moments as of which everything can be asked for."""
    found = history_queries.commits(connection, page_of(limit, cursor, int))
    return paged(found.rows, found)
