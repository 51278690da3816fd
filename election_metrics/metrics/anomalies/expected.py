"""Expected votes: a count model, because z-scores are unsuitable for counts in the tens.

Hourly counts are overdispersed relative to Poisson, so the model is a negative binomial with the given mean and a
relative scatter. References are the counts of the same constituency on the day before, at that hour and its neighbours,
its previous hour, and other constituencies of its region that opened at the same time. A spike must exceed all
references, and a drop must be below all of them, so opening waves and nights need no special rules.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from election_metrics.metrics.anomalies.grid import Grid

_DAY = 24
_FEWEST_PEERS = 5
_FEWEST_PEER_VOTES = 30
_PRIOR_VOTES = 20.0


@dataclass(frozen=True)
class Expected:
    """Expected votes: a row for each constituency, a column for each hour; NaN without a reference.

    Attributes:
        most: the highest of the references.
        least: the lowest of them.
    """

    most: np.ndarray
    least: np.ndarray


def expected_votes(grid: Grid) -> Expected:
    """Expected votes of each constituency and hour, from its history and the rest of its region."""
    references = [*_own_history(grid), _peers(grid)]
    stacked = np.stack(references)
    nothing = np.isnan(stacked).all(axis=0)
    most = np.where(nothing, np.nan, np.nanmax(np.where(nothing, 0.0, stacked), axis=0))
    least = np.where(nothing, np.nan, np.nanmin(np.where(nothing, 0.0, stacked), axis=0))
    return Expected(most, least)


def _own_history(grid: Grid) -> list[np.ndarray]:
    """Three hours of the day before (the same one and its neighbours) and the previous hour; from the second day on."""
    is_second_day = grid.since_opening >= _DAY
    votes = np.where(grid.is_known, grid.votes, np.nan)
    before = [_shifted(votes, _DAY - 1), _shifted(votes, _DAY), _shifted(votes, _DAY + 1), _shifted(votes, 1)]
    complete = is_second_day & ~np.isnan(np.stack(before)).any(axis=0)
    return [np.where(complete, values, np.nan) for values in before]


def _shifted(values: np.ndarray, hours: int) -> np.ndarray:
    moved = np.full(values.shape, np.nan)
    if hours < values.shape[1]:
        moved[:, hours:] = values[:, :-hours]
    return moved


def _peers(grid: Grid) -> np.ndarray:
    """Votes of the region's other constituencies with the same opening, scaled to the constituency's size and level."""
    number, _ = pd.factorize(pd.MultiIndex.from_arrays([pd.Series(grid.region, dtype="str"), grid.opening]))
    groups = int(number.max()) + 1 if len(number) else 0
    is_member = ~np.isnan(grid.size) & ~np.isnan(grid.opening) & pd.notna(grid.region)
    votes = np.where(is_member[:, None] & grid.is_known, grid.votes, 0).astype("float64")
    sizes = np.where(is_member[:, None] & grid.is_known, grid.size[:, None], 0.0)
    members = (is_member[:, None] & grid.is_known).astype("float64")

    def of_others(values: np.ndarray) -> np.ndarray:
        sums = np.zeros((groups, values.shape[1]))
        np.add.at(sums, number, values)
        rest: np.ndarray = sums[number] - values
        return rest

    other_votes, other_sizes, others = of_others(votes), of_others(sizes), of_others(members)
    is_enough = is_member[:, None] & (others >= _FEWEST_PEERS) & (other_votes >= _FEWEST_PEER_VOTES)
    with np.errstate(divide="ignore", invalid="ignore"):
        like_others = np.where(is_enough, other_votes / other_sizes * grid.size[:, None], np.nan)
    counts = is_enough & grid.is_known
    so_far = np.nancumsum(np.where(counts, like_others, 0.0), axis=1)
    own_so_far = np.cumsum(np.where(counts, votes, 0.0), axis=1)
    level = (_before(own_so_far) + _PRIOR_VOTES) / (_before(so_far) + _PRIOR_VOTES)
    expected: np.ndarray = like_others * level
    return expected


def _before(running: np.ndarray) -> np.ndarray:
    moved = np.zeros_like(running)
    moved[:, 1:] = running[:, :-1]
    return moved
