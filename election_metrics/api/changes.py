"""What was committed, as PostgreSQL tells it: the cache and the live stream hang on this one connection."""

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
    """A commit changed rows of a table.

    Attributes:
        table: the table.
        election: whose rows; None: maybe any.
        constituencies: of these constituencies; None: maybe any of the election's.
        version: the commit's number, the same for every listener.
    """

    table: str
    election: str | None
    constituencies: tuple[str, ...] | None
    version: str


class Changes:
    """Listens for commits, for ever; whoever waits is woken by each.

    Attributes:
        is_listening: false from the moment the connection is found broken until it stands again.
    """

    def __init__(self, settings: Settings, heard: Callable[[Change | None], None]) -> None:
        """Tells `heard` of each change; of None when it listens (again), as anything may have changed meanwhile."""
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
        """What the next change sets. Whoever takes it before reading misses no change that comes meanwhile."""
        return self._woken

    async def _run(self) -> None:
        while True:
            try:
                await self._listen()
            except Exception as error:  # whatever it was: the next try listens again
                if self.is_listening:
                    _LOG.warning("PostgreSQL does not tell of changes any more (%s): the cache lives briefly", error)
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
                # A connection that broke without a word is found by using it.
                await asyncio.wait_for(connection.execute("SELECT 1"), _PROBE_SECONDS)

    def _tell(self, change: Change | None) -> None:
        self._heard(change)
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()


def _read(payload: str) -> Change | None:
    """The change; None, which is any change, where it is not one of ours: any role may notify."""
    try:
        said = json.loads(payload)
        ids = said.get("constituencies")
        named = None if ids is None else tuple(map(str, ids))
        return Change(str(said["table"]), said.get("election_id"), named, str(said["version"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
