"""Parses rows of a transactions table from text to staged rows, with the hours and hashes for comparing an hour."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pandas as pd
import pyarrow as pa

from election_metrics.lake.duck import put_parquet_view, put_table
from election_metrics.lake.engine import sql
from election_metrics.lake.landing import PART_COLUMNS
from election_metrics.locations import Location
from election_metrics.settings import Settings

_TRUE = "('true', 't', '1', 'yes', 'y')"


@dataclass(frozen=True)
class Reading:
    """Parameters for parsing the text of a table.

    Attributes:
        fields: the columns of its batches, in the order of the fingerprint.
        time_zone: time zone of times without one.
        milliseconds: milliseconds in the unit of numeric times; None: times are not numbers.
        is_untyped: the column has no type, so each time may be a number or text.
        operations: calls of the contract by the table's types, where they differ.
        outcomes: counted, failed or withdrawn, by status.
        otherwise: outcome of any other status: counted or unknown.
        last_hour: later hours (since 1970, UTC) are invalid, -1, as in the comparison.
        no_text: prefix of replacements for values that are not text.
        secret: key of the fingerprint.
        last_vote_stands: of several votes of a voter, the last one counts, not the first.
    """

    fields: Sequence[str]
    time_zone: str
    milliseconds: int | None
    is_untyped: bool
    operations: Mapping[str, str]
    outcomes: Mapping[str, str]
    otherwise: str
    last_hour: int
    no_text: str
    secret: str
    last_vote_stands: bool = False


def begin_rows(connection: duckdb.DuckDBPyConnection, reading: Reading) -> None:
    """Creates an empty table `table_rows`."""
    connection.execute("SET TimeZone = '" + reading.time_zone.replace("'", "''") + "'")
    fields = ", ".join(f"{field} VARCHAR" for field in reading.fields)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE table_rows ({fields}, position BIGINT, occurred_ms BIGINT, hour_number BIGINT, "
        "is_flagged BOOLEAN, fingerprint BIGINT, row_number BIGINT)"
    )


def add_rows(
    connection: duckdb.DuckDBPyConnection, reading: Reading, rows: pa.Table, hours: Iterable[int] | None = None
) -> None:
    """Appends a batch, or its rows of these hours; rows of `read_rows` are appended as they are."""
    put_table(connection, "wanted_hours", pd.DataFrame({"hour_number": sorted(hours or [])}), {"hour_number": "BIGINT"})
    connection.register("batch", rows)
    only = "" if hours is None else "WHERE hour_number IN (SELECT hour_number FROM wanted_hours)"
    is_read = "fingerprint" in rows.column_names
    source = "batch" if is_read else f"({_read(reading, 'batch')})"
    connection.execute(
        "INSERT INTO table_rows BY NAME "  # noqa: S608 names are ours
        "SELECT *, (SELECT count(*) FROM table_rows) + row_number() OVER () AS row_number "
        f"FROM {source} {only}",
        {} if is_read else {"secret": reading.secret},
    )
    connection.unregister("batch")


def read_rows(connection: duckdb.DuckDBPyConnection, reading: Reading, table: str) -> None:
    """Parses a whole table of an engine's own into `read_rows`, so that no batch of it is parsed again."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE read_rows AS {_read(reading, table)}", {"secret": reading.secret})


def fingerprints_of_read(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """As `fingerprints`, of `read_rows`."""
    return _fingerprints(connection, "read_rows")


def _read(reading: Reading, table: str) -> str:
    """Query that parses times and flags of a batch; it uses functions of DuckDB."""
    moment = "TRY_CAST(time AS TIMESTAMPTZ)"
    # Rounded down, so that a time within the last millisecond of an hour belongs to that hour.
    occurred = f"CASE WHEN isfinite({moment}) THEN epoch_us({moment}) // 1000 END"
    if reading.milliseconds is not None:
        number = f"TRY(CAST(floor(TRY_CAST(time AS DECIMAL(38, 9)) * {reading.milliseconds}) AS BIGINT))"
        is_number = "regexp_full_match(time, '-?[0-9]+([.][0-9]*)?')"
        occurred = f"CASE WHEN {is_number} THEN {number} ELSE {occurred} END" if reading.is_untyped else number
    texts = [f"coalesce({field}, '')" for field in reading.fields]
    # Writers of rows do not know the secret, so they cannot construct rows with the same sum; the lengths delimit the
    # fields.
    hashed = ", ".join(["$secret", *texts, *(f"length({text})" for text in texts)])
    return f"""
        SELECT *, CASE
                WHEN floor(occurred_ms / 3600000) BETWEEN 0 AND {reading.last_hour}
                    THEN CAST(floor(occurred_ms / 3600000) AS BIGINT)
                ELSE -1
            END AS hour_number
        FROM (
            SELECT *, {occurred} AS occurred_ms, coalesce(lower(anomaly) IN {_TRUE}, FALSE) AS is_flagged,
                CAST('0x' || substr(md5(concat_ws(chr(31), {hashed})), 1, 15) AS BIGINT) AS fingerprint
            FROM {table}
        )
    """  # noqa: S608 names are ours


def count_rows(connection: duckdb.DuckDBPyConnection) -> int:
    """The number of rows in `table_rows`."""
    return int(connection.execute("SELECT count(*) FROM table_rows").fetchall()[0][0])


def find_landed(connection: duckdb.DuckDBPyConnection, parts: Sequence[Location], contents: Sequence[int]) -> set[int]:
    """Finds rows that these parts and contents already hold with the same id and hour; returns those hours."""
    put_parquet_view(connection, "landed", parts, PART_COLUMNS)
    put_table(connection, "own_contents", pd.DataFrame({"content_id": contents}), {"content_id": "BIGINT"})
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE landed_before AS
        SELECT DISTINCT table_rows.row_number, table_rows.hour_number
        FROM landed
        INNER JOIN table_rows
            ON landed.id_key = id_key(table_rows.id) AND landed.transaction_id = table_rows.id
            AND landed.hour_number = table_rows.hour_number
        WHERE landed.content_id IN (SELECT content_id FROM own_contents)
        """
    )
    rows = connection.execute("SELECT DISTINCT hour_number FROM landed_before").fetchall()
    return {int(row[0]) for row in rows}


def drop_landed(connection: duckdb.DuckDBPyConnection) -> None:
    """Removes the rows that `find_landed` found."""
    connection.execute("DELETE FROM table_rows WHERE row_number IN (SELECT row_number FROM landed_before)")


def hours_of_changed_rows(
    connection: duckdb.DuckDBPyConnection, settings: Settings, reading: Reading, after: int, now: datetime
) -> set[int]:
    """Hours of rows beyond a position that differ from the landed rows of their id; call it before `drop_landed`.

    It reads `landed` and `own_contents`, which `find_landed` creates.
    """
    stage_rows(connection, settings, reading, {}, now)
    same = " AND ".join(f"landed.{name} IS NOT DISTINCT FROM staged.{name}" for name in _COMPARED)
    rows = connection.execute(
        f"""
        SELECT DISTINCT staged.hour_number
        FROM staged
        INNER JOIN table_rows ON table_rows.row_number = staged.line_number
        SEMI JOIN landed_before ON landed_before.row_number = staged.line_number
        ANTI JOIN (SELECT * FROM landed WHERE content_id IN (SELECT content_id FROM own_contents)) AS landed
            ON {same}
        WHERE table_rows.position > ? AND NOT staged.is_rollback
        """,  # noqa: S608 names are ours
        [after],
    ).fetchall()
    return {int(row[0]) for row in rows}


_COMPARED = (
    "id_key", "transaction_id", "hour_number", "constituency_id", "occurred_ms", "operation", "kind", "quantity",
    "sender", "fail_reason",
)  # fmt: skip


def drop_rejected(
    connection: duckdb.DuckDBPyConnection, settings: Settings, reading: Reading, up_to: int, now: datetime
) -> None:
    """Removes rows up to a position that cannot be read: they are in quarantine, not in parts."""
    stage_rows(connection, settings, reading, {}, now)
    connection.execute(
        "DELETE FROM table_rows WHERE position <= ? "
        "AND row_number IN (SELECT line_number FROM staged WHERE rejection IS NOT NULL)",
        [up_to],
    )


def unreadable(
    connection: duckdb.DuckDBPyConnection, settings: Settings, reading: Reading, now: datetime
) -> pd.DataFrame:
    """Rows of `table_rows` that cannot be read: reason, rows, example (text), most frequent first."""
    stage_rows(connection, settings, reading, {}, now)
    return connection.execute(
        "SELECT rejection AS reason, count(*) AS rows, min(line_start) AS example FROM staged "
        "WHERE rejection IS NOT NULL GROUP BY rejection ORDER BY rows DESC, reason"
    ).df()


def fingerprints(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Number of rows and sum of their hashes, by hour: hour_number, rows, fingerprint (a whole number as text)."""
    return _fingerprints(connection, "table_rows")


def _fingerprints(connection: duckdb.DuckDBPyConnection, table: str) -> pd.DataFrame:
    query = (
        "SELECT hour_number, count(*) AS rows, CAST(sum(fingerprint) AS VARCHAR) AS fingerprint "  # noqa: S608 ours
        f"FROM {table} GROUP BY hour_number ORDER BY hour_number"
    )
    return connection.execute(query).df()


def stage_rows(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    reading: Reading,
    contents: Mapping[int, int],
    now: datetime,
) -> None:
    """Fills the temporary table `staged` from `table_rows` (see stage_table.sql); a withdrawn row is there twice.

    Args:
        connection: one on which `begin_rows` was called.
        settings: the settings.
        reading: the parameters for parsing.
        contents: the content's number, by hour.
        now: current time, which decides whether a time is too far ahead.
    """
    put_table(
        connection, "contents", pd.DataFrame(list(contents.items()), columns=["hour_number", "content_id"]),
        {"hour_number": "BIGINT", "content_id": "BIGINT"},
    )  # fmt: skip
    put_table(
        connection, "operations", pd.DataFrame(list(reading.operations.items()), columns=["type", "operation"]),
        {"type": "VARCHAR", "operation": "VARCHAR"},
    )  # fmt: skip
    put_table(
        connection, "outcomes", pd.DataFrame(list(reading.outcomes.items()), columns=["status", "outcome"]),
        {"status": "VARCHAR", "outcome": "VARCHAR"},
    )  # fmt: skip
    first = settings.first_hour
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE limits AS "
        "SELECT CAST(? AS BIGINT) AS latest_ms, CAST(? AS BIGINT) AS first_hour_ms, "
        "CAST(? AS VARCHAR) AS first_hour_setting, CAST(? AS VARCHAR) AS otherwise, CAST(? AS VARCHAR) AS no_text, "
        "CAST(? AS BOOLEAN) AS last_vote_stands",
        [
            int((now + timedelta(days=1)).timestamp() * 1000),
            int(first.timestamp() * 1000),
            f"the transaction is before the first hour, {first:%Y-%m-%d %H:%M} UTC (ELECTION_METRICS_FIRST_HOUR)",
            reading.otherwise,
            reading.no_text,
            reading.last_vote_stands,
        ],
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE staged AS {sql('stage_table')}")
    connection.execute("INSERT INTO staged SELECT * REPLACE (TRUE AS is_rollback) FROM staged WHERE is_withdrawn")


def places(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Constituencies of each content: content_id, constituency_id, election (the first by name; NA)."""
    return connection.execute(
        "SELECT staged.content_id, staged.constituency_id, "
        "min(replace(table_rows.election, chr(0), '\\x00')) AS election "
        "FROM staged INNER JOIN table_rows ON table_rows.row_number = staged.line_number "
        "WHERE staged.rejection IS NULL GROUP BY ALL ORDER BY ALL"
    ).df()
