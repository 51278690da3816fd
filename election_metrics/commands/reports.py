"""Reports from the warehouse: `summary`, `conflicts`, `maintain`, and `status` while PostgreSQL answers."""

import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pandas as pd
import sqlalchemy as sa
from rich.console import Console

from election_metrics.commands.known import print_full_disks, print_known
from election_metrics.commands.markup import shown
from election_metrics.commands.second_count import print_state
from election_metrics.commands.verdicts import print_lists
from election_metrics.locations import name_of
from election_metrics.pipeline.last_known import Known, read_last_known, unwatched
from election_metrics.pipeline.pending_files import not_read_before, pending_files
from election_metrics.sanitize import one_line, visible
from election_metrics.settings import Settings
from election_metrics.sources.file_kinds import NotRead
from election_metrics.sources.file_versions import FileVersion, still_growing
from election_metrics.sources.listing import Listing
from election_metrics.warehouse import registry
from election_metrics.warehouse.as_of import known_at
from election_metrics.warehouse.chain import absent_shards, read_shards
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.ledger import count_by_status
from election_metrics.warehouse.replace import read_frame
from election_metrics.warehouse.reports import (
    read_conflicts,
    read_problems,
    read_rule_coverage,
    read_status,
    read_summaries,
)
from election_metrics.warehouse.table_reads import looked_at
from election_metrics.warehouse.verdicts import read_lists

_SECONDS_LOOKING = 2.0
_MOST_OPENED = 1_000
_ELECTIONS_SHOWN = 3


def _number(value: object) -> str:
    return "–" if pd.isna(value) else f"{int(str(value)):,}".replace(",", " ")


def _percent(value: object) -> str:
    return "–" if pd.isna(value) else f"{float(str(value)):.2f} %"


def _moment(value: object) -> str:
    return "–" if pd.isna(value) else pd.Timestamp(str(value)).strftime("%Y-%m-%d %H:%M")


def print_summary(console: Console, settings: Settings, as_of: datetime | None = None) -> None:
    """Prints each election in a few lines, as it is known now or was known at a moment."""
    with transaction(settings) as connection:
        rows = read_summaries(known_at(connection, as_of))
    if as_of is not None:
        console.print(f"As it was known at {as_of.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC.\n")
        if rows.empty:
            console.print("Nothing was known yet.")
            return
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
            wait = (pd.Timestamp(row.starts_at) - (as_of or datetime.now(UTC))).ceil("min").components
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
    """Prints every transaction id whose rows differ, with its rows and their files.

    Raises:
        ElectionMetricsError: there is no such election.
    """
    with transaction(settings) as connection:
        registry.check_named(connection, election)
        rows = read_conflicts(connection, election)
    if rows.empty:
        console.print("No transaction id has rows that differ.")
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
    """Maintains, and prints what was (or would be) removed."""
    from election_metrics.automation.upkeep import maintain

    for what, count in maintain(settings, dry_run=dry_run).items():
        console.print(f"{f'{count:,}'.replace(',', ' '):>12}  {what}")
    console.print("Nothing was removed." if dry_run else "Done.")


def _print_queue(console: Console, settings: Settings) -> None:
    """Prints queued runs and runs in progress, and the outcomes of the last 24 hours."""
    from election_metrics.automation.queue import counts_of_last_day, unfinished_runs
    from election_metrics.runtime.launch import open_instance

    with open_instance(settings) as instance:
        runs = unfinished_runs(instance)
        ended = counts_of_last_day(instance)
    console.print("\nRuns of 24 hours  " + ", ".join(f"{count} {name}" for name, count in ended.items()))
    console.print("Queue             " + (f"{len(runs)} run(s)" if runs else "empty"))
    for run in runs[:20]:
        console.print(f"  {run.run_id[:8]} {run.state:<9} priority {run.priority:>3}  {run.why}", markup=False)


def _print_disk(console: Console, settings: Settings) -> None:
    from election_metrics.automation.pruning import dagster_bytes
    from election_metrics.locations import size_below

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
    known, now = read_last_known(settings), datetime.now(UTC)
    stopped = unwatched(settings, known, now)
    own = [*known.seen_now(now), *([] if stopped is None else [stopped])]
    found = [Known(key="", severity="error", title=title, detail=detail, since=since)
             for title, detail, since in wrong.itertuples(index=False, name=None)]  # fmt: skip
    print_known(console, [*own, *found])
    if len(waiting):
        console.print(
            "\nFiles set aside, so that the others land (tried again every ELECTION_METRICS_SET_ASIDE_MINUTES):"
        )
        for path, tries, reason in waiting.itertuples(index=False, name=None):
            console.print(f"  {visible(path)}\n    tries: {tries}; {one_line(reason)}", markup=False)


def print_not_read(console: Console, not_read: Mapping[str, NotRead]) -> None:
    """Prints which files of the source are of a kind that is not read."""
    if not_read:
        console.print("\nFiles of a kind that is not read (.csv is, also in .zip, .tar, .gz, .bz2, .xz and .zst):")
    for kind in sorted(not_read.values(), key=lambda kind: (not kind.may_be_exports, kind.ending)):
        console.print(f"  {visible(kind)}", markup=False)


def _print_account(console: Console, settings: Settings, pending: Sequence[FileVersion], seen: Listing) -> None:
    """Prints what became of every file below the source."""
    now = time.time_ns()
    growing = sum(still_growing(file, now, settings.settle_seconds) for file in pending[:_MOST_OPENED])
    assert settings.source_path is not None
    with transaction(settings) as connection:
        known = count_by_status(connection, name_of(settings.source_path))
    counts = {
        "landed": known["landed"],
        "new": len(pending) - growing,
        f"being written (lands {settings.settle_seconds:g} s after its last change)": growing,
        "unreadable": max(known["unreadable"], len(seen.unreadable)),
        f"set aside (tried again after {settings.set_aside_minutes:g} minutes)": known["set aside"],
        "withdrawn": known["withdrawn"],
        "of a kind that is not read": sum(kind.files for kind in seen.not_read.values()),
        **{f"ignored: {rule}": number for rule, number in sorted(seen.ignored.items())},
    }
    total = sum(counts.values())
    console.print(
        f"\nFiles below the source: {total:,}" + ("" if seen.is_whole else " or more: the listing takes long")
    )
    for what, number in counts.items():
        if number:
            console.print(f"  {number:>10,}  {what}", highlight=False)


def _print_withdrawn(console: Console, settings: Settings) -> None:
    """Prints what people withdrew, when and why."""
    query = (
        "SELECT sum(files), sum(lines), min(example), reason, since FROM metrics.input_notes "
        "WHERE kind = 'withdrawn' GROUP BY reason, since ORDER BY since"
    )
    with transaction(settings) as connection:
        notes = read_frame(connection, sa.text(query))
    if len(notes):
        console.print("\nWithdrawn (election-metrics withdraw PATH --undo restores it):")
    for files, lines, example, reason, since in notes.itertuples(index=False, name=None):
        console.print(
            f"  {files} file(s) with {lines} row(s), at {since:%Y-%m-%d %H:%M} UTC: {one_line(reason)}\n"
            f"    such as {visible(example)}",
            markup=False,
        )


def _print_judged(console: Console, settings: Settings) -> None:
    """Prints, for the latest elections, which rules have too few votes to judge every constituency."""
    with transaction(settings) as connection:
        found = read_rule_coverage(connection, _ELECTIONS_SHOWN)
    if found.empty:
        return
    console.print(
        "\nConstituencies that each rule can judge so far (docs/metrics.md, Who can be judged, says why not all):"
    )
    for name, rules in found.groupby("name", sort=False):
        total = int(rules["constituencies_total"].max())
        some = rules[rules["constituencies_judged"] < total].sort_values("constituencies_judged", kind="stable")
        said = ", ".join(
            f"{row.rule} {row.constituencies_judged} ({row.constituencies_judged / total:.0%})"
            for row in some.itertuples()
        )
        console.print(f"  {one_line(str(name))}: {total}; all of them by {len(rules) - len(some)} rules", markup=False)
        if said:
            console.print(f"    fewer by {said}", markup=False)


def _print_shards(console: Console, shards: pd.DataFrame, absent: Sequence[str]) -> None:
    """Prints how far each shard of the chain has landed, and what is missing."""
    for row in shards.itertuples():
        console.print(
            f"Shard {visible(row.shard):<5} blocks {row.first_height:,} to {row.last_height:,}, "
            f"{row.last_at:%Y-%m-%d %H:%M:%S} UTC; {row.constituencies} constituencies"
            + (f"; {row.trouble}" if row.trouble else ""),
            markup=False, highlight=False,
        )  # fmt: skip
    if absent:
        console.print(f"Shard {', '.join(absent)}: no block has landed", markup=False, highlight=False)


def print_warehouse(console: Console, settings: Settings) -> None:
    """Prints what landed, what is behind, the queue, disk usage, problems, and what could not be read.

    Raises:
        TransientError: PostgreSQL cannot be reached.
    """
    with transaction(settings) as connection:
        database = connection.execute(sa.text("SELECT current_database() || ', ' || version()")).scalar_one()
        counts = read_status(connection)
        unreadable, rejected = read_problems(connection)
        tables = looked_at(connection)
        shards = read_shards(connection)
        absent = absent_shards(connection, list(shards["shard"]))
        lists = read_lists(connection)
    console.print(f"Warehouse   {str(database).split(' on ')[0]}")
    console.print(f"Lake        {settings.lake_path}")
    unset = "ELECTION_METRICS_SOURCE is not set here, so no folder is listed"
    console.print(f"Source      {settings.source or unset}")
    for name, read_at in tables:
        console.print(f"Table       {shown(name)}, polled at {read_at:%Y-%m-%d %H:%M:%S} UTC")
    _print_shards(console, shards, absent)
    print_state(console, settings)
    console.print(f"As of       {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
    print_full_disks(console, settings)
    console.print()
    for name, count in counts.items():
        console.print(f"{name.replace('_', ' '):<26}{count:>14,}".replace(",", " "))
    _print_queue(console, settings)
    _print_disk(console, settings)
    _print_problems(console, settings)
    problems = list(unreadable.itertuples(index=False, name=None))
    source = settings.source_path
    if source is not None and source.exists():
        until = time.monotonic() + _SECONDS_LOOKING  # files that landing could not read are in the ledger
        pending, _, seen = pending_files(
            settings, source, settled_only=False, enough=lambda _: time.monotonic() > until
        )
        _print_account(console, settings, pending, seen)
        listed = [(problem.version.path, problem.reason) for problem in seen.unreadable]
        problems += [problem for problem in listed if problem not in problems]
        print_not_read(console, seen.not_read)
    else:
        print_not_read(console, not_read_before(settings))
    if problems:
        console.print("\nFiles and folders that cannot be read:")
        for path, reason in problems:
            console.print(f"  {visible(path)}\n    {one_line(reason)}", markup=False)
    if counts["ids_in_conflict"]:
        console.print(
            f"\n{counts['ids_in_conflict']} transaction id(s) have rows that differ, in contract, time or content: "
            "election-metrics conflicts shows each, with its files"
        )
    _print_withdrawn(console, settings)
    if len(lists):
        console.print("\nVerdicts on ballots (election-metrics export verdicts shows each):")
        print_lists(console, lists)
    _print_judged(console, settings)
    if len(rejected):
        console.print("\nLines in quarantine (election-metrics export rejected_transactions shows each):")
        for reason, lines, files, example in rejected.itertuples(index=False, name=None):
            console.print(
                f"  {lines} line(s) in {files} file(s): {reason}\n    such as {visible(example)}", markup=False
            )
