"""Response cache, invalidated by database commits.

A cached answer has the version of its cache tags at the time of reading (`cache_tags.py`), and is served only while
that version is current. An answer that was read before a commit and stored after it has an old version and is read
again, so no answer is older than the last commit that PostgreSQL notified.
"""

import asyncio
import codecs
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import Any, TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
from cashews.serialize import register_type
from starlette.requests import Request
from starlette.responses import Response

from election_metrics.api.cache_tags import DependsOn, Tags
from election_metrics.api.changes import Change
from election_metrics.api.dataloader import DataLoader, PendingRequest
from election_metrics.api.etags import has_tag, tag_of
from election_metrics.api.rendering import Format, Reply, Stored, dump, iso, newest_of, pack, render, unpack
from election_metrics.api.shared import open_store
from election_metrics.digest import name_for
from election_metrics.errors import TransientError
from election_metrics.settings import Settings
from election_metrics.warehouse.answering import HANGS
from election_metrics.warehouse.as_of import known_at, newest_commit
from election_metrics.warehouse.constituency_queries import elections_of_constituencies
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.election_queries import elections_now
from election_metrics.warehouse.rows import Row
from election_metrics.warehouse.server import warehouse_url

_TTL_WITHOUT_LISTENER_SECONDS = 2.0
_WHILE_IT_HANGS_SECONDS = 600.0
_READERS = 4  # more threads would only compete for the interpreter, and delay cached answers
_REGISTRY = "constituencies"
Read = Callable[[sa.Connection], Reply]
T = TypeVar("T")


@dataclass
class ResponseCache:
    """Reads, caches and invalidates answers.

    Attributes:
        settings: the settings.
        hits: answers from the cache.
        misses: answers that had to be read.
        is_listening: whether notifications of commits arrive.
        hangs: whether PostgreSQL hangs: cached answers are then served, however old.
        meta_read_at: when the content of `meta` was read, in seconds since 1970.
    """

    settings: Settings
    hits: int = 0
    misses: int = 0
    is_listening: Callable[[], bool] = lambda: True
    hangs: Callable[[], bool] = lambda: False
    meta_read_at: float = 0.0
    _tags: Tags = field(default_factory=Tags)
    _places: dict[str, str] = field(default_factory=dict)
    _registry: int = 0  # number of notified changes of the registry
    _elections: tuple[str, list[Row]] = ("", [])
    _in_flight: dict[str, "asyncio.Task[Any]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Opens the store: this process's memory, or the Redis of the settings."""
        self._cache = open_store(self.settings, self.settings.cache_answers)
        register_type(Stored, pack, unpack)
        shown = warehouse_url(self.settings).render_as_string(hide_password=True)
        self._batches = DataLoader(self.settings)
        self._readers = anyio.CapacityLimiter(_READERS)
        self._reader_of_meta = anyio.CapacityLimiter(1)  # every answer needs it, so it has a separate thread
        self._prefix = f"election-metrics:{name_for(shown)}"

    @property
    def hit_rate(self) -> float | None:
        """Percentage of answers from the cache; None before the first."""
        total = self.hits + self.misses
        return self.hits * 100 / total if total else None

    def invalidate(self, change: Change | None) -> None:
        """Invalidates what a commit may have changed; None: everything."""
        self._tags.invalidate(change)
        if change is None or change.table == _REGISTRY:
            self._places, self._registry = {}, self._registry + 1

    async def close(self) -> None:
        """Closes the store's connections."""
        await self._cache.close()

    async def of_constituency(self, constituency: str) -> DependsOn:
        """The cache tags of an answer on a constituency; everything, if its election is unknown."""
        places, registry = self._places, self._registry
        if constituency not in places and not self.hangs():
            places = await self._once(f"places:{registry}", self._read_places)
            if registry == self._registry:  # else they may be older than a change notified meanwhile
                self._places = places
        election = places.get(constituency)
        return DependsOn(election, constituency if election else None)

    async def get(
        self, name: str, kind: Format, what: DependsOn, parameters: dict[str, Any], read: Read | PendingRequest
    ) -> Stored:
        """The answer of an endpoint for these parameters, from the cache or read."""
        query = name_for(repr(sorted(parameters.items())))
        version, own = self._tags.version(what)
        key = f"{self._prefix}:{name}:{kind}:{query}:{own}"
        found: Stored | None = await self._cache.get(key)
        if found is not None and (self.hangs() or (found.version == version and self._is_fresh(found))):
            self.hits += 1
            return found
        if self.hangs():
            raise TransientError(HANGS)
        return await self._once(f"{key}:{version}", lambda: self._read_and_keep(key, version, kind, read))

    async def meta(self, stored: Stored, what: DependsOn, moment: datetime | None = None) -> dict[str, Any]:
        """The `meta` of an answer: time and run of its computation, coverage and freshness of its input.

        `moment`: as of which it was asked for; None: now.
        """
        elections = await self._elections_at(moment) if moment else await self._elections_of_now()
        elections = [row for row in elections if what.election in (None, row["election_id"])]
        newest = {} if stored.as_of else newest_of(elections)
        run = stored.run_id or newest.get("run_id")
        expected = sum(row["hours_expected"] or 0 for row in elections)
        return {
            "as_of": stored.as_of or (iso(newest["computed_at"]) if newest else None),
            "known_at": stored.known_at,
            "run_id": run,
            "run_url": f"{self.settings.ui_url.rstrip('/')}/runs/{run}" if run else None,
            "coverage": sum(row["hours_delivered"] or 0 for row in elections) * 100 / expected if expected else None,
            "last_transaction_at": max(
                (row["last_transaction_at"] for row in elections if row["last_transaction_at"]), default=None
            ),
        }

    async def _elections_of_now(self) -> list[Row]:
        version, _ = self._tags.version(DependsOn(summaries=True))
        if not self.is_listening():
            version += f".{time.monotonic() // _TTL_WITHOUT_LISTENER_SECONDS}"
        if self._elections[0] != version and not self.hangs():
            self._elections = (version, await self._once(f"elections:{version}", self._read_elections))
            self.meta_read_at = time.time()
        return self._elections[1]

    async def _elections_at(self, moment: datetime) -> list[Row]:
        return await anyio.to_thread.run_sync(self._elections_now, moment, limiter=self._reader_of_meta)

    async def _read_and_keep(self, key: str, version: str, kind: Format, read: Read | PendingRequest) -> Stored:
        self.misses += 1
        if isinstance(read, PendingRequest):
            answer = await self._batches.get(read, kind, version)
        else:
            answer = await anyio.to_thread.run_sync(self._read, version, kind, read, limiter=self._readers)
        await self._cache.set(key, answer, expire=self._keep_seconds())
        return answer

    def _fresh_seconds(self) -> float:
        return self.settings.cache_seconds if self.is_listening() else _TTL_WITHOUT_LISTENER_SECONDS

    def _is_fresh(self, found: Stored) -> bool:
        return time.time() - found.read_at < self._fresh_seconds()

    def _keep_seconds(self) -> float:
        """TTL of the store. In memory it is longer than answers are fresh, for use while PostgreSQL hangs."""
        return self._fresh_seconds() if self.settings.cache_url else max(self._fresh_seconds(), _WHILE_IT_HANGS_SECONDS)

    def _read(self, version: str, kind: Format, read: Read) -> Stored:
        read_at = time.time()
        with transaction(self.settings, snapshot=True) as connection:
            reply = read(connection)
            return render(kind, reply, read_at, version, newest_commit(connection))

    async def _once(self, key: str, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Single-flight: concurrent identical reads share one query; a cancelled caller does not cancel it."""
        task: asyncio.Task[T] | None = self._in_flight.get(key)
        if task is None:
            task = self._in_flight[key] = asyncio.create_task(read())
            task.add_done_callback(lambda _: self._in_flight.pop(key, None))
        return await asyncio.shield(task)

    async def _read_elections(self) -> list[Row]:
        return await anyio.to_thread.run_sync(self._elections_now, limiter=self._reader_of_meta)

    def _elections_now(self, moment: datetime | None = None) -> list[Row]:
        with transaction(self.settings) as connection:
            return elections_now(known_at(connection, moment), self.settings.late_after)

    async def _read_places(self) -> dict[str, str]:
        return await anyio.to_thread.run_sync(self._places_now, limiter=self._readers)

    def _places_now(self) -> dict[str, str]:
        with transaction(self.settings) as connection:
            return elections_of_constituencies(connection)


def respond(request: Request, kind: Format, stored: Stored, meta: dict[str, Any], meta_read_at: float) -> Response:
    """The response; 304 if the client has the current answer."""
    meta_json = dump(meta)
    if kind == "csv":
        # Excel takes a CSV without the mark for one of the system's code page.
        mark = codecs.BOM_UTF8 if request.scope.get("for_spreadsheet") else b""
        body, media = mark + stored.data, "text/csv; charset=utf-8"
    else:
        body, media = (
            b"".join((b'{"meta":', meta_json, b',"data":', stored.data, stored.tail, b"}")),
            "application/json",
        )
    tag = tag_of(body)
    headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept, authorization, cookie"}
    if meta["as_of"]:
        headers |= {"x-as-of": meta["as_of"], "x-run-id": meta["run_id"] or ""}
    if meta["known_at"]:
        headers["x-known-at"] = meta["known_at"]
    if meta["coverage"] is not None:
        headers["x-coverage"] = f"{meta['coverage']:.4f}"
    if stored.after:
        headers["x-next"] = stored.after
    # Several commits may happen within a second, so Last-Modified identifies an answer only once its second is over.
    read_at = max(stored.read_at, meta_read_at)
    if time.time() >= int(read_at) + 1:
        headers["last-modified"] = formatdate(int(read_at), usegmt=True)
    if _has_it(request, tag, read_at):
        return Response(status_code=304, headers=headers)
    return Response(body, headers={"content-type": media, **headers})


def _has_it(request: Request, tag: str, read_at: float) -> bool:
    if (has_it := has_tag(request, tag)) is not None:
        return has_it
    try:
        since = parsedate_to_datetime(request.headers["if-modified-since"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return False
    return int(read_at) <= since
