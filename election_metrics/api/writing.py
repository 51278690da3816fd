"""The write endpoints: overrides, cache invalidation, and requests for runs. Each needs a token."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Body, Path, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from election_metrics.api.arguments import ConstituencyId, ElectionId
from election_metrics.api.models import PROBLEMS, Problem
from election_metrics.api.refresh import ask_for_run, hours_to_refresh
from election_metrics.pipeline import overrides
from election_metrics.settings import Settings, time_zones
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import (
    anomaly_thresholds,
    constituency_metrics,
    constituency_reference,
    election_reference,
    election_summaries,
)

_bearer = HTTPBearer(auto_error=False, description="A token that may operate: election-metrics token create")


class _SeenAtOnce(APIRoute):
    """Invalidates the cache after a write, so that the writer sees it at once, before the notification arrives."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_and_forget(request: Request) -> Response:
            response = await handle(request)
            if request.method != "POST":  # POST requests runs, or invalidates named answers
                request.app.state.answers.invalidate(None)
            return response

        return handle_and_forget


router = APIRouter(
    prefix="/api/v1",
    route_class=_SeenAtOnce,
    dependencies=[Security(_bearer)],
    responses={
        401: {"model": Problem, "description": "There is no token, or none of that kind"},
        403: {"model": Problem, "description": "The token may not operate"},
        **{status: PROBLEMS[status] for status in (400, 404, 413, 421, 422, 429, 503)},
    },
)


def _a_time_zone(value: str) -> str:
    if value not in time_zones():
        raise ValueError("it must be an IANA time zone such as Europe/Moscow")
    return value


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("it contains a NUL character")
    return value


def _with_zone(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("it must have a zone, such as 2026-09-18T08:00+03:00")
    return _in_reach(value).astimezone(UTC)


def _without_zone(value: datetime) -> datetime:
    if value.tzinfo is not None:
        raise ValueError("it is a local wall clock and has no zone: 2026-09-18T08:00")
    return _in_reach(value)


def _in_reach(value: datetime) -> datetime:
    if not 2000 <= value.year < 2100:
        raise ValueError("it must be between 2000 and 2100")
    return value


Said = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_no_nul)]
Zone = Annotated[str, Field(max_length=64), AfterValidator(_a_time_zone)]
Moment = Annotated[datetime, AfterValidator(_with_zone)]
Clock = Annotated[datetime, AfterValidator(_without_zone)]
Contract = Annotated[str, Path(pattern="^[1-9A-HJ-NP-Za-km-z]{32,44}$", description="constituency_id (base58)")]
Rule = Annotated[str, Path(max_length=100, description="Rule, as /rules lists them")]
ThresholdName = Annotated[str, Path(max_length=100, description="Threshold of the rule")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConstituencyReference(_Body):
    """Overrides of a constituency; null overrides nothing. They take precedence over files, transactions and paths."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"name": "Округ №1", "registered_voters": 3912, "time_zone": "Asia/Yekaterinburg"}
    ]})  # fmt: skip

    election: Said | None = Field(None, description="Name of the election it votes in")
    name: Said | None = Field(None, description="Its name")
    region_code: Said | None = Field(None, description="Region's code")
    region: Said | None = Field(None, description="Region's name")
    time_zone: Zone | None = Field(None, description="IANA time zone")
    registered_voters: Annotated[int, Field(ge=0, lt=10**12)] | None = Field(None, description="Registered voters")
    starts_at: Moment | None = Field(None, description="Voting starts")
    ends_at: Moment | None = Field(None, description="Voting ends")

    @model_validator(mode="after")
    def _in_order(self) -> "ConstituencyReference":
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("ends_at is not after starts_at")
        return self


class ElectionReference(_Body):
    """Overrides of an election; null overrides nothing."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"name": "Duma 2026", "opens_at": "2026-09-18T08:00", "closes_at": "2026-09-20T20:00"}
    ]})  # fmt: skip

    name: Said | None = Field(None, description="Name to show")
    time_zone: Zone | None = Field(
        None, description="IANA time zone in which it is shown; constituencies have their own"
    )
    opens_at: Clock | None = Field(None, description="Voting starts: local wall clock, in each time zone")
    closes_at: Clock | None = Field(None, description="Voting ends: local wall clock, in each time zone")

    @model_validator(mode="after")
    def _in_order(self) -> "ElectionReference":
        if self.opens_at and self.closes_at and self.closes_at <= self.opens_at:
            raise ValueError("closes_at is not after opens_at")
        return self


class Threshold(_Body):
    """The value from which a rule fires in this election."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"value": 4}]})

    value: float = Field(gt=0, lt=1e12, description="Value instead of the default")


class State(_Body):
    """The state of a finding."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"state": "acknowledged", "note": "asked the commission"}
    ]})  # fmt: skip

    state: Literal["open", "acknowledged", "resolved"]
    note: Said | None = Field(None, description="Why; kept with the finding")


class Hours(_Body):
    """The hours to compute again; default: the current hour and the one before."""

    model_config = ConfigDict(json_schema_extra={"examples": [
        {"from": "2026-09-18T05:00Z", "to": "2026-09-18T09:00Z"}
    ]})  # fmt: skip

    first: Moment | None = Field(None, alias="from", description="First hour")
    last: Moment | None = Field(None, alias="to", description="Last hour, inclusive")


class Run(BaseModel):
    """The requested run."""

    run_id: str = Field(description="Its id in Dagster")
    run_url: str = Field(description="Its page in the Dagster UI")
    is_new: bool = Field(description="False if the same run was in progress already")
    first_hour: datetime = Field(description="First hour it computes")
    last_hour: datetime = Field(description="Last hour, inclusive")


class Invalidated(BaseModel):
    """What was invalidated, for every API on this database."""

    invalidated: str


_NOTHING: Any = {"status_code": 204, "response_class": Response}


@router.put("/reference/constituencies/{constituency_id}", tags=["reference"], **_NOTHING)
def set_constituency(request: Request, constituency_id: Contract, values: ConstituencyReference) -> None:
    """Replaces the overrides of a constituency; its figures are updated within seconds."""
    overrides.set_constituency(_settings(request), constituency_id, values.model_dump(), _who(request))


@router.delete("/reference/constituencies/{constituency_id}", tags=["reference"], **_NOTHING)
def forget_constituency(request: Request, constituency_id: Contract) -> None:
    """Deletes the overrides of a constituency."""
    overrides.delete_override(
        _settings(request), constituency_reference, {"constituency_id": constituency_id}, _who(request)
    )


@router.put("/reference/elections/{election_id}", tags=["reference"], **_NOTHING)
def set_election(request: Request, election_id: ElectionId, values: ElectionReference) -> None:
    """Replaces the overrides of an election."""
    overrides.set_election(_settings(request), election_id, values.model_dump(), _who(request))


@router.delete("/reference/elections/{election_id}", tags=["reference"], **_NOTHING)
def forget_election(request: Request, election_id: ElectionId) -> None:
    """Deletes the overrides of an election."""
    overrides.delete_override(_settings(request), election_reference, {"election_id": election_id}, _who(request))


@router.put("/thresholds/{election_id}/{rule}/{threshold}", tags=["findings"], **_NOTHING)
def set_threshold(
    request: Request, election_id: ElectionId, rule: Rule, threshold: ThresholdName, body: Threshold
) -> None:
    """Sets a threshold of a rule for one election; it applies from the next run on."""
    overrides.set_threshold(_settings(request), election_id, rule, threshold, body.value, _who(request))


@router.delete("/thresholds/{election_id}/{rule}/{threshold}", tags=["findings"], **_NOTHING)
def forget_threshold(request: Request, election_id: ElectionId, rule: Rule, threshold: ThresholdName) -> None:
    """Restores the default of a threshold."""
    key = {"election_id": election_id, "rule": rule, "threshold": threshold}
    overrides.delete_override(_settings(request), anomaly_thresholds, key, _who(request))


@router.put("/anomalies/{anomaly_id}/state", tags=["findings"], **_NOTHING)
def set_state(request: Request, anomaly_id: Annotated[str, Path(max_length=200)], body: State) -> None:
    """Acknowledges, resolves or opens a finding."""
    overrides.set_state(_settings(request), anomaly_id, body.state, _who(request), body.note)


@router.post("/refresh", tags=["operating"], status_code=202)
def refresh(request: Request, hours: Annotated[Hours, Body(default_factory=Hours)]) -> Run:
    """Requests a run that lands new input and computes these hours and everything that depends on them."""
    settings = _settings(request)
    first, last = hours_to_refresh(hours.first, hours.last, datetime.now(UTC), settings.max_hours_per_run)
    asked = ask_for_run(settings, first, last, _who(request))
    overrides.record_audit(settings, _who(request), "refresh", f"run {asked.run_id}", {"is_new": asked.is_new})
    return Run(
        run_id=asked.run_id, run_url=f"{settings.ui_url.rstrip('/')}/runs/{asked.run_id}", is_new=asked.is_new,
        first_hour=first, last_hour=last,
    )  # fmt: skip


@router.post("/invalidate-cache/constituency/{constituency_id}", tags=["operating"])
def invalidate_constituency(request: Request, constituency_id: ConstituencyId) -> Invalidated:
    """Invalidates cached answers on a constituency."""
    with transaction(_settings(request)) as connection:
        place = sa.select(constituency_metrics.c.election_id).filter_by(constituency_id=constituency_id).limit(1)
        election = connection.execute(place).scalar()
        if election is None:
            raise overrides.NotThereError(
                f"nothing came from a constituency {constituency_id!r}; /constituencies lists them"
            )
        notify(connection, constituency_metrics, {election: [constituency_id]})
    return _invalidated(request, f"constituency {constituency_id}")


@router.post("/invalidate-cache/election/{election_id}", tags=["operating"])
def invalidate_election(request: Request, election_id: ElectionId) -> Invalidated:
    """Invalidates cached answers on an election and its constituencies."""
    with transaction(_settings(request)) as connection:
        notify(connection, election_summaries, [election_id])
    return _invalidated(request, f"election {election_id}")


@router.post("/invalidate-cache/dashboard", tags=["operating"])
def invalidate_dashboard(request: Request) -> Invalidated:
    """Invalidates all cached answers."""
    with transaction(_settings(request)) as connection:
        notify(connection, election_summaries, [None])
    return _invalidated(request, "everything")


def _invalidated(request: Request, what: str) -> Invalidated:
    overrides.record_audit(_settings(request), _who(request), "invalidate-cache", what)
    return Invalidated(invalidated=what)


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _who(request: Request) -> str:
    return str(request.state.who)
