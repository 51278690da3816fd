"""Room on the disks: a reserve that PostgreSQL gets when nothing else is left, and a landing that stops before it.

A PostgreSQL that cannot write its log stops for everybody; a landing that waits costs its wait.
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
    """A disk that we write to.

    Attributes:
        what: what of ours is on it.
        path: where.
        free: bytes that anybody may write.
        total: bytes in all that anybody may write, so without what a disk keeps for root; df's percents are of it.
        is_full: whether landing waits for room.
    """

    what: str
    path: str
    free: int
    total: int
    is_full: bool

    def __str__(self) -> str:
        """How much is free of how much."""
        return f"{_megabytes(self.free)} of {_megabytes(self.total)} MB are free"


def disks_of(settings: Settings) -> list[Disk]:
    """The disk of HOME, and that of the lake (or of unfinished work) where it is another one."""
    found: dict[int, Disk] = {}
    for what, folder in (("HOME", settings.home), ("the lake", settings.scratch_path)):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        usage = shutil.disk_usage(there)
        is_full = usage.free < settings.reserve_bytes
        found.setdefault(there.stat().st_dev, Disk(what, str(there), usage.free, usage.used + usage.free, is_full))
    return list(found.values())


def no_room(settings: Settings, for_bytes: int = 0) -> str | None:
    """Why nothing more can land, in a sentence; None where it can.

    Args:
        settings: the settings.
        for_bytes: how much is about to be written.
    """
    for disk in disks_of(settings):
        needed = settings.reserve_bytes + for_bytes
        if disk.free < needed:
            return (
                f"the disk of {disk.what} ({disk.path}) is full: {disk}; landing waits until {_megabytes(needed)} MB"
                " are free, and goes on by itself; election-metrics status says what can go"
            )
    return None


def check_room(settings: Settings, for_bytes: int = 0) -> None:
    """Refuses to go on where there is no room.

    Raises:
        TransientError: with what is full, and how much is needed.
    """
    if reason := no_room(settings, for_bytes):
        raise TransientError(reason)


class Reserve:
    """A file under HOME that takes up room; `up` keeps it, and gives it free when the disk is full."""

    def __init__(self, settings: Settings) -> None:
        """Takes up nothing yet."""
        self._path = settings.home / ".reserve"
        self._bytes = settings.reserve_bytes

    def look(self) -> str | None:
        """Gives the reserve free, or takes it again; says so in a sentence where it did one of them."""
        try:
            free = shutil.disk_usage(self._path.parent).free
            if self._path.exists():
                return self._give() if free < self._bytes * _GIVEN_BELOW else None
            if free > self._bytes * _KEPT_AGAIN_AT:
                self._keep()
        except OSError:
            return None  # the disk itself is in trouble, which others tell
        return None

    def _give(self) -> str:
        self._path.unlink(missing_ok=True)
        given = f"the reserve of {_megabytes(self._bytes)} MB is given to PostgreSQL"
        return f"The disk of {self._path.parent} is full; {given}."

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
    """What takes up room under HOME, in bytes, and what to type so that it goes; the largest first."""
    printed = settings.dagster_path / "storage"
    candidates = (
        ("old records of Dagster, parts of the lake that were merged", settings.scratch_path / "work",
         "election-metrics maintain"),
        ("what runs printed", printed, f"rm -r {printed}"),
        ("logs of up", settings.home / "logs", f"rm {settings.home / 'logs'}/up.log.*"),
    )  # fmt: skip
    sized = [(what, size_below(folder), do) for what, folder, do in candidates]
    return sorted(sized, key=lambda each: -each[1])


def _megabytes(count: int) -> str:
    return f"{count / _MEGABYTE:,.0f}".replace(",", " ")
