"""Anomalies: runs the rules over an election's hours, and merges the findings with the previous ones."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from election_metrics.clock import INTERVALS, hour_number
from election_metrics.metrics.anomalies.evidence import Evidence
from election_metrics.metrics.anomalies.judged import judged_constituencies
from election_metrics.metrics.anomalies.lifecycle import BY_NOW, reconcile
from election_metrics.metrics.anomalies.rules import INSIDE, OF_VOTES_BY_HOUR, RULES, find_anomalies
from election_metrics.metrics.anomalies.shapes import PUBLISHED_2026
from election_metrics.metrics.coverage import delivered_hours, missing_input
from election_metrics.metrics.hours import hour_numbers, hour_starts
from election_metrics.metrics.registry import REGISTER_CALLS
from election_metrics.pipeline.deliveries import Delivered
from election_metrics.warehouse import anomalies as store
from election_metrics.warehouse import (
    chain,
    elections,
    intervals,
    ledger,
    mapped_sources,
    portal,
    precinct_queries,
    registry,
    stale_hours,
    tallies,
    unreadable,
    verdicts,
)
from election_metrics.warehouse.database import lock
from election_metrics.warehouse.guidance import LOOK_AT
from election_metrics.warehouse.ledger import is_any_of
from election_metrics.warehouse.replace import notify, replace_scope
from election_metrics.warehouse.tables import anomalies as table
from election_metrics.warehouse.tables import missing_input as missing_table
from election_metrics.warehouse.tables import rule_coverage as coverage_table


def judge(
    connection: sa.Connection, election: str, delivered: Delivered, hours: pd.DataFrame, run_id: str, now: datetime
) -> None:
    """Runs every rule over an election, given the hours of its members; replaces its `anomalies` and `missing_input`.

    While some of its hours are stale, the rules do not run, because a constituency that is not computed yet would look
    silent. The findings stay unchanged until the hours are computed.
    """
    missing = missing_input(delivered.hours)
    evidence = _read_evidence(connection, election, delivered, hours, missing, now)
    is_settled = not _hours_behind(connection, evidence, now)
    off = mapped_sources.rules_off(connection, election)
    unjudged = tuple(off) if is_settled else tuple(RULES)
    thresholds = store.read_thresholds(connection, election)
    found = find_anomalies(evidence, thresholds, unjudged)
    for column in ("window_start", "window_end"):
        found[column] = hour_starts(found[column])
    lock(connection, "anomalies")  # changes to states of findings wait from here on
    before = store.read_anomalies(connection, election)
    uncounted = _found_in_uncounted_hours(before, evidence)
    reason = _reason(evidence, thresholds)
    rows = reconcile(before[~uncounted], found, election, run_id, now, unjudged, reason)
    if uncounted.any():
        rows = pd.concat([rows, before.loc[uncounted, list(rows.columns)]], ignore_index=True)
    scope = sa.or_(
        missing_table.c.election_id == election,
        is_any_of(missing_table.c.constituency_id, evidence.constituencies["constituency_id"]),
    )
    said_of = sa.select(missing_table.c.constituency_id).where(scope)
    touched = {*connection.execute(said_of).scalars(), *missing["constituency_id"]}
    lineage = missing.assign(election_id=election, run_id=run_id, computed_at=now)
    replace_scope(connection, missing_table, scope, lineage)
    store.replace_anomalies(connection, before, rows)
    if is_settled:
        judged = judged_constituencies(evidence, thresholds, off).assign(
            election_id=election, run_id=run_id, computed_at=now
        )
        replace_scope(connection, coverage_table, coverage_table.c.election_id == election, judged)
        store.raise_highest(connection, _higher_totals(evidence))
    else:
        registry.touch_constituencies(connection, {election: []})  # so that the rules run when the hours are computed
    found_on = pd.concat([before["constituency_id"], rows["constituency_id"]]).dropna()
    notify(connection, table, {election: touched | set(found_on)})


def _read_evidence(
    connection: sa.Connection,
    election: str,
    delivered: Delivered,
    hours: pd.DataFrame,
    missing: pd.DataFrame,
    now: datetime,
) -> Evidence:
    """The election's figures of past hours."""
    known, deliveries = delivered.constituencies, delivered.deliveries
    known = known.astype({"registered_voters": "Int64"})
    present = hour_number(now)
    by_interval = deliveries.groupby("constituency_id")["by_interval"].any()
    spans = missing.merge(known[["constituency_id", "region"]], on="constituency_id").assign(
        window_start=lambda frame: hour_numbers(frame["missing_from"]).astype("int64"),
        window_end=lambda frame: hour_numbers(frame["missing_to"]).astype("int64"),
        # A constituency without any file has no missing input.
        by_interval=lambda frame: frame["constituency_id"].map(by_interval).astype("boolean").fillna(True),
    )
    events = delivered.events.dropna(subset=["voters"])
    changes = events.assign(
        hour_number=hour_numbers(events["occurred_at"]).astype("int64"), voters=events["voters"].abs()
    )
    repeated = store.read_repeated_issues(connection, election)
    conflicts = store.read_conflicts(connection, election)
    highest = store.read_highest(connection, election)
    falls = _falls(connection, election)
    on_chain, shards = chain.shards_of_election(connection, election), chain.read_shards(connection)
    votes = set(on_chain["shard"].map(chain.vote_of))
    of_vote = [shard for shard in shards["shard"] if chain.vote_of(shard) in votes]
    registers = _registers(events, known, present)
    lines = _lines(connection, election)
    unknown = {*_register_not_by_precinct(delivered.events), *lines["constituency_id"]}
    precincts, precinct_hours = _precincts(connection, election, registers, unknown, present)
    assumed = list(known.loc[known["is_zone_assumed"].astype(bool), "constituency_id"])
    return Evidence(
        hours=hours[hours["hour_number"] < present].reset_index(drop=True),
        constituencies=known,
        delivered=delivered_hours(deliveries, present, whole_hours_only=True),
        missing=spans,
        register_changes=changes[changes["hour_number"] < present]
        .groupby(["constituency_id", "hour_number"])["voters"]
        .sum()
        .reset_index(),
        repeated_issues=repeated[repeated["hour_number"] < present],
        highest=highest[highest["last_hour"] < present] if falls is None else highest.iloc[:0],
        falls=pd.DataFrame() if falls is None else falls,
        conflicts=conflicts[conflicts["hour_number"] < present],
        registers=registers,
        paths=registry.read_paths_of(connection, assumed) if assumed else {},
        disagreeing=registry.read_disagreeing_paths(connection, election),
        lines=lines,
        unread=unreadable.read_unread_files(connection, election),
        shared_input=_shared_input(connection, election, present),
        inside=intervals.read_inside_hours(connection, election, present),
        registrations=_registrations(events, present),
        shards=on_chain.merge(shards[["shard", "trouble"]], on="shard"),
        absent_shards=chain.absent_shards(connection, of_vote),
        second_count=_second_count(connection, election, present),
        tallies=_tallies(connection, election),
        precincts=precincts,
        precinct_hours=precinct_hours,
        verdicts=verdicts.read_found_invalid(connection, election, present),
        shapes=(PUBLISHED_2026, *elections.read_earlier_shapes(connection, election)),
    )


def _reason(evidence: Evidence, thresholds: Mapping[str, Mapping[str, float]]) -> Callable[[dict[str, object]], str]:
    """Says of a stored finding that is not found any more what its figures are by now."""

    def said(finding: dict[str, object]) -> str:
        rule, places, hours = str(finding["rule"]), evidence.constituencies, evidence.hours
        for name in ("constituency_id", "region"):
            if not pd.isna(finding[name]):
                places = places[places[name] == finding[name]]
        ids = places["constituency_id"]
        hours = hours[hours["constituency_id"].isin(ids)]
        words = BY_NOW
        if rule in OF_VOTES_BY_HOUR:
            first, end = (hour_number(pd.Timestamp(str(finding[name]))) for name in ("window_start", "window_end"))
            votes = int(hours.loc[hours["hour_number"].between(first, end - 1), "votes_cast"].sum())
            words = f"the votes in its hours are {votes} by now"
            if votes == finding["observed"]:
                words = f"the votes in its hours are the same ({votes}), but not what is known of other hours, of "
                words += "deliveries, voting times or thresholds"
        elif rule == "unreadable_input" and not evidence.lines["constituency_id"].isin(ids).any():
            words = "its files have no line that cannot be read any more: they were read again, or taken away"
        elif rule == "input_missing" and not evidence.missing["constituency_id"].isin(ids).any():
            words = "no hour is missing any more"
        elif rule == "figures_fall":
            words = f"it has {int((hours['transaction_count'] + hours['withdrawn']).sum())} transactions by now"
        set_here = [f"{name} {value:g}" for name, value in sorted(thresholds.get(rule, {}).items())]
        return words + (f". Thresholds of this election: {', '.join(set_here)}" if set_here else "")

    return said


def _falls(connection: sa.Connection, election: str) -> pd.DataFrame | None:
    """Published counters that fell; None where the figures come from transactions, whose number only grows."""
    if not mapped_sources.has_counters(connection, election):
        return None
    falls = mapped_sources.read_falls(connection, election)
    begin, end = (
        (falls[name] - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(hours=1) for name in ("begins_at", "observed_at")
    )
    return falls.assign(window_start=begin, window_end=end)


def _tallies(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Published tallies that do not fit the accepted votes."""
    wrong = tallies.read_wrong(connection, election)
    return wrong.assign(hour_number=hour_numbers(wrong["published_at"]).astype("int64"))


def _register_not_by_precinct(events: pd.DataFrame) -> set[str]:
    """Constituencies with a call on the register that names no precinct, or does not say how many voters."""
    calls = events[events["operation"].isin(REGISTER_CALLS)]
    is_known = calls["names_precinct"].eq(True) & calls["voters"].notna()
    return set(calls.loc[~is_known, "constituency_id"])


def _precincts(
    connection: sa.Connection, election: str, registers: pd.DataFrame, unknown: Collection[str], present: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each precinct so far, with whether the register of its constituency is known by precinct; and its busy hours.

    `unknown`: constituencies of whose register something is not known by precinct, or cannot be read.
    """
    totals, hours = precinct_queries.read_precincts(connection, election, present)
    registered = totals["listed_voters"] + totals["restored_voters"] - totals["removed_voters"]
    of_precincts = registered.groupby(totals["constituency_id"]).sum()
    of_calls = registers.groupby("constituency_id")["voters"].last()
    is_whole = (of_precincts == of_calls.reindex(of_precincts.index)) & ~of_precincts.index.isin(list(unknown))
    return totals.assign(is_register_whole=totals["constituency_id"].map(is_whole).astype("bool")), hours


def _second_count(connection: sa.Connection, election: str, present: int) -> pd.DataFrame:
    """Past hours in which the portal published other counts."""
    differing = portal.read_differing(connection, election)
    differing = differing.assign(hour_number=hour_numbers(differing["hour"]).astype("int64"))
    return differing[differing["hour_number"] < present]


def _higher_totals(evidence: Evidence) -> pd.DataFrame:
    """Totals of constituencies that are higher than ever before."""
    hours = evidence.hours
    is_last = np.diff(evidence.place, append=-1) != 0  # the hours are sorted by constituency
    is_first = np.roll(is_last, 1)
    totals = hours.loc[is_first, ["constituency_id"]].reset_index(drop=True)
    totals["transactions"] = evidence.total(hours["transaction_count"] + hours["withdrawn"]).to_numpy()[
        evidence.place[is_first]
    ]
    totals["first_hour"] = hours.loc[is_first, "hour_number"].to_numpy()
    totals["last_hour"] = hours.loc[is_last, "hour_number"].to_numpy()
    before = totals["constituency_id"].map(evidence.highest.set_index("constituency_id")["transactions"])
    return totals[before.isna() | (totals["transactions"] > before)]


def _found_in_uncounted_hours(before: pd.DataFrame, evidence: Evidence) -> pd.Series:
    """Which findings from inside an hour lie in hours with ballots that are now counted without intervals."""
    is_inside: pd.Series = before["rule"].isin(INSIDE)
    if not is_inside.any():
        return is_inside
    keys = ["constituency_id", "hour_number"]
    hours = evidence.hours.loc[evidence.hours["bulletins_issued"] + evidence.hours["votes_cast"] > 0, keys]
    known = pd.MultiIndex.from_frame(evidence.inside.rows[keys])
    without = set(hours.loc[~pd.MultiIndex.from_frame(hours).isin(known), "hour_number"])
    return is_inside & hour_numbers(before["window_start"]).isin(without)


def _registrations(events: pd.DataFrame, present: int) -> pd.DataFrame:
    """Voters added to registers by 5 minutes."""
    seconds = (pd.to_datetime(events["occurred_at"], utc=True) - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1)
    added = events.assign(interval_number=seconds.astype("int64") // (3600 // INTERVALS))
    added = added[(added["voters"] > 0) & (added["interval_number"] < present * INTERVALS)]
    return added.groupby(["constituency_id", "interval_number"])["voters"].sum().reset_index()


def _lines(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Lines of the election's files; the times of those that cannot be read as hours."""
    lines = unreadable.read_lines(connection, election)
    for column in ("path_lines", "path_rejected"):
        lines[column] = lines[column].astype("Int64")
    starts, ends = (pd.to_datetime(lines[name], utc=True) for name in ("starts_at", "ends_at"))
    first, end = (hour_numbers(moments).astype("Int64") for moments in (starts, ends.dt.ceil("h")))
    # Transactions of a single moment, at a full hour, are of the hour that begins with it.
    return lines.assign(window_start=first, window_end=end.where(end > first, first + 1))


def _shared_input(connection: sa.Connection, election: str, present: int) -> pd.DataFrame:
    """Input of several constituencies of which some cannot be read: rows of tables, and parts of files."""
    rows = unreadable.read_unreadable_rows(connection, election, present)
    for column in ("window_start", "window_end"):
        rows[column] = rows[column].astype("Int64")
    return pd.concat([rows, unreadable.read_unread_parts(connection, election)], ignore_index=True).reindex(
        columns=["path", "lines", "rejected", "parts", "reason", "window_start", "window_end"]
    )


def _hours_behind(connection: sa.Connection, evidence: Evidence, now: datetime) -> bool:
    """Whether hours with rows of the election's constituencies are stale."""
    behind = stale_hours.changed_hours(connection, now)
    if not behind:
        return False
    own = ledger.hours_of_constituencies(connection, evidence.constituencies["constituency_id"])
    return not own.isdisjoint(behind)


def _registers(events: pd.DataFrame, known: pd.DataFrame, present: int) -> pd.DataFrame:
    """The register after each hour that changed it, of constituencies whose register comes from calls alone."""
    counted = known.loc[known["reference_voters"].isna(), "constituency_id"]
    rows = events[events["constituency_id"].isin(counted)]
    rows = rows.assign(hour_number=hour_numbers(rows["occurred_at"]).astype("int64"))
    sums = rows[rows["hour_number"] < present].groupby(["constituency_id", "hour_number"])["voters"].sum()
    return sums.groupby("constituency_id").cumsum().reset_index().astype({"voters": "int64"})


def rules_in_words(connection: sa.Connection, election: str | None) -> list[dict[str, Any]]:
    """Every rule: name, meaning, why, what to look at, severity, whether it lasts, thresholds for the election."""
    chosen = store.read_thresholds(connection, election) if election is not None else {}
    return [
        {
            "name": rule.name,
            "meaning": rule.meaning,
            "why": rule.why,
            "look_at": LOOK_AT[rule.name],
            "severity": rule.severity,
            "lasts": rule.lasts,
            "most_false_alarms": rule.most_false_alarms(chosen.get(rule.name, {})),
            "thresholds": [
                {"name": name, "meaning": threshold.meaning, "default": threshold.default,
                 "value": chosen.get(rule.name, {}).get(name, threshold.default)}
                for name, threshold in rule.thresholds.items()
            ],
        }
        for rule in RULES.values()
    ]  # fmt: skip
