"""Anomalies: the rules run over an election's hours, and findings brought together with those of before."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd
import sqlalchemy as sa

from election_metrics.errors import ElectionMetricsError
from election_metrics.metrics.anomalies.evidence import Evidence
from election_metrics.metrics.anomalies.lifecycle import reconcile
from election_metrics.metrics.anomalies.rules import RULES, find_anomalies
from election_metrics.metrics.coverage import coverage, delivered_hours, missing_input
from election_metrics.metrics.hours import hour_numbers
from election_metrics.pipeline.hours import hour_number, hour_start
from election_metrics.settings import Settings
from election_metrics.warehouse import anomalies as store
from election_metrics.warehouse import elections, ledger, registry
from election_metrics.warehouse.database import session_lock, transaction
from election_metrics.warehouse.replace import notify, replace_scope
from election_metrics.warehouse.tables import anomalies as table
from election_metrics.warehouse.tables import anomaly_thresholds
from election_metrics.warehouse.tables import missing_input as missing_table


def compute_anomalies(
    settings: Settings, run_id: str, named: Sequence[str] | None = None, now: datetime | None = None
) -> pd.DataFrame:
    """Runs every rule over the elections that may have changed (or named); replaces `anomalies` and `missing_input`.

    Returns:
        The findings of these elections, resolved ones too.
    """
    moment = now or datetime.now(UTC)
    frames = []
    with session_lock(settings, "anomalies"):
        with transaction(settings) as connection:
            behind = elections.behind_summaries(connection, named)
        for election in sorted(behind):
            with transaction(settings, snapshot=True) as connection:
                evidence, missing = _read_evidence(connection, election, moment)
                # While hours are behind, a total is not what it will be: it may count an id twice, or not yet.
                is_settled = not ledger.changed_hours(connection, moment)
                thresholds = store.read_thresholds(connection, election)
                before = store.read_anomalies(connection, election)
            unjudged = () if is_settled else ("figures_fall",)
            found = find_anomalies(evidence, thresholds, unjudged)
            for column in ("window_start", "window_end"):
                found[column] = pd.to_datetime(found[column].astype("int64") * 3600, unit="s", utc=True)
            rows = reconcile(before, found, election, run_id, moment, unjudged)
            with transaction(settings) as connection:
                lineage = missing.assign(election_id=election, run_id=run_id, computed_at=moment)
                scope = sa.or_(
                    missing_table.c.election_id == election,
                    missing_table.c.constituency_id.in_(list(evidence.constituencies["constituency_id"])),
                )
                replace_scope(connection, missing_table, scope, lineage)
                store.replace_anomalies(connection, before, rows)
                if is_settled:
                    store.raise_highest(connection, election, hour_start(hour_number(moment)))
                notify(connection, table, [election])
            frames.append(rows)
    return pd.concat([frame for frame in frames if len(frame)] or [pd.DataFrame()], ignore_index=True)


def _read_evidence(connection: sa.Connection, election: str, now: datetime) -> tuple[Evidence, pd.DataFrame]:
    """The election's figures of the hours that are over, and its missing input."""
    known = registry.read_constituencies(connection)
    known = known[known["election_id"] == election].reset_index(drop=True)
    deliveries = elections.read_deliveries(connection, election)
    missing = missing_input(coverage(known, deliveries, now))
    hours = elections.read_hours_of_members(connection, election)
    hours["hour_number"] = hour_numbers(hours["hour"]).astype("int64")
    hours["registered_voters"] = hours["registered_voters"].astype("Int64")
    known["registered_voters"] = known["registered_voters"].astype("Int64")
    present = hour_number(now)
    hours = hours[hours["hour_number"] < present]
    by_interval = deliveries.groupby("constituency_id")["by_interval"].any()
    spans = missing.merge(known[["constituency_id", "region"]], on="constituency_id").assign(
        window_start=lambda frame: hour_numbers(frame["missing_from"]).astype("int64"),
        window_end=lambda frame: hour_numbers(frame["missing_to"]).astype("int64"),
        # A constituency of which nothing came at all says nothing against its own files.
        by_interval=lambda frame: frame["constituency_id"].map(by_interval).astype("boolean").fillna(True),
    )
    events = registry.read_events(connection).dropna(subset=["voters"])
    events = events[events["constituency_id"].isin(known["constituency_id"])]
    changes = events.assign(
        hour_number=hour_numbers(events["occurred_at"]).astype("int64"), voters=events["voters"].abs()
    )
    repeated = store.read_repeated_issues(connection, election)
    highest = store.read_highest(connection, election)
    evidence = Evidence(
        hours=hours.sort_values(["constituency_id", "hour_number"]).reset_index(drop=True),
        constituencies=known,
        delivered=delivered_hours(deliveries, present, whole_hours_only=True),
        missing=spans,
        register_changes=changes[changes["hour_number"] < present]
        .groupby(["constituency_id", "hour_number"])["voters"]
        .sum()
        .reset_index(),
        repeated_issues=repeated[repeated["hour_number"] < present],
        highest=highest[highest["last_hour"] < present],
    )
    return evidence, missing


def set_state(settings: Settings, anomaly_id: str, state: str, who: str, note: str | None) -> None:
    """Acknowledges, resolves or opens a finding, for a person.

    Raises:
        ElectionMetricsError: there is no such finding.
    """
    with session_lock(settings, "anomalies"), transaction(settings) as connection:
        election = connection.execute(
            sa.update(table)
            .where(table.c.anomaly_id == anomaly_id)
            .values(state=state, state_by=who, state_at=datetime.now(UTC), state_note=note)
            .returning(table.c.election_id)
        ).scalar()
        if election is None:
            raise ElectionMetricsError(
                f"there is no finding {anomaly_id!r}; type: election-metrics anomalies list --all"
            )
        registry.touch_constituencies(connection, {election: []})
        notify(connection, table, [election])


def set_threshold(settings: Settings, election: str, rule: str, threshold: str, value: float | None, who: str) -> None:
    """Sets a threshold of a rule for one election; None: back to the default. The next run judges by it.

    Raises:
        ElectionMetricsError: there is no such election, rule or threshold.
    """
    if rule not in RULES:
        raise ElectionMetricsError(f"there is no rule {rule!r}; choose one of: {', '.join(RULES)}")
    if value is not None and not 0 < value < math.inf:
        raise ElectionMetricsError(f"{threshold} is {value:g}; it must be a number above 0")
    if threshold not in RULES[rule].thresholds:
        known = ", ".join(RULES[rule].thresholds)
        raise ElectionMetricsError(f"{rule} has no threshold {threshold!r}; choose one of: {known}")
    key = {"election_id": election, "rule": rule, "threshold": threshold}
    with transaction(settings) as connection:
        if election not in registry.election_ids(connection):
            raise ElectionMetricsError(f"there is no election {election!r}; election-metrics summary shows their ids")
        connection.execute(sa.delete(anomaly_thresholds).filter_by(**key))
        if value is not None:
            row = {**key, "value": value, "set_by": who, "set_at": datetime.now(UTC)}
            connection.execute(sa.insert(anomaly_thresholds).values(**row))
        registry.touch_constituencies(connection, {election: []})
