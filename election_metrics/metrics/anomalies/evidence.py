"""What the rules look at: the figures of one election, as of one moment, as frames."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

_LONGEST = 336
"""Hours of the grid, counted back from the last with ballots: two weeks."""
_USUAL_OPENING, _USUAL_CLOSE = 8, 20


@dataclass(frozen=True)
class Evidence:
    """The figures of one election. Hours are numbers: hours since 1970 (UTC); only hours that are over are in it.

    Attributes:
        hours: rows of `hourly_stats` with hour_number instead of hour, sorted by constituency and hour.
        constituencies: constituency_id, region, time_zone, registered_voters, starts_at, ends_at.
        delivered: constituency_id, hour_number that some file covers.
        missing: rows of `missing_input`, and by_interval: whether the constituency's files say which hour they are.
        register_changes: constituency_id, hour_number, voters: how many were added or removed, added up.
        repeated_issues: constituency_id, hour_number, voters: to whom a bulletin was issued again.
        highest: constituency_id, transactions: the most, withdrawn ones included, that were ever computed.
    """

    hours: pd.DataFrame
    constituencies: pd.DataFrame
    delivered: pd.DataFrame
    missing: pd.DataFrame
    register_changes: pd.DataFrame
    repeated_issues: pd.DataFrame
    highest: pd.DataFrame

    @cached_property
    def running(self) -> pd.DataFrame:
        """`hours` with running_bulletins, running_votes, and since_opening: hours since the constituency's opening."""
        groups = self.hours.groupby("constituency_id")[["bulletins_issued", "votes_cast"]]
        sums = groups.cumsum().rename(columns={"bulletins_issued": "running_bulletins", "votes_cast": "running_votes"})
        opening = self.opening.reindex(self.hours["constituency_id"]).to_numpy(dtype="float64", na_value=np.nan)
        return self.hours.join(sums).assign(since_opening=self.hours["hour_number"] - opening)

    @cached_property
    def opening(self) -> pd.Series:
        """The hour in which each constituency opened: by its voting times, else its first with ballots."""
        said = _hour_number(self.constituencies.set_index("constituency_id")["starts_at"])
        ballots = self.hours[(self.hours["bulletins_issued"] > 0) | (self.hours["votes_cast"] > 0)]
        seen = ballots.groupby("constituency_id")["hour_number"].min()
        return said.combine_first(seen.reindex(said.index)).astype("Float64")

    @cached_property
    def closing(self) -> pd.Series:
        """The last hour that lies wholly within the voting times; NA where they are not known."""
        return _hour_number(self.constituencies.set_index("constituency_id")["ends_at"]) - 1

    @cached_property
    def grid(self) -> "Grid":
        """Votes and bulletins hour by hour without holes, of the last two weeks."""
        return _grid(self)


@dataclass(frozen=True)
class Grid:
    """Counts without holes: a row a constituency (or region), a column an hour.

    Attributes:
        ids: what the rows are.
        region: region of each row.
        size: registered voters of each row; NaN where not known.
        first: number of the first column's hour.
        opening: hour in which each row opened; NaN where not known.
        closing: last whole hour of voting of each row; infinite where not known.
        votes: votes cast.
        bulletins: bulletins issued.
        is_known: whether the hour is delivered, so that a zero is a zero.
        may_be_closed: whether voting may have ended: the closing is not known, and it is after 20:00 local time.
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

    @property
    def hour_numbers(self) -> np.ndarray:
        """The number of each column's hour."""
        return self.first + np.arange(self.votes.shape[1])

    @property
    def since_opening(self) -> np.ndarray:
        """Hours since each row's opening."""
        since: np.ndarray = self.hour_numbers[None, :] - self.opening[:, None]
        return since

    def by_region(self) -> "Grid":
        """The same with a row a region; known are the hours that all of its constituencies delivered."""
        number, names = pd.factorize(self.region, use_na_sentinel=True)
        placed, rows = number >= 0, len(names)

        def added(values: np.ndarray) -> np.ndarray:
            sums = np.zeros((rows, values.shape[1]), dtype=values.dtype)
            np.add.at(sums, number[placed], values[placed])
            return sums

        unknown = added((~self.is_known).astype("int64"))
        opening, closing = np.full(rows, -np.inf), np.full(rows, np.inf)
        np.maximum.at(opening, number[placed], np.nan_to_num(self.opening[placed], nan=-np.inf))
        np.minimum.at(closing, number[placed], self.closing[placed])
        size = added(self.size[:, None])[:, 0]
        return Grid(
            pd.Index(names), np.asarray(names), size, self.first, opening, closing,
            added(self.votes), added(self.bulletins), unknown == 0,
            added(self.may_be_closed.astype("int64")) > 0,
        )  # fmt: skip


def _hour_number(instants: pd.Series) -> pd.Series:
    numbers = (pd.to_datetime(instants, utc=True) - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1)
    return numbers.astype("Float64")


def _grid(evidence: Evidence) -> Grid:
    hours = evidence.hours
    with_ballots = hours.loc[(hours["bulletins_issued"] > 0) | (hours["votes_cast"] > 0), "hour_number"]
    last = int(with_ballots.max()) if len(with_ballots) else 0
    first = max(int(with_ballots.min()), last - _LONGEST + 1) if len(with_ballots) else 1
    end = max(last, int(evidence.delivered["hour_number"].max()) if len(evidence.delivered) else last)
    end = min(end, first + _LONGEST - 1)
    ids = pd.Index(evidence.constituencies["constituency_id"])
    known = evidence.constituencies.set_index("constituency_id")

    def spread(frame: pd.DataFrame, column: str | None) -> np.ndarray:
        within = frame[frame["hour_number"].between(first, end)]
        values = np.zeros((len(ids), max(end - first + 1, 0)), dtype="int64")
        amounts = 1 if column is None else within[column].to_numpy()
        values[ids.get_indexer(within["constituency_id"]), within["hour_number"].to_numpy() - first] = amounts
        return values

    closing = evidence.closing.reindex(ids).to_numpy(dtype="float64", na_value=np.inf)
    return Grid(
        ids=ids,
        region=known["region"].to_numpy(dtype=object, na_value=None),
        size=known["registered_voters"].to_numpy(dtype="float64", na_value=np.nan),
        first=first,
        opening=evidence.opening.reindex(ids).to_numpy(dtype="float64", na_value=np.nan),
        closing=closing,
        votes=spread(hours, "votes_cast"),
        bulletins=spread(hours, "bulletins_issued"),
        is_known=(spread(evidence.delivered, None) + spread(hours, None)) > 0,
        may_be_closed=np.isinf(closing)[:, None] & _is_night(known["time_zone"], first, end),
    )


def _is_night(zones: pd.Series, first: int, end: int) -> np.ndarray:
    """Whether it is between the usual close, 20:00, and the usual opening, 08:00, in each zone and hour."""
    hours = pd.to_datetime(np.arange(first, end + 1) * 3600, unit="s", utc=True)
    number, names = pd.factorize(zones)
    local = [hours.tz_convert(zone).hour for zone in names]
    night = np.array([(hour >= _USUAL_CLOSE) | (hour < _USUAL_OPENING) for hour in local], dtype=bool)
    shown: np.ndarray = night.reshape(len(names), len(hours))[number]
    return shown
