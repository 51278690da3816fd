"""Rules inside the hour: bursts of minutes, machine-like times, blocks of ballots and of registrations."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from election_metrics.clock import INTERVALS
from election_metrics.metrics.anomalies.chances import (
    chance_of_at_least,
    chance_of_share,
    scatter_of_sum,
    usual_of_total,
)
from election_metrics.metrics.anomalies.evidence import Evidence, Thresholds
from election_metrics.metrics.anomalies.findings import counted, episodes, findings, together
from election_metrics.metrics.anomalies.grid import Grid
from election_metrics.metrics.anomalies.inside import Intervals, Neighbours, neighbours_of, window_sum

_MINUTES = 60 // INTERVALS
_BEFORE = 6
"""Intervals in which a vote's bulletin was issued: half an hour."""
_MEANS, _LEAST_MEAN = 500, 0.01
_FEW_REGIONS = 2
_SOME_VOTES, _SOME_PLACES = 2.0, 10


def burst(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Far more votes within minutes than before and after: in all, in a region, or in many constituencies at once.

    Null model: votes come at the rate of the 25 to 60 minutes before and after, whichever is higher, and their number
    is negative binomial (Farrington et al. 1996, for outbreaks in weekly counts).
    """
    return together([
        _bursts(grid, intervals, neighbours_of(intervals), thresholds)
        for grid, intervals in zip(evidence.grids, evidence.intervals, strict=True)
    ])  # fmt: skip


def _bursts(grid: Grid, intervals: Intervals, around: Neighbours, thresholds: Thresholds) -> pd.DataFrame:
    whole, sums = _sums(grid, intervals, around)
    in_all = _is_burst(whole, thresholds, thresholds["whole_scatter"])
    bursts = {region: _is_burst(of_region, thresholds, thresholds["scatter"]) for region, of_region in sums.items()}
    # One or two regions of many may raise the whole: then they are told, and not the whole.
    votes, expected = whole.votes.copy(), whole.expected.copy()
    for region, is_burst in bursts.items():
        votes[is_burst] -= sums[region].votes[is_burst]
        expected[is_burst] -= sums[region].expected[is_burst]
    rest = _Sums(votes, np.maximum(expected, 0.0), whole.one_sided)
    is_many = np.sum([np.zeros(len(votes)), *bursts.values()], axis=0) > min(_FEW_REGIONS, len(bursts) / 2)
    in_all &= is_many | _is_burst(rest, thresholds, thresholds["whole_scatter"])
    alone = _that_burst(*_judged_alone(intervals, around, thresholds), thresholds)
    at_once = _many_at_once(intervals, around, thresholds, alone, ~in_all)
    is_wide = in_all | at_once["is_many"].to_numpy()
    of_regions = [
        _of_sums(intervals, region, sums[region], bursts[region] & ~is_wide, thresholds["scatter"])
        for region in sums
        if (bursts[region] & ~is_wide).any()
    ]
    return together(
        [_of_sums(intervals, None, whole, in_all, thresholds["whole_scatter"], alone), _of_many(at_once), *of_regions]
    )


class _Sums(NamedTuple):
    """By interval: votes of constituencies, their expected votes, and the part of these known from one side only."""

    votes: np.ndarray
    expected: np.ndarray
    one_sided: np.ndarray


def _sums(grid: Grid, intervals: Intervals, around: Neighbours) -> tuple[_Sums, dict[str, _Sums]]:
    """Of all constituencies that can be judged, and of those of each region; of none if there is one region only."""
    judged, zero = around.is_judged, np.float32(0)
    lacks_before, lacks_after = np.isnan(around.before), np.isnan(around.after)
    before = np.where(judged, np.where(lacks_before, around.after, around.before), zero)
    after = np.where(judged, np.where(lacks_after, around.before, around.after), zero)
    parts = [
        np.where(judged, intervals.votes, 0), before, after, np.where(lacks_before | lacks_after, before, zero)
    ]  # fmt: skip
    whole = _summed(*(part.sum(axis=0, dtype="float64") for part in parts))
    region, names = pd.factorize(grid.region)
    if len(names) < 2:
        return whole, {}
    of_regions = {}
    for number, name in enumerate(names):
        members = np.flatnonzero(region == number)
        of_regions[name] = _summed(*(part[members].sum(axis=0, dtype="float64") for part in parts))
    return whole, of_regions


def _summed(votes: np.ndarray, before: np.ndarray, after: np.ndarray, one_sided: np.ndarray) -> _Sums:
    expected = np.maximum(before, after)
    return _Sums(votes, expected, np.clip(one_sided / np.maximum(expected, 1e-9), 0.0, 1.0))


def _is_burst(sums: _Sums, thresholds: Thresholds, scatter: float) -> np.ndarray:
    votes, expected, one_sided = sums
    ratio = thresholds["ratio"] + one_sided * (thresholds["one_sided_ratio"] - thresholds["ratio"])
    mean = np.maximum(expected, 1.0)
    is_burst: np.ndarray = (expected > 0) & (votes >= mean * ratio) & (votes >= mean + thresholds["least_excess"])
    few = mean[is_burst]
    is_burst[is_burst] = chance_of_at_least(votes[is_burst], few, scatter_of_sum(few, scatter)) < thresholds["chance"]
    return is_burst


def _of_sums(
    intervals: Intervals,
    region: str | None,
    sums: _Sums,
    is_burst: np.ndarray,
    scatter: float,
    alone: pd.DataFrame | None = None,
) -> pd.DataFrame:
    rows = pd.DataFrame({"hour_number": intervals.numbers, "observed": sums.votes, "expected": sums.expected})
    rows["places"], rows["judged"] = (0, 0) if alone is None else (alone["observed"], alone["judged"])
    found = _in_hours(episodes(rows.assign(constituency_id=""), pd.Series(is_burst), lasting=False,
                               observed="sum", expected="sum", places="max", judged="max"))  # fmt: skip

    def where(row: Any) -> str:
        of_all = counted(row.judged, "constituency", "constituencies")
        return f"; {row.places:.0f} of {of_all} with enough votes rose by themselves" if row.judged else ""

    return findings(
        found.assign(constituency_id=None, region=region), "warning",
        lambda row: f"{counted(row.observed, 'vote')} within {_minutes(row)} minutes; the half hours before and after"
                    f" let expect about {row.expected:.0f}{where(row)}",
        scatter,
    )  # fmt: skip


def _judged_alone(intervals: Intervals, around: Neighbours, thresholds: Thresholds) -> tuple[np.ndarray, np.ndarray]:
    """Votes and expected votes of each constituency; 0 where it is not judged by itself."""
    mean = np.fmax(around.before, around.after)
    judged = around.is_judged & (mean >= thresholds["least_expected"])
    return np.where(judged, intervals.votes, 0), np.where(judged, mean, np.float32(0))


def _many_at_once(
    intervals: Intervals, around: Neighbours, thresholds: Thresholds, alone: pd.DataFrame, may_be: np.ndarray
) -> pd.DataFrame:
    """Of each interval: constituencies that burst (observed), those that would by chance (expected), and all judged."""
    rows = alone.assign(is_many=alone["is_many"] & may_be)
    (some,) = np.nonzero(rows["is_many"])
    if some.size:  # what all of them have in common is no burst: a message to all voters
        votes, mean = _judged_alone(intervals, around, thresholds)
        again = _that_burst(votes[:, some], mean[:, some] * _common_rise(votes[:, some], mean[:, some]), thresholds)
        rows.loc[some, again.columns] = again.set_axis(some)
    return rows.assign(hour_number=intervals.numbers)


def _common_rise(votes: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """By how much constituencies rose in common, by interval: the median of those with some votes; at least 1."""
    ratios = np.where(mean >= _SOME_VOTES, votes / np.maximum(mean, _SOME_VOTES), np.nan)
    of_all = votes.sum(axis=0) / np.maximum(mean.sum(axis=0), 1.0)
    is_known = (~np.isnan(ratios)).sum(axis=0) >= _SOME_PLACES
    common = np.array([np.nanmedian(column) if known else every
                       for column, known, every in zip(ratios.T, is_known, of_all, strict=True)])  # fmt: skip
    rise: np.ndarray = np.maximum(common, 1.0)
    return rise


def _that_burst(votes: np.ndarray, mean: np.ndarray, thresholds: Thresholds) -> pd.DataFrame:
    """By interval: constituencies that burst (observed), that would by chance (expected), judged, and is_many."""
    # The chance depends on the mean alone: it is computed for a few hundred means, and each is rounded up to one.
    lowest = max(thresholds["least_expected"], _LEAST_MEAN)
    highest = max(mean.max(initial=0.0), lowest) + 1.0
    means = np.geomspace(lowest, highest, _MEANS)
    judged = mean > 0
    interval, of_judged = np.nonzero(judged)[1], np.maximum(mean[judged], lowest)
    steps = np.log(of_judged / lowest) * ((_MEANS - 1) / np.log(highest / lowest))
    place = np.ceil(steps).astype("int32")
    least = np.ceil(means * thresholds["ratio"] + 2)
    chances = chance_of_at_least(least, means, scatter_of_sum(means, thresholds["scatter"]))
    is_out, intervals = votes[judged] >= least[place], mean.shape[1]
    out, total = (np.bincount(which, minlength=intervals) for which in (interval[is_out], interval))
    usual = np.bincount(interval, chances[place], minlength=intervals)
    is_many = (
        (out - usual >= np.maximum(thresholds["least_constituencies"], total * thresholds["least_share"] / 100))
        & (chance_of_share(out, total, np.minimum(usual / np.maximum(total, 1), 1.0)) < thresholds["chance"])
    )  # fmt: skip
    return pd.DataFrame({"observed": out, "expected": usual, "judged": total, "is_many": is_many})


def _of_many(rows: pd.DataFrame) -> pd.DataFrame:
    found = _in_hours(episodes(rows.assign(constituency_id=""), rows["is_many"], lasting=False,
                               observed="max", expected="max", judged="max"))  # fmt: skip
    low, high = usual_of_total(found["expected"].to_numpy("float64"), found["judged"].to_numpy("float64"))
    return findings(
        found.assign(constituency_id=None, expected_low=low, expected_high=high), "warning",
        lambda row: f"{row.observed:.0f} of {counted(row.judged, 'constituency', 'constituencies')} had far more"
                    f" votes within {_minutes(row)} minutes than in the half hours before and after; about"
                    f" {row.expected:.0f} would by chance",
    )  # fmt: skip


def regular_votes(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Votes of an hour follow each other too evenly.

    Null model: votes are independent of each other, so that the gaps between them are uniform spacings; the sum of
    their squares has a known mean and variance (Greenwood 1946, Moran 1947). Voters in waves only make it larger.
    """
    from scipy.special import ndtr  # as slow to import as pandas, and only needed here

    rows = _with_at_least(evidence, "vote_gaps", thresholds["least_gaps"])
    gaps = rows["vote_gaps"].to_numpy("float64").clip(1)
    share = rows["gap_squares"].to_numpy() / np.maximum(rows["gap_seconds"].to_numpy(), 1e-9) ** 2
    spread = np.sqrt(4 * (gaps - 1) / ((gaps + 1) ** 2 * (gaps + 2) * (gaps + 3)))
    chance = ndtr((share - 2 / (gaps + 1)) / spread)
    variation = np.sqrt(np.maximum(gaps * share - 1, 0.0))
    is_regular = (chance < thresholds["chance"]) & (variation <= thresholds["most_variation"])
    rows = rows.assign(observed=variation * 100, expected=100.0, gap=rows["gap_seconds"] / gaps, votes=gaps + 1)
    return findings(
        _hours(rows, is_regular, "gap", "votes"), "warning",
        lambda row: f"{counted(row.votes, 'vote')} of an hour followed each other evenly, every {row.gap:.1f} seconds:"
                    f" the gaps vary by {row.observed:.0f} % of their mean; among independent voters, by 100 %",
    )  # fmt: skip


def equal_gaps(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Many votes in a row follow each other after the same number of seconds.

    Null model: gaps are exponential with the hour's mean, so that one equals the one before with a known probability; a
    run of so many is as rare as a run of heads (Erdős and Rényi 1970, Schilling 1990).
    """
    rows = _with_at_least(evidence, "equal_gaps", thresholds["least_gaps"])
    gaps, run = rows["vote_gaps"].to_numpy("float64"), rows["equal_gaps"].to_numpy("float64")
    mean = rows["gap_seconds"].to_numpy() / gaps
    decay = np.exp(-1 / np.maximum(mean, 1e-9))
    same = decay * (1 - decay) / (1 + decay)
    chance = gaps * same ** (run - 1)
    rows = rows.assign(observed=run, expected=1 + _longest_run(gaps, same))
    return findings(
        _hours(rows, chance < thresholds["chance"], "equal_gap"), "warning",
        lambda row: f"{row.observed:.0f} times in a row, {counted(row.equal_gap, 'second')} passed between two votes,"
                    " to the second",
    )  # fmt: skip


def _longest_run(trials: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """The longest run that so many trials of this chance have by themselves (Schilling 1990)."""
    chance = np.clip(chance, 1e-9, 1 - 1e-9)
    longest: np.ndarray = np.maximum(np.log(np.maximum(trials * (1 - chance), 1.0)) / -np.log(chance), 0.0).round()
    return longest


def votes_without_bulletins(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """A block of votes within minutes, while hardly any bulletin was issued in the half hour before.

    Null model: a vote follows its bulletin within minutes, so that both kinds of calls come in random order, and
    each is a vote with probability 1/2 (Wald and Wolfowitz 1940). Places without bulletins are not judged.
    """
    return together([
        _blocks(grid, intervals, thresholds) for grid, intervals in zip(evidence.grids, evidence.intervals, strict=True)
    ])  # fmt: skip


def _blocks(grid: Grid, intervals: Intervals, thresholds: Thresholds) -> pd.DataFrame:
    issues = grid.bulletins.sum(axis=1) * 2 >= grid.votes.sum(axis=1)
    recent = intervals.votes.copy()
    recent[:, 1:] += intervals.votes[:, :-1]
    may_be = (recent >= thresholds["least_votes"]) & (recent > intervals.bulletins) & issues[:, None]
    (places,) = np.nonzero(may_be.any(axis=1))
    # What is not known of the half hour before may have had bulletins.
    is_missing = ~intervals.is_known[places] & (intervals.since_opening[places] >= 0)
    bulletins = window_sum(intervals.bulletins[places], -_BEFORE, 0)
    recent, may_be = recent[places], may_be[places] & (window_sum(is_missing, -_BEFORE, 0) == 0)
    may_be &= recent >= thresholds["ratio"] * bulletins
    some, few = recent[may_be], bulletins[may_be]
    may_be[may_be] = chance_of_share(some, some + few, 0.5) < thresholds["chance"]
    place, interval = np.nonzero(may_be)
    rows = pd.DataFrame(
        {
            "constituency_id": grid.ids[places[place]],
            "hour_number": intervals.numbers[interval],
            "observed": recent[place, interval],
            "expected": bulletins[place, interval],
        }
    )
    found = episodes(rows, pd.Series(True, index=rows.index), lasting=False, observed="max", expected="max")
    return findings(
        _in_hours(found.assign(window_start=found["window_start"] - 1)), "warning",
        lambda row: f"{counted(row.observed, 'vote')} within 10 minutes, but {counted(row.expected, 'bulletin')}"
                    " since half an hour before",
    )  # fmt: skip


def registrar_block(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """One of several registrars issued many bulletins in a row.

    Null model: registrars issue in random order by their shares of the hour's other bulletins; a run of so many is as
    rare as a run of heads (Erdős and Rényi 1970, Schilling 1990).
    """
    rows = _with_at_least(evidence, "registrar_run", thresholds["least_bulletins"])
    run, own, before, after = (
        rows[f"registrar_{name}"].to_numpy("float64") for name in ("run", "own", "before", "after")
    )
    every = before + run + after
    share = (own - run + 1) / (before + after + 2)
    is_block = (every - own >= thresholds["least_others"]) & (every * share**run < thresholds["chance"])
    rows = rows.assign(observed=run, expected=_longest_run(every, share), every=every)
    return findings(
        _hours(rows, is_block, "registrar", "every"), "info",
        lambda row: f"registrar {row.registrar}… issued {counted(row.observed, 'bulletin')} in a row, of"
                    f" {row.every:.0f} of the hour, while others issued before and after",
    )  # fmt: skip


def registration_block(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Many voters were added to a register within 5 minutes, an hour after the opening or later.

    Null model: additions are spread evenly over the time of voting; so many in one interval is a cluster on a line
    (Naus 1965).
    """
    rows = evidence.registrations.sort_values(["constituency_id", "interval_number"])
    opening = evidence.opening.reindex(rows["constituency_id"]).to_numpy("float64", na_value=np.inf) * INTERVALS
    # The register itself is loaded before the opening, or with it.
    is_open = (rows["interval_number"].to_numpy() >= opening + INTERVALS) & rows["constituency_id"].duplicated()
    rows, opening = rows[is_open], opening[is_open]
    last = evidence.hours["hour_number"].max() + 1 if len(evidence.hours) else 0
    voters = rows["voters"].to_numpy("float64")
    rest = rows.groupby("constituency_id")["voters"].transform("sum").to_numpy("float64") - voters
    mean = np.maximum(rest, 1.0) / np.maximum(last * INTERVALS - opening, 1.0)
    is_block = (voters >= thresholds["least_voters"]) & (
        chance_of_at_least(voters, mean, scatter_of_sum(mean, thresholds["scatter"])) < thresholds["chance"]
    )
    rows = rows.rename(columns={"interval_number": "hour_number"}).assign(observed=voters, expected=mean)
    found = episodes(rows, pd.Series(is_block, index=rows.index), lasting=False, observed="sum", expected="sum")
    return findings(
        _in_hours(found), "info",
        lambda row: f"{counted(row.observed, 'voter')} were added to the register within {_minutes(row)} minutes,"
                    " while voting was open",
    )  # fmt: skip


def _with_at_least(evidence: Evidence, name: str, least: float) -> pd.DataFrame:
    """Rows of `inside` whose count is known, and so many or more."""
    rows = evidence.inside.rows.dropna(subset=[name])
    return rows[rows[name] >= least]


def _hours(rows: pd.DataFrame, is_marked: np.ndarray, *kept: str) -> pd.DataFrame:
    """Each marked hour as an episode of its own."""
    marked = rows[is_marked]
    return pd.DataFrame(
        {
            "constituency_id": marked["constituency_id"],
            "window_start": marked["hour_number"],
            "window_end": marked["hour_number"] + 1,
            "is_ongoing": False,
            **{name: marked[name] for name in ("observed", "expected", *kept)},
        }
    )


def _in_hours(found: pd.DataFrame) -> pd.DataFrame:
    """Episodes of intervals with their windows in hours."""
    return found.assign(
        window_start=found["window_start"] / INTERVALS,
        window_end=found["window_end"] / INTERVALS,
    )


def _minutes(row: Any) -> int:
    intervals: int = round((row.window_end - row.window_start) * INTERVALS)
    return intervals * _MINUTES
