"""Which files are loaded again: those of some hours or a constituency, and those whose parts of the lake are lost."""

from collections.abc import Sequence
from datetime import UTC, datetime

from election_metrics.clock import hour_number
from election_metrics.locations import Location
from election_metrics.settings import Settings
from election_metrics.sources.file_versions import FileVersion
from election_metrics.sources.listing import list_exports
from election_metrics.warehouse import lake_manifest, ledger, table_reads
from election_metrics.warehouse.database import transaction


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
        parts = lake_manifest.parts_of_hours(connection)
        if first is not None:
            parts = parts[parts["hour_number"] >= hour_number(first)]
        if last is not None:
            parts = parts[parts["hour_number"] <= hour_number(last)]
        is_lost = [not (settings.lake_path / path).exists() for path in parts["path"]]
        lost = list(parts.loc[is_lost, "path"])
        if lost:
            lake_manifest.retire_parts(connection, lost, datetime.now(UTC))
            ledger.supersede(connection, [file.path for file in again])
            table_reads.read_again(connection, [int(hour) for hour in parts.loc[is_lost, "hour_number"]])
        return len(lost)
