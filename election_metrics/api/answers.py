"""Answers as bytes, and their cache, which a commit empties.

A cached answer's key holds the state of what it rests on (an election, or everything): a mark that every commit of that
election replaces. An answer that was read before the commit, and is stored after it, is stored under a key that nobody
asks for any more; so what is read is never older than the last commit that PostgreSQL told of.
"""

import csv
import io
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Literal

import anyio.to_thread
import orjson
import sqlalchemy as sa
import xxhash
from cashews import Cache
from cashews.decorators import thunder_protection

from election_metrics.api.changes import Change
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.queries import Row, elections_now, elections_of_constituencies

EVERYTHING = "*"
Format = Literal["json", "csv"]
_WHILE_DEAF_SECONDS = 2.0


@dataclass(frozen=True)
class Reply:
    """What an endpoint found.

    Attributes:
        data: what JSON shows.
        rows: what CSV shows, and what as_of is taken from.
        after: where the next page begins, for pages.
        is_page: whether `next` is part of the answer.
    """

    data: Any
    rows: Sequence[Row]
    after: str | None = None
    is_page: bool = False


@dataclass(frozen=True)
class Stored:
    """An answer as it goes out."""

    body: bytes
    headers: dict[str, str]


Read = Callable[[sa.Connection], Reply]


@dataclass
class Answers:
    """Reads answers, keeps them, forgets them.

    Attributes:
        settings: the settings.
        hits: answers that were there.
        misses: answers that had to be read.
    """

    settings: Settings
    hits: int = 0
    misses: int = 0
    is_listening: Callable[[], bool] = lambda: True
    _marks: dict[str, int] = field(default_factory=dict)
    _next: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _places: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sets up the store."""
        self._cache = Cache()
        self._cache.setup("mem://", size=self.settings.cache_answers)
        self._compute = thunder_protection(key="{key}")(self._read_and_keep)

    def heard(self, change: Change | None) -> None:
        """A commit changed an election; None: anything may have changed."""
        if change is None or change.election is None:
            self._marks.clear()
        else:
            self._marks.pop(change.election, None)
        self._marks.pop(EVERYTHING, None)
        self._places.clear()

    async def election_of(self, constituency: str) -> str:
        """The election a constituency votes in; everything, where it is not known."""
        if constituency not in self._places:
            self._places = await anyio.to_thread.run_sync(self._read_places)
        return self._places.get(constituency, EVERYTHING)

    async def get(self, name: str, kind: Format, rests_on: str, parameters: dict[str, Any], read: Read) -> Stored:
        """The answer of an endpoint to these parameters."""
        if rests_on not in self._marks:
            self._marks[rests_on] = next(self._next)
        asked = xxhash.xxh3_128_hexdigest(repr(sorted(parameters.items())))
        key = f"answer:{rests_on}:{self._marks[rests_on]}:{name}:{kind}:{asked}"
        found = await self._cache.get(key)
        if found is not None:
            self.hits += 1
            return found  # type: ignore[no-any-return]
        return await self._compute(key=key, kind=kind, rests_on=rests_on, read=read)

    async def _read_and_keep(self, key: str, kind: Format, rests_on: str, read: Read) -> Stored:
        self.misses += 1
        answer = await anyio.to_thread.run_sync(self._read, kind, rests_on, read)
        seconds = self.settings.cache_seconds if self.is_listening() else _WHILE_DEAF_SECONDS
        await self._cache.set(key, answer, expire=seconds)
        return answer

    def _read_places(self) -> dict[str, str]:
        with transaction(self.settings) as connection:
            return elections_of_constituencies(connection)

    def _read(self, kind: Format, rests_on: str, read: Read) -> Stored:
        with transaction(self.settings, snapshot=True) as connection:
            reply = read(connection)
            elections = elections_now(connection, None if rests_on == EVERYTHING else rests_on)
        return render(kind, reply, self._meta(reply.rows, elections))

    def _meta(self, rows: Sequence[Row], elections: Sequence[Row]) -> dict[str, Any]:
        newest = max(
            (row for row in rows or elections if row.get("computed_at") is not None),
            key=lambda row: row["computed_at"],
            default=max(elections, key=lambda row: row["computed_at"], default={}),
        )
        expected = sum(row["hours_expected"] or 0 for row in elections)
        run = newest.get("run_id")
        return {
            "as_of": newest.get("computed_at"),
            "run_id": run,
            "run_url": f"{self.settings.ui_url.rstrip('/')}/runs/{run}" if run else None,
            "coverage": sum(row["hours_delivered"] or 0 for row in elections) * 100 / expected if expected else None,
            "last_transaction_at": max(
                (row["last_transaction_at"] for row in elections if row["last_transaction_at"]), default=None
            ),
        }


def render(kind: Format, reply: Reply, meta: dict[str, Any]) -> Stored:
    """An answer's bytes and headers."""
    if kind == "csv":
        body, media = _csv(reply.rows), "text/csv; charset=utf-8"
    else:
        page = {"next": reply.after} if reply.is_page else {}
        body, media = dump({"meta": meta, "data": reply.data, **page}), "application/json"
    headers = {"content-type": media, "etag": f'"{xxhash.xxh3_128_hexdigest(body)}"', "cache-control": "no-cache",
               "vary": "accept"}  # fmt: skip
    if meta["as_of"]:
        headers |= {"x-as-of": _iso(meta["as_of"]), "x-run-id": meta["run_id"],
                    "last-modified": format_datetime(meta["as_of"].astimezone(UTC), usegmt=True)}  # fmt: skip
    if meta["coverage"] is not None:
        headers["x-coverage"] = f"{meta['coverage']:.4f}"
    if reply.after:
        headers["x-next"] = reply.after
    return Stored(body, headers)


def dump(value: Any) -> bytes:
    """JSON; instants end in Z, local wall clocks in nothing."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def _iso(moment: datetime) -> str:
    """ISO 8601; a local wall clock, which has no zone, stays without."""
    return moment.isoformat() if moment.tzinfo is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _csv(rows: Sequence[Row]) -> bytes:
    """The rows with a heading; no rows: nothing."""
    text = io.StringIO()
    if rows:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(rows[0])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return _iso(value)
    if isinstance(value, dict | list):
        return dump(value).decode()
    # A spreadsheet would execute text that looks like a formula: such names come from files of others.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
