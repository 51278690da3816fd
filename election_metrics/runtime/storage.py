"""Dagster's storage at the place that the settings name; it validates every run and backfill (`asked`).

Every run request passes the storage, whether it comes from the webserver, the daemon or Dagster's command line.
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


def use(override: Settings) -> None:
    """Makes Dagster's storage in this process use these settings instead of the environment's."""
    global _used  # noqa: PLW0603 Dagster creates the storage and passes no arguments of ours
    _used = override


def _settings() -> Settings:
    return _used or settings()


class RunStorage(PostgresRunStorage):
    """Dagster's runs and backfills in PostgreSQL."""

    def add_run(self, dagster_run: DagsterRun) -> DagsterRun:
        """Stores a run.

        Raises:
            RefusedError: the run is not allowed; says why.
        """
        with _refusals_as_answers():
            checked = checked_run(dagster_run, _settings().most_hours, now())
        return super().add_run(checked)

    def add_backfill(self, partition_backfill: PartitionBackfill) -> None:
        """Stores a backfill.

        Raises:
            RefusedError: it covers too many hours; says what to do.
        """
        with _refusals_as_answers():
            checked = checked_backfill(partition_backfill, _settings().most_hours, now())
        super().add_backfill(checked)

    def dispose(self) -> None:
        """Closes the connection that is kept."""
        self._engine.dispose()


class _WithoutConfiguration:
    """A class that takes no configuration from dagster.yaml."""

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
        """Called by Dagster; starts the embedded server and creates the database if necessary.

        Raises:
            WarehouseError: the server cannot be reached, or does not start.
        """
        url = dagster_url(_settings())
        ensure_database(url)
        return cls(url.render_as_string(hide_password=False), inst_data)


class ArtifactStorage(_WithoutConfiguration, LocalArtifactStorage):
    """Dagster's files, below HOME."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:  # noqa: ARG003
        """Called by Dagster."""
        return cls(str(_settings().dagster_path), inst_data)


class ComputeLogs(_WithoutConfiguration, LocalComputeLogManager):
    """Output of steps, below HOME."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:  # noqa: ARG003
        """Called by Dagster."""
        return cls(str(_settings().dagster_path / "storage"), inst_data=inst_data)


@contextlib.contextmanager
def _refusals_as_answers() -> Iterator[None]:
    """In the webserver, returns a refusal as the answer; otherwise the UI would show a traceback below it."""
    try:
        yield
    except RefusedError as refused:
        if ASKER.get() is None:
            raise
        from dagster_graphql.implementation.utils import UserFacingGraphQLError
        from dagster_graphql.schema.errors import GraphenePythonError

        answer = GraphenePythonError(SerializableErrorInfo(refused.message, [], None))  # type: ignore[no-untyped-call]
        raise UserFacingGraphQLError(answer) from None
