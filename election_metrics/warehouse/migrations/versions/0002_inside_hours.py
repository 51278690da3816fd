"""What happens inside an hour: 5-minute counts, gaps between votes, runs of one registrar; intervals of findings."""

from pathlib import Path

from alembic import op

revision = "0002_inside_hours"
down_revision = "0001_tables"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = Path(__file__).with_suffix(".sql").read_text("utf-8")
    op.get_bind().exec_driver_sql(text.replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP VIEW metrics.interval_stats")
    op.execute("DROP TABLE ingest.inside_hours")
    op.execute("DROP TABLE metrics.rule_coverage")
    op.execute("ALTER TABLE metrics.anomalies DROP COLUMN expected_low, DROP COLUMN expected_high")
