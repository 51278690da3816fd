"""Attempts to land files: what is known of files whose landing failed, and which are set aside."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from election_metrics.warehouse.ledger import is_any_of
from election_metrics.warehouse.tables import landing_attempts


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
