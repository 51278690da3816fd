"""Lands one batch of export files: opens and stages them, and commits them together."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from election_metrics.lake import landing as lake
from election_metrics.lake.engine import Readable
from election_metrics.locations import Location
from election_metrics.pipeline.block_dumps import DumpReader
from election_metrics.pipeline.contents import number_contents
from election_metrics.pipeline.landing import Landing, StagedBatch, commit_batch
from election_metrics.pipeline.observer_archives import read_observer_tables
from election_metrics.pipeline.recording import content_facts, ledger_facts
from election_metrics.pipeline.scratch import work_folder
from election_metrics.sources.export_file import BlockDump, ExportFile, ObserverTables
from election_metrics.sources.file_versions import FileVersion, Unreadable, unchanged
from election_metrics.sources.names import known_region
from election_metrics.sources.portal_exports import read_exports
from election_metrics.warehouse import chain, landing_attempts, ledger, registry, withdrawals
from election_metrics.warehouse.database import lock, transaction

_PATTERN = frozenset("*?[]{}")


@dataclass(frozen=True)
class FileLanding(Landing):
    """Parameters of a landing of files: also the folder, and the versions to reload though they landed."""

    source: Location
    again: frozenset[FileVersion]


@dataclass(frozen=True)
class _Batch:
    """The opened files of a batch.

    Attributes:
        exports: every readable export with the number of its content.
        new: the contents that were read now; the others landed before.
        unreadable: what could not be read, and why.
        withdrawn: exports with bytes that people withdrew; why, when, and what they named.
        settled: the paths whose outcome is final.
        later: files to be landed after the others.
        waiting: paths that could not be read now, though the file may be sound, with the reason; nothing landed.
        ranges: blocks of dumps without a gap between them: `block_dumps.RANGES`.
    """

    exports: list[tuple[ExportFile, int]]
    new: list[Readable]
    unreadable: list[Unreadable]
    withdrawn: list[tuple[ExportFile, tuple[str, datetime, str]]]
    settled: list[str]
    later: list[FileVersion]
    waiting: dict[str, str]
    ranges: pd.DataFrame


def land_batch(landing: FileLanding, files: Sequence[FileVersion]) -> list[FileVersion]:
    """Lands these files in one transaction; until it commits, they are marked as attempts.

    Returns:
        Files to be landed after these, each alone: tables of counts, which give way to transactions.
    """
    settings = landing.settings
    with work_folder(settings.scratch_path) as work, transaction(settings) as connection:
        # Concurrent landings would not see each other's repeated votes, so they are serialised.
        lock(connection, "land")
        known = ledger.known_versions(connection, [file.path for file in files])
        unknown = [file for file in files if file not in known or file in landing.again]
        with transaction(settings) as marks:
            landing_attempts.begin_attempts(marks, unknown, landing.run_id, landing.now)
        batch = _read_batch(landing, connection, unknown, work)
        lake.drop_repeats_within_files(landing.engine)
        commit_batch(landing, connection, _staged(landing, connection, batch), work)
        landing.report.set_aside.update(batch.waiting)
        landing.report.withdrawn.update({export.name: reason for export, (reason, _, _) in batch.withdrawn})
        landing_attempts.forget_attempts(connection, [file.path for file in files if file.path not in batch.waiting])
        for path, reason in batch.waiting.items():
            landing_attempts.set_aside(connection, path, reason, datetime.now(UTC))
    return batch.later


def _read_batch(landing: FileLanding, connection: sa.Connection, files: Sequence[FileVersion], work: Path) -> _Batch:
    """Opens and stages the files. A file that changed while it was read stays pending."""
    engine = landing.engine
    dumps = DumpReader(landing.settings, engine.local, work, connection, landing.now)
    alone = len(files) == 1
    read = [export for file in files for export in _opened(file, landing, dumps, work, is_alone=alone)]
    later = [export for export in read if isinstance(export, FileVersion)]
    files = [file for file in files if file not in later]
    everything = [export for export in read if not isinstance(export, FileVersion)]
    waiting = {e.version.path: e.reason for e in everything if isinstance(e, Unreadable) and e.may_pass}
    opened = [export for export in everything if export.version.path not in waiting]
    found = [export for export in opened if isinstance(export, ExportFile)]
    taken_back = withdrawals.withdrawn_contents(connection, [export.content_hash for export in found])
    withdrawn = [(export, taken_back[export.key]) for export in found if export.key in taken_back]
    readable = _counting(connection, [export for export in found if export.key not in taken_back], landing)
    _tell_unmatched(landing, readable)
    exports, known = number_contents(connection, readable, landing.again)
    once = {number: export for export, number in reversed(exports) if number not in known}
    new = {
        number: Readable(
            number, export.place.constituency_id, _plain_path(export.readable, number, work), export.size, export.name
        )
        for number, export in once.items()
    }
    given_up = lake.stage(engine, landing.settings, list(new.values()), work, landing.now)
    moved = {file.path for file in files if file.path not in waiting and not unchanged(file)}
    gone = {number for export, number in exports if export.version.path in moved} & set(new)
    lake.leave_out(engine, sorted(gone))
    unreadable = [export for export in opened if isinstance(export, Unreadable)]
    unreadable += [
        Unreadable(export.version, given_up[number], export.member, place=export.place)
        for export, number in exports
        if number in given_up
    ]
    return _Batch(
        exports=[
            (export, number)
            for export, number in exports
            if export.version.path not in moved and number not in gone and number not in given_up
        ],
        new=[file for number, file in new.items() if number not in gone and number not in given_up],
        unreadable=[problem for problem in unreadable if problem.version.path not in moved],
        withdrawn=[(export, why) for export, why in withdrawn if export.version.path not in moved],
        settled=[file.path for file in files if file.path not in moved and file.path not in waiting],
        later=later,
        waiting=waiting,
        ranges=dumps.ranges[~dumps.ranges["path"].isin([*moved, *waiting])],
    )


def _counting(connection: sa.Connection, found: Sequence[ExportFile], landing: FileLanding) -> list[ExportFile]:
    """The exports without those made from tables of counts whose contracts have transactions."""
    counts = {export.place.constituency_id for export in found if export.is_counts_only} - {""}
    if not counts:
        return list(found)
    better = ledger.with_transactions(connection, counts)
    left = [export for export in found if not (export.is_counts_only and export.place.constituency_id in better)]
    for path in {export.version.path for export in found if export.is_counts_only}:
        own = [export for export in left if export.version.path == path and export.place.constituency_id]
        landing.report.counts_only[path] = (len(own), len(better))
    return left


def _opened(
    file: FileVersion, landing: FileLanding, dumps: DumpReader, work: Path, *, is_alone: bool
) -> Iterator[ExportFile | Unreadable | FileVersion]:
    """The exports of a file and what of it cannot be read; the file itself, if it is to be landed after the others."""
    for found in read_exports(file, landing.source, work):
        if isinstance(found, BlockDump):
            yield from dumps.read(found)
        elif isinstance(found, ObserverTables) and is_alone:
            yield from read_observer_tables(found, landing.engine.local, work)
        elif isinstance(found, ObserverTables):
            yield file
        else:
            yield found


_MOST_UNMATCHED = 20


def _tell_unmatched(landing: FileLanding, exports: Sequence[ExportFile]) -> None:
    """Adds regions that are not known, and the lack of a region, to the report, each with a path."""
    unmatched = landing.report.unmatched
    for export in exports:
        region = export.place.region or ""
        is_told = region in unmatched or len(unmatched) >= _MOST_UNMATCHED
        if not is_told and (known_region(region) is None if region else not landing.settings.is_zone_chosen):
            unmatched[region] = export.name


def _plain_path(path: Path, number: int, work: Path) -> Path:
    """The path, or a link to it if DuckDB would read it as a glob pattern."""
    if not _PATTERN.intersection(str(path)):
        return path
    link = work / f"{number}.csv"
    link.symlink_to(path)
    return link


def _staged(landing: FileLanding, connection: sa.Connection, batch: _Batch) -> StagedBatch:
    new = {content.content_id for content in batch.new}
    sizes = {number: export.version.size for export, number in reversed(batch.exports) if number in new}
    return StagedBatch(
        versions=_with_known_places(connection, file_versions(batch.exports)),
        new=batch.new,
        settled=batch.settled,
        unreadable=batch.unreadable,
        bytes=sum(sizes.values()),
        record=lambda connection: _record(landing, connection, batch),
        take_back=lambda connection: _supersede_counts(landing, connection, batch),
        settle=lambda connection: _settle(connection, batch),
    )


def _supersede_counts(landing: FileLanding, connection: sa.Connection, batch: _Batch) -> list[int]:
    """Takes the tables of counts out of contracts of which this batch has transactions; returns their contents."""
    contents = {number: export.place.constituency_id for export, number in batch.exports if not export.is_counts_only}
    if not ledger.counted_from_tables(connection, set(contents.values())):
        return []
    new = {content.content_id for content in batch.new}
    facts = ledger_facts(connection, sorted(set(contents) - new)) | content_facts(landing.engine)
    some = {contract for number, contract in contents.items() if number in facts and facts[number]["rows"]}
    return ledger.supersede_counts(connection, some)


def _settle(connection: sa.Connection, batch: _Batch) -> None:
    registry.touch_elections_of_files(connection, batch.settled)
    ledger.read_counts_again(connection, batch.settled)
    if len(batch.ranges):  # blocks without a call of an election cover its hours too
        registry.touch_constituencies(connection, {election: [] for election in chain.elections_on_chain(connection)})


def _record(landing: FileLanding, connection: sa.Connection, batch: _Batch) -> None:
    ledger.record_files(connection, _withdrawn_rows(landing, batch.withdrawn))
    chain.replace_ranges(connection, batch.settled, batch.ranges)


def _with_known_places(connection: sa.Connection, versions: pd.DataFrame) -> pd.DataFrame:
    """The versions with the places that earlier versions of their paths had, seen from a folder further up.

    Args:
        connection: the landing's transaction.
        versions: see `file_versions`.
    """
    if versions.empty:
        return versions
    narrow = versions[versions["region"].isna() | versions["election"].isna()]
    known = ledger.places_before(connection, list(narrow["path"].drop_duplicates()))
    if known.empty:
        return versions
    before = narrow[["path", "member"]].reset_index().merge(known, on=["path", "member"]).set_index("index")
    was_more = before["region"].notna() | versions.loc[before.index, "election"].isna()
    before = before[was_more]
    names = ["region_code", "region", "election", "constituency"]
    versions = versions.astype(dict.fromkeys(names, object))
    versions.loc[before.index, names] = before[names]
    return versions


def _fields(export: ExportFile) -> dict[str, object]:
    """Columns of the ledger that an export's version and path fill."""
    version, place = export.version, export.place
    return {
        "path": version.path,
        "member": export.member,
        "size": version.size,
        "modified_ns": version.modified_ns,
        "content_hash": export.content_hash,
        "sha256": export.sha256,
        "shard": export.shard,
        "is_counts_only": export.is_counts_only,
        **asdict(place),
        "constituency_id": place.constituency_id or None,
    }


def file_versions(exports: Sequence[tuple[ExportFile, int]]) -> pd.DataFrame:
    """Ledger rows for these exports: version, number of the content, and the fields of the path."""
    return pd.DataFrame.from_records([{**_fields(export), "content_id": number} for export, number in exports])


def _withdrawn_rows(
    landing: Landing, withdrawn: Sequence[tuple[ExportFile, tuple[str, datetime, str]]]
) -> pd.DataFrame:
    """Ledger rows for exports with bytes that people withdrew: they stay withdrawn, under whatever name they come."""
    return pd.DataFrame.from_records(
        [
            {**_fields(export), "status": "withdrawn", "reason": reason, "withdrawn_at": at, "withdrawn_as": target,
             "run_id": landing.run_id, "seen_at": landing.now}
            for export, (reason, at, target) in withdrawn
        ]
    )  # fmt: skip
