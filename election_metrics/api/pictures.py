"""Pictures of elections and constituencies, for links that are shared (Open Graph)."""

import threading
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from election_metrics.api.arguments import ConstituencyId, ElectionId
from election_metrics.api.etags import tagged
from election_metrics.api.not_found import no_constituency, no_election
from election_metrics.errors import TransientError
from election_metrics.pipeline.packages.picture import Glance, draw
from election_metrics.settings import Settings
from election_metrics.warehouse import constituency_queries, election_queries
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.rows import Hours, Row

router = APIRouter(prefix="/api/v1/pictures", include_in_schema=False)
_KEPT = 256
_DRAWING = threading.Lock()
_LONGEST_WAIT = 2.0


@router.get("/election/{election_id}.png")
def election(request: Request, election_id: ElectionId) -> Response:
    """An election at a glance."""
    settings: Settings = request.app.state.settings
    with transaction(settings, snapshot=True) as connection:
        found = election_queries.elections_now(connection, settings.late_after, election_id)
        if not found:
            raise no_election(election_id)
        hours = election_queries.hourly_of_election(connection, election_id, Hours())
    return tagged(request, _drawn(election_at_a_glance(found[0], hours)), "image/png")


@router.get("/constituency/{constituency_id}.png")
def constituency(request: Request, constituency_id: ConstituencyId) -> Response:
    """A constituency at a glance."""
    with transaction(request.app.state.settings, snapshot=True) as connection:
        glance = _constituency_at_a_glance(connection, constituency_id)
    return tagged(request, _drawn(glance), "image/png")


def election_at_a_glance(row: Row, hours: Sequence[Row], known_at: datetime | None = None) -> Glance:
    """What the picture of an election says, from its row and hours; of `known_at`, else of its last computation."""
    return Glance(
        row["name"], None, row["participation_rate"], row["votes_cast"], row["registered_voters"],
        known_at or row["computed_at"], (row["hours_expected"] or 0) > (row["hours_delivered"] or 0),
        tuple(hour["votes_cast"] for hour in hours),
    )  # fmt: skip


def _constituency_at_a_glance(connection: sa.Connection, constituency: str) -> Glance:
    found = constituency_queries.constituencies_named(connection, [constituency])
    if not found:
        raise no_constituency(constituency)
    (row,) = found
    elections = sa.text("SELECT name, computed_at FROM metrics.elections WHERE election_id = :election")
    name, computed_at = connection.execute(elections, {"election": row["election_id"]}).one()
    missing = constituency_queries.missing_of_constituencies(connection, [constituency])[constituency]
    hours = constituency_queries.hours_of_constituencies(connection, [constituency])[constituency]
    return Glance(
        row["name"] or constituency, name, row["participation_rate"], row["votes_cast"] or 0, row["registered_voters"],
        row["computed_at"] or computed_at, bool(missing), tuple(hour["votes_cast"] for hour in hours),
    )  # fmt: skip


@lru_cache(maxsize=_KEPT)
def _drawn(glance: Glance) -> bytes:
    """The picture, drawn once. One at a time: drawing takes a processor, and readers of figures need it too."""
    if not _DRAWING.acquire(timeout=_LONGEST_WAIT):
        raise TransientError("other pictures are being drawn; ask again")
    try:
        return draw(glance)
    finally:
        _DRAWING.release()
