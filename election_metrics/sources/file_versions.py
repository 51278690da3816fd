"""Versions of files, and whether a file still is that version.

A file is identified by its absolute path or URL (and the member's name inside an archive), its version by size and
modification time, and its content by a hash.
"""

import os
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from election_metrics.locations import is_url
from election_metrics.sources.archive_names import split_archive
from election_metrics.sources.export_path import ExportPath
from election_metrics.sources.object_exports import version_of_object

# An index entry of PostgreSQL is limited to 2,704 bytes, for path and member's name together.
LONGEST_PATH, LONGEST_MEMBER = 1_500, 1_000
_UNSEEN = -1
_INT64 = 2**63


class FileVersion(NamedTuple):
    """A version of a file. `size` in bytes, `modified_ns` since the epoch.

    `modified_ns` is the later of the times of the last change of the content (mtime) and of the file (ctime): copying
    tools, such as `rsync -t` and `cp -p`, set the first one back.
    """

    path: str
    size: int
    modified_ns: int


@dataclass(frozen=True)
class Unreadable:
    """A file or folder that cannot be read, and why.

    Attributes:
        version: what cannot be read.
        reason: why.
        member: the member's name, in an archive.
        may_pass: the error is probably transient: the same version is retried.
        place: what the path says of its contract, if it names one.
    """

    version: FileVersion
    reason: str
    member: str = ""
    may_pass: bool = False
    place: ExportPath | None = None


def unseen(path: str) -> FileVersion:
    """A placeholder version for an unreadable path, so that it is new once it can be read."""
    return FileVersion(path, _UNSEEN, 0)


def version_at(path: Path) -> FileVersion:
    """The current version of a file on disk.

    Raises:
        OSError: it does not exist, or cannot be asked.
    """
    return version_of(str(path), path.stat())


def version_of(path: str, status: os.stat_result) -> FileVersion:
    """The version of a file on disk, by its status."""
    # A file system may return any time; the ledger stores those within 292 years of 1970.
    modified = max(status.st_mtime_ns, status.st_ctime_ns)
    return FileVersion(path, status.st_size, max(-_INT64, min(modified, _INT64 - 1)))


def versions_of(paths: Iterable[str]) -> list[FileVersion]:
    """The current versions of these paths, without those that no longer exist."""
    return [version for path in paths if (version := _version_now(path)) is not None]


def _version_now(path: str) -> FileVersion | None:
    if is_url(path):
        found = version_of_object(path)
        return None if found is None else FileVersion(*found)
    try:
        return version_at(Path(path))
    except OSError:
        return None


def unchanged(version: FileVersion) -> bool:
    """Whether the file on disk still is this version."""
    return _version_now(version.path) == version


def still_growing(version: FileVersion, now_ns: int, settle_seconds: float) -> bool:
    """Whether the file was written just now, and is probably not complete; objects are always complete.

    A file is complete if it ends in a line feed (an archive: if it can be opened), or was not written for
    `settle_seconds`. A file with a time ahead of the clock is not being written, as far as the clock can tell. Another
    change within the same tick of the file system's clock would not be seen, so every file waits for that tick to end.
    With 0 seconds, nothing waits.
    """
    age = now_ns - version.modified_ns
    if is_url(version.path) or settle_seconds <= 0 or not 0 <= age < max(settle_seconds * 1e9, _COARSE_TICK_NS):
        return False
    if age < (_COARSE_TICK_NS if version.modified_ns % _SECOND_NS == 0 else _TICK_NS):
        return True
    if age >= settle_seconds * 1e9:
        return False
    kind = split_archive(version.path)[1]
    if kind == "zip":
        return not zipfile.is_zipfile(version.path)
    if kind is not None:
        return True
    try:
        with Path(version.path).open("rb") as file:
            if version.size == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False


_SECOND_NS = 10**9
_COARSE_TICK_NS = 2 * _SECOND_NS  # of FAT; some network file systems keep whole seconds
_TICK_NS = 20_000_000  # of a kernel's coarse clock, which other file systems use: 1 to 10 milliseconds
