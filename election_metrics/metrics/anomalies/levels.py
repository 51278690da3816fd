"""Expected votes by hour of places of any size, from the first hours on: constituencies, regions, the whole election.

An expectation that a fault shapes is none: if an outage lowers what is expected of the next hour, its end looks like a
rise. So hours are judged one after another, and an hour that differs too much counts with its expected votes in what is
expected later. The votes of an hour are expected from those before it, by shapes of other votes (`shapes`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from election_metrics.metrics.anomalies.chances import chance_of_at_least, chance_of_at_most, scatter_of_sum
from election_metrics.metrics.anomalies.grid import Grid
from election_metrics.metrics.anomalies.shapes import Shape, expected_shares

_DAY = 24
WAVE = 2
"""Hours from the opening in which the height of the opening wave is not known."""
_EARLY = 3
"""Hours with votes, with fewer of which the level rests on the opening."""
MOST_AT_OPENING, FEWEST_AT_OPENING = 0.25, 1_000
"""Share of the voters, of a place with so many, that no hour at an opening has: it says nothing about the level."""
_MOST_EARLY = 0.3
"""Of what is expected, the part of constituencies within their opening wave, up to which a rise is judged."""
_PAUSE = 4
"""Hours without a vote after which voting begins anew, with an opening wave: a closed night."""
_UNCERTAIN = 2.0
"""Standard deviations that the level of a place may be lower than its votes so far show."""
_OF_YESTERDAY = 0.4
"""Of the same hour of the day before, what the first hours after a closed night have at least."""
_LONGEST_HOLD = 12
"""Hours after which what differed counts as the new level."""
_FEWEST_BEFORE = 50
"""Votes of the hour before, to be a reference."""
_FAST, _SLOW, _LARGE = 0.6, 0.85, 200
"""How much of the earlier hours each hour keeps, where they have many votes and where few."""
LEAST_PART = 0.5
"""Of the weight of a place's constituencies that are open: so much must be delivered."""
_RATIO, _LEAST, _CHANCE = 2.0, 30.0, 1e-6
"""From when on an hour counts with its expected votes: times the expected, votes, and the count model's chance."""
_RISES, _FALLS = 1.2, 1.5
"""Times the hour before: a rise is a rise, and a drop a fall, in plain sight too."""
SCATTER_OF_WHOLE, SCATTER_OF_PART = 0.12, 0.3
"""Relative scatter of the hours of a whole election, and of a region or a constituency, beyond that of Poisson."""


@dataclass(frozen=True)
class Limits:
    """From when on votes differ: votes (expected, or more than expected), probability, scatter of the count model."""

    least: float
    chance: float
    scatter: float


@dataclass(frozen=True)
class Levels:
    """Votes of places by hour: a row for each place, a column for each hour.

    Attributes:
        votes: votes cast, where delivered and open.
        least: the lowest expected votes; NaN where the hour is not judged.
        most: the highest; NaN where a rise is not judged.
        middle: the median of the references; NaN where there is none.
        before: votes of the hour before, as they count; NaN where there is none.
        usual: the votes as they count in later expectations; NaN where not delivered.
        is_early: what is expected rests on the first hours of voting, of which one may be unusual itself.
        is_night: it is night for most of the voters.
        is_low: far fewer votes than expected, or none.
        is_high: far more.
    """

    votes: np.ndarray
    least: np.ndarray
    most: np.ndarray
    middle: np.ndarray
    before: np.ndarray
    usual: np.ndarray
    is_early: np.ndarray
    is_night: np.ndarray
    is_low: np.ndarray
    is_high: np.ndarray


@dataclass(frozen=True)
class _Weights:
    """What the constituencies of each place weigh in each hour: their voters times the shape.

    Attributes:
        delivered: of those that are open and delivered; by shape.
        open_: of those that are open.
        early: of those that are open, delivered and within their opening wave, or before it.
        at_night: of those that are open and delivered, where it is night.
    """

    delivered: np.ndarray
    open_: np.ndarray
    early: np.ndarray
    at_night: np.ndarray

    def summed(self) -> "_Weights":
        """Of all places together."""
        of_all = [
            values.sum(axis=-2, keepdims=True) for values in (self.delivered, self.open_, self.early, self.at_night)
        ]
        return _Weights(*of_all)


@dataclass(frozen=True)
class WideLevels:
    """Levels of the whole election and of its regions.

    Attributes:
        whole: one row.
        regions: a row for each region; none if there is one region only.
        names: names of the regions.
        region_of: number of the region of each constituency; -1: of none.
    """

    whole: Levels
    regions: Levels
    names: np.ndarray
    region_of: np.ndarray

    @property
    def differs_by_region(self) -> np.ndarray:
        """Whether the region has far fewer or far more votes than expected: by constituency and hour."""
        if not len(self.names):
            return np.zeros((len(self.region_of), self.whole.votes.shape[1]), dtype=bool)
        differs = self.regions.is_low | self.regions.is_high
        return np.asarray(np.where(self.region_of[:, None] >= 0, differs[self.region_of], False))

    @property
    def is_out(self) -> np.ndarray:
        """Whether the whole election or the region has far fewer votes than expected: by constituency and hour."""
        out = np.broadcast_to(self.whole.is_low, (len(self.region_of), self.whole.votes.shape[1]))
        if not len(self.names):
            return out
        of_region = np.where(self.region_of[:, None] >= 0, self.regions.is_low[self.region_of], False)
        either: np.ndarray = out | of_region
        return either


def wide_levels(grid: Grid, shapes: Sequence[Shape]) -> WideLevels:
    """Expected votes of the whole election and of its regions, by hour."""
    number, names = pd.factorize(grid.region, use_na_sentinel=True)
    if len(names) < 2:
        number, names = np.full(len(grid.ids), -1), names[:0]
    # Those that opened together have a level of their own: that of the others says little about their opening.
    openings, together = np.unique(np.nan_to_num(grid.shape_opening), return_inverse=True)
    whole = _levels(grid, together, len(openings), shapes, SCATTER_OF_WHOLE, is_pooled=True)
    regions = _levels(grid, number, len(names), shapes, SCATTER_OF_PART, whole)
    if len(names):  # regions are compared with those of the same vote that are ahead of them, too
        ahead = _shapes_ahead(grid, number, regions.usual)
        regions = _levels(grid, number, len(names), shapes, SCATTER_OF_PART, whole, ahead)
    return WideLevels(whole, regions, np.asarray(names), number)


def levels_of_each(grid: Grid, shapes: Sequence[Shape], wide: WideLevels) -> Levels:
    """Expected votes of each constituency, by hour."""
    return _levels(grid, np.arange(len(grid.ids)), len(grid.ids), shapes, SCATTER_OF_PART, wide.whole)


def _levels(
    grid: Grid,
    place: np.ndarray,
    places: int,
    shapes: Sequence[Shape],
    scatter: float,
    whole: Levels | None = None,
    ahead: np.ndarray | None = None,
    *,
    is_pooled: bool = False,
) -> Levels:
    """Judges every hour of places.

    Args:
        grid: the constituencies.
        place: number of the place of each constituency; -1: of none.
        places: number of places.
        shapes: shapes of other votes; without any, an hour is expected to be like those before it.
        scatter: relative scatter of the count model.
        whole: the whole election; where that differs, so does every part of it.
        ahead: a further shape for each place; 0 where it says nothing.
        is_pooled: judge the places together, as one.
    """
    counts = grid.is_known & grid.is_voting
    known_size = grid.size[np.isfinite(grid.size)]
    size = np.nan_to_num(grid.size, nan=float(np.median(known_size)) if known_size.size else 1.0)[:, None]
    # An opening before the shape begins: its first hour stands for those before it.
    index = np.where(grid.since_opening >= 0, np.maximum(grid.shape_index, 0), grid.shape_index)
    shares = [expected_shares(shape, index) for shape in shapes] or [(index >= 0).astype("float64")]
    if ahead is not None:
        inside = np.clip(np.nan_to_num(index, nan=-1.0).astype("int64"), 0, ahead.shape[1] - 1)
        of_place: np.ndarray = np.take_along_axis(ahead[np.maximum(place, 0)], inside, axis=1)
        shares.append(np.where((index >= 0) & (index < ahead.shape[1]), of_place, 0.0))

    # Of each constituency alone, or of few places: a product is faster than adding row by row.
    is_each = places == len(place) and bool((place == np.arange(places)).all())
    members = None if is_each else (place == np.arange(places)[:, None]).astype("float64")

    def added(values: np.ndarray) -> np.ndarray:
        sums: np.ndarray = values.astype("float64") if members is None else members @ values
        return sums

    weights = _Weights(
        np.stack([added(size * share * counts) for share in shares]),
        added(size * shares[0] * grid.is_voting),
        added(size * shares[0] * (counts & (np.minimum(grid.since_opening, grid.shape_index) < WAVE))),
        added(size * shares[0] * (counts & grid.is_night)),
    )
    is_unknown = added(np.isnan(grid.size)[:, None])[:, 0] > 0
    voters = np.where(is_unknown, np.inf, added(np.nan_to_num(grid.size)[:, None])[:, 0])
    return _walk(added(np.where(counts, grid.votes, 0)), weights, voters, scatter, whole, is_pooled=is_pooled)


def _shapes_ahead(grid: Grid, place: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """For each place, votes by hour since the opening of the places that opened earlier; 0 where none is ahead.

    Votes are shares of a place's first day, so that a large place does not outweigh others.
    """
    opening = np.full(len(usual), np.nan)
    for number in range(len(opening)):
        own = grid.shape_opening[place == number]
        opening[number] = np.nanmedian(own) if np.isfinite(own).any() else np.nan
    starts = opening - grid.first
    # Hours before the grid: votes went on before it, or the shape begins earlier than they did.
    length = usual.shape[1] + int(max(0.0, -np.nanmin(starts, initial=0.0)))
    aligned = np.zeros((len(usual), length))
    for number in np.flatnonzero(np.isfinite(opening)).tolist():
        start = int(starts[number])
        within = np.nan_to_num(usual[number, max(start, 0) :])
        aligned[number, max(-start, 0) : max(-start, 0) + len(within)] = within
    shares = aligned / np.maximum(aligned[:, :_DAY].sum(axis=1, keepdims=True), 1.0)
    ahead: np.ndarray = np.stack([shares[opening < one].sum(axis=0) for one in opening])
    return ahead


class _Walk:
    """What is known of the places when the next hour is judged."""

    def __init__(self, shapes: int, places: int) -> None:
        self.votes = np.zeros((shapes, places))
        self.weight = np.zeros((shapes, places))
        self.last = np.full(places, np.nan)
        self.last_weight = np.full((shapes, places), np.nan)
        self.cast = np.zeros(places)
        self.paused = np.zeros(places, dtype="int64")
        self.closed = np.zeros(places, dtype="int64")
        self.since = np.zeros(places, dtype="int64")

    def references(self, weight: np.ndarray) -> np.ndarray:
        """Expected votes of the next hour, one row for each reference; NaN where there is none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            smooth = np.where((self.weight > 0) & (weight > 0), self.votes / self.weight * weight, np.nan)
            is_near = (self.last >= _FEWEST_BEFORE) & (self.last_weight > 0) & (weight > 0)
            is_near &= self.closed < _PAUSE
            smooth = np.where(self.closed < _PAUSE, smooth, np.nan)
            near = np.where(is_near, self.last / self.last_weight * weight, np.nan)
        return np.concatenate([smooth, near])

    def certainty(self) -> np.ndarray:
        """How much lower the level may be than it looks, as a factor: of few votes it is known roughly only."""
        certain: np.ndarray = np.maximum(1 - _UNCERTAIN / np.sqrt(self.votes[0] + 1), 0.0)
        return certain

    def learn(self, votes: np.ndarray, weight: np.ndarray, is_known: np.ndarray, is_open: np.ndarray) -> None:
        """Takes in the votes of an hour, as they count; hours without a vote say nothing about the level."""
        counts = is_known & (votes > 0)
        self.closed = np.where(counts, 0, np.where(is_open, self.closed, self.closed + 1))
        begins = counts & (self.paused >= _PAUSE)
        self.since = np.where(begins, 0, self.since) + counts
        self.paused = np.where(counts, 0, self.paused + 1)
        memory = np.where(begins, 0.0, np.where(self.votes[0] >= _LARGE, _FAST, _SLOW))
        self.votes = np.where(counts, self.votes * memory + votes, self.votes)
        self.weight = np.where(counts, self.weight * memory + weight, self.weight)
        self.last = np.where(counts, votes, self.last)
        self.last_weight = np.where(counts, weight, self.last_weight)


def _walk(
    votes: np.ndarray,
    weights: _Weights,
    voters: np.ndarray,
    scatter: float,
    whole: Levels | None,
    *,
    is_pooled: bool = False,
) -> Levels:
    """Goes from hour to hour; with `is_pooled`, the places are judged together, though each has a level of its own."""
    places, hours = votes.shape
    judged = 1 if is_pooled else places
    usual = np.full(votes.shape, np.nan)
    least, most, middles, before = (np.full((judged, hours), np.nan) for _ in range(4))
    low, high, early = (np.zeros((judged, hours), dtype=bool) for _ in range(3))
    waited, held = np.zeros(judged), np.zeros(judged, dtype="int64")
    differs_everywhere = np.zeros(hours, dtype=bool) if whole is None else (whole.is_low | whole.is_high)[0]
    limits = Limits(_LEAST, _CHANCE, scatter)
    state = _Walk(len(weights.delivered), places)
    for hour in range(hours):
        now, weight = votes[:, hour], weights.delivered[:, :, hour]
        is_known = (weight[0] > 0) & (weight[0] >= weights.open_[:, hour] * LEAST_PART)
        references = np.where(is_known, state.references(weight), np.nan)
        # More votes than voters: the register is not complete, and limits nothing.
        left = np.where(state.cast > voters, np.inf, voters - state.cast)
        middle, highest = _middle(references), np.fmax.reduce(references)
        lowest = np.fmin(np.fmin.reduce(references) * state.certainty(), _as_yesterday(usual, hour))
        # After a closed night, the same hour of the day before is all that is known, and says what is far too few.
        is_morning = is_known & np.isnan(middle) & (state.closed >= _PAUSE) & (hour >= _DAY)
        middle = np.where(is_morning, usual[:, max(hour - _DAY, 0)], middle)
        lowest = np.where(is_morning, middle * _OF_YESTERDAY, lowest)
        lowest = np.where(np.isnan(middle), np.nan, np.fmin(lowest, left))
        is_early = (state.since < WAVE) | (state.paused >= _PAUSE) | (weights.early[:, hour] > weight[0] * _MOST_EARLY)
        highest[is_early] = _busiest_of_yesterday(usual[is_early], hour)
        cast, bounds = now, [lowest, highest, middle, state.last]
        if is_pooled:
            cast, bounds = now.sum(keepdims=True), [_pooled(bound, now) for bound in bounds]
        least[:, hour], most[:, hour], middles[:, hour], before[:, hour] = bounds
        waited = np.where(cast > 0, 0.0, waited + np.nan_to_num(bounds[0]))
        # Of hours without a vote, all since the last vote together.
        due = np.where((cast > 0) | np.isnan(bounds[0]), bounds[0], waited)
        low[:, hour] = is_far_below(cast, due, bounds[3], limits, _RATIO)
        high[:, hour] = is_far_above(cast, bounds[1], bounds[3], limits, _RATIO)
        differs = (low[:, hour] | high[:, hour] | differs_everywhere[hour]) & (held < _LONGEST_HOLD)
        differs = differs | ((state.since < WAVE) & (voters >= FEWEST_AT_OPENING) & (now > voters * MOST_AT_OPENING))
        early[:, hour] = state.since.max(initial=0) < _EARLY if is_pooled else state.since < _EARLY
        held = np.where(differs, held + 1, 0)
        kept = np.where(differs & ~np.isnan(middle), middle, now)
        usual[:, hour] = np.where(is_known, kept, np.nan)
        state.cast = state.cast + now
        # Where an hour differs and nothing is expected yet, nothing is learnt from it either.
        state.learn(kept, weight, is_known & ~(differs & np.isnan(middle)), weights.open_[:, hour] > 0)
    if is_pooled:
        votes = votes.sum(axis=0, keepdims=True)
        weights = weights.summed()
    is_night = weights.at_night * 2 > weights.delivered[0]
    return Levels(votes, least, most, middles, before, usual, early, is_night, low, high)


def _pooled(bound: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """The sum of a bound of all places; a place without one adds its votes. NaN where none has one."""
    has_one = ~np.isnan(bound)
    total = bound[has_one].sum() + votes[~has_one].sum() if has_one.any() else np.nan
    return np.array([total])


def _as_yesterday(usual: np.ndarray, hour: int) -> np.ndarray:
    """Votes as a day ago, at the ratio of the last three hours to those of that day; NaN on the first day."""
    if hour < _DAY + 3:
        return np.full(len(usual), np.nan)
    now, then = usual[:, hour - 3 : hour].sum(axis=1), usual[:, hour - _DAY - 3 : hour - _DAY].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        as_then: np.ndarray = np.where(then > 0, usual[:, hour - _DAY] * now / then, np.nan)
    return as_then


def _busiest_of_yesterday(usual: np.ndarray, hour: int) -> np.ndarray:
    """Votes of the busiest hour of the day before; NaN on the first day."""
    if hour < _DAY:
        return np.full(len(usual), np.nan)
    busiest: np.ndarray = np.fmax.reduce(usual[:, max(hour - 2 * _DAY, 0) : hour - WAVE], axis=1)
    return busiest


def _middle(references: np.ndarray) -> np.ndarray:
    """The median of the references; NaN where there is none."""
    has_any = ~np.isnan(references).all(axis=0)
    middle = np.full(references.shape[1], np.nan)
    middle[has_any] = np.nanmedian(references[:, has_any], axis=0)
    return middle


def is_far_below(
    votes: np.ndarray, expected: np.ndarray, before: np.ndarray, limits: Limits, ratio: float | np.ndarray
) -> np.ndarray:
    """Far fewer votes than expected, and than in the hour before; NaN is expected where nothing is judged."""
    mean = np.maximum(np.nan_to_num(expected), 1.0)
    low: np.ndarray = (
        ~np.isnan(expected) & (mean >= limits.least) & (votes * ratio <= mean) & ~(votes * _FALLS > before)
    )  # fmt: skip
    few = mean[low]
    low[low] = chance_of_at_most(votes[low], few, scatter_of_sum(few, limits.scatter)) < limits.chance
    return low


def is_far_above(
    votes: np.ndarray, expected: np.ndarray, before: np.ndarray, limits: Limits, ratio: float | np.ndarray
) -> np.ndarray:
    """Far more votes than expected, and than in the hour before; NaN is expected where nothing is judged."""
    mean = np.maximum(np.nan_to_num(expected), 1.0)
    high: np.ndarray = (
        ~np.isnan(expected) & (votes >= mean * ratio) & (votes >= mean + limits.least) & ~(votes < before * _RISES)
    )  # fmt: skip
    many = mean[high]
    high[high] = chance_of_at_least(votes[high], many, scatter_of_sum(many, limits.scatter)) < limits.chance
    return high
