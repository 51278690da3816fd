"""What each hour of a table says of its constituencies; comments of views say what their own column is."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_RATE = "Votes cast / registered voters * 100; NULL where the register is 0 or not known"
_COMMENTS = {
    "constituency_current.registered_voters": (
        "Registered voters now, of the constituencies whose register is known; NULL if none",
        "Registered voters now; NULL where not known",
    ),
    "constituency_current.participation_rate": (f"{_RATE}, and while a reporting constituency has none", _RATE),
    "constituency_current.anomaly_count": (
        "Transactions anomalous in themselves: failed issues, rejected and unknown votes, re-votes, and bulletins and "
        "votes outside the voting times (15 minutes' grace for votes)",
        "Transactions anomalous in themselves: failed issues, rejected and unknown votes, re-votes, bulletins and votes "
        "that a table's owner flags or that are outside the voting times (15 minutes' grace for votes)",
    ),
    "constituency_current.vote_trend": (
        "The same of votes: votes an hour per hour",
        "Slope of the least-squares line through the votes of the voting hours, silent ones being 0: votes an hour per "
        "hour; NULL for fewer than two of them",
    ),
    "election_current.name": (
        "Name of the constituency; NULL where no path or reference has it",
        "Name of the election",
    ),
    "conflicting_transactions.stands": (
        "Whether the row counts; one of an id does, the others are lost",
        "Whether the row is the one of its id that stands, in each file that holds it; unless the id is withdrawn, it counts",
    ),
}


def _say(side: int) -> None:
    for column, said in _COMMENTS.items():
        quoted = said[side].replace("'", "''")
        op.execute(f"COMMENT ON COLUMN metrics.{column} IS '{quoted}'")


def upgrade() -> None:
    _say(1)
    op.create_table(
        "table_places",
        sa.Column("content_id", sa.BigInteger(), nullable=False, comment="What landed of an hour of a table"),
        sa.Column("constituency_id", sa.Text(), nullable=False, comment="Constituency"),
        sa.Column(
            "election", sa.Text(), comment="Election's name in these rows, the first by name; NULL where none says it"
        ),
        sa.PrimaryKeyConstraint("content_id", "constituency_id", name=op.f("table_places_pkey")),
        schema="ingest",
        comment="Constituencies that landed rows of a transactions table are of",
    )
    op.create_index(op.f("table_places_constituency_id_idx"), "table_places", ["constituency_id"], schema="ingest")
    op.create_index(op.f("transaction_files_run_id_idx"), "transaction_files", ["run_id"], schema="ingest")
    # What landed before is read again at the next comparison, now.
    op.execute("UPDATE ingest.table_contents SET fingerprint = -1")
    op.execute("UPDATE ingest.table_reads SET compared_at = NULL")


def downgrade() -> None:
    op.drop_index(op.f("transaction_files_run_id_idx"), "transaction_files", schema="ingest")
    op.drop_table("table_places", schema="ingest")
    _say(0)
