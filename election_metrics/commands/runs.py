"""`ingest`, `backfill`, `reland` and `table ingest`: `update_metrics_job`, run from the command line."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd
from rich.console import Console

from election_metrics.assets.partitions import in_grid
from election_metrics.assets.resources import Progress
from election_metrics.automation.jobs import AFTER_LANDING
from election_metrics.clock import hour_of, hour_start
from election_metrics.commands.assumed import print_assumed
from election_metrics.commands.exit_codes import PARTLY_READ
from election_metrics.commands.markup import shown
from election_metrics.commands.progress import bars
from election_metrics.commands.reports import print_not_read
from election_metrics.errors import ElectionMetricsError
from election_metrics.locations import Location, name_of
from election_metrics.pipeline.expected_hours import expected_hours
from election_metrics.pipeline.hour_comparison import preview_hours
from election_metrics.pipeline.hours import changed_hours, contiguous
from election_metrics.pipeline.mapped_source import open_files, unreadable_files
from election_metrics.pipeline.pending_files import note_listing, pending_files
from election_metrics.pipeline.publication import elections_behind
from election_metrics.pipeline.registry import registry_is_behind
from election_metrics.pipeline.relanding import files_to_reland
from election_metrics.pipeline.run_tags import in_words
from election_metrics.pipeline.table_opening import named_table
from election_metrics.pipeline.table_source import pending_rows
from election_metrics.pipeline.wider_root import read_paths_again
from election_metrics.runtime.launch import open_instance, run_update
from election_metrics.sanitize import visible
from election_metrics.settings import Settings, settings
from election_metrics.sources.listing import Listing
from election_metrics.sources.transactions_table import TransactionsTable
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.table_reads import PATH

_A_MONTH = 744
"""In hours."""
_A_DAY = 25
"""In hours. Changed hours that are no further apart are computed in one run: files may know days alone."""


def run_ingest(console: Console, path: Location, chosen: Settings | None = None) -> int:
    """Lands the files below `path` and computes what changed; returns the exit code."""
    chosen = chosen or settings()
    migrate(chosen)
    pending, unseen, listing = pending_files(chosen, path, settled_only=False)
    note_listing(chosen, path, listing)
    corrected = read_paths_again(chosen, path)
    renamed = registry_is_behind(chosen)
    behind = elections_behind(chosen)
    now = datetime.now(UTC)
    changed = changed_hours(chosen, now)
    if not listing.files and listing.missing:
        raise ElectionMetricsError(
            f"{path} has no export, though {len(listing.missing)} file(s) landed from there. Is a disk or a share "
            "away? What landed stays."
        )
    if not pending and not unseen and not changed and not corrected and not renamed and not behind:
        console.print(f"Nothing new: {_known_before(chosen, path)}.")
        return _ingested(console, chosen, path, listing)
    hours = in_grid(hour_start(number) for number in expected_hours(chosen, pending, now))
    first, last = _range_of_run(chosen, hours or in_grid(changed), now)
    if corrected:
        console.print(f"{corrected} file(s) that landed before are named by their folders now.")
    elif renamed:
        console.print("Names changed: files that named elections or constituencies are gone or back.")
    if pending:
        console.print(
            f"{len(pending)} new file(s). The first run lands them and computes {in_words(first, last)}; other hours "
            "that they change follow."
        )
    else:
        console.print(f"No new file. A run brings the figures up to date: {in_words(first, last)}.")
    with open_instance(chosen) as instance, bars(console) as progress:
        finish(run_update(chosen, instance, first, last, "ingest", source=path, progress=progress), console)
        finish_changed(chosen, instance, progress, console)
    late, _, listing = pending_files(chosen, path, settled_only=False)
    note_listing(chosen, path, listing)
    if late:
        console.print(
            f"{len(late)} file(s) came or changed while this ran, such as {shown(late[0].path)}: ingest again, or let "
            "the sensor land them."
        )
    return _ingested(console, chosen, path, listing) or (PARTLY_READ if late else 0)


def _ingested(console: Console, chosen: Settings, path: Location, listing: Listing) -> int:
    """Says what was not read; returns the exit code."""
    print_not_read(console, listing.not_read)
    if listing.ignored:
        rules = ", ".join(f"{count} {rule}" for rule, count in sorted(listing.ignored.items()))
        console.print(f"Ignored below {path}: {rules}.")
    lost = sum(kind.may_be_exports for kind in listing.not_read.values())
    code = _exit_code(chosen, name_of(path), listing_problems=len(listing.unreadable) + lost)
    print_assumed(console, chosen)
    if code:
        console.print("Not everything was read: election-metrics status says what, where and why.")
    return code


def _known_before(chosen: Settings, path: Location) -> str:
    """How many files landed before, and how many did not."""
    from election_metrics.warehouse.database import transaction
    from election_metrics.warehouse.ledger import count_by_status

    with transaction(chosen) as connection:
        counts = count_by_status(connection, name_of(path))
    others = [f"{counts[status]} {words}" for status, words in _NOT_LANDED.items() if counts[status]]
    return ", ".join([f"{counts['landed']} file(s) below {path} landed before", *others])


_NOT_LANDED = {"unreadable": "cannot be read", "set aside": "are set aside and wait", "withdrawn": "were withdrawn"}


def run_table_ingest(
    console: Console, first: datetime | None, last: datetime | None, chosen: Settings | None = None, *, compare: bool
) -> int:
    """Lands new rows of the transactions table and computes what depends on them; with a range, reloads these hours.

    Returns:
        The exit code: 3 if rows of the table are in quarantine.

    Raises:
        ElectionMetricsError: no table is configured, or it cannot be read.
    """
    chosen = chosen or settings()
    migrate(chosen)
    now = datetime.now(UTC)
    table = open_files(chosen) or named_table(chosen)
    name = table.mapping.source
    hours = pending_rows(chosen, table, now).hours if isinstance(table, TransactionsTable) else []
    asked = [hour for hour in (last, first) if hour is not None][:1]
    begin, end = _range_of_run(chosen, in_grid(hour_start(number) for number in hours) or asked, now)
    again = first is not None or last is not None
    landing: dict[str, object] = {"sources": [name], "compare": compare, "again": again}
    landing |= {"again_from": first.isoformat() if first else "", "again_to": last.isoformat() if last else ""}
    with open_instance(chosen) as instance, bars(console) as progress:
        result = run_update(chosen, instance, begin, end, "ingest", progress=progress, landing=landing)
        finish(result, console, "hour(s) of the table")
        finish_changed(chosen, instance, progress, console)
    code = _exit_code(chosen, PATH.format(source=name))
    for file in unreadable_files(chosen, name):
        console.print(f"[red]not read:[/] {shown(file)}")
        code = 3
    return code


def run_backfill(
    console: Console, first: datetime, last: datetime, chosen: Settings | None = None, *, dry_run: bool = False
) -> None:
    """Computes the hours first..last again, in as few runs as possible; with `dry_run`, prints what would change.

    Raises:
        ElectionMetricsError: the range is empty, or outside the hours with partitions.
    """
    chosen = chosen or settings()
    _check_range(chosen, first, last)
    migrate(chosen)
    if dry_run:
        _say_preview(console, preview_hours(chosen, first, last + timedelta(hours=1)), first, last)
        return
    with open_instance(chosen) as instance, bars(console) as progress:
        for begin, end in _runs_that_fit(first, last, chosen.most_hours):
            finish(run_update(chosen, instance, begin, end, "backfill", progress=progress, only=AFTER_LANDING), console)


def _runs_that_fit(first: datetime, last: datetime, most: int) -> Iterator[tuple[datetime, datetime]]:
    """The hours first..last as ranges of at most `most` hours, the newest first, because people wait for those."""
    while last >= first:
        begin = max(first, last - timedelta(hours=most - 1))
        yield begin, last
        last = begin - timedelta(hours=1)


def run_reland(
    console: Console,
    source: Location | None,
    first: datetime | None,
    last: datetime | None,
    constituency: str | None,
    chosen: Settings | None = None,
    *,
    dry_run: bool = False,
) -> None:
    """Reloads files that landed before, and computes what depends on them.

    Raises:
        ElectionMetricsError: no source is configured, or no file matches.
    """
    chosen = chosen or settings()
    source = source or chosen.source_path
    if source is None:
        raise ElectionMetricsError("say where the files are: --source FOLDER (or set ELECTION_METRICS_SOURCE)")
    migrate(chosen)
    files, gone = files_to_reland(chosen, source, first, last, constituency)
    if gone:
        console.print(
            f"{len(gone)} file(s) that landed are no longer below {source}; their rows stay, such as {shown(gone[0])}"
        )
    if not files:
        raise ElectionMetricsError(f"no landed file below {source} matches; election-metrics status shows what landed")
    size = sum(file.size for file in files) / 2**20
    console.print(f"{len(files)} file(s), {size:,.1f} MiB, {'would be' if dry_run else 'are'} read again.")
    if dry_run:
        return
    again = {
        "again": True,
        "again_from": first.isoformat() if first else "",
        "again_to": last.isoformat() if last else "",
        "again_constituency": constituency or "",
    }
    now = datetime.now(UTC)
    hours = [hour_start(number) for number in expected_hours(chosen, files, now)]
    begin, end = _range_of_run(chosen, hours, now)
    with open_instance(chosen) as instance, bars(console) as progress:
        finish(
            run_update(chosen, instance, begin, end, "backfill", source=source, progress=progress, landing=again),
            console,
        )
        finish_changed(chosen, instance, progress, console)


def _say_preview(console: Console, hours: pd.DataFrame, first: datetime, last: datetime) -> None:
    """Prints what a backfill would do, and each hour that it would change."""
    changed = hours[hours["rows_changed"] > 0]
    width = int((last - first).total_seconds()) // 3600 + 1
    console.print(
        f"{width} hour(s), {len(hours)} with transactions, {int(hours['rows'].sum())} row(s) of hourly_stats: "
        f"{int(hours['rows_changed'].sum())} would change. Nothing was written."
    )
    for row in changed.itertuples():
        console.print(
            f"  {row.hour:%Y-%m-%d %H:%M} UTC  {row.rows} row(s) now, {row.rows_after} after, {row.rows_changed} differ"
        )


def _check_range(chosen: Settings, first: datetime, last: datetime) -> None:
    latest = datetime.now(UTC) + timedelta(hours=24)
    if first > last:
        raise ElectionMetricsError(f"--from {first:%Y-%m-%dT%H:%M} is after --to {last:%Y-%m-%dT%H:%M}; swap them")
    if first < chosen.first_shown:
        name = "FIRST_HOUR" if chosen.first_shown == chosen.first_hour else "FIRST_PARTITION"
        raise ElectionMetricsError(
            f"--from {first:%Y-%m-%dT%H:%M} is before the first hour, {chosen.first_shown:%Y-%m-%dT%H:%M}Z "
            f"(setting ELECTION_METRICS_{name})"
        )
    if last > latest:
        raise ElectionMetricsError(
            f"--to {last:%Y-%m-%dT%H:%M} is in the future; the last hour is {latest:%Y-%m-%dT%H}:00"
        )


def finish_changed(chosen: Settings, instance: dg.DagsterInstance, progress: Progress, console: Console) -> None:
    """Computes stale hours that the first run did not: rows of other hours, corrections."""
    ranges = list(contiguous(in_grid(changed_hours(chosen)), _widest(chosen), _A_DAY))
    for number, (first, last) in enumerate(ranges, 1):
        of_many = f" (run {number} of {len(ranges)})" if len(ranges) > 1 else ""
        console.print(f"Changed too: {in_words(first, last)}{of_many}.")
        finish(run_update(chosen, instance, first, last, "ingest", progress=progress, only=AFTER_LANDING), console)


def _widest(chosen: Settings) -> int:
    """The most hours of a run of `ingest`."""
    return min(_A_MONTH, chosen.most_hours)


def _range_of_run(chosen: Settings, hours: list[datetime], now: datetime) -> tuple[datetime, datetime]:
    """The newest of these hours that are contiguous, or the current hour if there are none."""
    return max(contiguous(hours, _widest(chosen)), default=(hour_of(now),) * 2)


def finish(
    result: dg.ExecuteInProcessResult, console: Console, landed_as: str = "file(s)", *, quiet: bool = False
) -> Counter[str]:
    """Prints the result of a run; returns the sums of its assets' numbers, also by `asset.number`.

    Args:
        result: the run.
        console: where to print.
        landed_as: what landed.
        quiet: print nothing.

    Raises:
        ElectionMetricsError: the run failed; with the reason that Dagster recorded.
    """
    if not result.success:
        raise ElectionMetricsError(f"run {result.run_id} failed: {visible(_reason(result))}")
    figures: Counter[str] = Counter()
    for event in result.get_asset_materialization_events():
        asset = event.asset_key.to_user_string() if event.asset_key else ""
        for name, value in event.step_materialization_data.materialization.metadata.items():
            if isinstance(value.value, int):
                figures[f"{asset}.{name}"] += value.value
                figures[name] += value.value
    if quiet:
        return figures
    failed = [e for e in result.get_asset_check_evaluations() if not e.passed]
    landed = (
        f"{figures['landed_files.files']} {landed_as} landed, "
        f"{figures['landed_files.rejected']} line(s) in quarantine, "
        f"{figures['landed_files.unreadable_files']} unreadable file(s); "
    )
    if figures["landed_files.withdrawn_files"]:
        console.print(
            f"{figures['landed_files.withdrawn_files']} file(s) hold what people withdrew, so nothing of them counts: "
            "election-metrics status names them; election-metrics withdraw PATH --undo restores one."
        )
    console.print(
        f"Run {result.run_id} done: {landed if 'landed_files.files' in figures else ''}"
        f"{figures['hourly_stats.constituencies']} hourly rows hold "
        f"{figures['hourly_stats.bulletins_issued']} bulletins and {figures['hourly_stats.votes_cast']} votes."
    )
    for evaluation in failed:
        console.print(
            f"Check {evaluation.asset_key.to_user_string()}.{evaluation.check_name}: {evaluation.severity.value}"
        )
    return figures


def _reason(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return data.user_failure_data.description
            cause = data.error.cause if data.error and data.error.cause else data.error
            return cause.message.strip() if cause else "no reason is recorded"
    return "no step failed; see the run in the Dagster UI"


def _exit_code(chosen: Settings, below: str, listing_problems: int = 0) -> int:
    from election_metrics.warehouse.database import transaction
    from election_metrics.warehouse.reports import count_problems

    with transaction(chosen) as connection:
        problems = count_problems(connection, below)
    return PARTLY_READ if problems or listing_problems else 0
