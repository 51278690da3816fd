"""Reads the tables as they were known at a moment: the same queries, on schema `as_of`."""

import re
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from election_metrics.errors import ElectionMetricsError
from election_metrics.warehouse.tables import WITH_HISTORY

_VIEWS = ("turnout_by_hour", "constituency_current", "election_current")
KEPT = frozenset({table.name for table in WITH_HISTORY}.union(_VIEWS))
"""Tables and views of schema `metrics` whose replaced and removed rows are kept."""
_NAMED = re.compile(r"\b(metrics|ingest)\.(\w+)")
_NOW = re.compile(r"\bnow\(\)")
_FUNCTIONS = frozenset({"natural_order"})


class NotKeptError(ElectionMetricsError):
    """What is asked for is known as of the present only."""


def known_at(connection: sa.Connection, moment: datetime | None) -> sa.Connection:
    """The connection, from now on reading what was known at a moment; None: as it is, what is known now.

    Args:
        connection: in a transaction.
        moment: an instant; what was committed until then is known. Of commits that were thinned out, the last one of
            an hour is.
    """
    if moment is None:
        return connection
    connection.execute(
        sa.text("SELECT set_config('election_metrics.as_of', :moment, true)"),
        {"moment": moment.astimezone(UTC).isoformat()},
    )
    return connection.execution_options(reads_the_past=True)


def in_the_past(statement: str) -> str:
    """The statement on schema `as_of` instead of `metrics`, and as if it were run then.

    Raises:
        NotKeptError: it reads what has no history.
    """

    def renamed(found: re.Match[str]) -> str:
        schema, name = found.groups()
        if schema == "metrics" and name in _FUNCTIONS:
            return found.group()
        if schema == "metrics" and name in KEPT:
            return f"as_of.{name}"
        raise NotKeptError(f"{name} is known as of the present only; leave as_of out")

    return _NOW.sub("as_of.moment()", _NAMED.sub(renamed, statement))


def reads_the_past(connection: sa.Connection) -> bool:
    """Whether the connection reads what was known at a moment (`known_at`)."""
    return bool(connection.get_execution_options().get("reads_the_past"))


def as_known(connection: sa.Connection, statement: str) -> str:
    """The statement as this connection should run it; for statements that do not pass through SQLAlchemy."""
    return in_the_past(statement) if reads_the_past(connection) else statement


def newest_commit(connection: sa.Connection) -> datetime | None:
    """When the newest commit was made that the transaction sees, or that it reads as of."""
    found: datetime | None = connection.execute(_NEWEST).scalar()
    return found


_NEWEST = sa.text(
    "SELECT committed_at FROM history.commits WHERE commit_number <= (SELECT as_of.commit_number()) "
    "ORDER BY commit_number DESC LIMIT 1"
)


@event.listens_for(sa.Engine, "before_cursor_execute", retval=True)
def _rewrite(
    connection: sa.Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
) -> tuple[str, Any]:
    return as_known(connection, statement), parameters
