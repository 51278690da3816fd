"""Brings both databases up to date: creates them where missing, and runs our migrations up or down."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from election_metrics.errors import WarehouseError
from election_metrics.settings import Settings
from election_metrics.warehouse.database import engine, lock, transaction
from election_metrics.warehouse.server import dagster_url, ensure_database, warehouse_url


def _config(connection: sa.Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def migrate(settings: Settings, revision: str = "head") -> tuple[str | None, str | None]:
    """Moves our database to a revision: `head`, a revision's name, or `base` (which drops every table).

    Returns:
        The revision before and after.

    Raises:
        WarehouseError: there is no such revision.
    """
    ensure_database(warehouse_url(settings))
    ensure_database(dagster_url(settings))
    with transaction(settings) as connection:
        lock(connection, "migrate")
        connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS ingest"))
        connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS metrics"))
        before = _current(connection)
        config = _config(connection)
        try:
            if revision == "base" or (before and _is_below(config, revision, before)):
                command.downgrade(config, revision)
            else:
                command.upgrade(config, revision)
        except CommandError as error:
            raise WarehouseError(f"there is no revision {revision!r}: {error}") from None
        after = _current(connection)
    engine(settings).dispose()
    return before, after


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
