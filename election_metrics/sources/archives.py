"""Exports in ZIP archives: the names of the members as their maker meant them, and a copy of each member."""

import contextlib
import lzma
import re
import shutil
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath

from election_metrics.digest import name_for
from election_metrics.sources.export_file import BLOCK, ExportFile, read_content
from election_metrics.sources.export_path import NO_CONTRACT, parse_export_path
from election_metrics.sources.file_kinds import is_ignored
from election_metrics.sources.file_versions import LONGEST_MEMBER, FileVersion, Unreadable

_SHARE_OF_FREE_DISK = 0.5
DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, NotImplementedError, RuntimeError,
            struct.error)  # fmt: skip


def read_archive(version: FileVersion, path: Path, below: int, extract_to: Path) -> Iterator[ExportFile | Unreadable]:
    """Yields the export of each member, or why it is unreadable.

    Args:
        version: the archive as listed.
        path: its bytes, on this machine.
        below: how many of its folders belong to the export tree.
        extract_to: an existing folder for the copies of its members.
    """
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGED as error:
        yield Unreadable(version, f"the archive cannot be opened (cut off?): {error}")
        return
    except OSError as error:
        yield _unreadable_archive(version, error)
        return
    with archive:
        members = [info for info in archive.infolist() if is_export_member(name_in_archive(info))]
        if not members:
            yield Unreadable(version, "the archive holds no .csv file")
        names: Counter[str] = Counter()
        for number, info in enumerate(members):
            inside = name_in_archive(info)
            names[inside] += 1
            name = f"{inside}#{names[inside]}" if names[inside] > 1 else inside
            copy = extract_to / f"{name_for(version.path)}-{number}.csv"
            yield _read_member(version, below, archive, info, name, copy)


_UTF_8_FLAG = 0x800


def name_in_archive(info: zipfile.ZipInfo) -> str:
    """A member's name as its maker meant it, with / between folders.

    Programs on Windows write names in the code page of DOS, and some write backslashes; others write UTF-8 without the
    flag that says so. Python reads all that has no flag as code page 437.
    """
    name = info.orig_filename
    if not info.flag_bits & _UTF_8_FLAG:
        with contextlib.suppress(UnicodeEncodeError):
            name = _text_of(name.encode("cp437"))
    return name.partition("\0")[0].replace("\\", "/")


def _text_of(name: bytes) -> str:
    """UTF-8 where it is that; else Russian DOS where that gives Cyrillic letters; else code page 437."""
    with contextlib.suppress(UnicodeDecodeError):
        return name.decode("utf-8")
    russian = name.decode("cp866")
    return russian if _CYRILLIC.search(russian) else name.decode("cp437")


_CYRILLIC = re.compile("[А-Яа-яЁё]")


def is_export_member(name: str) -> bool:
    """Whether a path in an archive is that of an export: not a Mac's or an editor's own file."""
    parts = [part for part in PurePosixPath(name).parts if part not in (".", "..")]
    return name.lower().endswith(".csv") and not any(map(is_ignored, parts))


def _read_member(
    version: FileVersion, below: int, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, copy: Path
) -> ExportFile | Unreadable:
    if len(name.encode("utf-8", "backslashreplace")) > LONGEST_MEMBER:
        return Unreadable(version, f"the member's name is longer than {LONGEST_MEMBER} bytes", name[:100])
    inside = PurePath(name_in_archive(info))
    if inside.is_absolute() or ".." in inside.parts:
        inside = PurePath(inside.name)  # a member's path must not lead out of its archive
    place = parse_export_path(PurePath(version.path, inside), folders_below=below + len(inside.parts))
    if place is None:
        return Unreadable(version, NO_CONTRACT, name)
    free = shutil.disk_usage(copy.parent).free
    if info.file_size > free * _SHARE_OF_FREE_DISK:
        needed = f"unpacked it has {info.file_size / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB of the lake's disk are free"
        return Unreadable(version, needed, name, may_pass=True)
    try:
        with archive.open(info) as packed, copy.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, BLOCK)
    except DAMAGED as error:
        copy.unlink(missing_ok=True)
        return Unreadable(version, f"the member cannot be unpacked (cut off?): {error}", name)
    except OSError as error:
        copy.unlink(missing_ok=True)
        return _unreadable_archive(version, error, name)
    return read_content(version, name, place, copy)


def _unreadable_archive(version: FileVersion, error: OSError, member: str = "") -> Unreadable:
    """Distinguishes errors of the system, which have an errno and may pass, from damaged bytes."""
    if error.errno is None:
        return Unreadable(version, f"the member cannot be unpacked (cut off?): {error}", member)
    return Unreadable(version, f"the archive cannot be read or unpacked: {error.strerror}", member, may_pass=True)
