"""What a rule is: its name, meaning and thresholds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from election_metrics.metrics.anomalies.evidence import Evidence

CHANCE = "a count is marked only if its probability is below this"
SCATTER = "relative scatter of the count model (negative binomial), beyond that of a Poisson count"
"""What thresholds of several rules mean."""


@dataclass(frozen=True)
class Threshold:
    """A value that a rule compares counts with; it can be set for each election."""

    default: float
    meaning: str

    def least_and_most(self, name: str) -> tuple[float, float]:
        """Values between which a threshold of this name makes sense: probabilities, percent, ratios, others."""
        if name == "chance":
            return 0.0, 0.5
        if self.meaning.startswith("percent"):
            return 0.0, 100.0
        return (1.0, 1e4) if name.endswith("ratio") else (0.0, 1e12)


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: value of `anomalies.rule`.
        find: function from evidence and thresholds to findings.
        lasts: whether it describes a state, which is resolved when it is over; else an event, which a person reviews.
        severity: the severities of its findings, and their conditions.
        meaning: one sentence.
        why: the fact of the domain that justifies it.
        thresholds: by name.
    """

    name: str
    find: Callable[[Evidence, Mapping[str, float]], pd.DataFrame]
    lasts: bool
    severity: str
    meaning: str
    why: str
    thresholds: Mapping[str, Threshold]

    def most_false_alarms(self, chosen: Mapping[str, float]) -> float | None:
        """False alarms per 1,000 that it judges, at the most, if its null model holds; None where it has none.

        `chosen` are thresholds that differ from the defaults.
        """
        if "chance" not in self.thresholds:
            return None
        return chosen.get("chance", self.thresholds["chance"].default) * 1000

    def bound_in_words(self, chosen: Mapping[str, float]) -> str:
        """`most_false_alarms` as a sentence; empty where there is none."""
        most = self.most_false_alarms(chosen)
        if most is None:
            return ""
        return f"False alarms, if its null model holds: at most {most:g} per 1,000 that it judges."
