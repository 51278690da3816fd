"""Dumps of the chain's blocks: which heights of which shard they hold; contracts of which the last vote counts."""

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
    op.execute("DROP VIEW metrics.constituency_registers")
    op.execute("DELETE FROM ingest.corrections WHERE kind = 'last_vote_stands'")
    op.execute("ALTER TABLE ingest.corrections DROP CONSTRAINT corrections_kind_check")
    op.execute(
        "ALTER TABLE ingest.corrections ADD CONSTRAINT corrections_kind_check "
        "CHECK (kind IN ('rollback', 'repeated_vote', 'repeated_issue'))"
    )
    op.execute("DROP VIEW ingest.shard_coverage")
    op.execute("DROP TABLE ingest.block_ranges")
    op.execute("DROP TABLE ingest.expected_shards")
    op.execute("ALTER TABLE ingest.transaction_files DROP COLUMN shard")
