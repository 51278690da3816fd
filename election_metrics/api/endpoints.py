"""Makes read endpoints of plain functions on a connection: cached, with an ETag, as JSON or CSV."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import wraps
from typing import Any, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Request, Response

from election_metrics.api.arguments import AsOf, past
from election_metrics.api.cache import ResponseCache, respond
from election_metrics.api.cache_tags import DependsOn
from election_metrics.api.dataloader import PendingRequest, ReadMany
from election_metrics.api.models import PROBLEMS, columns_of, rows_of
from election_metrics.api.rendering import Reply
from election_metrics.warehouse.as_of import known_at


def new_router() -> APIRouter:
    """A router for read endpoints."""
    described = {304: {"description": "Nothing has changed since the answer with this ETag"}, **PROBLEMS}
    return APIRouter(prefix="/api/v1", responses=described)


def cached(
    function: Callable[..., Reply],
    columns: Sequence[str],
    rests_on: DependsOn | None = None,
    many: ReadMany | None = None,
    *,
    has_history: bool = True,
) -> Callable[..., Any]:
    """Makes an endpoint of a function: its answer is cached, has an ETag, and is JSON or CSV of these columns.

    The answer depends on `what`, else on the constituency or election named by a parameter, else on everything. If a
    constituency is the only parameter, `many` reads it in a batch with other requests. A function with a parameter
    `settings` gets them. An endpoint with a history takes `as_of`: its function then reads the tables as they were
    known.
    """
    signature = inspect.signature(function)
    own = [parameter for parameter in list(signature.parameters.values())[1:] if parameter.name != "settings"]
    if has_history:
        own.append(inspect.Parameter("as_of", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=AsOf))
    reading_many = many and _with_columns_many(many, columns)

    @wraps(function)
    async def endpoint(request: Request, as_of: datetime | None = None, **parameters: Any) -> Response:
        answers: ResponseCache = request.app.state.answers
        moment = past(as_of)
        what = rests_on or await _named(answers, parameters)
        kind = _format(request)

        extra = {"settings": answers.settings} if "settings" in signature.parameters else {}

        def read(connection: sa.Connection) -> Reply:
            return _with_columns(function(known_at(connection, moment), **extra, **parameters), columns)

        asked = [value for value in (*parameters.values(), moment) if value]
        one_of_many = many is not None and asked == [parameters["constituency_id"]]
        reading = PendingRequest(reading_many, parameters["constituency_id"]) if reading_many and one_of_many else read
        found = await answers.get(function.__name__, kind, what, {**parameters, "as_of": moment}, reading)
        meta = await answers.meta(found, what, moment)
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


def get(
    router: APIRouter,
    path: str,
    model: Any,
    tag: str,
    rests_on: DependsOn | None = None,
    many: ReadMany | None = None,
    csv_of: Any = None,
    *,
    has_history: bool = True,
) -> Callable[[Callable[..., Reply]], Callable[..., Reply]]:
    """Registers a function as an endpoint, and returns it unchanged. `csv_of`: model of the rows of its CSV."""
    columns = columns_of(csv_of or rows_of(model))

    def register(function: Callable[..., Reply]) -> Callable[..., Reply]:
        csv: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}},
                     "description": "JSON; or CSV by `Accept: text/csv` or a path that ends in .csv"}}  # fmt: skip
        endpoint = cached(function, columns, rests_on, many, has_history=has_history)
        router.get(path, response_model=model, tags=[tag], responses=csv, name=function.__name__)(endpoint)
        return function

    return register
