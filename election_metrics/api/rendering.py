"""Renders the reply of an endpoint to bytes: JSON or CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from election_metrics.warehouse.rows import Row

Format = Literal["json", "csv"]


@dataclass(frozen=True)
class Reply:
    """The reply of an endpoint.

    Attributes:
        data: content of the JSON.
        rows: content of the CSV, and the source of as_of.
        after: start of the next page, for pages.
        is_page: whether `next` is part of the answer.
        columns: columns of the CSV, also without rows.
    """

    data: Any
    rows: Sequence[Row]
    after: str | None = None
    is_page: bool = False
    columns: Sequence[str] = ()


@dataclass(frozen=True)
class Stored:
    """A cached answer: its data as bytes, and its part of `meta`.

    Attributes:
        data: JSON of the data, or the whole CSV.
        tail: JSON after the data.
        after: start of the next page.
        as_of: when the newest of its rows was computed (ISO 8601); None without rows.
        run_id: the run that computed that row.
        read_at: when it was read, in seconds since 1970.
        version: version of its cache tags when it was read (`cache_tags.py`).
        known_at: when the newest commit was made that it can include (ISO 8601): as of then, it can be asked for again.
    """

    data: bytes
    tail: bytes
    after: str | None
    as_of: str | None
    run_id: str | None
    read_at: float
    version: str
    known_at: str | None


def render(kind: Format, reply: Reply, read_at: float, version: str, known_at: datetime | None) -> Stored:
    """Renders a reply to an answer for the cache."""
    newest = newest_of(reply.rows)
    data = _csv(reply) if kind == "csv" else dump(reply.data)
    tail = b',"next":' + dump(reply.after) if reply.is_page and kind == "json" else b""
    as_of = iso(newest["computed_at"]) if newest else None
    known = iso(known_at) if known_at else None
    return Stored(data, tail, reply.after, as_of, newest.get("run_id"), read_at, version, known)


def newest_of(rows: Sequence[Row]) -> Row:
    """The row that was computed last; empty where none was computed."""
    computed = (row for row in rows if row.get("computed_at") is not None)
    return max(computed, key=lambda row: row["computed_at"], default={})


async def pack(stored: Stored, *_: Any) -> bytes:
    """Serialises a cached answer for an external cache: plain JSON and data, never pickle."""
    head = dump([stored.tail.decode(), stored.after, stored.as_of, stored.run_id, stored.read_at, stored.version,
                 stored.known_at])  # fmt: skip
    return head + b"\n" + stored.data


async def unpack(packed: bytes, *_: Any) -> Stored:
    """Deserialises a cached answer."""
    head, _newline, data = packed.partition(b"\n")
    tail, after, as_of, run_id, read_at, version, known_at = orjson.loads(head)
    return Stored(data, tail.encode(), after, as_of, run_id, read_at, version, known_at)


def dump(value: Any) -> bytes:
    """JSON; instants end in Z, local wall clocks have no suffix."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def iso(moment: datetime) -> str:
    """ISO 8601; a local wall clock, which has no zone, stays without."""
    return moment.isoformat() if moment.tzinfo is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _csv(reply: Reply) -> bytes:
    """The CSV, with a header also if there are no rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(reply.columns)
    writer.writerows([_cell(row.get(name)) for name in reply.columns] for row in reply.rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, dict | list):
        return dump(value).decode()
    # A spreadsheet would execute text that looks like a formula, and names are untrusted input.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
