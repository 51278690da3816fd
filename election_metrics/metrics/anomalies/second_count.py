"""The rule on the second count: what the portal published, against what is counted here."""

from typing import Any

import numpy as np
import pandas as pd

from election_metrics.metrics.anomalies.evidence import Evidence, Thresholds
from election_metrics.metrics.anomalies.findings import counted, findings, together
from election_metrics.metrics.anomalies.inputs import missing_of_chain

_FEWEST = 20
"""Ballots: a difference of fewer is never critical."""
_SEVERITY = {True: "critical", False: "warning"}
_SUMS = ("counted_bulletins", "published_bulletins", "counted_votes", "published_votes", "uncounted", "difference")


def differs_from_portal(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Hours in which the portal's count differs: one finding a constituency, and one on the whole election."""
    hours = evidence.second_count
    least, few = thresholds["least_ballots"], thresholds["least_constituencies"]
    large = thresholds["critical_share"]
    bulletins = (hours["counted_bulletins"] - hours["published_bulletins"]).abs()
    votes = (hours["counted_votes"] - hours["published_votes"]).abs()
    hours = hours.assign(
        is_delivered=hours["is_delivered"].astype(bool),
        is_taken_back=hours["is_taken_back"].astype(bool),
        difference=bulletins + votes,
        largest=np.maximum(bulletins, votes),
    )
    hours = hours[hours["largest"] >= least]
    if hours.empty:
        return findings(hours, "warning", str)
    places = _sums(hours.groupby("constituency_id")).reset_index()
    is_unexplained = _is_large(places, large) & (places["undelivered"] == 0)
    severity = is_unexplained.map(_SEVERITY)
    if len(places) < few:
        return findings(places, severity, lambda row: _said(row, evidence, row.constituency_id))
    whole = _sums(hours.assign(all=0).groupby("all")).reset_index(drop=True).assign(places=len(places))
    is_critical = _is_large(whole, large) | (whole["undelivered"] * 2 >= whole["hours"])
    single = places[is_unexplained.to_numpy(dtype=bool)]
    return together(
        [
            findings(whole, is_critical.map(_SEVERITY), lambda row: _said(row, evidence, None)),
            findings(single, "critical", lambda row: _said(row, evidence, row.constituency_id)),
        ]
    )


def _is_large(places: pd.DataFrame, percent: float) -> pd.Series:
    published = places["published_bulletins"] + places["published_votes"]
    share = places["difference"] / published.clip(lower=1) * 100
    return (share >= percent) & (places["difference"] >= _FEWEST)


def _sums(groups: Any) -> pd.DataFrame:
    """Sums of each group, with its window and its number of hours, and of those that did not arrive."""
    frame: pd.DataFrame = groups.agg(
        window_start=("hour_number", "min"), window_end=("hour_number", "max"), hours=("hour_number", "size"),
        delivered=("is_delivered", "sum"), taken_back=("is_taken_back", "sum"),
        **{name: (name, "sum") for name in _SUMS},
    )  # fmt: skip
    return frame.assign(
        window_end=frame["window_end"] + 1, undelivered=frame["hours"] - frame["delivered"], is_ongoing=True,
        observed=frame["counted_votes"], expected=frame["published_votes"],
    )  # fmt: skip


def _unreadable(evidence: Evidence, constituency: str | None) -> str:
    lines = evidence.lines
    own = lines if constituency is None else lines[lines["constituency_id"] == constituency]
    return f"{counted(own['rejected'].sum(), 'line')} cannot be read here: " if len(own) else ""


def _said(row: Any, evidence: Evidence, constituency: str | None) -> str:
    """What is missing here comes first: it explains most differences."""
    missing = ""
    if row.undelivered:
        missing = f"{row.undelivered:.0f} of {counted(row.hours, 'hour')} that differ did not arrive here"
        missing += f"{missing_of_chain(evidence, constituency)}: "
    missing += _unreadable(evidence, constituency)
    where = "" if constituency else f" in {counted(row.places, 'constituency', 'constituencies')}"
    uncounted = ""
    if row.uncounted:
        calls = counted(row.uncounted, "vote")
        uncounted = f"; {calls} of these hours are rejected, repeated, withdrawn or unknown, and not counted here"
    here = f"{counted(row.counted_votes, 'vote')} and {counted(row.counted_bulletins, 'bulletin')}"
    if row.taken_back:
        uncounted += f"; {row.taken_back:.0f} of these hours were published before, and are not any more"
    there = f"{row.published_votes:.0f} and {row.published_bulletins:.0f}"
    return (
        f"{missing}counted here are {here}, the portal published {there}, in {counted(row.hours, 'hour')}{where}"
        f"{uncounted}"
    )
