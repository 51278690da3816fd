"""Which export files are new: versions that are not in the ledger, and troubled paths that are gone."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from election_metrics.locations import Location, name_of
from election_metrics.settings import Settings
from election_metrics.sources.file_versions import FileVersion, Unreadable, still_growing
from election_metrics.sources.listing import Listing, list_exports
from election_metrics.warehouse import landing_attempts, ledger
from election_metrics.warehouse.database import transaction


def pending_files(
    settings: Settings, source: Location, *, settled_only: bool, enough: Callable[[int], bool] = lambda _: False
) -> tuple[list[FileVersion], list[Unreadable], Listing]:
    """File versions below `source` that are not in the ledger, unreadable paths that are not; and the listing.

    Args:
        settings: the settings.
        source: folder or file.
        settled_only: leave out files that are still being written.
        enough: takes the number pending so far, and tells whether the listing may stop early.
    """
    with transaction(settings) as connection:
        known = ledger.known_versions(connection) | waiting_files(settings, connection)
    now = time.time_ns()
    growing: set[FileVersion] = set()
    pending_so_far = 0

    def is_enough(new: Sequence[FileVersion]) -> bool:
        nonlocal pending_so_far
        if settled_only:
            growing.update(file for file in new if still_growing(file, now, settings.settle_seconds))
        pending_so_far += sum(file not in growing for file in new)
        return enough(pending_so_far)

    listing = list_exports(source, known, is_enough)
    pending = [file for file in listing.files if file not in known and file not in growing]
    unseen = [problem for problem in listing.unreadable if problem.version not in known]
    return pending, unseen, listing


def waiting_files(settings: Settings, connection: sa.Connection) -> set[tuple[str, int, int]]:
    """Versions that are set aside and not to be tried yet."""
    return landing_attempts.waiting_files(connection, datetime.now(UTC) - timedelta(minutes=settings.set_aside_minutes))


def gone_files(settings: Settings, source: Location, listing: Listing) -> list[str]:
    """Paths that could not be read, or were set aside, and no longer exist: nothing of them landed or will land."""
    if not listing.is_whole:
        return []
    with transaction(settings) as connection:
        troubled = ledger.paths_in_trouble(connection, name_of(source))
    there = {file.path for file in listing.files} | {problem.version.path for problem in listing.unreadable}
    return sorted(troubled - there)
