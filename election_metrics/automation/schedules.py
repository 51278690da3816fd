"""The schedule that keeps active elections fresh."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg

from election_metrics.assets.partitions import range_tags
from election_metrics.assets.running import SettingsResource
from election_metrics.automation.decisions import Wait, ask_for_active
from election_metrics.automation.jobs import TRIGGER, WHY, update_metrics_job
from election_metrics.errors import ElectionMetricsError


@dg.schedule(
    job=update_metrics_job,
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def active_elections_schedule(
    context: dg.ScheduleEvaluationContext, settings: SettingsResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """While an election is voting: velocities of the hour in progress, coverage, freshness. Else: why not."""
    from election_metrics.warehouse.database import transaction
    from election_metrics.warehouse.registry import read_voting_times

    now = context.scheduled_execution_time.astimezone(UTC)
    try:
        with transaction(settings) as connection:
            elections = read_voting_times(connection)
    except ElectionMetricsError as error:
        yield dg.SkipReason(str(error))
        return
    asked = ask_for_active(elections, now)
    if isinstance(asked, Wait):
        yield dg.SkipReason(asked.reason)
        return
    yield dg.RunRequest(
        run_key=f"schedule {datetime.isoformat(now)}",
        tags={**range_tags(asked.first, asked.last), TRIGGER: "schedule", WHY: asked.reason},
    )
