"""`verdicts`: takes in a verifier's list of invalid ballots."""

from pathlib import Path

import pandas as pd
from rich.console import Console

from election_metrics.commands.exit_codes import PARTLY_READ
from election_metrics.commands.markup import shown
from election_metrics.commands.progress import bars
from election_metrics.pipeline.verdicts import remove_verdicts, take_verdicts
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.verdicts import read_lists

_SHOWN = 5
_FOLLOW = "Findings follow within seconds while `election-metrics up` runs, else with the next run."


def run_verdicts(console: Console, chosen: Settings, path: Path, verifier: str, who: str) -> int:
    """Takes in a list and says what became of it; returns the exit code.

    Raises:
        DataError: the file is no list of verdicts.
    """
    migrate(chosen)
    with bars(console) as progress:
        report = take_verdicts(chosen, path, verifier, who, progress.of("ballots", "hours"))
    console.print(f"{report.verdicts:,} verdicts of {shown(verifier)} were taken in.")
    console.print(f"{report.votes_found_invalid:,} votes that count here were found invalid; they stay counted.")
    for kind, number in report.not_counted.items():
        console.print(f"{number:,} ids are of transactions that count as {kind} here, and not as votes.")
    _list(console, f"{len(report.unknown):,} ids are not known here (they are found once they land)", report.unknown)
    _list(console, f"{len(report.problems):,} entries were not taken in", report.problems)
    console.print(_FOLLOW)
    return PARTLY_READ if report.problems else 0


def _list(console: Console, title: str, lines: list[str]) -> None:
    if not lines:
        return
    console.print(f"{title}:")
    for line in lines[:_SHOWN]:
        console.print(f"  {line}", markup=False, highlight=False)
    if len(lines) > _SHOWN:
        console.print(f"  and {len(lines) - _SHOWN:,} more")


def run_remove(console: Console, chosen: Settings, verifier: str, who: str) -> None:
    """Takes back the list of a verifier.

    Raises:
        ElectionMetricsError: there is none.
    """
    migrate(chosen)
    remove_verdicts(chosen, verifier, who)
    console.print(f"The verdicts of {shown(verifier)} are taken back. {_FOLLOW}")


def run_lists(console: Console, chosen: Settings) -> None:
    """Prints every verifier's list."""
    migrate(chosen)
    with transaction(chosen) as connection:
        lists = read_lists(connection)
    if lists.empty:
        console.print("There is no verdict. To take some in: election-metrics verdicts FILE.json --verifier NAME")
    print_lists(console, lists)


def print_lists(console: Console, lists: pd.DataFrame) -> None:
    """A line for each list (see `read_lists`)."""
    for row in lists.itertuples():
        console.print(
            f"  {shown(row.verifier)}: {row.verdicts:,} verdicts of {row.recorded_at:%Y-%m-%d %H:%M} UTC; "
            f"{row.votes_found_invalid:,} votes that count were found invalid, {row.not_counted:,} ids are of no vote "
            f"that counts, {row.unknown_here:,} are not known here"
        )
