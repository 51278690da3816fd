"""The jobs: from new files to summaries; the final count; maintenance. And the tags that say why a run is there."""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from election_metrics.assets.partitions import range_tags
from election_metrics.assets.running import SettingsResource, failures_in_words

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
REGISTRY = ("elections", "constituencies")
OF_ELECTIONS = ASSETS[ASSETS.index("constituency_metrics") :]
"""What follows from hours."""

_PRIORITIES = {"new_transactions": 10, "changed_hours": 5, "schedule": 3, "backfill": -5, "upkeep": -10}
"""Dagster starts the highest first: what arrives goes before what is repeated."""
_LONGEST_TAG = 250


def run_tags(
    trigger: str,
    why: str,
    hours: tuple[datetime, datetime] | None = None,
    files: int | None = None,
    elections: Sequence[str] = (),
) -> dict[str, str]:
    """Tags of a run: what asked for it and why, its hours (first and last, UTC), how many files, whose elections."""
    tags = {TRIGGER: trigger, WHY: why, "dagster/priority": str(_PRIORITIES.get(trigger, 0))}
    if hours is not None:
        first, last = hours
        tags |= range_tags(first, last)
        tags["election_metrics/hours"] = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
    if files is not None:
        tags["election_metrics/files"] = str(files)
    if elections:
        tags["election_metrics/elections"] = ", ".join(elections)[:_LONGEST_TAG]
    return tags


update_metrics_job = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.assets(*ASSETS),
    description="Lands new files, then computes the hours of the run's partition range and all that follows from them.",
    # One process: a process per step costs 3 s each.
    executor_def=dg.in_process_executor,
    tags={"dagster/max_runtime": "7200"},
)

reconciliation_job = dg.define_asset_job(
    "reconciliation_job",
    selection=dg.AssetSelection.assets("reconciliations"),
    description="The final count: every hour of an election whose voting is over is counted again from the lake.",
    executor_def=dg.in_process_executor,
    tags={"dagster/max_runtime": "21600"},
)


class MaintenanceConfig(dg.Config):
    """How to maintain."""

    dry_run: bool = False
    """Say what would be done, and do nothing."""


@dg.op
def maintain(context: dg.OpExecutionContext, config: MaintenanceConfig, settings: SettingsResource) -> None:
    """Prunes Dagster's records, merges parts of closed hours, removes files that nothing points at."""
    from election_metrics.automation.upkeep import maintain as do

    with failures_in_words():
        done = do(settings, dry_run=config.dry_run)
    for what, count in done.items():
        context.log.info(f"{what}: {count}{' would go' if config.dry_run else ''}")
    context.add_output_metadata({**done, "dry_run": config.dry_run})


@dg.job(executor_def=dg.in_process_executor, tags={"dagster/max_runtime": "7200"})
def maintenance_job() -> None:
    """Keeps the system small: see `election-metrics maintain`."""
    maintain()
