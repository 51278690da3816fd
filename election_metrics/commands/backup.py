"""`backup` and `restore`."""

from pathlib import Path

import dagster as dg
from rich.console import Console

from election_metrics.commands.markup import shown
from election_metrics.commands.progress import bars
from election_metrics.pipeline.backup import back_up
from election_metrics.pipeline.manifest import Manifest
from election_metrics.pipeline.restore import check_backup, restore_backup
from election_metrics.runtime.launch import open_instance
from election_metrics.settings import Settings, settings

_AT_WORK = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
_ROWS = ("metrics.hourly_stats", "metrics.election_summaries")


def run_backup(console: Console, folder: Path, chosen: Settings | None = None, *, link: bool = False) -> None:
    """Takes a backup and prints what is in it, what is not, and how to restore it.

    Raises:
        ElectionMetricsError: the folder exists, a part of the lake is lost, or a database cannot be dumped.
    """
    chosen = chosen or settings()
    folder = folder.expanduser().absolute()
    with bars(console) as progress:
        made = back_up(chosen, folder, progress.of, link=link)
    console.print(f"{_in_words(made)} are in {shown(folder)}, as of {made.taken_at}.", soft_wrap=True)
    if not made.is_copied:
        console.print(
            f"The lake is in an object store: its {len(made.parts):,} part(s) are named with their hashes, not copied. "
            f"Back up {shown(made.lake)} by means of the store, or copy it: election-metrics lake move FOLDER",
            soft_wrap=True,
        )
    if made.secrets:
        console.print(f"Not included, because they are secrets: {', '.join(made.secrets)}.", soft_wrap=True)
    console.print(
        f"To check it: election-metrics restore --check {shown(folder)}\n"
        f"To restore it, into an empty HOME: election-metrics restore {shown(folder)}",
        soft_wrap=True,
    )


def run_check(console: Console, folder: Path, chosen: Settings | None = None) -> None:
    """Reads a backup and confirms that it is complete.

    Raises:
        ElectionMetricsError: it is not; names the files.
    """
    with bars(console) as progress:
        found = check_backup(chosen or settings(), folder, progress.of)
    console.print(f"The backup of {found.taken_at} is complete: {_in_words(found)}.", soft_wrap=True)


def run_restore(console: Console, folder: Path, chosen: Settings | None = None) -> None:
    """Restores a backup and prints what to type next.

    Raises:
        ElectionMetricsError: HOME or the database is not empty, or the backup is incomplete.
    """
    chosen = chosen or settings()
    folder = folder.expanduser().absolute()
    messages: list[str] = []
    with bars(console) as progress:
        found = restore_backup(chosen, folder, progress.of, messages.append)
    with open_instance(chosen) as instance:
        cancelled = _end_runs(instance)
    console.print(f"Restored and read back: {_in_words(found)}, as of {found.taken_at}.", soft_wrap=True)
    if cancelled:
        console.print(f"{cancelled} run(s) were in progress then, and are cancelled; `up` computes what is behind.")
    for line in [*messages, *_by_hand(found)]:
        console.print(line, markup=False, soft_wrap=True)
    console.print(
        f"Set the settings in {shown(folder / 'settings.env')} as far as they still apply, then type:\n\n"
        "election-metrics summary\nelection-metrics up",
        soft_wrap=True,
    )


def _end_runs(instance: dg.DagsterInstance) -> int:
    """Cancels runs that were in progress when the backup was taken: without a process, they would stay STARTED."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_AT_WORK))
    for run in runs:
        instance.report_run_canceled(run, "It was in progress when the backup was taken that was restored here.")
    return len(runs)


def _by_hand(found: Manifest) -> list[str]:
    lines = [f"To be set again, as it is a secret: {name}" for name in found.secrets]
    if found.source is not None:
        lines.append(f"Files are known by their path: the source was {found.source}; keep it at the same path.")
    for role, logins in found.logins.items():
        lines += [
            f"As a superuser, create {login} again: CREATE ROLE {login} LOGIN PASSWORD '…' IN ROLE {role}; "
            "then type: election-metrics migrate"
            for login in logins
        ]
    return lines


def _in_words(found: Manifest) -> str:
    tables = {name: int(rows) for tables in found.figures.values() for name, (rows, _) in tables.items()}
    size = sum(facts.size for facts in found.parts) / 2**20
    hours, elections = (tables.get(name, 0) for name in _ROWS)
    return (
        f"{elections:,} election(s), {hours:,} row(s) of hourly_stats, {tables.get('public.runs', 0):,} run(s), "
        f"{len(found.parts):,} part(s) of the lake ({size:,.1f} MiB)"
    )
