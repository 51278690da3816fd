"""State of transactions tables: the watermark of each, and the landed contents of its hours."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from election_metrics.warehouse.ledger import is_any_of
from election_metrics.warehouse.replace import copy_rows, read_frame
from election_metrics.warehouse.tables import (
    secrets,
    table_constituencies,
    table_contents,
    table_places,
    table_reads,
    transaction_files,
)

PATH = "table:{source}/"
"""Prefix of paths of a table's rows in the ledger; the hour follows."""


def read_state(connection: sa.Connection, source: str) -> Mapping[str, Any] | None:
    """The row of `table_reads`; None if the table was never read."""
    row = connection.execute(sa.select(table_reads).where(table_reads.c.source == source)).mappings().one_or_none()
    return None if row is None else dict(row)


def row_secret(connection: sa.Connection) -> str:
    """The secret key of row fingerprints."""
    return str(connection.execute(sa.select(secrets.c.secret).where(secrets.c.name == "table_rows")).scalar_one())


def store_state(
    connection: sa.Connection, source: str, place: str, read_up_to: Mapping[str, Any], now: datetime
) -> None:
    """Stores the watermark of a table."""
    new = insert(table_reads).values(source=source, place=place, read_up_to=read_up_to, read_at=now)
    changes = {name: new.excluded[name] for name in ("place", "read_up_to", "read_at")}
    connection.execute(new.on_conflict_do_update(index_elements=["source"], set_=changes))


def mark_looked_at(connection: sa.Connection, source: str, now: datetime) -> None:
    """Records the poll time of a table without new rows."""
    connection.execute(sa.update(table_reads).where(table_reads.c.source == source).values(read_at=now))


def looked_at(connection: sa.Connection) -> list[tuple[str, datetime]]:
    """Each table, and when it was polled last."""
    return [(row.source, row.read_at) for row in connection.execute(sa.select(table_reads))]


def mark_compared(connection: sa.Connection, source: str, now: datetime) -> None:
    """Records that every hour was compared."""
    connection.execute(sa.update(table_reads).where(table_reads.c.source == source).values(compared_at=now))


def landed_hours(connection: sa.Connection, source: str) -> pd.DataFrame:
    """Landed rows of each hour that count: hour_number, rows, fingerprint (a whole number as text)."""
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
    """The contents of these hours that count."""
    these = is_any_of(table_contents.c.hour_number, hours)
    query = sa.select(table_contents.c.content_id).where(table_contents.c.source == source, these)
    return list(connection.execute(query).scalars())


def paths_of_hours(connection: sa.Connection, source: str, hours: Iterable[int]) -> list[str]:
    """The ledger's paths of these hours' rows."""
    theirs = is_any_of(transaction_files.c.content_id, own_contents(connection, source, hours))
    return list(connection.execute(sa.select(transaction_files.c.path).where(theirs).distinct()).scalars())


def forget_contents(connection: sa.Connection, source: str, hours: Iterable[int]) -> set[str]:
    """Drops the landed contents of these hours, which are reloaded; returns the constituencies of their rows."""
    these = is_any_of(table_contents.c.hour_number, hours)
    gone = sa.delete(table_contents).where(table_contents.c.source == source, these)
    contents = list(connection.execute(gone.returning(table_contents.c.content_id)).scalars())
    places = sa.delete(table_places).where(is_any_of(table_places.c.content_id, contents))
    return set(connection.execute(places.returning(table_places.c.constituency_id)).scalars())


def read_again(connection: sa.Connection, hours: Sequence[int]) -> None:
    """Makes the next comparison, due at once, find these hours different, because parts of them were lost."""
    lost = is_any_of(table_contents.c.hour_number, hours)
    sources = sa.select(table_contents.c.source).where(lost)
    connection.execute(sa.update(table_reads).where(table_reads.c.source.in_(sources)).values(compared_at=None))
    connection.execute(sa.update(table_contents).where(lost).values(fingerprint=-1))


def add_contents(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Appends contents: every column of `table_contents`."""
    copy_rows(connection, table_contents, rows)


def add_places(connection: sa.Connection, source: str, places: pd.DataFrame, forgotten: Iterable[str]) -> None:
    """Adds the constituencies of contents, and updates `table_constituencies`.

    A constituency's election is the one named in its earliest hour, the first by name if that hour names several. This
    does not depend on the order or the batches of landing.

    Args:
        connection: in a transaction.
        source: the transactions table.
        places: content_id, constituency_id, election (NA: none).
        forgotten: further constituencies whose contents were dropped.
    """
    copy_rows(connection, table_places, places)
    update = sa.text(
        """
        INSERT INTO ingest.table_constituencies (source, constituency_id, election, first_hour)
        SELECT
            :source, place.constituency_id,
            (array_agg(place.election ORDER BY content.hour_number, place.election COLLATE "C")
                FILTER (WHERE place.election IS NOT NULL))[1],
            min(content.hour_number)
        FROM ingest.table_places AS place
        JOIN ingest.table_contents AS content USING (content_id)
        WHERE content.source = :source AND place.constituency_id = ANY(:ids)
        GROUP BY place.constituency_id
        ON CONFLICT (source, constituency_id) DO UPDATE
        SET election = excluded.election, first_hour = excluded.first_hour
        WHERE (table_constituencies.election, table_constituencies.first_hour)
            IS DISTINCT FROM (excluded.election, excluded.first_hour)
        """
    )
    connection.execute(update, {"source": source, "ids": sorted({*places["constituency_id"], *forgotten})})


def elections_of_source(connection: sa.Connection, source: str) -> set[str]:
    """The elections of which a table has rows."""
    named = sa.select(table_constituencies.c.constituency_id).where(table_constituencies.c.source == source)
    return elections_of(connection, list(connection.execute(named).scalars()))


def elections_of(connection: sa.Connection, constituencies: Sequence[str]) -> set[str]:
    """The elections that these constituencies vote in, according to the registry."""
    query = sa.text("SELECT DISTINCT election_id FROM ingest.constituency_registry WHERE constituency_id = ANY(:ids)")
    return set(connection.execute(query, {"ids": list(constituencies)}).scalars())
