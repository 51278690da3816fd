"""Sees what is wrong, and says so once: to the log, to a webhook, by mail. Says as well when it is over.

Level-triggered like everything here: what was said is written down (`ingest.problems`), so a restart neither repeats
nor forgets an alert, and one that could not be delivered is tried again.
"""

import json
import logging
import shutil
import smtplib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from html import escape
from urllib.parse import unquote, urlsplit

import dagster as dg
import sqlalchemy as sa

from election_metrics.automation.problems import (
    FailedCheck,
    FailedRun,
    Overdue,
    Seen,
    find_problems,
    message,
    recovery,
    without_secrets,
)
from election_metrics.pipeline.run_tags import TRIGGER
from election_metrics.settings import Settings

_log = logging.getLogger("election_metrics.alerts")
_SECONDS = 10
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_STALE_RUN = timedelta(hours=24)


def raise_alerts(
    settings: Settings, instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckSpec], now: datetime | None = None
) -> list[str]:
    """Compares what is wrong now with what was said; sends and stores the difference; returns the texts sent."""
    from election_metrics.warehouse.database import lock, transaction
    from election_metrics.warehouse.tables import problems as table

    moment = now or datetime.now(UTC)
    found = {p.key: p for p in find_problems(see(settings, instance, checks), moment, settings.ui_url)}
    sent = []
    with transaction(settings) as connection:
        lock(connection, "problems")
        known = {row.problem_id: row for row in connection.execute(sa.select(table))}
        for key in sorted(known.keys() - found.keys()):
            text = recovery(known[key].title, known[key].since, moment)
            if known[key].alerted_at is None or deliver(settings, text):
                connection.execute(sa.delete(table).where(table.c.problem_id == key))
                sent.append(text)
        for key, problem in sorted(found.items()):
            before = known.get(key)
            since = before.since if before else moment
            if before is None:
                row = {"problem_id": key, "severity": problem.severity, "title": problem.title}
                connection.execute(sa.insert(table).values(**row, detail=_clean(settings, problem.detail), since=since))
            if before is None or before.alerted_at is None:
                text = message(problem, since)
                if deliver(settings, text):
                    connection.execute(sa.update(table).where(table.c.problem_id == key).values(alerted_at=moment))
                    sent.append(_clean(settings, text))
    return sent


def see(settings: Settings, instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckSpec]) -> Seen:
    """What there is to see: in Dagster, in the warehouse, on the disk."""
    from election_metrics.warehouse.database import transaction
    from election_metrics.warehouse.due import read_overdue
    from election_metrics.warehouse.elections import read_behind_since
    from election_metrics.warehouse.table_reads import looked_at

    with transaction(settings) as connection:
        overdue = [Overdue(*row) for row in read_overdue(connection, settings.late_after)]
        oldest_behind = read_behind_since(connection)
        tables = looked_at(connection) if settings.source_url is not None else []
    settings.scratch_path.mkdir(mode=0o700, parents=True, exist_ok=True)
    usage = shutil.disk_usage(settings.scratch_path)
    failed_runs, failed_checks = _failed_runs(instance), _failed_checks(instance, checks)
    return Seen(failed_runs, failed_checks, overdue, oldest_behind, usage.free / usage.total, tables)


def _failed_runs(instance: dg.DagsterInstance) -> list[FailedRun]:
    """The newest run of each kind, where it failed. A kind is a job and who asked for it."""
    newest: dict[str, dg.DagsterRun] = {}
    filters = dg.RunsFilter(statuses=_FINISHED, updated_after=datetime.now(UTC) - _STALE_RUN)
    for record in instance.get_run_records(filters, limit=200):
        run = record.dagster_run
        if run.status == dg.DagsterRunStatus.FAILURE and run.tags.get("dagster/will_retry") == "true":
            continue  # Dagster starts it again: what becomes of that is the news
        newest.setdefault(f"{run.job_name} ({run.tags.get(TRIGGER, 'by hand')})", run)
    return [
        FailedRun(run.run_id, kind, reason_of(instance, run.run_id))
        for kind, run in newest.items()
        if run.status == dg.DagsterRunStatus.FAILURE
    ]


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
    specs = {spec.key: spec for spec in checks}
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(specs))
    failed = []
    for key, record in records.items():
        event = record.event.dagster_event if record.event else None
        if event is None or event.event_type_value != "ASSET_CHECK_EVALUATION":
            continue
        evaluation = event.asset_check_evaluation_data
        if not evaluation.passed:
            is_error = evaluation.severity == dg.AssetCheckSeverity.ERROR
            said = specs[key].description or key.name
            failed.append(FailedCheck(key.asset_key.to_user_string(), key.name, is_error, said))
    return failed


def deliver(settings: Settings, text: str) -> bool:
    """Sends a text everywhere that the settings name; whether all of it arrived."""
    text = _clean(settings, text)
    _log.warning(text)
    ways: list[Callable[[Settings, str], None]] = []
    if settings.alert_webhook is not None:
        ways.append(_post)
    if settings.alert_email is not None and settings.smtp_url is not None:
        ways.append(_mail)
    arrived = True
    for way in ways:
        try:
            way(settings, text)
        except Exception as error:  # an alert that fails must not fail the sensor: it is sent again
            _log.error(_clean(settings, f"the alert could not be sent ({way.__name__[1:]}): {type(error).__name__}"))
            arrived = False
    return arrived


def _post(settings: Settings, text: str) -> None:
    import requests

    assert settings.alert_webhook is not None
    # To Slack, <…> in a name of others would be a link, or a call to everybody.
    body = json.dumps({"text": escape(text, quote=False)}, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    url = settings.alert_webhook.get_secret_value()
    requests.post(url, data=body, headers=headers, timeout=_SECONDS).raise_for_status()


def _mail(settings: Settings, text: str) -> None:
    assert settings.smtp_url is not None
    assert settings.alert_email is not None
    url = urlsplit(settings.smtp_url.get_secret_value())
    mail = EmailMessage()
    mail["Subject"] = f"[election-metrics] {text.splitlines()[0]}"
    mail["From"] = unquote(url.username or "") if "@" in unquote(url.username or "") else settings.alert_email
    mail["To"] = settings.alert_email
    mail.set_content(text)
    kind = smtplib.SMTP_SSL if url.scheme == "smtps" else smtplib.SMTP
    with kind(url.hostname or "", url.port or (465 if url.scheme == "smtps" else 587), timeout=_SECONDS) as server:
        if url.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls()
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(mail)


def _clean(settings: Settings, text: str) -> str:
    """The text without passwords and webhook addresses."""
    secrets = {}
    for name in ("database_url", "dagster_database_url", "smtp_url", "alert_webhook"):
        value = getattr(settings, name)
        if value is not None:
            secret = value.get_secret_value()
            secrets[name] = secret
            secrets[f"password of {name}"] = unquote(urlsplit(secret).password or "")
    return without_secrets(text, secrets)
