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
