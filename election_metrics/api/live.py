"""The live stream: the summary of each election whose figures changed, as server-sent events.

The id of an event is the time its figures were computed. A client that reconnects with its last id gets what changed
since; a new client gets everything. No state is kept for disconnected clients.
"""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import orjson
import sqlalchemy as sa
from fastapi import APIRouter, Header, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from election_metrics.api.access import address_of
from election_metrics.api.cache import ResponseCache
from election_metrics.api.cache_tags import DependsOn
from election_metrics.api.changes import Changes
from election_metrics.api.models import PROBLEMS
from election_metrics.api.problems import problem
from election_metrics.api.rendering import Reply, dump
from election_metrics.settings import Settings
from election_metrics.warehouse.election_queries import elections_now
from election_metrics.web.asgi import Asgi, Receive, Send

router = APIRouter(prefix="/api/v1", tags=["live"])
_LOOK_AT_LEAST_EVERY = 15.0
_ALIVE_EVERY = 10


class Streams:
    """Counts open streams, for each address and in all."""

    def __init__(self, settings: Settings) -> None:
        """None is."""
        self._most_of_one, self._most = settings.api_streams_per_address, settings.api_streams
        self._open: Counter[str] = Counter()

    def refusal(self, address: str) -> Response | None:
        """The refusal of a further stream from this address; None if it is allowed."""
        if self._open[address] >= self._most_of_one:
            return _refused(429, f"{address} has {self._most_of_one} streams open already: close some, or set "
                                 "ELECTION_METRICS_API_STREAMS_PER_ADDRESS")  # fmt: skip
        if self._open.total() >= self._most:
            return _refused(503, f"{self._most} streams are open already: try again later, or set "
                                 "ELECTION_METRICS_API_STREAMS")  # fmt: skip
        return None

    @contextlib.contextmanager
    def opened(self, address: str) -> Iterator[None]:
        """Counts a stream while it is open."""
        self._open[address] += 1
        try:
            yield
        finally:
            self._open[address] -= 1
            self._open += Counter()  # drops addresses without streams


def _refused(status: int, detail: str) -> Response:
    return problem(status, detail, {"retry-after": "10", "connection": "close"})


class _Stream(EventSourceResponse):
    """A stream that is counted, or refused if there are too many."""

    async def __call__(self, scope: Asgi, receive: Receive, send: Send) -> None:
        streams: Streams = scope["app"].state.streams
        address = address_of(scope)
        if refused := streams.refusal(address):
            await refused(scope, receive, send)
            return
        with streams.opened(address):
            await super().__call__(scope, receive, send)


@router.get("/live", response_class=EventSourceResponse, responses={s: PROBLEMS[s] for s in (401, 421, 422, 429, 503)})
async def live(
    request: Request, last_event_id: Annotated[str, Header(description="Id of the last event that arrived")] = ""
) -> EventSourceResponse:
    """Server-sent events `summary`: an election with its figures, when they change. Resumes after `Last-Event-ID`.

    An event `alive` is sent every 10 seconds: a missed heartbeat reveals a dropped connection.
    """
    return _Stream(_summaries(request, last_event_id), ping=_ALIVE_EVERY, ping_message_factory=_alive)


def _alive() -> ServerSentEvent:
    return ServerSentEvent("", event="alive", sep="\n")


async def _summaries(request: Request, since: str) -> AsyncIterator[ServerSentEvent]:
    changes: Changes = request.app.state.changes
    seen: dict[str, str] = {}
    while await request.state.holds():  # ends for a revoked token or an ended session
        next_change = changes.next()
        elections = await _elections(request.app.state.answers)
        news = [one for one in elections if one["computed_at"] > seen.get(one["election_id"], since)]
        for election, following in itertools.zip_longest(news, news[1:]):
            computed = election["computed_at"]
            # Several summaries may have the same time: only the last of them gets the id.
            is_last = following is None or following["computed_at"] != computed
            data = dump(election).decode()
            yield ServerSentEvent(data, event="summary", id=computed if is_last else None, sep="\n")
            seen[election["election_id"]] = computed
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(next_change.wait(), _LOOK_AT_LEAST_EVERY)


async def _elections(answers: ResponseCache) -> list[dict[str, str]]:
    def read(connection: sa.Connection) -> Reply:
        found = elections_now(connection, answers.settings.late_after)
        # In the order in which they were computed, so that an id stands for all that came before it.
        return Reply(sorted(found, key=lambda row: row["computed_at"]), found)

    found = await answers.get("live", "json", DependsOn(summaries=True), {}, read)
    data: list[dict[str, str]] = orjson.loads(found.data)
    return data
