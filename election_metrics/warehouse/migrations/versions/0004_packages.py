"""What was published: data packages, and the commits that they show; SHA-256 of every file."""

from pathlib import Path

from alembic import op

revision = "0004_packages"
down_revision = "0003_history"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = Path(__file__).with_suffix(".sql").read_text("utf-8")
    op.get_bind().exec_driver_sql(text.replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP TABLE history.packages")
    op.execute("ALTER TABLE ingest.transaction_files DROP COLUMN sha256")
