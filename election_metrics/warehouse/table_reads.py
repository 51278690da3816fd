"""What the warehouse knows of transactions tables: how far each was read, and what landed of its hours."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from election_metrics.warehouse.ledger import is_any_of
from election_metrics.warehouse.replace import copy_rows, read_frame
from election_metrics.warehouse.tables import table_constituencies, table_contents, table_reads, transaction_files

PATH = "table:{source}/"
"""How paths of a table's rows begin in the ledger; the hour follows."""


def read_state(connection: sa.Connection, source: str) -> Mapping[str, Any] | None:
    """The row of `table_reads`; None: it was never read."""
    row = connection.execute(sa.select(table_reads).where(table_reads.c.source == source)).mappings().one_or_none()
    return None if row is None else dict(row)


def store_state(
    connection: sa.Connection, source: str, place: str, read_up_to: Mapping[str, Any], now: datetime
) -> None:
    """Says how far a table was read."""
    new = insert(table_reads).values(source=source, place=place, read_up_to=read_up_to, read_at=now)
    changes = {name: new.excluded[name] for name in ("place", "read_up_to", "read_at")}
    connection.execute(new.on_conflict_do_update(index_elements=["source"], set_=changes))


def mark_looked_at(connection: sa.Connection, source: str, now: datetime) -> None:
    """Says that the table holds nothing new."""
    connection.execute(sa.update(table_reads).where(table_reads.c.source == source).values(read_at=now))


def looked_at(connection: sa.Connection) -> list[tuple[str, datetime]]:
    """Each table, and when it was looked at last."""
    return [(row.source, row.read_at) for row in connection.execute(sa.select(table_reads))]


def mark_compared(connection: sa.Connection, source: str, now: datetime) -> None:
    """Says that every hour was compared."""
    connection.execute(sa.update(table_reads).where(table_reads.c.source == source).values(compared_at=now))


def landed_hours(connection: sa.Connection, source: str) -> pd.DataFrame:
    """What landed of each hour and counts: hour_number, rows, fingerprint (a whole number as text)."""
    query = (
        sa.select(
            table_contents.c.hour_number,
            sa.cast(sa.func.sum(table_contents.c.rows), sa.BigInteger).label("rows"),
            sa.cast(sa.func.sum(table_contents.c.fingerprint), sa.Text).label("fingerprint"),
        )
        .where(table_contents.c.source == source)
        .group_by(table_contents.c.hour_number)
    )
    return read_frame(connection, query)


def own_contents(connection: sa.Connection, source: str, hours: Iterable[int]) -> list[int]:
    """The contents that count of these hours."""
    these = is_any_of(table_contents.c.hour_number, hours)
    query = sa.select(table_contents.c.content_id).where(table_contents.c.source == source, these)
    return list(connection.execute(query).scalars())


def paths_of_hours(connection: sa.Connection, source: str, hours: Iterable[int]) -> list[str]:
    """The ledger's paths of these hours' rows."""
    theirs = is_any_of(transaction_files.c.content_id, own_contents(connection, source, hours))
    return list(connection.execute(sa.select(transaction_files.c.path).where(theirs).distinct()).scalars())


def forget_contents(connection: sa.Connection, source: str, hours: Iterable[int]) -> None:
    """These hours are read again: what landed of them counts no more."""
    these = is_any_of(table_contents.c.hour_number, hours)
    connection.execute(sa.delete(table_contents).where(table_contents.c.source == source, these))


def read_again(connection: sa.Connection, hours: Sequence[int]) -> None:
    """Has the next comparison, now, find these hours differing: something of them was lost in the lake."""
    lost = is_any_of(table_contents.c.hour_number, hours)
    sources = sa.select(table_contents.c.source).where(lost)
    connection.execute(sa.update(table_reads).where(table_reads.c.source.in_(sources)).values(compared_at=None))
    connection.execute(sa.update(table_contents).where(lost).values(fingerprint=-1))


def add_contents(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Appends contents: every column of `table_contents`."""
    copy_rows(connection, table_contents, rows)


def add_constituencies(connection: sa.Connection, source: str, places: pd.DataFrame) -> None:
    """Adds constituencies, or what is said of them now: constituency_id, election, first_hour."""
    rows = places.astype(object).where(places.notna(), None).assign(source=source).to_dict("records")
    if not rows:
        return
    new = insert(table_constituencies)
    said, known = new.excluded, table_constituencies.c
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["source", "constituency_id"],
            set_={
                "election": sa.func.coalesce(said.election, known.election),
                "first_hour": sa.func.least(said.first_hour, known.first_hour),
            },
            where=sa.or_(
                known.first_hour > said.first_hour,
                sa.and_(said.election.is_not(None), known.election.is_distinct_from(said.election)),
            ),
        ),
        rows,
    )


def elections_of(connection: sa.Connection, constituencies: Sequence[str]) -> set[str]:
    """The elections that these constituencies vote in, as far as the registry knows them."""
    query = sa.text("SELECT DISTINCT election_id FROM metrics.constituencies WHERE constituency_id = ANY(:ids)")
    return set(connection.execute(query, {"ids": list(constituencies)}).scalars())
