"""Chooses the PostgreSQL server: the one in the settings, or the embedded one under HOME (`embedded`)."""

import os
from typing import TYPE_CHECKING

import psycopg
from pydantic import SecretStr

from election_metrics.errors import WarehouseError
from election_metrics.settings import Settings
from election_metrics.warehouse import embedded

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

DATABASE = "election_metrics"
DAGSTER_DATABASE = "election_metrics_dagster"
_DRIVER = "postgresql+psycopg"
# SQLAlchemy 2.1 reads a bare postgresql:// as psycopg 3, with which Dagster's event log fails on NOTIFY.
_DAGSTER_DRIVER = "postgresql+psycopg2"


def warehouse_url(settings: Settings) -> "URL":
    """URL of the warehouse, for SQLAlchemy with psycopg 3; starts the embedded server if none is configured.

    Raises:
        WarehouseError: the embedded server does not start.
    """
    if settings.database_url is not None:
        return _read(settings.database_url).set(drivername=_DRIVER)
    return embedded.url(settings.home, DATABASE).set(drivername=_DRIVER)


def address_if_ready(settings: Settings) -> str | None:
    """Address of the warehouse, for psycopg; None if the embedded server does not run, or is not ready.

    Unlike `warehouse_url`, it starts nothing and does not wait.
    """
    if settings.database_url is not None:
        return plain_url(warehouse_url(settings))
    return embedded.address_if_ready(settings.home, DATABASE)


def dagster_url(settings: Settings) -> "URL":
    """URL of Dagster's database, for SQLAlchemy with psycopg 2; on the same server unless a setting names another."""
    if settings.dagster_database_url is not None:
        return _read(settings.dagster_database_url).set(drivername=_DAGSTER_DRIVER)
    if settings.database_url is not None:
        ours = _read(settings.database_url)
        return ours.set(drivername=_DAGSTER_DRIVER, database=f"{ours.database}_dagster")
    return embedded.url(settings.home, DAGSTER_DATABASE).set(drivername=_DAGSTER_DRIVER)


def _read(url: SecretStr) -> "URL":
    from sqlalchemy.engine import make_url  # as in `embedded.url`

    return make_url(url.get_secret_value())


def plain_url(url: "URL") -> str:
    """The URL for psql and psycopg: without a driver, with its password."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def ensure_database(url: "URL") -> None:
    """Creates the URL's database if it does not exist.

    Raises:
        WarehouseError: the server cannot be reached, or the role may not create databases.
    """
    try:
        psycopg.connect(plain_url(url), connect_timeout=10).close()
        return
    except psycopg.OperationalError as error:
        if not is_missing(error, url.database):
            raise WarehouseError(_unreachable(url, error)) from None
    try:
        with psycopg.connect(plain_url(url.set(database="postgres")), autocommit=True, connect_timeout=10) as server:
            server.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(url.database or "")))
    except psycopg.errors.DuplicateDatabase:
        return  # another process was first
    except psycopg.errors.UniqueViolation:
        return  # the same race, detected by the catalogue
    except psycopg.Error as error:
        raise WarehouseError(
            f"the database {url.database!r} does not exist and cannot be created: {str(error).strip()}. "
            f"Create it yourself: CREATE DATABASE {url.database};"
        ) from None


def is_missing(error: BaseException | None, database: str | None) -> bool:
    """Whether the error says that the database does not exist."""
    return f'database "{database}" does not exist' in str(error)


def _unreachable(url: "URL", error: Exception) -> str:
    shown = url.set(drivername="postgresql").render_as_string(hide_password=True)
    return f"PostgreSQL at {shown} cannot be reached: {' '.join(str(error).split())}"


def is_up(settings: Settings) -> bool:
    """Whether the embedded server is running."""
    return embedded.is_up(settings.home)


def revive(settings: Settings) -> None:
    """Starts the embedded server again after it was killed.

    Raises:
        WarehouseError: it does not start.
    """
    embedded.forget(settings.home)
    embedded.socket_folder(settings.home)


def keep_running() -> None:
    """Registers the calling shell as a user of the embedded server, so that it keeps running for psql."""
    embedded.keep_for(os.getsid(0))
