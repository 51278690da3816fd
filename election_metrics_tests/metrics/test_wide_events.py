"""Events of a whole election or region are found from the first hours on, in curves that no shape was made from."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from election_metrics.metrics.anomalies.rules import find_anomalies
from election_metrics_tests.published import INCIDENT, evidence_until, national, with_event
from election_metrics_tests.simulated import Election, simulate

HOUR = pd.Timedelta(hours=1)
START = INCIDENT.tz_convert("UTC")
END = pd.Timestamp("2026-09-20T20:00+03:00").tz_convert("UTC")
REAL_INCIDENT = {"gap_outside_band"}


def found_in(series: pd.DataFrame, now: pd.Timestamp, ends_at: pd.Timestamp | None = END) -> pd.DataFrame:
    """Findings at this moment. The shape of the series itself is left out: it must not judge itself."""
    found = find_anomalies(replace(evidence_until(series, now, ends_at), shapes=()), {})
    return found[~found["rule"].isin(REAL_INCIDENT)]


@pytest.mark.parametrize("ends_at", [END, pytest.param(None, marks=[pytest.mark.long, pytest.mark.rare])])
def test_the_real_curve_of_a_country_has_no_finding_at_any_hour(ends_at: pd.Timestamp | None) -> None:
    for hours in range(1, 90):
        assert found_in(national(), START + hours * HOUR, ends_at).empty, hours


@pytest.mark.parametrize("hour", [9, 12, 15, 19, 21, 33, 36, 39, 43, 45, 57, 60, 63, 67])
@pytest.mark.parametrize(
    ("hours", "factor", "rule", "severity"),
    [(1, 0, "silence", "critical"), (3, 0.2, "drop", "critical")],
)
def test_a_country_that_stops_is_critical_after_one_hour(
    hour: int, hours: int, factor: float, rule: str, severity: str
) -> None:
    start = START + hour * HOUR
    (finding,) = found_in(with_event(national(), start, hours, factor), start + HOUR).itertuples()
    assert (finding.rule, finding.severity, finding.constituency_id) == (rule, severity, None)
    assert finding.window_start == int(start.timestamp()) // 3600


@pytest.mark.parametrize("hour", [10, 16, 18, 35, 38, 42, 59, 62, 65])
def test_three_times_the_votes_of_a_country_are_a_spike_though_yesterday_had_it_too(hour: int) -> None:
    start = START + hour * HOUR
    series = with_event(national(), start, 1, 3)
    if hour >= 24:
        series = with_event(series, start - 24 * HOUR, 1, 3)
    found = found_in(series, start + HOUR)
    number = int(start.timestamp()) // 3600
    assert ((found["rule"] == "spike") & (found["window_start"] == number)).any()


def event(election: Election, first: int, hours: int, factor: float, regions: tuple[int, ...]) -> int:
    """Puts an event into regions at a moment: hours since 05:00 UTC of the first day; returns its first hour."""
    begin = election.opening(int(np.flatnonzero(np.isin(election.region, regions))[0]))
    for place in np.flatnonzero(np.isin(election.region, regions)).tolist():
        column = begin + first - election.opening(place)
        within = slice(max(column, 0), max(column + hours, 0))
        for values in election.counts.values():
            values[place, within] = (values[place, within] * factor).astype("int64")
    return begin + first


@pytest.mark.parametrize("first", [4, 8, 30])
def test_a_region_that_is_silent_for_three_hours_is_critical(first: int) -> None:
    election = simulate(500, 0)
    begin = event(election, first, 3, 0, (2,))
    found = find_anomalies(election.evidence(), {})
    critical = found[found["severity"] == "critical"]
    assert critical[["rule", "region", "constituency_id"]].values.tolist() == [["silence", "region 2", None]]
    assert critical[["window_start", "window_end"]].values.tolist() == [[begin, begin + 3]]


@pytest.mark.parametrize(("first", "hours"), [(4, 3), (12, 6), (35, 3), (58, 1)])
@pytest.mark.parametrize("factor", [0, 0.1, 0.2])
def test_an_outage_is_one_finding_of_its_length_and_its_end_is_no_rise(first: int, hours: int, factor: float) -> None:
    election = simulate(500, 0)
    begin = event(election, first, hours, factor, tuple(range(20)))
    found = find_anomalies(election.evidence(), {})
    wide = found[found["constituency_id"].isna() & found["region"].isna()]
    assert wide[["rule", "severity", "window_start", "window_end"]].values.tolist() == [
        ["drop" if factor else "silence", "critical", begin, begin + hours]
    ]
    assert not (found["rule"] == "spike").any()


def test_many_constituencies_that_fall_at_once_are_one_finding() -> None:
    election = simulate(1_000, 4, regions=6)
    hour = _a_third_changes(election, 0.3)
    found = find_anomalies(election.evidence(), {})
    (finding,) = found[found["rule"] == "synchronised_drop"].itertuples()
    assert (finding.window_start, finding.constituency_id, finding.region) == (hour, None, None)


@pytest.mark.parametrize("first", [6, 34])
def test_a_third_of_the_constituencies_that_double_in_an_hour_are_found(first: int) -> None:
    election = simulate(1_000, 4, regions=6)
    hour = _a_third_changes(election, 2, first)
    found = find_anomalies(election.evidence(), {})
    assert ((found["rule"] == "synchronised_spike") & (found["window_start"] == hour)).any()


def _a_third_changes(election: Election, factor: float, first: int = 34) -> int:
    hour = election.opening(int(np.flatnonzero(election.region % 4 == 2)[0])) + first
    for place in range(0, election.size.size, 3):
        column = hour - election.opening(place)
        for values in election.counts.values():
            values[place, column] = int(values[place, column] * factor)
    return hour


def closed_at_night(first: int, last: int, days: int, places: int = 12) -> pd.DataFrame:
    """Votes of 20 an hour in each of some constituencies, on days from the hour `first` to before the hour `last`."""
    hours = [
        pd.Timestamp(f"2024-06-{8 + day:02}T{hour:02}:00", tz="Europe/Rome").tz_convert("UTC")
        for day in range(days)
        for hour in range(24)
    ]
    rng = np.random.default_rng(1)
    rows = [
        (f"c{place}", hour, votes, votes, 1_000, f"R{place % 3}", "Europe/Rome")
        for place in range(places)
        for hour in hours
        for votes in [int(rng.poisson(20)) if first <= hour.tz_convert("Europe/Rome").hour < last else 0]
    ]
    columns = ["constituency_id", "hour", "bulletins_issued", "votes_cast", "registered_voters", "region", "time_zone"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("first", "last"),
    [(7, 23), (8, 20), *(pytest.param(*hours, marks=pytest.mark.long) for hours in ((9, 21), (8, 24)))],
)
def test_polls_that_close_at_night_are_not_silent(first: int, last: int, known: bool) -> None:
    series = closed_at_night(first, last, 2)
    opening = series["hour"].min() + first * HOUR
    series = series[series["hour"] >= opening]
    ends = opening + (24 + last - first) * HOUR
    for hours in range(1, 48 - first + 1):
        now = opening + hours * HOUR
        assert find_anomalies(evidence_until(series, now, ends if known else None), {}).empty, now


@pytest.mark.parametrize("begin", [1, 2, 5, 24, 25, 27])
@pytest.mark.parametrize("opens", [6, 7])
def test_a_vote_that_opens_early_and_closes_at_night_is_critical_where_it_stops(opens: int, begin: int) -> None:
    series = closed_at_night(opens, 22, 2)
    opening = series["hour"].min() + opens * HOUR
    series = series[series["hour"] >= opening]
    start = opening + begin * HOUR
    found = find_anomalies(evidence_until(with_event(series, start, 3, 0), start + HOUR, opening + 39 * HOUR), {})
    whole = found[found["constituency_id"].isna() & found["region"].isna()]
    assert ("silence", "critical") in set(zip(whole["rule"], whole["severity"], strict=True))


@pytest.mark.parametrize(
    ("begin", "hours", "factor", "rule", "severity"),
    [
        (3, 3, 0.2, "drop", "critical"), (14, 1, 3, "spike", "warning"), (24, 1, 3, "spike", "warning"),
        (25, 1, 3, "spike", "warning"), (24, 1, 20, "spike", "warning"),
    ],
)  # fmt: skip
def test_events_of_a_vote_that_closes_at_night_are_found_at_its_edges_too(
    begin: int, hours: int, factor: float, rule: str, severity: str
) -> None:
    series = closed_at_night(7, 22, 2, places=60)
    opening = series["hour"].min() + 7 * HOUR
    series = series[series["hour"] >= opening]
    start = opening + begin * HOUR
    now = start + (hours + 1) * HOUR
    found = find_anomalies(evidence_until(with_event(series, start, hours, factor), now, opening + 39 * HOUR), {})
    whole = found[found["constituency_id"].isna() & found["region"].isna()]
    assert (rule, severity) in set(zip(whole["rule"], whole["severity"], strict=True))


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_registers_of_zero_are_unknown_ones(share: float) -> None:
    series = closed_at_night(8, 22, 2)
    opening = series["hour"].min() + 8 * HOUR
    series = series[series["hour"] >= opening]
    places = sorted(series["constituency_id"].unique())
    without = set(places[: int(len(places) * share) or 1])
    series.loc[series["constituency_id"].isin(without), "registered_voters"] = 0
    for hours in (1, 2, 6, 12, 26):
        found = find_anomalies(evidence_until(series, opening + hours * HOUR, opening + 38 * HOUR), {})
        assert found[~found["rule"].isin(["turnout_above_register"])].empty, hours


@pytest.mark.parametrize("votes", [5, 20, 200])
def test_a_vote_that_goes_on_alike_day_and_night_has_no_finding(votes: int) -> None:
    series = closed_at_night(0, 24, 3, 2).assign(votes_cast=votes, bulletins_issued=votes, registered_voters=90_000)
    opening = series["hour"].min()
    for hours in range(1, 73, 3):
        assert find_anomalies(evidence_until(series, opening + hours * HOUR), {}).empty, hours


@pytest.mark.parametrize("voters", [pd.NA, 1_000_000, 13_419_741])
def test_a_register_that_is_not_known_or_not_loaded_hides_no_silence(voters: object) -> None:
    start = START + 39 * HOUR
    series = with_event(national(), start, 1, 0).assign(registered_voters=pd.array([voters] * 70, dtype="Int64"))
    found = found_in(series, start + HOUR)
    assert ("silence", "critical") in set(zip(found["rule"], found["severity"], strict=True))
