"""Replaced and removed rows are kept, with the commits in which they came and went; the tables as of any moment."""

from pathlib import Path

from alembic import op

revision = "0003_history"
down_revision = "0002_inside_hours"
branch_labels = None
depends_on = None

_KEPT = """
    SELECT table_name FROM information_schema.columns
    WHERE table_schema = 'metrics' AND column_name = 'commit_number'
"""


def upgrade() -> None:
    text = Path(__file__).with_suffix(".sql").read_text("utf-8")
    op.get_bind().exec_driver_sql(text.replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP VIEW metrics.verifications, metrics.corrections_log")
    op.execute("DROP SCHEMA as_of CASCADE")
    for name in op.get_bind().exec_driver_sql(_KEPT).scalars().all():
        for trigger in ("number_row", "keep_updated", "keep_deleted"):
            op.execute(f"DROP TRIGGER {trigger} ON metrics.{name}")
        op.execute(f"ALTER TABLE metrics.{name} DROP COLUMN commit_number")
    for function in ("keep_history(text)", "keep_deleted()", "keep_updated()", "number_row()", "this_commit()"):
        op.execute(f"DROP FUNCTION ingest.{function}")
    op.execute("DROP SCHEMA history CASCADE")
    op.execute("DROP FUNCTION ingest.commit_now()")
    op.execute("ALTER TABLE ingest.constituency_versions DROP COLUMN since_hour")
    for name in ("hour_versions", "election_versions"):
        op.execute(f"ALTER TABLE ingest.{name} DROP COLUMN causes")
