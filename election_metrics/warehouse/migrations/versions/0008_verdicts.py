"""Verdicts: ballots that a verifier found invalid."""

from pathlib import Path

from alembic import op

revision = "0008_verdicts"
down_revision = "0007_precincts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = Path(__file__).with_suffix(".sql").read_text("utf-8")
    op.get_bind().exec_driver_sql(text.replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP VIEW metrics.verdict_hourly_stats")
    op.execute("DROP VIEW metrics.verdicts")
    op.execute("DROP TABLE ingest.verdict_rows")
    op.execute("DROP TABLE ingest.verdict_lists")
