"""Endpoints about the system itself: does it answer, is it ready, what state is it in."""

from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from election_metrics.api.answers import Answers, dump
from election_metrics.api.models import Problem
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.elections import read_status

router = APIRouter(prefix="/api/v1", tags=["operating"])
_AWAY: dict[int | str, dict[str, Any]] = {503: {"model": Problem, "description": "PostgreSQL is away"}}


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"


class Status(BaseModel):
    """How far the pipeline is, and how the cache does."""

    figures: dict[str, int] = Field(description="Files, lines, hours and elections by state")
    is_listening: bool = Field(description="Whether commits empty the cache at once; else answers live 2 seconds")
    cache_hits: int = Field(description="Answers that were in the cache, since the start")
    cache_misses: int = Field(description="Answers that had to be read")


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
            "cache_misses": answers.misses}  # fmt: skip
    return Response(dump(said), media_type="application/json", headers={"cache-control": "no-store"})
