"""The tables, views and triggers of the first release; their SQL is in the same folder."""

from pathlib import Path

from alembic import op

revision = "0001_tables"
down_revision = None
branch_labels = None
depends_on = None

_VIEWS = (
    "metrics.election_current", "metrics.constituency_current", "metrics.turnout_by_hour", "metrics.register_changes",
    "metrics.conflicting_transactions", "metrics.input_notes", "ingest.standing_registry_events", "ingest.lost_rows", "ingest.judged_rows",
)  # fmt: skip
_TABLES = (
    "metrics.anomalies", "metrics.anomaly_thresholds", "metrics.constituency_metrics", "metrics.constituency_reference",
    "metrics.election_hours", "metrics.election_reference", "metrics.election_summaries", "metrics.hourly_stats",
    "metrics.missing_input", "metrics.participation_extremes", "metrics.reconciliations", "metrics.region_summaries",
    "metrics.constituencies", "ingest.constituency_registry", "metrics.elections",
    "ingest.audit_log", "ingest.conflicting_rows", "ingest.constituency_versions", "ingest.content_hours",
    "ingest.corrections", "ingest.election_versions", "ingest.files_not_read", "ingest.highest_totals", "ingest.hour_versions",
    "ingest.lake_parts", "ingest.landing_attempts", "ingest.problems", "ingest.registry_events",
    "ingest.registry_version", "ingest.rejected_transactions", "ingest.secrets", "ingest.table_constituencies",
    "ingest.table_contents", "ingest.table_places", "ingest.table_reads", "ingest.transaction_files",
)  # fmt: skip


def upgrade() -> None:
    for name in ("0001_tables", "0001_views", "0001_changes"):
        text = (Path(__file__).parent / f"{name}.sql").read_text("utf-8")
        op.get_bind().exec_driver_sql(text.replace("%", "%%"))


def downgrade() -> None:
    for view in _VIEWS:
        op.execute(f"DROP VIEW {view}")
    for table in _TABLES:
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP SEQUENCE ingest.content_ids")
    op.execute("DROP FUNCTION ingest.people_changed, metrics.natural_order")
