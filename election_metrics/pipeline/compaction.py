"""Merges the parts of hours that have many, and removes those that were merged a while ago."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from election_metrics.clock import hour_number
from election_metrics.lake import hours as lake
from election_metrics.lake.connect import connect
from election_metrics.lake.engine import Engine
from election_metrics.locations import remove
from election_metrics.pipeline.scratch import work_folder
from election_metrics.settings import Settings
from election_metrics.warehouse import corrections, lake_manifest
from election_metrics.warehouse.database import is_free, transaction

FORGET_PARTS = "forget parts"
"""Advisory lock for removing files of the lake; long readers of the lake hold it shared."""
_RETIRED_FOR = timedelta(minutes=30)


def lake_parts(settings: Settings, start: datetime, end: datetime) -> pd.DataFrame:
    """The live parts of the hours from `start` to before `end`: path, hour_number, rows, size."""
    with transaction(settings) as connection:
        return lake_manifest.parts_of_hours(connection, range(hour_number(start), hour_number(end)))


def compact_hours(
    settings: Settings, start: datetime, end: datetime, now: datetime | None = None, least: int | None = None
) -> dict[int, int]:
    """Merges the parts of hours that have many (`least`, else by the settings), without the rows that do not count.

    Returns the number of merged parts by hour. Retired parts stay on disk for a while, for readers that still use them.
    """
    moment = now or datetime.now(UTC)
    first, last = hour_number(start), hour_number(end) - 1
    parts = lake_parts(settings, start, end)
    least = least or settings.compact_after_parts
    many = {number: list(group["path"]) for number, group in parts.groupby("hour_number")
            if len(group) >= least}  # fmt: skip
    merged = {}
    with connect(settings) as engine:
        for number, paths in many.items():
            if _compact_hour(settings, engine, int(str(number)), paths, moment):
                merged[int(str(number))] = len(paths)
    with transaction(settings) as connection:
        # A backup may be reading parts; files that cannot be removed now are left to the next compaction.
        may = is_free(connection, FORGET_PARTS)
        forgotten = (
            lake_manifest.forget_parts(connection, moment - _RETIRED_FOR, list(range(first, last + 1))) if may else []
        )
    for path in forgotten:
        remove(settings.lake_path / path)
    return merged


def _compact_hour(settings: Settings, engine: Engine, number: int, paths: list[str], now: datetime) -> bool:
    with transaction(settings, snapshot=True) as connection:
        superseded = corrections.read_corrections(connection)["superseded"]["content_id"].tolist()
    root = settings.lake_path
    with work_folder(settings.scratch_path) as work:
        merged = lake.compact(engine, root, work, number, [root / path for path in paths], superseded)
    with transaction(settings) as connection:
        if lake_manifest.retire_parts(connection, paths, now) != len(paths):
            connection.rollback()  # another process merged some of them
            remove(root / merged.path)
            return False
        row = (merged.path, number, merged.rows, merged.size, now)
        lake_manifest.add_parts(
            connection, pd.DataFrame([row], columns=["path", "hour_number", "rows", "size", "created_at"])
        )
    return True
