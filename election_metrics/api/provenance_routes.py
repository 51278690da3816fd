"""Read endpoints of what stands behind figures: overrides, the audit log, source files, the quarantine."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query

from election_metrics.api.arguments import Cursor, From, Limit, Text, To, hours_between, page_of, paged
from election_metrics.api.cache_tags import DependsOn
from election_metrics.api.endpoints import get, new_router
from election_metrics.api.models import (
    Answer,
    AuditEntry,
    InputNote,
    PageOf,
    RejectedLine,
    SaidOfConstituency,
    SaidOfElection,
    SourceFile,
)
from election_metrics.api.not_found import check_constituency
from election_metrics.api.rendering import Reply
from election_metrics.warehouse import provenance_queries

router = new_router()


@get(router, "/reference/constituencies", PageOf[list[SaidOfConstituency]], "reference", has_history=False)  # type: ignore[valid-type]
def constituency_references(connection: sa.Connection, limit: Limit = 100, cursor: Cursor = None) -> Reply:
    """Overrides of constituencies, and who set them."""
    found = provenance_queries.constituency_references(connection, page_of(limit, cursor, str))
    return paged(found.rows, found)


@get(router, "/reference/elections", Answer[list[SaidOfElection]], "reference", has_history=False)  # type: ignore[valid-type]
def election_references(connection: sa.Connection) -> Reply:
    """Overrides of elections, and who set them."""
    found = provenance_queries.election_references(connection)
    return Reply(found, found)


@get(router, "/audit", PageOf[list[AuditEntry]], "access", DependsOn(), has_history=False)  # type: ignore[valid-type]
def audit(connection: sa.Connection, limit: Limit = 100, cursor: Cursor = None) -> Reply:
    """The audit log, newest first: who, what, when. Needs a token with scope operate."""
    found = provenance_queries.audit(connection, page_of(limit, cursor, int))
    return paged(found.rows, found)


@get(router, "/sources", Answer[list[SourceFile]], "sources", DependsOn(), has_history=False)  # type: ignore[valid-type]
def sources(
    connection: sa.Connection,
    constituency: Annotated[str, Query(max_length=100, description="constituency_id")],
    first: From = None,
    to: To = None,
) -> Reply:
    """Files that a constituency's figures (of these hours) come from, and the run that landed each."""
    check_constituency(connection, constituency)
    found = provenance_queries.sources_of(connection, constituency, hours_between(first, to, None))
    return Reply(found, found)


@get(router, "/input-notes", Answer[list[InputNote]], "sources", DependsOn(), has_history=False)
def input_notes(connection: sa.Connection) -> Reply:
    """What of the input does not count, and why: withdrawn by people, unreadable, set aside, of a kind not read."""
    found = provenance_queries.input_notes(connection)
    return Reply(found, found)


@get(router, "/quarantine", PageOf[list[RejectedLine]], "sources", has_history=False)  # type: ignore[valid-type]
def quarantine(connection: sa.Connection, q: Text = None, limit: Limit = 100, cursor: Cursor = None) -> Reply:
    """Lines that could not be read: file, line, reason."""
    found = provenance_queries.quarantine(connection, q, page_of(limit, cursor, str))
    return paged(found.rows, found)
