"""The whole graph on one page.

    landed_files -> elections, constituencies -> hourly_stats -> constituency_metrics -> anomalies
         `-> raw_transactions --------------------^                    reconciliations <- election_summaries <-'

    portal_registry -> elections, constituencies; portal_registry -> portal_counters -> portal_agreement <- hourly_stats

Each asset has a module of its name in `election_metrics/assets`.
"""

import contextlib
from collections.abc import Mapping

import dagster as dg

from election_metrics.assets.anomalies import anomalies
from election_metrics.assets.checks import checks
from election_metrics.assets.constituency_metrics import constituency_metrics
from election_metrics.assets.election_summaries import election_summaries
from election_metrics.assets.hourly_stats import hourly_stats
from election_metrics.assets.landed_files import landed_files
from election_metrics.assets.portal import portal_agreement, portal_counters, portal_registry
from election_metrics.assets.raw_transactions import raw_transactions
from election_metrics.assets.reconciliations import reconciliations
from election_metrics.assets.registry import registry
from election_metrics.assets.resources import Progress
from election_metrics.automation.console import console
from election_metrics.automation.executors import executor
from election_metrics.automation.jobs import maintenance_job, portal_job, reconciliation_job, update_metrics_job
from election_metrics.automation.schedules import (
    active_elections_schedule,
    maintenance_schedule,
    portal_schedule,
    quiet_hours_schedule,
    reconciliation_schedule,
)
from election_metrics.automation.sensors import changed_hours_sensor, new_transactions_sensor, problems_sensor
from election_metrics.errors import TransientError
from election_metrics.settings import Settings, settings


@dg.resource
def ready_settings(_: dg.InitResourceContext) -> Settings:
    """The settings; creates the tables if Dagster is started first, on an empty HOME."""
    from election_metrics.warehouse.migrate import make_tables

    chosen = settings()
    with contextlib.suppress(TransientError):  # steps that need PostgreSQL retry and report it
        make_tables(chosen)
    return chosen


def build_defs(*, resource_overrides: Mapping[str, object] | None = None) -> dg.Definitions:
    """The definitions; tests and the command line replace resources by `resource_overrides`."""
    return dg.Definitions(
        # Each asset links to its file, if the UI runs on the machine of the code.
        assets=dg.with_source_code_references(
            [
                landed_files,
                registry,
                raw_transactions,
                hourly_stats,
                constituency_metrics,
                anomalies,
                election_summaries,
                reconciliations,
                portal_registry,
                portal_counters,
                portal_agreement,
            ]
        ),
        asset_checks=checks,
        jobs=[update_metrics_job, reconciliation_job, portal_job, maintenance_job],
        sensors=[new_transactions_sensor, changed_hours_sensor, problems_sensor],
        schedules=[
            active_elections_schedule,
            quiet_hours_schedule,
            reconciliation_schedule,
            portal_schedule,
            maintenance_schedule,
        ],
        executor=executor(settings()),
        loggers={"console": console},
        resources={"settings": ready_settings, "progress": Progress(), **(resource_overrides or {})},
    )


defs = build_defs()
