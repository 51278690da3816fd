"""Bulletins and the register by precinct; zips of tables as a source."""

from pathlib import Path

from alembic import op

revision = "0007_precincts"
down_revision = "0006_portal"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = Path(__file__).with_suffix(".sql").read_text("utf-8")
    op.get_bind().exec_driver_sql(text.replace("%", "%%"))


def downgrade() -> None:
    op.execute("ALTER TABLE ingest.transaction_files DROP COLUMN is_counts_only")
    # A view gives no column back: the column stays, and nothing reads it.
    op.execute("COMMENT ON COLUMN ingest.registry_events.names_precinct IS NULL")
    op.execute("DROP VIEW metrics.precinct_current")
    op.execute("DROP VIEW metrics.precinct_hourly_stats")
    op.execute("DROP TABLE ingest.precinct_hours")
