"""Notifications of commits by PostgreSQL, on one connection, for the response cache and the live stream."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import psycopg

from election_metrics.settings import Settings
from election_metrics.warehouse.database import connection_options
from election_metrics.warehouse.release import application_name
from election_metrics.warehouse.replace import CHANNEL
from election_metrics.warehouse.server import plain_url, warehouse_url

_LOG = logging.getLogger("election_metrics.api")
_PROBE_SECONDS = 5.0
_AGAIN_AFTER = 1.0


@dataclass(frozen=True)
class Change:
    """A commit that changed rows of a table.

    Attributes:
        table: the table.
        election: the election of the rows; None: possibly any.
        constituencies: the constituencies of the rows; None: possibly any of the election.
        version: the id of the commit, the same for every listener.
    """

    table: str
    election: str | None
    constituencies: tuple[str, ...] | None
    version: str


class Changes:
    """Listens for commits until cancelled, and wakes waiters after each.

    Attributes:
        is_listening: false while the connection is broken.
    """

    def __init__(self, settings: Settings, heard: Callable[[Change | None], None]) -> None:
        """Calls `heard` with each change; with None after each (re)connection: anything may have changed meanwhile."""
        self._settings, self._heard = settings, heard
        self._woken = asyncio.Event()
        self.is_listening = False

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listens in the background."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def next(self) -> asyncio.Event:
        """An event that the next change sets. Taken before a read, it misses no change."""
        return self._woken

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception as error:  # any error: the next attempt reconnects
                if self.is_listening:
                    _LOG.warning("PostgreSQL no longer sends notifications (%s): answers are cached briefly", error)
                self.is_listening = False
            await asyncio.sleep(_AGAIN_AFTER)

    async def _listen(self) -> None:
        connection = await psycopg.AsyncConnection.connect(
            plain_url(warehouse_url(self._settings)), autocommit=True, connect_timeout=10,
            options=connection_options(self._settings), application_name=application_name(),
        )  # fmt: skip
        async with connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self.is_listening = True
            self._tell(None)
            while True:
                async for notice in connection.notifies(timeout=_PROBE_SECONDS):
                    self._tell(_read(notice.payload))
                # A silently broken connection is only detected by using it.
                await asyncio.wait_for(connection.execute("SELECT 1"), _PROBE_SECONDS)

    def _tell(self, change: Change | None) -> None:
        self._heard(change)
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()


def _read(payload: str) -> Change | None:
    """The change; None (anything may have changed) for payloads that are not ours, because any role may notify."""
    try:
        content = json.loads(payload)
        ids = content.get("constituencies")
        named = None if ids is None else tuple(map(str, ids))
        return Change(str(content["table"]), content.get("election_id"), named, str(content["version"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
