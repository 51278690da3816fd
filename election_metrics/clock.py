"""Hours as numbers, as timestamps and as text. Everything is UTC."""

from datetime import UTC, datetime, timedelta

HOUR = timedelta(hours=1)
HOUR_MS = 3_600_000
INTERVALS = 12
"""Five-minute intervals of an hour."""
GRACE = timedelta(minutes=15)
"""Votes are accepted for this long after voting ends."""


def hour_number(moment: datetime) -> int:
    """The number of the hour that contains this moment: hours since 1970."""
    return int(moment.timestamp()) // 3600


def hour_start(number: int) -> datetime:
    """The start of an hour."""
    return datetime.fromtimestamp(number * 3600, tz=UTC)


def hour_of(moment: datetime) -> datetime:
    """The start of the hour that contains this moment."""
    return hour_start(hour_number(moment))


def read_hour(text: str) -> datetime:
    """Reads a whole hour, such as 2026-09-18T08:00 or 2026-09-18T11:00+03:00; without an offset it is UTC.

    Raises:
        ValueError: the text is not a whole hour; says what to type.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        examples = "2026-09-18T08:00 (UTC) or 2026-09-18T11:00+03:00"
        raise ValueError(f"{text!r} is not an hour; type it as {examples}") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if moment != hour_of(moment):
        raise ValueError(f"{text!r} is not a whole hour; type {moment:%Y-%m-%dT%H}:00")
    return moment
