"""Sources by mapping: what files say of places, what counters were published, and which rules do not apply."""

from pathlib import Path

from alembic import op

revision = "0009_mapped"
down_revision = "0008_verdicts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = Path(__file__).with_suffix(".sql").read_text("utf-8")
    op.get_bind().exec_driver_sql(text.replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP VIEW metrics.spread_hours, metrics.published_counters")
    for name in ("counter_observations", "mapped_places", "mapped_sources"):
        op.execute(f"DROP TABLE ingest.{name}")
