"""Manual overrides: reference data, thresholds, states of findings.

Triggers of the database write each change to `ingest.audit_log`, mark what it makes stale, and notify listeners. The
API's role may change overrides, but compute nothing.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from election_metrics.errors import ElectionMetricsError
from election_metrics.settings import Settings
from election_metrics.warehouse import registry
from election_metrics.warehouse.commits import begin_commit
from election_metrics.warehouse.database import lock, transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import (
    anomalies,
    anomaly_thresholds,
    audit_log,
    constituency_reference,
    election_reference,
)


class NotThereError(ElectionMetricsError):
    """The object to change does not exist."""


@contextlib.contextmanager
def audited_transaction(settings: Settings, who: str) -> Iterator[sa.Connection]:
    """A transaction whose changes are audited under this name."""
    with transaction(settings) as connection:
        connection.execute(sa.text("SELECT set_config('election_metrics.who', :who, true)"), {"who": who})
        yield connection


def set_constituency(settings: Settings, constituency: str, values: Mapping[str, Any], who: str) -> None:
    """Replaces the overrides of a constituency (columns of `constituency_reference`)."""
    _put(settings, constituency_reference, {"constituency_id": constituency}, values, who)


def set_election(settings: Settings, election: str, values: Mapping[str, Any], who: str) -> None:
    """Replaces the overrides of an election (columns of `election_reference`).

    Raises:
        NotThereError: there is no such election.
    """
    _election_exists(settings, election)
    _put(settings, election_reference, {"election_id": election}, values, who)


def delete_override(settings: Settings, table: sa.Table, key: Mapping[str, str], who: str) -> None:
    """Deletes a manual override.

    Raises:
        NotThereError: there is no override with this key.
    """
    with audited_transaction(settings, who) as connection:
        if not connection.execute(sa.delete(table).filter_by(**key)).rowcount:
            raise NotThereError(f"{table.fullname} has no row for {'/'.join(key.values())}")


def set_state(settings: Settings, anomaly_id: str, state: str, who: str, note: str | None) -> None:
    """Acknowledges, resolves or opens a finding.

    Raises:
        NotThereError: there is no such finding.
    """
    with audited_transaction(settings, who) as connection:
        # A computation that has read the finding must not overwrite the new state. The wait is limited, because a
        # waiting request holds a connection.
        connection.execute(sa.text("SET LOCAL lock_timeout = '15s'"))
        begin_commit(connection, None, ["finding"])
        lock(connection, "anomalies")
        set_now = {"state": state, "state_by": who, "state_at": datetime.now(UTC), "state_note": note}
        if not connection.execute(sa.update(anomalies).filter_by(anomaly_id=anomaly_id).values(**set_now)).rowcount:
            raise NotThereError(f"there is no finding {anomaly_id!r}; type: election-metrics anomalies list --all")


def set_threshold(settings: Settings, election: str, rule: str, threshold: str, value: float | None, who: str) -> None:
    """Sets a threshold of a rule for one election; None restores the default. It applies from the next run on.

    Raises:
        NotThereError: there is no such election, rule or threshold.
        ElectionMetricsError: the value is not a number above 0, or makes no sense for the threshold.
    """
    from election_metrics.metrics.anomalies.rules import RULES

    if rule not in RULES:
        raise NotThereError(f"there is no rule {rule!r}; choose one of: {', '.join(RULES)}")
    if value is not None and not 0 < value < math.inf:
        raise ElectionMetricsError(f"{threshold} is {value:g}; it must be a number above 0")
    known = RULES[rule].thresholds
    if threshold not in known:
        raise NotThereError(f"{rule} has no threshold {threshold!r}; choose one of: {', '.join(known)}")
    least, most = known[threshold].least_and_most(threshold)
    if value is not None and not least <= value <= most:
        said = f"{threshold} is {value:g}; it must lie between {least:g} and {most:g}: {known[threshold].meaning}"
        raise ElectionMetricsError(said)
    _election_exists(settings, election)
    key = {"election_id": election, "rule": rule, "threshold": threshold}
    if value is not None:
        _put(settings, anomaly_thresholds, key, {"value": value}, who)
        return
    with audited_transaction(settings, who) as connection:
        connection.execute(sa.delete(anomaly_thresholds).filter_by(**key))


def record_audit(
    settings: Settings, who: str, action: str, target: str, after: Mapping[str, Any] | None = None
) -> None:
    """Adds an action that changes no audited table to the audit log."""
    with transaction(settings) as connection:
        add_to_audit(connection, who, action, target, after)


def add_to_audit(
    connection: sa.Connection, who: str, action: str, target: str, after: Mapping[str, Any] | None = None
) -> None:
    """The same, in the transaction of the action."""
    entry = {"who": who, "action": action, "target": target, "after": after and dict(after)}
    connection.execute(sa.insert(audit_log).values(entry))
    notify(connection, audit_log, [None])


def _election_exists(settings: Settings, election: str) -> None:
    with transaction(settings) as connection:
        if election not in registry.election_ids(connection):
            raise NotThereError(f"there is no election {election!r}; election-metrics summary shows their ids")


def _put(settings: Settings, table: sa.Table, key: Mapping[str, str], values: Mapping[str, Any], who: str) -> None:
    unset = {column.name: None for column in table.columns if column.nullable}
    row = {**unset, **values, "set_by": who, "set_at": datetime.now(UTC)}
    statement = insert(table).values({**key, **row})
    with audited_transaction(settings, who) as connection:
        connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=row))
