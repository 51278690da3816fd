"""Models of the answers, derived from the tables, so that each column is described once."""

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, create_model
from sqlalchemy.dialects.postgresql import JSONB

from election_metrics.counts import NAMES
from election_metrics.warehouse.constituency_queries import RUNNING
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
    transaction_files,
)

T = TypeVar("T")
_TYPES: dict[type[Any], Any] = {
    sa.BigInteger: int, sa.Double: float, sa.Boolean: bool, sa.DateTime: datetime, sa.Text: str, JSONB: dict[str, int],
}  # fmt: skip


_EXAMPLES: dict[str, list[Any]] = {
    "election_id": ["vybory-deputatov-1f3a9c"], "name": ["Округ №1"], "region": ["Пермский край"],
    "constituency_id": ["AsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr"], "time_zone": ["Asia/Yekaterinburg"],
    "hour": ["2026-09-18T05:00:00Z"], "registered_voters": [3912], "bulletins_issued": [1204], "votes_cast": [1177],
    "participation_rate": [30.09], "coverage": [98.6], "run_id": ["5c7e3a52-6f5b-4b7e-9a40-3a2f8e6f7d11"],
    "computed_at": ["2026-09-18T06:00:09.512Z"], "anomaly_id": ["spike-3f9a2c1b"], "rule": ["spike"],
}  # fmt: skip


def _type_of(column: sa.Column[Any]) -> Any:
    if isinstance(column.type, sa.ARRAY):
        return list[int]
    if isinstance(column.type, sa.DateTime) and not column.type.timezone:
        return str  # a local wall clock: JSON's date-time format requires a zone
    return next(kind for sql, kind in _TYPES.items() if isinstance(column.type, sql))


def _fields(table: sa.Table, names: list[str] | None = None, *, optional: bool = False) -> dict[str, Any]:
    columns = [table.columns[name] for name in names] if names else list(table.columns)
    return {
        column.name: (
            (_type_of(column) | None) if column.nullable or optional else _type_of(column),
            Field(description=column.comment, examples=_EXAMPLES.get(column.name)),
        )
        for column in columns
    }


def _model(name: str, about: str, *fields: dict[str, Any]) -> type[BaseModel]:
    merged = {key: field for part in fields for key, field in part.items()}
    return create_model(name, __doc__=about, **merged)


def _text(description: str) -> tuple[Any, Any]:
    return (str | None, Field(description=description))


_NAME = {"name": _text("Name of the constituency"), "region": _text("Region's name")}
_SPARKLINE = ("hour", "bulletins_issued", "votes_cast")

_ELECTION = {"election_id": _text("Election; null where it is of none, or of no known one")}
_KIND = {
    "voting_days": (
        int | None,
        Field(
            description="Days begun from the first opening to the last closing: elections of one kind, whose curves can"
            " be compared, have as many"
        ),
    )
}
_DUE = {
    "hours_overdue": (
        int, Field(description="Constituency hours of voting whose input is overdue")
    ),
    "overdue_since": (
        datetime | None, Field(description="When the first of them was due; null where none is overdue")
    ),
    "next_due_at": (
        datetime | None,
        Field(
            description="When the next files are due: the end of the first hour of voting that is not over; null where"
            " none is to come"
        ),
    ),
}  # fmt: skip

Election = _model(
    "Election",
    "An election with its figures so far.",
    _fields(elections, ["election_id", "name", "starts_at", "ends_at", "time_zone", "status"]),
    _KIND,
    _fields(election_summaries),
    _DUE,
)  # fmt: skip
Region = _model("Region", "A region of an election.", _fields(region_summaries))
Extreme = _model("Extreme", "A constituency at one end of participation.", _fields(participation_extremes), _NAME)
Reconciliation = _model(
    "Reconciliation", "The last count of everything from the raw transactions.", _fields(reconciliations)
)
Missing = _model("Missing", "Hours that no file covers.", _fields(missing_input))
ConstituencyHour = _model(
    "ConstituencyHour", "An hour of a constituency.", _fields(hourly_stats),
    _fields(constituency_metrics, list(RUNNING)),
)  # fmt: skip
NamedHour = _model("NamedHour", "An hour of a constituency, with its name.", _fields(hourly_stats), _NAME)
ElectionHour = _model("ElectionHour", "An hour of an election.", _fields(election_hours))
Period = _model("Period", "A constituency in a period.", _fields(constituency_metrics))
Constituency = _model(
    "Constituency",
    "A constituency with its figures so far; they are null without transactions.",
    _fields(
        constituencies,
        ["constituency_id", "election_id", "name", "region_code", "region", "time_zone",
         "registered_voters", "starts_at", "ends_at"],
    ),
    {"time_zone_note": _text("assumed: the region is not known or not named; else null")},
    _fields(
        constituency_metrics,
        [*NAMES, "participation_rate", "issue_rate", "gap", "gap_rate", "anomaly_score", "peak_hour", "peak_votes",
         "bulletin_trend", "vote_trend", "first_transaction_at", "last_transaction_at", "run_id", "computed_at"],
        optional=True,
    ),
)  # fmt: skip
Finding = _model(
    "Finding", "A finding of an anomaly rule, with its explanation.", _fields(anomalies),
    {
        "election": _text("Name of the election"),
        "constituency": _text("Name of the constituency"),
        "look_at": _text("What to look at next"),
        "expected_from": _text("What the expected value is taken from; null where nothing is expected"),
    },
)  # fmt: skip
BallotsOfSpan = _model(
    "BallotsOfSpan",
    "Ballots around a finding.",
    _fields(hourly_stats, ["election_id"]),
    {
        "starts_at": (datetime, Field(description="Start of the span: an hour or 5 minutes (UTC)")),
        "ends_at": (datetime, Field(description="End of the span (UTC)")),
    },
    _fields(hourly_stats, ["bulletins_issued", "votes_cast"]),
)
RejectedLine = _model("RejectedLine", "A line that could not be read.", _ELECTION, _fields(rejected_transactions))
SourceFile = _model("SourceFile", "A file that figures come from.", _ELECTION, _fields(transaction_files))
SetThreshold = _model("SetThreshold", "A threshold that differs from its default.", _fields(anomaly_thresholds))
SaidOfConstituency = _model(
    "SaidOfConstituency", "Overrides of a constituency.", _ELECTION, _fields(constituency_reference)
)
SaidOfElection = _model("SaidOfElection", "Overrides of an election.", _fields(election_reference))
AuditEntry = _model(
    "AuditEntry", "A change that people made.", _fields(audit_log, ["entry_id", "at", "who", "action", "target"]),
    {"before": (dict[str, Any] | None, Field(description="The row before; null where there was none")),
     "after": (dict[str, Any] | None, Field(description="The row after; null where there is none"))},
    _ELECTION,
)  # fmt: skip
Spark = _model("Spark", "An hour of a sparkline.", _fields(hourly_stats, list(_SPARKLINE)))


class InputNote(BaseModel):
    """Input that does not count, by kind and reason."""

    election_id: str | None = Field(description="Election of the files; null where it is not known, or no longer there")
    kind: Literal["withdrawn", "unreadable", "set_aside", "not_read", "quarantined"]
    files: int = Field(description="Number of files")
    lines: int | None = Field(description="Number of lines; null where they are not known")
    example: str = Field(description="One of them: the last two parts of its path")
    reason: str | None = Field(description="Why; of a kind that is not read, the file name extension")
    since: datetime = Field(description="Since when")


class ListedConstituency(Constituency):  # type: ignore[valid-type,misc]
    """A constituency in a list."""

    hours: list[Spark] | None = Field(  # type: ignore[valid-type]
        None, description="Its hours with transactions, where `sparkline=true` asks for them"
    )


class ConstituencyDetail(Constituency):  # type: ignore[valid-type,misc]
    """A constituency with its missing hours and findings."""

    missing: list[Missing]  # type: ignore[valid-type]
    findings: list[Finding]  # type: ignore[valid-type]


class ElectionDetail(Election):  # type: ignore[valid-type,misc]
    """An election with its regions, extremes, missing hours and final count."""

    regions: list[Region]  # type: ignore[valid-type]
    extremes: list[Extreme]  # type: ignore[valid-type]
    missing: list[Missing]  # type: ignore[valid-type]
    reconciliation: Reconciliation | None = Field(description="Null until the final count")  # type: ignore[valid-type]


class Correction(BaseModel):
    """Bulletins and votes of an hour that changed after they were first shown."""

    election_id: str
    constituency_id: str
    name: str | None
    region: str | None
    hour: datetime = Field(description="Start of the hour (UTC)")
    known_from: datetime | None = Field(
        description="Since when the figures before were shown; null where the first figures of the hour came late"
    )
    corrected_at: datetime = Field(description="When the figures after were first shown")
    bulletins_before: int | None
    bulletins_after: int
    votes_before: int | None
    votes_after: int
    causes: list[str] = Field(description="Why: late file, correction, register, …")
    run_id: str | None = Field(description="The Dagster run that corrected them; null for a change by a person")


class Version(BaseModel):
    """Totals of an election, or of a constituency, for as long as they were shown."""

    election_id: str
    constituency_id: str | None = Field(description="Null for the whole election")
    commit_number: int
    known_from: datetime = Field(description="When they were first shown")
    known_until: datetime | None = Field(description="When others took their place; null while they are shown")
    registered_voters: int | None
    bulletins_issued: int
    votes_cast: int
    participation_rate: float | None = Field(description="Votes cast / registered voters * 100")
    causes: list[str] = Field(description="Why they came: new file, late file, correction, register, …")
    run_id: str | None = Field(description="The Dagster run that made them")


class Commit(BaseModel):
    """A change of the figures: all of it became visible at once."""

    election_id: str | None = Field(description="Always null: a commit is of all elections")
    commit_number: int
    committed_at: datetime = Field(description="When it became visible: to be passed as `as_of`")
    run_id: str | None
    causes: list[str]


class RuleThreshold(BaseModel):
    """A value of a rule."""

    name: str
    meaning: str
    default: float
    value: float = Field(description="Value in the requested election; else the default")


class Rule(BaseModel):
    """An anomaly rule."""

    election_id: str | None = Field(description="The requested election, whose thresholds these are")
    name: str
    meaning: str = Field(description="What a finding of it says")
    why: str = Field(description="Why it is so, and not simpler")
    look_at: str = Field(description="What to look at next")
    severity: str
    lasts: bool = Field(description="A state, which resolves itself when over; else an event for a person")
    most_false_alarms: float | None = Field(
        description="Per 1,000 that it judges, at the most, by these thresholds, if its null model holds; null: none"
    )
    thresholds: list[RuleThreshold]


class Compared(BaseModel):
    """One of the constituencies that are compared."""

    constituency: Constituency  # type: ignore[valid-type]
    hours: list[ConstituencyHour]  # type: ignore[valid-type]


class Dashboard(BaseModel):
    """An election as the page shows it."""

    election: ElectionDetail
    hours: list[ElectionHour]  # type: ignore[valid-type]
    findings: list[Finding] = Field(description="The worst 50 that are not resolved")  # type: ignore[valid-type]


class Meta(BaseModel):
    """Origin and completeness of an answer."""

    as_of: datetime | None = Field(description="When the newest of its figures was computed; null where there is none")
    known_at: datetime | None = Field(
        description="When the newest change was made that it can include: with it as `as_of`, this answer comes again"
    )
    run_id: str | None = Field(description="The Dagster run that computed it")
    run_url: str | None = Field(description="That run in the Dagster UI")
    coverage: float | None = Field(
        description="Percent of the expected hours that were delivered, over all elections of the answer"
    )
    last_transaction_at: datetime | None = Field(description="The newest transaction that it counts")


class Answer(BaseModel, Generic[T]):
    """Every answer: `meta` says where the figures in `data` come from."""

    meta: Meta
    data: T


class PageOf(Answer[T], Generic[T]):
    """A page of a list."""

    next: str | None = Field(description="Pass it as `cursor` for the next page; null on the last one")


class Precinct(BaseModel):
    """A precinct so far. Votes name no precinct: they are known by constituency only."""

    election_id: str
    constituency_id: str = Field(description="The contract that serves the precinct")
    region_code: int = Field(description="Number of the commission's region; 0: the calls do not say it")
    precinct: int = Field(description="Number of the precinct's commission (UIK) in its region")
    bulletins_issued: int
    registered_voters: int | None = Field(description="On the electronic list now; null: no call says")
    initial_voters: int | None = Field(description="Listed in the hours before that of the opening")
    added_voters: int | None = Field(description="Listed later")
    restored_voters: int
    removed_voters: int = Field(description="Left the electronic list, mostly to vote on paper")
    issue_rate: float | None = Field(description="Bulletins issued / registered voters, percent")
    last_hour: datetime | None = Field(description="Start of the last hour with a bulletin (UTC)")
    published_bulletins: int | None = Field(description="At the portal, when it was last asked")
    published_voters: int | None = Field(description="At the portal, when it was last asked")


class Problem(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"type": "about:blank", "title": "Not Found", "status": 404, "detail": "there is no election 'x'"}
    ]})  # fmt: skip

    type: str = "about:blank"
    title: str
    status: int
    detail: str = Field(description="What is wrong, and what to do instead")


def rows_of(answer: type[BaseModel]) -> type[BaseModel]:
    """The model of an answer's data, or of the items of its list."""
    data: Any = answer.model_fields["data"].annotation
    row: type[BaseModel] = get_args(data)[0] if get_origin(data) is list else data
    return row


def columns_of(row: type[BaseModel]) -> tuple[str, ...]:
    """The columns of rows as CSV."""
    return tuple(row.model_fields)


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {
        "model": Problem,
        "content": {"text/plain": {"schema": {"type": "string"}}},
        "description": "The request or its body is malformed or too long",
    },
    401: {"model": Problem, "description": "A token is needed here, or the one given is not known"},
    404: {"model": Problem, "description": "Not found"},
    413: {"model": Problem, "description": "The body is larger than 64 KiB"},
    421: {"model": Problem, "description": "The API is not reached by this name"},
    422: {"model": Problem, "description": "A parameter cannot be read, or there is none of this name"},
    429: {"model": Problem, "description": "Too many requests; Retry-After says when to go on"},
    503: {"model": Problem, "description": "PostgreSQL or Dagster's webserver cannot be reached; try again"},
}
"""Error responses of every endpoint."""
