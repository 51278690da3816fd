"""Thins out the history: of older commits, the tables can be asked for as of the last one of each hour only."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from election_metrics.warehouse.commits import begin_commit
from election_metrics.warehouse.tables import WITH_HISTORY

_RESOLUTION = timedelta(hours=1)
_THIN = """
    UPDATE history.commits AS old SET is_kept = false
    WHERE is_kept AND NOT EXISTS (
        SELECT 1 FROM history.packages AS shown WHERE shown.commit_number = old.commit_number
    ) AND (
        EXISTS ( -- the last one before the limit is what was known at the limit
            SELECT 1 FROM history.commits AS later
            WHERE later.commit_number > old.commit_number AND later.committed_at < :anything_since
        ) OR committed_at < :every_commit_since AND EXISTS (
            SELECT 1 FROM history.commits AS later
            WHERE later.commit_number > old.commit_number AND later.is_kept
                AND date_bin(:step, later.committed_at, 'epoch') = date_bin(:step, old.committed_at, 'epoch')
        )
    )
    RETURNING commit_number
"""
# Versions that stood at no kept commit lie between two that are kept (or after the last one).
_AROUND = """
    SELECT
        (SELECT coalesce(max(commit_number), 0) FROM history.commits WHERE is_kept AND commit_number < :first),
        (SELECT coalesce(min(commit_number), 9223372036854775807) FROM history.commits
         WHERE is_kept AND commit_number > :last)
"""
# A version stands until the next one that is left, so that there is no gap between them.
_REMOVE = """
    WITH flagged AS (
        SELECT {key}, commit_number, replaced_in, NOT EXISTS (
            SELECT 1 FROM history.commits AS kept
            WHERE is_kept AND kept.commit_number >= row.commit_number AND kept.commit_number < row.replaced_in
        ) AS is_gone
        FROM history.{name}_replaced AS row
        WHERE replaced_in > :low AND replaced_in <= :high
    ), followed AS (
        SELECT *, is_gone AND coalesce(
            lag(replaced_in) OVER (PARTITION BY {key} ORDER BY commit_number) = commit_number, false
        ) AS follows
        FROM flagged
    ), grouped AS (
        SELECT *, count(*) FILTER (WHERE NOT follows) OVER (PARTITION BY {key} ORDER BY commit_number) AS part
        FROM followed
    ), longer AS (
        SELECT {key}, min(commit_number) AS commit_number, max(replaced_in) AS until
        FROM grouped GROUP BY {key}, part HAVING count(*) > 1 AND NOT bool_and(is_gone)
    ), lengthened AS (
        UPDATE history.{name}_replaced AS row SET replaced_in = longer.until FROM longer
        WHERE {same_as_longer} AND row.commit_number = longer.commit_number
    )
    DELETE FROM history.{name}_replaced AS row USING grouped
    WHERE {same_as_grouped} AND row.commit_number = grouped.commit_number AND grouped.is_gone
"""


def thin_history(
    connection: sa.Connection, every_commit_since: datetime, anything_since: datetime | None, *, dry_run: bool
) -> int:
    """Removes versions of rows that stood at no commit that is kept; what is current, or was published, stays.

    Args:
        connection: in a transaction.
        every_commit_since: of commits before this time, the last of each hour is kept.
        anything_since: of commits before this time, the last one is kept: what was known then; None: no limit.
        dry_run: remove nothing.

    Returns:
        The number of versions that are (or would be) removed.
    """
    begin_commit(connection, None, [])  # nothing is committed meanwhile
    step = connection.begin_nested()
    times = {"every_commit_since": every_commit_since, "anything_since": anything_since, "step": _RESOLUTION}
    thinned = connection.execute(sa.text(_THIN).bindparams(**times)).scalars().all()
    removed = 0
    if thinned:
        around = {"first": min(thinned), "last": max(thinned)}
        low, high = connection.execute(sa.text(_AROUND), around).one()
        for table in WITH_HISTORY:
            removed += connection.execute(_removal_of(table), {"low": low, "high": high}).rowcount
    step.rollback() if dry_run else step.commit()
    return removed


def _removal_of(table: sa.Table) -> sa.TextClause:
    key = [column.name for column in table.primary_key]
    same = {of: " AND ".join(f"row.{name} = {of}.{name}" for name in key) for of in ("longer", "grouped")}
    return sa.text(
        _REMOVE.format(
            key=", ".join(key), name=table.name, same_as_longer=same["longer"], same_as_grouped=same["grouped"]
        )
    )
