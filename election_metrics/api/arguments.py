"""Parameters that endpoints share, and what they mean: ids, ranges of hours, pages."""

import base64
import binascii
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import HTTPException, Path, Query

from election_metrics.api.rendering import Reply
from election_metrics.warehouse.rows import Found, Hours, Page, Row

ElectionId = Annotated[str, Path(description="election_id, as /elections lists them", max_length=200)]
ConstituencyId = Annotated[str, Path(description="constituency_id: the contract's id (base58)", max_length=100)]
ElectionFilter = Annotated[str | None, Query(description="Only of this election_id", max_length=200)]
From = Annotated[datetime | None, Query(alias="from", description="First hour; without a zone it is UTC")]
To = Annotated[datetime | None, Query(description="Last hour, inclusive")]
Day = Annotated[date | None, Query(description="All 24 hours of this day (UTC); not with from and to")]
Latest = Annotated[bool, Query(description="Only the last row")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Rows at the most")]
Cursor = Annotated[str | None, Query(description="`next` of the page before", max_length=8000)]
AsOf = Annotated[
    datetime | None,
    Query(description="As it was known at this moment, before later files and corrections; without a zone it is UTC"),
]
Text = Annotated[str | None, Query(description="Text to search for, whatever its case", max_length=200)]


def hours_between(first: datetime | None, last: datetime | None, day: date | None) -> Hours:
    """The hours from `first` to `last`, or of `day`; without a zone they are UTC.

    Raises:
        HTTPException: 422, if both are given, or a year is out of reach.
    """
    if day is not None:
        if first is not None or last is not None:
            raise HTTPException(422, "day and from/to exclude each other; leave one out")
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        try:
            return Hours(start, start + timedelta(hours=23))
        except OverflowError:
            raise HTTPException(422, f"{day} is out of reach") from None
    return Hours(_utc(first), _utc(last))


def past(moment: datetime | None) -> datetime | None:
    """The moment in UTC.

    Raises:
        HTTPException: 422, if it is to come.
    """
    found = _utc(moment)
    if found is not None and found > datetime.now(UTC):
        raise HTTPException(422, f"as_of {found:%Y-%m-%dT%H:%M:%SZ} is to come; leave it out for what is known now")
    return found


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        found = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        _ = found + timedelta(days=1)
    except OverflowError:
        raise HTTPException(422, f"{moment} is out of reach") from None
    return found


def paged(rows: list[Row], found: Found) -> Reply:
    """The answer with a page of rows, and the cursor of the next one."""
    return Reply(rows, rows, after=_cursor(found.after), is_page=True)


def _cursor(after: tuple[Any, str] | None) -> str | None:
    if after is None:
        return None
    value = after[0].isoformat() if isinstance(after[0], datetime) else after[0]
    return base64.urlsafe_b64encode(json.dumps([value, after[1]], ensure_ascii=False).encode()).decode()


def page_of(limit: int, cursor: str | None, kind: Callable[[Any], Any]) -> Page:
    """The page that begins at a cursor; `kind` reads the value that rows are sorted by.

    Raises:
        HTTPException: 422, if the cursor is none of ours.
    """
    if cursor is None:
        return Page(limit)
    try:
        value, key = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        for text in (key, value) if isinstance(value, str) else (key,):
            text.encode()  # refuses lone surrogates
        if "\0" in f"{key}{value}" or (kind is int and not abs(int(value)) < 2**63):
            raise ValueError(key)
        return Page(limit, (None if value is None else kind(value), key))
    except (binascii.Error, ValueError, TypeError, OverflowError, AttributeError, RecursionError):
        raise HTTPException(422, "cursor is none of ours; pass `next` of the page before, with the same sort") from None
