"""Creates both databases if they are missing, and runs the migrations up or down."""

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from election_metrics.errors import WarehouseError
from election_metrics.settings import Settings
from election_metrics.warehouse import roles
from election_metrics.warehouse.database import engine, lock, transaction
from election_metrics.warehouse.release import (
    refuse_beside_another_release,
    refuse_earlier,
    refuse_other_connections,
    refuse_restored_by_half,
    release,
)
from election_metrics.warehouse.server import dagster_url, ensure_database, warehouse_url


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def migrate(
    settings: Settings, revision: str = "head", tell: Callable[[str], None] = lambda _: None
) -> tuple[str | None, str | None]:
    """Migrates the warehouse to a revision, and creates missing roles and privileges.

    Args:
        settings: the settings.
        revision: `head`, a revision's name, or `base` (which drops every table).
        tell: called with a sentence for what the login has no privilege for.

    Returns:
        The revision before and after.

    Raises:
        WarehouseError: there is no such revision, the warehouse is older than the first release, processes of another
            release are connected, or HOME is half restored.
    """
    refuse_beside_another_release(settings.home)
    refuse_restored_by_half(settings.home)
    ensure_database(warehouse_url(settings))
    with transaction(settings) as connection:
        lock(connection, "migrate")
        before = _current(connection)
        refuse_earlier(before, "the warehouse")
        connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS ingest"))
        connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS metrics"))
        config = _config(connection)
        try:
            if before and before != _target(config, revision):
                refuse_other_connections(connection)
            if revision == "base" or (before and _is_below(config, revision, before)):
                command.downgrade(config, revision)
            else:
                command.upgrade(config, revision)
        except CommandError as error:
            raise WarehouseError(f"there is no revision {revision!r}: {error}") from None
        after = _current(connection)
        left = [] if after is None else roles.ensure_roles(connection)
        login = str(connection.execute(sa.text("SELECT CURRENT_USER")).scalar_one())
        if settings.database_url is None:
            roles.close_databases_of_server(connection)
    engine(settings).dispose()
    ensure_database(dagster_url(settings))
    left += _close_dagsters(settings)
    if left:
        tell(roles.shortfall(login, list(dict.fromkeys(left))))
    return before, after


def make_tables(settings: Settings) -> None:
    """Creates the tables if there are none; checked once per process.

    Raises:
        WarehouseError: the tables are of another release; says what to type.
        TransientError: PostgreSQL cannot be reached.
    """
    if settings in _made:
        return
    try:
        with transaction(settings) as connection:
            there = _current(connection)
    except WarehouseError:
        there = None
    refuse_earlier(there, "the warehouse")
    if there is None:
        migrate(settings)
    elif there != _target(_config(), "head"):
        raise WarehouseError(f"the warehouse is at {there}, and this is {release()}; type: election-metrics migrate")
    _made.add(settings)


_made: set[Settings] = set()


def _close_dagsters(settings: Settings) -> list[str]:
    """Keeps readers out of Dagster's database, where they could hold locks or fill the disk."""
    url = dagster_url(settings).set(drivername="postgresql+psycopg")
    own = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"connect_timeout": 10})
    with own.begin() as connection:
        return roles.close_database(connection)


def _target(config: Config, revision: str) -> str | None:
    return ScriptDirectory.from_config(config).get_current_head() if revision == "head" else revision


def _current(connection: sa.Connection) -> str | None:
    context = MigrationContext.configure(
        connection, opts={"version_table": "schema_version", "version_table_schema": "ingest"}
    )
    return context.get_current_revision()


def _is_below(config: Config, revision: str, current: str) -> bool:
    if revision == "head":
        return False
    script = ScriptDirectory.from_config(config)
    return revision in {below.revision for below in script.iterate_revisions(current, "base")} - {current}
