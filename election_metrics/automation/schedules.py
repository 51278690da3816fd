"""The schedules: refresh active elections, record empty hours, run the final count, and maintain."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

import dagster as dg

from election_metrics.assets.partitions import FIRST
from election_metrics.assets.resources import SettingsResource
from election_metrics.automation.decisions import Skip, ask_for_active, ask_for_quiet_hours, ask_for_reconciliation
from election_metrics.automation.jobs import PORTAL, maintenance_job, portal_job, reconciliation_job, update_metrics_job
from election_metrics.automation.queue import UNFINISHED
from election_metrics.errors import ElectionMetricsError
from election_metrics.pipeline.run_tags import HOURLY, PORTAL_JOB, TRIGGER, hour_of_key, run_tags

_schedule = partial(dg.schedule, execution_timezone="UTC", default_status=dg.DefaultScheduleStatus.RUNNING)


@_schedule(job=update_metrics_job, cron_schedule="*/5 * * * *")
def active_elections_schedule(
    context: dg.ScheduleEvaluationContext, settings: SettingsResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """While an election is voting: computes velocities of the current hour, coverage, freshness. Else skips."""
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
    if isinstance(asked, Skip):
        yield dg.SkipReason(asked.reason)
        return
    yield dg.RunRequest(
        run_key=f"schedule {datetime.isoformat(now)}",
        tags=run_tags("schedule", asked.reason, (max(asked.first, FIRST), asked.last)),
    )


@_schedule(job=update_metrics_job, cron_schedule="*/10 * * * *")
def quiet_hours_schedule(
    context: dg.ScheduleEvaluationContext, settings: SettingsResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Records past hours in which nothing landed as empty, so that "no transactions" is a result, not a gap."""
    from election_metrics.pipeline.hours import changed_hours, first_landed_hour

    now = context.scheduled_execution_time.astimezone(UTC)
    try:
        first, changed = first_landed_hour(settings), changed_hours(settings, now)
    except ElectionMetricsError as error:
        yield dg.SkipReason(str(error))
        return
    computed = context.instance.get_materialized_partitions(dg.AssetKey("hourly_stats"))
    known = {*map(hour_of_key, computed), *changed}
    asks = ask_for_quiet_hours(max(first, FIRST) if first else None, now, known, settings.max_hours_per_run)
    for asked in asks:
        yield dg.RunRequest(
            run_key=f"quiet {asked.first.isoformat()} {now.isoformat()}",
            tags=run_tags("upkeep", asked.reason, (asked.first, asked.last)),
            asset_selection=[dg.AssetKey(name) for name in HOURLY],
            asset_check_keys=[],  # the newest check results stay those of hours with transactions
        )
    if not asks:
        yield dg.SkipReason("every hour that is over was computed")


@_schedule(job=reconciliation_job, cron_schedule="*/10 * * * *")
def reconciliation_schedule(
    context: dg.ScheduleEvaluationContext, settings: SettingsResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """When voting is over and no hour is behind: counts every hour of the election again from the lake."""
    from election_metrics.pipeline.hours import changed_hours
    from election_metrics.pipeline.reconciliation import closed_elections

    now = context.scheduled_execution_time.astimezone(UTC)
    try:
        asked = ask_for_reconciliation(closed_elections(settings, now), len(changed_hours(settings, now)))
    except ElectionMetricsError as error:
        yield dg.SkipReason(str(error))
        return
    if isinstance(asked, Skip):
        yield dg.SkipReason(asked.reason)
        return
    yield dg.RunRequest(run_key=f"reconciliation {now.isoformat()}", tags=run_tags("upkeep", asked.reason))


@_schedule(job=portal_job, cron_schedule="*/10 * * * *")
def portal_schedule(context: dg.ScheduleEvaluationContext, settings: SettingsResource) -> dg.RunRequest | dg.SkipReason:
    """While there is something to ask the portal: its counts of the last hour; every six hours its registry too."""
    from election_metrics.pipeline.portal import NONE_SET, what_is_due

    now = context.scheduled_execution_time.astimezone(UTC)
    if settings.portal_url is None:
        return dg.SkipReason(NONE_SET)
    # Runs of the command line may be killed without a trace; those of the daemon are watched.
    filters = dg.RunsFilter(job_name=PORTAL_JOB, statuses=list(UNFINISHED), tags={TRIGGER: "upkeep"})
    if context.instance.get_runs(filters, limit=1):
        return dg.SkipReason("the portal is being asked")
    try:
        contracts, is_registry_due = what_is_due(settings, now)
    except ElectionMetricsError as error:
        return dg.SkipReason(str(error))
    if not contracts and not is_registry_due:
        return dg.SkipReason("the portal was asked for every hour that it may have published")
    names = PORTAL if is_registry_due else PORTAL[1:]
    return dg.RunRequest(
        run_key=f"portal {now.isoformat()}",
        tags=run_tags("upkeep", f"{contracts} contract(s) to ask the portal for"),
        asset_selection=[dg.AssetKey(name) for name in names],
    )


@_schedule(job=maintenance_job, cron_schedule="7 * * * *")
def maintenance_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Every hour: removes what is no longer needed, so that neither the disk nor Dagster's database fills."""
    now = context.scheduled_execution_time.astimezone(UTC)
    return dg.RunRequest(run_key=f"maintenance {now.isoformat()}", tags=run_tags("upkeep", "hourly"))
