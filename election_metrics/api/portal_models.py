"""Models of the answers on what others published beside what is counted here."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

_STATUS = Literal[
    "agrees",
    "differs",
    "not_collected",
    "not_published",
    "taken_back",
    "not_settled",
    "not_an_hour",
    "no_such_contract",
    "unknown_time_zone",
]


class _TwoCounts(BaseModel):
    """Bulletins and votes, counted here and published by the portal."""

    counted_bulletins: int | None
    published_bulletins: int | None
    counted_votes: int | None
    published_votes: int | None


class Agreement(_TwoCounts):
    """The second count of an election, a region or a constituency. Sums are of the hours that were compared."""

    election_id: str
    level: Literal["election", "region", "constituency"] = Field(description="Never add rows of several levels")
    region: str | None
    constituency_id: str | None
    name: str | None = Field(description="Name of the constituency")
    status: _STATUS = Field(description="differs if any hour does, else agrees if any does, else why none was compared")
    hours_agreeing: int = Field(description="Constituency hours with ballots of which both counts are equal")
    hours_differing: int
    hours_not_compared: int = Field(description="Constituency hours that cannot be compared, or not yet")
    constituencies_differing: int
    constituencies_not_there: int = Field(description="Constituencies that the portal does not have")
    differs_from: datetime | None = Field(description="First hour that differs (UTC)")
    differs_until: datetime | None = Field(description="End of the last hour that differs (UTC)")
    compared_until: datetime | None = Field(description="End of the last hour that was compared (UTC)")


class Tally(BaseModel):
    """Published votes for an option of a question."""

    election_id: str
    constituency_id: str
    question: int = Field(description="Number of the question, from 1")
    option: int = Field(description="Number of the option, from 1")
    name: str | None = Field(description="Its name at the portal, where that has the same votes in the same place")
    votes: int
    published_at: datetime
    transaction_id: str
    votes_cast: int = Field(description="Accepted votes of the constituency")
    tally_sum: int = Field(description="Sum over the options of the question")
    status: Literal["agrees", "differs", "portal_differs"] = Field(
        description="Whether that sum fits the accepted votes, and the portal has the same votes"
    )


class ElectionKind(BaseModel):
    """The constituencies of an election with one kind of ballot."""

    election_id: str
    kind: Literal["SINGLE", "UNION", "unknown"] = Field(
        description="SINGLE: a vote for a candidate; UNION: for a list of a party; unknown: the portal does not say"
    )
    constituencies: int
    registered_voters: int | None = Field(description="Of this kind; null where a register is not known")
    bulletins_issued: int
    votes_cast: int
    participation_rate: float | None = Field(description="Percent")


class AgreementHour(_TwoCounts):
    """The second count of an hour of a constituency."""

    election_id: str
    region: str | None
    constituency_id: str
    hour: datetime | None = Field(description="Start of the hour (UTC); null: the portal does not say the time zone")
    label: str | None = Field(description="The hour as the portal labels it: its end, local time")
    status: _STATUS
    input: Literal["arrived", "missing"] = Field(description="Whether the hour's input arrived here")
    published_since: datetime | None = Field(description="When these figures of the portal were first collected")


class Verdicts(BaseModel):
    """What a verifier found invalid for one reason. Votes found invalid stay counted in every other figure."""

    election_id: str
    verifier: str
    reason: str = Field(description="In the verifier's words")
    votes_found_invalid: int = Field(description="Votes that count here and were found invalid")
    not_counted: int = Field(description="Ids of transactions that are no vote that counts here")
    unknown_here: int = Field(description="Ids that are not known here, of whatever election")
