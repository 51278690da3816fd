"""Connections to the warehouse: one engine per process, with errors translated to sentences."""

import contextlib
from collections.abc import Iterator

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from election_metrics.errors import TransientError, WarehouseError
from election_metrics.settings import Settings
from election_metrics.warehouse.release import application_name
from election_metrics.warehouse.server import is_missing, warehouse_url

_engines: dict[Settings, sa.Engine] = {}


def engine(settings: Settings) -> sa.Engine:
    """The engine of these settings, created once per process; times are UTC on every connection."""
    if settings not in _engines:
        _engines[settings] = sa.create_engine(
            warehouse_url(settings),
            pool_pre_ping=True,
            pool_size=4,
            connect_args={
                "options": connection_options(settings),
                "connect_timeout": 10,
                "application_name": application_name(),
            },
        )
    return _engines[settings]


def connection_options(settings: Settings) -> str:
    """Options of every connection: times are UTC, and the role is the one of the settings."""
    return "-c timezone=UTC" + (f" -c role={settings.database_role}" if settings.database_role else "")


def close_engines() -> None:
    """Closes every idle connection of this process."""
    while _engines:
        _engines.popitem()[1].dispose()


@contextlib.contextmanager
def transaction(settings: Settings, *, snapshot: bool = False) -> Iterator[sa.Connection]:
    """One database transaction; with `snapshot`, every read in it sees the same moment.

    Raises:
        TransientError: the connection was lost, or the server asks for a retry.
        WarehouseError: the schema does not exist yet.
    """
    try:
        with engine(settings).connect() as connection:
            if snapshot:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection
    except OperationalError as error:
        if not _may_pass(error.orig):
            raise
        raise _away(error, settings) from error
    except PoolTimeoutError as error:
        raise TransientError("too many requests wait for PostgreSQL at once") from error
    except psycopg.OperationalError as error:  # from COPY, which SQLAlchemy does not see
        if not _may_pass(error):
            raise
        raise TransientError(f"PostgreSQL is away or busy: {' '.join(str(error).split())}") from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) in ("42P01", "3F000"):
            raise WarehouseError(_NO_TABLES) from error
        raise


_NO_TABLES = "the warehouse has no tables yet, or old ones; type: election-metrics migrate"


def _away(error: OperationalError, settings: Settings) -> WarehouseError | TransientError:
    """The error to raise when PostgreSQL cannot be reached."""
    if is_missing(error.orig, engine(settings).url.database):
        return WarehouseError(_NO_TABLES)
    return TransientError(f"PostgreSQL is away or busy: {' '.join(str(error.orig).split())}")


# Transient classes of SQLSTATE: connection, resources, rollback, lock, operator intervention, system. Others are
# caused by the statement or the data.
_PASSING = ("08", "53", "40", "55", "57", "58")


def _may_pass(error: BaseException | None) -> bool:
    """Whether a retry may help; it never does for a limit of PostgreSQL (class 54)."""
    state = getattr(error, "sqlstate", None)
    return state is None or state.startswith(_PASSING)


def lock(connection: sa.Connection, name: str) -> None:
    """Takes the advisory lock of this name, waiting for it, until the transaction ends."""
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


def is_free(connection: sa.Connection, name: str) -> bool:
    """Takes the advisory lock of this name until the transaction ends, if it is free; returns whether it was."""
    query = sa.text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
    return bool(connection.execute(query, {"name": name}).scalar())


@contextlib.contextmanager
def session_lock(settings: Settings, name: str, *, shared: bool = False) -> Iterator[None]:
    """Holds the advisory lock of this name over several transactions; it is released with the connection.

    It allows a snapshot to be taken after the lock; a lock taken within the snapshot's transaction comes too late.
    Shared holders exclude exclusive ones.
    """
    kind = "_shared" if shared else ""
    try:
        connection = engine(settings).connect()
    except OperationalError as error:
        raise _away(error, settings) from error
    with connection:
        autocommit = connection.execution_options(isolation_level="AUTOCOMMIT")
        parameters = {"name": name}
        try:
            autocommit.execute(sa.text(f"SELECT pg_advisory_lock{kind}(hashtextextended(:name, 0))"), parameters)
        except OperationalError as error:
            raise _away(error, settings) from error
        try:
            yield
        finally:
            with contextlib.suppress(OperationalError):
                autocommit.execute(sa.text(f"SELECT pg_advisory_unlock{kind}(hashtextextended(:name, 0))"), parameters)
