"""Checks twice a second whether PostgreSQL answers, and fails requests fast while it does not.

A hung server refuses no connection, so requests would wait forever. Requests that need it are refused within two
seconds with an instruction; cached answers are still served.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psycopg

from election_metrics.api.problems import problem
from election_metrics.api.sessions import SIGN_IN, SIGN_OUT
from election_metrics.settings import Settings
from election_metrics.warehouse.answering import HANGS
from election_metrics.warehouse.database import connection_options
from election_metrics.warehouse.release import application_name
from election_metrics.warehouse.server import plain_url, warehouse_url
from election_metrics.web.asgi import App, Asgi, Receive, Send

_EVERY = 0.5
_PATIENCE = 1.0
_GRACE = 0.3
_AGAIN_AFTER = 1.0
_NEED_NO_DATABASE = {"/api/v1/health", SIGN_IN, SIGN_OUT}


class Pulse:
    """Pings PostgreSQL until cancelled.

    Attributes:
        hangs: whether it accepts connections and does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        """Does not ping yet."""
        self._settings = settings
        self.hangs = False
        self._waiting: set[_Request] = set()

    @contextlib.asynccontextmanager
    async def felt(self) -> AsyncIterator[None]:
        """Pings in the background."""
        tasks = [asyncio.create_task(self._feel()), asyncio.create_task(self._refuse())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def pass_on(self, app: App, scope: Asgi, receive: Receive, send: Send) -> None:
        """Lets the application answer, unless it waits for a hung PostgreSQL."""
        request = _Request(scope, receive, send, time.monotonic())
        if self.hangs and (scope["method"] not in ("GET", "HEAD") or scope["path"].endswith("/ready")):
            await request.refuse()
            return
        self._waiting.add(request)
        try:
            await app(scope, receive, request.send)
        finally:
            self._waiting.discard(request)

    async def _refuse(self) -> None:
        while True:
            await asyncio.sleep(_GRACE / 2)
            if not self.hangs:
                continue
            for request in [each for each in self._waiting if time.monotonic() - each.came_at > _GRACE]:
                self._waiting.discard(request)
                with contextlib.suppress(Exception):  # the client may be gone
                    await request.refuse()

    async def _feel(self) -> None:
        while True:
            try:
                await self._feel_on_one_connection()
            except psycopg.errors.ConnectionTimeout:
                self.hangs = True
            except Exception:  # a stopped server refuses at once, which is reported elsewhere
                self.hangs = False
            await asyncio.sleep(_AGAIN_AFTER)

    async def _feel_on_one_connection(self) -> None:
        connection = await psycopg.AsyncConnection.connect(
            plain_url(warehouse_url(self._settings)), autocommit=True, connect_timeout=2,
            options=connection_options(self._settings), application_name=application_name(),
        )  # fmt: skip
        async with connection:
            while True:
                beat = asyncio.create_task(connection.execute("SELECT 1"))
                if not await _done(beat, _PATIENCE):
                    self.hangs = True
                await beat
                self.hangs = False
                await asyncio.sleep(_EVERY)


async def _done(task: "asyncio.Task[object]", seconds: float) -> bool:
    """Whether the task is done in time; a busy event loop gets one more turn to process an answer that arrived."""
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        await asyncio.sleep(0.05)
    return task.done()


@dataclass(eq=False)
class _Request:
    """A request that can be refused as long as no response has started."""

    scope: Asgi
    receive: Receive
    to_client: Send
    came_at: float
    is_answered: bool = False
    is_refused: bool = False

    async def send(self, message: Asgi) -> None:
        """Passes the application's response on, unless the request was refused."""
        if self.is_refused:
            return
        self.is_answered = True
        await self.to_client(message)

    async def refuse(self) -> None:
        """Answers that PostgreSQL does not answer, if no response has started."""
        if self.is_answered or self.is_refused:
            return
        self.is_refused = True
        refusal = problem(503, f"{HANGS}; election-metrics status says what is known", {"retry-after": "2"})
        await refusal(self.scope, self.receive, self.to_client)


class WhileItHangs:
    """ASGI middleware of every request for figures."""

    def __init__(self, app: App, pulse: Pulse) -> None:
        """Uses the application's pulse."""
        self._app, self._pulse = app, pulse

    async def __call__(self, scope: Asgi, receive: Receive, send: Send) -> None:
        """Passes the request on, unless PostgreSQL hangs."""
        if scope["type"] == "http" and scope["path"].startswith("/api/") and scope["path"] not in _NEED_NO_DATABASE:
            await self._pulse.pass_on(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)
