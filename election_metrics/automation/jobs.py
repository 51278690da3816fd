"""The jobs: update the metrics from new input; the final count; maintenance."""

import dagster as dg

from election_metrics.assets.op_tags import SCANS
from election_metrics.assets.partitions import FIRST
from election_metrics.assets.resources import SettingsResource, translate_errors
from election_metrics.pipeline.run_tags import GRID, JOB, KEY_FORMAT, PORTAL_JOB

ASSETS = (
    "landed_files", "elections", "constituencies", "raw_transactions", "hourly_stats", "constituency_metrics",
    "anomalies", "election_summaries",
)  # fmt: skip
"""Assets of `update_metrics_job`, upstream first."""
AFTER_LANDING = ASSETS[ASSETS.index("landed_files") + 1 :]
"""The same without the landing: what counts again from what has landed."""
REGISTRY = ("elections", "constituencies")
PORTAL = ("portal_registry", "portal_counters", "portal_agreement")
"""The second count."""
OF_ELECTIONS = ASSETS[ASSETS.index("constituency_metrics") :]
"""Assets downstream of hours."""


update_metrics_job = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.assets(*ASSETS),
    description="Lands new input, then computes the hours of the run's partition range and everything downstream.",
    tags={"dagster/max_runtime": "7200", GRID: FIRST.strftime(KEY_FORMAT)},
)

reconciliation_job = dg.define_asset_job(
    "reconciliation_job",
    selection=dg.AssetSelection.assets("reconciliations"),
    description="The final count: every hour of an election whose voting is over is counted again from the lake.",
    tags={"dagster/max_runtime": "21600"},
)


portal_job = dg.define_asset_job(
    PORTAL_JOB,
    selection=dg.AssetSelection.assets(*PORTAL),
    description="The second count: collects the portal's registry and its own counts, and compares.",
    tags={"dagster/max_runtime": "3600"},
)


class MaintenanceConfig(dg.Config):
    """Configuration of `maintenance_job`."""

    dry_run: bool = False
    """Report what would be done, and change nothing."""


@dg.op(tags=SCANS)
def maintain(context: dg.OpExecutionContext, config: MaintenanceConfig, settings: SettingsResource) -> None:
    """Prunes Dagster's records, merges the parts of closed hours, removes unreferenced files of the lake."""
    from election_metrics.automation.upkeep import maintain as do

    with translate_errors():
        done = do(settings, dry_run=config.dry_run)
    for what, count in done.items():
        context.log.info(f"{what}: {count}{' would go' if config.dry_run else ''}")
    context.add_output_metadata({**done, "dry_run": config.dry_run})


@dg.job(tags={"dagster/max_runtime": "7200"})
def maintenance_job() -> None:
    """Keeps disks and databases small: see `election-metrics maintain`."""
    maintain()
