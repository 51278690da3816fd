"""From the first hour on: nobody votes though voting was opened, or too many do."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from election_metrics.metrics.anomalies.evidence import Evidence
from election_metrics.metrics.anomalies.rules import find_anomalies
from election_metrics_tests.published import evidence_until
from election_metrics_tests.simulated import Election, simulate

HOUR = pd.Timedelta(hours=1)
START = pd.Timestamp("2026-09-18T05:00Z")


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


@pytest.mark.parametrize("stray", [1, 20])
def test_a_few_ballots_of_those_who_try_the_system_are_no_voting(stray: int) -> None:
    election = simulate(300, 0)
    first_hours(election, 70, 0, tuple(range(20)))
    place = int(election.size.argmax())
    election.counts["votes_cast"][place, :10] = stray
    found = of(find_anomalies(until(election.evidence(), election.opening(place) + 10), {}), "silence")
    assert [row[:2] for row in found if row[0] is None] == [[None, "critical"]]


def test_a_vote_that_is_postponed_by_three_days_is_silent_until_its_first_evening() -> None:
    series = alike(100, 50).assign(
        votes_cast=lambda rows: rows["votes_cast"].where(rows["hour"] >= START + 72 * HOUR, 0)
    )
    series["bulletins_issued"] = series["votes_cast"]
    found = find_anomalies(evidence_until(series, START + 90 * HOUR, START + 150 * HOUR), {})
    silence = found[found["rule"] == "silence"]
    assert (silence["window_end"] - silence["window_start"]).tolist() == [12]
    assert silence["is_ongoing"].tolist() == [False]


def test_a_rise_of_the_opening_makes_the_hours_after_it_no_critical_drop() -> None:
    series = alike(4, 0)
    for first, rises in ((5_000, []), (8_000, [[None, "warning"]])):
        votes = [first, 1_340, 1_022, 674]
        rows = series.assign(votes_cast=votes, bulletins_issued=votes, registered_voters=20_000)
        found = find_anomalies(evidence_until(rows, START + 4 * HOUR, START + 60 * HOUR), {})
        assert "critical" not in set(found["severity"])
        assert [row[:2] for row in of(found, "spike")] == rises


def test_an_opening_hour_that_one_constituency_did_not_deliver_makes_its_next_hours_no_spike() -> None:
    votes = [1_000, 800, 600, 400, 300, 300]
    series = pd.concat(
        [alike(6, 0).assign(constituency_id=f"c{place}", votes_cast=votes, bulletins_issued=votes, region="r",
                            registered_voters=9_000) for place in range(6)]
    )  # fmt: skip
    evidence = evidence_until(series, START + 6 * HOUR, START + 60 * HOUR)
    first = int(START.timestamp()) // 3600
    lost = (evidence.delivered["constituency_id"] == "c0") & (evidence.delivered["hour_number"] < first + 2)
    hours = evidence.hours
    evidence = replace(
        evidence,
        delivered=evidence.delivered[~lost],
        hours=hours[~((hours["constituency_id"] == "c0") & (hours["hour_number"] < first + 2))].reset_index(drop=True),
    )
    assert of(find_anomalies(evidence, {}), "spike") == []
    assert not (find_anomalies(evidence, {})["rule"] == "spike").any()


@pytest.mark.parametrize("opens", range(0, 24, 3))
@pytest.mark.parametrize("hours", range(1, 24, 2))
def test_no_opening_and_no_length_stops_the_rules(opens: int, hours: int) -> None:
    """Regions are compared with those ahead of them, wherever the shape of other votes begins."""
    both = [alike(hours, 50, opens).assign(constituency_id=region, region=region) for region in "ab"]
    series = pd.concat(both)
    find_anomalies(evidence_until(series, START + (opens + hours) * HOUR), {})


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_noise_of_small_counts_is_no_rise_of_many(seed: int) -> None:
    noise = np.random.default_rng(seed).poisson(12, (100, 60))
    series = pd.concat(
        [alike(60, 0).assign(constituency_id=f"c{place}", votes_cast=votes, bulletins_issued=votes)
         for place, votes in enumerate(noise)]
    )  # fmt: skip
    assert find_anomalies(evidence_until(series, START + 60 * HOUR, START + 60 * HOUR), {}).empty


def test_an_evening_peak_before_a_closed_night_makes_the_next_morning_no_drop() -> None:
    day = [200, 200, 200, 200, 200, 250, 300, 350, 400, 500, 700, 900]
    votes = [*day, *[0] * 12, *day, *[0] * 12, *day]
    series = alike(60, 0).assign(votes_cast=votes, bulletins_issued=votes, registered_voters=20_000)
    for hours in range(1, 61):
        assert find_anomalies(evidence_until(series, START + hours * HOUR, START + 60 * HOUR), {}).empty, hours


def alike(hours: int, votes: int, later: int = 0) -> pd.DataFrame:
    """A constituency with the same votes in every hour from 08:00 Moscow time on, or some hours later."""
    moments = [START + (later + hour) * HOUR for hour in range(hours)]
    return pd.DataFrame(
        {
            "constituency_id": "c",
            "hour": moments,
            "bulletins_issued": votes,
            "votes_cast": votes,
            "registered_voters": 2_000,
        }
    )


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
