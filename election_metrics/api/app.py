"""The application: endpoints, page, response cache, and the connection that invalidates it."""

import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Depends, FastAPI

from election_metrics import __version__
from election_metrics.api import (
    constituency_routes,
    counter_routes,
    election_routes,
    feeds,
    finding_routes,
    history_routes,
    hour_routes,
    live,
    operating,
    page,
    pictures,
    portal_routes,
    prometheus,
    provenance_routes,
    sessions,
    writing,
)
from election_metrics.api.access import AtTheDoor, names_of_api
from election_metrics.api.cache import ResponseCache
from election_metrics.api.changes import Changes
from election_metrics.api.parameters import refuse_unknown_parameters
from election_metrics.api.problems import answer_with_problems, problem
from election_metrics.api.pulse import Pulse, WhileItHangs
from election_metrics.api.rates import Rates
from election_metrics.api.sessions import Sessions
from election_metrics.errors import ElectionMetricsError
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.web.asgi import SmallBodies

_MOST_BYTES = 64 * 2**10
_LOG = logging.getLogger("election_metrics.api")
ROLE = "election_metrics_api"
"""The role in PostgreSQL that may read `metrics` and write overrides, and no more."""

_ABOUT = """Turnout of on-line votes by hour, constituency and election.

Every answer has in `meta` (and in the headers X-As-Of, X-Coverage and X-Run-Id) the time and the run of its
computation, and the coverage of its input. Times are UTC, rates are percent, unknown is null. Every list is available
as CSV by `Accept: text/csv`, or a path that ends in `.csv`. Answers have an ETag, for `If-None-Match`."""


def create_app(settings: Settings) -> FastAPI:
    """The API for these settings, with the privileges of its database role."""
    limited = with_own_role(settings)
    names, rates, signed_in = names_of_api(settings), Rates(settings), Sessions(settings)
    pulse = Pulse(limited)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        answers = ResponseCache(limited)
        changes = Changes(limited, answers.invalidate)
        answers.is_listening = lambda: changes.is_listening
        answers.hangs = lambda: pulse.hangs
        app.state.pulse = pulse
        app.state.settings, app.state.answers, app.state.changes = limited, answers, changes
        app.state.observed = prometheus.Observed(answers)
        app.state.sessions, app.state.streams = signed_in, live.Streams(limited)
        try:
            async with changes.listening(), pulse.felt():
                yield
        finally:
            await answers.close()
            await signed_in.close()
            await rates.close()

    app = _App(
        title="election-metrics", version=__version__, description=_ABOUT, lifespan=lifespan, docs_url=None,
        redoc_url=None, dependencies=[Depends(refuse_unknown_parameters)],
        openapi_url="/api/v1/openapi.json", generate_unique_id_function=lambda route: route.name,
    )  # fmt: skip
    reading = (
        election_routes, constituency_routes, hour_routes, finding_routes, history_routes, portal_routes,
        provenance_routes, counter_routes,
    )  # fmt: skip
    for part in (*reading, feeds, pictures, writing, live, operating, sessions, page):
        app.include_router(part.router)
    app.include_router(operating.metrics_router)
    page.serve_files(app)
    answer_with_problems(app)
    app.add_middleware(SmallBodies, most=_MOST_BYTES, too_large=lambda reason: problem(413, reason))
    app.add_middleware(WhileItHangs, pulse=pulse)
    app.add_middleware(AtTheDoor, settings=limited, names=names, rates=rates, sessions=signed_in)
    return app


def with_own_role(settings: Settings) -> Settings:
    """Settings whose connections assume the API's role; if impossible, they keep their login's, with a warning."""
    own = settings.model_copy(update={"database_url": settings.api_database_url or settings.database_url})
    limited = own.model_copy(update={"database_role": settings.database_role or ROLE})
    try:
        with transaction(limited):
            return limited
    except ElectionMetricsError:
        try:
            with transaction(own):
                _LOG.warning("connections of the API have all rights of their login: it cannot take on role %s; as a "
                             "superuser, type: CREATE ROLE %s; GRANT %s TO that login; then: election-metrics migrate",
                             limited.database_role, limited.database_role, limited.database_role)  # fmt: skip
            return own
        except ElectionMetricsError:
            return limited  # PostgreSQL cannot be reached


class _App(FastAPI):
    """FastAPI whose OpenAPI declares errors as problem details."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, generated once."""
        if self.openapi_schema is None:
            operations = [way for path in super().openapi()["paths"].values() for way in path.values()]
            for answers in (operation["responses"] for operation in operations):
                for status in answers.keys() & {"400", "401", "403", "404", "413", "421", "422", "429", "503"}:
                    content = answers[status]["content"]
                    content["application/problem+json"] = content.pop("application/json")
        assert self.openapi_schema is not None
        return self.openapi_schema
