"""Exports tables and views to files, with the election of each row if it has one; streamed, times in ISO 8601."""

import codecs
import json
from datetime import datetime
from typing import IO

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INTERVAL, JSONB

from election_metrics.errors import ElectionMetricsError
from election_metrics.settings import Settings
from election_metrics.warehouse import registry
from election_metrics.warehouse.as_of import as_known, known_at
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import arrow_type
from election_metrics.warehouse.spreadsheet import MOST_ROWS, write_workbook
from election_metrics.warehouse.tables import metadata, secrets

_ROWS_AT_ONCE = 20_000
# Whole seconds without a fraction, others without trailing zeros.
_ISO = (
    """regexp_replace(to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), """
    r"""'\.0+$|(\.[0-9]*[1-9])0+$', '\1') || 'Z' AS {0}"""
)


# The election of a row: that of its constituency, or of the file of its content.
_ELECTION_OF_CONSTITUENCY = """
    (SELECT place.election_id FROM metrics.constituencies AS place
    WHERE place.constituency_id = exported.constituency_id)
"""
_ELECTION_OF_CONTENT = """
    (SELECT place.election_id FROM ingest.transaction_files AS file
    JOIN metrics.constituencies AS place USING (constituency_id)
    WHERE file.content_id = exported.content_id AND file.status = 'landed' LIMIT 1)
"""

# A spreadsheet would execute text that looks like a formula, and names are untrusted input.
_NO_FORMULA = r"CASE WHEN {0} ~ '^[=+@\t\r-]' THEN '''' || {0} ELSE {0} END AS {0}"


def exportable() -> dict[str, sa.Table]:
    """The tables that can be exported, by name; `secrets` leaves the warehouse in backups only."""
    tables = sorted(metadata.tables.values(), key=lambda table: table.fullname)
    return {table.name: table for table in tables if table is not secrets}


def find_table(connection: sa.Connection, name: str) -> sa.Table:
    """A declared table, or a view of schema `metrics`, reflected from the database."""
    tables = exportable()
    if name in tables:
        return tables[name]
    views = sorted(sa.inspect(connection).get_view_names("metrics"))
    if name in views:
        return sa.Table(name, sa.MetaData("metrics"), autoload_with=connection)
    raise ElectionMetricsError(f"there is no table or view {name!r}; choose one of: {', '.join([*tables, *views])}")


def export_table(
    settings: Settings,
    name: str,
    kind: str,
    out: IO[bytes],
    *,
    election: str | None = None,
    constituency: str | None = None,
    bom: bool = False,
    as_of: datetime | None = None,
) -> None:
    """Writes a table to a binary stream, in the order of its key; a view of `metrics` in that of its columns.

    Args:
        settings: the settings.
        name: the table or view.
        kind: csv (text that a spreadsheet would take for a formula begins with a '), json (an array of objects),
            parquet, or xlsx (a workbook).
        out: the stream to write to.
        election: only rows of this election_id.
        constituency: only rows of this constituency_id.
        bom: begin a CSV with a byte order mark, by which Excel knows that it is UTF-8.
        as_of: the rows as they were known at this moment; None: now.

    Raises:
        ElectionMetricsError: there is no such table, it has no history, its rows have no election or constituency to
            filter by, there is no such election or constituency, or the rows do not fit into a sheet.
    """
    wanted = {"election_id": election, "constituency_id": constituency}
    filters = {column: value for column, value in wanted.items() if value is not None}
    write = {"csv": _write_csv, "json": _write_json, "parquet": _write_parquet, "xlsx": _write_xlsx}[kind]
    with transaction(settings, snapshot=True) as connection:
        table = find_table(connection, name)
        for column in filters:
            if column not in columns_of(table):
                raise ElectionMetricsError(f"{name} has no {column}; leave the option out")
        registry.check_named(connection, election, constituency)
        known_at(connection, as_of)
        if bom and kind == "csv":
            out.write(codecs.BOM_UTF8)
        write(connection, table, filters, out)


def columns_of(table: sa.Table) -> list[str]:
    """The exported columns of a table: its columns, preceded by election_id if its rows have an election."""
    own = [column.name for column in table.columns]
    return own if "election_id" in own or _election_of(table) is None else ["election_id", *own]


def _election_of(table: sa.Table) -> str | None:
    """An expression for the election_id of a row; None if rows have none."""
    if "election_id" in table.columns:
        return "exported.election_id"
    if "constituency_id" in table.columns:
        return _ELECTION_OF_CONSTITUENCY
    return _ELECTION_OF_CONTENT if "content_id" in table.columns else None


def _where(table: sa.Table, filters: dict[str, str]) -> str:
    found = {"election_id": _election_of(table), "constituency_id": "exported.constituency_id"}
    return " AND ".join([f"{found[column]} = %({column})s" for column in filters]) or "TRUE"


def select_rows(table: sa.Table, filters: dict[str, str], *, times_as_text: bool, formulas: bool = True) -> str:
    """The query of the exported columns, in the order of the key; `%(name)s` stands for the filter of a column."""
    columns = [
        _ISO.format(column.name) if times_as_text and isinstance(column.type, sa.DateTime) and column.type.timezone
        else _NO_FORMULA.format(column.name) if not formulas and isinstance(column.type, sa.Text)
        else f"{column.name}::text" if isinstance(column.type, JSONB | INTERVAL) and not times_as_text
        else f"{column.name}::double precision" if isinstance(column.type, sa.Numeric) and not times_as_text
        else column.name
        for column in table.columns
    ]  # fmt: skip
    if len(columns) < len(columns_of(table)):
        columns.insert(0, f"{_election_of(table)} AS election_id")
    key = ", ".join(f"exported.{column.name}" for column in table.primary_key or table.columns)
    source = f"{table.fullname} AS exported WHERE {_where(table, filters)}"
    return f"SELECT {', '.join(columns)} FROM {source} ORDER BY {key}"  # noqa: S608


def _write_csv(connection: sa.Connection, table: sa.Table, filters: dict[str, str], out: IO[bytes]) -> None:
    query = as_known(connection, select_rows(table, filters, times_as_text=True, formulas=False))
    cursor = connection.connection.cursor()
    with cursor.copy(f"COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER)", filters or None) as rows:
        for block in rows:
            out.write(block)


def server_side(connection: sa.Connection) -> psycopg.ServerCursor[tuple[object, ...]]:
    """A server-side cursor, which keeps only a few rows in memory."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw.cursor("export")


def _write_json(connection: sa.Connection, table: sa.Table, filters: dict[str, str], out: IO[bytes]) -> None:
    with server_side(connection) as cursor:
        cursor.execute(as_known(connection, select_rows(table, filters, times_as_text=True)), filters)
        names = columns_of(table)
        out.write(b"[")
        for number, row in enumerate(cursor):
            record = json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False, default=str)
            out.write((",\n" if number else "\n").encode() + record.encode())
        out.write(b"\n]\n")


def _write_parquet(connection: sa.Connection, table: sa.Table, filters: dict[str, str], out: IO[bytes]) -> None:
    types = {"election_id": pa.string(), **{column.name: arrow_type(column.type) for column in table.columns}}
    schema = pa.schema([(name, types[name]) for name in columns_of(table)])
    write_parquet(connection, select_rows(table, filters, times_as_text=False), filters, schema, out)


def write_parquet(
    connection: sa.Connection, query: str, parameters: dict[str, str], schema: pa.Schema, out: IO[bytes]
) -> None:
    """Writes the rows of a query to a Parquet file; `%(name)s` in it stands for a parameter."""
    with server_side(connection) as cursor, pq.ParquetWriter(out, schema, compression="zstd") as writer:
        cursor.execute(as_known(connection, query), parameters)
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            columns = [
                pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), schema.types, strict=True)
            ]
            writer.write_table(pa.table(columns, schema=schema))


def _write_xlsx(connection: sa.Connection, table: sa.Table, filters: dict[str, str], out: IO[bytes]) -> None:
    count = f"SELECT count(*) FROM {table.fullname} AS exported WHERE {_where(table, filters)}"  # noqa: S608
    rows = connection.connection.cursor().execute(as_known(connection, count), filters).fetchone()[0]
    if rows > MOST_ROWS:
        raise ElectionMetricsError(
            f"{table.name} has {rows:,} rows, and a sheet holds {MOST_ROWS:,}; choose rows with --election or "
            "--constituency, or another --format"
        )
    comments = {column.name: column.comment or "" for column in table.columns}
    columns = {name: comments.get(name, "Election of the row") for name in columns_of(table)}
    with server_side(connection) as cursor:
        cursor.execute(as_known(connection, select_rows(table, filters, times_as_text=False)), filters)
        write_workbook(out, table.name, table.comment or "", columns, cursor)
