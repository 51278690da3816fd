"""A table of transactions in another database: reads new rows in batches, and fingerprints of its hours.

Every value is read as the text that the database writes, so that values are parsed in one place for all databases, and
hashes computed here and in the database are equal. Rows become visible when they are committed, not in the order of
their positions: see `SnapshotBounds`.
"""

import contextlib
import sqlite3
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError

from election_metrics.errors import SettingsError, SourceError, TransientError
from election_metrics.sources.table_mapping import TableMapping

FIELDS = ("id", "constituency", "election", "type", "time", "status", "voter", "quantity", "anomaly", "anomaly_reason")
"""The columns of a batch, all text; NULL if the mapping names no column or the value is NULL."""
_ROWS_AT_ONCE = 100_000
_MOST_MARKS = 60
MOST_PEEKED = 10_000
"""New rows are counted up to this number before they are read."""
NO_HOUR = -1
"""The hour of rows whose time is invalid, before 1970, or after LAST_HOUR."""
LAST_HOUR = 70_389_527
"""The last hour of the year 9999; later times are invalid, and not supported by most programs."""
_FIRST_DAY: sa.ColumnElement[Any] = sa.literal_column("'1969-12-29'")
_LAST_DAY: sa.ColumnElement[Any] = sa.literal_column("'10000-01-03'")
NO_TEXT = "\0no text: "
"""Prefix of the replacement for bytes that are not UTF-8. Text in a table never contains a NUL."""


@dataclass(frozen=True)
class SnapshotBounds:
    """PostgreSQL's transactions at one moment: all before `first` have ended, none from `end` on has begun.

    Those in between may still commit rows that are not visible yet. A row is read once its transaction is before
    `first`, so that no row can appear later among those already read.
    """

    first: int
    end: int


@dataclass(frozen=True)
class PendingMark:
    """The newest position at a moment, with the `end` of the snapshot bounds then, or 0 without bounds."""

    position: int
    end: int
    at: datetime


@dataclass(frozen=True)
class Watermark:
    """How far a table was read.

    Attributes:
        horizon: PostgreSQL only: rows of transactions before this one were read. None: nothing was read, or another
            database.
        low: no row can appear at or below this position any more; None: unknown.
        newest: the highest position seen.
        marks: later values of `low`, which apply once the overlap has passed, oldest first.
    """

    horizon: int | None = None
    low: int | None = None
    newest: int | None = None
    marks: tuple[PendingMark, ...] = ()

    def moved(
        self, newest: int | None, horizon: SnapshotBounds | None, overlap: timedelta, now: datetime
    ) -> "Watermark":
        """The watermark after a pass that saw positions up to `newest`."""
        settled = [
            mark for mark in self.marks if now - mark.at >= overlap and (horizon is None or mark.end <= horizon.first)
        ]
        marks = self.marks[len(settled) :]
        if newest is not None and (not marks or now - marks[-1].at >= overlap / _MOST_MARKS):
            marks += (PendingMark(newest, horizon.end if horizon else 0, now),)
        low = settled[-1].position if settled else self.low
        return Watermark(horizon.first if horizon else None, low, newest if newest is not None else self.newest, marks)


@dataclass(frozen=True)
class Batch:
    """Rows: FIELDS as text and `position`, and their highest position; None if they have no positions."""

    rows: pa.Table
    newest: int | None


class TransactionsTable:
    """A transactions table, opened lazily.

    Raises:
        SettingsError: the URL cannot be used, or the mapping names a column that does not exist.
        SourceError: the table does not exist, or may not be read.
        TransientError: the database cannot be reached now.
    """

    def __init__(self, mapping: TableMapping, url: str) -> None:
        self.mapping = mapping
        try:
            self.engine = sa.create_engine(url, poolclass=sa.NullPool)
            if self.engine.dialect.name in _CONNECTED:
                sa.event.listen(self.engine, "connect", _CONNECTED[self.engine.dialect.name], insert=True)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise SettingsError(f"ELECTION_METRICS_SOURCE_URL cannot be used: {error}") from None
        self.place = f"{self.engine.url.render_as_string(hide_password=True)}, table {mapping.table}"

    @cached_property
    def table(self) -> sa.Table:
        """The reflected table, with every column that the mapping names."""
        schema, _, name = self.mapping.table.rpartition(".")
        with self.translated_errors():
            try:
                table = sa.Table(
                    name, sa.MetaData(), schema=schema or None, autoload_with=self.engine, resolve_fks=False
                )
            except NoSuchTableError:
                raise SourceError(f"{self.place} does not exist, or may not be seen") from None
        for key, column in [*self.mapping.columns, ("position", self.mapping.position)]:
            if column is not None and column not in table.c:
                shown = key if key == "position" else f"columns.{key}"
                raise SettingsError(
                    f"the mapping's {shown} names the column {column!r}, which {self.mapping.table} has not; "
                    f"it has {', '.join(table.c.keys())}"
                )
        # SQLite columns need no type, and columns of views have none: their values are checked one by one.
        if not isinstance(table.c[self.mapping.position_column].type, sa.Integer | sa.types.NullType):
            raise SettingsError(
                f"the column {self.mapping.position_column!r} is no whole number; "
                "name one that grows with every insert as `position` in the mapping"
            )
        return table

    @contextlib.contextmanager
    def snapshot(self) -> Iterator["Snapshot"]:
        """A consistent snapshot, if the database supports it; reads nothing into memory."""
        table = self.table
        with contextlib.ExitStack() as opened:
            with self.translated_errors():
                connection = opened.enter_context(self.engine.connect())
                if self.engine.dialect.name == "postgresql":
                    connection = connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                    connection.execute(sa.text("SET LOCAL TIME ZONE 'UTC'"))
                    connection.execute(sa.text("SET LOCAL DateStyle = 'ISO, YMD'"))
            yield Snapshot(self, table, connection)

    @contextlib.contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Raises errors of this database as errors of the source."""
        try:
            yield
        except DBAPIError as error:
            message = f"{self.place}: {' '.join(str(error.orig).split())}"
            if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError) and _may_pass(error.orig):
                raise TransientError(message) from error
            raise SourceError(message) from error
        except SQLAlchemyError as error:
            raise SourceError(f"{self.place}: {error}") from error


class Snapshot:
    """The table at one moment.

    Every method raises SourceError if the table cannot be read, TransientError if the connection is lost.
    """

    def __init__(self, source: TransactionsTable, table: sa.Table, connection: sa.Connection) -> None:
        self.mapping = mapping = source.mapping
        self._source = source
        self._table = table
        self._connection = connection
        self._position = table.c[mapping.position_column]
        self._is_numbered: sa.ColumnElement[bool] = self._position.is_not(None)
        if connection.dialect.name == "sqlite":  # allows any value in any column
            self._is_numbered = sa.func.typeof(self._position) == "integer"
        self._text = {
            field: sa.cast(table.c[column], sa.String) if column else sa.null()
            for field, column in ((field, getattr(mapping.columns, field)) for field in FIELDS)
        }

    @cached_property
    def horizon(self) -> SnapshotBounds | None:
        """Snapshot bounds of an ordinary table in PostgreSQL; None for views and other databases."""
        if self._connection.dialect.name != "postgresql":
            return None
        name = self._connection.dialect.identifier_preparer.format_table(self._table)
        kinds = self._rows(sa.text("SELECT relkind FROM pg_class WHERE oid = to_regclass(:name)").bindparams(name=name))
        if not kinds or kinds[0][0] not in ("r", "p"):
            return None
        rows = self._rows(
            sa.text(
                "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, "
                "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
            )
        )
        return SnapshotBounds(*rows[0])

    def new_rows(self, read: Watermark) -> Iterator[Batch]:
        """Rows after the watermark; on databases other than PostgreSQL also rows read before, from `read.low` on.

        On PostgreSQL, new rows without a position are found by their transaction; elsewhere only by the first pass
        and the comparison.
        """
        where = list(self._appeared(read))
        yield from self._batches(*where)
        if self.horizon is not None or read.newest is None:
            yield from self._unnumbered(*where)

    def peek(self, read: Watermark) -> tuple[int, str | None, str | None]:
        """Number of rows after the watermark, up to MOST_PEEKED, and their first and last time, as text."""
        where = list(self._appeared(read))
        if self.horizon is None:
            where += [self._is_numbered] if read.newest is None else [self._is_numbered, self._position > read.newest]
        time = self._text["time"].label("time")
        some = sa.select(time).where(*where).limit(MOST_PEEKED).subquery()
        rows = self._rows(sa.select(sa.func.count(), sa.func.min(some.c.time), sa.func.max(some.c.time)))
        count, first, last = rows[0]
        return int(count), first, last

    def last_position(self) -> int:
        """The highest position; 0 if there is none."""
        return int(self._rows(sa.select(sa.func.max(self._position)).where(self._is_numbered))[0][0] or 0)

    def every_row(self, hours: Sequence[int] | None = None) -> Iterator[Batch]:
        """All visible rows; only those of `hours` (since 1970, UTC), if the database can compute the hour."""
        hour = None if hours is None else self._hour()
        where = [] if hour is None else [hour.in_(list(hours or []))]
        yield from self._batches(*where)
        yield from self._unnumbered(*where)

    def fingerprints(self, secret: str) -> pd.DataFrame | None:
        """Number of rows and sum of their hashes by hour; None if the database cannot compute it: then read every row.

        The hashes are keyed with `secret`.

        Columns: hour_number (since 1970, UTC; -1 for invalid times), rows, fingerprint (a whole number as text), and
        the same for rows that are not held back: settled_rows, settled_fingerprint.
        """
        hour = self._hour()
        if hour is None:
            return None
        texts = [sa.func.coalesce(text, "") for text in self._text.values()]
        lengths = [sa.func.length(text) for text in texts]
        hashed = sa.func.concat_ws(sa.literal_column("chr(31)"), sa.cast(secret, sa.Text), *texts, *lengths)
        digits = sa.func.substr(sa.func.md5(sa.func.convert_to(hashed, "UTF8")), 1, 15)
        number = sa.cast(sa.cast(sa.literal("x") + digits, BIT(60)), sa.BigInteger)
        rows, total = sa.func.count(), sa.func.sum(number)
        settled = sa.and_(sa.true(), *self._settled())
        query = sa.select(
            hour.label("hour_number"),
            rows.label("rows"),
            sa.cast(total, sa.String).label("fingerprint"),
            rows.filter(settled).label("settled_rows"),
            sa.cast(sa.func.coalesce(total.filter(settled), 0), sa.String).label("settled_fingerprint"),
        ).group_by(sa.literal_column("1"))
        return pd.DataFrame(self._rows(query), columns=list(query.selected_columns.keys()))

    def counts(self) -> pd.DataFrame:
        """Number of rows by type and status: type, status, rows."""
        kinds = [self._text[field].label(field) for field in ("type", "status")]
        query = sa.select(*kinds, sa.func.count().label("rows")).group_by(*kinds).order_by(sa.desc("rows"))
        return pd.DataFrame(self._rows(query), columns=["type", "status", "rows"])

    @cached_property
    def _is_of_any_encoding(self) -> bool:
        """Whether the PostgreSQL database stores text as raw bytes (SQL_ASCII), which are read as LATIN1."""
        if self._connection.dialect.name != "postgresql":
            return False
        return bool(self._rows(sa.text("SHOW server_encoding"))[0][0] == _ANY_ENCODING)

    def _batch(self, rows: Sequence[Any], newest: int | None) -> Batch:
        *values, positions = zip(*rows, strict=True)
        if self._is_of_any_encoding:
            values = [tuple(text and _decoded(text.encode("latin-1")) for text in column) for column in values]
        arrays = [*(_as_text(column) for column in values), pa.array(positions, pa.int64())]
        return Batch(pa.Table.from_arrays(arrays, names=[*FIELDS, "position"]), newest)

    def _batches(self, *where: sa.ColumnElement[bool]) -> Iterator[Batch]:
        """Keyset pagination by position: no cursor is held, and writers are not blocked."""
        query = self._query(self._position, self._is_numbered, *where).order_by(self._position)
        after: int | None = None
        while True:
            step = query if after is None else query.where(self._position > after)
            rows = self._rows(step.limit(_ROWS_AT_ONCE))
            if not rows:
                return
            if len(rows) == _ROWS_AT_ONCE:
                # Positions may repeat: further rows of the last position may be beyond the limit.
                last = rows[-1][-1]
                rows = rows[: bisect_left(rows, last, key=lambda row: row[-1])]
                if not rows:
                    rows = self._rows(query.where(self._position == last))
            after = int(rows[-1][-1])
            yield self._batch(rows, after)

    def _unnumbered(self, *where: sa.ColumnElement[bool]) -> Iterator[Batch]:
        """Rows whose position is NULL or not a whole number, in any order."""
        query = self._query(sa.null(), sa.not_(self._is_numbered), *where)
        with self._source.translated_errors():
            result = self._connection.execute(query.execution_options(stream_results=True))
        while True:
            with self._source.translated_errors():
                rows = result.fetchmany(_ROWS_AT_ONCE)
            if not rows:
                return
            yield self._batch(rows, None)

    def _query(self, position: sa.ColumnElement[Any], *where: sa.ColumnElement[bool]) -> Any:
        columns = [text.label(field) for field, text in self._text.items()]
        return sa.select(*columns, position.label("at")).where(*where)

    def _rows(self, query: sa.Executable) -> Sequence[Any]:
        with self._source.translated_errors():
            return self._connection.execute(query).all()

    def _appeared(self, read: Watermark) -> Iterator[sa.ColumnElement[bool]]:
        yield from self._settled()
        if read.low is not None:
            above = self._position > read.low
            yield above if self.horizon is None else sa.or_(above, sa.not_(self._is_numbered))
        if self.horizon is not None and read.horizon is not None and read.horizon <= self.horizon.first:
            yield _transactions_from(read.horizon, self.horizon.end)

    def _settled(self) -> Iterator[sa.ColumnElement[bool]]:
        """Excludes rows of transactions that overlap with ones in progress; the next pass reads them."""
        if self.horizon is not None and self.horizon.first < self.horizon.end:
            yield sa.not_(_transactions_from(self.horizon.first, self.horizon.end))

    def _hour(self) -> sa.ColumnElement[int] | None:
        """The hour of a row, if the database is PostgreSQL with times or numbers, and text in one encoding."""
        if self._connection.dialect.name != "postgresql" or self._is_of_any_encoding:
            return None
        column = self._table.c[self.mapping.columns.time]
        if isinstance(column.type, sa.DateTime):
            moment: Any = column if column.type.timezone else sa.func.timezone(self.mapping.time_zone, column)
            # Only near valid hours: PostgreSQL cannot convert the ends of its calendar to another zone.
            seconds: Any = sa.case((column.between(_FIRST_DAY, _LAST_DAY), sa.extract("epoch", moment)))
        elif isinstance(column.type, sa.Integer):
            seconds = sa.cast(column, sa.Numeric) / (1000 if self.mapping.time_unit == "ms" else 1)
        else:
            return None
        hour = sa.func.floor(seconds / 3600)
        return sa.cast(sa.case((hour.between(0, LAST_HOUR), hour), else_=NO_HOUR), sa.BigInteger)


def _read_any_text(connection: Any, _record: object) -> None:
    """Lets SQLite return text that is not UTF-8, so that the row is rejected and does not stop the others."""
    connection.text_factory = _decoded


def _read_any_bytes(connection: Any, _record: object) -> None:
    """Reads a PostgreSQL database without an encoding as LATIN1; SQLAlchemy cannot read raw bytes."""
    if connection.info.parameter_status("server_encoding") == _ANY_ENCODING:
        connection.execute("SET client_encoding TO LATIN1")
        connection.commit()


_ANY_ENCODING = "SQL_ASCII"
_CONNECTED = {"sqlite": _read_any_text, "postgresql": _read_any_bytes}


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return NO_TEXT + value.decode(errors="backslashreplace")


def _as_text(column: Sequence[Any]) -> pa.Array:
    """A column of a batch; converted value by value only if the driver returned something other than text."""
    try:
        return pa.array(column, pa.string())
    except (pa.ArrowException, TypeError, UnicodeError):
        return pa.array([None if value is None else _one_text(value) for value in column], pa.string())


def _one_text(value: Any) -> str:
    if isinstance(value, bytes | memoryview):
        return _decoded(bytes(value))
    return _decoded(str(value).encode(errors="surrogateescape"))


# Transient error messages of SQLite; all others are caused by the statement or the data.
_PASSING_WORDS = ("locked", "busy", "unable to open", "disk i/o")
# Transient classes of SQLSTATE: connection, rollback, resources, object in use, operator, system.
_PASSING_STATES = ("08", "40", "53", "55", "57", "58")


def _may_pass(error: BaseException | None) -> bool:
    """Whether a retry may help: for a database that cannot be reached or is busy, never for the content of a row."""
    if isinstance(error, sqlite3.Error):
        return any(word in str(error).lower() for word in _PASSING_WORDS)
    state = getattr(error, "sqlstate", None)
    return state is None or state.startswith(_PASSING_STATES)


def _transactions_from(first: int, end: int) -> sa.ColumnElement[bool]:
    """Rows whose inserting or updating transaction is one of first..end-1; `xmin` holds its last 32 bits."""
    own = sa.literal_column("xmin::text::bigint", sa.BigInteger)
    return (own - first).op("&", return_type=sa.BigInteger)(0xFFFFFFFF) < end - first
