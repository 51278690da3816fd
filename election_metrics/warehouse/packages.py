"""Published packages: which commit each shows, so that what was published stays in the history."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from election_metrics.errors import TransientError
from election_metrics.warehouse.database import lock
from election_metrics.warehouse.rows import Row, read_rows
from election_metrics.warehouse.tables import WITH_HISTORY


@dataclass(frozen=True)
class Commit:
    """A commit of the public tables: its number, and when its rows became visible."""

    number: int
    at: datetime


def newest(connection: sa.Connection, election: str) -> Commit | None:
    """The first kept commit that shows an election as the transaction sees it; None if it has no figures."""
    changes = []
    for table in WITH_HISTORY:
        for column, rows in (("commit_number", table.fullname), ("replaced_in", f"history.{table.name}_replaced")):
            changes.append(f"SELECT max({column}) FROM {rows} WHERE election_id = :election")  # noqa: S608
    query = f"""
        SELECT commit_number, committed_at FROM history.commits
        WHERE is_kept AND commit_number >= (SELECT max(number) FROM ({" UNION ALL ".join(changes)}) AS change (number))
        ORDER BY commit_number LIMIT 1
    """  # noqa: S608 names of our tables
    row = connection.execute(sa.text(query), {"election": election}).one_or_none()
    return None if row is None else Commit(*row)


def record(
    connection: sa.Connection, sha256: str, election: str, shown: Commit, now: datetime, *, signed: bool
) -> None:
    """Records a package, once: the same one again changes nothing.

    Args:
        connection: in a transaction.
        sha256: of the package's SHA256SUMS.
        election: the election_id.
        shown: the commit that the package shows.
        now: the current time.
        signed: whether it is signed.

    Raises:
        TransientError: the commit was thinned out of the history meanwhile.
    """
    lock(connection, "commits")  # the history is not thinned out meanwhile
    values = {"sha256": sha256, "election": election, "number": shown.number, "now": now, "signed": signed}
    if not connection.execute(_RECORD, values).rowcount:
        raise TransientError("the history was thinned out while the package was written; publish again")


_RECORD = sa.text(
    """
    INSERT INTO history.packages (sha256, election_id, commit_number, known_at, published_at, is_signed)
    SELECT :sha256, :election, commit_number, committed_at, :now, :signed
    FROM history.commits WHERE commit_number = :number AND is_kept
    ON CONFLICT (sha256) DO UPDATE SET is_signed = packages.is_signed OR excluded.is_signed
    """
)


def of_election(connection: sa.Connection, election: str) -> list[Row]:
    """Packages of an election, the newest first: sha256, known_at, published_at, is_signed."""
    query = (
        "SELECT sha256, known_at, published_at, is_signed FROM history.packages WHERE election_id = :election "
        "ORDER BY published_at DESC"
    )
    return read_rows(connection, sa.text(query), election=election)
