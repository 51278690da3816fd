"""How far a table was read.

Rows become visible when they are committed, not in the order of their positions: see `SnapshotBounds`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

_MOST_MARKS = 60


@dataclass(frozen=True)
class SnapshotBounds:
    """PostgreSQL's transactions at one moment: all before `first` have ended, none from `end` on has begun.

    Those in between may still commit rows that are not visible yet. A row is read once its transaction is before
    `first`, so that no row can appear later among those already read.
    """

    first: int
    end: int


@dataclass(frozen=True)
class PendingMark:
    """The newest position at a moment, with the `end` of the snapshot bounds then, or 0 without bounds."""

    position: int
    end: int
    at: datetime


@dataclass(frozen=True)
class Watermark:
    """How far a table was read.

    Attributes:
        horizon: PostgreSQL only: rows of transactions before this one were read. None: nothing was read, or another
            database.
        low: no row can appear at or below this position any more; None: unknown.
        newest: the highest position seen.
        marks: later values of `low`, which apply once the overlap has passed, oldest first.
    """

    horizon: int | None = None
    low: int | None = None
    newest: int | None = None
    marks: tuple[PendingMark, ...] = ()

    def moved(
        self, newest: int | None, horizon: SnapshotBounds | None, overlap: timedelta, now: datetime
    ) -> "Watermark":
        """The watermark after a pass that saw positions up to `newest`."""
        settled = [
            mark for mark in self.marks if now - mark.at >= overlap and (horizon is None or mark.end <= horizon.first)
        ]
        marks = self.marks[len(settled) :]
        if newest is not None and (not marks or now - marks[-1].at >= overlap / _MOST_MARKS):
            marks += (PendingMark(newest, horizon.end if horizon else 0, now),)
        low = settled[-1].position if settled else self.low
        return Watermark(horizon.first if horizon else None, low, newest if newest is not None else self.newest, marks)
