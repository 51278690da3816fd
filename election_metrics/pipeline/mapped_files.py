"""Files of any form, read by a mapping, as a transactions table: what its rows are follows from the files alone.

So late, repeated, corrected and re-ordered files end in the same figures as those that came at once. A file that cannot
be read is left out and named; the others count.
"""

import contextlib
import glob
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from election_metrics.digest import name_for
from election_metrics.errors import SourceError
from election_metrics.lake.duck import put_table
from election_metrics.lake.engine import connect_here
from election_metrics.lake.table_rows import Reading, fingerprints_of_read, read_rows
from election_metrics.locations import is_url
from election_metrics.pipeline.mapped_notes import (
    note_lines,
    note_problems,
    note_repeated,
    note_swapped,
    note_twice,
    note_unclear,
)
from election_metrics.pipeline.mapped_parts import CANNOT_READ, Part, in_order, parts_of, reason_of, shown_columns
from election_metrics.pipeline.mapped_query import PLACES, statements
from election_metrics.pipeline.mapped_reading import CREATE_SAID, has_keys, insert_said, lacks_list, reader_of
from election_metrics.pipeline.scratch import make_scratch, work_folder
from election_metrics.settings import Settings, time_zones
from election_metrics.sources.file_mapping import FileMapping, columns_of, essential_keys
from election_metrics.sources.file_versions import FileVersion, Unreadable, version_at
from election_metrics.sources.object_exports import find_matching
from election_metrics.sources.table_snapshot import FIELDS, Batch
from election_metrics.sources.transactions_table import TransactionsTable
from election_metrics.sources.watermark import SnapshotBounds, Watermark

_ROWS_AT_ONCE = 100_000
_ROWS_TOGETHER = 1_000_000
_PARSED = ("occurred_ms", "hour_number", "is_flagged", "fingerprint")
_ROWS_FOR_KEYS = 10_000


@dataclass
class FilesSnapshot:
    """What the files say at one moment, in a private engine.

    Attributes:
        connection: of the engine, with the tables `said`, `placed`, `mapped` and `observed`.
        unreadable: files that cannot be read, and lines that cannot.
        files: number of files that can be read.
        is_parsed: the rows are parsed.
    """

    connection: duckdb.DuckDBPyConnection
    unreadable: list[Unreadable] = field(default_factory=list)
    files: int = 0
    is_parsed: bool = False

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

    def parse(self, reading: Reading) -> None:
        """Parses every row once, for `fingerprints` and `every_row`."""
        read_rows(self.connection, reading, "mapped")
        self.is_parsed = True

    def fingerprints(self, secret: str) -> pd.DataFrame | None:  # noqa: ARG002 it is the reading's
        """Number and fingerprint of the rows of each hour: settled, because files have no transactions in progress."""
        found = fingerprints_of_read(self.connection)
        return found.assign(settled_rows=found["rows"], settled_fingerprint=found["fingerprint"])

    @property
    def hours_at_once(self) -> int:
        """Hours that land together: those with about a million rows."""
        ((rows, hours),) = self.connection.execute(
            "SELECT count(*), count(DISTINCT hour_number) FROM read_rows"
        ).fetchall()
        return max(1, _ROWS_TOGETHER * int(hours) // max(int(rows), 1))

    def every_row(self, hours: Sequence[int] | None = None) -> Iterator[Batch]:
        """All rows, or those of these hours: as text, and parsed if `parse` was called."""
        query = f"SELECT {', '.join(FIELDS)} FROM mapped"  # noqa: S608
        if self.is_parsed:
            of_hours = "" if hours is None else f"WHERE hour_number IN ({', '.join(map(str, hours))})"
            query = f"SELECT {', '.join((*FIELDS, *_PARSED))} FROM read_rows {of_hours}"  # noqa: S608
        for batch in self.connection.sql(query).to_arrow_reader(_ROWS_AT_ONCE):
            rows = pa.Table.from_batches([batch])
            yield Batch(rows.append_column("position", pa.nulls(rows.num_rows, pa.int64())), None)

    def places(self) -> pd.DataFrame:
        """constituency_id, name, region, election, registered_voters, time_zone: what the files say of each place."""
        return self.connection.execute(PLACES).df()

    def observed(self) -> pd.DataFrame:
        """constituency, counter, begins_at, observed_at, published, change, replaced, counted, path."""
        return self.connection.execute(
            "SELECT constituency, counter, begins_at, observed_at, published, change, replaced, counted, path "
            "FROM observed ORDER BY constituency, counter, observed_at"
        ).df()


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
            if is_url(pattern):
                found |= {one[0]: FileVersion(*one) for one in find_matching(pattern, "files of the mapping")}
                continue
            below = "" if Path(pattern).is_absolute() else f"{glob.escape(str(self._base))}/"
            for name in glob.glob(f"{below}{pattern}", recursive=True):  # noqa: PTH207 absolute patterns too
                path = Path(name)
                if path.is_file() and not path.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):
                        found[str(path)] = version_at(path)
        if not found:
            raise SourceError(f"there is no file {' or '.join(self.mapping.files)} below {self._base}")
        # A file of several names, such as a link to the latest, is one.
        real: dict[str, str] = {}
        for name in sorted(found, key=lambda name: (not is_url(name) and Path(name).is_symlink(), in_order(name))):
            real.setdefault(name if is_url(name) else os.path.realpath(name), name)
        return [found[path] for path in sorted(real.values(), key=in_order)]

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
            names = pd.DataFrame({"name": sorted(time_zones())})
            put_table(connection, "zones", names, {"name": "VARCHAR"})
            connection.execute("DELETE FROM zones WHERE name NOT IN (SELECT name FROM pg_timezone_names())")
            versions, now = self.listed(), self.now or datetime.now(UTC)
            for version in versions:
                for part in parts_of(self.mapping, version, work):
                    if isinstance(part, Part):
                        self._read(snapshot, part)
                    else:
                        snapshot.unreadable.append(part)
            note_swapped(connection, self.mapping, now, snapshot.unreadable, versions)
            for statement in statements(self.mapping, self._settings.first_hour, now):
                connection.execute(statement)
            note_unclear(connection, snapshot.unreadable, versions)
            note_repeated(connection, self.mapping, snapshot.unreadable, versions)
            note_twice(connection, self.mapping, snapshot.unreadable, versions)
            yield snapshot

    def _read(self, snapshot: FilesSnapshot, part: Part) -> None:
        """Reads a part; what of it cannot be read is noted."""
        here, number = snapshot.connection, snapshot.files + 1
        try:
            reader = reader_of(self.mapping, part.file, part.form, part.columns, self._settings.max_line_bytes)
            if part.form in ("json", "jsonl"):
                self._check_keys(here, part, reader)
            here.execute(insert_said(self.mapping, reader, part.form, part.columns, part.path, number))
            ((rows,),) = here.execute(
                "SELECT coalesce(max(line), 0) FROM said WHERE file_number = ?", [number]
            ).fetchall()
            if self.mapping.latest_only and not rows:
                raise SourceError("it has no rows, and so replaces no file before it (latest_only)")
        except (duckdb.Error, *CANNOT_READ) as error:
            here.execute("DELETE FROM said WHERE file_number = ?", [number])
            snapshot.unreadable.append(Unreadable(part.version, reason_of(error), part.member))
            return
        snapshot.files = number
        snapshot.unreadable += note_lines(here, self.mapping, part, int(rows))
        snapshot.unreadable += note_problems(here, self.mapping, part, number)

    def _check_keys(self, here: duckdb.DuckDBPyConnection, part: Part, reader: str) -> None:
        """Refuses JSON that has no list of rows, or no row with a key that everything depends on."""
        if part.form == "json" and self.mapping.json_.rows:
            ((lacking,),) = here.execute(lacks_list(self.mapping, part.file)).fetchall()
            if lacking:
                raise SourceError(f"it has no list {self.mapping.json_.rows!r}, which json.rows names")
        groups = essential_keys(self.mapping)
        keys = sorted({key for group in groups for key in group})
        for most in (_ROWS_FOR_KEYS, 2**62):
            ((rows, *counts),) = here.execute(has_keys(reader, keys, most)).fetchall()
            missing = {key for key, count in zip(keys, counts, strict=True) if not count}
            if not rows or any(not missing.intersection(group) for group in groups):
                return
        key = min(missing)
        named = next(name for name, one in columns_of(self.mapping) if key in one.needs)
        first = here.execute(f"SELECT text FROM {reader} WHERE json_type(row) = 'OBJECT' LIMIT 1").fetchone()  # noqa: S608 ours
        has = "no object" if first is None else shown_columns(list(json.loads(first[0])))
        raise SourceError(f"no row has the key {key!r}, which {named} names; the first has: {has}")


AnyTable = TransactionsTable | MappedFiles
