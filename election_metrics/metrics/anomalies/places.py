"""Rules on places: what was assumed, because a name did not say it."""

import pandas as pd

from election_metrics.metrics.anomalies.evidence import Evidence, Thresholds
from election_metrics.metrics.anomalies.findings import counted, findings, no_findings


def time_zone_assumed(evidence: Evidence, _thresholds: Thresholds) -> pd.DataFrame:
    """Constituencies are counted in the default time zone, because their region is not named, or not known."""
    places = evidence.constituencies
    places = places[places["is_zone_assumed"].astype(bool)]
    if places.empty or evidence.hours.empty:
        return no_findings()
    places = places.assign(path=places["constituency_id"].map(evidence.paths))
    groups = places.groupby(places["region"].fillna(""), sort=True)
    columns = {"observed": ("constituency_id", "size"), "zone": ("time_zone", "first"), "path": ("path", "first")}
    found = groups.agg(**columns).reset_index()
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
        f"zone{'' if pd.isna(row.path) else f', such as that of {row.path}'}. "
        + ("Correct the folder's name, or set the time zone in the reference data" if row.name else
           "If that is right, set ELECTION_METRICS_TIME_ZONE; else set time zones in the reference data"),
    )  # fmt: skip


def places_disagree(evidence: Evidence, _thresholds: Thresholds) -> pd.DataFrame:
    """The files of a constituency lie in the folders of several regions or elections; one of them was chosen."""
    if evidence.disagreeing.empty or evidence.hours.empty:
        return no_findings()
    spans = evidence.hours.groupby("constituency_id")["hour_number"].agg(["min", "max"])
    found = evidence.disagreeing.join(spans, on="constituency_id")
    first, last = (int(evidence.hours["hour_number"].agg(which)) for which in ("min", "max"))
    found = found.assign(
        window_start=found["min"].fillna(first).astype("int64"),
        window_end=found["max"].fillna(last).astype("int64") + 1,
        observed=found["paths"].str.len(), expected=1, is_ongoing=True,
    )  # fmt: skip
    chosen = evidence.constituencies.set_index("constituency_id")["region"]
    found["chosen"] = found["constituency_id"].map(chosen)
    return findings(
        found, "warning",
        lambda row: f"the contract has files in {row.observed:.0f} regions or elections: {'; '.join(row.paths)}. "
        f"All its rows count {'in one of them' if pd.isna(row.chosen) else f'in {row.chosen}'}. Move or withdraw the "
        "files that are in a wrong folder",
    )  # fmt: skip
