"""The one job: from new files to summaries, for a range of hours."""

import dagster as dg

JOB = "update_metrics_job"
TRIGGER = "election_metrics/trigger"
"""Run tag: what asked for the run (new_transactions, changed_hours, schedule, ingest, backfill)."""
STATE = "election_metrics/state"
"""Run tag: a fingerprint of what a sensor saw, so that it can count the tries at the same work."""

WHY = "election_metrics/why"
"""Run tag: what asked for the run saw, in words."""

ASSETS = (
    "landed_files", "elections", "constituencies", "raw_transactions", "hourly_stats", "constituency_metrics",
    "anomalies", "election_summaries",
)  # fmt: skip
"""What the job makes, in the order in which one follows from the other."""
OF_ELECTIONS = ASSETS[ASSETS.index("constituency_metrics") :]
"""What follows from hours."""

update_metrics_job = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.assets(*ASSETS),
    description="Lands new files, then computes the hours of the run's partition range and all that follows from them.",
    # One process: a process per step costs 3 s each.
    executor_def=dg.in_process_executor,
    tags={"dagster/max_runtime": "7200"},
)
