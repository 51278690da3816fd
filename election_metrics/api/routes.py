"""The read endpoints. Each is a plain function on a connection, which `cached` turns into an endpoint."""

import base64
import binascii
import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from election_metrics.api.cache import ResponseCache, respond
from election_metrics.api.cache_tags import DependsOn
from election_metrics.api.dataloader import PendingRequest, ReadMany
from election_metrics.api.models import (
    PROBLEMS,
    Answer,
    AuditEntry,
    Compared,
    Constituency,
    ConstituencyDetail,
    ConstituencyHour,
    Dashboard,
    Election,
    ElectionDetail,
    ElectionHour,
    Finding,
    ListedConstituency,
    NamedHour,
    PageOf,
    Period,
    RejectedLine,
    Rule,
    SaidOfConstituency,
    SaidOfElection,
    SetThreshold,
    SourceFile,
    columns_of,
    rows_of,
)
from election_metrics.api.rendering import Reply
from election_metrics.settings import Settings
from election_metrics.warehouse import constituency_queries, election_queries, finding_queries, provenance_queries, rows
from election_metrics.warehouse.rows import Hours, Page, Row

router = APIRouter(
    prefix="/api/v1",
    responses={304: {"description": "Nothing has changed since the answer with this ETag"}, **PROBLEMS},
)
_MOST_COMPARED = 10
_MOST_FINDINGS = 50

ElectionId = Annotated[str, Path(description="election_id, as /elections lists them", max_length=200)]
ConstituencyId = Annotated[str, Path(description="constituency_id: the contract's id (base58)", max_length=100)]
ElectionFilter = Annotated[str | None, Query(description="Only of this election_id", max_length=200)]
From = Annotated[datetime | None, Query(alias="from", description="First hour; without a zone it is UTC")]
To = Annotated[datetime | None, Query(description="Last hour, inclusive")]
Day = Annotated[date | None, Query(description="All 24 hours of this day (UTC); not with from and to")]
Latest = Annotated[bool, Query(description="Only the last row")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Rows at the most")]
Cursor = Annotated[str | None, Query(description="`next` of the page before", max_length=8000)]
Text = Annotated[str | None, Query(description="Text to search for, whatever its case", max_length=200)]


def cached(
    function: Callable[..., Reply],
    columns: Sequence[str],
    rests_on: DependsOn | None = None,
    many: ReadMany | None = None,
) -> Callable[..., Any]:
    """Makes an endpoint of a function: its answer is cached, has an ETag, and is JSON or CSV of these columns.

    The answer depends on `what`, else on the constituency or election named by a parameter, else on everything. If a
    constituency is the only parameter, `many` reads it in a batch with other requests. A function with a parameter
    `settings` gets them.
    """
    signature = inspect.signature(function)
    own = [parameter for parameter in list(signature.parameters.values())[1:] if parameter.name != "settings"]
    reading_many = many and _with_columns_many(many, columns)

    @wraps(function)
    async def endpoint(request: Request, **parameters: Any) -> Response:
        answers: ResponseCache = request.app.state.answers
        what = rests_on or await _named(answers, parameters)
        kind = _format(request)

        extra = {"settings": answers.settings} if "settings" in signature.parameters else {}

        def read(connection: sa.Connection) -> Reply:
            return _with_columns(function(connection, **extra, **parameters), columns)

        asked = [value for value in parameters.values() if value]
        one_of_many = many is not None and asked == [parameters["constituency_id"]]
        reading = PendingRequest(reading_many, parameters["constituency_id"]) if reading_many and one_of_many else read
        found = await answers.get(function.__name__, kind, what, parameters, reading)
        meta = await answers.meta(found, what)
        return respond(request, kind, found, meta, answers.meta_read_at)

    first = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)
    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    endpoint.__signature__ = inspect.Signature([first, *keywords])  # type: ignore[attr-defined]
    return endpoint


def _with_columns(reply: Reply, columns: Sequence[str]) -> Reply:
    return reply if reply.columns else replace(reply, columns=columns)


def _with_columns_many(many: ReadMany, columns: Sequence[str]) -> ReadMany:
    def read(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Reply | Exception]:
        replies = many(connection, ids)
        return {
            one: _with_columns(reply, columns) if isinstance(reply, Reply) else reply for one, reply in replies.items()
        }

    return read


async def _named(answers: ResponseCache, parameters: dict[str, Any]) -> DependsOn:
    constituency = parameters.get("constituency_id") or parameters.get("constituency")
    if constituency:
        return await answers.of_constituency(constituency)
    return DependsOn(parameters.get("election_id") or parameters.get("election"))


def _format(request: Request) -> Literal["json", "csv"]:
    accepted = request.headers.get("accept", "")
    return "csv" if "text/csv" in accepted and "application/json" not in accepted else "json"


def _get(
    path: str,
    model: Any,
    tag: str,
    rests_on: DependsOn | None = None,
    many: ReadMany | None = None,
    csv_of: Any = None,
) -> Callable[[Callable[..., Reply]], Callable[..., Reply]]:
    """Registers a function as an endpoint, and returns it unchanged. `csv_of`: model of the rows of its CSV."""
    columns = columns_of(csv_of or rows_of(model))

    def register(function: Callable[..., Reply]) -> Callable[..., Reply]:
        csv: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}},
                     "description": "JSON; or CSV by `Accept: text/csv` or a path that ends in .csv"}}  # fmt: skip
        endpoint = cached(function, columns, rests_on, many)
        router.get(path, response_model=model, tags=[tag], responses=csv, name=function.__name__)(endpoint)
        return function

    return register


@_get("/elections", Answer[list[Election]], "elections", DependsOn(summaries=True))  # type: ignore[valid-type]
def elections(connection: sa.Connection, settings: Settings) -> Reply:
    """Every election with its figures so far; those that are voting first."""
    found = election_queries.elections_now(connection, settings.late_after)
    return Reply(found, found)


@_get("/election/{election_id}", Answer[ElectionDetail], "elections")
def election(connection: sa.Connection, settings: Settings, election_id: ElectionId) -> Reply:
    """One election: figures, regions, highest and lowest participation, what is missing, the final count."""
    found = _election(connection, settings, election_id)
    return Reply(found, [found])


@_get("/election/{election_id}/constituencies", PageOf[list[ListedConstituency]], "elections")
def election_constituencies(
    connection: sa.Connection,
    election_id: ElectionId,
    region: Annotated[str | None, Query(max_length=200, description="Only of this region")] = None,
    q: Text = None,
    reporting: Annotated[bool | None, Query(description="Only those with (without) a bulletin or vote")] = None,
    sort: Annotated[Literal[constituency_queries.SORTABLE], Query()] = "name",  # type: ignore[valid-type]
    descending: bool = False,
    sparkline: Annotated[bool, Query(description="With the hours of each")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Reply:
    """The constituencies of an election: search, filter, sort, page."""
    _election_exists(connection, election_id)
    return _constituencies(connection, election_id, region, q, reporting, sort, descending, sparkline, limit, cursor)


@_get("/constituencies", PageOf[list[ListedConstituency]], "constituencies")
def constituencies(
    connection: sa.Connection,
    election: ElectionFilter = None,
    region: Annotated[str | None, Query(max_length=200, description="Only of this region")] = None,
    q: Text = None,
    reporting: Annotated[bool | None, Query(description="Only those with (without) a bulletin or vote")] = None,
    sort: Annotated[Literal[constituency_queries.SORTABLE], Query()] = "name",  # type: ignore[valid-type]
    descending: bool = False,
    sparkline: Annotated[bool, Query(description="With the hours of each")] = False,
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
    return {one: replies.get(one) or _no_constituency(one) for one in ids}


@_get(
    "/constituency/{constituency_id}", Answer[ConstituencyDetail], "constituencies",
    many=_constituencies_in_detail, csv_of=Constituency,
)  # fmt: skip
def constituency(connection: sa.Connection, constituency_id: ConstituencyId) -> Reply:
    """One constituency: figures, missing hours, findings that are not resolved."""
    return _or_raise(_constituencies_in_detail(connection, [constituency_id])[constituency_id])


@_get("/constituency/{constituency_id}/time-period", Answer[list[Period]], "constituencies")  # type: ignore[valid-type]
def constituency_periods(
    connection: sa.Connection,
    constituency_id: ConstituencyId,
    period: Literal["hour", "day", "week", "month", "election"] = "day",
    first: From = None,
    to: To = None,
) -> Reply:
    """One constituency by period, in its time zone."""
    _constituency(connection, constituency_id)
    found = constituency_queries.periods_of_constituency(connection, constituency_id, period, _hours(first, to, None))
    return Reply(found, found)


@_get("/compare-constituencies", Answer[list[Compared]], "constituencies", csv_of=Constituency)
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


def _hours_of_constituencies(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Reply | Exception]:
    found = constituency_queries.hourly_of_constituencies(connection, ids)
    silent = [one for one, rows in found.items() if not rows]
    known = (
        {row["constituency_id"] for row in constituency_queries.constituencies_named(connection, silent)}
        if silent
        else set()
    )
    return {one: Reply(rows, rows) if rows or one in known else _no_constituency(one) for one, rows in found.items()}


@_get(
    "/hourly-stats/constituency/{constituency_id}", Answer[list[ConstituencyHour]], "hours",  # type: ignore[valid-type]
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
    found = constituency_queries.hourly_of_constituency(connection, constituency_id, _hours(first, to, day))
    if not found:
        _constituency(connection, constituency_id)  # is there one at all?
    return Reply(found[-1:], found[-1:]) if latest else Reply(found, found)


@_get("/hourly-stats/election/{election_id}", Answer[list[ElectionHour]], "hours")  # type: ignore[valid-type]
def election_hours(
    connection: sa.Connection,
    election_id: ElectionId,
    first: From = None,
    to: To = None,
    day: Day = None,
    latest: Latest = False,
) -> Reply:
    """Hours of an election: counts, participation, running totals."""
    found = election_queries.hourly_of_election(connection, election_id, _hours(first, to, day))
    if not found:
        _election_exists(connection, election_id)
    return Reply(found[-1:], found[-1:]) if latest else Reply(found, found)


@_get("/hourly-stats/highest-anomaly-counts", Answer[list[NamedHour]], "hours")  # type: ignore[valid-type]
def highest_anomaly_counts(connection: sa.Connection, election: ElectionFilter = None, limit: Limit = 20) -> Reply:
    """Hours of constituencies with the most anomalous transactions."""
    found = constituency_queries.busiest_hours(connection, election, limit)
    return Reply(found, found)


@_get("/anomalies", PageOf[list[Finding]], "findings")  # type: ignore[valid-type]
def anomalies(
    connection: sa.Connection,
    election: ElectionFilter = None,
    constituency: Annotated[str | None, Query(max_length=100, description="Only on this constituency_id")] = None,
    rule: Annotated[str | None, Query(max_length=100, description="Only of this rule")] = None,
    severity: Literal["critical", "warning", "info"] | None = None,
    state: Literal["open", "acknowledged", "resolved", "unresolved"] | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Reply:
    """Findings, worst first, each with its explanation."""
    found = finding_queries.findings(
        connection, election=election, constituency=constituency, rule=rule, severity=severity, state=state,
        page=_page(limit, cursor, int),
    )  # fmt: skip
    return _paged(found.rows, found)


@_get("/anomalies/{anomaly_id}", Answer[Finding], "findings", DependsOn())  # type: ignore[valid-type]
def anomaly(
    connection: sa.Connection, anomaly_id: Annotated[str, Path(description="Id of a finding", max_length=200)]
) -> Reply:
    """One finding."""
    found = finding_queries.finding(connection, anomaly_id)
    if found is None:
        raise HTTPException(404, f"there is no finding {anomaly_id!r}; /anomalies lists them")
    return Reply(found, [found])


@_get("/rules", Answer[list[Rule]], "findings")
def rules(connection: sa.Connection, election: ElectionFilter = None) -> Reply:
    """Every anomaly rule: meaning, reason and thresholds (in this election)."""
    from election_metrics.pipeline.anomalies import rules_in_words

    found = [{"election_id": election, **rule} for rule in rules_in_words(connection, election)]
    return Reply(found, found)


@_get("/thresholds", Answer[list[SetThreshold]], "findings")  # type: ignore[valid-type]
def thresholds(connection: sa.Connection, election: ElectionFilter = None) -> Reply:
    """Thresholds that differ from the defaults, and who set them."""
    found = finding_queries.thresholds(connection, election)
    return Reply(found, found)


@_get("/reference/constituencies", PageOf[list[SaidOfConstituency]], "reference")  # type: ignore[valid-type]
def constituency_references(connection: sa.Connection, limit: Limit = 100, cursor: Cursor = None) -> Reply:
    """Overrides of constituencies, and who set them."""
    found = provenance_queries.constituency_references(connection, _page(limit, cursor, str))
    return _paged(found.rows, found)


@_get("/reference/elections", Answer[list[SaidOfElection]], "reference")  # type: ignore[valid-type]
def election_references(connection: sa.Connection) -> Reply:
    """Overrides of elections, and who set them."""
    found = provenance_queries.election_references(connection)
    return Reply(found, found)


@_get("/audit", PageOf[list[AuditEntry]], "access", DependsOn())  # type: ignore[valid-type]
def audit(connection: sa.Connection, limit: Limit = 100, cursor: Cursor = None) -> Reply:
    """The audit log, newest first: who, what, when. Needs a token with scope operate."""
    found = provenance_queries.audit(connection, _page(limit, cursor, int))
    return _paged(found.rows, found)


@_get("/dashboard/summary", Answer[list[Election]], "dashboard", DependsOn(summaries=True))  # type: ignore[valid-type]
def dashboard_summary(connection: sa.Connection, settings: Settings) -> Reply:
    """Overview: every election with its main figures."""
    return elections(connection, settings)


@_get("/dashboard/detailed", Answer[Dashboard], "dashboard", csv_of=ElectionHour)
def dashboard_detailed(
    connection: sa.Connection,
    settings: Settings,
    election: Annotated[str, Query(description="election_id", max_length=200)],
) -> Reply:
    """An election as the page shows it: figures, regions, hours, worst findings. As CSV: its hours."""
    found = _election(connection, settings, election)
    hours = election_queries.hourly_of_election(connection, election, Hours())
    worst = finding_queries.findings(connection, election=election, state="unresolved", page=Page(_MOST_FINDINGS))
    return Reply({"election": found, "hours": hours, "findings": worst.rows}, hours)


@_get("/sources", Answer[list[SourceFile]], "sources", DependsOn())  # type: ignore[valid-type]
def sources(
    connection: sa.Connection,
    constituency: Annotated[str, Query(max_length=100, description="constituency_id")],
    first: From = None,
    to: To = None,
) -> Reply:
    """Files that a constituency's figures (of these hours) come from, and the run that landed each."""
    _constituency(connection, constituency)
    found = provenance_queries.sources_of(connection, constituency, _hours(first, to, None))
    return Reply(found, found)


@_get("/quarantine", PageOf[list[RejectedLine]], "sources")  # type: ignore[valid-type]
def quarantine(connection: sa.Connection, q: Text = None, limit: Limit = 100, cursor: Cursor = None) -> Reply:
    """Lines that could not be read: file, line, reason."""
    found = provenance_queries.quarantine(connection, q, _page(limit, cursor, str))
    return _paged(found.rows, found)


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
    page = _page(limit, cursor, kinds.get(sort, float))
    found = constituency_queries.search_constituencies(
        connection, election=election, region=region, text=text, reporting=reporting, sort=sort,
        descending=descending, page=page,
    )  # fmt: skip
    if not sparkline:
        return replace(_paged(found.rows, found), columns=columns_of(Constituency))
    hours = constituency_queries.hours_of_constituencies(connection, [row["constituency_id"] for row in found.rows])
    return _paged([row | {"hours": hours[row["constituency_id"]]} for row in found.rows], found)


def _election(connection: sa.Connection, settings: Settings, election: str) -> Row:
    found = election_queries.elections_now(connection, settings.late_after, election)
    if not found:
        raise _no_election(election)
    return found[0] | {
        "regions": election_queries.regions_of(connection, election),
        "extremes": election_queries.extremes_of(connection, election),
        "missing": election_queries.missing_of(connection, election),
        "reconciliation": election_queries.reconciliation_of(connection, election),
    }


def _election_exists(connection: sa.Connection, election: str) -> None:
    if not election_queries.has_election(connection, election):
        raise _no_election(election)


def _no_election(election: str) -> HTTPException:
    return HTTPException(404, f"there is no election {election!r}; /elections lists them")


def _constituency(connection: sa.Connection, constituency: str) -> Row:
    found = constituency_queries.constituencies_named(connection, [constituency])
    if not found:
        raise _no_constituency(constituency)
    return found[0]


def _no_constituency(constituency: str) -> HTTPException:
    return HTTPException(404, f"there is no constituency {constituency!r}; /constituencies lists them")


def _or_raise(reply: Reply | Exception) -> Reply:
    if isinstance(reply, Exception):
        raise reply
    return reply


def _hours(first: datetime | None, last: datetime | None, day: date | None) -> Hours:
    if day is not None:
        if first is not None or last is not None:
            raise HTTPException(422, "day and from/to exclude each other; leave one out")
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        try:
            return Hours(start, start + timedelta(hours=23))
        except OverflowError:
            raise HTTPException(422, f"{day} is out of reach") from None
    return Hours(_utc(first), _utc(last))


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        found = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        _ = found + timedelta(days=1)
    except OverflowError:
        raise HTTPException(422, f"{moment} is out of reach") from None
    return found


def _paged(rows: list[Row], found: rows.Found) -> Reply:
    return Reply(rows, rows, after=_cursor(found.after), is_page=True)


def _cursor(after: tuple[Any, str] | None) -> str | None:
    if after is None:
        return None
    value = after[0].isoformat() if isinstance(after[0], datetime) else after[0]
    return base64.urlsafe_b64encode(json.dumps([value, after[1]], ensure_ascii=False).encode()).decode()


def _page(limit: int, cursor: str | None, kind: Callable[[Any], Any]) -> Page:
    if cursor is None:
        return Page(limit)
    try:
        value, key = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        for text in (key, value) if isinstance(value, str) else (key,):
            text.encode()  # refuses lone surrogates
        if "\0" in f"{key}{value}" or (kind is int and not abs(int(value)) < 2**63):
            raise ValueError(key)
        return Page(limit, (None if value is None else kind(value), key))
    except (binascii.Error, ValueError, TypeError, OverflowError, AttributeError, RecursionError):
        raise HTTPException(422, "cursor is none of ours; pass `next` of the page before, with the same sort") from None
