"""`anomalies` and `compare`: findings and constituencies in a terminal."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from election_metrics.commands.markup import shown
from election_metrics.errors import ElectionMetricsError
from election_metrics.metrics.anomalies.rules import RULES
from election_metrics.metrics.constituency import compare
from election_metrics.settings import Settings
from election_metrics.warehouse import anomalies as store
from election_metrics.warehouse import elections, registry
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.guidance import LOOK_AT, link_to

_COLORS = {"critical": "bold red", "warning": "yellow", "info": "blue"}


def print_list(console: Console, settings: Settings, wanted: Mapping[str, str | None], *, everything: bool) -> None:
    """Prints findings, a few lines each, worst and newest first.

    Raises:
        ElectionMetricsError: there is no such election, constituency or rule.
    """
    if wanted["rule"] is not None and wanted["rule"] not in RULES:
        raise ElectionMetricsError(f"there is no rule {wanted['rule']!r}; type: election-metrics anomalies rules")
    with transaction(settings) as connection:
        registry.check_named(connection, wanted["election_id"], wanted["constituency_id"])
        rows = store.list_anomalies(connection, wanted, unresolved=not everything)
    if rows.empty:
        console.print("No finding." if everything else "No finding is open. (--all shows resolved ones too.)")
        return
    for row in rows.itertuples():
        state = "" if row.state == "open" else f" ({row.state})"
        console.print(
            f"[{_COLORS[row.severity]}]{row.severity:<9}[/] {_window(row)} {row.time_zone}  {shown(row.rule)}{state}\n"
            f"          {shown(_where(row))}: {shown(row.explanation)}\n          {row.anomaly_id}"
        )


def print_one(console: Console, settings: Settings, anomaly_id: str) -> None:
    """Explains a finding: what, where and when, the reason of the rule, what to look at, thresholds, and its state.

    Raises:
        ElectionMetricsError: there is no such finding.
    """
    with transaction(settings) as connection:
        rows = store.list_anomalies(connection, {"anomaly_id": anomaly_id}, unresolved=False)
        if rows.empty:
            raise ElectionMetricsError(
                f"there is no finding {anomaly_id!r}; type: election-metrics anomalies list --all"
            )
        row = next(rows.itertuples())
        chosen = store.read_thresholds(connection, row.election_id).get(row.rule, {})
    rule = RULES[row.rule]
    console.print(f"[{_COLORS[row.severity]}]{row.severity}[/] {row.rule}: {shown(rule.meaning)}")
    console.print(f"  found     {shown(row.explanation)}")
    console.print(f"  where     {shown(_where(row))}; {shown(str(row.election))}")
    console.print(f"  when      {_window(row)} ({row.time_zone})")
    if pd.notna(row.observed):
        console.print(f"  observed  {row.observed:g}{_expected(row)}")
    if pd.notna(row.expected) and pd.notna(row.expected_from):
        console.print(f"  expected  from {shown(row.expected_from)}")
    console.print(f"  why       {shown(rule.why)}")
    if bound := rule.bound_in_words(chosen):
        console.print(f"            {bound}")
    console.print(f"  look at   {shown(row.look_at)}")
    for name, threshold in rule.thresholds.items():
        value = f"{chosen[name]:g} (default {threshold.default:g})" if name in chosen else f"{threshold.default:g}"
        console.print(
            f"  {'threshold' if name == next(iter(rule.thresholds)) else '':<10}{name} {value}: {threshold.meaning}"
        )
    note = f": {row.state_note}" if pd.notna(row.state_note) else ""
    console.print(
        f"  state     {row.state} since {row.state_at:%Y-%m-%d %H:%M} UTC by {shown(row.state_by)}{shown(note)}"
    )
    constituency = None if pd.isna(row.constituency_id) else row.constituency_id
    console.print(f"  picture   on the page: /{link_to(row.election_id, constituency, row.anomaly_id)}")
    console.print(f"            its figures: /api/v1/anomalies/{row.anomaly_id}/series.csv")
    console.print(f"  detected  {row.detected_at:%Y-%m-%d %H:%M} UTC; last computed by run {row.run_id}")


def _expected(row: Any) -> str:
    if pd.isna(row.expected):
        return ""
    usual = "" if pd.isna(row.expected_low) else f" (99 of 100 between {row.expected_low:g} and {row.expected_high:g})"
    return f"; expected {row.expected:g}{usual}"


def _window(row: Any) -> str:
    start, end = row.window_start.tz_convert(row.time_zone), row.window_end.tz_convert(row.time_zone)
    return f"{start:%Y-%m-%d %H:%M} to {end:%H:%M}" + ("" if start.date() == end.date() else f" on {end:%m-%d}")


def _where(row: Any) -> str:
    named = [getattr(row, name) for name in ("region", "constituency", "constituency_id")]
    known = [str(name) for name in named if pd.notna(name)]
    return ", ".join(known) or "the whole election"


def print_rules(console: Console, settings: Settings, election: str | None) -> None:
    """Prints every rule with its thresholds, including those set for an election."""
    with transaction(settings) as connection:
        chosen = store.read_thresholds(connection, election) if election else {}
    for rule in RULES.values():
        console.print(f"[bold]{rule.name}[/] ({rule.severity})\n  {shown(rule.meaning)}")
        console.print(f"  Look at {shown(LOOK_AT[rule.name])}.")
        if bound := rule.bound_in_words(chosen.get(rule.name, {})):
            console.print(f"  {bound}")
        for name, threshold in rule.thresholds.items():
            value = chosen.get(rule.name, {}).get(name)
            number = f"{threshold.default:g}" if value is None else f"{value:g} here (default {threshold.default:g})"
            console.print(f"    {name} = {number}: {shown(threshold.meaning)}")


def print_comparison(
    console: Console, settings: Settings, ids: tuple[str, ...], first: datetime | None, last: datetime | None
) -> None:
    """Prints constituencies side by side over a range of hours.

    Raises:
        ElectionMetricsError: a constituency is unknown, or has no transactions in the range.
    """
    with transaction(settings) as connection:
        known = registry.read_constituencies(connection).set_index("constituency_id")
        unknown = [name for name in ids if name not in known.index]
        if unknown:
            raise ElectionMetricsError(
                f"there is no constituency {unknown[0]!r}; election-metrics export constituencies lists them"
            )
        hours = elections.read_hours_of(connection, ids, first, last)
    if hours.empty:
        raise ElectionMetricsError("these constituencies have no transactions in these hours")
    rows = compare(hours, known["time_zone"])
    table = Table(
        "constituency", "votes", "turnout %", "bulletins", "gap %", "votes/hour", "trend", "peak (UTC)", "anomalous %"
    )
    for row in rows.itertuples():
        name = known.loc[row.constituency_id, "name"]
        table.add_row(
            f"{'' if pd.isna(name) else shown(name) + ' '}{row.constituency_id}", f"{row.votes_cast:,}",
            _rate(row.participation_rate), f"{row.bulletins_issued:,}", _rate(row.gap_rate),
            _rate(row.average_votes_per_hour), _rate(row.vote_trend),
            "" if pd.isna(row.peak_hour) else f"{row.peak_hour:%m-%d %H:%M}", _rate(row.anomaly_score),
        )  # fmt: skip
    console.print(table)


def _rate(value: object) -> str:
    return "–" if pd.isna(value) else f"{float(str(value)):.2f}"
