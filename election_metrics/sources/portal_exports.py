"""Opens portal exports, on disk or in an object store: whole, or only their first and last timestamps.

Lines are not parsed here.
"""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePath

from election_metrics.errors import TransientError
from election_metrics.locations import Location, is_url
from election_metrics.sources.archives import DAMAGED, is_export_member, name_in_archive, read_archive
from election_metrics.sources.export_file import ExportFile, read_content
from election_metrics.sources.export_path import NO_CONTRACT, parse_export_path
from election_metrics.sources.file_versions import FileVersion, Unreadable
from election_metrics.sources.object_exports import ends_of_object, fetch_object


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
            yield from read_archive(version, path, below, extract_to)
        else:
            yield read_content(version, "", place, path)
    except OSError as error:
        yield Unreadable(version, f"the file cannot be read: {error.strerror}", may_pass=True)


def _folders_below(path: str, root: Location) -> int:
    if not isinstance(root, Path):
        return path.removeprefix(str(root)).strip("/").count("/")
    base = root if root.is_dir() else root.parent
    return len(PurePath(path).parent.relative_to(base).parts)


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
    except (*DAMAGED, OSError, TransientError):
        return None
    return (min(times), max(times)) if times else None


def _times_of_head(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> list[int]:
    if not is_export_member(name_in_archive(info)):
        return []
    with archive.open(info) as member:
        return [int(time) for time in _TIMESTAMP.findall(member.read(1 << 16))]
