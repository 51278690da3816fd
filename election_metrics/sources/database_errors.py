"""Errors of a source's database, as errors of the source: those that may pass, and others."""

import contextlib
import sqlite3
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from election_metrics.errors import SourceError, TransientError

# Transient error messages of SQLite; all others are caused by the statement or the data.
_PASSING_WORDS = ("locked", "busy", "unable to open", "disk i/o")
# Transient classes of SQLSTATE: connection, rollback, resources, object in use, operator, system.
_PASSING_STATES = ("08", "40", "53", "55", "57", "58")


def _may_pass(error: BaseException | None) -> bool:
    """Whether a retry may help: for a database that cannot be reached or is busy, never for the content of a row."""
    if isinstance(error, sqlite3.Error):
        return any(word in str(error).lower() for word in _PASSING_WORDS)
    state = getattr(error, "sqlstate", None)
    return state is None or state.startswith(_PASSING_STATES)


@contextlib.contextmanager
def translated_errors(place: str) -> Iterator[None]:
    """Raises errors of the database at `place` as errors of the source.

    Raises:
        SourceError: the statement or the data is at fault.
        TransientError: the database cannot be reached, or is busy.
    """
    try:
        yield
    except DBAPIError as error:
        message = f"{place}: {' '.join(str(error.orig).split())}"
        if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError) and _may_pass(error.orig):
            raise TransientError(message) from error
        raise SourceError(message) from error
    except SQLAlchemyError as error:
        raise SourceError(f"{place}: {error}") from error
