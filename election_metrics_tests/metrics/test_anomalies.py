"""The rules find what truly happened, and are silent where real voting only looks odd."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from election_metrics.metrics.anomalies import ballots, series
from election_metrics.metrics.anomalies.chances import chance_of_at_least, chance_of_at_most, chance_of_share
from election_metrics.metrics.anomalies.findings import counted
from election_metrics.metrics.anomalies.lifecycle import COLUMNS, reconcile
from election_metrics.metrics.anomalies.rules import RULES, find_anomalies
from election_metrics.warehouse.guidance import EXPECTED_FROM, LOOK_AT
from election_metrics_tests.minutes import FAULTS_INSIDE
from election_metrics_tests.published import INCIDENT, evidence_until, national
from election_metrics_tests.simulated import AT_ONCE, FAULTS, SMALLEST, simulate, synchronised

SHARED = Path(__file__).parents[3] / "shared" / "data" / "deg2026" / "hourly_expected.csv"
HOUR = pd.Timedelta(hours=1)


def test_the_incident_is_open_within_an_hour_resolved_when_it_recovered_and_nothing_else_is_found() -> None:
    series = national()
    stored = pd.DataFrame(columns=list(COLUMNS))
    states = {}
    for hours in range(1, 73):
        now = INCIDENT.tz_convert("UTC") + hours * HOUR
        found = find_anomalies(evidence_until(series, now), {})
        for column in ("window_start", "window_end"):
            found[column] = pd.to_datetime(found[column].astype("int64") * 3600, unit="s", utc=True)
        stored = reconcile(stored, found, "e", f"run {hours}", now.to_pydatetime())
        states[hours] = stored["state"].tolist()
    assert stored[["rule", "severity"]].values.tolist() == [["gap_outside_band", "critical"]]
    assert stored.at[0, "window_start"] == INCIDENT
    assert stored.at[0, "window_end"] == INCIDENT + 3 * HOUR
    assert [hours for hours, state in states.items() if state == ["open"]] == [1, 2, 3]
    assert stored.at[0, "state_note"] == "over since 2026-09-18 00:00 UTC"
    assert stored.at[0, "detected_at"] == INCIDENT + HOUR


@pytest.mark.skipif(not SHARED.exists(), reason="the published series are not part of this repository")
def test_nothing_is_found_in_the_four_constituencies_at_any_hour() -> None:
    series = pd.read_csv(SHARED).rename(columns={"constituency": "constituency_id"})
    series["hour"] = pd.to_datetime(series["hour_start"], utc=True)
    four = series[series["constituency_id"] != "all"]
    for hours in range(9, 73):
        assert find_anomalies(evidence_until(four, INCIDENT.tz_convert("UTC") + hours * HOUR), {}).empty, hours


@pytest.mark.parametrize("seed", range(3))
def test_an_election_in_which_nothing_is_wrong_has_hardly_a_warning_and_nothing_critical(seed: int) -> None:
    election = simulate(500, seed)
    found = find_anomalies(election.evidence(), {})
    assert len(found) <= election.delivered.size / 1000 / 10
    assert not (found["severity"] == "critical").any()


@pytest.mark.parametrize("rule", sorted(FAULTS))
def test_a_fault_of_every_kind_is_found_in_its_constituency_and_hour(rule: str) -> None:
    election = simulate(150, 4, regions=6)
    random = np.random.default_rng(2)
    found = 0
    places = np.flatnonzero(election.size >= SMALLEST)[:8].tolist()
    for place in places:
        faulty = election.copy()
        first, last = FAULTS[rule][1](faulty, place, random)
        findings = find_anomalies(faulty.evidence(), {}, unjudged=set(RULES) - {rule})
        in_region = findings["constituency_id"].isna() & (findings["region"] == f"region {faulty.region[place]}")
        mine = findings[(findings["constituency_id"] == faulty.name(place)) | in_region]
        begin = faulty.opening(place) + first
        found += bool(((mine["window_start"] <= begin + last - first) & (mine["window_end"] > begin)).any())
    assert found >= len(places) * 0.6  # the share of each rule is in docs/metrics.md; this holds the wiring


def test_a_rise_of_half_of_all_constituencies_at_once_is_one_finding_on_the_election() -> None:
    election = simulate(150, 4, regions=6)
    hour, _ = synchronised(election, np.random.default_rng(0))
    found = find_anomalies(election.evidence(), {})
    (finding,) = found[found["rule"] == "synchronised_spike"].itertuples()
    assert (finding.window_start, finding.constituency_id, finding.region) == (hour, None, None)
    assert 0 <= finding.expected_low <= finding.expected <= finding.expected_high < finding.observed


def test_a_whole_region_that_falls_silent_is_critical_though_each_of_its_constituencies_is_small() -> None:
    election = simulate(400, 5, regions=4, largest=60)
    for values in election.counts.values():
        values[election.region == 2, 30:40] = 0
    found = find_anomalies(election.evidence(), {})
    critical = found[found["severity"] == "critical"]
    assert critical[["rule", "region", "constituency_id"]].values.tolist() == [["silence", "region 2", None]]


def test_when_most_constituencies_lack_input_it_is_one_finding() -> None:
    election = simulate(60, 5, regions=4)
    election.delivered[:40, 30:] = False
    found = find_anomalies(election.evidence(), {})
    (finding,) = found[found["rule"] == "input_missing"].itertuples()
    assert (finding.severity, finding.observed) == ("critical", 40)
    assert "silence" not in set(found["rule"])


def test_a_threshold_can_be_set_for_an_election() -> None:
    evidence = evidence_until(national(), INCIDENT + 2 * HOUR)
    assert len(find_anomalies(evidence, {})) == 1
    assert find_anomalies(evidence, {"gap_outside_band": {"least_bulletins": 3000}}).empty


def test_every_threshold_is_used_and_every_rule_is_tried() -> None:
    assert set(RULES) == {*FAULTS, *AT_ONCE, *FAULTS_INSIDE}
    assert set(RULES) == set(LOOK_AT) >= set(EXPECTED_FROM)
    evidence = simulate(60, 1, regions=4).evidence()
    for rule in RULES.values():
        used: set[str] = set()

        class Watched(dict):
            def __getitem__(self, name: str) -> float:
                used.add(name)  # noqa: B023 used within this turn only
                return float(super().__getitem__(name))

        rule.find(evidence, Watched({name: threshold.default for name, threshold in rule.thresholds.items()}))
        assert used == set(rule.thresholds), rule.name


def finding(rule: str = "spike", start: str = "2026-09-18T05:00Z", end: str = "2026-09-18T06:00Z", **more: object):
    row = {
        "constituency_id": "c", "region": None, "rule": rule, "severity": "warning", "observed": 9.0, "expected": 1.0,
        "explanation": "x", "window_start": pd.Timestamp(start), "window_end": pd.Timestamp(end), "is_ongoing": False,
        "lasts": RULES[rule].lasts, **more,
    }  # fmt: skip
    return pd.DataFrame([row])


NONE = finding().iloc[:0]
START = pd.DataFrame(columns=list(COLUMNS))
NOW = datetime(2026, 9, 19, tzinfo=UTC)


def test_a_finding_keeps_its_id_and_state_while_its_window_grows() -> None:
    first = reconcile(START, finding(), "e", "r1", NOW)
    acknowledged = first.assign(state="acknowledged", state_by="anna", state_note="on it")
    second = reconcile(acknowledged, finding(end="2026-09-18T09:00Z", explanation="y"), "e", "r2", NOW)
    assert second["anomaly_id"].tolist() == first["anomaly_id"].tolist()
    row = second.iloc[0]
    assert (row["state"], row["state_by"], row["state_note"]) == ("acknowledged", "anna", "on it")
    assert (row["explanation"], row["run_id"], row["detected_at"]) == ("y", "r2", NOW)
    assert row["window_end"] == pd.Timestamp("2026-09-18T09:00Z")


def test_one_that_no_longer_holds_is_closed_with_the_reason_and_opens_again_if_it_comes_back() -> None:
    first = reconcile(START, finding(), "e", "r1", NOW)
    gone = reconcile(first, NONE, "e", "run-two", NOW)
    assert (gone.at[0, "state"], gone.at[0, "state_by"]) == ("resolved", "system")
    assert "no longer found by run run-two" in gone.at[0, "state_note"]
    again = reconcile(gone, finding(), "e", "r3", NOW)
    assert (again.at[0, "state"], again.at[0, "anomaly_id"]) == ("open", first.at[0, "anomaly_id"])


def test_what_is_closed_says_why_with_the_votes_by_now() -> None:
    first = reconcile(START, finding(observed=9.0), "e", "r1", NOW)
    gone = reconcile(first, NONE, "e", "run-two", NOW, (), lambda old: f"{old['observed']:g} were seen")
    assert gone.at[0, "state_note"] == "no longer found by run run-two: 9 were seen"


def test_only_a_new_finding_on_more_takes_the_place_of_one_that_is_not_found_any_more() -> None:
    whole = finding("unreadable_input", constituency_id=None, is_ongoing=True)
    both = pd.concat([whole, finding("unreadable_input", is_ongoing=True)])
    for before in (both, finding("unreadable_input", is_ongoing=True)):
        first = reconcile(START, before, "e", "r1", NOW - timedelta(hours=1))
        after = reconcile(first, whole, "e", "r2", NOW).set_index("constituency_id", drop=False)
        assert ("says it of all" in after.at["c", "state_note"]) == (len(before) == 1)


def test_what_was_over_says_so_when_it_is_not_so_any_more() -> None:
    silent = finding("silence", observed=0.0)
    over = reconcile(START, silent, "e", "r1", NOW)
    assert over.at[0, "state_note"] == "over since 2026-09-18 06:00 UTC"
    longer = reconcile(over, finding("silence", observed=0.0, end="2026-09-18T08:00Z"), "e", "r1", NOW)
    assert longer.at[0, "state_note"] == "over since 2026-09-18 08:00 UTC"
    again = reconcile(over, NONE, "e", "r2", NOW, (), lambda _: "the votes in its hours are 9 by now")
    assert again.at[0, "state_note"] == "no longer found by run r2: the votes in its hours are 9 by now"
    assert reconcile(again, NONE, "e", "r3", NOW).at[0, "state_note"] == again.at[0, "state_note"]


def test_a_state_that_is_over_stays_open_if_a_person_opened_it_again() -> None:
    over = reconcile(START, finding("silence"), "e", "r1", NOW)
    opened = over.assign(state="open", state_by="anna", state_note="to publish")
    after = reconcile(opened, finding("silence"), "e", "r2", NOW)
    assert after[["state", "state_by", "state_note"]].values.tolist() == [["open", "anna", "to publish"]]


def test_what_a_person_resolved_stays_so() -> None:
    settled = reconcile(START, finding(), "e", "r1", NOW).assign(state="resolved", state_by="anna")
    assert reconcile(settled, finding(), "e", "r2", NOW).at[0, "state_by"] == "anna"
    assert reconcile(settled, finding(), "e", "r2", NOW).at[0, "state"] == "resolved"
    assert reconcile(settled, NONE, "e", "r2", NOW).at[0, "state_by"] == "anna"


def test_a_lasting_finding_closes_itself_an_event_waits_for_a_person() -> None:
    lasting = finding("gap_outside_band", is_ongoing=True)
    opened = reconcile(START, lasting, "e", "r1", NOW)
    assert opened.at[0, "state"] == "open"
    closed = reconcile(opened, lasting.assign(is_ongoing=False), "e", "r2", NOW)
    assert (closed.at[0, "state"], closed.at[0, "state_note"]) == ("resolved", "over since 2026-09-18 06:00 UTC")
    assert reconcile(closed, lasting, "e", "r3", NOW).at[0, "state"] == "open"
    assert reconcile(START, finding("spike"), "e", "r1", NOW).at[0, "state"] == "open"


def test_two_findings_of_a_rule_in_one_constituency_are_two() -> None:
    both = pd.concat([finding(), finding(start="2026-09-18T08:00Z", end="2026-09-18T09:00Z")])
    rows = reconcile(START, both, "e", "r1", NOW)
    assert rows["anomaly_id"].is_unique
    assert len(reconcile(rows, both, "e", "r2", NOW)) == 2
    one_left = reconcile(rows, finding(), "e", "r2", NOW)
    assert sorted(one_left["state"]) == ["open", "resolved"]


def test_chances_of_counts_are_those_of_the_textbook() -> None:
    assert chance_of_at_least(np.array([0]), np.array([5.0]), 0.3)[0] == 1
    assert chance_of_at_most(np.array([0]), np.array([11.0]), 1.0)[0] == pytest.approx(1 / 12)
    assert chance_of_at_least(np.array([1]), np.array([11.0]), 1.0)[0] == pytest.approx(11 / 12)
    assert chance_of_share(np.array([1]), np.array([2]), 0.5)[0] == pytest.approx(0.75)
    assert chance_of_share(np.array([2]), np.array([2]), 0.5)[0] == pytest.approx(0.25)
    assert chance_of_share(np.array([0]), np.array([0]), 0.5)[0] == 1


def test_a_stray_ballot_weeks_later_ends_no_finding() -> None:
    election = simulate(150, 4, regions=6)
    place = int(np.flatnonzero(election.size >= SMALLEST)[0])
    FAULTS["spike"][1](election, place, np.random.default_rng(2))
    evidence = election.evidence()
    stray = evidence.hours.iloc[[0]].assign(hour_number=evidence.hours["hour_number"].max() + 24 * 21, votes_cast=1)
    hours = pd.concat([evidence.hours, stray]).sort_values(["constituency_id", "hour_number"], ignore_index=True)
    for shown in (evidence, replace(evidence, hours=hours)):
        found = find_anomalies(shown, {})
        assert found.loc[found["rule"] == "spike", "constituency_id"].tolist() == [election.name(place)]


def test_an_hour_of_which_only_boundary_rows_are_here_is_no_drop() -> None:
    election = simulate(150, 4, regions=6)
    for values in election.counts.values():
        values[:, 34:] = 0
        values[:, 33] //= 50
    evidence = election.evidence()
    opening = evidence.delivered.groupby("constituency_id")["hour_number"].transform("min")
    delivered = evidence.delivered[evidence.delivered["hour_number"] - opening < 33]
    assert not find_anomalies(evidence, {}).empty
    assert find_anomalies(replace(evidence, delivered=delivered), {}).empty


def test_one_constituency_without_files_does_not_hide_the_silence_of_its_region() -> None:
    election = simulate(400, 3, regions=4, largest=90)
    places = np.flatnonzero(election.region == 2)
    for values in election.counts.values():
        values[places, 30:38] = 0
    election.delivered[places[0], :] = False
    found = find_anomalies(election.evidence(), {})
    assert found.loc[found["rule"] == "silence", "region"].tolist() == ["region 2"]


def test_what_a_person_resolved_opens_again_when_it_is_clearly_worse() -> None:
    settled = reconcile(START, finding(), "e", "r1", NOW).assign(state="resolved", state_by="anna")
    worse = reconcile(settled, finding(observed=30.0), "e", "r2", NOW)
    assert (worse.at[0, "state"], worse.at[0, "state_note"]) == ("open", "worse than when anna resolved it")
    graver = reconcile(settled, finding(severity="critical"), "e", "r2", NOW)
    assert graver.at[0, "state"] == "open"


def test_findings_of_a_rule_that_was_left_out_stay_as_they_are() -> None:
    first = reconcile(START, finding("figures_fall", is_ongoing=True), "e", "r1", NOW)
    assert reconcile(first, NONE, "e", "r2", NOW, unjudged=("figures_fall",)).at[0, "state"] == "open"
    assert find_anomalies(evidence_until(national(), INCIDENT + 2 * HOUR), {}, ("gap_outside_band",)).empty


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 votes"), (1, "1 vote"), (1.4, "1 vote"), (2, "2 votes"), (21.0, "21 votes")]
)
def test_a_noun_agrees_with_its_number(number: float, said: str) -> None:
    assert counted(number, "vote") == said


def test_no_explanation_counts_one_of_several() -> None:
    sources = [(Path(ballots.__file__)).read_text("utf-8"), Path(series.__file__).read_text("utf-8")]
    plural = r"\{[^{}]*\} (?:votes|bulletins|voters|hours|constituencies)\b"
    assert [re.findall(plural, text) for text in sources] == [[], []]
