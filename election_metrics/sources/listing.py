"""Lists the export files below a folder, on disk or in an object store, and the paths that cannot be read."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from election_metrics.digest import name_for
from election_metrics.errors import SourceError
from election_metrics.locations import Location, RemotePath, as_one
from election_metrics.sources.file_kinds import NotRead, count_not_read, ignored_by, is_export
from election_metrics.sources.file_versions import LONGEST_PATH, FileVersion, Unreadable, unseen, version_at, version_of
from election_metrics.sources.object_exports import find_objects

_SHOWN_OF_LONG_PATH = 300


@dataclass(frozen=True)
class Listing:
    """Listing of a folder: export files, and unreadable paths.

    Attributes:
        files: the files.
        unreadable: the unreadable paths.
        is_whole: whether the listing is complete; else there may be more files.
        not_read: files of kinds that are not read, by the endings of their names.
        ignored: number of files that are ignored, by rule.
        missing: known paths that were not listed; empty if the listing is not complete.
    """

    files: list[FileVersion]
    unreadable: list[Unreadable]
    is_whole: bool = True
    not_read: dict[str, NotRead] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)
    missing: frozenset[str] = frozenset()

    @property
    def paths(self) -> set[str]:
        """The paths that exist, unreadable ones too."""
        return {file.path for file in self.files} | {problem.version.path for problem in self.unreadable}


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
    return _list_files(as_one(root), known, enough) if isinstance(root, Path) else _list_objects(root)


def _list_files(root: Path, known: Set[tuple[str, int, int]], enough: Enough) -> Listing:
    try:
        mode = root.stat().st_mode
        if not stat.S_ISDIR(mode):
            if not is_export(root.name):
                raise SourceError(f"{root} is of a kind that is not read; give a .csv, an archive of them, or a folder")
            enough(alone := [version_at(root)])
            return Listing(alone, [])
        os.scandir(root).close()
    except FileNotFoundError:
        raise SourceError(f"{root} does not exist; give a folder of portal exports or one .csv or archive") from None
    except OSError as error:
        raise SourceError(f"{root} cannot be listed: {error.strerror}") from None
    found = Listing([], [])
    folders = [str(root)]
    while folders:
        listed = len(found.files)
        folders += _list_folder(folders.pop(), root, known, found)
        if enough([file for file in found.files[listed:] if file not in known]):
            break
    found.files.sort()
    return replace(found, is_whole=not folders)


def _list_folder(folder: str, root: Path, known: Set[tuple[str, int, int]], found: Listing) -> list[str]:
    """Adds the files of a folder; returns its subfolders."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        found.unreadable.append(Unreadable(unseen(folder), f"the folder cannot be listed: {error.strerror}"))
        return []
    folders = []
    for entry in entries:
        is_folder = entry.is_dir(follow_symlinks=False)
        rule = ignored_by(entry.name)
        if rule is not None:
            found.ignored[rule] += 1
        elif entry.is_symlink() and (broken := _broken_link(entry)) is not None:
            found.unreadable.append(broken)
        elif not is_folder and entry.is_dir():
            found.unreadable.extend(_linked_folder(entry, root))
        elif not is_folder and not is_export(entry.name):
            count_not_read(found.not_read, unseen(entry.path).path)
        elif problem := _why_no_name(entry.path):
            found.unreadable.append(problem)
        elif is_folder:
            folders.append(entry.path)
        else:
            _add_file(entry, root, known, found)
    return folders


def _broken_link(entry: os.DirEntry[str]) -> Unreadable | None:
    """Why a link leads nowhere, where it could lead to a folder or an export; None if it does not."""
    try:
        entry.stat()
    except FileNotFoundError:
        reason = f"it is a link to {Path(entry.path).readlink()}, which does not exist"
    except OSError as error:
        reason = f"it is a link that cannot be followed: {error.strerror}"
    else:
        return None
    return Unreadable(unseen(entry.path), reason)


def _linked_folder(entry: os.DirEntry[str], root: Path) -> list[Unreadable]:
    """A linked folder is not followed; one that leads within the root is read where it is, unless that is ignored."""
    target, top = Path(entry.path).resolve(), root.resolve()
    if target.is_relative_to(top):
        hidden = [part for part in target.relative_to(top).parts if ignored_by(part) is not None]
        reason = f"it is a link to a folder that is ignored: {hidden[0]!r} is {ignored_by(hidden[0])}" if hidden else ""
        return [Unreadable(unseen(entry.path), reason)] if hidden else []
    return [Unreadable(unseen(entry.path), "it is a link to a folder that lies outside of the source")]


def _list_objects(root: RemotePath) -> Listing:
    exports, others = find_objects(root)
    not_read: dict[str, NotRead] = {}
    for path in others:
        count_not_read(not_read, path)
    versions = [FileVersion(*version) for version in exports]
    named = [(version, _why_no_name(version.path)) for version in versions]
    return Listing(
        sorted(version for version, problem in named if problem is None),
        [problem for _, problem in named if problem is not None],
        not_read=not_read,
    )


def _why_no_name(path: str) -> Unreadable | None:
    """Why the ledger cannot store this path, under a shortened or escaped one."""
    name = os.fsencode(path)
    shown = name.decode("utf-8", "backslashreplace")
    is_long = len(shown.encode()) > LONGEST_PATH
    if is_long:
        shown = f"{shown[:_SHOWN_OF_LONG_PATH]}… ({name_for(name)})"
    if not _is_utf_8(name):
        return Unreadable(unseen(shown), "the name is not UTF-8; rename it (convmv -r -f cp1251 -t utf-8 does so)")
    if is_long:
        return Unreadable(unseen(shown), f"the path is longer than {LONGEST_PATH} bytes: {len(name)}")
    return None


def _is_utf_8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _add_file(entry: os.DirEntry[str], root: Path, known: Set[tuple[str, int, int]], found: Listing) -> None:
    try:
        status = entry.stat()
    except OSError:
        return  # it was removed after it was listed
    if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device might never end
        found.unreadable.append(Unreadable(unseen(entry.path), "it is no regular file"))
        return
    if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root.resolve()):
        found.unreadable.append(Unreadable(unseen(entry.path), "it is a link that leads out of the source"))
        return
    version = version_of(entry.path, status)
    if version in known or os.access(entry.path, os.R_OK):
        found.files.append(version)
    else:
        found.unreadable.append(Unreadable(unseen(entry.path), "the file cannot be read: Permission denied"))
