"""What the SQL makes of a file, in the form of the reference: both are compared as lists in any order."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from election_metrics.lake.engine import Engine, Readable
from election_metrics.lake.landing import stage
from election_metrics.settings import Settings
from election_metrics_tests.exports import CONTRACT
from election_metrics_tests.reference import Row, read_file

NOW = datetime(2026, 9, 25, tzinfo=UTC)
LATEST_MS = int(NOW.timestamp() * 1000) + 86_400_000
# The number of the byte, of fields or of bytes is the fast reader's own business.
_SHORTENED = (
    "12 fields are expected",
    "bad UTF-8",
    "the line contains a carriage return",
    "the transaction is before the first hour",
)


def staged(engine: Engine, settings: Settings, paths: Sequence[Path]) -> list[Row]:
    """The rows of files, as landing stages them."""
    files = []
    for number, path in enumerate(paths):
        content = path.read_bytes()
        size = len(content) + (not content.endswith(b"\n")) if content else 0
        files.append(Readable(number, CONTRACT, path, size, path.name))
    given_up = stage(engine, settings, files, paths[0].parent, NOW)
    assert all(reason.startswith("the file is UTF-") for reason in given_up.values()), given_up
    rows = engine.query(
        "SELECT kind, transaction_id, occurred_ms, operation, quantity, "
        "CASE WHEN kind = 'vote_cast' THEN sender END AS voter, rejection, is_rollback FROM staged"
    )
    rows = rows.astype({"occurred_ms": "Int64", "quantity": "Int64"}).astype("object")
    return [_row(*row) for row in rows.where(rows.notna(), None).itertuples(index=False)]


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


def difference(engine: Engine, settings: Settings, folder: Path, *contents: bytes) -> str:
    """How the SQL and the reference differ over these contents of files; empty where they agree on every line."""
    paths = [folder / f"lines{number}.csv" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    first_ms = int(settings.first_hour.timestamp() * 1000)
    ours = Counter(staged(engine, settings, paths))
    theirs = Counter(row for content in contents for row in read_file(content, LATEST_MS, first_ms))
    if ours == theirs:
        return ""
    return f"the SQL says {list((ours - theirs).elements())}, the reference {list((theirs - ours).elements())}"
