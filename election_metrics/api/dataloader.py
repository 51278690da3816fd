"""What many ask of single constituencies at once is read together.

After a commit that changed an hour, every constituency's answer is read again within a second. One by one, a query
costs more than what it gives; so whoever asks while a query is under way waits for the next one, which reads for all.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio.to_thread
import sqlalchemy as sa

from election_metrics.api.rendering import Format, Reply, Stored, render
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction

_MOST_AT_ONCE = 64
ReadMany = Callable[[sa.Connection, Sequence[str]], dict[str, Reply | Exception]]
"""Reads for several ids; each has a reply, or the error that it is answered by."""


@dataclass(frozen=True)
class PendingRequest:
    """What is read on this id, together with others who ask for theirs."""

    read: ReadMany
    of: str


@dataclass
class _Asked:
    """Somebody waits for the answer on this id."""

    of: str
    kind: Format
    version: str
    answer: "asyncio.Future[Stored]"


class DataLoader:
    """Reads for all who wait, one query of a kind at a time."""

    def __init__(self, settings: Settings) -> None:
        """Nobody waits yet."""
        self._settings = settings
        self._waiting: dict[ReadMany, list[_Asked]] = {}
        self._readers: dict[ReadMany, asyncio.Task[None]] = {}

    async def get(self, one: PendingRequest, kind: Format, version: str) -> Stored:
        """The answer on this id, read after now."""
        read, asked = one.read, _Asked(one.of, kind, version, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(read, []).append(asked)
        if read not in self._readers:
            self._readers[read] = asyncio.create_task(self._read_all(read))
        return await asked.answer

    async def _read_all(self, read: ReadMany) -> None:
        """Reads until nobody waits."""
        waiting = self._waiting[read]
        while waiting:
            batch, waiting[:_MOST_AT_ONCE] = waiting[:_MOST_AT_ONCE], []
            try:
                found = await anyio.to_thread.run_sync(self._read, read, batch)
            except Exception as error:
                found = [error] * len(batch)
            for asked, answer in zip(batch, found, strict=True):
                if asked.answer.done():
                    continue  # whoever asked has gone
                if isinstance(answer, Exception):
                    asked.answer.set_exception(answer)
                else:
                    asked.answer.set_result(answer)
        del self._readers[read]

    def _read(self, read: ReadMany, batch: Sequence[_Asked]) -> list[Stored | Exception]:
        read_at = time.time()
        with transaction(self._settings, snapshot=True) as connection:
            replies = read(connection, list({asked.of for asked in batch}))
        return [_rendered(asked, replies[asked.of], read_at) for asked in batch]


def _rendered(asked: _Asked, reply: Reply | Exception, read_at: float) -> Stored | Exception:
    return reply if isinstance(reply, Exception) else render(asked.kind, reply, read_at, asked.version)
