"""Opens portal exports, on disk or in an object store: whole, or only some of their timestamps.

Lines are not parsed here.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePath

from election_metrics.digest import name_for
from election_metrics.errors import TransientError
from election_metrics.locations import Location, as_one, is_url
from election_metrics.sources.archive_names import split_archive
from election_metrics.sources.archives import DAMAGED, NotUnpacked, heads, unpack
from election_metrics.sources.dump_names import is_block_dump
from election_metrics.sources.export_file import BlockDump, ExportFile, ObserverTables, read_content
from election_metrics.sources.export_path import NO_CONTRACT, ExportPath, parse_export_path
from election_metrics.sources.file_versions import LONGEST_MEMBER, FileVersion, Unreadable
from election_metrics.sources.object_exports import ends_of_object, fetch_object
from election_metrics.sources.observer_archives import holds_tables


def read_exports(
    version: FileVersion, root: Location, extract_to: Path
) -> Iterator[ExportFile | BlockDump | ObserverTables | Unreadable]:
    """Opens a listed file: yields its export, dump of blocks or tables, or each member's, or why it is unreadable.

    Args:
        version: the file as listed.
        root: the folder that was listed; folders below it may name region, election and constituency.
        extract_to: an existing folder for extracted members of archives, and copies of objects.
    """
    name = PurePath(version.path).name
    is_archive = split_archive(name)[1] is not None
    is_dump = not is_archive and is_block_dump(name)
    place = None if is_archive or is_dump else place_of(version.path, "", root)
    if place is None and not is_archive and not is_dump:
        yield Unreadable(version, NO_CONTRACT)
        return
    try:
        path = fetch_object(version.path, extract_to) if is_url(version.path) else Path(version.path)
        if is_dump:
            yield BlockDump(version, "", path, is_copy=is_url(version.path))
        elif place is None and name.lower().endswith(".zip") and holds_tables(path):
            yield ObserverTables(version, path)
        elif place is None:
            yield from _read_archive(version, path, name, root, extract_to)
        else:
            yield read_content(version, "", place, path)
    except OSError as error:
        yield Unreadable(version, f"the file cannot be read: {error.strerror}", may_pass=True)


def _read_archive(
    version: FileVersion, path: Path, name: str, root: Location, extract_to: Path
) -> Iterator[ExportFile | BlockDump | Unreadable]:
    folder = extract_to / name_for(version.path)
    folder.mkdir(exist_ok=True)
    for member in unpack(path, name, folder):
        if len(member.name.encode("utf-8", "backslashreplace")) > LONGEST_MEMBER:
            reason = f"the member's name is longer than {LONGEST_MEMBER} bytes"
            yield Unreadable(version, reason, member.name[:100])
        elif isinstance(member, NotUnpacked):
            yield Unreadable(
                version, member.reason, member.name, member.may_pass, place_of(version.path, member.name, root)
            )
        elif is_block_dump(PurePath(member.name).name.partition("#")[0]):
            yield BlockDump(version, member.name, member.file, is_copy=True)
        else:
            place = place_of(version.path, member.name, root)
            if place is None:
                yield Unreadable(version, NO_CONTRACT, member.name)
            else:
                yield read_content(version, member.name, place, member.file)


def place_of(path: str, member: str, root: Location) -> ExportPath | None:
    """What the path of a file, and of a member if it is an archive, says as seen from the source's root."""
    inside = PurePath(member)
    if inside.is_absolute() or ".." in inside.parts:
        inside = PurePath(inside.name)  # a path that leads out of its archive says no place
    below = _folders_below(path, root) + len(inside.parts)
    return parse_export_path(PurePath(path, inside), folders_below=below)


def _folders_below(path: str, root: Location) -> int:
    if not isinstance(root, Path):
        return path.removeprefix(str(root)).strip("/").count("/")
    return len(PurePath(path).parent.relative_to(_base(root)).parts)


@lru_cache(maxsize=8)  # there are many files below one root
def _base(root: Path) -> Path:
    return as_one(root if root.is_dir() else root.parent)


_TIMESTAMP = re.compile(rb'^[^;\n]*;[^;\n]*;[^;\n]*;[^;\n]*;(\d{12,14});|"timestamp": ?(\d{12,14})[,}]', re.MULTILINE)


_SAMPLES, _SAMPLE = 10, 1 << 16
_MEMBERS_SAMPLED = 100


def sample_times(version: FileVersion) -> list[int]:
    """Times of some lines, in epoch milliseconds, from a few small reads; empty if they cannot be read.

    An estimate, to request the right hours: other lines may be of other hours, and some of these may be rejected.
    """
    name = PurePath(version.path).name
    is_archive = split_archive(name)[1] is not None
    try:
        if is_url(version.path):
            # The hours of an archive there are known after landing.
            blocks = [] if is_archive or not version.size else [*ends_of_object(version.path, version.size)]
        elif is_archive:
            blocks = list(islice(heads(Path(version.path), name, _SAMPLE), _MEMBERS_SAMPLED))
        else:
            blocks = _blocks_of_file(Path(version.path), version.size)
    except (*DAMAGED, OSError, TransientError):
        return []
    return [int(of_line or of_block) for block in blocks for of_line, of_block in _TIMESTAMP.findall(block)]


def _blocks_of_file(path: Path, size: int) -> list[bytes]:
    """Blocks at even distances, the first and the last among them."""
    count = min(_SAMPLES, -(-size // _SAMPLE))
    with path.open("rb") as file:
        blocks = []
        for number in range(count):
            file.seek((size - _SAMPLE) * number // (count - 1) if count > 1 else 0)
            blocks.append(file.read(_SAMPLE))
    return blocks
