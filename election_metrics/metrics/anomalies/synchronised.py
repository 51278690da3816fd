"""Many constituencies that rise or fall in the same hour: none of them differs from the others of its region."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from election_metrics.metrics.anomalies.chances import (
    chance_of_at_least,
    chance_of_at_most,
    chance_of_share,
    usual_of_total,
)
from election_metrics.metrics.anomalies.evidence import Evidence, Thresholds
from election_metrics.metrics.anomalies.findings import counted, episodes, findings, together
from election_metrics.metrics.anomalies.grid import Grid
from election_metrics.metrics.anomalies.levels import Levels

_LOWER, _UPPER = 0.25, 0.75
"""The quantile of all constituencies that is the hour's own, where many rise and where many fall."""
_QUARTILE, _MOST_BY_CHANCE = 0.674, 0.5
"""Standard deviations from the median to a quartile; of a small count, so much of it at most."""

TELLING = 0.1
"""A constituency that would fall so far with a higher chance has too few votes to tell."""


def synchronised_spike(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Many constituencies have far more votes in one hour than expected from their own."""
    words = f"rose to at least {thresholds['ratio']:g} times the expected votes"
    return _found(evidence, thresholds, _rises(evidence, thresholds), _falls(evidence, thresholds), words)


def synchronised_drop(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Many constituencies have far fewer votes in one hour than expected from their own."""
    words = f"fell to 1/{thresholds['ratio']:g} of the expected votes or less"
    return _found(evidence, thresholds, _falls(evidence, thresholds), _rises(evidence, thresholds), words)


@dataclass(frozen=True)
class _Kind:
    """Rises, or falls.

    Attributes:
        judged: which constituencies and hours are judged; for each grid.
        differ: from votes and expected votes, which differ, and the chance of each that it would.
        others: quantile of constituencies that do not take part.
        telling: the highest chance of a constituency that is judged.
        differs: constituencies and hours whose region differs from what was expected of it; for each grid.
    """

    judged: Sequence[np.ndarray]
    differ: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    others: float
    telling: float
    differs: Sequence[np.ndarray]


def chance_of_rise(mean: np.ndarray, thresholds: Thresholds) -> np.ndarray:
    """The chance that a constituency with this expected count rises by `ratio` by itself."""
    return chance_of_at_least(np.ceil(mean * thresholds["ratio"]), mean, thresholds["scatter"])


def chance_of_fall(mean: np.ndarray, thresholds: Thresholds) -> np.ndarray:
    """The chance that a constituency with this expected count falls by `ratio` by itself."""
    return chance_of_at_most(np.floor(mean / thresholds["ratio"]), mean, thresholds["scatter"])


def _rises(evidence: Evidence, thresholds: Thresholds) -> _Kind:
    def rises(votes: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return votes >= mean * thresholds["ratio"], chance_of_rise(mean, thresholds)

    judged = [~np.isnan(level.most) for level in evidence.own_levels]
    return _Kind(judged, rises, _LOWER, 1.0, [wide.differs_by_region for wide in evidence.levels])


def _falls(evidence: Evidence, thresholds: Thresholds) -> _Kind:
    def falls(votes: np.ndarray, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return votes * thresholds["ratio"] <= mean, chance_of_fall(mean, thresholds)

    judged = [
        ~np.isnan(level.least) & ~wide.whole.is_low
        for level, wide in zip(evidence.own_levels, evidence.levels, strict=True)
    ]
    return _Kind(judged, falls, _UPPER, TELLING, [wide.differs_by_region for wide in evidence.levels])


def _found(evidence: Evidence, thresholds: Thresholds, kind: _Kind, opposite: _Kind, words: str) -> pd.DataFrame:
    """Hours of many of a kind; the return from many of the opposite kind, in the hour after, is none."""

    def said(row: Any) -> str:
        of_all = counted(row.judged, "constituency", "constituencies")
        return f"{row.observed:.0f} of {of_all} {words} in the same hour; about {row.expected:.0f} would by chance"

    found = []
    for number, (grid, level) in enumerate(zip(evidence.grids, evidence.own_levels, strict=True)):
        rows = _judged_hours(grid, level, thresholds, kind, number)
        is_many = rows["is_many"]
        if is_many.any():
            before = _judged_hours(grid, level, thresholds, opposite, number)["is_many"]
            is_many &= ~before.shift(1, fill_value=False)
        many = episodes(rows, is_many, lasting=False, observed="max", judged="max", expected="max")
        low, high = usual_of_total(many["expected"].to_numpy("float64"), many["judged"].to_numpy("float64"))
        many = many.assign(constituency_id=None, expected_low=low, expected_high=high)
        found.append(findings(many, "warning", said))
    return together(found)


def _judged_hours(grid: Grid, level: Levels, thresholds: Thresholds, kind: _Kind, number: int) -> pd.DataFrame:
    """By hour: constituencies that differ (observed), that would by chance (expected), judged, and is_many."""
    enough = level.votes + np.nan_to_num(level.middle) >= thresholds["least_votes"]
    judged = kind.judged[number] & enough & (level.middle > 0)
    ratios = np.where(judged, level.votes / np.where(judged, level.middle, 1.0), np.nan)
    common = np.ones(ratios.shape[1])
    some = judged.any(axis=0)
    # A region that fell or rose by itself says nothing of what all have in common.
    elsewhere = np.where(kind.differs[number], np.nan, ratios)
    is_told = (~np.isnan(elsewhere)).sum(axis=0) >= thresholds["least_constituencies"]
    noise = np.where(judged, 1 / np.sqrt(np.maximum(level.votes, 1.0)), np.nan)
    common[some] = _of_others(np.where(is_told, elsewhere, ratios)[:, some], noise[:, some], kind.others)
    mean = np.maximum(np.nan_to_num(level.middle) * common, 1.0)
    differs, chance = kind.differ(level.votes[judged], mean[judged])
    tells = chance <= kind.telling
    differs, chance, hour, hours = differs[tells], chance[tells], np.nonzero(judged)[1][tells], len(common)
    out, total = (np.bincount(which, minlength=hours) for which in (hour[differs], hour))
    usual = np.bincount(hour, chance, minlength=hours)
    is_many = (
        (out - usual >= np.maximum(thresholds["least_constituencies"], total * thresholds["least_share"] / 100))
        & (chance_of_share(out, total, usual / np.maximum(total, 1)) < thresholds["chance"])
    )  # fmt: skip
    return pd.DataFrame(
        {
            "constituency_id": "", "hour_number": grid.hour_numbers, "observed": out, "judged": total,
            "expected": usual, "is_many": is_many,
        }
    )  # fmt: skip


def _of_others(ratios: np.ndarray, noise: np.ndarray, quantile: float) -> np.ndarray:
    """What the constituencies that take part in nothing have in common, by hour.

    `noise`: relative standard deviation of each ratio by chance alone, which spreads the quantiles.
    """
    median, others = np.nanmedian(ratios, axis=0), np.nanquantile(ratios, quantile, axis=0)
    by_chance = np.minimum(_QUARTILE * np.nanmedian(noise, axis=0), _MOST_BY_CHANCE)
    if quantile == _LOWER:
        lowest: np.ndarray = np.maximum(np.minimum(others / (1 - by_chance), median), np.minimum(median, 1.0))
        return lowest
    highest: np.ndarray = np.minimum(np.maximum(others / (1 + by_chance), median), np.maximum(median, 1.0))
    return highest
