"""From the first hour on: nobody votes though voting was opened, or too many do."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from election_metrics.metrics.anomalies.evidence import Evidence
from election_metrics.metrics.anomalies.rules import find_anomalies
from election_metrics_tests.simulated import Election, simulate


def first_hours(election: Election, hours: int, factor: float, regions: tuple[int, ...]) -> None:
    """Multiplies the counts of the first hours of these regions."""
    places = np.isin(election.region, regions)
    for values in election.counts.values():
        values[places, :hours] = (values[places, :hours] * factor).astype("int64")


def until(evidence: Evidence, end: int) -> Evidence:
    """What is known before this hour."""
    return replace(
        evidence,
        hours=evidence.hours[evidence.hours["hour_number"] < end].reset_index(drop=True),
        delivered=evidence.delivered[evidence.delivered["hour_number"] < end],
        highest=evidence.highest[:0],
    )


def of(found: pd.DataFrame, rule: str) -> list[list[object]]:
    """Region, severity and window of the rule's findings on regions and on the whole election."""
    rows = found[(found["rule"] == rule) & found["constituency_id"].isna()]
    return rows[["region", "severity", "window_start", "window_end"]].values.tolist()


@pytest.mark.parametrize("hours", [1, 3])
def test_a_vote_that_nobody_enters_is_critical_after_its_first_hour(hours: int) -> None:
    election = simulate(300, 0)
    first_hours(election, 70, 0, tuple(range(20)))
    opening = min(election.opening(place) for place in range(300))
    found = find_anomalies(until(election.evidence(), opening + hours), {})
    assert of(found, "silence") == [[None, "critical", opening, opening + hours]]


def test_a_region_that_opens_late_is_critical_and_closed_when_its_ballots_come() -> None:
    election = simulate(300, 0)
    first_hours(election, 4, 0, (2,))
    opening = election.opening(int(np.flatnonzero(election.region == 2)[0]))
    evidence = election.evidence()
    now = find_anomalies(until(evidence, opening + 3), {})
    assert of(now, "silence") == [["region 2", "critical", opening, opening + 3]]
    assert now.loc[now["rule"] == "silence", "is_ongoing"].tolist() == [True]
    later = find_anomalies(evidence, {})
    assert of(later, "silence") == [["region 2", "critical", opening, opening + 4]]
    assert later.loc[later["rule"] == "silence", "is_ongoing"].tolist() == [False]


@pytest.mark.parametrize("case", ["opening not stated", "not delivered", "opened at midnight for the record"])
def test_hours_in_which_nobody_need_vote_are_not_silent(case: str) -> None:
    election = simulate(300, 0)
    evidence = election.evidence()
    known = evidence.constituencies
    first = int(evidence.hours["hour_number"].min())
    if case == "opening not stated":
        known = known.assign(starts_at=pd.NaT)
    elif case == "opened at midnight for the record":
        known = known.assign(starts_at=known["starts_at"] - pd.Timedelta(hours=8))
        early = [(name, number) for name in known["constituency_id"] for number in range(first - 8, first)]
        more = pd.DataFrame(early, columns=["constituency_id", "hour_number"])
        evidence = replace(evidence, delivered=pd.concat([more, evidence.delivered]))
    else:
        known = known.assign(starts_at=known["starts_at"] - pd.Timedelta(hours=2))
    assert of(find_anomalies(replace(evidence, constituencies=known), {}), "silence") == []


@pytest.mark.parametrize("regions", [tuple(range(20)), (2,)])
@pytest.mark.parametrize("hour", [0, 1])
def test_three_times_the_votes_of_the_opening_are_a_spike(regions: tuple[int, ...], hour: int) -> None:
    election = simulate(300, 0)
    places = np.isin(election.region, regions)
    for values in election.counts.values():
        values[places, hour] = values[places, hour] * 3
    found = of(find_anomalies(election.evidence(), {}), "spike")
    begin = election.opening(int(np.flatnonzero(election.region == 2)[0])) + hour
    expected = [None] if len(regions) > 1 else ["region 2"]
    assert [row[0] for row in found if row[2] == begin] == expected


def test_a_short_vote_may_have_all_its_votes_in_its_first_hour() -> None:
    election = simulate(300, 0)
    first_hours(election, 1, 3, tuple(range(20)))
    evidence = election.evidence()
    known = evidence.constituencies
    known = known.assign(ends_at=known["starts_at"] + pd.Timedelta(hours=3))
    assert of(find_anomalies(replace(evidence, constituencies=known), {}), "spike") == []
