"""Publication: hours and everything downstream (metrics, findings, summaries) become visible in one transaction.

Readers never see the hours of one moment with the headline of another, or a register with the turnout of an earlier
one.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pandas as pd
import sqlalchemy as sa

from election_metrics.errors import SettingsError
from election_metrics.pipeline.anomalies import judge
from election_metrics.pipeline.deliveries import read_delivered
from election_metrics.pipeline.elections import write_hours, write_metrics, write_summary
from election_metrics.settings import Settings
from election_metrics.warehouse import registry, reports, stale_elections
from election_metrics.warehouse.commits import begin_commit
from election_metrics.warehouse.database import session_lock, transaction
from election_metrics.warehouse.elections import read_hours_of_members

LOCK = "elections"
"""The advisory lock for publishing."""


def publish(connection: sa.Connection, run_id: str, now: datetime, named: Sequence[str] | None = None) -> None:
    """Updates everything downstream of hours, for stale elections (or for the named ones, entirely).

    The caller holds LOCK, and commits.
    """
    registry.publish_constituencies(connection, named)
    elections = sorted(stale_elections.behind_metrics(connection, named))
    events = registry.read_events(connection) if elections else pd.DataFrame()
    for election in elections:
        write_hours(connection, election, events, run_id, now)
        write_metrics(connection, election, run_id, now, whole=bool(named))
    registry.drop_empty_elections(connection)
    _judge_and_summarise(connection, elections, events, run_id, now)


def _judge_and_summarise(
    connection: sa.Connection, elections: Iterable[str], events: pd.DataFrame, run_id: str, now: datetime
) -> None:
    for election in sorted(set(elections) & registry.election_ids(connection)):
        delivered = read_delivered(connection, election, events, now)
        hours = read_hours_of_members(connection, election)
        judge(connection, election, delivered, hours, run_id, now)
        write_summary(connection, election, delivered, hours, run_id, now)


def elections_behind(settings: Settings) -> list[str]:
    """Stale elections (election_id): their hours changed after everything downstream was computed."""
    with transaction(settings) as connection:
        return sorted(stale_elections.behind_metrics(connection))


def known_elections(settings: Settings, named: Sequence[str]) -> Sequence[str]:
    """The same names, after checking that these elections exist.

    Raises:
        SettingsError: there is no election with such an id.
    """
    if named:
        with transaction(settings) as connection:
            check_elections(connection, named)
    return named


def check_elections(connection: sa.Connection, named: Sequence[str]) -> None:
    """Checks that these elections exist.

    Raises:
        SettingsError: there is no election with such an id.
    """
    known = registry.election_ids(connection)
    for election in named:
        if election not in known:
            there = ", ".join(sorted(known)[:5]) or "none yet"
            raise SettingsError(f"there is no election {election!r}; election_id is one of: {there}")


def compute_constituency_metrics(
    settings: Settings, run_id: str, named: Sequence[str] | None = None, now: datetime | None = None
) -> dict[str, int]:
    """Publishes stale elections, or the named ones entirely.

    Returns:
        Number of rows of `constituency_metrics` by election that the run wrote, including those written with hours.
    """
    with session_lock(settings, LOCK), transaction(settings) as connection:
        begin_commit(connection, run_id, stale_elections.read_causes(connection, named))
        publish(connection, run_id, now or datetime.now(UTC), named)
    with transaction(settings) as connection:
        return reports.metrics_of_run(connection, run_id)


def compute_anomalies(
    settings: Settings, run_id: str, named: Sequence[str] | None = None, now: datetime | None = None
) -> pd.DataFrame:
    """Runs every rule over elections that may have changed (or the named ones), and summarises them.

    Returns:
        The findings of the elections that the run published, including resolved ones.
    """
    _refresh(settings, run_id, named, now or datetime.now(UTC))
    with transaction(settings) as connection:
        return reports.findings_of_run(connection, run_id)


def compute_election_summaries(
    settings: Settings, run_id: str, named: Sequence[str] | None = None, now: datetime | None = None
) -> pd.DataFrame:
    """Runs the rules over elections that may have changed (or the named ones), and summarises them.

    Returns:
        The rows of `election_summaries` that the run wrote.
    """
    _refresh(settings, run_id, named, now or datetime.now(UTC))
    with transaction(settings) as connection:
        return reports.summaries_of_run(connection, run_id)


def _refresh(settings: Settings, run_id: str, named: Sequence[str] | None, now: datetime) -> None:
    """Runs the rules and summarises; skips elections that this run has just published."""
    with session_lock(settings, LOCK):
        with transaction(settings) as connection:
            begin_commit(connection, run_id, ["reference data"])
            registry.drop_empty_elections(connection)
            behind = set(stale_elections.behind_summaries(connection, named))
            done = set() if named else stale_elections.published_just_now(connection, run_id, now)
        for election in sorted(behind - done):
            with transaction(settings) as connection:
                begin_commit(connection, run_id, stale_elections.read_causes(connection, [election]) or ["time"])
                _judge_and_summarise(connection, [election], registry.read_events(connection), run_id, now)
