"""Portal exports on disk or in an object store: lists files and their versions, and opens them.

A file is identified by its absolute path or URL (and the member's name inside an archive), its version by size and
modification time, and its content by a hash. Lines are not parsed here.
"""

import contextlib
import lzma
import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from election_metrics.digest import name_for, new_digest
from election_metrics.errors import SourceError, TransientError
from election_metrics.locations import Location, RemotePath, is_url
from election_metrics.sources.export_path import ExportPath, parse_export_path
from election_metrics.sources.file_kinds import NotRead, count_not_read, is_export, is_ignored
from election_metrics.sources.object_exports import ends_of_object, fetch_object, find_objects, version_of_object

NO_CONTRACT = "the file name does not begin with a contract id (32-44 base58 characters before the first '_')"
_BLOCK = 1 << 20
# An index entry of PostgreSQL is limited to 2,704 bytes, for path and member's name together.
_LONGEST_PATH, _LONGEST_MEMBER = 1_500, 1_000
_SHOWN_OF_LONG_PATH = 300
_UNSEEN = -1
_SHARE_OF_FREE_DISK = 0.5
_INT64 = 2**63
_DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError, NotImplementedError, RuntimeError,
            struct.error)  # fmt: skip


class FileVersion(NamedTuple):
    """A version of a file. `size` in bytes, `modified_ns` since the epoch."""

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
    """

    version: FileVersion
    reason: str
    member: str = ""
    may_pass: bool = False


def unseen(path: str) -> FileVersion:
    """A placeholder version for an unreadable path, so that it is new once it can be read."""
    return FileVersion(path, _UNSEEN, 0)


@dataclass(frozen=True)
class ExportFile:
    """One export with readable bytes at `readable`: the file itself, or a copy extracted from an archive.

    `size` is that of its lines: a missing line feed at the end is counted.
    """

    version: FileVersion
    member: str
    place: ExportPath
    readable: Path
    size: int
    content_hash: str

    @property
    def name(self) -> str:
        """The name for display: the path, and the member within an archive."""
        return f"{self.version.path}/{self.member}" if self.member else self.version.path


@dataclass(frozen=True)
class Listing:
    """Listing of a folder: export files, and unreadable paths.

    Attributes:
        files: the files.
        unreadable: the unreadable paths.
        is_whole: whether the listing is complete; else there may be more files.
        not_read: files of kinds that are not read, by the endings of their names.
    """

    files: list[FileVersion]
    unreadable: list[Unreadable]
    is_whole: bool = True
    not_read: dict[str, NotRead] = field(default_factory=dict)


Enough = Callable[[Sequence[FileVersion]], bool]
"""Called with the new files of each listed folder; returns whether the listing may stop early."""


def never(_new: Sequence[FileVersion]) -> bool:
    """Never stops a listing early."""
    return False


def list_exports(root: Location, known: Set[tuple[str, int, int]] = frozenset(), enough: Enough = never) -> Listing:
    """Lists the export files below `root` (or `root` itself), sorted by path.

    Read permission is checked only for files that are not `known`.

    `file_kinds` defines which files are ignored; files that are neither read nor ignored are counted. Names that the
    ledger cannot store, and links that lead out of the folder, are unreadable.

    Args:
        root: a folder or a file, on this machine or in an object store.
        known: versions that are in the ledger.
        enough: called after each folder; an object store is listed in one call.

    Raises:
        SourceError: `root` does not exist or cannot be listed at all.
    """
    return _list_files(root.absolute(), known, enough) if isinstance(root, Path) else _list_objects(root)


def _list_files(root: Path, known: Set[tuple[str, int, int]], enough: Enough) -> Listing:
    try:
        mode = root.stat().st_mode
        if not stat.S_ISDIR(mode):
            enough(alone := [_version(root)])
            return Listing(alone, [])
        os.scandir(root).close()
    except FileNotFoundError:
        raise SourceError(f"{root} does not exist; give a folder of portal exports or one .csv or .zip file") from None
    except OSError as error:
        raise SourceError(f"{root} cannot be listed: {error.strerror}") from None
    files: list[FileVersion] = []
    unreadable: list[Unreadable] = []
    not_read: dict[str, NotRead] = {}
    folders = [str(root)]
    while folders:
        listed = len(files)
        folders += _list_folder(folders.pop(), root, known, files, unreadable, not_read)
        if enough([file for file in files[listed:] if file not in known]):
            break
    return Listing(sorted(files), unreadable, is_whole=not folders, not_read=not_read)


def _list_folder(
    folder: str,
    root: Path,
    known: Set[tuple[str, int, int]],
    files: list[FileVersion],
    unreadable: list[Unreadable],
    not_read: dict[str, NotRead],
) -> list[str]:
    """Adds the files of a folder; returns its subfolders."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        unreadable.append(Unreadable(unseen(folder), f"the folder cannot be listed: {error.strerror}"))
        return []
    folders = []
    for entry in entries:
        is_folder = entry.is_dir(follow_symlinks=False)
        if not is_folder and is_ignored(entry.name):
            continue
        if not is_folder and entry.is_dir():
            unreadable += _linked_folder(entry, root)
            continue
        if not is_folder and not is_export(entry.name):
            count_not_read(not_read, unseen(entry.path).path)
            continue
        if problem := _why_no_name(entry.path):
            unreadable.append(problem)
        elif is_folder:
            folders.append(entry.path)
        else:
            _add_file(entry, root, known, files, unreadable)
    return folders


def _linked_folder(entry: os.DirEntry[str], root: Path) -> list[Unreadable]:
    """A linked folder is not followed; one that leads within the root is read where it is."""
    if Path(entry.path).resolve().is_relative_to(root.resolve()):
        return []
    return [Unreadable(unseen(entry.path), f"it is a link to a folder that lies outside of {root}")]


def _list_objects(root: RemotePath) -> Listing:
    versions = [FileVersion(*version) for version in find_objects(root)]
    named = [(version, _why_no_name(version.path)) for version in versions]
    return Listing(
        sorted(version for version, problem in named if problem is None),
        [problem for _, problem in named if problem is not None],
    )


def _why_no_name(path: str) -> Unreadable | None:
    """Why the ledger cannot store this path, under a shortened or escaped one."""
    name = os.fsencode(path)
    shown = name.decode("utf-8", "backslashreplace")
    is_long = len(shown.encode()) > _LONGEST_PATH
    if is_long:
        shown = f"{shown[:_SHOWN_OF_LONG_PATH]}… ({name_for(name)})"
    if not _is_utf_8(name):
        return Unreadable(unseen(shown), "the name is not UTF-8; rename it (convmv -r -f cp1251 -t utf-8 does so)")
    if is_long:
        return Unreadable(unseen(shown), f"the path is longer than {_LONGEST_PATH} bytes: {len(name)}")
    return None


def _is_utf_8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _add_file(
    entry: os.DirEntry[str],
    root: Path,
    known: Set[tuple[str, int, int]],
    files: list[FileVersion],
    unreadable: list[Unreadable],
) -> None:
    try:
        status = entry.stat()
    except OSError:
        return  # it was removed after it was listed
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device might never end
        unreadable.append(Unreadable(unseen(entry.path), "it is no regular file"))
        return
    if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root.resolve()):
        unreadable.append(Unreadable(unseen(entry.path), f"it is a link that leads out of {root}"))
        return
    version = _version_of(entry.path, status)
    if version in known or os.access(entry.path, os.R_OK):
        files.append(version)
    else:
        unreadable.append(Unreadable(unseen(entry.path), "the file cannot be read: Permission denied"))


def _version(path: Path) -> FileVersion:
    return _version_of(str(path), path.stat())


def _version_of(path: str, status: os.stat_result) -> FileVersion:
    # A file system may return any time; the ledger stores those within 292 years of 1970.
    return FileVersion(path, status.st_size, max(-_INT64, min(status.st_mtime_ns, _INT64 - 1)))


def versions_of(paths: Iterable[str]) -> list[FileVersion]:
    """The current versions of these paths, without those that no longer exist."""
    return [version for path in paths if (version := _version_now(path)) is not None]


def _version_now(path: str) -> FileVersion | None:
    if is_url(path):
        found = version_of_object(path)
        return None if found is None else FileVersion(*found)
    try:
        return _version(Path(path))
    except OSError:
        return None


def unchanged(version: FileVersion) -> bool:
    """Whether the file on disk still is this version."""
    return _version_now(version.path) == version


def still_growing(version: FileVersion, now_ns: int, settle_seconds: float) -> bool:
    """Whether the file ends within a line (or an archive) and was written recently; objects are always complete."""
    if is_url(version.path) or now_ns - version.modified_ns >= settle_seconds * 1e9:
        return False
    if version.path.lower().endswith(".zip"):
        return not zipfile.is_zipfile(version.path)
    try:
        with Path(version.path).open("rb") as file:
            if version.size == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:
        return False


def read_exports(version: FileVersion, root: Location, extract_to: Path) -> Iterator[ExportFile | Unreadable]:
    """Opens a listed file: yields its export, or each member's, or why it is unreadable.

    Args:
        version: the file as listed.
        root: the folder that was listed; folders below it may name region, election and constituency.
        extract_to: an existing folder for extracted members of archives, and copies of objects.
    """
    below = _folders_below(version.path, root)
    is_archive = version.path.lower().endswith(".zip")
    place = None if is_archive else parse_export_path(PurePath(version.path), folders_below=below)
    if place is None and not is_archive:
        yield Unreadable(version, NO_CONTRACT)
        return
    try:
        path = fetch_object(version.path, extract_to) if is_url(version.path) else Path(version.path)
        if place is None:
            yield from _read_archive(version, path, below, extract_to)
        else:
            yield _export(version, "", place, path)
    except OSError as error:
        yield Unreadable(version, f"the file cannot be read: {error.strerror}", may_pass=True)


def _folders_below(path: str, root: Location) -> int:
    if not isinstance(root, Path):
        return path.removeprefix(str(root)).strip("/").count("/")
    base = root if root.is_dir() else root.parent
    return len(PurePath(path).parent.relative_to(base).parts)


def _read_archive(version: FileVersion, path: Path, below: int, extract_to: Path) -> Iterator[ExportFile | Unreadable]:
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGED as error:
        yield Unreadable(version, f"the archive cannot be opened (cut off?): {error}")
        return
    except OSError as error:
        yield _unreadable_archive(version, error)
        return
    with archive:
        members = [info for info in archive.infolist() if _is_export(name_in_archive(info))]
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


def _is_export(name: str) -> bool:
    """Whether a path in an archive is that of an export: not a Mac's or an editor's own file."""
    parts = [part for part in PurePosixPath(name).parts if part not in (".", "..")]
    return name.lower().endswith(".csv") and not any(map(is_ignored, parts))


def _read_member(
    version: FileVersion, below: int, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, copy: Path
) -> ExportFile | Unreadable:
    if len(name.encode("utf-8", "backslashreplace")) > _LONGEST_MEMBER:
        return Unreadable(version, f"the member's name is longer than {_LONGEST_MEMBER} bytes", name[:100])
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
            shutil.copyfileobj(packed, unpacked, _BLOCK)
    except _DAMAGED as error:
        copy.unlink(missing_ok=True)
        return Unreadable(version, f"the member cannot be unpacked (cut off?): {error}", name)
    except OSError as error:
        copy.unlink(missing_ok=True)
        return _unreadable_archive(version, error, name)
    return _export(version, name, place, copy)


def _unreadable_archive(version: FileVersion, error: OSError, member: str = "") -> Unreadable:
    """Distinguishes errors of the system, which have an errno and may pass, from damaged bytes."""
    if error.errno is None:
        return Unreadable(version, f"the member cannot be unpacked (cut off?): {error}", member)
    return Unreadable(version, f"the archive cannot be read or unpacked: {error.strerror}", member, may_pass=True)


def _export(version: FileVersion, member: str, place: ExportPath, readable: Path) -> ExportFile:
    """Reads the file once, for the BLAKE3 hash (hexadecimal) of its bytes, and its size."""
    digest = new_digest()
    block = bytearray(_BLOCK)
    view = memoryview(block)
    size, last = 0, ord("\n")
    with readable.open("rb", buffering=0) as file:
        while count := file.readinto(view):
            digest.update(view[:count])
            size, last = size + count, view[count - 1]
    lines = size + (last != ord("\n"))
    return ExportFile(version, member, place, readable, lines, digest.hexdigest())


_TIMESTAMP = re.compile(rb"^[^;\n]*;[^;\n]*;[^;\n]*;[^;\n]*;(\d{12,14});", re.MULTILINE)


def peek_span(version: FileVersion) -> tuple[int, int] | None:
    """Epoch milliseconds of an early and a late line, from two small reads; None if they cannot be read.

    An estimate, to request the right hours: other rows may be outside the span.
    """
    path = Path(version.path)
    try:
        if is_url(version.path):
            if path.suffix.lower() == ".zip" or not version.size:
                return None  # its hours are known after landing
            head, tail = ends_of_object(version.path, version.size)
            times = [int(time) for time in _TIMESTAMP.findall(head) + _TIMESTAMP.findall(tail)]
        elif path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                times = [time for info in archive.infolist() for time in _times_of_head(archive, info)]
        else:
            with path.open("rb") as file:
                head = file.read(1 << 16)
                file.seek(max(0, version.size - (1 << 16)))
                tail = file.read(1 << 16)
            times = [int(time) for time in _TIMESTAMP.findall(head) + _TIMESTAMP.findall(tail)]
    except (*_DAMAGED, OSError, TransientError):
        return None
    return (min(times), max(times)) if times else None


def _times_of_head(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> list[int]:
    if not _is_export(name_in_archive(info)):
        return []
    with archive.open(info) as member:
        return [int(time) for time in _TIMESTAMP.findall(member.read(1 << 16))]
