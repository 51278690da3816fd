"""`verify`: checks a data package."""

from pathlib import Path

from rich.console import Console

from election_metrics.commands.markup import shown
from election_metrics.pipeline.packages.checking import Check, check_package


def run_verify(console: Console, folder: Path, key: Path | None) -> int:
    """Checks a package and prints the result of each check; returns the exit code, 1 if anything differs.

    Raises:
        ElectionMetricsError: the folder holds no package, or the key cannot be read.
    """
    failed = [_print(console, check) for check in check_package(folder.expanduser(), key)].count(False)
    console.print("Everything holds." if not failed else f"{failed} check(s) failed.")
    return 1 if failed else 0


def _print(console: Console, check: Check) -> bool:
    sign = "✗" if not check.holds else "✓" if check.is_done else "·"
    console.print(f"{sign} {check.name:<11} {shown(check.said) if check.holds else ''}".rstrip(), soft_wrap=True)
    for difference in check.differences:
        console.print(f"    {shown(difference)}", soft_wrap=True)
    return check.holds
