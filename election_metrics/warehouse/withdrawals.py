"""Files that people withdrew: their rows count nowhere, and the same bytes do not land until they are restored."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from election_metrics.warehouse.ledger import is_any_of
from election_metrics.warehouse.replace import read_frame
from election_metrics.warehouse.tables import (
    conflicting_rows,
    contract_statements,
    corrections,
    highest_totals,
    registry_events,
    transaction_files,
)

_files = transaction_files.c
FEWEST_DIGITS = 8
"""Of a content hash, to name a content by."""


def find_files(connection: sa.Connection, target: str, path: str, status: str) -> pd.DataFrame:
    """The files of this status that a target names.

    Args:
        connection: to the warehouse.
        target: a path of a file, of a member of an archive, or of a folder; the first digits of a content hash; an
            election_id; or a constituency_id. Of what was withdrawn also the target of then, and the end of a path.
        path: the target as an absolute path.
        status: landed or withdrawn.

    Files that landed with the same bytes and no longer exist are named, too: a file that was moved is one file. Empty
    files are all alike; each is only itself.

    Returns:
        file_id, path, member, content_hash, content_id, constituency_id, election_id, rows, reason; by path.
    """
    query = sa.text(
        """
        WITH named AS (
            SELECT file_id, content_id
            FROM ingest.transaction_files LEFT JOIN ingest.constituency_registry USING (constituency_id)
            WHERE status = :status AND constituency_id IS NOT NULL AND (
                path IN (:target, :path) OR starts_with(path, :below) OR path || '/' || member IN (:target, :path)
                OR starts_with(path || '/' || member, :below)
                OR constituency_id = :target OR election_id = :target
                OR :status = 'withdrawn' AND (
                    withdrawn_as = :target
                    OR right(rtrim(path || '/' || member, '/'), length(:target) + 1) = '/' || :target
                )
                OR length(:target) >= :digits AND starts_with(content_hash, lower(:target))
            )
        )
        SELECT file_id, path, member, content_hash, content_id, constituency_id, election_id, rows, reason
        FROM ingest.transaction_files LEFT JOIN ingest.constituency_registry USING (constituency_id)
        WHERE file_id IN (SELECT file_id FROM named) OR (
            :status = 'landed' AND status = 'landed' AND gone_at IS NOT NULL AND lines > 0
            AND content_id IN (SELECT content_id FROM named)
        )
        ORDER BY path, member
        """
    )
    below = f"{path.rstrip('/')}/"
    return read_frame(connection, query, target=target, path=path, below=below, status=status, digits=FEWEST_DIGITS)


def withdraw(connection: sa.Connection, file_ids: Sequence[int], target: str, reason: str, now: datetime) -> list[int]:
    """Withdraws these files; returns their contents."""
    query = (
        sa.update(transaction_files)
        .where(is_any_of(_files.file_id, file_ids), _files.status == "landed")
        .values(status="withdrawn", reason=reason, withdrawn_at=now, withdrawn_as=target)
        .returning(_files.content_id)
    )
    return list(connection.execute(query).scalars())


def forget_rows(connection: sa.Connection, file_ids: Sequence[int]) -> None:
    """Deletes what was noted of the rows of withdrawn files, where no other file that counts has the same content."""
    contents = sa.select(_files.content_id).where(is_any_of(_files.file_id, file_ids), _files.status == "withdrawn")
    counting = sa.select(_files.content_id).where(_files.status == "landed", _files.content_id.is_not(None))
    for table in (corrections, conflicting_rows, registry_events, contract_statements):
        number = table.c.content_id
        connection.execute(sa.delete(table).where(number.in_(contents), number.not_in(counting)))


def forget_highest(connection: sa.Connection, constituencies: Iterable[str]) -> None:
    """Forgets the highest totals of constituencies: after a withdrawal, lower ones are no finding."""
    connection.execute(sa.delete(highest_totals).where(is_any_of(highest_totals.c.constituency_id, constituencies)))


def restore(connection: sa.Connection, file_ids: Sequence[int]) -> None:
    """Makes withdrawn files pending again, and lets their bytes land under any name."""
    query = sa.text(
        """
        UPDATE ingest.transaction_files AS file
        SET status = CASE file.status WHEN 'withdrawn' THEN 'superseded' ELSE file.status END, withdrawn_at = NULL
        FROM ingest.transaction_files AS named
        WHERE named.file_id = ANY(:ids) AND file.withdrawn_at IS NOT NULL
            AND file.content_hash = named.content_hash AND file.constituency_id = named.constituency_id
        """
    )
    connection.execute(query, {"ids": list(file_ids)})
    # An archive is known while a member of it counts; as an older version, it is read again, whole.
    siblings = sa.text(
        """
        UPDATE ingest.transaction_files SET modified_ns = -1
        WHERE member <> '' AND status <> 'superseded'
            AND path IN (SELECT path FROM ingest.transaction_files WHERE file_id = ANY(:ids))
        """
    )
    connection.execute(siblings, {"ids": list(file_ids)})


def withdrawn_contents(
    connection: sa.Connection, hashes: Iterable[str]
) -> dict[tuple[str, str], tuple[str, datetime, str]]:
    """Reason, time and target of withdrawals by (content_hash, constituency_id), of contents that count in no file."""
    query = sa.text(
        """
        SELECT DISTINCT ON (content_hash, constituency_id)
            content_hash, constituency_id, reason, withdrawn_at, withdrawn_as
        FROM ingest.transaction_files AS withdrawn
        WHERE withdrawn_at IS NOT NULL AND lines > 0 AND content_hash = ANY(:hashes) AND NOT EXISTS (
            SELECT 1 FROM ingest.transaction_files AS other
            WHERE other.status = 'landed' AND other.content_hash = withdrawn.content_hash
                AND other.constituency_id = withdrawn.constituency_id
        )
        ORDER BY content_hash, constituency_id, withdrawn_at DESC
        """
    )
    rows = connection.execute(query, {"hashes": sorted(set(hashes))})
    return {(content, constituency): (reason, at, target) for content, constituency, reason, at, target in rows}
