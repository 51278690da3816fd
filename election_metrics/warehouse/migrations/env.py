"""Alembic's environment: always on a connection that `migrate` hands over."""

from typing import Any

from alembic import context

from election_metrics.warehouse.tables import metadata


def _ours(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "schema" or name in ("metrics", "ingest")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_schemas=True,
    include_name=_ours,
    compare_type=True,
    version_table="schema_version",
    version_table_schema="ingest",
)
with context.begin_transaction():
    context.run_migrations()
