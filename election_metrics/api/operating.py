"""Endpoints about the system itself: does it answer, is it ready, what state is it in."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from election_metrics.api.answers import Answers
from election_metrics.api.models import PROBLEMS
from election_metrics.api.observed import Observed
from election_metrics.api.rendering import dump
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.elections import read_status

router = APIRouter(prefix="/api/v1", tags=["operating"])
_AWAY: dict[int | str, dict[str, Any]] = {status: PROBLEMS[status] for status in (401, 429, 503)}


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


class Status(BaseModel):
    """How far the pipeline is, and how the cache does."""

    figures: dict[str, int] = Field(description="Files, lines, hours and elections by state")
    is_listening: bool = Field(description="Whether commits empty the cache at once; else answers live 2 seconds")
    cache_hits: int = Field(description="Answers that were in the cache, since the start")
    cache_misses: int = Field(description="Answers that had to be read")
    hit_rate: float | None = Field(description="Percent of the answers that were in the cache; null: none yet")
    ui_url: str = Field(description="The Dagster UI, for people")
    is_signed_in: bool = Field(description="Whether a browser asks that has signed in")
    stale_after_minutes: int = Field(description="Input is overdue so long after the end of its hour")


@router.get("/health")
async def health() -> Health:
    """Whether the process lives. Asks nobody else."""
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
    """How far the pipeline is."""
    settings: Settings = request.app.state.settings
    answers: Answers = request.app.state.answers
    with transaction(settings) as connection:
        figures = read_status(connection)
    said = {"figures": figures, "is_listening": answers.is_listening(), "cache_hits": answers.hits,
            "cache_misses": answers.misses, "hit_rate": answers.hit_rate, "ui_url": settings.ui_url,
            "is_signed_in": getattr(request.state, "is_signed_in", False),
            "stale_after_minutes": settings.alert_after_minutes}  # fmt: skip
    return Response(dump(said), media_type="application/json", headers={"cache-control": "no-store"})


metrics_router = APIRouter()


@metrics_router.get("/metrics", include_in_schema=False)
def metrics(request: Request) -> Response:
    """How the API does, for Prometheus."""
    observed: Observed = request.app.state.observed
    return Response(observed.text(), media_type="text/plain; version=0.0.4")
