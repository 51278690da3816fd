"""What a data package holds: its tables, the columns and keys of each, and the queries that they come from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import INTERVAL, TIMESTAMP

from election_metrics.warehouse import tables
from election_metrics.warehouse.export import columns_of, find_table, select_rows
from election_metrics.warehouse.replace import arrow_type
from election_metrics.warehouse.tables import Instant

SOURCES, QUARANTINE = "sources", "quarantine"
"""Tables of the package that the warehouse has in another form."""


@dataclass(frozen=True)
class Column:
    """A column of a table of the package."""

    name: str
    type: sa.types.TypeEngine[Any]
    comment: str
    is_required: bool = False

    @property
    def arrow(self) -> pa.DataType:
        """Its type in Arrow and Parquet."""
        return arrow_type(self.type)


@dataclass(frozen=True)
class Contents:
    """A table of the package.

    Attributes:
        name: its name; its files are data/<name>.csv and data/<name>.parquet.
        comment: what its rows are.
        columns: its columns, in order.
        key: the columns by which rows differ.
        parents: by columns, the table that has rows with these values as its key.
        query: SQL for its rows, with parameter `election_id`.
    """

    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    parents: Mapping[tuple[str, ...], str]
    query: str

    @property
    def schema(self) -> pa.Schema:
        """Names and types of its columns in Arrow."""
        return pa.schema([(column.name, column.arrow) for column in self.columns])


_TABLES = (
    tables.elections, tables.constituencies, tables.hourly_stats, tables.election_hours, tables.constituency_metrics,
    tables.election_summaries, tables.region_summaries, tables.participation_extremes, tables.missing_input,
    tables.anomalies, tables.rule_coverage, tables.anomaly_thresholds, tables.reconciliations,
    tables.constituency_reference, tables.election_reference,
)  # fmt: skip
_VIEWS = {
    "constituency_current": ("constituency_id",),
    "interval_stats": ("constituency_id", "interval_start"),
    "register_changes": ("transaction_id",),
    "constituency_registers": ("constituency_id",),
    "precinct_hourly_stats": ("constituency_id", "region_code", "precinct", "hour"),
    "precinct_current": ("constituency_id", "region_code", "precinct"),
    "published_tallies": ("constituency_id", "question", "option"),
    "tally_checks": ("constituency_id", "question"),
    "verdicts": ("verifier", "transaction_id"),
    "verdict_hourly_stats": ("constituency_id", "hour"),
    "published_counters": ("constituency_id", "counter", "observed_at", "source"),
    "spread_hours": ("constituency_id", "hour"),
    "corrections_log": ("constituency_id", "hour", "corrected_at"),
}
_PARENTS = {("election_id",): "elections", ("constituency_id",): "constituencies"}
_MAY_BE_EMPTY = ("region", "member")
"""Texts whose empty value has a meaning, which a CSV cannot tell from none."""
_NO_PARENTS = ("constituency_reference", SOURCES, QUARANTINE)
"""Their constituencies need not be among those of the election's figures."""

_OF_FILE = (
    "Path of the file from the folder that names region or election, and member of an archive; of a table's rows "
    "table:<name>/<hour>"
)
TABLES = (*(table.name for table in _TABLES), *_VIEWS, SOURCES, QUARANTINE)
"""Every table of a package."""

_OF_ELECTION = """
    file.status <> 'superseded' AND (
        file.constituency_id IN (SELECT constituency_id FROM metrics.constituencies WHERE election_id = %(election_id)s)
        OR file.content_id IN (
            SELECT place.content_id FROM ingest.table_places AS place
            JOIN metrics.constituencies USING (constituency_id) WHERE election_id = %(election_id)s
        )
    )
"""
# Of a path, the folders from the one on that names region or election: those above are the publisher's own.
_SHOWN = f"""
    WITH own AS (
        SELECT *, rtrim(path || '/' || member, '/') AS whole FROM ingest.transaction_files AS file WHERE {_OF_ELECTION}
    ), shown AS (
        SELECT own.*, CASE WHEN path LIKE 'table:%%' THEN whole ELSE (
            SELECT string_agg(part.name, '/' ORDER BY part.place)
            FROM unnest(string_to_array(whole, '/')) WITH ORDINALITY AS part (name, place)
            WHERE part.place >= coalesce((
                SELECT min(said.place) FROM unnest(string_to_array(whole, '/')) WITH ORDINALITY AS said (name, place)
                WHERE said.name = election OR (region <> '' AND strpos(said.name, region) > 0)
            ), array_length(string_to_array(path, '/'), 1))
        ) END AS file
        FROM own
    )
"""  # noqa: S608
_SOURCES = f"""
    {_SHOWN}
    SELECT row_number() OVER (ORDER BY whole COLLATE "C") AS number, file, nullif(member, '') AS member, status, reason,
        sha256, content_hash, size, constituency_id, interval_start, interval_end, lines, rows, rollbacks, repeated,
        rejected, first_transaction_at, last_transaction_at, seen_at, run_id
    FROM shown ORDER BY number
"""  # noqa: S608
_QUARANTINE = f"""
    {_SHOWN}
    SELECT shown.file, line.reason, count(*) AS lines, min(line.line_number) AS first_line
    FROM ingest.rejected_transactions AS line JOIN shown ON shown.whole = line.file AND shown.status = 'landed'
        AND shown.content_id = line.content_id
    GROUP BY shown.file, line.reason ORDER BY shown.file COLLATE "C", line.reason COLLATE "C"
"""  # noqa: S608


def contents_of(connection: sa.Connection) -> list[Contents]:
    """The tables of a package."""
    shown = [_as_exported(table) for table in _TABLES]
    shown += [_as_exported(find_table(connection, name)) for name in _VIEWS]
    return [*shown, *_made_for_packages()]


def _as_exported(table: sa.Table) -> Contents:
    own = {column.name: column for column in table.columns}
    columns = tuple(_column(own[name]) if name in own else _ELECTION for name in columns_of(table))
    return Contents(
        table.name,
        table.comment or "",
        columns,
        KEYS[table.name],
        parents_of(table.name, [column.name for column in columns]),
        select_rows(table, {"election_id": ""}, times_as_text=False),
    )  # fmt: skip


def _column(column: sa.Column[Any]) -> Column:
    kind = sa.Text() if isinstance(column.type, INTERVAL) else column.type
    is_required = not column.nullable and column.name not in _MAY_BE_EMPTY
    return Column(column.name, kind, column.comment or "", is_required)


_ELECTION = Column("election_id", sa.Text(), "Election", is_required=True)


def _made_for_packages() -> list[Contents]:
    files = tables.transaction_files.columns
    names = (
        "member", "status", "reason", "sha256", "content_hash", "size", "constituency_id", "interval_start",
        "interval_end", "lines", "rows", "rollbacks", "repeated", "rejected", "first_transaction_at",
        "last_transaction_at", "seen_at", "run_id",
    )  # fmt: skip
    described = [_column(files[name]) for name in names]
    described = [
        Column("number", sa.BigInteger(), "Number of the file, in the order of paths", is_required=True),
        Column("file", sa.Text(), _OF_FILE, is_required=True), *described,
    ]  # fmt: skip
    quarantine = (
        Column("file", sa.Text(), _OF_FILE, True),
        Column("reason", sa.Text(), "Why the lines cannot be read", True),
        Column("lines", sa.BigInteger(), "Lines in quarantine; of each file, the first 10,000 are kept", True),
        Column("first_line", sa.BigInteger(), "The first of them, from 1", True),
    )
    return [
        Contents(SOURCES, "The files that the figures come from, and what became of their lines", tuple(described),
                 ("number",), {}, _SOURCES),
        Contents(QUARANTINE, "Lines that could not be read, by file and reason", quarantine,
                 ("file", "reason"), {}, _QUARANTINE),
    ]  # fmt: skip


KEYS = {
    **{table.name: tuple(column.name for column in table.primary_key) for table in _TABLES},
    **_VIEWS,
    **{one.name: one.key for one in _made_for_packages()},
}
"""The key of each table of a package."""


def parents_of(table: str, columns: Collection[str]) -> dict[tuple[str, ...], str]:
    """The tables that have a row for each value of these columns."""
    if table in _NO_PARENTS:
        return {}
    return {names: parent for names, parent in _PARENTS.items() if set(names) <= set(columns) and parent != table}


def frictionless_type(column: Column) -> dict[str, str]:
    """The type of a column of the CSV in Frictionless' Table Schema."""
    if isinstance(column.type, sa.ARRAY):
        return {"type": "array"}
    if isinstance(column.type, sa.JSON):
        return {"type": "object"}
    if isinstance(column.type, type(Instant) | TIMESTAMP):
        return {"type": "datetime", "format": "any"}
    kinds = {sa.BigInteger: "integer", sa.Double: "number", sa.Numeric: "number", sa.Boolean: "boolean"}
    return {"type": next((name for kind, name in kinds.items() if isinstance(column.type, kind)), "string")}
