"""The opening: nothing can be expected from earlier hours, so votes are compared with the number of voters.

Far fewer than in the first hours of known votes: nobody, though voting has begun by its stated times, and its files are
there. Far more: a share of the voters that no known vote had in an hour.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from election_metrics.metrics.anomalies.evidence import Evidence, Thresholds
from election_metrics.metrics.anomalies.grid import clock_hours
from election_metrics.metrics.anomalies.levels import FEWEST_AT_OPENING, LEAST_PART, WAVE
from election_metrics.metrics.anomalies.nights import EARLIEST_MORNING
from election_metrics.metrics.hours import hour_numbers

_WATCHED = 24
"""Hours from an opening: later, a vote without ballots is no opening."""
_MORNING, _EVENING = 8, 20
"""Local hours of the day between which voters vote; voting may be opened at midnight, for the record."""
_TIMES_EVEN = 3
"""Of a vote of few hours: times the share of voters that each hour has if all vote, evenly spread."""
_STRAY = 0.02
"""Ballots of what is expected at least, up to which an hour is as good as without: those who try the system."""


def silences_from_opening(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Hours as good as without ballots from the opening on, of the whole election and of its regions.

    Args:
        evidence: what the rules see.
        thresholds: of the rule `silence`; `opening_share` is the percent of voters expected in an hour.

    Returns:
        region (None: the whole election), window_start, window_end (hours since 1970), observed (ballots), expected
        (votes), is_ongoing (no more ballots yet).
    """
    share = thresholds["opening_share"] / 100
    known = _with_opening(evidence)
    if known.empty:
        return _frame([])
    ballots, arrived = _ballots(evidence, known), _arrived(evidence, known)
    cast_in = {region: rows.set_index("hour_number")["ballots"] for region, rows in ballots.groupby("region")}
    cast_in[None] = ballots.groupby("hour_number")["ballots"].sum()
    nothing = cast_in[None].iloc[:0]
    found = []
    for region, members in [(None, known), *_regions(known)]:
        cast = cast_in.get(region, nothing)
        silences = [_silence(evidence, members, cast, begin, share, arrived) for begin in _openings(members)]
        longest = max((one for one in silences if one), key=lambda one: float(str(one["expected"])), default=None)
        if longest is not None:
            found.append({"region": region, **longest})
    return _frame(found)


def _openings(members: pd.DataFrame) -> Iterator[int]:
    """The first opening, and the one by which half of the voters can vote: a small place may open long before."""
    first = int(members["opening"].min())
    yield first
    opening, voters = members["opening"].to_numpy(), members["registered_voters"].to_numpy("float64", na_value=0.0)
    order = np.argsort(opening, kind="stable")
    able = np.cumsum(voters[order])
    half = int(opening[order][np.argmax(able >= able[-1] / 2)])
    if half != first:
        yield half


def _silence(
    evidence: Evidence, members: pd.DataFrame, cast: pd.Series, begin: int, share: float, arrived: "_Arrived"
) -> dict[str, object] | None:
    """The silence that begins with an opening; None if ballots came."""
    ballots = cast.reindex(range(begin, begin + _WATCHED), fill_value=0).to_numpy()
    all_voters = float(members["registered_voters"].sum())
    if ballots[0] > all_voters * share * _STRAY:  # nearly always
        return None
    judged, size = _judged(evidence, members, begin, begin + _WATCHED, arrived)
    # Where voting is open for few of the voters, the ballots of few are enough.
    voters = np.where(judged, size, all_voters)
    is_lively = ballots > voters * share * _STRAY
    length = int(np.argmax(is_lively)) if is_lively.any() else _WATCHED
    judged = judged[:length]
    if not judged.any():
        return None
    first, last = np.flatnonzero(judged)[[0, -1]].tolist()
    return {
        "window_start": begin + first, "window_end": begin + last + 1, "observed": int(ballots[:length][judged].sum()),
        "expected": float(size[:length][judged].sum() * share),
        "is_ongoing": not _votes_after(evidence, members, begin + last),
    }  # fmt: skip


def _votes_after(evidence: Evidence, members: pd.DataFrame, hour: int) -> bool:
    """Whether any ballot of these constituencies came after an hour."""
    later = evidence.hours[evidence.hours["hour_number"] > hour]
    ballots = later["bulletins_issued"] + later["votes_cast"]
    return bool(later.loc[ballots > 0, "constituency_id"].isin(members["constituency_id"]).any())


def rises_at_opening(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Hours at the opening in which too many of the voters voted, of the whole election and of its regions.

    Args:
        evidence: what the rules see.
        thresholds: of the rule `spike`; `opening_share` is the percent of voters from which an hour is marked.

    Returns:
        The same as `silences_from_opening`.
    """
    share = thresholds["opening_share"] / 100
    known = _with_opening(evidence)
    known = known[known["registered_voters"].fillna(0) > 0].copy()
    if known.empty:
        return _frame([])
    opening = known["opening"].to_numpy()
    at_opening = _clock_at_opening(known)
    before_morning = np.where(at_opening < EARLIEST_MORNING, _MORNING - at_opening, 0)
    closing = evidence.closing.reindex(known["constituency_id"]).to_numpy(dtype="float64", na_value=np.nan)
    even = 1 / np.maximum(closing + 1 - opening, 1)
    known["settled"] = opening + before_morning + WAVE
    known["most"] = known["registered_voters"].astype("float64") * np.fmax(share, even * _TIMES_EVEN)
    early = evidence.hours["hour_number"].between(opening.min(), known["settled"].max())
    hours = evidence.hours.loc[early, ["constituency_id", "hour_number", "votes_cast"]].merge(
        known, on="constituency_id"
    )
    hours = hours[(hours["hour_number"] >= hours["opening"]) & (hours["hour_number"] < hours["settled"])]
    names = ["votes_cast", "most", "registered_voters"]
    sums = [hours.groupby("hour_number")[names].sum().reset_index().assign(region=None)]
    if hours["region"].dropna().unique().size > 1:
        sums.append(hours.groupby(["region", "hour_number"])[names].sum().reset_index())
    return _frame([
        {"region": row.region, "window_start": row.hour_number, "window_end": row.hour_number + 1,
         "observed": row.votes_cast, "expected": row.most, "is_ongoing": False}
        for of_place in sums
        for row in of_place[
            (of_place["votes_cast"] > of_place["most"]) & (of_place["registered_voters"] >= FEWEST_AT_OPENING)
        ].itertuples()
    ])  # fmt: skip


def _clock_at_opening(members: pd.DataFrame) -> np.ndarray:
    """The local hour of the day of each opening."""
    opening = members["opening"].to_numpy()
    zone, clock = clock_hours(members["time_zone"], int(opening.min()), int(opening.max()))
    at_opening: np.ndarray = clock[zone, opening - opening.min()]
    return at_opening


def _mornings(members: pd.DataFrame) -> np.ndarray:
    """The local hour of the day from which each votes: that of its opening, or 8 if that is later or at night."""
    at_opening = _clock_at_opening(members)
    mornings: np.ndarray = np.where(at_opening >= EARLIEST_MORNING, np.minimum(at_opening, _MORNING), _MORNING)
    return mornings


def _with_opening(evidence: Evidence) -> pd.DataFrame:
    """The constituencies whose opening is stated, with its hour."""
    known = evidence.constituencies.dropna(subset=["starts_at"])
    return known.assign(opening=hour_numbers(known["starts_at"]).astype("int64"))


def _frame(found: list[dict[str, object]]) -> pd.DataFrame:
    columns = ["region", "window_start", "window_end", "observed", "expected", "is_ongoing"]
    return pd.DataFrame(found, columns=columns).astype({"region": object})


def _ballots(evidence: Evidence, known: pd.DataFrame) -> pd.DataFrame:
    """Ballots of the hours after the openings: region, hour_number, ballots."""
    last = known["opening"].max() + _WATCHED
    early = evidence.hours["hour_number"].between(known["opening"].min(), last)
    hours = evidence.hours[early]
    region, names = pd.factorize(evidence.constituencies["region"])
    own = region[evidence.place[early]]
    cast = pd.DataFrame({
        "region": own, "hour_number": hours["hour_number"].to_numpy(),
        "ballots": (hours["bulletins_issued"] + hours["votes_cast"]).to_numpy(),
    }).groupby(["region", "hour_number"], as_index=False)["ballots"].sum()  # fmt: skip
    return cast.assign(region=np.array([*names, None], dtype=object)[cast["region"].to_numpy()])


def _regions(known: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The regions and their constituencies; none where there is one region only: it is the whole election."""
    groups = [(str(region), members) for region, members in known.groupby("region")]
    return groups if len(groups) > 1 else []


class _Arrived(NamedTuple):
    """Which hours of the openings files cover: a row for each constituency, a column for each hour from the first."""

    ids: pd.Index
    first: int
    hours: np.ndarray


def _arrived(evidence: Evidence, known: pd.DataFrame) -> _Arrived:
    ids, first, end = pd.Index(known["constituency_id"]), known["opening"].min(), known["opening"].max() + _WATCHED
    rows = evidence.delivered[evidence.delivered["hour_number"].between(first, end - 1)]
    number, named = pd.factorize(rows["constituency_id"])
    place = ids.get_indexer(named)[number]
    hours = np.zeros((len(ids), end - first), dtype=bool)
    hours[place[place >= 0], rows["hour_number"].to_numpy()[place >= 0] - first] = True
    return _Arrived(ids, int(first), hours)


def _judged(
    evidence: Evidence, members: pd.DataFrame, begin: int, end: int, arrived: _Arrived
) -> tuple[np.ndarray, np.ndarray]:
    """Which hours from `begin` to before `end` can be judged, and the voters of constituencies that delivered them."""
    ids = pd.Index(members["constituency_id"])
    has_arrived = arrived.hours[arrived.ids.get_indexer(ids), begin - arrived.first : end - arrived.first]
    zone, clock = clock_hours(members["time_zone"], begin, end - 1)
    hours = np.arange(begin, end)
    closing = evidence.closing.reindex(ids).to_numpy(dtype="float64", na_value=np.inf)
    is_day = (clock[zone] >= _mornings(members)[:, None]) & (clock[zone] < _EVENING)
    is_open = (members["opening"].to_numpy()[:, None] <= hours) & (hours <= closing[:, None]) & is_day
    size = members["registered_voters"].to_numpy(dtype="float64", na_value=0.0)[:, None]
    voters, all_voters = (size * (is_open & has_arrived)).sum(axis=0), (size * is_open).sum(axis=0)
    return (voters > 0) & (voters >= all_voters * LEAST_PART), voters
