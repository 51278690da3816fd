"""From export files to staged rows to parts: reads every line once, and accounts for every byte of it.

A clean file is read by DuckDB alone. A file in which anything is odd (a byte that no row accounts for, a line
that cannot be read) is read again through a numbered copy, which gives each rejected line its number.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd

from election_metrics.errors import DataError
from election_metrics.lake.engine import put_parquet_view, put_table, sql
from election_metrics.lake.numbered import write_numbered_copy
from election_metrics.settings import Settings

FIELDS = (
    "transaction_id", "transaction_type", "signature", "version", "timestamp_ms", "sender",
    "fee", "fee_asset", "params", "diff", "extra", "rollback_mark",
)  # fmt: skip
PART_COLUMNS = (
    "transaction_id VARCHAR, id_key VARCHAR, constituency_id VARCHAR, occurred_ms BIGINT, operation VARCHAR, "
    "kind VARCHAR, quantity BIGINT, sender VARCHAR, voter_key VARCHAR, fail_reason VARCHAR, content_id BIGINT, "
    "hour_number INTEGER"
)
_MOST_FILES_A_SCAN = 2_000


@dataclass(frozen=True)
class Readable:
    """A file to stage: its content's number in the ledger, its constituency, and where its bytes are."""

    content_id: int
    constituency_id: str
    path: Path
    size: int
    name: str


@dataclass(frozen=True)
class Part:
    """A Parquet file of one hour, `path` relative to the lake."""

    hour_number: int
    path: str
    rows: int
    size: int


def stage(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    files: Sequence[Readable],
    work: Path,
    now: datetime,
) -> None:
    """Fills the temporary table `staged` with one row for every line of the files (see stage.sql).

    Raises:
        DataError: bytes of a file are accounted for by no row, even line by line.
    """
    _put_limits(connection, settings, now)
    connection.execute("DROP TABLE IF EXISTS staged")
    for start in range(0, len(files), _MOST_FILES_A_SCAN):
        _stage_files(connection, settings, files[start : start + _MOST_FILES_A_SCAN], work)


def _put_limits(connection: duckdb.DuckDBPyConnection, settings: Settings, now: datetime) -> None:
    latest = now + timedelta(days=1)
    reason = (
        f"the transaction is before the first hour, {settings.first_hour:%Y-%m-%d %H:%M} UTC "
        "(setting ELECTION_METRICS_FIRST_HOUR)"
    )
    limits = pd.DataFrame(
        {
            "latest_ms": [int(latest.timestamp() * 1000)],
            "first_hour_ms": [int(settings.first_hour.timestamp() * 1000)],
            "first_hour_setting": [reason],
        }
    )
    put_table(
        connection, "limits", limits,
        {"latest_ms": "BIGINT", "first_hour_ms": "BIGINT", "first_hour_setting": "VARCHAR"},
    )  # fmt: skip


def _stage_files(
    connection: duckdb.DuckDBPyConnection, settings: Settings, files: Sequence[Readable], work: Path
) -> None:
    """Stages these files in one scan; halves them where the scan itself fails, to find the file that does it."""
    filled = [file for file in files if file.size > 0]
    if not filled:
        _append(connection, [], settings, numbered=False)
        return
    try:
        _append(connection, filled, settings, numbered=False)
    except duckdb.InvalidInputException:
        if len(filled) == 1:
            _stage_numbered(connection, settings, filled[0], work)
            return
        half = len(filled) // 2
        _stage_files(connection, settings, filled[:half], work)
        _stage_files(connection, settings, filled[half:], work)
        return
    for file in _not_clean(connection, filled):
        connection.execute("DELETE FROM staged WHERE content_id = ?", [file.content_id])
        _stage_numbered(connection, settings, file, work)


def _append(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Readable], settings: Settings, *, numbered: bool
) -> None:
    frame = pd.DataFrame(
        {
            "file_number": range(len(files)),
            "content_id": [file.content_id for file in files],
            "constituency_id": [file.constituency_id for file in files],
        }
    )
    put_table(
        connection,
        "files",
        frame,
        {"file_number": "BIGINT", "content_id": "BIGINT", "constituency_id": "VARCHAR"},
    )
    connection.execute(f"CREATE OR REPLACE TEMP VIEW lines AS {_lines(files, settings, numbered=numbered)}")
    exists = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'staged'").fetchone()
    verb = "INSERT INTO staged" if exists and exists[0] else "CREATE TEMP TABLE staged AS"
    connection.execute(f"{verb} {sql('stage')}")


def _lines(files: Sequence[Readable], settings: Settings, *, numbered: bool) -> str:
    """The reader of the exports: 12 fields split literally, without quoting; the one DuckDB-only query."""
    if not files:
        nothing = ", ".join(f"CAST(NULL AS VARCHAR) AS {field}" for field in FIELDS)
        return f"SELECT {nothing}, 0 AS file_number, 0 AS line_number WHERE FALSE"
    names = ("line_number", *FIELDS) if numbered else FIELDS
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    paths = ", ".join("'" + str(file.path).replace("'", "''") + "'" for file in files)
    line_number = "CAST(line_number AS BIGINT)" if numbered else "CAST(NULL AS BIGINT)"
    return (
        f"SELECT {', '.join(FIELDS)}, file_index AS file_number, {line_number} AS line_number "  # noqa: S608
        f"FROM read_csv([{paths}], delim = ';', quote = '', escape = '', header = false, auto_detect = false, "
        f"columns = {{{columns}}}, ignore_errors = true, "
        f"max_line_size = {settings.max_line_bytes}, buffer_size = {settings.max_line_bytes})"
    )


def _not_clean(connection: duckdb.DuckDBPyConnection, files: Sequence[Readable]) -> list[Readable]:
    """The files in which a line is rejected, or whose bytes are not all accounted for by rows."""
    rows = connection.execute(
        "SELECT content_id, coalesce(sum(line_bytes), -1), count(rejection) FROM staged GROUP BY content_id"
    ).fetchall()
    read = {content: (int(size), rejected) for content, size, rejected in rows}
    return [
        file
        for file in files
        # A last line without a newline is a byte short.
        if read.get(file.content_id) not in ((file.size, 0), (file.size + 1, 0))
    ]


def _stage_numbered(connection: duckdb.DuckDBPyConnection, settings: Settings, file: Readable, work: Path) -> None:
    copy = work / f"numbered-{file.content_id}.csv"
    rejects = work / f"rejects-{file.content_id}.json"
    kept = write_numbered_copy(file.path, copy, rejects, settings.max_line_bytes)
    numbered = Readable(file.content_id, file.constituency_id, copy, copy.stat().st_size, file.name)
    _append(connection, [numbered] if kept else [], settings, numbered=True)
    staged = connection.execute("SELECT count(*) FROM staged WHERE content_id = ?", [file.content_id]).fetchone()
    if staged is None or staged[0] != kept:
        raise DataError(f"{file.name}: {kept} lines are whole, but {staged[0] if staged else 0} could be read")
    if rejects.stat().st_size:
        connection.execute(
            "INSERT INTO staged BY NAME SELECT ? AS content_id, ? AS constituency_id, line_number, "
            "reason AS rejection, content AS line_start, FALSE AS is_rollback "
            "FROM read_json(?, columns = {'line_number': 'BIGINT', 'reason': 'VARCHAR', 'content': 'VARCHAR'}, "
            "format = 'newline_delimited')",
            [file.content_id, file.constituency_id, str(rejects)],
        )
    copy.unlink()
    rejects.unlink()


def drop_repeats_within_files(connection: duckdb.DuckDBPyConnection) -> None:
    """Keeps one row of an id that one file holds twice; table `repeated_lines` counts the others by content."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE repeats AS
        SELECT rowid AS row_id, content_id FROM (
            SELECT rowid, content_id, row_number() OVER (
                PARTITION BY content_id, transaction_id, is_rollback
                ORDER BY occurred_ms, kind, quantity, sender
            ) AS place
            FROM staged
            WHERE rejection IS NULL AND (content_id, id_key) IN (
                SELECT (content_id, id_key) FROM staged WHERE rejection IS NULL
                GROUP BY content_id, id_key HAVING count(*) > 1
            )
        ) WHERE place > 1
        """
    )
    connection.execute("DELETE FROM staged WHERE rowid IN (SELECT row_id FROM repeats)")


def write_parts(connection: duckdb.DuckDBPyConnection, lake: Path, work: Path, name: str) -> list[Part]:
    """Writes the staged rows as one or a few Parquet files an hour, named after `name`, renamed into place."""
    target = work / "parts"
    shutil.rmtree(target, ignore_errors=True)
    connection.execute(
        f"COPY ({sql('part_rows')}) TO '{_quoted(target)}' "
        "(FORMAT parquet, COMPRESSION snappy, PARTITION_BY (hour_number), WRITE_PARTITION_COLUMNS true)"
    )
    parts = []
    for folder in sorted(target.glob("hour_number=*")) if target.exists() else []:
        hour_number = int(folder.name.partition("=")[2])
        home = lake / hour_folder(hour_number)
        home.mkdir(parents=True, exist_ok=True)
        for number, file in enumerate(sorted(folder.iterdir())):
            final = home / f"part-{name}-{number}.parquet"
            file.replace(final)
            rows = connection.execute("SELECT num_rows FROM parquet_file_metadata(?)", [str(final)]).fetchone()
            assert rows is not None
            parts.append(Part(hour_number, str(final.relative_to(lake)), int(rows[0]), final.stat().st_size))
    shutil.rmtree(target, ignore_errors=True)
    return parts


def hour_folder(hour_number: int) -> Path:
    """The folder of an hour below the lake: `transactions/hour=2026-09-18T05`."""
    hour = datetime.fromtimestamp(hour_number * 3600, tz=UTC)
    return Path("transactions") / f"hour={hour:%Y-%m-%dT%H}"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def find_repeats(connection: duckdb.DuckDBPyConnection, known_parts: list[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the staged rows repeat, among themselves and of what these parts hold.

    Returns:
        ids: rows of transaction ids that occur more than once (see repeated_ids.sql);
        votes: accepted votes of senders who have several in one constituency (see repeated_voters.sql).
    """
    put_parquet_view(connection, "landed", known_parts, PART_COLUMNS)
    return connection.execute(sql("repeated_ids")).df(), connection.execute(sql("repeated_voters")).df()


def find_hours_of(
    connection: duckdb.DuckDBPyConnection, transaction_ids: list[str], known_parts: list[Path]
) -> set[int]:
    """The hours of the lake that hold one of these transactions."""
    if not transaction_ids:
        return set()
    put_table(connection, "wanted", pd.DataFrame({"transaction_id": transaction_ids}), {"transaction_id": "VARCHAR"})
    put_parquet_view(connection, "landed", known_parts, PART_COLUMNS)
    rows = connection.execute(
        "SELECT DISTINCT landed.hour_number FROM landed INNER JOIN wanted "
        "ON landed.id_key = right(wanted.transaction_id, 12) AND landed.transaction_id = wanted.transaction_id"
    ).fetchall()
    return {int(row[0]) for row in rows}
