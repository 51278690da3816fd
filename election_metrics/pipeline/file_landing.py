"""Lands new export files, batch by batch; a file that makes a landing fail is set aside."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime

import duckdb

from election_metrics.errors import ElectionMetricsError
from election_metrics.lake.connect import connect
from election_metrics.locations import Location, name_of
from election_metrics.pipeline.disk import check_room
from election_metrics.pipeline.expected_hours import interval_of
from election_metrics.pipeline.file_batches import FileLanding, land_batch
from election_metrics.pipeline.landing import LandingReport
from election_metrics.pipeline.pending_files import note_listing, pending_files, waiting_files
from election_metrics.pipeline.progress import Report
from election_metrics.pipeline.recording import unreadable_rows
from election_metrics.pipeline.scratch import make_scratch
from election_metrics.settings import Settings
from election_metrics.sources.file_versions import FileVersion, versions_of
from election_metrics.sources.listing import Listing
from election_metrics.warehouse import landing_attempts, ledger, registry
from election_metrics.warehouse.database import lock, transaction

_MOST_FILES_A_BATCH = 5_000
_TRIES = 3
_MOST_SET_ASIDE = 100
# Errors not caused by the input: transient, or an operator must act.
_OF_OTHERS = (ElectionMetricsError, OSError, duckdb.IOException)


def files_of_run(settings: Settings, run_id: str) -> int:
    """Number of files (and members of archives) that a run has landed so far."""
    with transaction(settings) as connection:
        return ledger.count_files_of_run(connection, run_id)


def files_not_read(settings: Settings) -> int:
    """Files of kinds that are not read and may hold transactions, as of the last listing."""
    with transaction(settings) as connection:
        return ledger.count_not_read(connection)


def land(
    settings: Settings,
    source: Location,
    run_id: str,
    now: datetime | None = None,
    progress: Report | None = None,
    again: Collection[FileVersion] = (),
    only: Sequence[str] = (),
    found: Callable[[int], None] = lambda _: None,
    report: LandingReport | None = None,
) -> LandingReport:
    """Lands every pending file below `source`, batch by batch; each batch commits on its own.

    Args:
        settings: the settings.
        source: a folder of portal exports, or one file.
        run_id: the Dagster run.
        now: current time, which decides whether a timestamp is too far ahead.
        progress: called with bytes done and total bytes.
        only: new paths, if the caller knows them; empty: the whole source is listed.
        again: versions to reload though they landed; their rows replace the old ones.
        found: called once with the number of files to land.
        report: report to add to; None: a new one.

    Raises:
        SourceError: the source does not exist or cannot be listed.
        TransientError: the connection to PostgreSQL was lost.
    """
    report = report or LandingReport()
    if only:
        # They were seen a while ago: what was set aside since then waits.
        with transaction(settings) as connection:
            waiting = waiting_files(settings, connection)
        pending = [file for file in versions_of(only) if file not in waiting]
    else:
        pending, _, listing = pending_files(settings, source, settled_only=False)
        _record_unlistable(settings, source, listing, run_id, report)
    pending = sorted({*pending, *again}, key=_in_order)
    found(len(pending))
    total = sum(file.size for file in pending)
    done = 0
    make_scratch(settings)
    with connect(settings) as engine:
        report.engine = engine.about()
        for batch in _plan(settings, pending, report):
            # A batch takes less space than its files; half of their size is enough, and a failed batch loses nothing.
            check_room(settings, sum(file.size for file in batch) // 2)
            job = FileLanding(settings, engine, run_id, now or datetime.now(UTC), report, source, frozenset(again))
            _land_or_split(job, batch)
            done += sum(file.size for file in batch)
            if progress:
                progress(done, total)
    return report


def _in_order(file: FileVersion) -> tuple[str, FileVersion]:
    """Sorts files by the interval in their names, so that a batch of many small files touches few hours."""
    return interval_of(file), file


def _plan(settings: Settings, pending: Sequence[FileVersion], report: LandingReport) -> Iterator[list[FileVersion]]:
    """Batches of the files: healthy files first, then suspects in shrinking batches.

    A landing whose process died leaves its files marked. A file that was alone in three such landings is set aside.
    """
    with transaction(settings) as connection:
        lock(connection, "land")  # the marks of a landing in progress are not failures
        attempts = landing_attempts.read_attempts(connection)
        suspects = {file: attempts[file.path] for file in pending if file.path in attempts
                    and attempts[file.path][1:3] == (file.size, file.modified_ns)}  # fmt: skip
        now = datetime.now(UTC)
        for file, attempt in list(suspects.items()):
            rested = attempt.set_aside_at is not None and attempt.set_aside_at > attempt.tried_at
            if attempt.together == 1 and attempt.tries >= _TRIES and not rested:
                reason = f"the process that landed it died {attempt.tries} times (run {attempt.run_id})"
                landing_attempts.set_aside(connection, file.path, reason, now)
                report.set_aside[file.path] = reason
                suspects.pop(file)
    others = [file for file in pending if file.path not in attempts or file not in suspects]
    yield from _batches([file for file in others if file.path not in report.set_aside], settings.batch_bytes)
    together = min((attempt.together for attempt in suspects.values()), default=1)
    yield from _batches(list(suspects), settings.batch_bytes, max(1, together // 8))


def _land_or_split(landing: FileLanding, files: Sequence[FileVersion]) -> None:
    """Lands a batch; if it fails because of its input, lands its halves, down to the single faulty file.

    Raises:
        Exception: many files fail and none lands, so the cause is not in the files.
    """
    settings, report = landing.settings, landing.report
    try:
        later = land_batch(landing, files)
    except _OF_OTHERS:
        with contextlib.suppress(ElectionMetricsError), transaction(settings) as connection:
            landing_attempts.forget_attempts(connection, [file.path for file in files])
        raise
    except Exception as error:
        if len(files) > 1:
            middle = len(files) // 2
            for half in (files[:middle], files[middle:]):
                _land_or_split(landing, half)
            return
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        with transaction(settings) as connection:
            landing_attempts.set_aside(connection, files[0].path, reason, datetime.now(UTC))
        report.set_aside[files[0].path] = reason
        if not report.files and len(report.set_aside) > _MOST_SET_ASIDE:
            raise
        return
    for file in later:
        _land_or_split(landing, [file])


def _batches(
    files: Sequence[FileVersion], most_bytes: int, most_files: int = _MOST_FILES_A_BATCH
) -> Iterator[list[FileVersion]]:
    batch: list[FileVersion] = []
    size = 0
    for file in files:
        if batch and (size + file.size > most_bytes or len(batch) >= most_files):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch


def _record_unlistable(
    settings: Settings, source: Location, listing: Listing, run_id: str, report: LandingReport
) -> None:
    """Updates the ledger's list of folders and files that cannot be listed or read."""
    with transaction(settings) as connection:
        lock(connection, "land")
        paths = [problem.version.path for problem in listing.unreadable]
        ledger.forget_unreadable(connection, name_of(source), paths)
        ledger.supersede(connection, paths)
        ledger.record_files(connection, unreadable_rows(listing.unreadable, run_id, datetime.now(UTC)))
        registry.touch_elections_of_files(connection, paths)
    note_listing(settings, source, listing)
    report.unreadable.update({problem.version.path: problem.reason for problem in listing.unreadable})
