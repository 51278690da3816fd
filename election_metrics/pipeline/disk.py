"""Disk space: a reserve that is released to PostgreSQL on a full disk; landing stops before it is needed.

A PostgreSQL that cannot write its WAL stops everything, whereas a paused landing only waits.
"""

import contextlib
import os
import shutil
from dataclasses import dataclass

from election_metrics.errors import TransientError
from election_metrics.locations import size_below
from election_metrics.settings import Settings

_MEGABYTE = 1_000_000
_KEPT_AGAIN_AT = 3
_GIVEN_BELOW = 0.25


@dataclass(frozen=True)
class Disk:
    """A disk that is written to.

    Attributes:
        what: what it holds.
        path: its path.
        free: free bytes, without those reserved for root.
        total: bytes in all, without those reserved for root, as in the percentages of df.
        is_full: whether landing waits for free space.
    """

    what: str
    path: str
    free: int
    total: int
    is_full: bool

    def __str__(self) -> str:
        """Free and total space."""
        return f"{_megabytes(self.free)} of {_megabytes(self.total)} MB are free"


def disks_of(settings: Settings) -> list[Disk]:
    """The disk of HOME, and that of the lake (or of scratch files) if it is another one."""
    found: dict[int, Disk] = {}
    for what, folder in (("HOME", settings.home), ("the lake", settings.scratch_path)):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        usage = shutil.disk_usage(there)
        is_full = usage.free < settings.reserve_bytes
        found.setdefault(there.stat().st_dev, Disk(what, str(there), usage.free, usage.used + usage.free, is_full))
    return list(found.values())


def no_room(settings: Settings, for_bytes: int = 0) -> str | None:
    """A sentence on why nothing more can land; None if there is space.

    Args:
        settings: the settings.
        for_bytes: bytes about to be written.
    """
    for disk in disks_of(settings):
        needed = settings.reserve_bytes + for_bytes
        if disk.free < needed:
            return (
                f"the disk of {disk.what} ({disk.path}) is full: {disk}; landing waits until {_megabytes(needed)} MB"
                " are free, and then continues; election-metrics status says what can be removed"
            )
    return None


def check_room(settings: Settings, for_bytes: int = 0) -> None:
    """Checks for free space.

    Raises:
        TransientError: a disk is full; says which, and how much is needed.
    """
    if reason := no_room(settings, for_bytes):
        raise TransientError(reason)


class Reserve:
    """A file under HOME that reserves space; `up` keeps it, and deletes it when the disk is full."""

    def __init__(self, settings: Settings) -> None:
        """Reserves nothing yet."""
        self._path = settings.home / ".reserve"
        self._bytes = settings.reserve_bytes

    def look(self) -> str | None:
        """Releases the reserve, or restores it; returns a sentence if it did either."""
        try:
            free = shutil.disk_usage(self._path.parent).free
            if self._path.exists():
                return self._give() if free < self._bytes * _GIVEN_BELOW else None
            if free > self._bytes * _KEPT_AGAIN_AT:
                self._keep()
        except OSError:
            return None  # a failing disk is reported elsewhere
        return None

    def _give(self) -> str:
        self._path.unlink(missing_ok=True)
        released = f"the reserve of {_megabytes(self._bytes)} MB is given to PostgreSQL"
        return f"The disk of {self._path.parent} is full; {released}."

    def _keep(self) -> None:
        if not self._bytes:
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._bytes)
        except OSError:
            with contextlib.suppress(OSError):
                self._path.unlink()
            raise
        finally:
            os.close(descriptor)


def what_can_go(settings: Settings) -> list[tuple[str, int, str]]:
    """What takes up space under HOME, in bytes, and what to type to remove it; the largest first."""
    printed = settings.dagster_path / "storage"
    candidates = (
        ("old records of Dagster, merged parts of the lake", settings.scratch_path / "work",
         "election-metrics maintain"),
        ("output of runs", printed, f"rm -r {printed}"),
        ("logs of up", settings.home / "logs", f"rm {settings.home / 'logs'}/up.log.*"),
    )  # fmt: skip
    sized = [(what, size_below(folder), do) for what, folder, do in candidates]
    return sorted(sized, key=lambda each: -each[1])


def _megabytes(count: int) -> str:
    return f"{count / _MEGABYTE:,.0f}".replace(",", " ")
