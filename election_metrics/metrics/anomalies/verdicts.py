"""The rule on verdicts: ballots that count here, and that a verifier found invalid."""

from typing import Any

import pandas as pd

from election_metrics.metrics.anomalies.evidence import Evidence, Thresholds
from election_metrics.metrics.anomalies.findings import counted, findings, no_findings

_MOST_REASONS, _MOST_LETTERS = 3, 80


def votes_found_invalid(evidence: Evidence, thresholds: Thresholds) -> pd.DataFrame:
    """Votes of a constituency that a verifier found invalid."""
    least, critical = thresholds["least_votes"], thresholds["critical_share"]
    if evidence.verdicts.empty:
        return no_findings()
    votes = evidence.total(evidence.hours["votes_cast"])
    places = evidence.verdicts.sort_values(["votes", "reason"], ascending=[False, True]).groupby("constituency_id")
    found = places.agg(
        observed=("votes", "sum"), window_start=("first_hour", "min"), window_end=("last_hour", "max"),
        verifiers=("verifier", lambda names: ", ".join(sorted(set(names)))),
    ).reset_index()  # fmt: skip
    reasons = {place: _reasons(rows) for place, rows in places}
    found = found.assign(
        window_end=found["window_end"] + 1, expected=0, is_ongoing=True,
        votes=found["constituency_id"].map(votes).fillna(0), reasons=found["constituency_id"].map(reasons),
    )  # fmt: skip
    found["share"] = found["observed"] / found["votes"].clip(lower=1) * 100
    some = found[found["observed"] >= least]
    severity = (some["share"] >= critical).map({True: "critical", False: "warning"})
    return findings(some, severity, _said)


def _reasons(rows: pd.DataFrame) -> str:
    """The most frequent reasons with their votes; those of several verifiers together."""
    by_reason = (
        rows.groupby("reason")["votes"].sum().reset_index().sort_values(["votes", "reason"], ascending=[False, True])
    )
    shown = [f"{row.reason[:_MOST_LETTERS]} ({row.votes})" for row in by_reason.head(_MOST_REASONS).itertuples()]
    more = len(by_reason) - len(shown)
    return "; ".join(shown) + (f"; {counted(more, 'other reason')}" if more > 0 else "")


def _said(row: Any) -> str:
    return (
        f"{row.observed:.0f} of {counted(row.votes, 'vote that counts', 'votes that count')} here ({row.share:.1f} %) "
        f"were found invalid by {row.verifiers}: {row.reasons}"
    )
