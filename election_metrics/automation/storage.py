"""Dagster's storage, which looks at every run and backfill before it takes it (`asked`).

The storage is the one thing that whoever asks for a run must pass: the webserver, the daemon, Dagster's command line.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Self, cast

from dagster import DagsterRun
from dagster._core.execution.backfill import PartitionBackfill
from dagster._core.storage.config import PostgresStorageConfig
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresRunStorage
from dagster_postgres.utils import pg_url_from_config
from dagster_shared.error import SerializableErrorInfo

from election_metrics.automation.asked import ASKER, RefusedError, checked_backfill, checked_run, now
from election_metrics.settings import settings


class RunStorage(PostgresRunStorage):
    """Dagster's runs and backfills in PostgreSQL."""

    def add_run(self, dagster_run: DagsterRun) -> DagsterRun:
        """Writes a run down.

        Raises:
            RefusedError: it cannot go well; says why.
        """
        with _in_words_to_people():
            checked = checked_run(dagster_run, settings().most_hours, now())
        return super().add_run(checked)

    def add_backfill(self, partition_backfill: PartitionBackfill) -> None:
        """Writes a backfill down.

        Raises:
            RefusedError: it is too wide; says what to do.
        """
        with _in_words_to_people():
            checked = checked_backfill(partition_backfill, settings().most_hours, now())
        super().add_backfill(checked)


class Storage(DagsterPostgresStorage):
    """Dagster's storage (`storage: custom:` in dagster.yaml); configured as its own for PostgreSQL."""

    def __init__(
        self, postgres_url: str, *, should_autocreate_tables: bool, inst_data: ConfigurableClassData | None = None
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data)
        self._run_storage = RunStorage(postgres_url, should_autocreate_tables)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Made by Dagster from dagster.yaml."""
        autocreate = bool(config_value.get("should_autocreate_tables", True))
        url = pg_url_from_config(cast("PostgresStorageConfig", config_value))
        return cls(url, should_autocreate_tables=autocreate, inst_data=inst_data)

    @property
    def run_storage_data(self) -> ConfigurableClassData | None:
        """How another process makes the storage of runs."""
        if self.inst_data is None:
            return None
        return ConfigurableClassData(__name__, RunStorage.__name__, self.inst_data.config_yaml)


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
