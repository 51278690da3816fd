"""`verify`: checks a data package."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from election_metrics.api.published import code_differences
from election_metrics.commands.markup import shown
from election_metrics.commands.progress import bars
from election_metrics.pipeline.packages.checking import Check, check_package, checked
from election_metrics.pipeline.packages.descriptor import made_by, read_edition
from election_metrics.pipeline.packages.recounting import Recount, own_warehouse


def run_verify(console: Console, errors: Console, folder: Path, key: Path | None, exports: Path | None) -> int:
    """Checks a package and prints the result of each check; returns the exit code, 1 if anything differs.

    Args:
        console: standard output.
        errors: standard error, for progress.
        folder: the folder of the package.
        key: the public key that must have signed it.
        exports: folder of the export files to count again; None: they are not counted again.

    Raises:
        ElectionMetricsError: the folder holds no package, the key cannot be read, or there are no export files.
    """
    folder = folder.expanduser()
    checks = itertools.chain(check_package(folder, key), [_page_code(folder)])
    if exports is not None:
        checks = itertools.chain(checks, _counted_again(errors, folder, exports.expanduser().absolute()))
    results = [_print(console, check) for check in checks]
    if failed := results.count(False):
        console.print(f"{failed} check(s) failed.")
        return 1
    again = "" if exports else " To count the export files again: --against FOLDER"
    console.print(f"Everything holds.{again}")
    return 0


def _page_code(folder: Path) -> Check:
    """Whether scripts and styles of the page are those that this release writes."""
    name = "code"
    with contextlib.suppress(ValueError, LookupError, OSError):
        made = read_edition(folder)[1]
        if made != made_by():
            said = f"the page's scripts are of {made}, and this is {made_by()}: their hashes alone speak for them"
            return Check(name, said, is_done=False)
    return checked(name, "the page's scripts and styles are those of this release", _code_differences(folder))


def _code_differences(folder: Path) -> Iterator[str]:
    yield from code_differences(folder, read_edition(folder)[0])


def _counted_again(errors: Console, folder: Path, exports: Path) -> Iterator[Check]:
    with bars(errors) as progress, own_warehouse(read_edition(folder)[0].first_hour) as settings:
        recount = Recount(settings, folder, exports)
        recount.land(progress.of)
        said = f"the files below {exports} are those of the package{recount.left_aside}"
        yield checked("exports", said, recount.file_differences())
        yield checked("recount", "every hour, counted again from them", recount.figure_differences(progress.of))


def _print(console: Console, check: Check) -> bool:
    sign = "✗" if not check.holds else "✓" if check.is_done else "·"
    console.print(f"{sign} {check.name:<11} {shown(check.said) if check.holds else ''}".rstrip(), soft_wrap=True)
    for difference in check.differences:
        console.print(f"    {shown(difference)}", soft_wrap=True)
    return check.holds
