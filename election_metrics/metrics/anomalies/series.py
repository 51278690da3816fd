"""Rules on series: hours that differ from the expected counts."""

import numpy as np
import pandas as pd

from election_metrics.metrics.anomalies.chances import chance_of_at_least, chance_of_at_most
from election_metrics.metrics.anomalies.evidence import Evidence, Thresholds
from election_metrics.metrics.anomalies.expected import Expected
from election_metrics.metrics.anomalies.findings import counted, episodes, findings, no_findings, together
from election_metrics.metrics.anomalies.grid import Grid
from election_metrics.metrics.anomalies.levels import WideLevels
from election_metrics.metrics.anomalies.wide import (
    opening_silences,
    opening_spikes,
    wide_drops,
    wide_silences,
    wide_spikes,
)


def spike(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Far more votes in an hour than expected: in a constituency, a region or the whole election."""
    found = [opening_spikes(evidence, thresholds)]
    for grid, wide, expected in zip(evidence.grids, evidence.levels, evidence.expected, strict=True):
        found += [wide_spikes(wide, grid.first, thresholds), _spikes(grid, wide, expected, thresholds)]
    return together(found)


def _spikes(grid: Grid, wide: WideLevels, expected: Expected, thresholds: Thresholds) -> pd.DataFrame:
    """Of constituencies: more votes than their history and the rest of their region suggest."""
    mean = np.nan_to_num(expected.most)
    is_spike = (
        ~np.isnan(expected.most)
        & (grid.votes >= mean + thresholds["least_excess"])
        & (grid.votes >= mean * thresholds["ratio"])
    )
    many = np.maximum(mean[is_spike], 1.0)
    chance = chance_of_at_least(grid.votes[is_spike], many, thresholds["scatter"])
    is_spike[is_spike] = chance < thresholds["chance"]
    if len(grid.ids) == 1:  # the whole election
        is_spike &= ~wide.whole.is_high
    return _unusual_votes(grid, is_spike, mean, thresholds["scatter"])


def drop(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Far fewer votes in an hour than expected: in a constituency, a region or the whole election."""
    found = []
    for grid, wide, expected in zip(evidence.grids, evidence.levels, evidence.expected, strict=True):
        found += [wide_drops(wide, grid.first, thresholds), _drops(grid, wide, expected, thresholds)]
    return together(found)


def _drops(grid: Grid, wide: WideLevels, expected: Expected, thresholds: Thresholds) -> pd.DataFrame:
    """Of constituencies, in hours in which neither the whole election nor the region fell."""
    mean = np.minimum(np.nan_to_num(expected.least), _left_to_vote(grid))
    is_drop = (
        _is_open(grid)
        & grid.is_known
        & ~wide.is_out
        & (grid.votes > 0)
        & (mean >= thresholds["least_expected"])
        & (grid.votes * thresholds["ratio"] <= mean)
    )
    few = np.maximum(mean[is_drop], 1.0)
    chance = chance_of_at_most(grid.votes[is_drop], few, thresholds["scatter"])
    is_drop[is_drop] = chance < thresholds["chance"]
    return _unusual_votes(grid, is_drop, mean, thresholds["scatter"])


def _unusual_votes(grid: Grid, is_unusual: np.ndarray, expected: np.ndarray, scatter: float) -> pd.DataFrame:
    found = _episodes(grid, is_unusual, lasting=False, observed=grid.votes, expected=expected)
    return findings(
        found, "warning",
        lambda row: f"{counted(row.observed, 'vote')}, but about {row.expected:.0f} expected",
        scatter,
    )  # fmt: skip


def silence(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """No bulletin and no vote for too long to be chance: in a constituency, a region or the whole election."""
    found = [opening_silences(evidence, thresholds)]
    for grid, wide, expected in zip(evidence.grids, evidence.levels, evidence.expected, strict=True):
        found += [wide_silences(wide, grid.first, thresholds), _silences(grid, wide, expected, thresholds)]
    return together(found)


def _silences(grid: Grid, wide: WideLevels, expected: Expected, thresholds: Thresholds) -> pd.DataFrame:
    """Of constituencies, in hours in which neither the whole election nor the region is silent."""
    judged = grid.is_known & _is_open(grid) & ~wide.is_out
    is_silent = (grid.votes == 0) & (grid.bulletins == 0) & judged
    # Within a silence the previous hour is silent too; it must not lower the expected count.
    level = _since_last_ballots(grid)
    least = np.nan_to_num(np.maximum(expected.least, np.minimum(level, _day_before(grid))))
    left = np.where(is_silent, _left_to_vote(grid), 0.0)
    found = _episodes(
        grid, is_silent, judged=judged, lasting=True,
        observed=grid.votes, expected=np.where(is_silent, least, 0.0), left=left,
    )  # fmt: skip
    if found.empty:
        return no_findings()
    # A constituency is also silent once everyone has voted: the expected count is limited to the voters who are left.
    length = found["window_end"] - found["window_start"]
    found["expected"] = found[["expected"]].assign(left=found["left"] / length).min(axis=1)
    chance = chance_of_at_most(np.zeros(len(found)), found["expected"].to_numpy(), thresholds["scatter"])
    found = found[(chance < thresholds["chance"]) & (found["expected"] >= thresholds["least_expected"])]
    return findings(
        found, "warning",
        lambda row: f"no bulletin and no vote in {counted(row.window_end - row.window_start, 'hour')}, but about "
        f"{counted(row.expected, 'vote')} expected",
        thresholds["scatter"],
    )  # fmt: skip


def _since_last_ballots(grid: Grid) -> np.ndarray:
    """For each hour, the votes of the latest hour with any."""
    votes = np.where(grid.votes > 0, grid.votes.astype("float64"), np.nan)
    frame = pd.DataFrame(votes).ffill(axis=1).fillna(0.0)
    level: np.ndarray = frame.to_numpy()
    return level


def _left_to_vote(grid: Grid) -> np.ndarray:
    """Registered voters who had not voted before the hour; infinite where the register is not known."""
    running = np.cumsum(grid.votes, axis=1) - grid.votes
    left: np.ndarray = np.nan_to_num(grid.size[:, None] - running, nan=np.inf).clip(min=0)
    return left


def _day_before(grid: Grid) -> np.ndarray:
    """The fewest votes of the day before, at the same hour and its neighbours; 0 on the first day."""
    votes = grid.votes.astype("float64")
    least = np.zeros_like(votes)
    if votes.shape[1] > 25:
        least[:, 25:] = np.minimum(np.minimum(votes[:, :-25], votes[:, 1:-24]), votes[:, 2:-23])
    return np.where(grid.since_opening >= 25, least, 0.0)


def _is_open(grid: Grid) -> np.ndarray:
    """Hours between the opening hour and the last hour of voting; few votes at either end mean nothing."""
    is_open: np.ndarray = (
        (grid.since_opening >= 1) & (grid.hour_numbers[None, :] < grid.closing[:, None]) & ~grid.may_be_closed
    )
    return is_open


def _episodes(
    grid: Grid, is_marked: np.ndarray, *, lasting: bool, judged: np.ndarray | None = None, **counts: np.ndarray
) -> pd.DataFrame:
    """Episodes of the marked hours of a grid, with the sums of these counts and the region of the row."""
    # Only the few rows with a marked hour matter.
    rows = np.flatnonzero(is_marked.any(axis=1))
    chosen = (judged if judged is not None else np.ones_like(is_marked))[rows]
    row, column = np.nonzero(chosen | is_marked[rows])
    at = (rows[row], column)
    frame = pd.DataFrame(
        {
            "constituency_id": grid.ids.to_numpy(dtype=object)[rows[row]],
            "region": grid.region[rows[row]],
            "hour_number": grid.hour_numbers[column],
            **{name: values[at] for name, values in counts.items()},
        }
    )
    return episodes(frame, pd.Series(is_marked[at]), lasting=lasting, region="first", **dict.fromkeys(counts, "sum"))
