"""Export files as a source: new file versions, in batches; a file that makes a landing fail is set aside."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import sqlalchemy as sa

from election_metrics.clock import HOUR_MS, hour_number
from election_metrics.errors import ElectionMetricsError
from election_metrics.lake import landing as lake
from election_metrics.lake.connect import connect
from election_metrics.lake.engine import Readable
from election_metrics.locations import Location, name_of
from election_metrics.pipeline.contents import number_contents
from election_metrics.pipeline.disk import check_room
from election_metrics.pipeline.landing import Again, Landing, LandingReport, Pending, Source, StagedBatch, commit_batch
from election_metrics.pipeline.progress import Report
from election_metrics.pipeline.recording import unreadable_rows
from election_metrics.pipeline.scratch import make_scratch, work_folder
from election_metrics.settings import Settings
from election_metrics.sources.export_file import ExportFile
from election_metrics.sources.export_path import parse_export_path
from election_metrics.sources.file_versions import FileVersion, Unreadable, still_growing, unchanged, versions_of
from election_metrics.sources.listing import Listing, list_exports
from election_metrics.sources.names import region_time_zone
from election_metrics.sources.portal_exports import peek_span, read_exports
from election_metrics.warehouse import ledger, registry, table_reads
from election_metrics.warehouse.database import lock, session_lock, transaction

_MOST_FILES_A_BATCH = 5_000
_MOST_LISTED = 5_000
_SECONDS_LISTING = 5.0
_MOST_NAMED = 100
_TRIES = 3
_MOST_SET_ASIDE = 100
# Errors not caused by the input: transient, or an operator must act.
_OF_OTHERS = (ElectionMetricsError, OSError, duckdb.IOException)
_PATTERN = frozenset("*?[]{}")


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
        hours = expected_hours(settings, pending, now)
        gone = gone_files(settings, self.root, listing)
        count = len(pending) + len(unseen)
        if gone and not count:
            news = f"{len(gone)} file(s) that could not be read are gone"
            return Pending(news, "", [], [], ["gone", *gone], {"sources": [self.name]})
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
        known = ledger.known_versions(connection) | _waiting_files(settings, connection)
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


def _waiting_files(settings: Settings, connection: sa.Connection) -> set[tuple[str, int, int]]:
    """Versions that are set aside and not to be tried yet."""
    return ledger.waiting_files(connection, datetime.now(UTC) - timedelta(minutes=settings.set_aside_minutes))


def gone_files(settings: Settings, source: Location, listing: Listing) -> list[str]:
    """Paths that could not be read, or were set aside, and no longer exist: nothing of them landed or will land."""
    if not listing.is_whole:
        return []
    with transaction(settings) as connection:
        troubled = ledger.paths_in_trouble(connection, name_of(source))
    there = {file.path for file in listing.files} | {problem.version.path for problem in listing.unreadable}
    return sorted(troubled - there)


def files_to_reland(
    settings: Settings, source: Location, first: datetime | None, last: datetime | None, constituency: str | None
) -> tuple[list[FileVersion], list[str]]:
    """Landed files with rows of these hours and this constituency; None: of all.

    Returns:
        The versions that still exist in the source, and the paths of those that do not, whose rows stay unchanged.
    """
    listing = list_exports(source)
    with transaction(settings) as connection:
        landed = ledger.landed_versions(
            connection,
            None if first is None else hour_number(first),
            None if last is None else hour_number(last),
            constituency,
        )
    there = {file.path for file in listing.files}
    wanted = {path for path, _, _ in landed}
    return [file for file in listing.files if file.path in wanted], sorted(wanted - there)


def forget_lost_parts(
    settings: Settings, first: datetime | None, last: datetime | None, again: Sequence[FileVersion]
) -> int:
    """Removes parts of these hours whose file is lost from the manifest; this makes the files to reload pending.

    The caller holds the lock of `hourly_stats` until they have landed, so that no hour is computed without them.
    If the process is killed in between, the sensors land the rest.

    Returns:
        The number of lost parts.
    """
    with transaction(settings) as connection:
        parts = ledger.parts_of_hours(connection)
        if first is not None:
            parts = parts[parts["hour_number"] >= hour_number(first)]
        if last is not None:
            parts = parts[parts["hour_number"] <= hour_number(last)]
        is_lost = [not (settings.lake_path / path).exists() for path in parts["path"]]
        lost = list(parts.loc[is_lost, "path"])
        if lost:
            ledger.retire_parts(connection, lost, datetime.now(UTC))
            ledger.supersede(connection, [file.path for file in again])
            table_reads.read_again(connection, [int(hour) for hour in parts.loc[is_lost, "hour_number"]])
        return len(lost)


def expected_hours(settings: Settings, files: Sequence[FileVersion], now: datetime) -> list[int]:
    """The hours that these files probably touch: by first and last timestamps of a few files, by names of many.

    An estimate that takes seconds for any number of files; hours that it misses are computed after landing.
    """
    earliest = hour_number(settings.first_hour)
    latest = hour_number(now) + 24
    until = time.monotonic() + _SECONDS_OPENING
    hours: set[int] = set()
    named: dict[str, FileVersion] = {}
    for number, file in enumerate(files):
        span = peek_span(file) if number < _MOST_OPENED and time.monotonic() < until else None
        if span is not None:
            first, last = max(span[0] // HOUR_MS, earliest), min(span[1] // HOUR_MS, latest)
            hours.update(range(first, last + 1))
        else:
            named.setdefault(_interval_of(file), file)
    for file in named.values():
        hours.update(hour for hour in _hours_by_name(settings, file) if earliest <= hour <= latest)
    return sorted(hours)


_MOST_OPENED = 200
_SECONDS_OPENING = 5.0


def _hours_by_name(settings: Settings, file: FileVersion) -> range:
    """The hours of a file's name, in the local time of its region if that is known."""
    place = parse_export_path(PurePath(file.path))
    if place is None or place.interval_start is None or place.interval_end is None:
        return range(0)
    zone = ZoneInfo(region_time_zone(place.region or "") or settings.time_zone)
    start, end = (hour_number(moment.replace(tzinfo=zone)) for moment in (place.interval_start, place.interval_end))
    return range(start, max(end, start + 1))


def files_of_run(settings: Settings, run_id: str) -> int:
    """Number of files (and members of archives) that a run has landed so far."""
    with transaction(settings) as connection:
        return ledger.count_files_of_run(connection, run_id)


def elections_of(files: Sequence[FileVersion]) -> list[str]:
    """The elections named by the folders of the first thousand files."""
    places = [parse_export_path(PurePath(file.path)) for file in files[:1_000]]
    return sorted({place.election for place in places if place is not None and place.election})


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
            waiting = _waiting_files(settings, connection)
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
            job = _FileLanding(settings, engine, run_id, now or datetime.now(UTC), report, source, frozenset(again))
            _land_or_split(job, batch)
            done += sum(file.size for file in batch)
            if progress:
                progress(done, total)
    return report


def _in_order(file: FileVersion) -> tuple[str, FileVersion]:
    """Sorts files by the interval in their names, so that a batch of many small files touches few hours."""
    return _interval_of(file), file


def _interval_of(file: FileVersion) -> str:
    return file.path.rpartition("/")[2].partition(".")[0].partition("_")[2]


def _plan(settings: Settings, pending: Sequence[FileVersion], report: LandingReport) -> Iterator[list[FileVersion]]:
    """Batches of the files: healthy files first, then suspects in shrinking batches.

    A landing whose process died leaves its files marked. A file that was alone in three such landings is set aside.
    """
    with transaction(settings) as connection:
        lock(connection, "land")  # the marks of a landing in progress are not failures
        attempts = ledger.read_attempts(connection)
        suspects = {file: attempts[file.path] for file in pending if file.path in attempts
                    and attempts[file.path][1:3] == (file.size, file.modified_ns)}  # fmt: skip
        now = datetime.now(UTC)
        for file, attempt in list(suspects.items()):
            rested = attempt.set_aside_at is not None and attempt.set_aside_at > attempt.tried_at
            if attempt.together == 1 and attempt.tries >= _TRIES and not rested:
                reason = f"the process that landed it died {attempt.tries} times (run {attempt.run_id})"
                ledger.set_aside(connection, file.path, reason, now)
                report.set_aside[file.path] = reason
                suspects.pop(file)
    others = [file for file in pending if file.path not in attempts or file not in suspects]
    yield from _batches([file for file in others if file.path not in report.set_aside], settings.batch_bytes)
    together = min((attempt.together for attempt in suspects.values()), default=1)
    yield from _batches(list(suspects), settings.batch_bytes, max(1, together // 8))


@dataclass(frozen=True)
class _FileLanding(Landing):
    source: Location
    again: frozenset[FileVersion]


def _land_or_split(landing: _FileLanding, files: Sequence[FileVersion]) -> None:
    """Lands a batch; if it fails because of its input, lands its halves, down to the single faulty file.

    Raises:
        Exception: many files fail and none lands, so the cause is not in the files.
    """
    settings, report = landing.settings, landing.report
    try:
        _land_batch(landing, files)
    except _OF_OTHERS:
        with contextlib.suppress(ElectionMetricsError), transaction(settings) as connection:
            ledger.forget_attempts(connection, [file.path for file in files])
        raise
    except Exception as error:
        if len(files) > 1:
            middle = len(files) // 2
            for half in (files[:middle], files[middle:]):
                _land_or_split(landing, half)
            return
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        with transaction(settings) as connection:
            ledger.set_aside(connection, files[0].path, reason, datetime.now(UTC))
        report.set_aside[files[0].path] = reason
        if not report.files and len(report.set_aside) > _MOST_SET_ASIDE:
            raise


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


@dataclass(frozen=True)
class _Batch:
    """The opened files of a batch.

    Attributes:
        exports: every readable export with the number of its content.
        new: the contents that were read now; the others landed before.
        unreadable: what could not be read, and why.
        settled: the paths whose outcome is final.
        waiting: paths that could not be read now, though the file may be sound, with the reason; nothing landed.
    """

    exports: list[tuple[ExportFile, int]]
    new: list[Readable]
    unreadable: list[Unreadable]
    settled: list[str]
    waiting: dict[str, str]


def _land_batch(landing: _FileLanding, files: Sequence[FileVersion]) -> None:
    settings = landing.settings
    with work_folder(settings.scratch_path) as work, transaction(settings) as connection:
        # Concurrent landings would not see each other's repeated votes, so they are serialised.
        lock(connection, "land")
        known = ledger.known_versions(connection, [file.path for file in files])
        unknown = [file for file in files if file not in known or file in landing.again]
        with transaction(settings) as marks:
            ledger.begin_attempts(marks, unknown, landing.run_id, landing.now)
        batch = _read_batch(landing, connection, unknown, work)
        lake.drop_repeats_within_files(landing.engine)
        commit_batch(landing, connection, _staged(batch), work)
        landing.report.set_aside.update(batch.waiting)
        ledger.forget_attempts(connection, [file.path for file in files if file.path not in batch.waiting])
        for path, reason in batch.waiting.items():
            ledger.set_aside(connection, path, reason, datetime.now(UTC))


def _read_batch(landing: _FileLanding, connection: sa.Connection, files: Sequence[FileVersion], work: Path) -> _Batch:
    """Opens and stages the files. A file that changed while it was read stays pending."""
    engine = landing.engine
    everything = [export for file in files for export in read_exports(file, landing.source, work)]
    waiting = {e.version.path: e.reason for e in everything if isinstance(e, Unreadable) and e.may_pass}
    opened = [export for export in everything if export.version.path not in waiting]
    readable = [export for export in opened if isinstance(export, ExportFile)]
    exports, known = number_contents(connection, readable, landing.again)
    new = {
        number: Readable(
            number, export.place.constituency_id, _plain_path(export.readable, number, work), export.size, export.name
        )
        for export, number in reversed(exports)
        if number not in known
    }
    given_up = lake.stage(engine, landing.settings, list(new.values()), work, landing.now)
    moved = {file.path for file in files if file.path not in waiting and not unchanged(file)}
    gone = {number for export, number in exports if export.version.path in moved} & set(new)
    lake.leave_out(engine, sorted(gone))
    unreadable = [export for export in opened if isinstance(export, Unreadable)]
    unreadable += [
        Unreadable(export.version, given_up[number], export.member) for export, number in exports if number in given_up
    ]
    return _Batch(
        exports=[
            (export, number)
            for export, number in exports
            if export.version.path not in moved and number not in gone and number not in given_up
        ],
        new=[file for number, file in new.items() if number not in gone and number not in given_up],
        unreadable=[problem for problem in unreadable if problem.version.path not in moved],
        settled=[file.path for file in files if file.path not in moved and file.path not in waiting],
        waiting=waiting,
    )


def _plain_path(path: Path, number: int, work: Path) -> Path:
    """The path, or a link to it if DuckDB would read it as a glob pattern."""
    if not _PATTERN.intersection(str(path)):
        return path
    link = work / f"{number}.csv"
    link.symlink_to(path)
    return link


def _staged(batch: _Batch) -> StagedBatch:
    new = {content.content_id for content in batch.new}
    sizes = {number: export.version.size for export, number in reversed(batch.exports) if number in new}
    return StagedBatch(
        versions=file_versions(batch.exports),
        new=batch.new,
        settled=batch.settled,
        unreadable=batch.unreadable,
        bytes=sum(sizes.values()),
        settle=lambda connection: registry.touch_elections_of_files(connection, batch.settled),
    )


def file_versions(exports: Sequence[tuple[ExportFile, int]]) -> pd.DataFrame:
    """Ledger rows for these exports: version, number of the content, and the fields of the path."""
    return pd.DataFrame.from_records(
        [
            {
                "path": export.version.path,
                "member": export.member,
                "size": export.version.size,
                "modified_ns": export.version.modified_ns,
                "content_hash": export.content_hash,
                "content_id": number,
                "constituency_id": export.place.constituency_id,
                "region_code": export.place.region_code,
                "region": export.place.region,
                "election": export.place.election,
                "constituency": export.place.constituency,
                "interval_start": export.place.interval_start,
                "interval_end": export.place.interval_end,
            }
            for export, number in exports
        ]
    )


def _record_unlistable(
    settings: Settings, source: Location, listing: Listing, run_id: str, report: LandingReport
) -> None:
    """Updates the ledger's list of folders and files that cannot be listed or read."""
    gone = gone_files(settings, source, listing)
    with transaction(settings) as connection:
        lock(connection, "land")
        ledger.supersede(connection, gone)
        ledger.forget_attempts(connection, gone)
        registry.touch_elections_of_files(connection, gone)
        paths = [problem.version.path for problem in listing.unreadable]
        ledger.forget_unreadable(connection, name_of(source), paths)
        ledger.supersede(connection, paths)
        ledger.record_files(connection, unreadable_rows(listing.unreadable, run_id, datetime.now(UTC)))
    report.unreadable.update({problem.version.path: problem.reason for problem in listing.unreadable})
