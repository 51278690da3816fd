"""Maintenance of the lake: merges the parts of closed hours and removes unreferenced files."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from election_metrics.clock import hour_number, hour_start
from election_metrics.locations import Location, remove
from election_metrics.pipeline.compaction import compact_hours
from election_metrics.settings import Settings
from election_metrics.warehouse import lake_manifest
from election_metrics.warehouse.database import transaction

_ORPHAN_AFTER = timedelta(hours=24)
"""Younger files may belong to a landing in progress, whose parts are not in the manifest yet."""


def compact_lake(settings: Settings, *, dry_run: bool, now: datetime | None = None) -> int:
    """Merges the parts of every closed hour that has many; returns by how many the parts (would) decrease."""
    moment = now or datetime.now(UTC)
    present = hour_number(moment)
    with transaction(settings) as connection:
        parts = lake_manifest.parts_of_hours(connection)
    counts = parts.groupby("hour_number").size()
    many = counts[(counts >= settings.compact_after_parts) & (counts.index < present)]
    if dry_run:
        return int(many.sum())
    merged = 0
    for number in many.index:
        start = hour_start(int(number))
        merged += sum(compact_hours(settings, start, start + timedelta(hours=1), moment).values())
    return merged


def sweep_lake(settings: Settings, *, dry_run: bool) -> tuple[int, int]:
    """Removes files of the lake that are not in the manifest, and scratch folders of processes that ended.

    Returns:
        Files and bytes that were (or would be) removed.
    """
    root, scratch = settings.lake_path, settings.scratch_path
    oldest = time.time() - _ORPHAN_AFTER.total_seconds()
    # Files are listed before the manifest is read: a part that is added in between is in the manifest.
    work = str(scratch / "work")
    there = [path for path in root.rglob("*.parquet") if not str(path).startswith(work)]
    with transaction(settings) as connection:
        counted = lake_manifest.every_part(connection)
    left = [path for folder in _dead_work(scratch) for path in folder.rglob("*") if path.is_file()]
    orphans = [path for path in there if str(path).removeprefix(f"{root}/") not in counted]
    found: list[tuple[Location, int]] = [
        (path, status.st_size) for path in orphans if (status := path.stat()).st_mtime <= oldest
    ]
    found += [(path, path.stat().st_size) for path in left]
    if not dry_run:
        for path, _ in found:
            remove(path)
    return len(found), sum(size for _, size in found)


def _dead_work(scratch: Path) -> list[Path]:
    work = scratch / "work"
    folders = list(work.iterdir()) if work.is_dir() else []
    return [
        folder
        for folder in folders
        if (pid := folder.name.partition("-")[0]).isdigit() and not psutil.pid_exists(int(pid))
    ]
