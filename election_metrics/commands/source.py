"""`source check` and `source suggest`: files of any form, before anything lands."""

import os
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from election_metrics.commands.exit_codes import PARTLY_READ
from election_metrics.commands.markup import shown
from election_metrics.commands.runs import run_table_ingest
from election_metrics.commands.table import meaning_of
from election_metrics.errors import SourceError
from election_metrics.pipeline.mapped_check import Checked, check_files
from election_metrics.pipeline.mapped_files import MappedFiles
from election_metrics.pipeline.mapping_guess import suggest
from election_metrics.settings import Settings, settings
from election_metrics.sources.file_mapping import FileMapping, columns_of, read_file_mapping


def print_check(console: Console, chosen: Settings, file: Path, path: Path | None) -> int:
    """Prints what a mapping makes of files.

    Returns:
        The exit code: 3 if some of it cannot be read.

    Raises:
        SettingsError: the mapping is invalid; the key is named.
        SourceError: there is no such file.
    """
    mapping = read_file_mapping(file)
    found = check_files(chosen, MappedFiles(mapping, (path or file.parent).absolute(), chosen))
    console.print(f"Mapping     {shown(file)}: {mapping.rows} of {found.files} file(s), {found.said:,} rows")
    for key, one in columns_of(mapping):
        origin = ", ".join(one.needs) or (f"the path, by {one.file}" if one.file else f"always {one.constant!r}")
        console.print(f"  {key.removeprefix('columns.'):<16} {shown(origin)}{shown(_steps(one))}")
    _print_rows(console, mapping, found)
    _print_kinds(console, mapping, found)
    _print_notes(console, mapping, found)
    for wrong in found.unreadable:
        name = Path(wrong.version.path).name + (f"/{wrong.member}" if wrong.member else "")
        console.print(f"[red]cannot be read:[/] {shown(name)}: {shown(wrong.reason)}")
    for reason, rows, example in found.rejected.itertuples(index=False, name=None):
        console.print(f"[red]{rows:,} of {found.sampled:,} rows would not count:[/] {shown(reason)}")
        console.print(f"  such as {shown(example)}")
    if len(found.rejected) or found.unreadable:
        return PARTLY_READ
    console.print(f"\nNothing landed. If this is right, type: election-metrics source ingest {shown(file)}")
    return 0


def _steps(one: object) -> str:
    steps = {name: getattr(one, name) for name in ("regex", "split", "map", "format")}
    said = ", ".join(f"{name} {value}" for name, value in steps.items() if value)
    return f"  ({said})" if said else ""


def _print_rows(console: Console, mapping: FileMapping, found: Checked) -> None:
    if found.first.empty:
        console.print("\nNo row would count.")
        return
    table = Table("place", "time (UTC)", "counts as", "how many", title="The first rows, as they would count")
    for row in found.first.itertuples():
        meaning = meaning_of(mapping, row.type, row.status)
        table.add_row(
            *(shown(str(value)) for value in (row.constituency, str(row.time)[:19], meaning, row.quantity or 1))
        )
    console.print(table)


def _print_kinds(console: Console, mapping: FileMapping, found: Checked) -> None:
    cast = 0
    for row in found.kinds.itertuples():
        status = "" if pd.isna(row.status) else f", status {row.status}"
        meaning = meaning_of(mapping, row.type, None if pd.isna(row.status) else row.status)
        cast += row.quantity if meaning == "votes cast" else 0
        console.print(f"  {row.quantity:>12,}  {shown(str(row.type) + status)} in {row.rows:,} rows: {meaning}")
    voters = found.places["registered_voters"]
    if mapping.columns.voter is not None:
        console.print(f"  Of several votes of a voter, the {mapping.standing_vote} one counts; here each is shown")
    elif voters.notna().any() and cast > voters.sum():
        console.print(
            f"[yellow]More votes than registered voters:[/] {cast:,} of {int(voters.sum()):,}. If each number is all "
            'so far, set rows = "counters"'
        )


def _print_notes(console: Console, mapping: FileMapping, found: Checked) -> None:
    if found.begin is not None and found.end is not None:
        console.print(
            f"Times       {found.begin:%Y-%m-%d %H:%M} to {found.end:%Y-%m-%d %H:%M} UTC; "
            f"those without an offset are read as of {mapping.time_zone}"
        )
    voters = found.places["registered_voters"]
    known = f"{int(voters.sum()):,} registered voters" if voters.notna().any() else "no registered voters are named"
    console.print(f"Places      {len(found.places):,}; {known}")
    lacking = [name for name in ("name", "region") if found.places[name].isna().all()]
    if mapping.election is None and mapping.columns.election is None:
        lacking.append("election")
    if lacking:
        console.print(f"Not said    {', '.join(lacking)} (ELECTION_METRICS_REFERENCE may say it)")
    if mapping.rows == "counters":
        console.print(
            f"Counters    {found.falls:,} fall(s) below the number before; "
            + (
                "numbers are spread evenly over the hours between two publications"
                if found.spread
                else "each number is of one hour"
            )
        )
    if found.off:
        console.print(f"Not judged  {', '.join(found.off)}")
    if mapping.rows == "events" and mapping.columns.id is None and found.files > 1 and not mapping.latest_only:
        console.print(
            "[yellow]Rows have no id:[/] those of several files add up. If a file repeats rows of another one, name "
            "columns.id, or set latest_only"
        )
    if found.empty:
        console.print(f"No number   in {found.empty:,} row(s): they say nothing of {' and '.join(mapping.counted)}")
    if found.repeated:
        console.print(
            f"[yellow]{found.repeated:,} row(s)[/] are of the place and time of another row of their file: if they "
            "are of two places, columns.constituency needs one more column"
        )
    for key in found.swapped:
        console.print(
            f"[yellow]{shown(key)}:[/] no day after the 12th is there, so nothing shows whether its format has day and "
            "month in the right order"
        )


def run_source_ingest(console: Console, file: Path) -> int:
    """Lands the files of a mapping and computes what depends on them.

    Returns:
        The exit code: 3 if some of it cannot be read.

    Raises:
        ElectionMetricsError: the mapping is invalid, or there is no such file.
    """
    mapping = read_file_mapping(file)
    os.environ["ELECTION_METRICS_SOURCE_TABLE"] = str(file.absolute())  # for the runs, which are other processes
    settings.cache_clear()  # they may have been read before
    chosen = settings()
    MappedFiles(mapping, file.parent.absolute(), chosen).listed()
    return run_table_ingest(console, None, None, chosen, compare=True)


def print_suggestion(console: Console, chosen: Settings, path: Path) -> int:
    """Prints a mapping that fits a file, to be saved and mended.

    Raises:
        SourceError: the file cannot be read, or has no rows.
    """
    if not path.is_file():
        raise SourceError(f"{path} is no file")
    console.file.write(suggest(chosen, path))
    return 0
