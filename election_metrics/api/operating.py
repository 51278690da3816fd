"""Endpoints about the system: health, readiness, status, problems, metrics."""

from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from election_metrics.api.access import reads_are_open
from election_metrics.api.cache import ResponseCache
from election_metrics.api.models import PROBLEMS
from election_metrics.api.prometheus import Observed
from election_metrics.api.pulse import Pulse
from election_metrics.api.rendering import dump
from election_metrics.pipeline.last_known import read_last_known, unwatched
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.reports import read_status
from election_metrics.web.names import is_own_address

router = APIRouter(prefix="/api/v1", tags=["operating"])
_AWAY: dict[int | str, dict[str, Any]] = {status: PROBLEMS[status] for status in (401, 429, 503)}


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


class Status(BaseModel):
    """State of the pipeline and of the response cache."""

    figures: dict[str, int] = Field(description="Files, lines, hours and elections by state")
    database_answers: bool = Field(description="Whether PostgreSQL answers; else the figures are the last known ones")
    figures_at: datetime | None = Field(description="When the figures were read; null: never")
    is_listening: bool = Field(
        description="Whether commits invalidate the cache; else answers are cached for 2 seconds"
    )
    cache_hits: int = Field(description="Answers that were in the cache, since the start")
    cache_misses: int = Field(description="Answers that had to be read")
    hit_rate: float | None = Field(description="Percent of the answers that were in the cache; null: none yet")
    ui_url: str = Field(description="The Dagster UI, for people")
    is_signed_in: bool = Field(description="Whether the request has a session of the page")
    is_embeddable: bool = Field(description="Whether other sites may show charts in a frame")
    stale_after_minutes: int = Field(description="Minutes after the end of its hour when input is overdue")


@router.get("/health")
async def health() -> Health:
    """Liveness of the process; uses no other service."""
    return Health()


@router.get("/ready", responses=_AWAY)
def ready(request: Request) -> Health:
    """Whether PostgreSQL answers."""
    settings: Settings = request.app.state.settings
    with transaction(settings) as connection:
        connection.execute(sa.text("SELECT 1 FROM metrics.elections LIMIT 1"))
    return Health()


@router.get("/status", response_model=Status, responses=_AWAY)
def status(request: Request) -> Response:
    """State of the pipeline and of the response cache."""
    settings: Settings = request.app.state.settings
    answers: ResponseCache = request.app.state.answers
    pulse: Pulse = request.app.state.pulse
    if pulse.hangs:
        known = read_last_known(settings)
        figures, figures_at = known.figures, known.figures_at
    else:
        with transaction(settings) as connection:
            figures, figures_at = read_status(connection), datetime.now(UTC)
    body = {"figures": figures, "database_answers": not pulse.hangs, "figures_at": figures_at,
            "is_listening": answers.is_listening(), "cache_hits": answers.hits, "cache_misses": answers.misses,
            "hit_rate": answers.hit_rate, "ui_url": settings.ui_url,
            "is_signed_in": getattr(request.state, "is_signed_in", False),
            "is_embeddable": settings.embed_origins is not None,
            "stale_after_minutes": settings.alert_after_minutes}  # fmt: skip
    return Response(dump(body), media_type="application/json", headers={"cache-control": "no-store"})


class SystemProblem(BaseModel):
    """A current problem."""

    severity: Literal["error", "warning"]
    title: str = Field(description="What is wrong, in a line")
    detail: str = Field(description="Where, why, what to type and where to look; empty for onlookers")
    since: datetime = Field(description="When it was first seen")


class SystemProblems(BaseModel):
    """Problems of the system, as its supervisor knows them."""

    looked_at: datetime | None = Field(description="When the supervisor looked last; null: none has")
    is_watched: bool = Field(description="Whether a supervisor (`election-metrics up`) watches now")
    problems: list[SystemProblem]


@router.get("/problems", response_model=SystemProblems, responses=_AWAY)
def problems(request: Request) -> Response:
    """Problems of the system; needs no database. Without details if reading is open to other machines."""
    settings: Settings = request.app.state.settings
    now = datetime.now(UTC)
    known = read_last_known(settings)
    stopped = unwatched(settings, known, now)
    everything = [*known.everything(now), *([] if stopped is None else [stopped])]
    is_public = reads_are_open(settings) and not is_own_address(settings.api_host, "ELECTION_METRICS_API_HOST")
    found = [{"severity": one.severity, "since": one.since, "detail": "" if is_public else one.detail,
              "title": "Figures may be late" if is_public else one.title} for one in everything]  # fmt: skip
    body = {"looked_at": known.looked_at, "is_watched": known.watches(now), "problems": found}
    return Response(dump(body), media_type="application/json", headers={"cache-control": "no-store"})


metrics_router = APIRouter()


@metrics_router.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """Prometheus metrics of the API."""
    observed: Observed = request.app.state.observed
    return Response(observed.text(), media_type="text/plain; version=0.0.4")
