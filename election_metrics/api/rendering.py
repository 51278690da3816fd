"""What an endpoint found, as the bytes and headers that go out."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from election_metrics.warehouse.queries import Row

Format = Literal["json", "csv"]


@dataclass(frozen=True)
class Reply:
    """What an endpoint found.

    Attributes:
        data: what JSON shows.
        rows: what CSV shows, and what as_of is taken from.
        after: where the next page begins, for pages.
        is_page: whether `next` is part of the answer.
        columns: of the CSV, whether there are rows or not.
    """

    data: Any
    rows: Sequence[Row]
    after: str | None = None
    is_page: bool = False
    columns: Sequence[str] = ()


@dataclass(frozen=True)
class Stored:
    """An answer as it is kept: its data as bytes, and what its `meta` says of it alone.

    Attributes:
        data: JSON of the data, or the whole CSV.
        tail: JSON behind the data.
        after: where the next page begins.
        as_of: when the newest of its rows was computed (ISO 8601); None: it has none.
        run_id: the run that did it.
        read_at: when it was read, in seconds since 1970.
        version: of what it rests on, when it was read (`tags.py`).
    """

    data: bytes
    tail: bytes
    after: str | None
    as_of: str | None
    run_id: str | None
    read_at: float
    version: str


def render(kind: Format, reply: Reply, read_at: float, version: str) -> Stored:
    """An answer to keep."""
    newest = newest_of(reply.rows)
    data = _csv(reply) if kind == "csv" else dump(reply.data)
    tail = b',"next":' + dump(reply.after) if reply.is_page and kind == "json" else b""
    as_of = iso(newest["computed_at"]) if newest else None
    return Stored(data, tail, reply.after, as_of, newest.get("run_id"), read_at, version)


def newest_of(rows: Sequence[Row]) -> Row:
    """The row that was computed last; empty where none was computed."""
    computed = (row for row in rows if row.get("computed_at") is not None)
    return max(computed, key=lambda row: row["computed_at"], default={})


async def pack(stored: Stored, *_: Any) -> bytes:
    """A kept answer as bytes, for a cache outside of this process: plain JSON and data, nothing that could be run."""
    head = dump([stored.tail.decode(), stored.after, stored.as_of, stored.run_id, stored.read_at, stored.version])
    return head + b"\n" + stored.data


async def unpack(packed: bytes, *_: Any) -> Stored:
    """The kept answer again."""
    head, _newline, data = packed.partition(b"\n")
    tail, after, as_of, run_id, read_at, version = orjson.loads(head)
    return Stored(data, tail.encode(), after, as_of, run_id, read_at, version)


def dump(value: Any) -> bytes:
    """JSON; instants end in Z, local wall clocks in nothing."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def iso(moment: datetime) -> str:
    """ISO 8601; a local wall clock, which has no zone, stays without."""
    return moment.isoformat() if moment.tzinfo is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _csv(reply: Reply) -> bytes:
    """A heading, and the rows; a reader finds the columns also where no row is."""
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
    # A spreadsheet would execute text that looks like a formula: such names come from files of others.
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value
