"""Nights: hours in which voting may be closed, so that no ballots mean nothing.

Some votes go on all night, in others the polls close in the evening. Nobody says which, so the ballots do: a night is
open once enough ballots were cast after midnight, in this night or another one, or later in the same night. Where the
close of voting is not known, an evening may be the close itself, and only ballots later in that night show that it was
not.
"""

import numpy as np

_EVENING, _MORNING, _LATEST_MORNING = 20, 8, 12
EARLIEST_MORNING = 5
"""Local hour of the day from which an opening ends the night; an earlier one is midnight, for the record."""
_DEEP_END = 5
_FEWEST_AT_NIGHT, _LEAST_SHARE_AT_NIGHT = 3, 0.0005
_BACK = 0.2
"""Ballots later in the night, as a share of the last hour before the evening's: voting was not over."""


def may_be_closed(
    local_hours: np.ndarray, zone: np.ndarray, ballots: np.ndarray, opening: np.ndarray, closing: np.ndarray
) -> np.ndarray:
    """Whether voting may be closed in an hour: a row for each constituency, a column for each hour.

    Args:
        local_hours: local hour of the day, 0 to 23, by time zone and hour.
        zone: row of `local_hours` of each constituency.
        ballots: bulletins and votes of each constituency and hour.
        opening: local hour of the day of each constituency's opening; a night lasts until then.
        closing: last whole hour of voting of each constituency; infinite where not known.
    """
    by_zone = np.zeros(local_hours.shape, dtype="int64")
    np.add.at(by_zone, zone, ballots)
    is_morning = (opening >= EARLIEST_MORNING) & (opening <= _LATEST_MORNING)
    morning = np.full(len(local_hours), EARLIEST_MORNING)
    np.maximum.at(morning, zone, np.where(is_morning, opening, _MORNING).astype("int64"))
    is_night = (local_hours >= _EVENING) | (local_hours < morning[:, None])
    deep = local_hours < _DEEP_END
    at_night, all_ballots = by_zone[deep].sum(), by_zone.sum()
    is_open_at_night = at_night >= max(_FEWEST_AT_NIGHT, all_ballots * _LEAST_SHARE_AT_NIGHT)
    uncertain = is_night & ~_continued(local_hours, is_night, by_zone)
    is_going_on = _since_midnight(local_hours, is_night, by_zone)
    ends_unknown = np.isinf(closing)[:, None]
    if_unknown = (uncertain & ~is_going_on) | _after_the_last(uncertain & ~is_going_on, by_zone)
    if_known = uncertain & (not is_open_at_night)
    may_be: np.ndarray = np.where(ends_unknown, if_unknown[zone], if_known[zone])
    return may_be


def _after_the_last(closed: np.ndarray, ballots: np.ndarray) -> np.ndarray:
    """Hours after a night that may be closed, without any ballot since and later: voting may be over."""
    later = np.zeros_like(closed)
    later[:, :-1] = np.flip(np.cumsum(np.flip(ballots, axis=1), axis=1), axis=1)[:, 1:] > 0
    over = np.zeros_like(closed)
    is_over = np.zeros(len(closed), dtype=bool)
    for column in range(closed.shape[1]):
        is_over = (is_over | closed[:, column]) & (ballots[:, column] == 0)
        over[:, column] = is_over & ~later[:, column]
    return over


def _since_midnight(local_hours: np.ndarray, is_night: np.ndarray, ballots: np.ndarray) -> np.ndarray:
    """Whether enough ballots were cast after midnight of the same night, before the hour: no vote closes after that."""
    shown = np.zeros_like(is_night)
    cast = np.zeros(len(ballots), dtype="int64")
    for column in range(ballots.shape[1]):
        cast = np.where(is_night[:, column] & (local_hours[:, column] < _MORNING), cast, 0)
        shown[:, column] = cast >= _FEWEST_AT_NIGHT
        cast = cast + np.where(local_hours[:, column] < _DEEP_END, ballots[:, column], 0)
    return shown


def _continued(local_hours: np.ndarray, is_night: np.ndarray, ballots: np.ndarray) -> np.ndarray:
    """Whether the ballots of the hour, or of a later one of the same night, show that voting went on."""
    is_late = local_hours < _DEEP_END
    may_show = is_night & ((local_hours >= _EVENING) | is_late)
    day = np.where(is_night, np.nan, ballots.astype("float64"))
    before = np.zeros_like(day)
    last = np.zeros(len(day))
    for column in range(day.shape[1]):
        last = np.where(np.isnan(day[:, column]), last, day[:, column])
        before[:, column] = last
    shows = may_show & (ballots >= np.maximum(before * _BACK, 1)) & (before > 0)
    shows |= is_late & (ballots >= _FEWEST_AT_NIGHT)
    went_on = np.zeros_like(shows)
    later = np.zeros(len(shows), dtype=bool)
    for column in range(shows.shape[1] - 1, -1, -1):
        later &= is_night[:, column]
        # Polls do not close with more ballots than before the evening.
        went_on[:, column] = later | shows[:, column] & (ballots[:, column] > before[:, column])
        later |= shows[:, column]
    return went_on
