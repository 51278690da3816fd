"""Files of a mapping as parts that can be read one by one: unpacked, in UTF-8, with the names of their columns."""

import csv
import gzip
import json
import re
import shutil
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from election_metrics.errors import SourceError
from election_metrics.locations import is_url
from election_metrics.pipeline.mapped_sheets import write_sheet
from election_metrics.sources.file_mapping import FileMapping, columns_of
from election_metrics.sources.file_versions import FileVersion, Unreadable
from election_metrics.sources.mapping_expressions import needed_columns
from election_metrics.sources.object_exports import fetch_object

CANNOT_READ = (
    SourceError, UnicodeError, OSError, EOFError, RuntimeError, csv.Error, zlib.error, zipfile.BadZipFile,
    pa.ArrowException,
)  # fmt: skip
"""What a file of any content may raise."""
_ENDINGS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl",
            ".parquet": "parquet", ".xlsx": "xlsx", ".xlsm": "xlsx"}  # fmt: skip
_AS_IT_IS = {"utf-8", "utf-8-sig", "ascii"}
_PIECE = 2**20
_MOST_SHOWN = 12


@dataclass
class Part:
    """A file that can be read: itself, or the member of an archive.

    Attributes:
        version: the file.
        member: the member's name, in an archive.
        file: a readable copy or link, of a name without special characters.
        form: csv, json, jsonl or parquet; a spreadsheet is read as Parquet.
        columns: the names of its columns, in order; none of JSON, whose rows may each have others.
        lines: number of lines, of CSV and JSON lines.
    """

    version: FileVersion
    member: str
    file: Path
    form: str
    columns: list[str] = field(default_factory=list)
    lines: int = 0

    @property
    def path(self) -> str:
        """The path, and the member's name after it."""
        return f"{self.version.path}/{self.member}".rstrip("/")


def in_order(path: str) -> tuple[list[tuple[int, str]], str]:
    """Key that sorts paths as people do: numbers in them by size, so that day 10 follows day 9."""
    pieces = re.findall(r"([0-9]+)|([^0-9]+)", path)
    return [(int(digits), "") if digits else (-1, text) for digits, text in pieces], path


def parts_of(mapping: FileMapping, version: FileVersion, work: Path) -> Iterator[Part | Unreadable]:
    """The parts of a file, each until the next is asked for; what cannot be read is told in its place.

    Raises:
        TransientError: the object store cannot be reached or is busy.
    """
    if is_url(version.path):
        try:
            copy = fetch_object(version.path, work)
        except FileNotFoundError as error:  # it is gone since it was listed
            yield Unreadable(version, reason_of(error))
            return
        yield from _parts(mapping, version, copy, work)
        copy.unlink()
        return
    yield from _parts(mapping, version, Path(version.path), work)


def _parts(mapping: FileMapping, version: FileVersion, path: Path, work: Path) -> Iterator[Part | Unreadable]:
    if path.suffix.lower() != ".zip":
        yield _part(mapping, version, "", path, version.path, work)
        return
    try:
        with zipfile.ZipFile(path) as archive:
            yield from _members(mapping, version, archive, work)
    except (OSError, zipfile.BadZipFile) as error:
        yield Unreadable(version, f"the archive cannot be read: {error}")


def _members(
    mapping: FileMapping, version: FileVersion, archive: zipfile.ZipFile, work: Path
) -> Iterator[Part | Unreadable]:
    members = {}
    for info in archive.infolist():
        if not info.is_dir() and not Path(info.filename).name.startswith((".", "__MACOSX")):
            if info.filename in members:
                yield Unreadable(version, "the archive has two of this name; the last one is read", info.filename)
            members[info.filename] = info
    if not members:
        yield Unreadable(version, "the archive has no files")
    if mapping.latest_only and len(members) > 1:
        yield Unreadable(
            version,
            f"the archive has {len(members)} members, and nothing says which replaces which (latest_only); unpack it",
        )
        return
    for name in sorted(members, key=in_order):
        unpacked = work / "member"
        try:
            with archive.open(members[name]) as packed, unpacked.open("wb") as file:
                shutil.copyfileobj(packed, file)
        except CANNOT_READ as error:
            yield Unreadable(version, reason_of(error), name)
        else:
            yield _part(mapping, version, name, unpacked, name, work)
        finally:
            unpacked.unlink(missing_ok=True)


def _part(
    mapping: FileMapping, version: FileVersion, member: str, file: Path, name: str, work: Path
) -> Part | Unreadable:  # fmt: skip
    try:
        form = _form(mapping, name)
        if form == "xlsx":
            return _sheet(mapping, version, member, file, work)
        part = Part(version, member, work / f"part.{form}", form)
        part.file.unlink(missing_ok=True)
        _make_readable(mapping, part, file, is_packed=name.lower().endswith(".gz"))
        part.columns = _columns(mapping, part)
        _check_columns(mapping, part.columns)
    except CANNOT_READ as error:
        return Unreadable(version, reason_of(error), member)
    return part


def _sheet(mapping: FileMapping, version: FileVersion, member: str, file: Path, work: Path) -> Part:
    part = Part(version, member, work / "part.parquet", "parquet")
    part.file.unlink(missing_ok=True)
    part.columns = write_sheet(mapping.sheet, file, part.file)
    _check_columns(mapping, part.columns)
    return part


def reason_of(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _form(mapping: FileMapping, name: str) -> str:
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    form = mapping.format or _ENDINGS.get(suffixes[-1] if suffixes else "")
    if form is None:
        raise SourceError(f"its ending says no form; set format to one of csv, json, jsonl, parquet, xlsx ({name})")
    return form


def _make_readable(mapping: FileMapping, part: Part, file: Path, *, is_packed: bool) -> None:
    """Makes the part's file: a link; or a copy, unpacked, in UTF-8 and with line ends of one kind."""
    encoding = mapping.csv.encoding if part.form == "csv" else "utf-8"
    if part.form in ("parquet", "json") and not is_packed:
        part.file.symlink_to(file.absolute())
        return
    if part.form in ("parquet", "json"):
        with gzip.open(file) as packed, part.file.open("wb") as out:
            shutil.copyfileobj(packed, out)
        return
    part.lines, is_mixed = (0, True) if is_packed else _lines_of(file)
    if is_packed or encoding not in _AS_IT_IS or is_mixed:
        errors = "surrogateescape" if encoding in _AS_IT_IS else "strict"  # DuckDB names lines that are no UTF-8
        with (
            _opened(file, encoding, errors, is_packed) as text,
            part.file.open("w", encoding="utf-8", errors=errors, newline="") as out,
        ):
            shutil.copyfileobj(text, out)
        part.lines, _ = _lines_of(part.file)
    else:
        part.file.symlink_to(file.absolute())


def _opened(file: Path, encoding: str, errors: str, is_packed: bool) -> IO[str]:
    """Text whose lines all end in the same way."""
    if is_packed:
        return gzip.open(file, "rt", encoding=encoding, errors=errors)
    return file.open(encoding=encoding, errors=errors)


def _lines_of(file: Path) -> tuple[int, bool]:
    """The number of lines, and whether they end in several ways."""
    ends, returns, pairs, last = 0, 0, 0, b"\n"
    with file.open("rb") as content:
        while piece := content.read(_PIECE):
            ends += piece.count(b"\n")
            returns += piece.count(b"\r")
            pairs += piece.count(b"\r\n") + (last == b"\r" and piece[:1] == b"\n")
            last = piece[-1:]
    return ends + (last != b"\n"), bool(returns) and not (returns == ends == pairs) and ends > 0


def _columns(mapping: FileMapping, part: Part) -> list[str]:
    if part.form in ("json", "jsonl"):
        return []
    if part.form == "parquet":
        return [str(name) for name in pq.read_schema(part.file).names]
    if mapping.csv.header:
        return list(mapping.csv.header)
    with part.file.open(encoding="utf-8-sig", errors="replace", newline="") as text:
        names = [name.strip() for name in next(csv.reader(text, **dialect(mapping)), [])]
    while names and not names[-1]:  # a delimiter ends the line
        names.pop()
    if not names:
        raise SourceError("its first line is empty: it should have the names of the columns")
    return names


def dialect(mapping: FileMapping) -> dict[str, Any]:
    """Options of Python's reader of CSV."""
    quote = mapping.csv.quote
    quoting = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    return {"delimiter": mapping.csv.delimiter[:1], **quoting}


def _check_columns(mapping: FileMapping, columns: Sequence[str]) -> None:
    """Refuses a file that lacks a column, or has two of the name."""
    if not columns:
        return
    counts = Counter(columns)
    for name in needed_columns(expression for _, expression in columns_of(mapping)):
        if counts[name] != 1:
            key = next(key for key, one in columns_of(mapping) if name in one.needs)
            has = "no column" if not counts[name] else f"{counts[name]} columns of the name"
            reason = f"it has {has} {name!r}, which {key} names; it has: {shown_columns(columns)}"
            if any("\ufffd" in one for one in columns):
                reason += ". Its letters are of another encoding: set csv.encoding, such as latin-1 or cp1251"
            elif len(columns) == 1 and (other := next((sign for sign in ";\t|," if sign in columns[0]), None)):
                reason += f". If another sign is between two values, set csv.delimiter = {json.dumps(other)}"
            raise SourceError(reason)


def shown_columns(columns: Sequence[str]) -> str:
    """The first names of columns."""
    return ", ".join(columns[:_MOST_SHOWN]) + (", …" if len(columns) > _MOST_SHOWN else "")
