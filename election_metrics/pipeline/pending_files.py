"""Which export files are new: versions that are not in the ledger, and troubled paths that are gone."""

import time
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import sqlalchemy as sa

from election_metrics.locations import Location, name_of
from election_metrics.settings import Settings
from election_metrics.sources.file_kinds import NotRead
from election_metrics.sources.file_versions import FileVersion, Unreadable, still_growing
from election_metrics.sources.listing import Listing, list_exports
from election_metrics.warehouse import landing_attempts, ledger, registry
from election_metrics.warehouse.database import lock, transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import transaction_files


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
    if listing.is_whole:
        listing = replace(listing, missing=_missing(known, listing, name_of(source)))
    pending = [file for file in listing.files if file not in known and file not in growing]
    unseen = [problem for problem in listing.unreadable if problem.version not in known]
    return pending, unseen, listing


def _missing(known: Set[tuple[str, int, int]], listing: Listing, root: str) -> frozenset[str]:
    below = f"{root.rstrip('/')}/"
    unlisted = known - set(listing.files)
    candidates = {path for path, _, _ in unlisted if path == root or path.startswith(below)}
    return frozenset(candidates - listing.paths) if candidates else frozenset()


def note_listing(settings: Settings, source: Location, listing: Listing) -> None:
    """Records which known files no longer exist or exist again, and the files of kinds that are not read.

    What could not be read, or was set aside, and no longer exists, is forgotten: nothing of it landed or will land.

    A listing without any file says nothing: a source that is away may look empty. The same holds for folders that
    could not be listed. Rows of files that are gone stay; names, and problems, follow from files that exist.
    """
    if not listing.is_whole:
        return
    hidden = tuple(f"{problem.version.path}/" for problem in listing.unreadable)
    missing = {path for path in listing.missing if not path.startswith(hidden)} if listing.files else set()
    root, now = name_of(source), datetime.now(UTC)
    kinds = pd.DataFrame(
        [(kind.ending, kind.files, kind.example, kind.may_be_exports) for kind in listing.not_read.values()],
        columns=["ending", "files", "example", "may_be_exports"],
    )
    with transaction(settings) as connection:
        gone = ledger.paths_gone(connection, root)
        back = gone & {file.path for file in listing.files} if gone else set()
        if missing - gone or back:
            lock(connection, "land")
            if ledger.mark_gone(connection, sorted(missing - gone), sorted(back), now):
                registry.mark_names_changed(connection)
            registry.touch_elections_of_files(connection, sorted({*missing} - gone | back), only_rejected=True)
        troubled = [
            path
            for path in sorted(ledger.paths_in_trouble(connection, root) - listing.paths)
            if (listing.files or not listing.missing) and not path.startswith(hidden)
        ]
        if troubled:
            lock(connection, "land")
            ledger.supersede(connection, troubled)
            landing_attempts.forget_attempts(connection, troubled)
            registry.touch_elections_of_files(connection, troubled)
            notify(connection, transaction_files, [None])
        ledger.note_not_read(connection, root, kinds, now)


def not_read_before(settings: Settings) -> dict[str, NotRead]:
    """Files of kinds that are not read, in the folders that were listed, by folder and ending."""
    with transaction(settings) as connection:
        kinds = ledger.read_not_read(connection)
    return {
        f"{row.source}/*{row.ending}": NotRead(row.ending, row.files, row.example, row.may_be_exports)
        for row in kinds.itertuples()
    }


def waiting_files(settings: Settings, connection: sa.Connection) -> set[tuple[str, int, int]]:
    """Versions that are set aside and not to be tried yet."""
    return landing_attempts.waiting_files(connection, datetime.now(UTC) - timedelta(minutes=settings.set_aside_minutes))
