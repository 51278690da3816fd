"""Writes derived tables: makes a scope of a table equal to a frame, in one transaction.

A reader sees the old rows or the new rows, never a mixture, never none. Listeners are notified of the change.
"""

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.csv
import sqlalchemy as sa
from psycopg.pq import ExecStatus

from election_metrics.warehouse.checked import check_frame
from election_metrics.warehouse.commits import this_commit
from election_metrics.warehouse.differences import Differences, find_differences
from election_metrics.warehouse.tables import WITH_HISTORY, figures

CHANNEL = "election_metrics_changed"


def replace_scope(
    connection: sa.Connection, table: sa.Table, scope: sa.ColumnElement[bool], rows: pd.DataFrame
) -> pd.DataFrame:
    """Makes the rows of `scope` equal to the frame; commits with the caller's transaction.

    Only rows that differ in a figure are deleted and copied: the others keep their run_id and computed_at. The caller
    ensures that the scope has no other writer between reading the frame's input and this call.

    Args:
        connection: in a transaction.
        table: the table.
        scope: condition of the rows that the frame replaces.
        rows: the rows as they should be, with every column that has no default.

    Returns:
        election_id and constituency_id of the rows that differed, as far as the table has these columns.

    Raises:
        DataError: the frame does not fit the table.
    """
    _check(table, rows)
    found = find_differences(table, _stored(connection, table, scope, rows), rows)
    _delete(connection, table, scope, found)
    _copy(connection, table, rows.iloc[found.come])
    return found.places(table)


def _stored(connection: sa.Connection, table: sa.Table, scope: sa.ColumnElement[bool], rows: pd.DataFrame) -> pa.Table:
    """The figures of the rows of a scope; lists as text, as frames hold them."""
    columns = [column for column in figures(table) if rows.empty or column.name in rows.columns]
    kinds = [pa.string() if isinstance(column.type, sa.ARRAY) else arrow_type(column.type) for column in columns]
    schema = pa.schema([(column.name, kind) for column, kind in zip(columns, kinds, strict=True)])
    query = sa.select(*columns).where(scope)
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    return read_arrow(connection, str(compiled), schema, **compiled.params)


def _delete(connection: sa.Connection, table: sa.Table, scope: sa.ColumnElement[bool], found: Differences) -> None:
    """Deletes the rows of a scope that are gone."""
    keys = found.keys(table)
    if 0 < keys.num_rows == found.stored.num_rows:
        connection.execute(sa.delete(table).where(scope))
    elif keys.num_rows:
        names = keys.column_names
        kinds = {name: table.columns[name].type.compile(connection.dialect) for name in names}
        arrays = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in kinds.items())
        same = " AND ".join(f"row.{name} = gone.{name}" for name in names)
        connection.execute(
            sa.text(
                f"DELETE FROM {table.fullname} AS row USING unnest({arrays}) AS gone ({', '.join(names)}) "  # noqa: S608 names are ours
                f"WHERE {same}"
            ),
            keys.to_pydict(),
        )


def copy_rows(connection: sa.Connection, table: sa.Table, rows: pd.DataFrame) -> None:
    """Appends the frame by COPY.

    Raises:
        DataError: the frame does not fit the table.
    """
    _check(table, rows)
    _copy(connection, table, rows)


def _check(table: sa.Table, rows: pd.DataFrame) -> None:
    if table.schema == "metrics" and not rows.empty:  # public tables; the ledger's constraints are enough for it
        check_frame(table, rows)


def _copy(connection: sa.Connection, table: sa.Table, rows: pd.DataFrame) -> None:
    if rows.empty:
        return
    if table in WITH_HISTORY:
        rows = rows.assign(commit_number=this_commit(connection))
    columns = [column.name for column in table.columns if column.name in rows.columns]
    buffer = io.BytesIO()
    # pyarrow 26 writes uninitialised memory for empty chunks, which pd.concat leaves: combine them into one.
    arrow = pa.Table.from_pandas(rows[columns], preserve_index=False).combine_chunks()
    pyarrow.csv.write_csv(arrow, buffer, pyarrow.csv.WriteOptions(include_header=False))
    names = ", ".join(columns)
    cursor = connection.connection.cursor()
    # An empty field is NULL, a quoted empty one is an empty text: pyarrow quotes every text.
    with cursor.copy(f"COPY {table.fullname} ({names}) FROM STDIN WITH (FORMAT csv)") as copy:
        copy.write(buffer.getvalue().replace(b"\0", b"\\x00"))  # PostgreSQL's text has no NUL


def by_election(places: pd.DataFrame) -> dict[str, list[str]]:
    """Constituencies by election, of the places of rows that differed."""
    groups = places.groupby("election_id")["constituency_id"]
    return {str(election): sorted(ids) for election, ids in groups}


def notify(
    connection: sa.Connection, table: sa.Table, changed: Iterable[str | None] | Mapping[str, Iterable[str] | None]
) -> None:
    """Notifies listeners of changes of a table, when the transaction commits.

    Args:
        connection: in a transaction, whose id is sent as `version`.
        table: the table.
        changed: elections (None: possibly any), or constituencies by election (None: possibly any of it).
    """
    named = changed if isinstance(changed, Mapping) else dict.fromkeys(changed)
    for election in sorted(named, key=str):
        constituencies = named[election]
        ids = None if constituencies is None else sorted(constituencies)
        for payload in _payloads(table.name, election, ids):
            connection.execute(_NOTIFY, {"channel": CHANNEL, "payload": payload})


_NOTIFY = sa.text(
    "SELECT pg_notify(:channel, "
    "(CAST(:payload AS jsonb) || jsonb_build_object('version', pg_current_xact_id()::text))::text)"
)
_NAMED_AT_ONCE = 120  # a payload is limited to 8,000 bytes, an id has 44
_NAMED_AT_MOST = 1200


def _payloads(table: str, election: str | None, constituencies: list[str] | None) -> Iterator[str]:
    payload: dict[str, Any] = {"table": table, "election_id": election}
    if constituencies is None or len(constituencies) > _NAMED_AT_MOST:
        yield json.dumps(payload, ensure_ascii=False)
        return
    for start in range(0, max(len(constituencies), 1), _NAMED_AT_ONCE):
        named = constituencies[start : start + _NAMED_AT_ONCE]
        yield json.dumps(payload | {"constituencies": named}, ensure_ascii=False)


def read_frame(connection: sa.Connection, query: sa.Executable, **parameters: Any) -> pd.DataFrame:
    """The rows of a query as a frame with the query's types, also if it is empty."""
    result = connection.execute(query, parameters)
    assert result.cursor is not None
    oids = [column[1] for column in result.cursor.description or ()]
    names = list(result.keys())
    # Read by the driver directly: SQLAlchemy's rows take longer than the query.
    frame = pd.DataFrame(result.cursor.fetchall(), columns=names, dtype=object)
    types = {name: _DTYPES[oid] for name, oid in zip(frame.columns, oids, strict=True) if oid in _DTYPES}
    whole = [name for name, kind in types.items() if kind == "Int64" and not frame[name].isna().any()]
    return frame.astype({**types, **dict.fromkeys(whole, "int64")})


def read_arrow(connection: sa.Connection, query: str, schema: pa.Schema, **parameters: Any) -> pa.Table:
    """The rows of a query by COPY, ten times as fast as `read_frame` for many of them.

    Args:
        connection: in a transaction.
        query: in SQL; `%(name)s` stands for a parameter.
        schema: names and types of its columns.
        parameters: their values.
    """
    buffer = _copied(connection, f"COPY ({query}) TO STDOUT WITH (FORMAT csv)", parameters)
    if not buffer.tell():
        return schema.empty_table()
    buffer.seek(0)
    options = pyarrow.csv.ConvertOptions(
        column_types=schema, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""],
        true_values=["t"], false_values=["f"],
    )  # fmt: skip
    names = pyarrow.csv.ReadOptions(column_names=schema.names)
    return pyarrow.csv.read_csv(buffer, names, convert_options=options)


def _copied(connection: sa.Connection, statement: str, parameters: Mapping[str, Any]) -> io.BytesIO:
    """The output of COPY. Rows are taken from libpq: psycopg's own loop takes three times as long for many rows."""
    connection.execute(_BEGIN)  # psycopg begins a transaction with the first statement that it sends itself
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    text = psycopg.ClientCursor(raw).mogrify(statement, parameters) if parameters else statement
    server, buffer = raw.pgconn, io.BytesIO()
    server.send_query(text.encode())
    while (result := server.get_result()) is not None:
        if result.status == ExecStatus.COPY_OUT:
            while (row := server.get_copy_data(0))[0] > 0:
                buffer.write(row[1])
        elif result.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
    return buffer


_BEGIN = sa.text("SELECT")


def to_frame(arrow: pa.Table) -> pd.DataFrame:
    """A frame with nullable types where there are NULLs, and plain integers where there are none."""
    frame: pd.DataFrame = arrow.to_pandas(
        types_mapper={pa.int64(): pd.Int64Dtype(), pa.float64(): pd.Float64Dtype(), pa.bool_(): pd.BooleanDtype()}.get
    )
    whole = [field.name for field in arrow.schema if field.type == pa.int64() and not arrow[field.name].null_count]
    return frame.astype(dict.fromkeys(whole, "int64"))


def arrow_schema(table: sa.Table, names: Sequence[str]) -> pa.Schema:
    """Names and types in Arrow of a table's columns."""
    return pa.schema([(name, arrow_type(table.columns[name].type)) for name in names])


def arrow_type(kind: sa.types.TypeEngine[Any]) -> pa.DataType:
    """The Arrow type of a column; text if Arrow has no closer one (JSON)."""
    if isinstance(kind, sa.ARRAY):
        return pa.list_(arrow_type(kind.item_type))
    if isinstance(kind, sa.DateTime):
        return pa.timestamp("us", tz="UTC" if kind.timezone else None)
    kinds = {sa.BigInteger: pa.int64(), sa.Double: pa.float64(), sa.Numeric: pa.float64(), sa.Boolean: pa.bool_()}
    return next((arrow for cls, arrow in kinds.items() if isinstance(kind, cls)), pa.string())


# By PostgreSQL's type oid; values of other types stay as psycopg returns them.
_DTYPES = {
    16: "boolean", 20: "Int64", 21: "Int64", 23: "Int64", 25: "str", 1043: "str", 700: "Float64", 701: "Float64",
    1114: "datetime64[us]", 1184: "datetime64[us, UTC]",
}  # fmt: skip
