"""Which hours are stale: what landed in them, and what their figures were computed from."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from election_metrics.warehouse.ledger import is_any_of
from election_metrics.warehouse.replace import read_frame
from election_metrics.warehouse.tables import hour_versions


def mark_hours_stale(connection: sa.Connection, hours: Iterable[int], cause: str, *, conflicted: bool) -> None:
    """Increments the landed version of hours.

    Args:
        connection: in a transaction.
        hours: the hours.
        cause: why, one of `commits.CAUSES`; a new file is a late one if the hour was computed after its end.
        conflicted: also mark them as conflicted.
    """
    rows = [
        {"hour_number": hour, "landed_version": 1, "computed_version": 0, "is_conflicted": conflicted,
         "causes": [cause]} for hour in sorted(hours)
    ]  # fmt: skip
    if not rows:
        return
    new = insert(hour_versions)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=[hour_versions.c.hour_number],
            set_={
                "landed_version": hour_versions.c.landed_version + 1,
                "is_conflicted": hour_versions.c.is_conflicted | new.excluded.is_conflicted,
                "causes": sa.func.array_cat(hour_versions.c.causes, _cause(new.excluded.causes)),
            },
        ),
        rows,
    )


def _cause(given: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """The causes of an hour that is there already, without those that it has."""
    is_over = hour_versions.c.computed_at >= sa.func.to_timestamp((hour_versions.c.hour_number + 1) * 3600)
    late = sa.case((sa.and_(given == _NEW, is_over), _LATE), else_=given)
    return sa.case((hour_versions.c.causes.contains(late), sa.cast([], _TEXTS)), else_=late)


_TEXTS = ARRAY(sa.Text)
_NEW, _LATE = (sa.cast([cause], _TEXTS) for cause in ("new file", "late file"))


_REOPEN = """
    UPDATE ingest.hour_versions SET landed_version = landed_version + 1, causes = CASE
        WHEN CAST(:cause AS text) = ANY (causes) THEN causes ELSE array_append(causes, CAST(:cause AS text)) END
    WHERE hour_number IN (
        SELECT content_hours.hour_number
        FROM reached
        JOIN ingest.transaction_files USING (constituency_id)
        JOIN ingest.content_hours USING (content_id)
        WHERE content_hours.hour_number BETWEEN reached.first_hour AND reached.last_hour
        UNION
        SELECT table_contents.hour_number
        FROM reached
        JOIN ingest.table_constituencies USING (constituency_id)
        JOIN ingest.table_contents USING (source)
        WHERE table_contents.hour_number BETWEEN reached.first_hour AND reached.last_hour
    )
"""  # takes: reached (constituency_id, first_hour, last_hour), :cause


def mark_stale_after_registry_events(
    connection: sa.Connection, contents: Sequence[int], transaction_ids: Sequence[str]
) -> None:
    """Marks a constituency's hours stale from a change of its register on, because their denominator changed."""
    changed = """
        WITH reached AS (
            SELECT constituency_id, min(floor(extract(epoch FROM occurred_at) / 3600)) AS first_hour,
                'infinity'::float AS last_hour
            FROM ingest.registry_events
            WHERE content_id = ANY(:contents) OR transaction_id = ANY(:ids)
            GROUP BY constituency_id
        )
    """
    parameters = {"contents": list(contents), "ids": list(transaction_ids), "cause": "register"}
    connection.execute(sa.text(changed + _REOPEN), parameters)


def mark_constituencies_stale(
    connection: sa.Connection, reached: Sequence[tuple[str, int, int]], cause: str = "reference data"
) -> None:
    """Marks the hours first..last with rows of a constituency stale: (constituency_id, first, last)."""
    if not reached:
        return
    constituencies, first, last = zip(*reached, strict=True)
    given = """
        WITH reached AS (
            SELECT *
            FROM unnest(CAST(:constituencies AS text[]), CAST(:first AS bigint[]), CAST(:last AS bigint[]))
                AS given (constituency_id, first_hour, last_hour)
        )
    """
    ranges = {"constituencies": list(constituencies), "first": list(first), "last": list(last)}
    parameters = {**ranges, "cause": cause}
    connection.execute(sa.text(given + _REOPEN), parameters)


def first_and_last_hour(connection: sa.Connection) -> tuple[int | None, int | None]:
    """The first and the last hour with transactions (since 1970, UTC); None if nothing has landed."""
    query = sa.text("SELECT min(hour_number), max(hour_number) FROM ingest.hour_versions")
    first, last = connection.execute(query).one()
    return first, last


def changed_hours(connection: sa.Connection, now: datetime) -> list[int]:
    """Stale hours, and past hours that were computed while they were in progress."""
    query = sa.text(
        """
        SELECT hour_number FROM ingest.hour_versions
        WHERE landed_version > computed_version
            OR (computed_at < to_timestamp((hour_number + 1) * 3600) AND :now >= to_timestamp((hour_number + 1) * 3600))
        ORDER BY hour_number
        """
    )
    return list(connection.execute(query, {"now": now}).scalars())


def hours_wait(connection: sa.Connection) -> bool:
    """Whether any hour is stale."""
    waits = sa.exists().where(hour_versions.c.landed_version > hour_versions.c.computed_version)
    return bool(connection.execute(sa.select(waits)).scalar_one())


def read_hour_versions(connection: sa.Connection, first: int, last: int) -> pd.DataFrame:
    """hour_number, landed_version, computed_version, is_conflicted of the hours first..last that have transactions."""
    query = sa.select(
        hour_versions.c.hour_number,
        hour_versions.c.landed_version,
        hour_versions.c.computed_version,
        hour_versions.c.is_conflicted,
    ).where(hour_versions.c.hour_number.between(first, last))
    return read_frame(connection, query.order_by(hour_versions.c.hour_number))


def mark_computed(connection: sa.Connection, versions: pd.DataFrame, now: datetime) -> None:
    """Stores the landed version that the figures of each hour were computed from."""
    rows = [
        {"hour": int(hour), "version": int(version), "now": now}
        for hour, version in zip(versions["hour_number"], versions["landed_version"], strict=True)
    ]
    if rows:
        connection.execute(
            sa.update(hour_versions)
            .where(hour_versions.c.hour_number == sa.bindparam("hour"))
            .values(
                computed_version=sa.bindparam("version"),
                computed_at=sa.bindparam("now"),
                causes=sa.case(
                    (hour_versions.c.landed_version == sa.bindparam("version"), sa.cast([], _TEXTS)),
                    else_=hour_versions.c.causes,
                ),
            ),
            rows,
        )


def read_causes(connection: sa.Connection, hours: Iterable[int]) -> set[str]:
    """Why these hours were marked stale since they were computed."""
    query = sa.select(sa.func.unnest(hour_versions.c.causes)).where(is_any_of(hour_versions.c.hour_number, hours))
    return set(connection.execute(query.distinct()).scalars())


def read_behind_since(connection: sa.Connection) -> datetime | None:
    """When the longest-stale hour became stale; None if no hour is stale."""
    query = sa.text(
        """
        SELECT greatest(max(version.computed_at), min(file.seen_at))
        FROM ingest.hour_versions AS version
        LEFT JOIN ingest.content_hours AS content USING (hour_number)
        LEFT JOIN ingest.transaction_files AS file USING (content_id)
        WHERE version.landed_version > version.computed_version
            AND (version.computed_at IS NULL OR file.seen_at > version.computed_at)
        """
    )
    found: datetime | None = connection.execute(query).scalar()
    return found
