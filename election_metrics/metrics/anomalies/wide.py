"""Spikes, drops and silences of the whole election and of whole regions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from election_metrics.metrics.anomalies.chances import chance_of_at_most
from election_metrics.metrics.anomalies.evidence import Evidence, Thresholds
from election_metrics.metrics.anomalies.findings import counted, episodes, findings, together
from election_metrics.metrics.anomalies.levels import Levels, Limits, WideLevels, is_far_above, is_far_below
from election_metrics.metrics.anomalies.openings import rises_at_opening, silences_from_opening

_OF_OPENING = 0.75
"""Of what is expected from the first hours alone, the part from which a drop is critical or not: one may be a rise."""
_WHOLE, _REGION = "whole_", ""
"""Prefixes of the thresholds of each."""


def _of_both(
    wide: WideLevels, first: int, is_out: np.ndarray, find: Callable[[Levels, str], pd.DataFrame]
) -> pd.DataFrame:
    """Findings on the whole election, and on regions unless the whole election differs in all hours of theirs."""
    whole = find(wide.whole, _WHOLE).assign(region=None)
    of_whole = set((first + np.flatnonzero(is_out[0])).tolist())
    regions = find(wide.regions, _REGION)
    regions = regions.assign(region=[wide.names[int(row)] for row in regions["constituency_id"]])
    own = [not of_whole.issuperset(range(row.window_start, row.window_end)) for row in regions.itertuples()]
    return together([whole, regions[np.array(own, dtype=bool)]]).assign(constituency_id=None)


def wide_spikes(wide: WideLevels, first: int, thresholds: Thresholds) -> pd.DataFrame:
    """Far more votes in an hour than expected.

    Args:
        wide: expected votes.
        first: number of the first hour.
        thresholds: of the rule `spike`.
    """

    def find(place: Levels, kind: str) -> pd.DataFrame:
        limits = Limits(thresholds["least_excess"], thresholds["chance"], thresholds[f"{kind}scatter"])
        is_spike = is_far_above(place.votes, place.most, place.before, limits, _ratio(place, thresholds, kind))
        found = _marked(place, first, is_spike, ~np.isnan(place.most), place.most, place.middle, lasting=False)
        return findings(found, "warning", lambda row: _said(row, kind), limits.scatter)

    return _of_both(wide, first, wide.whole.is_high, find)


def wide_drops(wide: WideLevels, first: int, thresholds: Thresholds) -> pd.DataFrame:
    """Far fewer votes in an hour than expected, but some.

    Args:
        wide: expected votes.
        first: number of the first hour.
        thresholds: of the rule `drop`.
    """

    def find(place: Levels, kind: str) -> pd.DataFrame:
        limits = Limits(thresholds["least_expected"], thresholds["chance"], thresholds[f"{kind}scatter"])
        is_low = is_far_below(place.votes, place.least, place.before, limits, _ratio(place, thresholds, kind))
        is_drop = is_low & (place.votes > 0)
        part, before = np.where(place.is_early, _OF_OPENING, 1.0), _votes_before(place)
        is_fall = is_drop & (place.votes * thresholds["critical_ratio"] <= before * part)
        # At night, what is expected comes from votes whose nights may be others: only a fall in plain sight is certain.
        certain = np.where(place.is_night & (before > 0), 0.0, place.middle * part)
        found = _marked(place, first, is_drop, ~np.isnan(place.least), place.least, certain, is_fall, lasting=False)
        is_critical = found["observed"] * thresholds["critical_ratio"] <= found["middle"]
        is_critical |= found["is_fall"].astype("bool")
        severity = np.where(is_critical & (kind == _WHOLE), "critical", "warning")
        severities = pd.Series(severity, index=found.index)
        return findings(found, severities, lambda row: _said(row, kind), limits.scatter)

    return _of_both(wide, first, wide.whole.is_low, find)


def _votes_before(place: Levels) -> np.ndarray:
    """Votes of the hour before; of an hour that differs itself, the lower of its votes and of how they count."""
    votes = np.full(place.votes.shape, np.nan)
    votes[:, 1:] = place.votes[:, :-1]
    lower: np.ndarray = np.minimum(votes, place.before)
    return lower


def opening_silences(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """No ballot from the opening on, of the whole election, and of regions unless the whole election is silent too.

    Args:
        evidence: what the rules see.
        thresholds: of the rule `silence`.
    """
    found = silences_from_opening(evidence, thresholds)
    found = found[_is_no_chance(found["expected"], thresholds)]
    whole = found[found["region"].isna()]
    end = whole["window_end"].max()
    found = found[found["region"].isna() | ~(found["window_end"] <= end)]
    return findings(
        found, "critical",
        lambda row: f"{_ballots_of(row)} in {counted(row.window_end - row.window_start, 'hour')} after the opening of "
        f"{_place_of(row)}, but {counted(row.expected, 'vote')} or more expected",
        thresholds["scatter"],
    )  # fmt: skip


def opening_spikes(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """More of the voters than ever vote in an hour, at the opening of the whole election, or else of a region.

    Args:
        evidence: what the rules see.
        thresholds: of the rule `spike`.
    """
    found = rises_at_opening(evidence, thresholds)
    of_whole = found.loc[found["region"].isna(), "window_start"]
    found = found[found["region"].isna() | ~found["window_start"].isin(of_whole)]
    return findings(
        found.assign(expected_low=0.0, expected_high=found["expected"]), "warning",
        lambda row: f"{counted(row.observed, 'vote')} in an hour at the opening of {_place_of(row)}, but "
        f"{row.expected:.0f} at most expected",
    )  # fmt: skip


def _is_no_chance(expected: pd.Series, thresholds: Thresholds) -> np.ndarray:
    """Whether so many votes are expected that none is no chance."""
    mean = expected.to_numpy(dtype="float64")
    chance = chance_of_at_most(np.zeros(len(mean)), np.maximum(mean, 1.0), thresholds["scatter"])
    unlikely: np.ndarray = (mean >= thresholds["least_expected"]) & (chance < thresholds["chance"])
    return unlikely


def wide_silences(wide: WideLevels, first: int, thresholds: Thresholds) -> pd.DataFrame:
    """No vote for too long to be chance.

    Args:
        wide: expected votes.
        first: number of the first hour.
        thresholds: of the rule `silence`.
    """

    def find(place: Levels, kind: str) -> pd.DataFrame:
        judged = ~np.isnan(place.least)
        found = _marked(place, first, judged & (place.votes == 0), judged, place.least, place.middle, lasting=True)
        found = found[_is_no_chance(found["expected"], thresholds)]
        return findings(
            found, "critical",
            lambda row: f"no vote in {counted(row.window_end - row.window_start, 'hour')} in {_PLACES[kind]}, but "
            f"about {counted(row.expected, 'vote')} expected",
            thresholds["scatter"],
        )  # fmt: skip

    return _of_both(wide, first, wide.whole.is_low, find)


def _ratio(place: Levels, thresholds: Thresholds, kind: str) -> np.ndarray:
    """Times the expected votes; at night votes rise and fall more steeply, and not in all votes alike."""
    by_day = thresholds[f"{kind}ratio"]
    return np.where(place.is_night, np.maximum(by_day, thresholds["night_ratio"]), by_day)


_PLACES = {_WHOLE: "the whole election", _REGION: "the region"}


def _place_of(row: Any) -> str:
    return _PLACES[_WHOLE if pd.isna(row.region) else _REGION]


def _ballots_of(row: Any) -> str:
    return "no ballot" if row.observed == 0 else f"only {counted(row.observed, 'ballot')}"


def _said(row: Any, kind: str) -> str:
    return f"{counted(row.observed, 'vote')} in {_PLACES[kind]}, but about {row.expected:.0f} expected"


def _marked(
    place: Levels,
    first: int,
    is_marked: np.ndarray,
    judged: np.ndarray,
    expected: np.ndarray,
    middle: np.ndarray,
    is_fall: np.ndarray | None = None,
    *,
    lasting: bool,
) -> pd.DataFrame:
    """Episodes of marked hours, with the number of the place as constituency_id; and whether one of them is a fall."""
    rows = np.flatnonzero(is_marked.any(axis=1))
    row, column = np.nonzero((judged | is_marked)[rows])
    at = (rows[row], column)
    frame = pd.DataFrame(
        {
            "constituency_id": rows[row].astype("str"), "hour_number": first + column,
            "observed": place.votes[at], "expected": expected[at], "middle": middle[at],
            "is_fall": False if is_fall is None else is_fall[at],
        }
    )  # fmt: skip
    summed = {"observed": "sum", "expected": "sum", "middle": "sum", "is_fall": "max"}
    return episodes(frame, pd.Series(is_marked[at]), lasting=lasting, **summed)
