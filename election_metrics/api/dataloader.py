"""DataLoader: batches concurrent reads of single constituencies into one query.

After a commit that changed an hour, every constituency is read again within a second. The overhead of a query is larger
than the work for one constituency, so requests that arrive while a query is in flight wait for the next, shared one.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import anyio.to_thread
import sqlalchemy as sa

from election_metrics.api.rendering import Format, Reply, Stored, render
from election_metrics.settings import Settings
from election_metrics.warehouse.as_of import newest_commit
from election_metrics.warehouse.database import transaction

_MOST_AT_ONCE = 64
ReadMany = Callable[[sa.Connection, Sequence[str]], dict[str, Reply | Exception]]
"""Reads several ids; returns a reply or an error for each."""


@dataclass(frozen=True)
class PendingRequest:
    """A read of one id, which may be batched with others."""

    read: ReadMany
    of: str


@dataclass
class _Waiting:
    """A pending request for one id."""

    of: str
    kind: Format
    version: str
    answer: "asyncio.Future[Stored]"


class DataLoader:
    """Runs one query of each kind at a time, for all pending requests."""

    def __init__(self, settings: Settings) -> None:
        """Starts without pending requests."""
        self._settings = settings
        self._waiting: dict[ReadMany, list[_Waiting]] = {}
        self._readers: dict[ReadMany, asyncio.Task[None]] = {}

    async def get(self, one: PendingRequest, kind: Format, version: str) -> Stored:
        """The answer for this id, read after this call."""
        read, waiting = one.read, _Waiting(one.of, kind, version, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(read, []).append(waiting)
        if read not in self._readers:
            self._readers[read] = asyncio.create_task(self._read_all(read))
        return await waiting.answer

    async def _read_all(self, read: ReadMany) -> None:
        """Reads until no request is pending."""
        waiting = self._waiting[read]
        while waiting:
            batch, waiting[:_MOST_AT_ONCE] = waiting[:_MOST_AT_ONCE], []
            try:
                found = await anyio.to_thread.run_sync(self._read, read, batch)
            except Exception as error:
                found = [error] * len(batch)
            for one, answer in zip(batch, found, strict=True):
                if one.answer.done():
                    continue  # the caller was cancelled
                if isinstance(answer, Exception):
                    one.answer.set_exception(answer)
                else:
                    one.answer.set_result(answer)
        del self._readers[read]

    def _read(self, read: ReadMany, batch: Sequence[_Waiting]) -> list[Stored | Exception]:
        read_at = time.time()
        with transaction(self._settings, snapshot=True) as connection:
            replies = read(connection, list({waiting.of for waiting in batch}))
            known = newest_commit(connection)
        return [_rendered(waiting, replies[waiting.of], read_at, known) for waiting in batch]


def _rendered(
    waiting: _Waiting, reply: Reply | Exception, read_at: float, known_at: datetime | None
) -> Stored | Exception:
    return reply if isinstance(reply, Exception) else render(waiting.kind, reply, read_at, waiting.version, known_at)
