"""Contents are known by a hash that nobody can forge, and hours of a table by one that only we can compute."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_COMMENTS = {
    "transaction_files.content_hash": (
        "XXH3-128 of the bytes",
        "BLAKE3 of the bytes, 64 digits; XXH3 in 32 digits where it landed before migration 0012; of a table's rows their "
        "fingerprint",
    ),
    "table_contents.fingerprint": (
        "Sum of the rows' hashes: the first 60 bits of their MD5",
        "Sum of the rows' hashes, keyed with secret `table_rows`: 60 bits each",
    ),
}


def _say(side: int) -> None:
    for column, said in _COMMENTS.items():
        quoted = said[side].replace("'", "''")
        op.execute(f"COMMENT ON COLUMN ingest.{column} IS '{quoted}'")


def _compare_again() -> None:
    """Has the next comparison, now, read every hour of a table again: its hash is another."""
    op.execute("UPDATE ingest.table_contents SET fingerprint = -1")
    op.execute("UPDATE ingest.table_reads SET compared_at = NULL")


def upgrade() -> None:
    _say(1)
    op.create_index(
        "transaction_files_hashed_before",
        "transaction_files",
        ["constituency_id", "size"],
        schema="ingest",
        postgresql_where=sa.text("length(content_hash) = 32 AND constituency_id IS NOT NULL"),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text(), nullable=False, comment="What it is for"),
        sa.Column(
            "secret", sa.Text(), nullable=False, comment="Random text that who writes transactions does not know"
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("secrets_pkey")),
        schema="ingest",
        comment="Keys of hashes that stay here",
    )
    op.execute("INSERT INTO ingest.secrets VALUES ('table_rows', gen_random_uuid()::text || gen_random_uuid()::text)")
    _compare_again()


def downgrade() -> None:
    _compare_again()
    op.drop_table("secrets", schema="ingest")
    op.drop_index("transaction_files_hashed_before", "transaction_files", schema="ingest")
    # What landed since has a hash that the release before does not know: its copies would be read as new.
    _say(0)
