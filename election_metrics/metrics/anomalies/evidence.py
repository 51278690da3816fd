"""Input of the rules: the figures of one election at one moment, as frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from election_metrics.metrics.anomalies.expected import Expected, expected_votes
from election_metrics.metrics.anomalies.grid import Grid, make_grid, stretches
from election_metrics.metrics.anomalies.inside import InsideHours, Intervals, intervals_of
from election_metrics.metrics.anomalies.levels import Levels, WideLevels, levels_of_each, wide_levels
from election_metrics.metrics.anomalies.shapes import PUBLISHED_2026, Shape
from election_metrics.metrics.hours import hour_numbers, running_totals

Thresholds = Mapping[str, float]
"""Values by name that a rule compares counts with."""


_SUMS_OF_TALLY = ("question", "votes_cast", "tally_sum", "lowest_sum", "highest_sum")
_TWO_COUNTS = ("counted_bulletins", "published_bulletins", "counted_votes", "published_votes", "uncounted")


_OF_PRECINCT = ("region_code", "precinct", "bulletins_issued")
_SO_FAR = (
    "listed_voters", "restored_voters", "removed_voters", "last_hour", "listed_until", "issued_since", "busy_hours",
)  # fmt: skip


def _nothing(*columns: str) -> pd.DataFrame:
    counts = {
        "hour_number", "interval_number", "transactions", "lost", "voters", *_TWO_COUNTS, *_SUMS_OF_TALLY,
        *_OF_PRECINCT, *_SO_FAR,
        "voters_removed", "of_hour",
    }  # fmt: skip
    return pd.DataFrame({name: pd.Series(dtype="int64" if name in counts else "str") for name in columns})


@dataclass(frozen=True)
class Evidence:
    """The figures of one election. Hours are numbered: hours since 1970 (UTC). Only hours that are over are included.

    Attributes:
        hours: counts and register of rows of `hourly_stats`, and hour_number, sorted by constituency and hour.
        constituencies: constituency_id, region, time_zone, is_zone_assumed, registered_voters, starts_at, ends_at.
        delivered: constituency_id, hour_number: the hours that a file covers.
        missing: rows of `missing_input`, and by_interval: whether the constituency's file names state an interval.
        register_changes: constituency_id, hour_number, voters: the sum of those added and those removed.
        repeated_issues: constituency_id, hour_number, voters: those who were issued another bulletin.
        highest: constituency_id, transactions (the highest count ever computed, withdrawn ones included), first_hour,
            last_hour of that count.
        falls: constituency_id, counter, window_start, window_end, observed, expected, file: published counters that are
            lower than the number published before (expected), and the times of the two (hours since 1970, with
            fractions); empty where figures come from transactions.
        conflicts: constituency_id, hour_number, transactions: ids with a row in this hour and a different row in
            any file; lost: the number of these rows that do not count; files: (counts in, not in, ids) for each pair of
            files of which one holds the row that counts and the other a row that does not.
        registers: constituency_id, hour_number, voters: the sum of the register calls after each hour with such calls.
        paths: a file by constituency_id, of constituencies whose time zone was assumed.
        disagreeing: constituency_id, paths: a file in each of the regions and elections where its files lie.
        lines: constituency_id, lines, rejected, files, all_files, lost_files, path, path_lines, path_rejected,
            window_start, window_end: of constituencies with lines that cannot be read: their lines, how many cannot,
            in how many files, of how many, how many files lost most lines, in which file most, and the hours that these
            cover; election_lines: of the whole election.
        unread: constituency_id, path, reason: files that cannot be read at all.
        shared_input: path, lines, rejected, parts, reason, window_start, window_end: input of several constituencies of
            which some cannot be read, so that nobody knows whose it is: rows of a table and the hours in which (lines,
            rejected), or parts of a file (parts, and the reason of one).
        shards: constituency_id, trouble: of constituencies on the chain, what of their shard is missing, in words.
        absent_shards: shards of the chain of which nothing is known.
        second_count: constituency_id, hour_number, is_delivered, is_taken_back, counted_bulletins, published_bulletins,
            counted_votes, published_votes, uncounted: hours in which the portal published other counts than those made
            here; whether the hour's input arrived here; whether the portal published the hour before, and does not any
            more; votes of the hour that do not count here (rejected, withdrawn, repeated).
        tallies: constituency_id, question, hour_number (when published), status (differs, unreadable), votes_cast,
            tally_sum, lowest_sum, highest_sum: published tallies that do not fit the accepted votes.
        precincts: constituency_id, region_code, precinct, bulletins_issued, listed_voters, restored_voters,
            removed_voters, last_hour, listed_until (the last hour that listed voters; 0 without any), issued_since (the
            first hour with a bulletin; 0 without any), busy_hours (with a bulletin): each precinct so far;
            is_register_whole: whether every call on the register of its constituency names a precinct and its voters
            and can be read, and no reference data override it.
        precinct_hours: constituency_id, region_code, precinct, hour_number, bulletins_issued, voters_removed, of_hour
            (bulletins of all precincts of the contract): hours with 20 or more of the precinct's either.
        verdicts: constituency_id, verifier, reason, votes, first_hour, last_hour: votes that count here and that a
            verifier found invalid.
        shapes: shapes of other votes (`shapes`), from which later hours are expected.
        inside: the hours from inside; hours that were counted without intervals are not in it.
        registrations: constituency_id, interval_number (5 minutes since 1970, UTC), voters added to the register.
    """

    hours: pd.DataFrame
    constituencies: pd.DataFrame
    delivered: pd.DataFrame
    missing: pd.DataFrame
    register_changes: pd.DataFrame
    repeated_issues: pd.DataFrame
    highest: pd.DataFrame
    falls: pd.DataFrame = field(default_factory=pd.DataFrame)
    conflicts: pd.DataFrame = field(
        default_factory=lambda: _nothing("constituency_id", "hour_number", "transactions", "lost", "files")
    )
    registers: pd.DataFrame = field(default_factory=lambda: _nothing("constituency_id", "hour_number", "voters"))
    paths: Mapping[str, str] = field(default_factory=dict)
    disagreeing: pd.DataFrame = field(default_factory=lambda: _nothing("constituency_id", "paths"))
    lines: pd.DataFrame = field(
        default_factory=lambda: _nothing(
            "constituency_id", "lines", "rejected", "files", "path", "path_lines", "path_rejected", "window_start",
            "window_end", "election_lines",
        )
    )  # fmt: skip
    unread: pd.DataFrame = field(default_factory=lambda: _nothing("constituency_id", "path", "reason"))
    shared_input: pd.DataFrame = field(
        default_factory=lambda: _nothing(
            "path", "lines", "rejected", "parts", "reason", "window_start", "window_end",
        )
    )  # fmt: skip
    shards: pd.DataFrame = field(default_factory=lambda: _nothing("constituency_id", "trouble"))
    absent_shards: Sequence[str] = ()
    second_count: pd.DataFrame = field(
        default_factory=lambda: _nothing(
            "constituency_id", "hour_number", "is_delivered", "is_taken_back", *_TWO_COUNTS
        )
    )
    tallies: pd.DataFrame = field(
        default_factory=lambda: _nothing("constituency_id", "hour_number", "status", *_SUMS_OF_TALLY)
    )
    precincts: pd.DataFrame = field(
        default_factory=lambda: _nothing(
            "constituency_id", *_OF_PRECINCT, *_SO_FAR, "is_register_whole",
        )
    )  # fmt: skip
    precinct_hours: pd.DataFrame = field(
        default_factory=lambda: _nothing("constituency_id", *_OF_PRECINCT, "hour_number", "voters_removed", "of_hour")
    )
    verdicts: pd.DataFrame = field(
        default_factory=lambda: _nothing("constituency_id", "verifier", "reason", "votes", "first_hour", "last_hour")
    )
    shapes: Sequence[Shape] = (PUBLISHED_2026,)
    inside: InsideHours = field(default_factory=InsideHours)
    registrations: pd.DataFrame = field(
        default_factory=lambda: _nothing("constituency_id", "interval_number", "voters")
    )

    @cached_property
    def place(self) -> np.ndarray:
        """For each row of `hours`, the place of its constituency in `constituencies`."""
        number, ids = pd.factorize(self.hours["constituency_id"])
        place: np.ndarray = pd.Index(self.constituencies["constituency_id"]).get_indexer(ids)[number]
        assert (place >= 0).all(), "hours of a constituency that is not in the election"
        return place

    def total(self, counts: pd.Series) -> pd.Series:
        """The sum of a count of each row of `hours`, by constituency."""
        sums = np.zeros(len(self.constituencies), dtype="int64")
        np.add.at(sums, self.place, counts.to_numpy("int64"))
        return pd.Series(sums, self.constituencies["constituency_id"])

    @cached_property
    def running(self) -> pd.DataFrame:
        """`hours` with running_bulletins, running_votes, and since_opening: hours since the constituency's opening."""
        is_first = np.diff(self.place, prepend=-1) != 0  # the hours are sorted by constituency
        opening = self.opening.to_numpy(dtype="float64", na_value=np.nan)[self.place]
        return self.hours.assign(
            running_bulletins=running_totals(self.hours["bulletins_issued"], is_first),
            running_votes=running_totals(self.hours["votes_cast"], is_first),
            since_opening=self.hours["hour_number"] - opening,
        )

    @cached_property
    def opening(self) -> pd.Series:
        """The hour in which each constituency opened: from its voting times, else its first hour with ballots."""
        stated = hour_numbers(self.constituencies.set_index("constituency_id")["starts_at"]).astype("Float64")
        has_ballots = ((self.hours["bulletins_issued"] > 0) | (self.hours["votes_cast"] > 0)).to_numpy()
        first = np.full(len(stated), np.inf)
        np.minimum.at(first, self.place[has_ballots], self.hours["hour_number"].to_numpy()[has_ballots])
        seen = pd.Series(first, stated.index, dtype="Float64").replace(np.inf, pd.NA)
        return stated.fillna(seen)

    @cached_property
    def closing(self) -> pd.Series:
        """The last hour that lies wholly within the voting times; NA where they are not known."""
        return hour_numbers(self.constituencies.set_index("constituency_id")["ends_at"]).astype("Float64") - 1

    @cached_property
    def grids(self) -> list[Grid]:
        """Votes and bulletins of every hour without gaps: one grid for each stretch of time with ballots."""
        places = len(self.constituencies)
        return [
            make_grid(
                self.constituencies, self.hours, self.place, self.delivered, self.opening, self.closing, first, end
            )
            for first, end in stretches(self.hours, self.delivered["hour_number"].to_numpy(), places)
        ]

    @cached_property
    def intervals(self) -> list[Intervals]:
        """Votes and bulletins by 5 minutes: one for each grid."""
        return [intervals_of(grid, self.inside) for grid in self.grids]

    @cached_property
    def expected(self) -> list[Expected]:
        """Expected votes of each constituency from the day before and from others of its region: one for each grid."""
        return [expected_votes(grid) for grid in self.grids]

    @cached_property
    def levels(self) -> list[WideLevels]:
        """Expected votes of the whole election and of its regions: one for each grid."""
        return [wide_levels(grid, self.shapes) for grid in self.grids]

    @cached_property
    def own_levels(self) -> list[Levels]:
        """Expected votes of each constituency from its own hours: one for each grid."""
        return [levels_of_each(grid, self.shapes, wide) for grid, wide in zip(self.grids, self.levels, strict=True)]
