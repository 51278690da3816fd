"""Which constituencies a rule can judge: told for every rule, and never more than it does judge."""

from dataclasses import replace

import numpy as np
import pandas as pd

from election_metrics.metrics.anomalies.inside import InsideHours
from election_metrics.metrics.anomalies.judged import judged_constituencies
from election_metrics.metrics.anomalies.rules import INSIDE, RULES
from election_metrics_tests.minutes import with_minutes
from election_metrics_tests.published import evidence_until, national
from election_metrics_tests.simulated import simulate

EVIDENCE = with_minutes(simulate(200, 0).evidence(), np.random.default_rng(0))


def judged(evidence: object, **overrides: dict[str, float]) -> pd.Series:
    """How many constituencies each rule can judge."""
    return judged_constituencies(evidence, overrides).set_index("rule")["constituencies_judged"]


def test_every_rule_is_told_of_and_small_places_are_out_of_reach() -> None:
    found = judged_constituencies(EVIDENCE, {})
    assert found["rule"].tolist() == list(RULES)
    assert (found["constituencies_total"] == 200).all()
    assert found["constituencies_judged"].between(0, 200).all()
    assert 0 < judged(EVIDENCE)["drop"] < judged(EVIDENCE)["silence"] < 200
    small = replace(
        EVIDENCE, constituencies=EVIDENCE.constituencies.assign(registered_voters=pd.array([20] * 200, "Int64"))
    )
    assert judged(small)["spike"] == 0


def test_thresholds_of_the_election_count() -> None:
    assert judged(EVIDENCE, drop={"least_expected": 1e9})["drop"] == 0
    assert judged(EVIDENCE, gap_outside_band={"least_bulletins": 0})["gap_outside_band"] == 200


def test_hours_that_are_not_counted_by_minutes_judge_nobody_inside() -> None:
    found = judged(replace(EVIDENCE, inside=InsideHours()))
    assert (found[list(INSIDE)] == 0).all()


def test_a_vote_that_has_not_begun_judges_nobody_by_hours() -> None:
    evidence = evidence_until(national(), pd.Timestamp("2026-09-17T22:00Z"))
    found = judged(replace(evidence, hours=evidence.hours.iloc[:0], delivered=evidence.delivered.iloc[:0]))
    assert found["spike"] == found["drop"] == found["silence"] == 0
