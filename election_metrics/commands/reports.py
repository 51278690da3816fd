"""`summary` and `status`: the warehouse in a terminal."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd
import sqlalchemy as sa
from rich.console import Console
from rich.markup import escape

from election_metrics.commands.shown import shown
from election_metrics.errors import TransientError
from election_metrics.foreign import one_line, visible
from election_metrics.pipeline.disk import disks_of, no_room, what_can_go
from election_metrics.pipeline.last_known import Known, read_last_known
from election_metrics.settings import Settings
from election_metrics.sources.portal_exports import list_exports
from election_metrics.warehouse import registry
from election_metrics.warehouse.answering import check_that_it_answers
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.elections import read_conflicts, read_problems, read_status, read_summaries
from election_metrics.warehouse.replace import read_frame
from election_metrics.warehouse.server import is_up
from election_metrics.warehouse.table_reads import looked_at

NOT_ANSWERED = 4
"""Exit code: PostgreSQL does not answer; what was printed is what was known last."""


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
            f"[bold]{shown(row.name)}[/bold] ({'voting times not known' if pd.isna(row.status) else row.status})"
        )
        if not pd.isna(row.starts_at):
            console.print(f"  voting    {_moment(row.starts_at)} to {_moment(row.ends_at)} UTC")
        if row.status == "scheduled":
            wait = (pd.Timestamp(row.starts_at) - datetime.now(UTC)).ceil("min").components
            console.print(
                f"  opens in  {wait.days} d {wait.hours} h {wait.minutes} min: "
                f"{_number(row.registered_voters)} registered"
            )
        else:
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


def print_conflicts(console: Console, settings: Settings, election: str | None) -> None:
    """Prints every transaction id that says several things, with its rows and their files.

    Raises:
        ElectionMetricsError: there is no such election.
    """
    with transaction(settings) as connection:
        registry.check_named(connection, election)
        rows = read_conflicts(connection, election)
    if rows.empty:
        console.print("No transaction id says several things.")
        return
    for name, group in rows.groupby("transaction_id", sort=False):
        console.print(f"{visible(str(name))}", markup=False)
        for row in group.itertuples():
            console.print(
                f"  {'counts' if row.stands else 'lost  '}  {row.occurred_at:%Y-%m-%d %H:%M:%S} UTC  {row.kind}"
                f"{'' if pd.isna(row.quantity) else f' of {row.quantity}'}  {visible(str(row.constituency_id))}\n"
                f"          {visible(str(row.file))}",
                markup=False,
            )
    lost = int((~rows["stands"].astype(bool)).sum())
    console.print(f"{rows['transaction_id'].nunique()} transaction id(s), {lost} row(s) of them lost.")


def print_maintenance(console: Console, settings: Settings, *, dry_run: bool) -> None:
    """Maintains, and prints what went (or would go)."""
    from election_metrics.automation.upkeep import maintain

    for what, count in maintain(settings, dry_run=dry_run).items():
        console.print(f"{f'{count:,}'.replace(',', ' '):>12}  {what}")
    console.print("Nothing was removed." if dry_run else "Done.")


def _print_queue(console: Console, settings: Settings) -> None:
    """Runs that wait or work, first to start first; and how the last ones ended."""
    from election_metrics.automation.launch import open_instance
    from election_metrics.automation.queue import counts_of_last_day, unfinished_runs

    with open_instance(settings) as instance:
        runs = unfinished_runs(instance)
        ended = counts_of_last_day(instance)
    console.print("\nRuns of 24 hours  " + ", ".join(f"{count} {name}" for name, count in ended.items()))
    console.print("Queue             " + (f"{len(runs)} run(s)" if runs else "empty"))
    for run in runs[:20]:
        console.print(f"  {run.run_id[:8]} {run.state:<9} priority {run.priority:>3}  {run.why}", markup=False)


def _print_disk(console: Console, settings: Settings) -> None:
    from election_metrics.automation.pruning import dagster_bytes
    from election_metrics.places import size_below

    with transaction(settings) as connection:
        ours = connection.execute(sa.text("SELECT pg_database_size(current_database())")).scalar_one()
    usage = shutil.disk_usage(settings.home if settings.home.exists() else settings.home.parent)
    sizes = {
        "lake": size_below(settings.lake_path),
        "warehouse": int(ours),
        "Dagster's database": dagster_bytes(settings),
        "free": usage.free,
    }
    console.print("Disk              " + ", ".join(f"{name} {size / 2**20:,.0f} MiB" for name, size in sizes.items()))


def _print_problems(console: Console, settings: Settings) -> None:
    with transaction(settings) as connection:
        wrong = read_frame(connection, sa.text("SELECT title, detail, since FROM ingest.problems ORDER BY since"))
        waiting = read_frame(
            connection,
            sa.text(
                "SELECT path, tries, reason FROM ingest.landing_attempts WHERE set_aside_at IS NOT NULL ORDER BY 1"
            ),
        )
    now = datetime.now(UTC)
    last_known = read_last_known(settings)
    own = last_known.problems if last_known.watches(now) else []
    found = [Known(key="", severity="error", title=title, detail=detail, since=since)
             for title, detail, since in wrong.itertuples(index=False, name=None)]  # fmt: skip
    _print_known(console, [*own, *found])
    if len(waiting):
        console.print(
            "\nFiles set aside, so that the others land (tried again every ELECTION_METRICS_SET_ASIDE_MINUTES):"
        )
        for path, tries, reason in waiting.itertuples(index=False, name=None):
            console.print(f"  {visible(path)}\n    tries: {tries}; {one_line(reason)}", markup=False)


def print_status(console: Console, settings: Settings) -> int:
    """Prints what landed, what is behind, what waits, what the disk holds, what is wrong and could not be read.

    Returns:
        The exit code: NOT_ANSWERED where PostgreSQL does not answer, and what was printed is what was known last.
    """
    if settings.database_url is None and not is_up(settings) and (full := no_room(settings)):
        # The embedded server would be started now, and could not.
        _print_last_known(console, settings, f"PostgreSQL is down, and {full}")
        return NOT_ANSWERED
    try:
        check_that_it_answers(settings)
        with transaction(settings) as connection:
            read_status(connection)
    except TransientError as error:
        _print_last_known(console, settings, str(error))
        return NOT_ANSWERED
    _print_all(console, settings)
    return 0


def _print_last_known(console: Console, settings: Settings, trouble: str) -> None:
    """What was known when the warehouse answered last; the disks, which may be why it does not."""
    now = datetime.now(UTC)
    known = read_last_known(settings)
    console.print(f"[bold red]{escape(trouble)}[/bold red]")
    watched = "watches" if known.watches(now) else "does not run (election-metrics up)"
    console.print(f"Supervisor  {watched}")
    if known.figures_at is None:
        console.print("Last known  nothing: no up has looked yet")
    else:
        console.print(f"Last known  {known.figures_at:%Y-%m-%d %H:%M:%S} UTC\n")
        for name, count in known.figures.items():
            console.print(f"{name.replace('_', ' '):<26}{count:>14,}".replace(",", " "))
    _print_known(console, known.everything(now))
    _print_full_disks(console, settings)


def _print_known(console: Console, problems: Sequence[Known]) -> None:
    if problems:
        console.print("\nProblems that alerts were raised for:")
    for one in problems:
        console.print(
            f"  {one_line(one.title)} (since {one.since:%Y-%m-%d %H:%M} UTC)\n    {one_line(one.detail)}", markup=False
        )


def _print_full_disks(console: Console, settings: Settings) -> None:
    """Which disk is full, how much is free, and what can go."""
    full = [disk for disk in disks_of(settings) if disk.is_full]
    for disk in full:
        console.print(f"\nThe disk of {disk.what} is full: {disk.path}, {disk}. Landing waits.", markup=False)
    if not full:
        return
    console.print("What can go:")
    for what, size, do in what_can_go(settings):
        console.print(f"  {size / 2**20:,.0f} MiB  {what}: {do}", markup=False)


def _print_all(console: Console, settings: Settings) -> None:
    with transaction(settings) as connection:
        database = connection.execute(sa.text("SELECT current_database() || ', ' || version()")).scalar_one()
        counts = read_status(connection)
        unreadable, rejected = read_problems(connection)
        tables = looked_at(connection)
    console.print(f"Warehouse   {str(database).split(' on ')[0]}")
    console.print(f"Lake        {settings.lake_path}")
    console.print(f"Source      {settings.source or 'ELECTION_METRICS_SOURCE is not set: no folder is watched'}")
    for name, read_at in tables:
        console.print(f"Table       {shown(name)}, looked at {read_at:%Y-%m-%d %H:%M:%S} UTC")
    console.print(f"As of       {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
    _print_full_disks(console, settings)
    console.print()
    for name, count in counts.items():
        console.print(f"{name.replace('_', ' '):<26}{count:>14,}".replace(",", " "))
    _print_queue(console, settings)
    _print_disk(console, settings)
    _print_problems(console, settings)
    problems = list(unreadable.itertuples(index=False, name=None))
    source = settings.source_path
    if source is not None and source.exists():
        listed = [(problem.version.path, problem.reason) for problem in list_exports(source).unreadable]
        problems += [problem for problem in listed if problem not in problems]
    if problems:
        console.print("\nFiles and folders that cannot be read:")
        for path, reason in problems:
            console.print(f"  {visible(path)}\n    {one_line(reason)}", markup=False)
    if counts["ids_in_conflict"]:
        console.print(
            f"\n{counts['ids_in_conflict']} transaction id(s) say several things, in two contracts, at two times or "
            "with two contents: election-metrics conflicts shows each, with its files"
        )
    if len(rejected):
        console.print("\nLines in quarantine (election-metrics export rejected_transactions shows each):")
        for reason, lines, files, example in rejected.itertuples(index=False, name=None):
            console.print(
                f"  {lines} line(s) in {files} file(s): {reason}\n    such as {visible(example)}", markup=False
            )
