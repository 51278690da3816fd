"""Archives: zip, tar and single compressed files, also within one another, as a sequence of unpacked members.

Members are unpacked one after the other, each into a file. How large one may become is limited by the free space of
the disk, whatever the archive says about its sizes.
"""

import bz2
import gzip
import io
import lzma
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import zstandard

from election_metrics.sources.archive_names import member_name, numbered, split_archive
from election_metrics.sources.export_file import BLOCK
from election_metrics.sources.file_kinds import NotRead, count_not_read, is_export, is_ignored

DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, lzma.LZMAError, zlib.error, zstandard.ZstdError,
           EOFError, ValueError, NotImplementedError, RuntimeError, struct.error)  # fmt: skip
DEEPEST = 4
"""How many archives within one another are read."""
_SHARE_OF_FREE_DISK = 0.5
_LONGEST_REST = 1 << 26  # bytes after the last member of a tar
_LARGEST_WINDOW = 1 << 27  # of zstandard, in bytes of memory

Bytes = AbstractContextManager[IO[bytes]]


@dataclass(frozen=True)
class Unpacked:
    """An unpacked member: its path in the archive with / between folders, archives being folders too; and the file."""

    name: str
    file: Path


@dataclass(frozen=True)
class NotUnpacked:
    """A member that cannot be read (or the archive itself: empty name), the reason, and whether it may be transient."""

    name: str
    reason: str
    may_pass: bool = False


def unpack(archive: Path, name: str, folder: Path) -> Iterator[Unpacked | NotUnpacked]:
    """Unpacks the exports of an archive into a folder, and names the members that cannot be read.

    Members that are ignored by rule are left out. Of each kind that is not read but may hold transactions, one member
    is named. Of several members with one name, the later ones are numbered: "a.csv#2".

    Args:
        archive: the archive.
        name: its file name, whose ending is its kind.
        folder: an existing folder for the unpacked members.
    """
    unpacking = _Unpacking(folder)
    names: Counter[str] = Counter()
    for found in unpacking.read(archive, name, "", DEEPEST):
        name_in_archive = numbered(names, found.name)
        if isinstance(found, Unpacked):
            yield Unpacked(name_in_archive, found.file)
        else:
            yield NotUnpacked(name_in_archive, found.reason, found.may_pass)
    kinds = unpacking.not_read.values()
    yield from (
        NotUnpacked(kind.example, f"of a kind that is not read: {kind}") for kind in kinds if kind.may_be_exports
    )
    if not names and not any(kind.may_be_exports for kind in kinds):
        others = ", ".join(f"{kind.files} file(s) {kind.ending or 'without an ending'}" for kind in kinds)
        yield NotUnpacked("", f"the archive holds no .csv file; it holds {others}" if others else
                          "the archive holds no .csv file")  # fmt: skip


@dataclass
class _Unpacking:
    """An archive that is being unpacked into `folder`, with the archives in it."""

    folder: Path
    not_read: dict[str, NotRead] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=count)

    def read(self, archive: Path, name: str, above: str, deeper: int) -> Iterator[Unpacked | NotUnpacked]:
        """The members of an archive, whose own path in the outermost one is `above`."""
        base, kind = split_archive(name)
        within = f"{above}/" if above else ""
        try:
            if kind == "zip":
                yield from self._read_zip(archive, within, deeper)
            elif kind == "tar":
                yield from self._read_tar(archive, name, within, deeper)
            else:
                yield from self._take(f"{within}{base}", 0, lambda: _decompressed(archive, name), deeper)
        except DAMAGED as error:
            yield NotUnpacked(above, f"the archive cannot be opened (cut off?): {error}")
        except OSError as error:
            yield _failed(above, error)

    def _read_zip(self, archive: Path, within: str, deeper: int) -> Iterator[Unpacked | NotUnpacked]:
        with zipfile.ZipFile(archive) as members:
            for info in members.infolist():
                name = f"{within}{name_in_zip(info)}"
                try:
                    yield from self._take(name, info.file_size, partial(members.open, info), deeper)
                except DAMAGED as error:  # each member has a checksum of its own
                    yield NotUnpacked(name, f"the member cannot be unpacked (cut off?): {error}")
                except OSError as error:
                    yield _failed(name, error)

    def _read_tar(self, archive: Path, name: str, within: str, deeper: int) -> Iterator[Unpacked | NotUnpacked]:
        """The members, once all of them have been read: the checksum, if there is one, is at the end."""
        taken: list[Unpacked | NotUnpacked] = []
        try:
            with (
                _decompressed(archive, name) as plain,
                tarfile.open(fileobj=(stream := _Watched(plain)), mode="r|") as members,
            ):
                for info in members:
                    path = f"{within}{member_name(info.name.encode('utf-8', 'surrogateescape'))}"
                    if info.isfile():
                        taken += self._take(path, info.size, partial(_file_in_tar, members, info), deeper)
                    elif not info.isdir() and is_export_path(path):
                        taken.append(NotUnpacked(path, "it is a link or a device, not a file"))
                rest = stream.read(_LONGEST_REST)
                # tarfile takes a damaged header for the end; the true end is a block of zeros, and only zeros follow.
                is_whole = stream.last <= members.offset <= stream.size - tarfile.BLOCKSIZE
                if not is_whole or len(rest) == _LONGEST_REST:
                    raise tarfile.ReadError(f"it is damaged after member {len(taken)}, or more than one archive")
        except BaseException:
            for one in taken:
                if isinstance(one, Unpacked):
                    one.file.unlink(missing_ok=True)
            raise
        yield from taken

    def _take(self, path: str, size: int, opened: Callable[[], Bytes], deeper: int) -> Iterator[Unpacked | NotUnpacked]:
        """Unpacks a member; if it is an archive, its members."""
        if path.endswith("/") or any(map(is_ignored, _folders(path))):
            return
        name = PurePosixPath(path).name
        if not is_export(name):
            count_not_read(self.not_read, path)
            return
        kind = split_archive(name)[1]
        if kind is not None and deeper == 1:
            yield NotUnpacked(path, f"it lies in {DEEPEST} archives within one another; unpack it")
            return
        copy = self.folder / f"member-{next(self.numbers)}"
        if too_large := _copy(opened, size, copy):
            yield NotUnpacked(path, too_large, may_pass=True)
        elif kind is None:
            yield Unpacked(path, copy)
        else:
            yield from self.read(copy, name, path, deeper - 1)
            copy.unlink(missing_ok=True)


def is_export_path(path: str) -> bool:
    """Whether a path in an archive is that of an export, or of an archive."""
    return is_export(PurePosixPath(path).name) and not any(map(is_ignored, _folders(path)))


def _folders(path: str) -> list[str]:
    return [part for part in PurePosixPath(path).parts if part not in (".", "..")]


_UTF_8_FLAG = 0x800


def name_in_zip(info: zipfile.ZipInfo) -> str:
    """A member's name as its maker meant it, with / between folders.

    Programs on Windows write names in the code page of DOS, and some write backslashes; others write UTF-8 without the
    flag that says so, or beside the name. Python reads all that has no flag as code page 437.
    """
    name = info.orig_filename.partition("\0")[0]
    if info.flag_bits & _UTF_8_FLAG:
        return name.replace("\\", "/")
    try:
        plain = name.encode("cp437")
    except UnicodeEncodeError:
        return name.replace("\\", "/")
    return (_unicode_path(info.extra, plain) or member_name(plain)).replace("\\", "/")


_UNICODE_PATH = 0x7075


def _unicode_path(extra: bytes, name: bytes) -> str | None:
    """The name in the extra field of that kind, if it is of this name; None if there is none."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(field) > 5 and struct.unpack_from("<I", field, 1)[0] == zlib.crc32(name):
            with suppress(UnicodeDecodeError):
                return field[5:].decode("utf-8")
    return None


def _decompressed(archive: Path, name: str) -> Bytes:
    """The bytes of a compressed file, or of a tar; reading to the end verifies the checksum."""
    match name.lower().rpartition(".")[2]:
        case "gz" | "tgz":
            return cast("Bytes", gzip.open(archive))
        case "bz2" | "tbz2" | "tbz" | "tb2":
            return _streams(archive, bz2.BZ2Decompressor)
        case "xz" | "txz":
            return _streams(archive, lzma.LZMADecompressor, padding=4)
        case "zst" | "tzst":
            return _streams(archive, _frame)
        case _:
            return archive.open("rb")


class _Watched(io.RawIOBase):
    """A stream that knows its size so far, and where its last byte that is not zero ends."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self.size, self.last = stream, 0, 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        block = self._stream.read(size)
        filled = len(block) if block[-1:] not in (b"", b"\0") else len(block.rstrip(b"\0"))
        if filled:
            self.last = self.size + filled
        self.size += len(block)
        return block


class _Streams(io.RawIOBase):
    """Decompresses streams that follow one another.

    The standard library's readers end in silence where a stream is damaged in its first bytes, or cut off.
    """

    def __init__(self, file: IO[bytes], start: Callable[[], Any], padding: int) -> None:
        self._file, self._start, self._padding = file, start, padding
        self._rest, self._plain = b"", memoryview(b"")
        self._stream: Any = start()

    def readable(self) -> bool:
        """True."""
        return True

    def close(self) -> None:
        """Closes the file too."""
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer with the next bytes.

        Raises:
            EOFError: the last stream is cut off.
            OSError, lzma.LZMAError or zstandard.ZstdError: a stream is damaged, or something else follows it.
        """
        while not self._plain:
            packed = self._rest or self._file.read(_PACKED_BLOCK)
            self._rest = b""
            if self._stream is None:
                packed = self._begin(packed)
                if not packed:
                    return 0
            elif not packed:
                raise EOFError("Compressed file ended before the end-of-stream marker was reached")
            self._plain = memoryview(self._stream.decompress(packed))
            if self._stream.eof:
                self._rest, self._stream = self._stream.unused_data, None
        size = min(len(buffer), len(self._plain))
        buffer[:size], self._plain = self._plain[:size], self._plain[size:]
        return size

    def _begin(self, packed: bytes) -> bytes:
        """Begins the next stream, after the zeros that may stand before it; returns its first bytes."""
        zeros = 0
        while packed and self._padding and not packed.strip(b"\0"):
            zeros += len(packed)
            packed = self._file.read(_PACKED_BLOCK)
        if self._padding:
            zeros += len(packed) - len(packed := packed.lstrip(b"\0"))
            if zeros % self._padding:
                raise EOFError(f"{zeros} zeros follow a stream, no multiple of {self._padding}")
        if packed:
            self._stream = self._start()
        return packed


def _streams(archive: Path, start: Callable[[], Any], padding: int = 0) -> Bytes:
    return io.BufferedReader(_Streams(archive.open("rb"), start, padding))


def _frame() -> Any:
    return zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj()


_PACKED_BLOCK = 1 << 12  # of which a bomb makes 128 MB, all at once in memory


def _file_in_tar(members: tarfile.TarFile, info: tarfile.TarInfo) -> Bytes:
    file = members.extractfile(info)
    assert file is not None
    return nullcontext(file)


def _copy(opened: Callable[[], Bytes], size: int, copy: Path) -> str:
    """Unpacks a member into a file; returns why it is too large, in which case there is no file."""
    free = shutil.disk_usage(copy.parent).free
    most = int(free * _SHARE_OF_FREE_DISK)
    said = f"unpacked it has {size / 1e6:,.0f} MB"
    written = 0
    try:
        if size <= most:
            with opened() as packed, copy.open("wb") as unpacked:
                while block := packed.read(BLOCK):
                    written += len(block)
                    if written > most:
                        said = f"unpacked it has more than {most / 1e6:,.0f} MB"
                        break
                    unpacked.write(block)
                else:
                    return ""
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    copy.unlink(missing_ok=True)
    return f"{said}, and {free / 1e6:,.0f} MB of the lake's disk are free"


def _failed(name: str, error: OSError) -> NotUnpacked:
    """Distinguishes errors of the system, which have an errno and may pass, from damaged bytes."""
    if error.errno is None:
        return NotUnpacked(name, f"it cannot be unpacked (cut off?): {error}")
    return NotUnpacked(name, f"it cannot be read or unpacked: {error.strerror}", may_pass=True)


def heads(archive: Path, name: str, size: int) -> Iterator[bytes]:
    """The first bytes of each export in a zip, or of a single compressed file; nothing of a tar.

    Raises:
        OSError, or one of DAMAGED: they cannot be read.
    """
    kind = split_archive(name)[1]
    if kind == "alone" and split_archive(split_archive(name)[0])[1] is None:
        with _decompressed(archive, name) as file:
            yield file.read(size)
    elif kind == "zip":
        with zipfile.ZipFile(archive) as members:
            for info in members.infolist():
                path = name_in_zip(info)
                if is_export_path(path) and split_archive(path)[1] is None:
                    with members.open(info) as file:
                        yield file.read(size)
