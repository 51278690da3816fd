"""Counts of a vote by 5 minutes, and what the hours say of the times between calls."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from election_metrics.clock import INTERVALS
from election_metrics.metrics.anomalies.grid import Grid

_NEAR, _FAR = 5, 12
"""Neighbours of an interval: those 5 to 12 before and after it, so that a burst of 20 minutes is not in its own."""
_LEAST_NEIGHBOURS = 3
_MOST_CELLS = 40_000_000
_SOME_BALLOTS = 20


def _no_rows() -> pd.DataFrame:
    whole = [
        "vote_gaps", "equal_gaps", "equal_gap", "registrar_run", "registrar_own", "registrar_before", "registrar_after"
    ]  # fmt: skip
    types = {
        "constituency_id": "str", "hour_number": "int64", **dict.fromkeys(whole, "Int64"), "gap_seconds": "float64",
        "gap_squares": "float64", "registrar": "str",
    }  # fmt: skip
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in types.items()})


def _no_counts() -> np.ndarray:
    return np.zeros((0, INTERVALS), dtype="int64")


@dataclass(frozen=True)
class InsideHours:
    """Hours of constituencies with ballots, from inside.

    Attributes:
        rows: columns of `ingest.inside_hours` but the counts: constituency_id, hour_number, and of gaps and registrars.
        bulletins: of each row, the bulletins issued in each of its 12 intervals.
        votes: of each row, the votes cast in each of its 12 intervals.
    """

    rows: pd.DataFrame = field(default_factory=_no_rows)
    bulletins: np.ndarray = field(default_factory=_no_counts)
    votes: np.ndarray = field(default_factory=_no_counts)


@dataclass(frozen=True)
class Intervals:
    """One stretch of voting by 5 minutes: a row for each constituency, a column for each interval, without gaps.

    Attributes:
        first: number of the first interval: 5 minutes since 1970 (UTC).
        bulletins: bulletins issued.
        votes: votes cast.
        is_known: whether the hour was delivered and counted by intervals, so that a zero means none.
        is_open: whether it is known, and voting is open.
        since_opening: intervals since each row's opening; NaN where not known.
        until_closing: intervals to each row's close; infinite where not known.
    """

    first: int
    bulletins: np.ndarray
    votes: np.ndarray
    is_known: np.ndarray
    is_open: np.ndarray
    since_opening: np.ndarray
    until_closing: np.ndarray

    @property
    def numbers(self) -> np.ndarray:
        """The number of each column's interval."""
        return self.first + np.arange(self.votes.shape[1])


def intervals_of(grid: Grid, inside: InsideHours) -> Intervals:
    """The intervals of a grid's hours; of a longer stretch only the latest."""
    places = max(len(grid.ids), 1)
    kept = slice(max(grid.votes.shape[1] - max(_MOST_CELLS // places // INTERVALS, 1), 0), None)
    first = grid.first + (kept.start or 0)
    columns = grid.votes[:, kept].shape[1]
    row = grid.ids.get_indexer(inside.rows["constituency_id"])
    hour = inside.rows["hour_number"].to_numpy() - first
    within = (row >= 0) & (hour >= 0) & (hour < columns)

    def spread(counts: np.ndarray) -> np.ndarray:
        cells = np.zeros((len(grid.ids), columns, INTERVALS), dtype="int32")
        cells[row[within], hour[within]] = counts[within]
        return cells.reshape(len(grid.ids), -1)

    is_counted = grid.votes[:, kept] + grid.bulletins[:, kept] == 0
    is_counted[row[within], hour[within]] = True
    is_known = grid.is_known[:, kept] & is_counted & ~_is_coarse(grid, inside)[:, None]
    since = (grid.since_opening[:, kept, None] * INTERVALS + np.arange(INTERVALS)).reshape(len(grid.ids), -1)
    until = (grid.closing[:, None] + 1 - grid.hour_numbers[None, kept])[:, :, None] * INTERVALS - np.arange(INTERVALS)
    return Intervals(
        first=first * INTERVALS,
        bulletins=spread(inside.bulletins),
        votes=spread(inside.votes),
        is_known=np.repeat(is_known, INTERVALS, axis=1),
        is_open=np.repeat(is_known & grid.is_voting[:, kept], INTERVALS, axis=1),
        since_opening=since,
        until_closing=until.reshape(len(grid.ids), -1),
    )


def _is_coarse(grid: Grid, inside: InsideHours) -> np.ndarray:
    """Whether all ballots of a constituency lie in every second or every third interval: its times are rounded."""
    row = grid.ids.get_indexer(inside.rows["constituency_id"])
    sums = np.zeros((len(grid.ids), INTERVALS))
    np.add.at(sums, row[row >= 0], (inside.votes + inside.bulletins)[row >= 0])
    place = np.arange(INTERVALS)
    rests = [sums[:, place % step != 0].sum(axis=1) == 0 for step in (2, 3)]
    is_coarse: np.ndarray = (sums.sum(axis=1) >= _SOME_BALLOTS) & np.logical_or(*rests)
    return is_coarse


@dataclass(frozen=True)
class Neighbours:
    """Mean votes of the intervals around each interval; NaN where fewer than three of them are open.

    Attributes:
        before: of those 25 to 60 minutes earlier.
        after: of those 25 to 60 minutes later.
        is_judged: whether there are both, or the side that lacks lies before the opening or after the close.
    """

    before: np.ndarray
    after: np.ndarray
    is_judged: np.ndarray


def neighbours_of(intervals: Intervals) -> Neighbours:
    """The neighbours of every interval."""
    votes = np.where(intervals.is_open, intervals.votes, 0)
    windows = ((-_FAR, -_NEAR), (_NEAR, _FAR))
    sums = zip(window_sums(votes, *windows), window_sums(intervals.is_open, *windows), strict=True)
    before, after = (_mean(total, number) for total, number in sums)
    edge = _NEAR + _LEAST_NEIGHBOURS
    has_before, has_after = ~np.isnan(before), ~np.isnan(after)
    is_judged = (
        intervals.is_open
        & (has_before | has_after)
        & (has_before | (intervals.since_opening < edge))
        & (has_after | (intervals.until_closing <= edge))
    )
    return Neighbours(before, after, is_judged)


def _mean(total: np.ndarray, number: np.ndarray) -> np.ndarray:
    """The mean of so many values; NaN for fewer than three."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: np.ndarray = np.divide(total, number, dtype="float32")
    mean[number < _LEAST_NEIGHBOURS] = np.nan
    return mean


def window_sum(values: np.ndarray, first: int, last: int) -> np.ndarray:
    """Sum of the values between two distances from each column, both included; beyond the edges there are none."""
    (total,) = window_sums(values, (first, last))
    return total


def window_sums(values: np.ndarray, *windows: tuple[int, int]) -> list[np.ndarray]:
    """The `window_sum` of each window (first, last)."""
    columns = values.shape[1]
    left, right = (max(0, *(sign * edge for window in windows for edge in window)) for sign in (-1, 1))
    sums = np.zeros((values.shape[0], left + columns + 1 + right), dtype="int32")
    np.cumsum(values, axis=1, out=sums[:, left + 1 : left + columns + 1])
    sums[:, left + columns + 1 :] = sums[:, left + columns, None]
    return [
        sums[:, left + last + 1 : left + last + 1 + columns] - sums[:, left + first : left + first + columns]
        for first, last in windows
    ]
