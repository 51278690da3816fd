"""The application: endpoints, errors as problem details, the cache and the connection that empties it."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from election_metrics import __version__
from election_metrics.api import live, operating, routes
from election_metrics.api.answers import Answers, dump
from election_metrics.api.changes import Changes
from election_metrics.errors import ElectionMetricsError
from election_metrics.settings import Settings
from election_metrics.warehouse.server import plain_url, warehouse_url

_ABOUT = """Turnout of on-line votes by hour, constituency and election.

Every answer says in `meta` (and in the headers X-As-Of, X-Coverage and X-Run-Id) when its figures were computed, by
which run, and how much of what should be here it rests on. Times are UTC, rates are percent, unknown is null. Any
list is CSV with `Accept: text/csv`, or a path that ends in `.csv`. Answers have an ETag: `If-None-Match` saves them."""
_SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
}
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def create_app(settings: Settings) -> FastAPI:
    """The API for these settings."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        answers = Answers(settings)
        changes = Changes(plain_url(warehouse_url(settings)), answers.heard)
        answers.is_listening = lambda: changes.is_listening
        app.state.settings, app.state.answers, app.state.changes = settings, answers, changes
        async with changes.listening():
            yield

    app = _App(
        title="election-metrics", version=__version__, description=_ABOUT, lifespan=lifespan, docs_url=None,
        redoc_url=None, openapi_url="/api/v1/openapi.json",
    )  # fmt: skip
    for part in (routes, live, operating):
        app.include_router(part.router)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(ElectionMetricsError, _unavailable)
    # A page of somebody else that gives its name this address must not read here.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])
    app.add_middleware(_AtTheDoor)
    return app


class _App(FastAPI):
    """FastAPI, whose OpenAPI says of errors what they are: problem details."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            operations = [way for path in super().openapi()["paths"].values() for way in path.values()]
            for answers in (operation["responses"] for operation in operations):
                for status in answers.keys() & {"404", "422", "503"}:
                    content = answers[status]["content"]
                    content["application/problem+json"] = content.pop("application/json")
        assert self.openapi_schema is not None
        return self.openapi_schema


class _AtTheDoor:
    """What holds for every request: `.csv` means CSV, no NUL gets in, safe headers go out."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path: str = scope["path"]
        if path.startswith("/api/") and path.endswith(".csv"):
            others = [(name, value) for name, value in scope["headers"] if name != b"accept"]
            scope = {**scope, "path": path.removesuffix(".csv"), "headers": [*others, (b"accept", b"text/csv")]}
            scope["raw_path"] = scope["path"].encode()

        async def send_safely(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in _SAFE.items())]
            await send(message)

        if "\0" in path or b"%00" in scope.get("query_string", b""):
            await problem(422, "a parameter holds a NUL character")(scope, receive, send_safely)
        else:
            await self._app(scope, receive, send_safely)


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """An error as RFC 9457 has it."""
    said = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(dump(said), status, headers, media_type="application/problem+json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = error.detail
    if detail == HTTPStatus(error.status_code).phrase:
        detail = f"{request.method} {request.url.path}: see /api/v1/openapi.json for what there is"
    return problem(error.status_code, detail, dict(error.headers or {}))


async def _misread(request: Request, error: Exception) -> Response:  # noqa: ARG001 the handler's signature
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(str(part) for part in one['loc'][1:])}: {one['msg']}" for one in error.errors()]
    return problem(422, "; ".join(found))


async def _unavailable(request: Request, error: Exception) -> Response:  # noqa: ARG001 the handler's signature
    return problem(503, str(error), {"retry-after": "2"})
