"""The ledger: file versions, their contents, and the quarantine.

Every function takes a connection in a transaction; landing calls all of them in one transaction.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from election_metrics.warehouse.replace import copy_rows, notify, read_frame
from election_metrics.warehouse.tables import (
    content_hours,
    content_ids,
    files_not_read,
    landing_attempts,
    rejected_transactions,
    table_constituencies,
    transaction_files,
)

_CURRENT = transaction_files.c.status != "superseded"
_files = transaction_files.c


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
    return _supersede(connection, is_any_of(_files.path, paths), _CURRENT)


def _supersede(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[int]:
    query = sa.update(transaction_files).where(*conditions).values(status="superseded").returning(_files.content_id)
    return [number for number in connection.execute(query).scalars() if number is not None]


def with_transactions(connection: sa.Connection, contracts: Iterable[str]) -> set[str]:
    """Those of these contracts of which transactions have landed, and not counts alone, or files without any."""
    of_files = sa.select(_files.constituency_id).where(
        _files.status == "landed",
        _files.rows > 0,
        _files.is_counts_only.is_(False),
        is_any_of(_files.constituency_id, contracts),
    )
    of_table = table_constituencies.c.constituency_id
    query = of_files.union(sa.select(of_table).where(is_any_of(of_table, contracts)))
    return set(connection.execute(query).scalars())


def counted_from_tables(connection: sa.Connection, contracts: Iterable[str]) -> set[str]:
    """Those of these contracts that tables of counts are counted of."""
    query = sa.select(_files.constituency_id).where(
        _files.status == "landed", _files.is_counts_only, is_any_of(_files.constituency_id, contracts)
    )
    return set(connection.execute(query).scalars())


def read_counts_again(connection: sa.Connection, paths: Sequence[str]) -> None:
    """Lets archives of tables land again, if a contract has lost its last transaction with these paths: maybe to them.

    Their recorded time becomes one that no file has, so that the next listing takes them for changed.
    """
    archives = sa.select(_files.path).where(_files.status == "landed", _files.is_counts_only).distinct()
    counted = list(connection.execute(archives).scalars())
    if not counted:
        return
    lost = sa.select(_files.constituency_id).where(
        is_any_of(_files.path, paths), _files.is_counts_only.is_(False), _files.constituency_id.is_not(None)
    )
    contracts = set(connection.execute(lost.distinct()).scalars())
    if contracts - with_transactions(connection, contracts) - counted_from_tables(connection, contracts):
        again = sa.update(transaction_files).where(is_any_of(transaction_files.c.path, counted))
        connection.execute(again.where(_CURRENT).values(modified_ns=_NO_TIME))


_NO_TIME = -1


def supersede_counts(connection: sa.Connection, contracts: Iterable[str]) -> list[int]:
    """Marks the tables of counts of contracts superseded whose transactions land; returns their contents."""
    is_of_them = is_any_of(_files.constituency_id, contracts)
    return _supersede(connection, _files.status == "landed", _files.is_counts_only, is_of_them)


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


def paths_gone(connection: sa.Connection, root: str) -> set[str]:
    """Current paths below `root` that did not exist when it was listed last."""
    query = sa.select(_files.path).where(_CURRENT, _files.gone_at.is_not(None), _is_below(_files.path, root))
    return set(connection.execute(query).scalars())


def mark_gone(connection: sa.Connection, lost: Iterable[str], back: Iterable[str], now: datetime) -> bool:
    """Records which current paths no longer exist, and which exist again.

    Returns:
        Whether names may follow from other files now: other files of the same constituency have other names.
    """
    changed = [*lost, *back]
    if not changed:
        return False
    for paths, moment in ((lost, now), (back, None)):
        update = sa.update(transaction_files).where(_CURRENT, is_any_of(_files.path, paths))
        connection.execute(update.values(gone_at=moment))
    query = sa.text(
        """
        SELECT EXISTS (
            SELECT 1 FROM ingest.transaction_files AS file
            JOIN ingest.transaction_files AS other USING (constituency_id)
            WHERE file.path = ANY(:paths) AND file.status = 'landed' AND other.status = 'landed'
                AND (file.election, file.region_code, file.region, file.constituency)
                IS DISTINCT FROM (other.election, other.region_code, other.region, other.constituency)
        )
        """
    )
    return bool(connection.execute(query, {"paths": changed}).scalar_one())


def note_not_read(connection: sa.Connection, source: str, kinds: pd.DataFrame, now: datetime) -> None:
    """Replaces the list of files that are not read, of a source and all folders below it that were one.

    Args:
        connection: in a transaction.
        source: the folder that was listed.
        kinds: ending, files, example, may_be_exports.
        now: current time.
    """
    table = files_not_read
    columns = [table.c.source, table.c.ending, table.c.files, table.c.example, table.c.may_be_exports]
    known = connection.execute(sa.select(*columns).where(_is_below(table.c.source, source))).all()
    found = [(source, *row) for row in kinds.itertuples(index=False)]
    if sorted(map(tuple, known)) == sorted(found):
        return
    connection.execute(sa.delete(table).where(_is_below(table.c.source, source)))
    copy_rows(connection, table, kinds.assign(source=source, seen_at=now))
    notify(connection, table, [None])


def count_by_status(connection: sa.Connection, root: str) -> Counter[str]:
    """Number of existing files at or below `root` by status, with "set aside" for those that wait to be tried again."""
    counted = sa.func.count(_files.path.distinct())
    query = sa.select(_files.status, counted).where(_CURRENT, _files.gone_at.is_(None), _is_below(_files.path, root))
    found = Counter({status: count for status, count in connection.execute(query.group_by(_files.status))})
    waiting = sa.select(sa.func.count()).where(
        landing_attempts.c.set_aside_at.is_not(None), _is_below(landing_attempts.c.path, root)
    )
    found["set aside"] = connection.execute(waiting).scalar_one()
    return found


def read_not_read(connection: sa.Connection) -> pd.DataFrame:
    """Every row of `files_not_read`."""
    return read_frame(connection, sa.select(files_not_read).order_by(files_not_read.c.source, files_not_read.c.ending))


def count_not_read(connection: sa.Connection) -> int:
    """Files of kinds that are not read and may hold transactions, when their folders were listed last."""
    query = sa.select(sa.func.coalesce(sa.func.sum(files_not_read.c.files), 0)).where(files_not_read.c.may_be_exports)
    return int(connection.execute(query).scalar_one())


def files_without_place(connection: sa.Connection, root: str) -> pd.DataFrame:
    """Landed files in folders below `root` whose paths named no region: file_id, path, member, election."""
    below = sa.func.substr(_files.path, len(root) + 2)
    query = sa.select(_files.file_id, _files.path, _files.member, _files.election).where(
        _files.status == "landed", _files.constituency_id.is_not(None), _files.region.is_(None), _files.shard.is_(None),
        _files.path.startswith(f"{root}/", autoescape=True), sa.or_(_files.member != "", below.contains("/")),
    )  # fmt: skip
    return read_frame(connection, query)


def places_before(connection: sa.Connection, paths: Sequence[str]) -> pd.DataFrame:
    """What the newest earlier versions of these paths said, if it was an election.

    Returns:
        path, member, region_code, region, election, constituency.
    """
    query = sa.text(
        """
        SELECT DISTINCT ON (path, member) path, member, region_code, region, election, constituency
        FROM ingest.transaction_files
        WHERE path = ANY(:paths) AND election IS NOT NULL
        ORDER BY path, member, region IS NULL, file_id DESC
        """
    )
    return read_frame(connection, query, paths=list(paths))


def set_places(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Stores what the paths of files say: file_id, region_code, region, election, constituency."""
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    keyed = [{f"new_{name}": value for name, value in record.items()} for record in records]
    values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in rows.columns if name != "file_id"}
    connection.execute(
        sa.update(transaction_files).where(_files.file_id == sa.bindparam("new_file_id")).values(values), keyed
    )


def reasons_of(connection: sa.Connection, paths: Sequence[str]) -> list[str]:
    """Of these paths, what cannot be read, and why: a text for each."""
    files = transaction_files.c
    query = sa.select(files.path, files.member, files.reason).where(
        files.status == "unreadable", is_any_of(files.path, paths)
    )
    rows = connection.execute(query.order_by(files.path, files.member))
    return [f"{f'{row.path}/{row.member}'.rstrip('/')}: {row.reason}" for row in rows]


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
    rows = rows.astype(dict.fromkeys(counts, "Int64"))
    if "is_counts_only" in rows.columns:
        rows["is_counts_only"] = rows["is_counts_only"].eq(True)
    copy_rows(connection, transaction_files, rows)


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


def add_content_hours(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Appends the hours of contents: content_id, hour_number, rows."""
    copy_rows(connection, content_hours, rows)


def add_rejected(connection: sa.Connection, rows: pd.DataFrame) -> None:
    """Appends lines to the quarantine."""
    copy_rows(connection, rejected_transactions, rows)


def drop_rejected(connection: sa.Connection, contents: Sequence[int]) -> None:
    """Removes quarantined lines of contents without a current file; the ledger row keeps their number."""
    connection.execute(sa.delete(rejected_transactions).where(is_any_of(rejected_transactions.c.content_id, contents)))
