"""Counts of a vote as arrays: a row for each constituency, a column for each hour, without gaps."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from election_metrics.metrics.anomalies.nights import may_be_closed

_MOST_CELLS = 10_000_000
"""Limit of a grid; of a longer stretch only the latest hours are kept."""
_PAUSE = 72
"""Hours without a ballot that separate two stretches, so that a stray ballot weeks later does not extend the vote."""
_DAY = 24
_EVENING = 20
_USUAL_OPENING, _NEAR_OPENING = 8, 2


@dataclass(frozen=True)
class Grid:
    """Counts of one stretch of voting without gaps: a row for each constituency, a column for each hour.

    Attributes:
        ids: constituency of each row.
        region: region of each row.
        size: registered voters of each row; NaN where not known.
        first: number of the first column's hour.
        opening: hour in which each row opened; NaN where not known.
        closing: last whole hour of voting of each row; infinite where not known.
        votes: votes cast.
        bulletins: bulletins issued.
        is_known: whether the hour was delivered, so that a zero means no votes.
        may_be_closed: whether voting may be closed (`nights`), so that a zero means nothing.
        is_night: whether votes rise or fall steeply: from 20:00 to 09:00 local time.
        shape_opening: number of the hour from which each row is in its shape (`shapes`); NaN where not known.
    """

    ids: pd.Index
    region: np.ndarray
    size: np.ndarray
    first: int
    opening: np.ndarray
    closing: np.ndarray
    votes: np.ndarray
    bulletins: np.ndarray
    is_known: np.ndarray
    may_be_closed: np.ndarray
    is_night: np.ndarray
    shape_opening: np.ndarray

    @property
    def hour_numbers(self) -> np.ndarray:
        """The number of each column's hour."""
        return self.first + np.arange(self.votes.shape[1])

    @property
    def since_opening(self) -> np.ndarray:
        """Hours since each row's opening."""
        since: np.ndarray = self.hour_numbers[None, :] - self.opening[:, None]
        return since

    @property
    def shape_index(self) -> np.ndarray:
        """Hours of each row since the hour from which it is in its shape; NaN where not known."""
        index: np.ndarray = self.hour_numbers[None, :] - self.shape_opening[:, None]
        return index

    @cached_property
    def is_voting(self) -> np.ndarray:
        """Whether voting is open, from the opening hour to the last whole hour."""
        is_voting: np.ndarray = (
            (self.since_opening >= 0) & (self.hour_numbers[None, :] <= self.closing[:, None]) & ~self.may_be_closed
        )
        return is_voting


def stretches(hours: pd.DataFrame, delivered: np.ndarray, places: int) -> list[tuple[int, int]]:
    """First and last hour of each stretch with ballots; deliveries that continue after the last ballot extend it.

    Args:
        hours: hour_number, bulletins_issued, votes_cast.
        delivered: hour numbers of deliveries.
        places: number of constituencies.
    """
    voted = np.unique(hours.loc[(hours["bulletins_issued"] > 0) | (hours["votes_cast"] > 0), "hour_number"])
    if not voted.size:
        return []
    parts = np.split(voted, np.flatnonzero(np.diff(voted) > _PAUSE) + 1)
    most = max(_MOST_CELLS // max(places, 1), _PAUSE)
    found = []
    for part in parts:
        within = delivered[(delivered >= part[-1]) & (delivered <= part[-1] + _PAUSE)]
        end = int(within.max()) if within.size else int(part[-1])
        found.append((max(int(part[0]), end - most + 1), end))
    return found


def make_grid(
    constituencies: pd.DataFrame,
    hours: pd.DataFrame,
    place: np.ndarray,
    delivered: pd.DataFrame,
    openings: pd.Series,
    closings: pd.Series,
    first: int,
    end: int,
) -> Grid:
    """The grid from hour `first` to hour `end`; the frames are those of the evidence, `place` is of its hours."""
    ids = pd.Index(constituencies["constituency_id"])
    known = constituencies.set_index("constituency_id")

    def spread(rows: np.ndarray, hour: pd.Series, amounts: np.ndarray) -> np.ndarray:
        within = hour.between(first, end).to_numpy()
        values = np.zeros((len(ids), end - first + 1), dtype=amounts.dtype)
        values[rows[within], hour.to_numpy()[within] - first] = amounts[within]
        return values

    closing = closings.reindex(ids).to_numpy(dtype="float64", na_value=np.inf)
    opening = openings.reindex(ids).to_numpy(dtype="float64", na_value=np.nan)
    votes, bulletins = (
        spread(place, hours["hour_number"], hours[name].to_numpy("int64"))
        for name in ("votes_cast", "bulletins_issued")
    )
    number, named = pd.factorize(delivered["constituency_id"])
    arrived = ids.get_indexer(named)[number]
    zone, local_hours = clock_hours(known["time_zone"], first, end)
    opening_clock = (local_hours[zone, 0] + np.nan_to_num(opening) - first) % _DAY
    return Grid(
        ids=ids,
        region=known["region"].to_numpy(dtype=object, na_value=None),
        # A register of 0 is one that nobody has stated: voters vote there too.
        size=known["registered_voters"].astype("Float64").replace(0, pd.NA).to_numpy(dtype="float64", na_value=np.nan),
        first=first,
        opening=opening,
        closing=closing,
        votes=votes,
        bulletins=bulletins,
        is_known=spread(arrived, delivered["hour_number"], np.ones(len(arrived), dtype=bool)),
        may_be_closed=may_be_closed(local_hours, zone, votes + bulletins, opening_clock, closing),
        is_night=((local_hours >= _EVENING) | (local_hours <= _USUAL_OPENING))[zone],
        shape_opening=_shape_opening(opening, opening_clock),
    )


def clock_hours(zones: pd.Series, first: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """The number of each constituency's time zone, and the local hour of the day by zone and hour."""
    hours = pd.to_datetime(np.arange(first, end + 1) * 3600, unit="s", utc=True)
    number, names = pd.factorize(zones)
    local = np.array([hours.tz_convert(zone).hour for zone in names], dtype="int64")
    return number, local.reshape(len(names), len(hours))


def _shape_opening(opening: np.ndarray, clock: np.ndarray) -> np.ndarray:
    """The opening, if it is in the morning; else 08:00 of its day, so that nights of the shape are nights.

    Args:
        opening: hour number of each opening; NaN where not known.
        clock: its local hour of the day.
    """
    is_morning = np.abs(clock - _USUAL_OPENING) <= _NEAR_OPENING
    moved: np.ndarray = np.where(is_morning, opening, opening - clock + _USUAL_OPENING)
    return moved
