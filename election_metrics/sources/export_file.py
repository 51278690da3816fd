"""Opened files: an export with readable bytes, identified by the hash of its content; a dump of blocks."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from election_metrics.digest import new_digest
from election_metrics.sources.export_path import ExportPath
from election_metrics.sources.file_versions import FileVersion

BLOCK = 1 << 20


@dataclass(frozen=True)
class ExportFile:
    """One export with readable bytes at `readable`: the file itself, or a copy extracted from an archive.

    `size` is that of its lines: a missing line feed at the end is counted. An export that was made from a dump of
    blocks has the dump's `sha256`, and the shard of its contract. One that was made from tables of counts
    (`is_counts_only`) holds no transaction of the chain: it counts where there is nothing else of its contract.
    """

    version: FileVersion
    member: str
    place: ExportPath
    readable: Path
    size: int
    content_hash: str
    sha256: str
    shard: str | None = None
    is_counts_only: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Identifies the content: equal bytes of one contract are one content."""
        return self.content_hash, self.place.constituency_id

    @property
    def name(self) -> str:
        """The name for display: the path, and the member within an archive."""
        return _name(self.version, self.member)


@dataclass(frozen=True)
class ObserverTables:
    """A zip of the tables that observers exchange.

    Attributes:
        version: the file.
        readable: the zip.
    """

    version: FileVersion
    readable: Path


@dataclass(frozen=True)
class BlockDump:
    """A dump of blocks, unpacked: a block a line, as JSON.

    Attributes:
        version: the file, or the archive that holds it.
        member: the path in the archive; empty for a file.
        readable: the file with the blocks.
        is_copy: whether that is a copy, which is not needed once it is read.
    """

    version: FileVersion
    member: str
    readable: Path
    is_copy: bool

    @property
    def name(self) -> str:
        """The path, and the member within an archive."""
        return _name(self.version, self.member)


def _name(version: FileVersion, member: str) -> str:
    return f"{version.path}/{member}" if member else version.path


def read_content(version: FileVersion, member: str, place: ExportPath, readable: Path) -> ExportFile:
    """Reads the file once, for the hashes (hexadecimal) of its bytes, and its size."""
    digest, checksum = new_digest(), sha256()
    block = bytearray(BLOCK)
    view = memoryview(block)
    size, last = 0, ord("\n")
    with readable.open("rb", buffering=0) as file:
        while count := file.readinto(view):
            digest.update(view[:count])
            checksum.update(view[:count])
            size, last = size + count, view[count - 1]
    lines = size + (last != ord("\n"))
    return ExportFile(version, member, place, readable, lines, digest.hexdigest(), checksum.hexdigest())
