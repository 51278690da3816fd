"""Export files as a source: which are new, and how they land."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from election_metrics.locations import Location
from election_metrics.pipeline.expected_hours import elections_of, expected_hours
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.landing import Again, LandingReport, Pending, Source
from election_metrics.pipeline.pending_files import note_listing, pending_files
from election_metrics.pipeline.progress import Report
from election_metrics.pipeline.relanding import files_to_reland, forget_lost_parts
from election_metrics.settings import Settings
from election_metrics.warehouse.database import session_lock

_MOST_LISTED = 5_000
_SECONDS_LISTING = 5.0
_MOST_NAMED = 100


class ExportFiles(Source):
    """A folder of portal exports, or one file, here or in an object store.

    `only` are new paths in it, if they are known already.
    """

    name = "files"
    unit = "bytes"

    def __init__(self, root: Location, only: Sequence[str] = ()) -> None:
        self.root, self.only = root, only

    def __str__(self) -> str:
        return str(self.root)

    def pending(self, settings: Settings, now: datetime) -> Pending:
        """Settled file versions that are not in the ledger; if there are very many, the first thousands."""
        until = time.monotonic() + _SECONDS_LISTING

        def enough(new: int) -> bool:
            # These are enough to start a run, which has the time to list all of them.
            return new >= _MOST_LISTED or (new > 0 and time.monotonic() > until)

        pending, unseen, listing = pending_files(settings, self.root, settled_only=True, enough=enough)
        note_listing(settings, self.root, listing)
        hours = expected_hours(settings, pending, now)
        count = len(pending) + len(unseen)
        news = f"{count} new file(s)" + ("" if listing.is_whole else " or more")
        news += "" if hours else ", whose hours are known once they have landed"
        is_few = not unseen and len(pending) <= _MOST_NAMED  # unreadable paths are found by listing
        return Pending(
            news=news if count else "",
            nothing="the ledger has every file version of the source",
            hours=hours,
            elections=elections_of(pending),
            state=[*pending, *unseen],
            config={"files": [file.path for file in pending]} if is_few else {"sources": [self.name]},
            files=count,
        )

    def land(
        self, settings: Settings, run_id: str, report: LandingReport, *, progress: Report | None = None,
        found: Callable[[int], None] = lambda _: None, again: Again | None = None,
    ) -> None:  # fmt: skip
        """Lands file versions; with `again`, reloads files, and restores lost parts of the lake."""
        if again is None:
            land(settings, self.root, run_id, report=report, progress=progress, found=found, only=self.only)
            return
        files, _ = files_to_reland(settings, self.root, again.first, again.last, again.constituency)
        with session_lock(settings, "hourly_stats"):  # no hour is computed without the lost parts
            if again.constituency is None:
                forget_lost_parts(settings, again.first, again.last, files)
            land(settings, self.root, run_id, report=report, progress=progress, found=found, again=files)
