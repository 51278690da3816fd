"""Metrics of constituencies by period, hours of elections, and the summary of each election."""

import json
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from election_metrics.metrics.constituency import INPUTS, LONGEST, constituency_metrics
from election_metrics.metrics.election import participation_extremes, summarise, votes_by_group
from election_metrics.metrics.hourly import election_hours
from election_metrics.metrics.registry import election_register_by_hour
from election_metrics.pipeline.deliveries import Delivered
from election_metrics.settings import Settings
from election_metrics.warehouse import anomalies, registry, reports, stale_elections
from election_metrics.warehouse import elections as store
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.ledger import is_any_of
from election_metrics.warehouse.replace import by_election, notify, replace_scope
from election_metrics.warehouse.tables import constituency_metrics as metrics_table
from election_metrics.warehouse.tables import election_hours as hours_table
from election_metrics.warehouse.tables import election_summaries as summaries_table
from election_metrics.warehouse.tables import participation_extremes as extremes_table
from election_metrics.warehouse.tables import region_summaries as regions_table


def write_metrics(connection: sa.Connection, election: str, run_id: str, now: datetime, *, whole: bool) -> None:
    """Replaces `constituency_metrics` of an election's stale constituencies, or of all."""
    version = stale_elections.behind_metrics(connection, [election])[election]
    only, since = (None, None) if whole else stale_elections.constituencies_behind(connection, election)
    hourly = store.read_hourly(connection, election, INPUTS, only)
    known = registry.read_constituencies(connection).set_index("constituency_id")
    rows = constituency_metrics(hourly, known["time_zone"], known["registered_voters"].astype("Int64"), since)
    ids = sorted(set(hourly["constituency_id"])) if only is None else only
    all_of_it = metrics_table.c.election_id == election if only is None else sa.false()
    scope = sa.and_(sa.or_(all_of_it, is_any_of(metrics_table.c.constituency_id, ids)), _reaching(since))
    changed = replace_scope(connection, metrics_table, scope, rows.assign(run_id=run_id, computed_at=now))
    stale_elections.mark_metrics(connection, election, version)
    notify(connection, metrics_table, by_election(changed))


def _reaching(since: datetime | None) -> sa.ColumnElement[bool]:
    """The periods that `constituency_metrics` computes since an hour."""
    if since is None:
        return sa.true()
    period, start = metrics_table.c.period, metrics_table.c.period_start
    reaching = [sa.and_(period == name, start > since - length) for name, length in LONGEST.items()]
    return sa.or_(period.not_in(list(LONGEST)), *reaching)


def write_hours(connection: sa.Connection, election: str, events: pd.DataFrame, run_id: str, now: datetime) -> None:
    """Replaces `election_hours` of an election.

    `events` are valid calls on registers, of this election or of more.
    """
    sums = store.sum_hours(connection, election)
    members = store.read_members(connection, election)
    rows = election_hours(sums, election_register_by_hour(members, events, sums["hour"]))
    lineage = {"run_id": run_id, "computed_at": now}
    replace_scope(connection, hours_table, hours_table.c.election_id == election, rows.assign(**lineage))


def write_summary(
    connection: sa.Connection, election: str, delivered: Delivered, hours: pd.DataFrame, run_id: str, now: datetime
) -> None:
    """Replaces `election_summaries`, `region_summaries` and `participation_extremes` of an election.

    `hours` are those of its members.
    """
    version = stale_elections.behind_summaries(connection, [election])[election]
    summary, regions, extremes = _summarise(connection, election, delivered, hours)
    lineage = {"election_id": election, "run_id": run_id, "computed_at": now}
    for table, rows in ((summaries_table, summary), (regions_table, regions), (extremes_table, extremes)):
        replace_scope(connection, table, table.c.election_id == election, rows.assign(**lineage))
    # These tables have no columns of single constituencies.
    notify(connection, summaries_table, {election: []})
    stale_elections.mark_summary(connection, election, version)
    # Their findings follow from the curve of this one.
    registry.touch_constituencies(connection, {later: [] for later in store.later_elections(connection, election)})


def picture_of(
    settings: Settings, election: str
) -> tuple[str, list[tuple[datetime, int, int]], list[tuple[datetime, datetime, str]]]:
    """Arguments of an election's chart: its name, hours (start, bulletins, votes), and its critical findings."""
    with transaction(settings) as connection:
        return reports.read_picture(connection, election)


def _summarise(
    connection: sa.Connection, election: str, delivered: Delivered, hours: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The election's row, its regions, and the top and bottom of its ranking by participation."""
    totals = store.read_metrics(connection, election, "election")
    known, expected = delivered.constituencies, delivered.hours
    ids = known["constituency_id"]
    region = pd.Series(known["region"].fillna("").to_numpy(), index=ids)
    by_severity, by_rule = anomalies.count_unresolved(connection, election)
    hours = votes_by_group(hours, region)
    summary = summarise(pd.Series(election, index=ids), totals, hours, known, expected).reset_index(drop=True)
    return (
        summary.assign(
            rejected_lines=reports.count_rejected(connection, election),
            # In the order of jsonb, so that the same counts are the same text.
            anomalies_by_rule=json.dumps(dict(sorted(by_rule.items(), key=lambda rule: (len(rule[0]), rule[0])))),
            **{f"anomalies_{severity}": count for severity, count in by_severity.items()},
        ),
        summarise(region, totals, hours, known, expected).rename_axis("region").reset_index(),
        participation_extremes(totals, known.astype({"registered_voters": "Int64"})),
    )
