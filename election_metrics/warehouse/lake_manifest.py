"""The manifest of the lake: which parts count."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from election_metrics.warehouse.ledger import is_any_of
from election_metrics.warehouse.replace import copy_rows, read_frame
from election_metrics.warehouse.tables import lake_parts


def parts_of_hours(connection: sa.Connection, hours: Iterable[int] | None = None) -> pd.DataFrame:
    """Live parts: path, hour_number, rows, size; of all hours if none are given."""
    query = sa.select(lake_parts.c.path, lake_parts.c.hour_number, lake_parts.c.rows, lake_parts.c.size).where(
        lake_parts.c.retired_at.is_(None)
    )
    if hours is not None:
        query = query.where(is_any_of(lake_parts.c.hour_number, hours))
    return read_frame(connection, query.order_by(lake_parts.c.path))


def every_part(connection: sa.Connection) -> set[str]:
    """Paths of all parts, including retired ones."""
    return set(connection.execute(sa.select(lake_parts.c.path)).scalars())


def add_parts(connection: sa.Connection, parts: pd.DataFrame) -> None:
    """Adds parts to the manifest: path, hour_number, rows, size, created_at."""
    copy_rows(connection, lake_parts, parts)


def retire_parts(connection: sa.Connection, paths: Sequence[str], now: datetime) -> int:
    """Retires parts; returns how many were live."""
    these = is_any_of(lake_parts.c.path, paths)
    query = sa.update(lake_parts).where(these, lake_parts.c.retired_at.is_(None))
    return int(connection.execute(query.values(retired_at=now)).rowcount)


def forget_parts(connection: sa.Connection, retired_before: datetime, hours: Sequence[int]) -> list[str]:
    """Removes parts of these hours that were retired long enough ago; returns their files, to be deleted."""
    query = (
        sa.delete(lake_parts)
        .where(lake_parts.c.retired_at < retired_before, is_any_of(lake_parts.c.hour_number, hours))
        .returning(lake_parts.c.path)
    )
    return list(connection.execute(query).scalars())
