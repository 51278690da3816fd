"""Whether PostgreSQL answers, felt twice a second; and what becomes of requests while it does not.

A server that hangs refuses nothing: whoever asks it waits for ever, and so would whoever asks us. Requests that wait
for it are refused within two seconds, with what to do; what is kept in memory is answered as it was.
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
    """Asks PostgreSQL for as little as possible, for ever.

    Attributes:
        hangs: whether it takes connections and says nothing.
    """

    def __init__(self, settings: Settings) -> None:
        """Feels nothing yet."""
        self._settings = settings
        self.hangs = False
        self._waiting: set[_Request] = set()

    @contextlib.asynccontextmanager
    async def felt(self) -> AsyncIterator[None]:
        """Feels it in the background."""
        tasks = [asyncio.create_task(self._feel()), asyncio.create_task(self._refuse())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def pass_on(self, app: App, scope: Asgi, receive: Receive, send: Send) -> None:
        """Lets the application answer, unless it waits for a PostgreSQL that hangs."""
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
                with contextlib.suppress(Exception):  # whoever asked may be gone
                    await request.refuse()

    async def _feel(self) -> None:
        while True:
            try:
                await self._feel_on_one_connection()
            except psycopg.errors.ConnectionTimeout:
                self.hangs = True
            except Exception:  # one that is gone refuses at once, and is somebody else's to tell
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
    """Whether it is done in time; a loop that was busy itself has a turn to find the answer that lies there."""
    await asyncio.wait({task}, timeout=seconds)
    if not task.done():
        await asyncio.sleep(0.05)
    return task.done()


@dataclass(eq=False)
class _Request:
    """A request that may be refused as long as nothing was answered."""

    scope: Asgi
    receive: Receive
    to_client: Send
    came_at: float
    is_answered: bool = False
    is_refused: bool = False

    async def send(self, message: Asgi) -> None:
        """What the application answers; nothing, where it comes too late."""
        if self.is_refused:
            return
        self.is_answered = True
        await self.to_client(message)

    async def refuse(self) -> None:
        """Says that PostgreSQL does not answer, if nothing was said yet."""
        if self.is_answered or self.is_refused:
            return
        self.is_refused = True
        refusal = problem(503, f"{HANGS}; election-metrics status says what is known", {"retry-after": "2"})
        await refusal(self.scope, self.receive, self.to_client)


class WhileItHangs:
    """What every request for figures passes."""

    def __init__(self, app: App, pulse: Pulse) -> None:
        """Feels the pulse that the application has."""
        self._app, self._pulse = app, pulse

    async def __call__(self, scope: Asgi, receive: Receive, send: Send) -> None:
        """Lets it pass, unless it waits in vain."""
        if scope["type"] == "http" and scope["path"].startswith("/api/") and scope["path"] not in _NEED_NO_DATABASE:
            await self._pulse.pass_on(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)
