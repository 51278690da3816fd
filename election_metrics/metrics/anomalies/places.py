"""Rules on places: what was assumed, because a name did not say it."""

from collections.abc import Mapping

import pandas as pd

from election_metrics.metrics.anomalies.evidence import Evidence
from election_metrics.metrics.anomalies.findings import counted, findings, no_findings

Thresholds = Mapping[str, float]


def time_zone_assumed(evidence: Evidence, _thresholds: Thresholds) -> pd.DataFrame:
    """Constituencies are counted in the default time zone, because their region is not named, or not known."""
    places = evidence.constituencies
    places = places[places["is_zone_assumed"].astype(bool)]
    if places.empty or evidence.hours.empty:
        return no_findings()
    groups = places.groupby(places["region"].fillna(""), sort=True)
    found = groups.agg(observed=("constituency_id", "size"), zone=("time_zone", "first")).reset_index()
    found = found.assign(
        window_start=int(evidence.hours["hour_number"].min()), window_end=int(evidence.hours["hour_number"].max()) + 1,
        is_ongoing=True, expected=0,
    )  # fmt: skip
    severity = found["region"].map(lambda region: "warning" if region else "info")
    found = found.assign(name=found["region"]).assign(region=found["region"].where(found["region"] != "", None))
    return findings(
        found, severity,
        lambda row: (f"The region {row.name!r} is not a known one" if row.name else "No region is named")
        + f": {counted(row.observed, 'constituency is', 'constituencies are')} counted in {row.zone}, the default time "
        "zone. "
        + ("Correct the folder's name, or set the time zone in the reference data" if row.name else
           "If that is right, set ELECTION_METRICS_TIME_ZONE; else set time zones in the reference data"),
    )  # fmt: skip
