"""Hours as numbers, and back."""

from datetime import UTC, datetime


def hour_number(moment: datetime) -> int:
    """Hours since 1970 (UTC) of the hour that holds this moment."""
    return int(moment.timestamp()) // 3600


def hour_start(number: int) -> datetime:
    """The start (UTC) of an hour."""
    return datetime.fromtimestamp(number * 3600, tz=UTC)
