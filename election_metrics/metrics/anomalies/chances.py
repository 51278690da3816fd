"""Chances of counts: negative binomial (a Poisson count whose mean scatters) and binomial."""

import numpy as np

_CLUSTERS = 2.0
"""Variance of a small count beyond that of Poisson, times its mean: households vote together."""


def scatter_of_sum(mean: np.ndarray, scatter: float) -> np.ndarray:
    """Relative scatter of the sum of many places: larger where the sum itself is small."""
    of_sum: np.ndarray = np.sqrt(scatter**2 + _CLUSTERS / np.maximum(mean, 1.0))
    return of_sum


def chance_of_at_least(count: np.ndarray, mean: np.ndarray, scatter: float | np.ndarray) -> np.ndarray:
    """P(X >= count) of a negative binomial with this mean and relative scatter."""
    shape = 1 / scatter**2
    chance: np.ndarray = np.where(count <= 0, 1.0, _beta(np.maximum(count, 1), shape, mean / (mean + shape)))
    return chance


def chance_of_at_most(count: np.ndarray, mean: np.ndarray, scatter: float | np.ndarray) -> np.ndarray:
    """P(X <= count) of a negative binomial with this mean and relative scatter."""
    shape = 1 / scatter**2
    chance: np.ndarray = _beta(shape, count + 1.0, shape / (mean + shape))
    return chance


def usual_counts(mean: np.ndarray, scatter: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The counts between which 99 of 100 lie, of a negative binomial with this mean and relative scatter."""
    from scipy.stats import nbinom  # slow to import, and needed only where something was found

    shape = 1 / np.square(scatter)
    low, high = (nbinom.ppf(share, shape, shape / (mean + shape)) for share in (0.005, 0.995))
    return low, high


def usual_of_total(mean: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The counts between which 99 of 100 lie, of a binomial with `total` trials and this mean."""
    from scipy.stats import binom  # as above

    low, high = (binom.ppf(share, total, mean / np.maximum(total, 1)) for share in (0.005, 0.995))
    return low, high


def chance_of_share(count: np.ndarray, total: np.ndarray, usual: float | np.ndarray) -> np.ndarray:
    """P(X >= count) of a binomial with `total` trials and the usual share as probability."""
    chance: np.ndarray = np.where(
        count <= 0, 1.0, _beta(np.maximum(count, 1), np.maximum(total - count, 0) + 1.0, usual)
    )
    return chance


def _beta(a: np.ndarray | float, b: np.ndarray | float, x: np.ndarray | float) -> np.ndarray:
    """The regularised incomplete beta function."""
    from scipy.special import betainc  # as slow to import as pandas, and only needed here

    chance: np.ndarray = betainc(a, b, x)
    return chance
