"""`summary` and `status`: the warehouse in a terminal."""

from datetime import UTC, datetime

import pandas as pd
import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape

from election_metrics.settings import Settings
from election_metrics.sources.portal_exports import list_exports
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.elections import read_problems, read_status, read_summaries


def _number(value: object) -> str:
    return "–" if pd.isna(value) else f"{int(str(value)):,}".replace(",", " ")


def _percent(value: object) -> str:
    return "–" if pd.isna(value) else f"{float(str(value)):.2f} %"


def _moment(value: object) -> str:
    return "–" if pd.isna(value) else pd.Timestamp(str(value)).strftime("%Y-%m-%d %H:%M")


def print_summary(console: Console, settings: Settings) -> None:
    """Prints each election in a few lines."""
    with transaction(settings) as connection:
        rows = read_summaries(connection)
    if rows.empty:
        console.print("There are no elections yet. Type: election-metrics ingest FOLDER (or: election-metrics demo)")
        return
    for row in rows.itertuples():
        console.print(
            f"[bold]{escape(row.name)}[/bold] ({'voting times not known' if pd.isna(row.status) else row.status})"
        )
        console.print(
            f"  turnout   {_percent(row.participation_rate)}: {_number(row.votes_cast)} votes of "
            f"{_number(row.registered_voters)} registered; {_number(row.bulletins_issued)} bulletins, "
            f"gap {_percent(row.gap_rate)}"
        )
        console.print(
            f"  coverage  {_percent(row.coverage)} of the hours so far; {_number(row.constituencies_reporting)} of "
            f"{_number(row.constituencies_total)} reporting; {_number(row.rejected_lines)} lines rejected"
        )
        found = [f"{row.anomalies_critical} critical", f"{row.anomalies_warning} warning(s)"]
        hint = " (election-metrics anomalies list)" if row.anomalies_critical or row.anomalies_warning else ""
        console.print(f"  findings  {', '.join(found)}{hint}")
        console.print(f"  newest    {_moment(row.last_transaction_at)} UTC; computed {_moment(row.computed_at)} UTC")
        console.print(f"  id        {row.election_id}\n")


def print_status(console: Console, settings: Settings) -> None:
    """Prints what landed, what is behind and what could not be read."""
    with transaction(settings) as connection:
        database = connection.execute(sa.text("SELECT current_database() || ', ' || version()")).scalar_one()
        counts = read_status(connection)
        unreadable, rejected = read_problems(connection)
    console.print(f"Warehouse   {str(database).split(' on ')[0]}")
    console.print(f"Lake        {settings.lake_path}")
    console.print(f"Source      {settings.source or 'ELECTION_METRICS_SOURCE is not set: no folder is watched'}")
    console.print(f"As of       {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n")
    for name, count in counts.items():
        console.print(f"{name.replace('_', ' '):<26}{count:>14,}".replace(",", " "))
    problems = list(unreadable.itertuples(index=False, name=None))
    if settings.source is not None and settings.source.exists():
        listed = [(problem.version.path, problem.reason) for problem in list_exports(settings.source).unreadable]
        problems += [problem for problem in listed if problem not in problems]
    if problems:
        console.print("\nFiles and folders that cannot be read:")
        for path, reason in problems:
            console.print(f"  {path}\n    {reason}", markup=False)
    if len(rejected):
        console.print("\nLines in quarantine (election-metrics export rejected_transactions shows each):")
        for reason, lines, files, example in rejected.itertuples(index=False, name=None):
            console.print(f"  {lines} line(s) in {files} file(s): {reason}\n    such as {example}", markup=False)
