"""Raises alerts: each problem is reported once to the log, a webhook, mail and Apprise, and once more when it is over.

Level-triggered: sent alerts are stored in `ingest.problems`, so a restart neither repeats nor loses an alert, and an
alert that could not be delivered is retried. Problems that can be seen without the warehouse and the daemon are
reported by `up` (`runtime/watching.py`); without `up`, they are reported here.
"""

import contextlib
import logging
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from election_metrics.automation.alert_texts import message, recovery
from election_metrics.automation.delivery import deliver, without_own_secrets
from election_metrics.automation.duty import failing_ticks, stopped
from election_metrics.automation.observations import FailedCheck, FailedRun, FullDisk, Overdue, Seen, Silent, Waiting
from election_metrics.automation.problems import find_problems
from election_metrics.errors import ElectionMetricsError
from election_metrics.pipeline.disk import disks_of
from election_metrics.pipeline.last_known import SUPERVISOR, read_last_known, unwatched
from election_metrics.pipeline.run_tags import TRIGGER, WHY
from election_metrics.settings import Settings

_log = logging.getLogger("election_metrics.alerts")
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_ANSWERED = frozenset({AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED})
_STALE_RUN = timedelta(hours=24)
_MOST_FAILURES_A_KIND = 20
_MOST_LOOKED_AT = 1_000
_SECONDS_LOOKING = 10.0
_QUIET_LONG_ENOUGH = timedelta(minutes=15)


def raise_alerts(
    settings: Settings, instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckSpec], now: datetime | None = None
) -> list[str]:
    """Compares current problems with the stored ones; sends and stores the difference; returns the texts sent."""
    from election_metrics.warehouse.database import lock, transaction
    from election_metrics.warehouse.tables import problems as table

    moment, host = now or datetime.now(UTC), socket.gethostname()
    last_known = read_last_known(settings)
    is_watched = last_known.watches(datetime.now(UTC))
    of_supervisor = {problem.key for problem in last_known.problems} if is_watched else set()
    seen = see(settings, instance, checks, is_watched=is_watched)
    if (hung := unwatched(settings, last_known, datetime.now(UTC))) is not None:
        seen = replace(seen, silent=[*seen.silent, Silent(SUPERVISOR, hung.since)])
    found = {problem.key: problem for problem in find_problems(seen, moment, settings.ui_url)}
    sent = []
    with transaction(settings) as connection:
        lock(connection, "problems")
        known = {row.problem_id: row for row in connection.execute(sa.select(table))}
        for key in sorted(known.keys() - found.keys()):
            text = recovery(known[key].title, known[key].since, moment, host)
            if known[key].alerted_at is None or key in of_supervisor or _send(settings, text):
                connection.execute(sa.delete(table).where(table.c.problem_id == key))
                sent.append(text)
        for key, problem in sorted(found.items()):
            before = known.get(key)
            since = before.since if before else moment
            texts = {"title": without_own_secrets(settings, problem.title),
                     "detail": without_own_secrets(settings, problem.detail)}  # fmt: skip
            if before is None:
                row = {"problem_id": key, "severity": problem.severity, "since": since, **texts}
                connection.execute(sa.insert(table).values(row))
            elif before.detail != texts["detail"]:
                # A newer run failed for the same cause: the detail links to it, and no second alert is sent. The title
                # stays as it was sent, because the all-clear repeats it.
                connection.execute(sa.update(table).where(table.c.problem_id == key).values(detail=texts["detail"]))
            if before is None or before.alerted_at is None:
                text = message(problem, since, host)
                if _send(settings, text):
                    connection.execute(sa.update(table).where(table.c.problem_id == key).values(alerted_at=moment))
                    sent.append(without_own_secrets(settings, text))
    return sent


def _send(settings: Settings, text: str) -> bool:
    _log.warning(without_own_secrets(settings, text))
    return deliver(settings, text)


def see(
    settings: Settings, instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckSpec], *, is_watched: bool = False
) -> Seen:
    """Reads the state of Dagster, the warehouse and the disks, without what a supervisor already watches."""
    from election_metrics.warehouse.database import transaction
    from election_metrics.warehouse.due import read_overdue
    from election_metrics.warehouse.stale_hours import read_behind_since
    from election_metrics.warehouse.table_reads import looked_at

    with transaction(settings) as connection:
        overdue = [Overdue(*row) for row in read_overdue(connection, settings.late_after)]
        oldest_behind = read_behind_since(connection)
        tables = looked_at(connection) if settings.source_url is not None else []
    trouble = source_trouble(settings)
    return Seen(
        failed_runs=_failed_runs(instance),
        failed_checks=_failed_checks(instance, checks),
        overdue=overdue,
        oldest_behind=oldest_behind,
        tables=tables,
        waiting=None if trouble else waiting_files(settings),
        source=None if is_watched else trouble,
        disks=[] if is_watched else full_disks(settings),
        failing_ticks=[] if is_watched else failing_ticks(instance),
        stopped=[] if is_watched else stopped(instance),
        sees_every_disk=settings.database_url is None,
    )


def full_disks(settings: Settings) -> list[FullDisk]:
    """The free space of each disk in use."""
    return [
        FullDisk(disk.what, disk.path, disk.free / max(1, disk.total), str(disk), disk.is_full)
        for disk in disks_of(settings)
    ]


def source_trouble(settings: Settings) -> tuple[str, str] | None:
    """The source and what is wrong with it; None if nothing is wrong."""
    from election_metrics.pipeline.source import EMPTIED, landed_from, look_at_source

    source = settings.source_path
    if source is None:
        return None
    state = look_at_source(source)
    trouble = state.trouble
    if not trouble and not state.has_files and landed_from(settings, source):
        trouble = EMPTIED
    return (str(source), trouble) if trouble else None


def waiting_files(settings: Settings) -> Waiting | None:
    """Files that are complete and have not landed; checked only if nothing has landed for a while."""
    from election_metrics.pipeline.pending_files import pending_files
    from election_metrics.warehouse.database import transaction

    source = settings.source_path
    if source is None:
        return None
    with transaction(settings) as connection:
        landed = connection.execute(sa.text("SELECT max(seen_at) FROM ingest.transaction_files")).scalar()
    if landed is not None and datetime.now(UTC) - landed < _QUIET_LONG_ENOUGH:
        return None
    try:
        until = time.monotonic() + _SECONDS_LOOKING
        pending, _, _ = pending_files(settings, source, settled_only=True, enough=lambda _: time.monotonic() > until)
    except ElectionMetricsError:
        return None  # reported as a problem of the source
    if not pending:
        return None
    # A copied file keeps its modification time; the inode's change time tells when it arrived here.
    came = min(_came_at(file.path, file.modified_ns) for file in pending[:_MOST_LOOKED_AT])
    return Waiting(str(source), len(pending), max(came, landed) if landed is not None else came)


def _came_at(path: str, modified_ns: int) -> datetime:
    seconds = modified_ns / 1e9
    with contextlib.suppress(OSError):
        seconds = Path(path).stat().st_ctime
    return datetime.fromtimestamp(max(0.0, seconds), UTC)


def _failed_runs(instance: dg.DagsterInstance) -> list[FailedRun]:
    """Runs that failed since the last success of their kind, newest first. A kind is a job and its trigger."""
    well: set[str] = set()
    failed: dict[str, list[str]] = {}
    found = []
    filters = dg.RunsFilter(statuses=_FINISHED, updated_after=datetime.now(UTC) - _STALE_RUN)
    for record in instance.get_run_records(filters, limit=200):
        run = record.dagster_run
        kind = f"{run.job_name} ({run.tags.get(TRIGGER, 'by hand')})"
        if run.status == dg.DagsterRunStatus.SUCCESS:
            well.add(kind)
        elif kind not in well and run.tags.get("dagster/will_retry") != "true":
            # Dagster retries the others; the outcome of the retry is what counts.
            runs = failed.setdefault(kind, [])
            if len(runs) < _MOST_FAILURES_A_KIND:
                runs.append(run.run_id)
                reason = _remembered_reason(instance, run.run_id)
                found.append(FailedRun(run.run_id, kind, reason, run.tags.get(WHY, "")))
    return found


_reasons: dict[str, str] = {}


def _remembered_reason(instance: dg.DagsterInstance, run_id: str) -> str:
    """Why a run failed, cached: the events of an ended run do not change."""
    if run_id not in _reasons:
        if len(_reasons) > 1_000:
            _reasons.clear()
        _reasons[run_id] = reason_of(instance, run_id)
    return _reasons[run_id]


def reason_of(instance: dg.DagsterInstance, run_id: str) -> str:
    """Why a run failed, in a sentence."""
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    for entry in instance.all_logs(run_id, of_type=kinds):
        event = entry.dagster_event
        if event is not None and event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return str(data.user_failure_data.description)
            if data.error:
                return str((data.error.cause or data.error).message.strip())
        if event is not None and event.message:
            return str(event.message)
    return "no reason is recorded"


def _failed_checks(instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckSpec]) -> list[FailedCheck]:
    """Checks whose newest result is a failure. A check that is running again counts as failed until it has passed."""
    specs = {spec.key: spec for spec in checks}
    storage = instance.event_log_storage
    failed = []
    for key, newest in storage.get_latest_asset_check_execution_by_key(list(specs)).items():
        records = [newest]
        if newest.status not in _ANSWERED:
            records = list(storage.get_asset_check_execution_history(key, limit=1, status=_ANSWERED))
        for record in records:
            event = record.event.dagster_event if record.event else None
            evaluation = event.asset_check_evaluation_data if event is not None else None
            if evaluation is None or evaluation.passed:
                continue
            is_error = evaluation.severity == dg.AssetCheckSeverity.ERROR
            expected = specs[key].description or key.name
            found = evaluation.metadata.get("found")
            found_text = str(found.value) if found else ""
            failed.append(FailedCheck(key.asset_key.to_user_string(), key.name, is_error, expected, found_text))
    return failed
