"""Prints problems and full disks, with or without a database."""

from collections.abc import Sequence

from rich.console import Console

from election_metrics.pipeline.disk import disks_of, what_can_go
from election_metrics.pipeline.last_known import Known
from election_metrics.sanitize import one_line
from election_metrics.settings import Settings

_THIS_COMMAND = "election-metrics status"


def print_known(console: Console, problems: Sequence[Known]) -> None:
    """Prints what is wrong, where, why and since when."""
    if problems:
        console.print("\nProblems that alerts were raised for:")
    for one in problems:
        detail = "\n".join(text for text in one.detail.splitlines() if text != f"type: {_THIS_COMMAND}")
        console.print(
            f"  {one_line(one.title)} (since {one.since:%Y-%m-%d %H:%M} UTC)\n    {one_line(detail)}", markup=False
        )


def print_full_disks(console: Console, settings: Settings) -> None:
    """Prints full disks, their free space, and what can be removed; nothing if no disk is full."""
    full = [disk for disk in disks_of(settings) if disk.is_full]
    for disk in full:
        console.print(f"\nThe disk of {disk.what} is full: {disk.path}, {disk}. Landing waits.", markup=False)
    if not full:
        return
    candidates = [(what, size, do) for what, size, do in what_can_go(settings) if size >= 2**20]
    console.print(
        "What can be removed:"
        if candidates
        else "Nothing of election-metrics can be removed: remove other files from the disk, or enlarge it."
    )
    for what, size, do in candidates:
        console.print(f"  {size / 2**20:,.0f} MiB  {what}: {do}", markup=False)
