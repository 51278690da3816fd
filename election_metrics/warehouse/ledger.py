"""The ledger: file versions, their contents and lake parts, and stale hours.

Every function takes a connection in a transaction; landing calls all of them in one transaction.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from election_metrics.warehouse.replace import copy_rows, read_frame
from election_metrics.warehouse.tables import (
    conflicting_rows,
    content_hours,
    content_ids,
    corrections,
    hour_versions,
    lake_parts,
    landing_attempts,
    registry_events,
    rejected_transactions,
    transaction_files,
)

_CURRENT = transaction_files.c.status != "superseded"
_files = transaction_files.c
_SUPERSEDED_CONTENTS = sa.except_(
    sa.select(_files.content_id).where(_files.status == "superseded", _files.content_id.is_not(None)),
    sa.select(_files.content_id).where(_files.status == "landed"),
)


def is_any_of(column: sa.Column[Any], values: Iterable[object]) -> sa.ColumnElement[bool]:
    """A condition with one array parameter, because a statement is limited to 65,535 parameters."""
    return column == sa.any_(sa.literal(list(values), sa.ARRAY(column.type)))


def count_files_of_run(connection: sa.Connection, run_id: str) -> int:
    """Rows of the ledger that a run wrote."""
    query = sa.select(sa.func.count()).select_from(transaction_files).where(transaction_files.c.run_id == run_id)
    return int(connection.execute(query).scalar_one())


def has_files_below(connection: sa.Connection, below: str) -> bool:
    """Whether the ledger has a file below this folder."""
    query = sa.text("SELECT EXISTS (SELECT 1 FROM ingest.transaction_files WHERE starts_with(path, :below))")
    return bool(connection.execute(query, {"below": f"{below.rstrip('/')}/"}).scalar_one())


def known_versions(connection: sa.Connection, paths: Sequence[str] | None = None) -> set[tuple[str, int, int]]:
    """(path, size, modified_ns) of the current file versions in the ledger."""
    query = sa.select(transaction_files.c.path, transaction_files.c.size, transaction_files.c.modified_ns).where(
        _CURRENT
    )
    if paths is not None:
        query = query.where(is_any_of(transaction_files.c.path, paths))
    result = connection.execute(query)
    # Read by the driver directly: there is a row for each file, and it is read every few seconds.
    return set(result.cursor.fetchall()) if result.cursor is not None else set()


def landed_versions(
    connection: sa.Connection, first: int | None, last: int | None, constituency: str | None
) -> set[tuple[str, int, int]]:
    """(path, size, modified_ns) of current files with rows in these hours and of this constituency; None: of all."""
    of_files = _files.constituency_id.is_not(None)
    query = sa.select(_files.path, _files.size, _files.modified_ns).where(_files.status == "landed", of_files)
    if first is not None or last is not None:
        hours = sa.select(content_hours.c.content_id)
        if first is not None:
            hours = hours.where(content_hours.c.hour_number >= first)
        if last is not None:
            hours = hours.where(content_hours.c.hour_number <= last)
        query = query.where(_files.content_id.in_(hours))
    if constituency is not None:
        query = query.where(_files.constituency_id == constituency)
    return {(path, size, modified) for path, size, modified in connection.execute(query)}


def next_content_ids(connection: sa.Connection, count: int) -> list[int]:
    """New numbers for contents."""
    query = sa.select(content_ids.next_value()).select_from(sa.func.generate_series(1, count).alias())
    return list(connection.execute(query).scalars())


def landed_contents(connection: sa.Connection, hashes: Sequence[str]) -> dict[tuple[str, str], int]:
    """content_id by (content_hash, constituency_id), of contents that belong to a current file."""
    query = sa.select(
        transaction_files.c.content_hash, transaction_files.c.constituency_id, transaction_files.c.content_id
    ).where(
        transaction_files.c.status == "landed",
        is_any_of(transaction_files.c.content_hash, hashes),
    )
    return {(content, constituency): number for content, constituency, number in connection.execute(query)}


def supersede(connection: sa.Connection, paths: Sequence[str]) -> list[int]:
    """Marks the current rows of these paths superseded; returns their contents."""
    query = (
        sa.update(transaction_files)
        .where(is_any_of(transaction_files.c.path, paths), _CURRENT)
        .values(status="superseded")
        .returning(transaction_files.c.content_id)
    )
    return [number for number in connection.execute(query).scalars() if number is not None]


def read_attempts(connection: sa.Connection) -> dict[str, Any]:
    """Failed landings by path: size, modified_ns, tries, together, reason, set_aside_at."""
    return {row.path: row for row in connection.execute(sa.select(landing_attempts))}


def waiting_files(connection: sa.Connection, since: datetime) -> set[tuple[str, int, int]]:
    """(path, size, modified_ns) of the files that were set aside after `since` and must not be retried yet."""
    query = sa.select(landing_attempts.c.path, landing_attempts.c.size, landing_attempts.c.modified_ns)
    rows = connection.execute(query.where(landing_attempts.c.set_aside_at > since))
    return {(path, size, modified) for path, size, modified in rows}


def begin_attempts(
    connection: sa.Connection, files: Sequence[tuple[str, int, int]], run_id: str, now: datetime
) -> None:
    """Records that a landing of these file versions starts; what is known of older versions is reset."""
    rows = [
        {"path": path, "size": size, "modified_ns": modified, "tries": 1, "together": len(files), "tried_at": now,
         "run_id": run_id}
        for path, size, modified in files
    ]  # fmt: skip
    if not rows:
        return  # another landing was faster
    new = insert(landing_attempts)
    same = sa.and_(
        landing_attempts.c.size == new.excluded.size, landing_attempts.c.modified_ns == new.excluded.modified_ns
    )
    # A failure of a batch says little about one of its files: attempts count once the file is alone.
    again = sa.and_(same, landing_attempts.c.together == 1, new.excluded.together == 1)
    changes = {name: new.excluded[name] for name in ("size", "modified_ns", "together", "tried_at", "run_id")}
    connection.execute(
        new.on_conflict_do_update(
            index_elements=["path"],
            set_=changes
            | {"tries": sa.case((again, landing_attempts.c.tries + 1), else_=1)}
            | {name: sa.case((same, landing_attempts.c[name])) for name in ("reason", "set_aside_at")},
        ),
        rows,
    )


def set_aside(connection: sa.Connection, path: str, reason: str | None, now: datetime) -> None:
    """Sets a file aside, so that others land without it."""
    query = sa.update(landing_attempts).where(landing_attempts.c.path == path)
    connection.execute(query.values(set_aside_at=now, reason=sa.func.coalesce(reason, landing_attempts.c.reason)))


def forget_attempts(connection: sa.Connection, paths: Sequence[str]) -> None:
    """Removes the failed attempts of these paths, which have landed."""
    connection.execute(sa.delete(landing_attempts).where(is_any_of(landing_attempts.c.path, paths)))


def _is_below(path: sa.ColumnElement[str], root: str) -> sa.ColumnElement[bool]:
    """Whether a path is `root` or lies below it: /data/in2 is not below /data/in."""
    return sa.or_(path == root, path.startswith(f"{root.rstrip('/')}/", autoescape=True))


def paths_in_trouble(connection: sa.Connection, root: str) -> set[str]:
    """Paths below `root` that could not be read, or whose landing is set aside."""
    unreadable = sa.select(transaction_files.c.path).where(
        transaction_files.c.status == "unreadable", _is_below(transaction_files.c.path, root)
    )
    waiting = sa.select(landing_attempts.c.path).where(
        landing_attempts.c.set_aside_at.is_not(None), _is_below(landing_attempts.c.path, root)
    )
    return set(connection.execute(unreadable.union(waiting)).scalars())


def forget_unreadable(connection: sa.Connection, root: str, still: Sequence[str]) -> None:
    """Removes the ledger rows of paths below `root` that were unreadable and no longer are."""
    connection.execute(
        sa.delete(transaction_files).where(
            transaction_files.c.status == "unreadable",
            transaction_files.c.size < 0,
            _is_below(transaction_files.c.path, root),
            transaction_files.c.path != sa.all_(sa.literal(list(still), sa.ARRAY(sa.Text))),
        )
    )


_FILE_COUNTS = ("size", "modified_ns", "content_id", "lines", "rows", "rollbacks", "repeated", "rejected")


def record_files(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Appends file versions."""
    # Unreadable files have no counts, so pandas turns these columns into floats.
    counts = [name for name in _FILE_COUNTS if name in rows.columns]
    copy_rows(connection, transaction_files, rows.astype(dict.fromkeys(counts, "Int64")))


def not_current(connection: sa.Connection, contents: Sequence[int]) -> list[int]:
    """Those of the contents that no longer belong to a current file."""
    still = sa.select(transaction_files.c.content_id).where(
        transaction_files.c.status == "landed",
        is_any_of(transaction_files.c.content_id, contents),
    )
    return sorted(set(contents) - set(connection.execute(still).scalars()))


def hours_of_contents(connection: sa.Connection, contents: Sequence[int]) -> set[int]:
    """Hours with rows of these contents."""
    query = sa.select(content_hours.c.hour_number).where(is_any_of(content_hours.c.content_id, contents))
    return set(connection.execute(query.distinct()).scalars())


def hours_of_constituencies(connection: sa.Connection, constituencies: Iterable[str]) -> set[int]:
    """Hours that have, or may have, rows of these constituencies: rows of a table belong to many."""
    contents = sa.select(transaction_files.c.content_id).where(
        is_any_of(transaction_files.c.constituency_id, constituencies) | transaction_files.c.constituency_id.is_(None),
        transaction_files.c.content_id.is_not(None),
    )
    query = sa.select(content_hours.c.hour_number).where(content_hours.c.content_id.in_(contents))
    return set(connection.execute(query.distinct()).scalars())


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


def add_content_hours(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Appends the hours of contents: content_id, hour_number, rows."""
    copy_rows(connection, content_hours, rows)


def add_corrections(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Adds new corrections (every column of the table)."""
    _insert_new(connection, corrections, rows)


def add_conflicts(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Adds rows of transaction ids in conflict (every column of the table)."""
    _insert_new(connection, conflicting_rows, rows)


def conflicting_ids(connection: sa.Connection, contents: Sequence[int]) -> set[str]:
    """Transaction ids in conflict with a row in these contents."""
    query = sa.select(conflicting_rows.c.transaction_id).where(is_any_of(conflicting_rows.c.content_id, contents))
    return set(connection.execute(query.distinct()).scalars())


def places_of_conflicts(connection: sa.Connection, transaction_ids: Sequence[str]) -> set[str]:
    """Constituencies (constituency_id) with a row of these ids, if the ids are in conflict."""
    query = sa.select(conflicting_rows.c.constituency_id).where(
        is_any_of(conflicting_rows.c.transaction_id, transaction_ids)
    )
    return set(connection.execute(query.distinct()).scalars())


def add_registry_events(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Adds calls that change the register or the state of voting."""
    _insert_new(connection, registry_events, rows)


def _insert_new(connection: sa.Connection, table: sa.Table, rows: pd.DataFrame) -> None:
    """Inserts the rows that do not exist yet, by COPY into a temporary table."""
    if rows.empty:
        return
    twin = sa.Table(f"incoming_{table.name}", sa.MetaData(), *[sa.Column(c.name, c.type) for c in table.columns])
    connection.execute(sa.text(f"CREATE TEMP TABLE {twin.name} (LIKE {table.fullname})"))
    copy_rows(connection, twin, rows)
    names = [column.name for column in table.columns]
    connection.execute(insert(table).from_select(names, sa.select(twin)).on_conflict_do_nothing())
    connection.execute(sa.text(f"DROP TABLE {twin.name}"))


def add_rejected(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Appends lines to the quarantine."""
    copy_rows(connection, rejected_transactions, rows)


def drop_rejected(connection: sa.Connection, contents: Sequence[int]) -> None:
    """Removes quarantined lines of contents without a current file; the ledger row keeps their number."""
    connection.execute(sa.delete(rejected_transactions).where(is_any_of(rejected_transactions.c.content_id, contents)))


def rollback_ids(connection: sa.Connection, contents: Sequence[int] | None = None) -> list[str]:
    """Transaction ids withdrawn by rollbacks in current contents, or in these."""
    query = sa.select(corrections.c.transaction_id).where(corrections.c.kind == "rollback")
    if contents is None:
        query = query.where(corrections.c.content_id.not_in(_SUPERSEDED_CONTENTS))
    else:
        query = query.where(is_any_of(corrections.c.content_id, contents))
    return list(connection.execute(query.distinct()).scalars())


def hours_of_peers(connection: sa.Connection, contents: Sequence[int], transaction_ids: Sequence[str]) -> set[int]:
    """Hours of rows that may begin or cease to count because of these contents or transactions.

    These are the other votes of the same voter keys, and the other rows of the ids.
    """
    query = sa.text(
        """
        WITH touched AS (
            SELECT DISTINCT constituency_id, sender FROM ingest.corrections
            WHERE kind = 'repeated_vote' AND (content_id = ANY(:contents) OR transaction_id = ANY(:ids))
        )
        SELECT peer.occurred_ms / 3600000
        FROM ingest.corrections AS peer
        JOIN touched USING (constituency_id, sender)
        WHERE peer.kind = 'repeated_vote'
        UNION
        SELECT occurred_ms / 3600000 FROM ingest.conflicting_rows WHERE place = 1 AND transaction_id = ANY(:ids)
        """
    )
    parameters = {"contents": list(contents), "ids": list(transaction_ids)}
    return set(connection.execute(query, parameters).scalars())


def mark_hours_stale(connection: sa.Connection, hours: Iterable[int], *, conflicted: bool) -> None:
    """Increments the landed version of hours; `conflicted` also marks them as conflicted."""
    rows = [
        {"hour_number": hour, "landed_version": 1, "computed_version": 0, "is_conflicted": conflicted}
        for hour in sorted(hours)
    ]
    if not rows:
        return
    new = insert(hour_versions)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=[hour_versions.c.hour_number],
            set_={
                "landed_version": hour_versions.c.landed_version + 1,
                "is_conflicted": hour_versions.c.is_conflicted | new.excluded.is_conflicted,
            },
        ),
        rows,
    )


_REOPEN = """
    UPDATE ingest.hour_versions SET landed_version = landed_version + 1
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
"""  # takes: reached (constituency_id, first_hour, last_hour)


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
    connection.execute(sa.text(changed + _REOPEN), {"contents": list(contents), "ids": list(transaction_ids)})


def mark_constituencies_stale(connection: sa.Connection, reached: Sequence[tuple[str, int, int]]) -> None:
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
    parameters = {"constituencies": list(constituencies), "first": list(first), "last": list(last)}
    connection.execute(sa.text(given + _REOPEN), parameters)


def first_hour(connection: sa.Connection) -> int | None:
    """The first hour with transactions; None if nothing has landed."""
    found: int | None = connection.execute(sa.text("SELECT min(hour_number) FROM ingest.hour_versions")).scalar()
    return found


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


def read_corrections(connection: sa.Connection) -> dict[str, pd.DataFrame]:
    """Corrections for conflicted hours: superseded, rollbacks, lost_rows, repeated_votes (see lake.hours)."""
    votes = sa.select(
        corrections.c.constituency_id, corrections.c.sender, corrections.c.transaction_id,
        corrections.c.occurred_ms, corrections.c.content_id,
    ).where(corrections.c.kind == "repeated_vote")  # fmt: skip
    return {
        "superseded": read_frame(connection, _SUPERSEDED_CONTENTS),
        "rollbacks": pd.DataFrame({"transaction_id": rollback_ids(connection)}, dtype=object),
        "lost_rows": read_frame(connection, sa.text("SELECT transaction_id, content_id FROM ingest.lost_rows")),
        "repeated_votes": read_frame(connection, votes),
    }


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
            .values(computed_version=sa.bindparam("version"), computed_at=sa.bindparam("now")),
            rows,
        )
