"""Errors as problem details (RFC 9457): a title, a status, and what to do instead."""

from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from election_metrics.api.rendering import dump
from election_metrics.errors import ElectionMetricsError, TransientError
from election_metrics.pipeline.overrides import NotThereError
from election_metrics.warehouse.as_of import NotKeptError


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """An error response as in RFC 9457."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(dump(body), status, headers, media_type="application/problem+json")


def answer_with_problems(app: FastAPI) -> None:
    """Makes every error of the application a problem response."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _misread)
    app.add_exception_handler(ElectionMetricsError, _ours)


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


async def _ours(request: Request, error: Exception) -> Response:  # noqa: ARG001 the handler's signature
    if isinstance(error, NotThereError):
        return problem(404, str(error))
    if isinstance(error, TransientError):
        return problem(503, str(error), {"retry-after": "2"})
    return problem(
        422 if type(error) in (ElectionMetricsError, NotKeptError) else 503, str(error), {"retry-after": "2"}
    )
