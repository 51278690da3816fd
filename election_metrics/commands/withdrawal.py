"""`withdraw`: takes back what wrong files brought, and computes what depends on it."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from rich.console import Console

from election_metrics.automation.jobs import AFTER_LANDING
from election_metrics.clock import hour_of
from election_metrics.commands.markup import shown
from election_metrics.commands.progress import bars
from election_metrics.commands.runs import finish, finish_changed
from election_metrics.errors import ElectionMetricsError
from election_metrics.pipeline.withdrawal import Withdrawal, find_withdrawal, restore, withdraw
from election_metrics.runtime.launch import open_instance, run_update
from election_metrics.settings import Settings
from election_metrics.warehouse.migrate import migrate

_MOST_SHOWN = 20
_DIGITS = 16
"""Of a content_hash, as it is shown."""


def run_withdraw(console: Console, chosen: Settings, target: str, reason: str | None, who: str) -> None:
    """Shows what a target names; with a reason, withdraws it.

    Raises:
        ElectionMetricsError: it names no file that counts.
    """
    if reason is not None and not reason.strip():
        raise ElectionMetricsError("say why it is withdrawn, for those who read the figures: --because REASON")
    migrate(chosen)
    found = find_withdrawal(chosen, target)
    _print(console, found, "would be withdrawn" if reason is None else "are withdrawn")
    if found.elsewhere:
        digits, path = next(iter(found.elsewhere.items()))
        console.print(
            f"The rows of {len(found.elsewhere)} of these files stay, because other files have them too, such as "
            f"{shown(path)}. To take them back from all files: election-metrics withdraw {digits[:_DIGITS]}"
        )
    if reason is None:
        console.print('Nothing was changed. Say why to withdraw: --because "REASON"')
        return
    withdraw(chosen, target, who, reason)
    with open_instance(chosen) as instance, bars(console) as progress:
        finish_changed(chosen, instance, progress, console)
        # Constituencies without any row leave the registry once their hours are gone.
        hour = hour_of(datetime.now(UTC))
        finish(run_update(chosen, instance, hour, hour, "ingest", progress=progress, only=AFTER_LANDING), console)
    console.print("Withdrawn. To restore: the same command with --undo")


def run_undo(console: Console, chosen: Settings, target: str, who: str) -> None:
    """Restores what was withdrawn.

    Raises:
        ElectionMetricsError: the target names no file that was withdrawn.
    """
    migrate(chosen)
    found = restore(chosen, target, who)
    _print(console, found, "are restored")
    gone = [path for path in sorted(set(found.files["path"])) if not Path(path).exists() and "://" not in path]
    if gone:
        console.print(f"{len(gone)} of them no longer exist, such as {shown(gone[0])}: put them back, and they land")
    console.print("A running up lands them with the source's new files. Without it, type: election-metrics ingest PATH")


def _print(console: Console, found: Withdrawal, what: str) -> None:
    files = found.files
    for row in files.head(_MOST_SHOWN).itertuples():
        name, count = f"{row.path}/{row.member}".rstrip("/"), 0 if pd.isna(row.rows) else int(row.rows)
        console.print(f"  {shown(name)}  {count:,} row(s)", highlight=False)
    if len(files) > _MOST_SHOWN:
        console.print(f"  … and {len(files) - _MOST_SHOWN:,} more")
    elections = ", ".join(sorted({str(name) for name in files["election_id"].dropna()})) or "none"
    console.print(
        f"{len(files):,} file(s) with {int(files['rows'].fillna(0).sum()):,} row(s) in {len(found.hours):,} hour(s), "
        f"of {files['constituency_id'].nunique():,} constituencies {what}; elections: {elections}."
    )
