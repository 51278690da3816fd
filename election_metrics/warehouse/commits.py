"""Commits of the public tables: their number, run and causes; what is known as of a moment.

Every change of a table with a history belongs to a numbered commit (`history.commits`), which the database makes with
the first row that a transaction writes. Replaced and removed rows are kept by triggers (migration 0003).
"""

from collections.abc import Iterable

import sqlalchemy as sa

from election_metrics.warehouse.database import lock

CAUSES = (
    "new file", "late file", "changed file", "correction", "register", "reference data", "withdrawal", "finding",
    "final count", "time",
)  # fmt: skip
"""Why figures change; `computed again` where none of them was the reason, as after a change of the code."""


def begin_commit(connection: sa.Connection, run_id: str | None, causes: Iterable[str]) -> None:
    """Says which run makes the transaction's commit, and why; other writers of public tables wait until it ends.

    To be called before anything is written, so that all writers take their locks in the same order.

    Args:
        connection: in a transaction.
        run_id: the Dagster run; None for a person.
        causes: some of CAUSES.
    """
    named = [cause for cause in CAUSES if cause in set(causes)] or ["computed again"]
    array = "{" + ",".join(f'"{cause}"' for cause in named) + "}"
    lock(connection, "commits")
    connection.execute(_SAY, {"run": run_id or "", "causes": array})


_SAY = sa.text(
    "SELECT set_config('election_metrics.run', :run, true), set_config('election_metrics.causes', :causes, true)"
)


def this_commit(connection: sa.Connection) -> int:
    """The number of the transaction's commit, which begins with its first row."""
    return int(connection.execute(sa.text("SELECT ingest.this_commit()")).scalar_one())
