"""A transactions table at one moment: new rows in batches, and fingerprints of its hours.

Every value is read as the text that the database writes, so that values are parsed in one place for all databases, and
hashes computed here and in the database are equal.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BIT

from election_metrics.sources.database_errors import translated_errors
from election_metrics.sources.database_text import ANY_ENCODING, as_text, decoded
from election_metrics.sources.table_mapping import TableMapping
from election_metrics.sources.watermark import SnapshotBounds, Watermark

FIELDS = ("id", "constituency", "election", "type", "time", "status", "voter", "quantity", "anomaly", "anomaly_reason")
"""The columns of a batch, all text; NULL if the mapping names no column or the value is NULL."""
_ROWS_AT_ONCE = 100_000
MOST_PEEKED = 10_000
"""New rows are counted up to this number before they are read."""
NO_HOUR = -1
"""The hour of rows whose time is invalid, before 1970, or after LAST_HOUR."""
LAST_HOUR = 70_389_527
"""The last hour of the year 9999; later times are invalid, and not supported by most programs."""
_FIRST_DAY: sa.ColumnElement[Any] = sa.literal_column("'1969-12-29'")
_LAST_DAY: sa.ColumnElement[Any] = sa.literal_column("'10000-01-03'")


@dataclass(frozen=True)
class Batch:
    """Rows: FIELDS as text and `position`, and their highest position; None if they have no positions."""

    rows: pa.Table
    newest: int | None


class Snapshot:
    """The table at one moment.

    Every method raises SourceError if the table cannot be read, TransientError if the connection is lost.
    """

    hours_at_once = 24
    """Hours that are loaded again together."""

    def __init__(self, mapping: TableMapping, place: str, table: sa.Table, connection: sa.Connection) -> None:
        self.mapping, self._place = mapping, place
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
        return bool(self._rows(sa.text("SHOW server_encoding"))[0][0] == ANY_ENCODING)

    def _batch(self, rows: Sequence[Any], newest: int | None) -> Batch:
        *values, positions = zip(*rows, strict=True)
        if self._is_of_any_encoding:
            values = [tuple(text and decoded(text.encode("latin-1")) for text in column) for column in values]
        arrays = [*(as_text(column) for column in values), pa.array(positions, pa.int64())]
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
        with translated_errors(self._place):
            result = self._connection.execute(query.execution_options(stream_results=True))
        while True:
            with translated_errors(self._place):
                rows = result.fetchmany(_ROWS_AT_ONCE)
            if not rows:
                return
            yield self._batch(rows, None)

    def _query(self, position: sa.ColumnElement[Any], *where: sa.ColumnElement[bool]) -> Any:
        columns = [text.label(field) for field, text in self._text.items()]
        return sa.select(*columns, position.label("at")).where(*where)

    def _rows(self, query: sa.Executable) -> Sequence[Any]:
        with translated_errors(self._place):
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


def _transactions_from(first: int, end: int) -> sa.ColumnElement[bool]:
    """Rows whose inserting or updating transaction is one of first..end-1; `xmin` holds its last 32 bits."""
    own = sa.literal_column("xmin::text::bigint", sa.BigInteger)
    return (own - first).op("&", return_type=sa.BigInteger)(0xFFFFFFFF) < end - first
