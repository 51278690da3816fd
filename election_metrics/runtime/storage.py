"""Dagster's storage: where the settings say, and it looks at every run and backfill before it takes it (`asked`).

The storage is the one thing that whoever asks for a run must pass: the webserver, the daemon, Dagster's command line.
Nothing here takes configuration, so that one dagster.yaml serves every command, also with an empty environment.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Self

from dagster import DagsterRun
from dagster._config.config_schema import UserConfigSchema
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.sql import create_engine
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresRunStorage
from dagster_shared.error import SerializableErrorInfo

from election_metrics.runtime.asked import ASKER, RefusedError, checked_backfill, checked_run, now
from election_metrics.settings import Settings, settings
from election_metrics.warehouse.server import dagster_url, ensure_database

_used: Settings | None = None


def use(chosen: Settings) -> None:
    """Has Dagster's storage in this process be that of these settings, in the place of the environment's."""
    global _used  # noqa: PLW0603 Dagster makes the storage, and takes nothing from us
    _used = chosen


def _settings() -> Settings:
    return _used or settings()


class RunStorage(PostgresRunStorage):
    """Dagster's runs and backfills in PostgreSQL."""

    def add_run(self, dagster_run: DagsterRun) -> DagsterRun:
        """Writes a run down.

        Raises:
            RefusedError: it cannot go well; says why.
        """
        with _in_words_to_people():
            checked = checked_run(dagster_run, _settings().most_hours, now())
        return super().add_run(checked)

    def add_backfill(self, partition_backfill: PartitionBackfill) -> None:
        """Writes a backfill down.

        Raises:
            RefusedError: it is too wide; says what to do.
        """
        with _in_words_to_people():
            checked = checked_backfill(partition_backfill, _settings().most_hours, now())
        super().add_backfill(checked)

    def dispose(self) -> None:
        """Closes the connection that is kept."""
        self._engine.dispose()


class _WithoutConfiguration:
    """Takes nothing from dagster.yaml."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return {}


class Storage(_WithoutConfiguration, DagsterPostgresStorage):
    """Dagster's storage in the PostgreSQL that the settings name, or in the embedded one (`storage: custom:`).

    A process keeps one connection, and opens more only where several threads need one at once.
    """

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        self._run_storage = RunStorage(postgres_url)
        # Dagster's parts connect anew for each statement: 350 times in a small run, a third of what the run costs.
        kept = create_engine(
            postgres_url, isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=-1, pool_pre_ping=True
        )
        for part in (self._run_storage, self._event_log_storage, self._schedule_storage):
            part._engine = kept

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:  # noqa: ARG003
        """Made by Dagster; starts the embedded server, and makes the database, where they are not there.

        Raises:
            WarehouseError: the server cannot be reached, or does not start.
        """
        url = dagster_url(_settings())
        ensure_database(url)
        return cls(url.render_as_string(hide_password=False), inst_data)


class ArtifactStorage(_WithoutConfiguration, LocalArtifactStorage):
    """What Dagster keeps in files: below HOME."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:  # noqa: ARG003
        """Made by Dagster."""
        return cls(str(_settings().dagster_path), inst_data)


class ComputeLogs(_WithoutConfiguration, LocalComputeLogManager):
    """What steps print: below HOME."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:  # noqa: ARG003
        """Made by Dagster."""
        return cls(str(_settings().dagster_path / "storage"), inst_data=inst_data)


@contextlib.contextmanager
def _in_words_to_people() -> Iterator[None]:
    """In the webserver, a refusal is the answer to whoever asked; else the UI shows a page of our code beneath it."""
    try:
        yield
    except RefusedError as refused:
        if ASKER.get() is None:
            raise
        from dagster_graphql.implementation.utils import UserFacingGraphQLError
        from dagster_graphql.schema.errors import GraphenePythonError

        said = GraphenePythonError(SerializableErrorInfo(refused.message, [], None))  # type: ignore[no-untyped-call]
        raise UserFacingGraphQLError(said) from None
