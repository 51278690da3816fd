"""Classifies the files of a folder: exports, ignored files, and files of a kind that is not read."""

import re
from dataclasses import dataclass
from pathlib import PurePath

from election_metrics.sources.archive_names import split_archive
from election_metrics.sources.dump_names import is_block_dump
from election_metrics.sources.export_path import contract_id
from election_metrics.sources.names import canonical

_ARCHIVES = {
    ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".lz4", ".lzma", ".lz", ".lzo", ".lzh", ".lha", ".br", ".z", ".cab",
    ".arj", ".ace", ".arc", ".zipx", ".zoo", ".tlz", ".taz", ".exe", ".jar", ".iso", ".dmg", ".cpio", ".ar", ".wim",
    ".rpm", ".deb", ".sz", ".snappy",
}  # fmt: skip
"""Archives that are not read, or hold one file of another kind."""
_PART_OF_ARCHIVE = re.compile(r"\.(?:\d{3}|[zr]\d{2})$")
"""Of an archive that was split: .001, .z01, .r00."""
_IGNORED_ENDINGS = (".part", ".partial", ".crdownload", ".download", ".filepart", ".tmp", ".!qb", ".aria2")
_IGNORED_NAMES = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True)
class NotRead:
    """Files of one kind that is not read.

    Attributes:
        ending: file name extension, such as .gz.
        files: number of files.
        example: path of one of them.
        may_be_exports: whether they may contain transactions: archives, and files with names of exports.
    """

    ending: str
    files: int
    example: str
    may_be_exports: bool

    def __str__(self) -> str:
        what = "they need no action"
        if self.may_be_exports:
            is_text = self.example.lower().endswith(".csv.txt")
            what = "rename them to .csv" if is_text else "unpack them, or save them as .csv"
        return f"{self.files} file(s) {self.ending or 'without an ending'}, such as {self.example}: {what}"


def ignored_by(name: str) -> str | None:
    """The rule by which a file, or a folder with all that is in it, is ignored; None: it is not."""
    if name.startswith("."):
        return "hidden"
    if name.startswith("~$"):
        return "a lock of a program"
    if name.lower() in _IGNORED_NAMES:
        return "a file of the system"
    return "a download in progress" if name.lower().endswith(_IGNORED_ENDINGS) else None


def is_ignored(name: str) -> bool:
    """Whether a file or folder is ignored: hidden, lock and system files, downloads in progress."""
    return ignored_by(name) is not None


def is_export(name: str) -> bool:
    """Whether files with this name are read: exports, dumps of blocks, compressed ones, and archives of any files."""
    base, kind = split_archive(name)
    if is_ignored(name):
        return False
    if kind == "alone":
        return _is_read(base) or split_archive(base)[1] is not None
    return kind is not None or _is_read(name)


def _is_read(name: str) -> bool:
    return name.lower().endswith(".csv") or is_block_dump(name)


def _may_hold_exports(ending: str) -> bool:
    return ending in _ARCHIVES or _PART_OF_ARCHIVE.fullmatch(ending) is not None


def count_not_read(kinds: dict[str, NotRead], path: str) -> None:
    """Adds a file that is neither read nor ignored to the counts by kind."""
    name = PurePath(path).name
    ending = PurePath(name).suffix.lower()
    is_named_so = contract_id(canonical(name.partition(".")[0])) is not None
    before = kinds.get(ending)
    kinds[ending] = NotRead(
        ending,
        1 if before is None else before.files + 1,
        path if before is None or (is_named_so and not before.may_be_exports) else before.example,
        is_named_so or _may_hold_exports(ending) or (before is not None and before.may_be_exports),
    )
