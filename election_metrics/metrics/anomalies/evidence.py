"""Input of the rules: the figures of one election at one moment, as frames."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from election_metrics.metrics.hours import hour_numbers

_MOST_CELLS = 10_000_000
"""Limit of a grid; of a longer stretch only the latest hours are kept."""
_PAUSE = 72
"""Hours without a ballot that separate two stretches, so that a stray ballot weeks later does not extend the vote."""
_USUAL_OPENING, _USUAL_CLOSE = 8, 20
_MOST_OF_A_REGION = 0.8


def _nothing(*columns: str) -> pd.DataFrame:
    counts = {"hour_number", "transactions", "lost", "voters"}
    return pd.DataFrame({name: pd.Series(dtype="int64" if name in counts else "str") for name in columns})


@dataclass(frozen=True)
class Evidence:
    """The figures of one election. Hours are numbered: hours since 1970 (UTC). Only hours that are over are included.

    Attributes:
        hours: rows of `hourly_stats` with hour_number instead of hour, sorted by constituency and hour.
        constituencies: constituency_id, region, time_zone, is_zone_assumed, registered_voters, starts_at, ends_at.
        delivered: constituency_id, hour_number: the hours that a file covers.
        missing: rows of `missing_input`, and by_interval: whether the constituency's file names state an interval.
        register_changes: constituency_id, hour_number, voters: the sum of those added and those removed.
        repeated_issues: constituency_id, hour_number, voters: those who were issued another bulletin.
        highest: constituency_id, transactions (the highest count ever computed, withdrawn ones included), first_hour,
            last_hour of that count.
        conflicts: constituency_id, hour_number, transactions: ids with a row in this hour and a different row in
            any file; lost: the number of these rows that do not count; files: (counts in, not in, ids) for each pair of
            files of which one holds the row that counts and the other a row that does not.
        registers: constituency_id, hour_number, voters: the sum of the register calls after each hour with such calls.
        paths: a file by constituency_id, of constituencies whose time zone was assumed.
        disagreeing: constituency_id, paths: a file in each of the regions and elections where its files lie.
    """

    hours: pd.DataFrame
    constituencies: pd.DataFrame
    delivered: pd.DataFrame
    missing: pd.DataFrame
    register_changes: pd.DataFrame
    repeated_issues: pd.DataFrame
    highest: pd.DataFrame
    conflicts: pd.DataFrame = field(
        default_factory=lambda: _nothing("constituency_id", "hour_number", "transactions", "lost", "files")
    )
    registers: pd.DataFrame = field(default_factory=lambda: _nothing("constituency_id", "hour_number", "voters"))
    paths: Mapping[str, str] = field(default_factory=dict)
    disagreeing: pd.DataFrame = field(default_factory=lambda: _nothing("constituency_id", "paths"))

    @cached_property
    def running(self) -> pd.DataFrame:
        """`hours` with running_bulletins, running_votes, and since_opening: hours since the constituency's opening."""
        groups = self.hours.groupby("constituency_id")[["bulletins_issued", "votes_cast"]]
        sums = groups.cumsum().rename(columns={"bulletins_issued": "running_bulletins", "votes_cast": "running_votes"})
        opening = self.opening.reindex(self.hours["constituency_id"]).to_numpy(dtype="float64", na_value=np.nan)
        return self.hours.join(sums).assign(since_opening=self.hours["hour_number"] - opening)

    @cached_property
    def opening(self) -> pd.Series:
        """The hour in which each constituency opened: from its voting times, else its first hour with ballots."""
        stated = hour_numbers(self.constituencies.set_index("constituency_id")["starts_at"]).astype("Float64")
        ballots = self.hours[(self.hours["bulletins_issued"] > 0) | (self.hours["votes_cast"] > 0)]
        seen = ballots.groupby("constituency_id")["hour_number"].min()
        return stated.combine_first(seen.reindex(stated.index)).astype("Float64")

    @cached_property
    def closing(self) -> pd.Series:
        """The last hour that lies wholly within the voting times; NA where they are not known."""
        return hour_numbers(self.constituencies.set_index("constituency_id")["ends_at"]).astype("Float64") - 1

    @cached_property
    def grids(self) -> list["Grid"]:
        """Votes and bulletins of every hour without gaps: one grid for each stretch of time with ballots."""
        return [_grid(self, first, end) for first, end in _stretches(self)]


@dataclass(frozen=True)
class Grid:
    """Counts of one stretch of voting without gaps: a row for each constituency (or region), a column for each hour.

    Attributes:
        ids: constituency (or region) of each row.
        region: region of each row.
        size: registered voters of each row; NaN where not known.
        first: number of the first column's hour.
        opening: hour in which each row opened; NaN where not known.
        closing: last whole hour of voting of each row; infinite where not known.
        votes: votes cast.
        bulletins: bulletins issued.
        is_known: whether the hour was delivered, so that a zero means no votes.
        may_be_closed: whether voting may have ended: the close is not known, and it is after 20:00 local time.
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
        """The same with a row for each region; an hour is known if most of the region's constituencies delivered it."""
        number, names = pd.factorize(self.region, use_na_sentinel=True)
        placed, rows = number >= 0, len(names)

        def added(values: np.ndarray) -> np.ndarray:
            sums = np.zeros((rows, values.shape[1]), dtype=values.dtype)
            np.add.at(sums, number[placed], values[placed])
            return sums

        members = added(np.ones_like(self.votes))
        delivering = added(self.is_known.astype("int64"))
        opening, closing = np.full(rows, -np.inf), np.full(rows, np.inf)
        np.maximum.at(opening, number[placed], np.nan_to_num(self.opening[placed], nan=-np.inf))
        np.minimum.at(closing, number[placed], self.closing[placed])
        size = added(self.size[:, None])[:, 0]
        return Grid(
            pd.Index(names), np.asarray(names), size, self.first, opening, closing,
            added(self.votes), added(self.bulletins), delivering >= members * _MOST_OF_A_REGION,
            added(self.may_be_closed.astype("int64")) > 0,
        )  # fmt: skip


def _stretches(evidence: Evidence) -> list[tuple[int, int]]:
    """First and last hour of each stretch with ballots; deliveries that continue after the last ballot extend it."""
    hours = evidence.hours
    voted = np.unique(hours.loc[(hours["bulletins_issued"] > 0) | (hours["votes_cast"] > 0), "hour_number"])
    if not voted.size:
        return []
    delivered = evidence.delivered["hour_number"].to_numpy()
    parts = np.split(voted, np.flatnonzero(np.diff(voted) > _PAUSE) + 1)
    most = max(_MOST_CELLS // max(len(evidence.constituencies), 1), _PAUSE)
    stretches = []
    for part in parts:
        within = delivered[(delivered >= part[-1]) & (delivered <= part[-1] + _PAUSE)]
        end = int(within.max()) if within.size else int(part[-1])
        stretches.append((max(int(part[0]), end - most + 1), end))
    return stretches


def _grid(evidence: Evidence, first: int, end: int) -> Grid:
    ids = pd.Index(evidence.constituencies["constituency_id"])
    known = evidence.constituencies.set_index("constituency_id")

    def spread(frame: pd.DataFrame, column: str | None) -> np.ndarray:
        within = frame[frame["hour_number"].between(first, end)]
        values = np.zeros((len(ids), end - first + 1), dtype="int64")
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
        votes=spread(evidence.hours, "votes_cast"),
        bulletins=spread(evidence.hours, "bulletins_issued"),
        is_known=spread(evidence.delivered, None) > 0,
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
