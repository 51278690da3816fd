"""Rules inside the hour: every one finds its fault, and none finds anything in minutes of chance."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from election_metrics.clock import INTERVALS
from election_metrics.metrics.anomalies.evidence import Evidence
from election_metrics.metrics.anomalies.inside import window_sum
from election_metrics.metrics.anomalies.rules import RULES, find_anomalies
from election_metrics_tests.minutes import FAULTS_INSIDE, LEAST_VOTES, with_minutes
from election_metrics_tests.simulated import simulate


def found_in(evidence: Evidence) -> pd.DataFrame:
    """Findings of the rules inside the hour."""
    return find_anomalies(evidence, {}, [rule for rule in RULES if rule not in FAULTS_INSIDE])


@pytest.fixture(scope="module")
def clean() -> Evidence:
    return with_minutes(simulate(300, 3).evidence(), np.random.default_rng(3))


@pytest.mark.parametrize("seed", range(3))
def test_minutes_of_chance_have_no_finding(seed: int) -> None:
    assert found_in(with_minutes(simulate(300, seed).evidence(), np.random.default_rng(seed))).empty


@pytest.mark.parametrize("rule", FAULTS_INSIDE)
def test_each_rule_finds_its_fault_where_it_is_and_nothing_else(clean: Evidence, rule: str) -> None:
    rows = clean.inside.rows
    totals = clean.inside.votes.sum(axis=1)
    # Hours in which others vote too, neither the first nor the last.
    since = rows["hour_number"] - rows["constituency_id"].map(clean.opening).astype("int64")
    chosen = np.flatnonzero((totals >= LEAST_VOTES) & since.between(2, 50).to_numpy())
    for row in np.random.default_rng(0).choice(chosen, 5, replace=False).tolist():
        (finding,) = found_in(FAULTS_INSIDE[rule][1](clean, row)).itertuples()
        hour = rows.at[row, "hour_number"]
        assert finding.rule == rule
        assert hour <= finding.window_start < hour + 1
        assert finding.window_end > finding.window_start
        assert finding.constituency_id == (None if rule == "burst" else rows.at[row, "constituency_id"])


def test_a_burst_of_one_region_is_told_as_its_own_and_lasts_as_long_as_it_did(clean: Evidence) -> None:
    inside, counts, issued = clean.inside, clean.inside.votes.copy(), clean.inside.bulletins.copy()
    members = clean.constituencies.loc[clean.constituencies["region"] == "region 6", "constituency_id"]
    hour = int(inside.rows["hour_number"].min()) + 30
    rows = inside.rows["constituency_id"].isin(members).to_numpy() & (inside.rows["hour_number"] == hour).to_numpy()
    for one in (counts, issued):
        one[rows, 2:5] += one[rows].sum(axis=1, keepdims=True)
    found = found_in(replace(clean, inside=replace(inside, votes=counts, bulletins=issued)))
    (finding,) = found.itertuples()
    assert (finding.rule, finding.region, finding.constituency_id) == ("burst", "region 6", None)
    assert finding.window_start == pytest.approx(hour + 2 / INTERVALS)
    assert finding.window_end == pytest.approx(hour + 5 / INTERVALS)


def test_an_opening_a_step_and_an_hour_that_was_not_delivered_are_no_burst(clean: Evidence) -> None:
    inside, counts = clean.inside, clean.inside.votes.copy()
    hour = int(inside.rows["hour_number"].min()) + 30
    counts[inside.rows["hour_number"].to_numpy() >= hour] *= 3  # a message to all voters
    assert found_in(replace(clean, inside=replace(inside, votes=counts))).empty
    kept = (inside.rows["hour_number"] != hour).to_numpy()
    delivered = clean.delivered[clean.delivered["hour_number"] != hour]
    without = replace(inside, rows=inside.rows[kept].reset_index(drop=True),
                      bulletins=inside.bulletins[kept], votes=inside.votes[kept])  # fmt: skip
    assert found_in(replace(clean, inside=without, delivered=delivered)).empty
    assert found_in(replace(clean, inside=without)).empty  # delivered, and not counted by minutes


@pytest.mark.parametrize("step", [2, 3, 6, 12])
def test_times_that_are_rounded_to_ten_minutes_or_more_are_not_judged(clean: Evidence, step: int) -> None:
    inside = clean.inside
    rounded = []
    for counts in (inside.bulletins, inside.votes):
        sums = np.zeros_like(counts)
        sums[:, ::step] = counts.reshape(len(counts), -1, step).sum(axis=2)
        rounded.append(sums)
    found = found_in(replace(clean, inside=type(inside)(inside.rows, *rounded)))
    assert found.empty


def test_hours_without_minutes_are_not_judged(clean: Evidence) -> None:
    assert found_in(replace(clean, inside=type(clean.inside)())).empty


def test_sums_of_windows_end_at_the_edges() -> None:
    values = np.array([[1, 2, 4, 8, 16]])
    assert window_sum(values, -1, 0).tolist() == [[1, 3, 6, 12, 24]]
    assert window_sum(values, -3, -2).tolist() == [[0, 0, 1, 3, 6]]
    assert window_sum(values, 2, 3).tolist() == [[12, 24, 16, 0, 0]]


def test_the_hour_after_a_simultaneous_rise_is_no_simultaneous_fall() -> None:
    election = simulate(300, 3)
    for place in range(0, 300, 2):
        column = election.opening(0) + 8 - election.opening(place)
        if column >= 2:
            for name in ("votes_cast", "bulletins_issued"):
                election.counts[name][place, column] *= 2
    found = find_anomalies(election.evidence(), {}, set(RULES) - {"synchronised_spike", "synchronised_drop"})
    assert set(found["rule"]) <= {"synchronised_spike"}


@pytest.mark.parametrize(("factor", "rule"), [(0, "silence"), (3, "spike")])
def test_what_one_of_two_regions_does_is_not_told_of_the_other(factor: int, rule: str) -> None:
    election = simulate(200, 5, regions=2)
    election.region[:] = np.where(election.region == 0, 2, 3)  # both in Moscow
    place = np.flatnonzero(election.region == 2)
    for name in ("votes_cast", "bulletins_issued"):
        election.counts[name][place, 8:11] *= factor
    found = find_anomalies(
        election.evidence(), {}, set(RULES) - {"spike", "silence", "synchronised_spike", "synchronised_drop"}
    )
    wide = found[found["constituency_id"].isna()]
    assert rule in set(wide["rule"])
    opposite = "synchronised_spike" if factor == 0 else "synchronised_drop"
    assert opposite not in set(wide["rule"])


@pytest.mark.parametrize("value", [0.0, 0.5, 2.0, 1e12])
@pytest.mark.parametrize("rule", FAULTS_INSIDE)
def test_no_threshold_that_people_may_set_stops_a_rule(rule: str, value: float) -> None:
    """Also with few votes, with none, and with hours that say nothing of gaps and registrars."""
    clean = with_minutes(simulate(20, 3, regions=2).evidence(), np.random.default_rng(3))
    few = replace(clean, inside=replace(clean.inside, votes=clean.inside.votes // 1000))
    others = [name for name in RULES if name != rule]
    for name in RULES[rule].thresholds:
        for evidence in (clean, few, replace(clean, inside=type(clean.inside)())):
            find_anomalies(evidence, {rule: {name: value}}, others)
