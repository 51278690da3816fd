"""Prunes Dagster's records: without it, one run a minute adds some 150 MB a day to its database.

What an operator needs is kept: the newest materialization of every asset and hour with its run, the newest result of
every check, failed runs with all their events for `keep_runs_days`, successful ones for `keep_events_hours`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from election_metrics.errors import TransientError, WarehouseError
from election_metrics.settings import Settings
from election_metrics.warehouse.server import dagster_url, is_missing, plain_url

_DONE = "SELECT run_id FROM runs WHERE status = 'SUCCESS' AND update_timestamp < %(recent)s"
_ENDED = "SELECT run_id FROM runs WHERE status IN ('SUCCESS', 'FAILURE', 'CANCELED')"
_OVER = "SELECT run_id FROM runs WHERE status IN ('SUCCESS', 'FAILURE', 'CANCELED') AND update_timestamp < %(old)s"
# Events that trace a figure to its run are kept longer than the other events of a run.
_TRACE = "('ASSET_MATERIALIZATION', 'ASSET_OBSERVATION', 'ASSET_CHECK_EVALUATION')"
_TABLES = ("event_logs", "asset_event_tags", "asset_check_executions", "job_ticks", "run_tags", "runs")


@dataclass(frozen=True)
class Rule:
    """Rows of one of Dagster's tables that are no longer needed."""

    what: str
    table: str
    where: str


RULES = (
    Rule("ticks that requested nothing", "job_ticks", "status = 'SKIPPED' AND timestamp < %(recent)s"),
    Rule("old ticks", "job_ticks", "timestamp < %(old)s"),
    # Checks that a run planned and did not evaluate. Once it has ended, the previous result is the newest.
    Rule("planned checks of ended runs", "asset_check_executions",
         f"execution_status = 'PLANNED' AND run_id IN ({_ENDED})"),
    Rule("check results replaced by a newer one", "asset_check_executions",
         "execution_status <> 'PLANNED' AND create_timestamp < %(recent)s AND id NOT IN"
         " (SELECT max(id) FROM asset_check_executions WHERE execution_status <> 'PLANNED'"
         "  GROUP BY asset_key, check_name, partition)"),
    Rule("planning events of ended runs", "event_logs",
         "dagster_event_type IN ('ASSET_MATERIALIZATION_PLANNED', 'ASSET_CHECK_EVALUATION_PLANNED')"
         f" AND run_id IN ({_ENDED} AND update_timestamp < %(recent)s)"),
    Rule("events of successful runs", "event_logs",
         f"run_id IN ({_DONE}) AND (dagster_event_type IS NULL OR dagster_event_type NOT IN {_TRACE})"),
    Rule("events of old runs", "event_logs",
         f"run_id IN ({_OVER}) AND (dagster_event_type IS NULL OR dagster_event_type NOT IN {_TRACE})"),
    Rule("materializations replaced by a newer one of the same hour", "event_logs",
         "dagster_event_type IN ('ASSET_MATERIALIZATION', 'ASSET_OBSERVATION') AND timestamp < %(recent)s AND id NOT IN"
         " (SELECT max(id) FROM event_logs WHERE dagster_event_type IN ('ASSET_MATERIALIZATION', 'ASSET_OBSERVATION')"
         "  GROUP BY asset_key, partition)"),
    Rule("events of replaced check results", "event_logs",
         "dagster_event_type = 'ASSET_CHECK_EVALUATION' AND timestamp < %(recent)s AND id NOT IN"
         " (SELECT evaluation_event_storage_id FROM asset_check_executions"
         "  WHERE evaluation_event_storage_id IS NOT NULL)"),
    Rule("tags of deleted events", "asset_event_tags", "event_id NOT IN (SELECT id FROM event_logs)"),
    Rule("tags of old runs", "run_tags",
         f"run_id IN ({_OVER}) AND run_id NOT IN (SELECT run_id FROM event_logs)"),
    Rule("old runs without events", "runs",
         f"run_id IN ({_OVER}) AND run_id NOT IN (SELECT run_id FROM event_logs)"),
)  # fmt: skip


def prune_dagster(settings: Settings, *, dry_run: bool, now: datetime | None = None) -> dict[str, int]:
    """Applies every rule; returns the number of rows each found. With `dry_run`, deletes nothing.

    Raises:
        TransientError: the database cannot be reached.
    """
    moment = now or datetime.now(UTC)
    limits = {
        # Dagster's timestamps are UTC without a time zone.
        "recent": (moment - timedelta(hours=settings.keep_events_hours)).replace(tzinfo=None),
        "old": (moment - timedelta(days=settings.keep_runs_days)).replace(tzinfo=None),
    }
    try:
        with psycopg.connect(plain_url(dagster_url(settings)), connect_timeout=10, autocommit=True) as connection:
            connection.execute("SET timezone = 'UTC'")
            with connection.transaction(force_rollback=dry_run):
                found = {rule.what: _delete(connection, rule, limits) for rule in RULES if _exists(connection, rule)}
            if not dry_run:
                for table in _TABLES:
                    connection.execute(f"VACUUM {table}".encode())
            return found
    except psycopg.OperationalError as error:
        if is_missing(error, dagster_url(settings).database):
            raise WarehouseError("Dagster's database is not there yet; type: election-metrics migrate") from None
        raise TransientError(f"Dagster's database is away or busy: {' '.join(str(error).split())}") from error


def dagster_bytes(settings: Settings) -> int:
    """Size of Dagster's database, in bytes."""
    with psycopg.connect(plain_url(dagster_url(settings)), connect_timeout=10) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        return int(row[0]) if row else 0


def _exists(connection: psycopg.Connection, rule: Rule) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [rule.table]).fetchone()
    return bool(row and row[0])


def _delete(connection: psycopg.Connection, rule: Rule, limits: Mapping[str, datetime]) -> int:
    return connection.execute(f"DELETE FROM {rule.table} WHERE {rule.where}".encode(), limits).rowcount
