"""Dumps of the chain's blocks: which heights of which shard they hold."""

from pathlib import Path

from alembic import op

revision = "0005_blocks"
down_revision = "0004_packages"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = Path(__file__).with_suffix(".sql").read_text("utf-8")
    op.get_bind().exec_driver_sql(text.replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP VIEW ingest.shard_coverage")
    op.execute("DROP TABLE ingest.block_ranges")
    op.execute("DROP TABLE ingest.expected_shards")
    op.execute("ALTER TABLE ingest.transaction_files DROP COLUMN shard")
