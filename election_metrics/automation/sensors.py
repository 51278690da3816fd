"""The sensors. They are level-triggered: none has a cursor; each compares states and requests what is missing."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from election_metrics.assets.partitions import in_grid
from election_metrics.assets.resources import SettingsResource
from election_metrics.automation.decisions import (
    Attempt,
    ElectionsPlan,
    RegistryPlan,
    RunPlan,
    Skip,
    ask_for_new,
    ask_for_what_changed,
    fingerprint,
    wait_after_failures,
)
from election_metrics.automation.jobs import OF_ELECTIONS, REGISTRY, update_metrics_job
from election_metrics.automation.queue import UNFINISHED
from election_metrics.errors import ElectionMetricsError
from election_metrics.pipeline.disk import no_room
from election_metrics.pipeline.run_tags import JOB, STATE, TRIGGER, run_tags
from election_metrics.settings import Settings

if TYPE_CHECKING:
    from election_metrics.pipeline.landing import Source


@dg.sensor(job=update_metrics_job, minimum_interval_seconds=2, default_status=dg.DefaultSensorStatus.RUNNING)
def new_transactions_sensor(
    context: dg.SensorEvaluationContext, settings: SettingsResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Requests a run for file versions of the source, and rows of the source table, that are not in the ledger.

    One run lands them and computes their hours.
    """
    from election_metrics.pipeline.sources import NONE_NAMED, sources_of

    try:
        sources = sources_of(settings)
    except ElectionMetricsError as error:
        yield dg.SkipReason(str(error))
        return
    if not sources:
        yield dg.SkipReason(f"{NONE_NAMED}: there is nothing to watch")
        return
    if full := no_room(settings):
        yield dg.SkipReason(full)
        return
    if busy := _busy(context.instance, ["new_transactions"]):
        yield dg.SkipReason(f"{_state_of(busy)}; {_progress(busy, settings)}")
        return
    now = datetime.now(UTC)
    found = [request for source in sources for request in _requests_for(context.instance, settings, source, now)]
    requests = [request for request in found if isinstance(request, dg.RunRequest)]
    yield from requests
    if not requests:
        yield dg.SkipReason("; ".join(str(skip.skip_message) for skip in found if isinstance(skip, dg.SkipReason)))


def _requests_for(
    instance: dg.DagsterInstance, settings: Settings, source: "Source", now: datetime
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    from election_metrics.clock import hour_start

    try:
        new = source.pending(settings, now)
    except ElectionMetricsError as error:
        yield dg.SkipReason(str(error))
        return
    hours = in_grid(hour_start(number) for number in new.hours)
    plan = ask_for_new(new.news, new.nothing, hours, now, settings.max_hours_per_run)
    state = fingerprint(new.state)
    config = {"ops": {"landed_files": {"config": new.config}}}
    yield from _requests(instance, [plan], "new_transactions", state, now, new.files, new.elections, config)


@dg.sensor(job=update_metrics_job, minimum_interval_seconds=7, default_status=dg.DefaultSensorStatus.RUNNING)
def changed_hours_sensor(
    context: dg.SensorEvaluationContext, settings: SettingsResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Requests a run for stale hours: hours for which late rows or corrections landed after they were computed.

    Also for elections behind their hours, which a backfill of `hourly_stats` alone leaves, and for the registry when
    reference data changed.
    """
    from election_metrics.pipeline.hours import changed_hours
    from election_metrics.pipeline.publication import elections_behind
    from election_metrics.pipeline.registry import registry_is_behind

    if busy := _busy(context.instance, ["new_transactions", "changed_hours"]):
        yield dg.SkipReason(_state_of(busy))
        return
    now = datetime.now(UTC)
    try:
        changed = in_grid(changed_hours(settings, now))
        behind = elections_behind(settings)
        is_behind = registry_is_behind(settings)
    except ElectionMetricsError as error:
        yield dg.SkipReason(str(error))
        return
    asks = ask_for_what_changed(changed, behind, is_behind, settings.max_hours_per_run)
    state = fingerprint(["registry"] if is_behind else changed or behind)
    yield from _requests(context.instance, asks, "changed_hours", state, now)


def _busy(instance: dg.DagsterInstance, triggers: list[str]) -> dg.DagsterRun | None:
    """An unfinished run with one of these triggers, if any."""
    for trigger in triggers:
        filters = dg.RunsFilter(job_name=JOB, statuses=list(UNFINISHED), tags={TRIGGER: trigger})
        for run in instance.get_runs(filters, limit=1):
            return run
    return None


def _state_of(run: dg.DagsterRun) -> str:
    return f"run {run.run_id[:8]} ({run.tags[TRIGGER]}) is {run.status.value.lower()}"


def _progress(run: dg.DagsterRun, settings: Settings) -> str:
    """Landing progress of a run."""
    from election_metrics.pipeline.file_landing import files_of_run
    from election_metrics.pipeline.run_tags import FILES

    try:
        landed = files_of_run(settings, run.run_id)
    except ElectionMetricsError as error:
        return str(error)
    if run.status != dg.DagsterRunStatus.STARTED:
        return f"{landed:,} file(s) landed"
    return f"{landed:,} of {int(run.tags.get(FILES, landed)):,} file(s) landed"


def _requests(
    instance: dg.DagsterInstance,
    asks: Sequence[RunPlan | RegistryPlan | ElectionsPlan | Skip],
    trigger: str,
    state: str,
    now: datetime,
    files: int = 0,
    elections: Sequence[str] = (),
    run_config: Mapping[str, object] | None = None,
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    failed = wait_after_failures(_failed(instance, state), now)
    for asked in asks:
        decision = asked if isinstance(asked, Skip) else failed or asked
        if isinstance(decision, Skip):
            yield dg.SkipReason(decision.reason)
            return
        hours = (decision.first, decision.last) if isinstance(decision, RunPlan) else None
        registry = REGISTRY if isinstance(decision, RegistryPlan) else ()
        # No run key: Dagster would never repeat it, and a failed run must be requested again.
        yield dg.RunRequest(
            tags={**run_tags(trigger, decision.reason, hours, files or None, elections), STATE: state},
            run_config=dict(run_config or {}),
            asset_selection=None if hours else [dg.AssetKey(name) for name in (*registry, *OF_ELECTIONS)],
        )


def _failed(instance: dg.DagsterInstance, state: str) -> list[Attempt]:
    filters = dg.RunsFilter(job_name=JOB, tags={STATE: state}, statuses=[dg.DagsterRunStatus.FAILURE])
    return [
        Attempt(record.dagster_run.run_id, datetime.fromtimestamp(record.end_time or 0, tz=UTC))
        for record in instance.get_run_records(filters, limit=20)
    ]


@dg.sensor(minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def problems_sensor(context: dg.SensorEvaluationContext, settings: SettingsResource) -> dg.SkipReason:
    """Raises alerts once by log, webhook, mail and Apprise, and once more when a problem is over; requests no run."""
    from election_metrics.automation.alerts import raise_alerts

    try:
        sent = raise_alerts(settings, context.instance, _check_specs())
    except ElectionMetricsError as error:
        return dg.SkipReason(str(error))
    return dg.SkipReason("; ".join(text.splitlines()[0] for text in sent) or "nothing new is wrong")


def _check_specs() -> list[dg.AssetCheckSpec]:
    from election_metrics.assets.checks import checks

    return [spec for check in checks for spec in check.check_specs]
