"""What the SQL makes of a file, in the form of the reference: both are compared as lists in any order."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from election_metrics.lake.landing import Readable, stage
from election_metrics.settings import Settings
from election_metrics_tests.exports import CONTRACT
from election_metrics_tests.reference import Row, read_file

NOW = datetime(2026, 9, 25, tzinfo=UTC)
LATEST_MS = int(NOW.timestamp() * 1000) + 86_400_000
# The number of the byte, of fields or of bytes is the fast reader's own business.
_SHORTENED = ("12 fields are expected", "bad UTF-8", "the transaction is before the first hour")


def staged(engine: duckdb.DuckDBPyConnection, settings: Settings, path: Path) -> list[Row]:
    """The rows of a file, as landing stages them."""
    content = path.read_bytes()
    file = Readable(1, CONTRACT, path, len(content) + (not content.endswith(b"\n")) if content else 0, path.name)
    given_up = stage(engine, settings, [file], path.parent, NOW)
    assert not given_up, given_up
    rows = engine.execute(
        "SELECT kind, transaction_id, occurred_ms, operation, quantity, "
        "CASE WHEN kind = 'vote_cast' THEN sender END AS voter, rejection, is_rollback FROM staged"
    ).fetchall()
    return [_row(*row) for row in rows]


def _row(
    kind: str,
    transaction_id: str,
    occurred_ms: int,
    operation: str,
    quantity: int,
    voter: str,
    rejection: str,
    is_rollback: bool,
) -> Row:
    if rejection is not None:
        return Row(
            "rejected", rejection=next((short for short in _SHORTENED if rejection.startswith(short)), rejection)
        )
    if is_rollback:
        return Row("rollback", transaction_id)
    return Row(kind, transaction_id, occurred_ms, operation, quantity, voter)


def difference(engine: duckdb.DuckDBPyConnection, settings: Settings, path: Path, content: bytes) -> str:
    """How the SQL and the reference differ over this content; empty where they agree on every line."""
    path.write_bytes(content)
    first_ms = int(settings.first_hour.timestamp() * 1000)
    ours = Counter(staged(engine, settings, path))
    theirs = Counter(read_file(content, LATEST_MS, first_ms))
    if ours == theirs:
        return ""
    return f"the SQL says {list((ours - theirs).elements())}, the reference {list((theirs - ours).elements())}"
