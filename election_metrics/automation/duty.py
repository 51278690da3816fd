"""Health of Dagster's automation: failing ticks, stopped sensors and schedules, daemons without a heartbeat.

Everything is read from Dagster's tables, so that `up` can see it while the daemon is dead.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickStatus

from election_metrics.automation.observations import FailingTicks, Silent

NAMES = frozenset(
    {
        "new_transactions_sensor",
        "changed_hours_sensor",
        "problems_sensor",
        "active_elections_schedule",
        "quiet_hours_schedule",
        "reconciliation_schedule",
        "portal_schedule",
        "maintenance_schedule",
    }
)
"""Sensors and schedules of this project; Dagster's tables may still list others."""
IN_A_ROW = 3
NO_HEARTBEAT_FOR = timedelta(seconds=150)
_ENDED = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]


def failing_ticks(instance: dg.DagsterInstance) -> list[FailingTicks]:
    """Sensors and schedules whose last three ticks all failed."""
    found = []
    for state in _ours(instance):
        if state.status == InstigatorStatus.STOPPED:
            continue
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=IN_A_ROW, statuses=_ENDED)
        if len(ticks) == IN_A_ROW and all(tick.status == TickStatus.FAILURE for tick in ticks):
            error = ticks[0].error
            reason = (error.cause or error).message if error else "no reason is recorded"
            found.append(FailingTicks(state.instigator_name, IN_A_ROW, reason.strip()))
    return sorted(found, key=lambda tick: tick.name)


def stopped(instance: dg.DagsterInstance) -> list[str]:
    """Sensors and schedules that are turned off."""
    return sorted(state.instigator_name for state in _ours(instance) if state.status == InstigatorStatus.STOPPED)


def without_heartbeat(instance: dg.DagsterInstance, started_at: datetime, now: datetime) -> list[Silent]:
    """Daemons whose heartbeat is old or missing; a daemon that has just started is given time.

    Args:
        instance: the Dagster instance.
        started_at: when the daemon process was started.
        now: current time.
    """
    heartbeats = instance.get_daemon_heartbeats()
    silent = []
    for kind in sorted(instance.get_required_daemon_types()):
        beat = heartbeats.get(kind)
        last = started_at if beat is None else max(started_at, datetime.fromtimestamp(beat.timestamp, UTC))
        if now - last > NO_HEARTBEAT_FOR:
            silent.append(Silent(f"daemon ({kind.lower()})", last))
    return silent


def oldest_heartbeat(instance: dg.DagsterInstance) -> datetime | None:
    """The oldest of the daemons' last heartbeats; None if there never was one."""
    heartbeats = instance.get_daemon_heartbeats()
    moments = [heartbeats[kind].timestamp for kind in instance.get_required_daemon_types() if kind in heartbeats]
    return datetime.fromtimestamp(min(moments), UTC) if moments else None


def _ours(instance: dg.DagsterInstance) -> Iterator[InstigatorState]:
    return (state for state in instance.all_instigator_state() if state.instigator_name in NAMES)
