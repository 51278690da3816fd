"""Reads export files by DuckDB: every line once, with every byte accounted for.

A clean file is read by DuckDB alone. A file with any anomaly (a byte that belongs to no row, a line that cannot be
read) is read again through a numbered copy, which gives each rejected line its number.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from election_metrics.lake.engine import Readable, sql
from election_metrics.lake.numbered import wide_encoding, write_numbered_copy
from election_metrics.settings import Settings

FIELDS = (
    "transaction_id", "transaction_type", "signature", "version", "timestamp_ms", "sender",
    "fee", "fee_asset", "params", "diff", "extra", "rollback_mark",
)  # fmt: skip
BYTES_READ = "SELECT content_id, coalesce(sum(line_bytes), -1), count(rejection) FROM staged GROUP BY content_id"
_MOST_FILES_A_SCAN = 2_000


def stage_files(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    files: Sequence[Readable],
    work: Path,
    now: datetime,
) -> dict[int, str]:
    """Fills the temporary table `staged` with one row for every line of the files (see stage.sql).

    Returns:
        Files that could not be read even line by line, with the reason, by content_id; nothing of them is staged.
    """
    given_up: dict[int, str] = {}
    connection.execute("DROP TABLE IF EXISTS staged")
    if not any(file.size > 0 for file in files):
        _append(connection, [], settings, now, numbered=False)  # creates the table even if every file is empty
    for start in range(0, len(files), _MOST_FILES_A_SCAN):
        given_up |= _stage_some(connection, settings, files[start : start + _MOST_FILES_A_SCAN], work, now)
    return given_up


def _stage_some(
    connection: duckdb.DuckDBPyConnection, settings: Settings, files: Sequence[Readable], work: Path, now: datetime
) -> dict[int, str]:
    filled = [file for file in files if file.size > 0]
    damaged = _stage_whole(connection, settings, filled, now)
    return _stage_numbered(connection, settings, damaged, work, now) if damaged else {}


def _stage_whole(
    connection: duckdb.DuckDBPyConnection, settings: Settings, files: Sequence[Readable], now: datetime
) -> list[Readable]:
    """Stages the clean files in one scan, bisecting if the scan fails; returns the others."""
    if not files:
        return []
    try:
        _append(connection, files, settings, now, numbered=False)
    except duckdb.InvalidInputException:
        if len(files) == 1:
            return list(files)
        half = len(files) // 2
        return [
            *_stage_whole(connection, settings, files[:half], now),
            *_stage_whole(connection, settings, files[half:], now),
        ]
    damaged = not_clean(connection.execute(BYTES_READ).fetchall(), files)
    if damaged:
        numbers = [file.content_id for file in damaged]
        connection.execute("DELETE FROM staged WHERE content_id IN (SELECT unnest(?))", [numbers])
    return damaged


def _append(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Readable],
    settings: Settings,
    now: datetime,
    *,
    numbered: bool,
) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP VIEW lines AS {_lines(files, settings, now, numbered=numbered)}")
    exists = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'staged'").fetchone()
    verb = "INSERT INTO staged" if exists and exists[0] else "CREATE TEMP TABLE staged AS"
    connection.execute(f"{verb} {sql('stage')}")


def _lines(files: Sequence[Readable], settings: Settings, now: datetime, *, numbered: bool) -> str:
    """The lines: 12 fields split literally, without quoting; a query that only DuckDB understands."""
    constants = limits(settings, now)
    if not files:
        nothing = ", ".join(f"CAST(NULL AS VARCHAR) AS {field}" for field in FIELDS)
        keys = "CAST(0 AS BIGINT) AS content_id, '' AS constituency_id, CAST(0 AS BIGINT) AS line_number"
        return f"SELECT {nothing}, {keys}, {constants} WHERE FALSE"
    contents = ", ".join(str(file.content_id) for file in files)
    constituencies = ", ".join(quoted(file.constituency_id) for file in files)
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in (("line_number", *FIELDS) if numbered else FIELDS))
    paths = ", ".join(quoted(str(file.path)) for file in files)
    return (
        f"SELECT {', '.join(FIELDS)}, "  # noqa: S608 names and numbers are ours, paths are quoted
        f"CAST([{contents}][CAST(file_index AS BIGINT) + 1] AS BIGINT) AS content_id, "
        f"[{constituencies}][CAST(file_index AS BIGINT) + 1] AS constituency_id, "
        f"{'CAST(line_number AS BIGINT)' if numbered else 'CAST(NULL AS BIGINT)'} AS line_number, {constants} "
        f"FROM read_csv([{paths}], delim = ';', quote = '', escape = '', header = false, auto_detect = false, "
        f"columns = {{{columns}}}, ignore_errors = true, "
        f"max_line_size = {settings.max_line_bytes}, buffer_size = {settings.max_line_bytes})"
    )


def not_clean(rows: Iterable[tuple[int, int, int]], files: Sequence[Readable]) -> list[Readable]:
    """The files with a rejected line, or with bytes that belong to no row (see BYTES_READ)."""
    read = {content: (int(size), rejected) for content, size, rejected in rows}
    return [file for file in files if read.get(file.content_id) != (file.size, 0)]


def _stage_numbered(
    connection: duckdb.DuckDBPyConnection, settings: Settings, files: Sequence[Readable], work: Path, now: datetime
) -> dict[int, str]:
    """Stages damaged files through copies with line numbers; returns those that still cannot be read."""
    copies, kept, given_up = [], {}, {}
    for file in files:
        if encoding := wide_encoding(file.path):
            given_up[file.content_id] = f"the file is {encoding}; UTF-8 is expected: save it as UTF-8"
            continue
        copy, rejects = work / f"numbered-{file.content_id}.csv", work / f"rejects-{file.content_id}.json"
        kept[file.content_id] = write_numbered_copy(file.path, copy, rejects, settings.max_line_bytes)
        if kept[file.content_id]:
            copies.append(Readable(file.content_id, file.constituency_id, copy, copy.stat().st_size, file.name))
    _append(connection, copies, settings, now, numbered=True)
    numbers = list(kept)
    counted = "SELECT content_id, count(*) FROM staged WHERE content_id IN (SELECT unnest(?)) GROUP BY content_id"
    staged = dict(connection.execute(counted, [numbers]).fetchall())
    for file in (file for file in files if file.content_id in kept):
        if staged.get(file.content_id, 0) != kept[file.content_id]:
            read = staged.get(file.content_id, 0)
            given_up[file.content_id] = f"{kept[file.content_id]} lines are whole, but {read} could be read"
            connection.execute("DELETE FROM staged WHERE content_id = ?", [file.content_id])
            continue
        rejects = work / f"rejects-{file.content_id}.json"
        if rejects.stat().st_size:
            connection.execute(
                "INSERT INTO staged BY NAME SELECT ? AS content_id, ? AS constituency_id, line_number, "
                "reason AS rejection, content AS line_start, FALSE AS is_rollback "
                "FROM read_json(?, columns = {'line_number': 'BIGINT', 'reason': 'VARCHAR', 'content': 'VARCHAR'}, "
                "format = 'newline_delimited')",
                [file.content_id, file.constituency_id, str(rejects)],
            )
    return given_up


def limits(settings: Settings, now: datetime) -> str:
    """The constant columns that stage.sql needs in addition to the fields."""
    first = settings.first_hour
    reason = f"the transaction is before the first hour, {first:%Y-%m-%d %H:%M} UTC (ELECTION_METRICS_FIRST_HOUR)"
    return (
        f"CAST({int((now + timedelta(days=1)).timestamp() * 1000)} AS BIGINT) AS latest_ms, "
        f"CAST({int(first.timestamp() * 1000)} AS BIGINT) AS first_hour_ms, {quoted(reason)} AS first_hour_setting"
    )


def quoted(text: str) -> str:
    """The text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
