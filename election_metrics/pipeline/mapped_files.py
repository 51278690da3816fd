"""Files of any form, read by a mapping, as a transactions table: what its rows are follows from the files alone.

So late, repeated, corrected and re-ordered files end in the same figures as those that came at once. A file that cannot
be read is left out and named; the others count.
"""

import contextlib
import csv
import glob
import gzip
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import duckdb
import pandas as pd
import pyarrow as pa

from election_metrics.digest import name_for
from election_metrics.errors import SourceError
from election_metrics.lake.engine import connect_here
from election_metrics.pipeline.mapped_query import CREATE_SAID, PLACES, insert_said, reader_of, statements
from election_metrics.pipeline.scratch import make_scratch, work_folder
from election_metrics.settings import Settings
from election_metrics.sources.file_mapping import FileMapping, columns_of
from election_metrics.sources.file_versions import FileVersion, Unreadable, version_at
from election_metrics.sources.mapping_expressions import needed_columns
from election_metrics.sources.table_snapshot import FIELDS, Batch
from election_metrics.sources.transactions_table import TransactionsTable
from election_metrics.sources.watermark import SnapshotBounds, Watermark

_ENDINGS = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl",
            ".parquet": "parquet"}  # fmt: skip
_READ_AS_IS = {"utf-8", "utf8", "utf-8-sig", "ascii", "us-ascii"}
_ROWS_AT_ONCE = 100_000
_MOST_SHOWN = 12


@dataclass
class _Part:
    """A readable file: itself, or the member of an archive."""

    version: FileVersion
    member: str
    file: Path
    form: str

    @property
    def path(self) -> str:
        return f"{self.version.path}/{self.member}".rstrip("/")


@dataclass
class FilesSnapshot:
    """What the files say at one moment, in a private engine.

    Attributes:
        connection: of the engine, with the tables `said`, `placed`, `mapped` and `observed`.
        unreadable: files that cannot be read, and lines that cannot.
        files: number of files that can be read.
    """

    connection: duckdb.DuckDBPyConnection
    unreadable: list[Unreadable] = field(default_factory=list)
    files: int = 0

    @property
    def horizon(self) -> SnapshotBounds | None:
        """None: files have no transactions in progress."""
        return None

    def new_rows(self, read: Watermark) -> Iterator[Batch]:  # noqa: ARG002
        """None: every hour is compared."""
        nothing: list[Batch] = []
        return iter(nothing)

    def last_position(self) -> int:
        """0: rows have no positions."""
        return 0

    def fingerprints(self, secret: str) -> pd.DataFrame | None:  # noqa: ARG002
        """None: they are computed from every row."""
        return None

    def every_row(self, hours: Sequence[int] | None = None) -> Iterator[Batch]:  # noqa: ARG002 filtered by the caller
        """All rows, as text."""
        query = f"SELECT {', '.join(FIELDS)} FROM mapped"  # noqa: S608
        for batch in self.connection.sql(query).to_arrow_reader(_ROWS_AT_ONCE):
            rows = pa.Table.from_batches([batch])
            yield Batch(rows.append_column("position", pa.nulls(rows.num_rows, pa.int64())), None)

    def places(self) -> pd.DataFrame:
        """constituency_id, name, region, election, registered_voters, time_zone: what the files say of each place."""
        return self.connection.execute(PLACES).df()

    def observed(self) -> pd.DataFrame:
        """constituency, counter, begins_at, observed_at, published, change, counted, path: published counters."""
        return self.connection.execute(
            "SELECT constituency, counter, begins_at, observed_at, published, change, counted, path FROM observed "
            "ORDER BY constituency, counter, observed_at"
        ).df()


def _opened(file: Path, encoding: str, errors: str = "strict") -> IO[str]:
    if file.suffix.lower() == ".gz":
        return gzip.open(file, "rt", encoding=encoding, errors=errors, newline="")
    return file.open(encoding=encoding, errors=errors, newline="")


class MappedFiles:
    """The files of a mapping, below a folder.

    Args:
        mapping: the mapping.
        base: the folder that relative patterns begin at, or a single file that is read instead of them.
        settings: of the engine.
        now: the time after which nothing was published yet; None: when they are read.
    """

    def __init__(self, mapping: FileMapping, base: Path, settings: Settings, now: datetime | None = None) -> None:
        self.mapping, self.now, self._base, self._settings = mapping, now, base, settings
        self.place = f"files below {base}" if base.is_dir() else f"the file {base}"

    def listed(self) -> list[FileVersion]:
        """The files, sorted by path.

        Raises:
            SourceError: there is none.
        """
        if self._base.is_file():
            return [version_at(self._base)]
        found: dict[str, FileVersion] = {}
        for pattern in self.mapping.files:
            for name in glob.glob(str(self._base / pattern), recursive=True):  # noqa: PTH207 absolute patterns too
                path = Path(name)
                if path.is_file() and not path.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):
                        found[str(path)] = version_at(path)
        if not found:
            raise SourceError(f"there is no file {' or '.join(self.mapping.files)} below {self._base}")
        return [found[path] for path in sorted(found)]

    def state(self) -> str:
        """A digest of the files' versions: it changes with any of them."""
        text = "\n".join(f"{file.path} {file.size} {file.modified_ns}" for file in self.listed())
        return name_for(f"{self.mapping.model_dump_json()}\n{text}")

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[FilesSnapshot]:
        """Reads the files."""
        make_scratch(self._settings)
        with work_folder(self._settings.scratch_path) as work, connect_here(self._settings) as connection:
            connection.execute("SET preserve_insertion_order = true")
            connection.execute(f"SET TimeZone = '{self.mapping.time_zone}'")
            connection.execute(CREATE_SAID)
            snapshot = FilesSnapshot(connection)
            for number, version in enumerate(self.listed(), start=1):
                self._read(snapshot, version, number, work)
            for statement in statements(self.mapping, self.now or datetime.now(UTC)):
                connection.execute(statement)
            yield snapshot

    def _read(self, snapshot: FilesSnapshot, version: FileVersion, number: int, work: Path) -> None:
        """Reads a file, and the members of an archive; what cannot be read is noted."""
        parts = list(self._parts(snapshot, version, work))
        for part in parts:
            try:
                columns = self._columns(part, snapshot.connection)
                self._check_columns(columns)
                statement = insert_said(self.mapping, part.file, part.form, columns, part.path, number)
                snapshot.connection.execute(statement)
                self._note_no_json(snapshot, part)
                snapshot.files += 1
            except (duckdb.Error, SourceError, UnicodeError, OSError, EOFError, csv.Error, zlib.error) as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                snapshot.unreadable.append(Unreadable(version, reason, part.member))
            else:
                self._note_refused(snapshot, part)
            finally:
                if part.file.is_relative_to(work):
                    part.file.unlink(missing_ok=True)

    def _parts(self, snapshot: FilesSnapshot, version: FileVersion, work: Path) -> Iterator[_Part]:
        path = Path(version.path)
        if path.suffix.lower() != ".zip":
            try:
                yield _Part(version, "", self._recoded(path, work), self._form(path.name))
            except (SourceError, UnicodeError, OSError, LookupError, EOFError, zlib.error) as error:
                snapshot.unreadable.append(Unreadable(version, str(error)))
            return
        try:
            with zipfile.ZipFile(path) as archive:
                for place, member in enumerate(sorted(archive.namelist())):
                    if member.endswith("/") or Path(member).name.startswith((".", "__MACOSX")):
                        continue
                    target = work / f"{place}-{Path(member).name[-60:]}"
                    try:
                        form = self._form(member)
                        with archive.open(member) as packed, target.open("wb") as file:
                            shutil.copyfileobj(packed, file)
                        yield _Part(version, member, self._recoded(target, work), form)
                    except (
                        SourceError,
                        UnicodeError,
                        OSError,
                        RuntimeError,
                        EOFError,
                        zlib.error,
                        zipfile.BadZipFile,
                    ) as error:
                        snapshot.unreadable.append(Unreadable(version, str(error), member))
        except (OSError, zipfile.BadZipFile) as error:
            snapshot.unreadable.append(Unreadable(version, f"the archive cannot be read: {error}"))

    def _form(self, name: str) -> str:
        suffixes = [suffix.lower() for suffix in Path(name).suffixes]
        if suffixes[-1:] == [".gz"]:
            suffixes.pop()
        form = self.mapping.format or _ENDINGS.get(suffixes[-1] if suffixes else "")
        if form is None:
            raise SourceError(f"its ending says no form; set format to one of csv, json, jsonl, parquet ({name})")
        return form

    def _recoded(self, file: Path, work: Path) -> Path:
        """The file as UTF-8 without a mark at its beginning.

        Raises:
            UnicodeError: it is not in the encoding of the mapping.
        """
        encoding = self.mapping.csv.encoding.lower()
        if self._form(file.name) != "csv" or encoding in _READ_AS_IS:
            return file
        target = work / f"recoded-{file.name.removesuffix('.gz')[-60:]}"
        with _opened(file, encoding) as text, target.open("w", encoding="utf-8", newline="") as out:
            shutil.copyfileobj(text, out)
        return target

    def _columns(self, part: _Part, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """The names of a file's columns; none of JSON, whose rows may each have others."""
        if part.form in ("json", "jsonl"):
            return []
        if part.form == "parquet":
            described = connection.execute("SELECT name FROM parquet_schema(?) OFFSET 1", [str(part.file)])
            return [str(name) for (name,) in described.fetchall()]
        if self.mapping.csv.header:
            return list(self.mapping.csv.header)
        with _opened(part.file, "utf-8-sig", errors="replace") as text:
            names = [name.strip() for name in next(csv.reader(text, **self._dialect), [])]
        if not names:
            raise SourceError("it is empty: it has no line with the names of its columns")
        return names

    @property
    def _dialect(self) -> dict[str, Any]:
        quote = self.mapping.csv.quote
        quoting = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
        return {"delimiter": self.mapping.csv.delimiter[:1], **quoting}

    def _check_columns(self, columns: Sequence[str]) -> None:
        needed = needed_columns(expression for _, expression in columns_of(self.mapping))
        lacking = [name for name in needed if name not in columns]
        if columns and lacking:
            shown = ", ".join(columns[:_MOST_SHOWN]) + (", …" if len(columns) > _MOST_SHOWN else "")
            key = next(key for key, one in columns_of(self.mapping) if lacking[0] in one.needs)
            raise SourceError(f"it has no column {lacking[0]!r}, which {key} names; it has: {shown}")

    def _note_no_json(self, snapshot: FilesSnapshot, part: _Part) -> None:
        """Notes lines that are no JSON."""
        if part.form != "jsonl":
            return
        reader = reader_of(self.mapping, part.file, part.form, [])
        query = (
            f"SELECT count(*), min(line) FROM (SELECT *, row_number() OVER () AS line FROM {reader}) WHERE row IS NULL"  # noqa: S608
        )
        ((lines, first),) = snapshot.connection.execute(query).fetchall()
        if lines:
            reason = f"line {first} is no JSON ({lines:,} line(s); this is the first)"
            snapshot.unreadable.append(Unreadable(part.version, reason, f"{part.member}#line-{first}".lstrip("/")))

    @staticmethod
    def _note_refused(snapshot: FilesSnapshot, part: _Part) -> None:
        """Notes lines that are no rows of the CSV."""
        here = snapshot.connection
        if not here.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'refused_lines'").fetchone():
            return
        rows = here.execute(
            "SELECT error_type, count(DISTINCT line), min(line), arg_min(error_message, line) FROM refused_lines "
            "GROUP BY error_type ORDER BY error_type"
        ).fetchall()
        for _, lines, first, message in rows:
            reason = f"line {first}: {str(message).splitlines()[0]} ({lines:,} line(s); this is the first)"
            snapshot.unreadable.append(Unreadable(part.version, reason, f"{part.member}#line-{first}".lstrip("/")))
        for table in ("refused_lines", "refused_scans"):
            here.execute(f"DROP TABLE {table}")


AnyTable = TransactionsTable | MappedFiles
