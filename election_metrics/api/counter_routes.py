"""Read endpoints of counters that authorities publish now and then, and of the hours that are spread from them."""

from datetime import datetime

import sqlalchemy as sa
from pydantic import BaseModel, Field

from election_metrics.api.arguments import ConstituencyId, ElectionId
from election_metrics.api.endpoints import get, new_router
from election_metrics.api.models import Answer
from election_metrics.api.not_found import check_constituency, check_election
from election_metrics.api.rendering import Reply
from election_metrics.warehouse import mapped_sources

router = new_router()


class SpreadHour(BaseModel):
    """An hour whose figures are not known by hour: published for a longer time, and spread evenly over it."""

    election_id: str
    hour: datetime = Field(description="Start of the hour (UTC)")
    spread_votes: int = Field(description="Votes of the hour that were made by spreading")
    spread_bulletins: int = Field(description="Bulletins of the hour that were made by spreading")
    constituencies: int = Field(description="Constituencies of which the hour is spread")
    unit: str = Field(
        description="day: the sources know days alone, so that the hour says nothing; hour: they know hours"
    )


class PublishedCounter(BaseModel):
    """How many had voted so far, as an authority published it."""

    election_id: str
    constituency_id: str
    counter: str = Field(description="bulletins or votes")
    begins_at: datetime = Field(description="Begin of the time that the difference belongs to")
    observed_at: datetime = Field(description="When it was published, or the time it is of")
    published: int = Field(description="How many so far")
    added: int | None = Field(description="By how much it is higher than the number before; null for the first")
    correction: int | None = Field(description="By how much it is lower, negative; null for the first")
    replaced: int | None = Field(description="Number of an earlier file for this time, where it is higher; else null")
    counted: int = Field(description="How many so far by what is known now: no more than any later number")


@get(router, "/election/{election_id}/spread-hours", Answer[list[SpreadHour]], "elections", has_history=False)
def spread_hours(connection: sa.Connection, election_id: ElectionId) -> Reply:
    """Hours with figures that were published for longer times, and spread over them. Empty: every hour is known."""
    check_election(connection, election_id)
    found = mapped_sources.spread_hours(connection, election_id)
    return Reply(found, found)


@get(
    router, "/constituency/{constituency_id}/published-counters", Answer[list[PublishedCounter]], "constituencies",
    has_history=False,
)  # fmt: skip
def published_counters(connection: sa.Connection, constituency_id: ConstituencyId) -> Reply:
    """The counters of a constituency as they were published. Empty: its figures come from transactions or counts."""
    check_constituency(connection, constituency_id)
    found = mapped_sources.counters_of(connection, constituency_id)
    return Reply(found, found)
