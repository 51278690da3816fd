"""What the API's queries share: rows as dictionaries, ranges of hours, and pages of sorted lists.

Queries take a connection in a transaction. Instants are UTC, rates are percent, unknown is None. The columns are
documented in `tables.py`. Queries write nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

Row = dict[str, Any]
IDS = sa.bindparam("ids", type_=sa.ARRAY(sa.Text))
"""Ids as one array parameter, for queries that are built once."""


@dataclass(frozen=True)
class Hours:
    """A range of hours: from the start of `first` to the end of `last` (UTC, inclusive); None: no limit."""

    first: datetime | None = None
    last: datetime | None = None

    def of(self, column: ColumnElement[datetime]) -> list[ColumnElement[bool]]:
        """The conditions on a column that holds the start of an hour."""
        conditions = [] if self.first is None else [column >= self.first]
        return conditions if self.last is None else [*conditions, column <= self.last]


@dataclass(frozen=True)
class Page:
    """A page of a sorted list: `limit` rows after the last row of the previous page."""

    limit: int = 100
    after: tuple[Any, str] | None = None
    """Value and key of that row."""


FIRST_PAGE = Page()


@dataclass(frozen=True)
class Found:
    """A page of rows."""

    rows: list[Row]
    after: tuple[Any, str] | None
    """Start of the next page (`Page.after`); None: this was the last one."""


def naturally(name: ColumnElement[str]) -> ColumnElement[str]:
    """Sort key of names: numbers in them as numbers, №2 before №10, in the same order on every server."""
    return sa.func.metrics.natural_order(name, type_=sa.Text)


def by_constituency(ids: Sequence[str], rows: list[Row]) -> dict[str, list[Row]]:
    """The rows of each of these constituencies, in their order; none where it has none."""
    found: dict[str, list[Row]] = {constituency: [] for constituency in ids}
    for row in rows:
        found[row["constituency_id"]].append(row)
    return found


def read_rows(connection: sa.Connection, query: sa.Executable, **parameters: Any) -> list[Row]:
    """The rows of a query."""
    result = connection.execute(query, parameters)
    names = list(map(str, result.keys()))  # SQLAlchemy returns a subclass of str
    return [dict(zip(names, row, strict=True)) for row in result]


def read_page(
    connection: sa.Connection,
    query: sa.Select[Any],
    value: ColumnElement[Any],
    key: ColumnElement[str],
    descending: bool,
    page: Page,
    order: Callable[[ColumnElement[Any]], ColumnElement[Any]] | None = None,
) -> Found:
    """A page of rows sorted by value, then key, rows without a value last.

    Keyset pagination, not offset: rows that appear or disappear meanwhile neither repeat nor hide others. `order` is
    the sort key of a value, if it is not the value itself.
    """
    placed = value if order is None else order(value)
    query = query.add_columns(value.label("page_value"), key.label("page_key"))
    query = query.order_by((placed.desc() if descending else placed.asc()).nulls_last(), key).limit(page.limit + 1)
    if page.after is not None:
        last, last_key = page.after
        if last is None:
            query = query.where(value.is_(None), key > last_key)
        else:
            end = last if order is None else order(sa.literal(last, sa.Text))
            beyond = placed < end if descending else placed > end
            query = query.where(sa.or_(beyond, value.is_(None), sa.and_(placed == end, key > last_key)))
    rows = read_rows(connection, query)
    ends = [(row.pop("page_value"), row.pop("page_key")) for row in rows]
    return Found(rows[: page.limit], ends[page.limit - 1] if len(rows) > page.limit else None)
