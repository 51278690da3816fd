"""Tables in other databases as sources: how far they were read, and what landed of their hours."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WITH_BALLOTS = ("hourly_stats", "election_hours", "constituency_metrics", "election_summaries", "region_summaries")
_ANOMALOUS = "Transactions anomalous in themselves: failed issues, rejected and unknown votes, re-votes, "
_BEFORE = {
    "anomaly_count": "and bulletins and votes outside the voting times (15 minutes' grace for votes)",
    "path": "Absolute path on disk",
    "constituency_id": "Contract id from the file's name",
}
_NOW = {
    "anomaly_count": "bulletins and votes that a table's owner flags or that are outside the voting times (15 minutes'"
    " grace for votes)",
    "path": "Absolute path on disk; of a table's rows table:<name>/<hour>",
    "constituency_id": "Contract id from the file's name; NULL for rows of a table",
}

# The API names the sources of a constituency's figures.
_READABLE = """
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'election_metrics_api') THEN
        GRANT SELECT ON ingest.table_contents, ingest.table_constituencies, ingest.table_reads TO election_metrics_api;
    END IF;
END $$
"""


def _text(name: str, comment: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=nullable, comment=comment)


def _count(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, comment=comment)


def _instant(name: str, comment: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, comment=comment)


def _comment(said: dict[str, str]) -> None:
    columns = {f"metrics.{table}.anomaly_count": _ANOMALOUS + said["anomaly_count"] for table in _WITH_BALLOTS}
    columns |= {f"ingest.transaction_files.{name}": said[name] for name in ("path", "constituency_id")}
    for column, comment in columns.items():
        op.execute(f"COMMENT ON COLUMN {column} IS '" + comment.replace("'", "''") + "'")


def upgrade() -> None:
    op.create_table(
        "table_reads",
        _text("source", "Name of the transactions table in its mapping"),
        _text("place", "Database (without a password) and table"),
        sa.Column("read_up_to", JSONB(), nullable=False, comment="How far it was read: horizon, low, newest, marks"),
        _instant("read_at", "When it was looked at last: all that was there then has landed", nullable=False),
        _instant("compared_at", "When each of its hours was last compared with what landed"),
        sa.PrimaryKeyConstraint("source", name="table_reads_pkey"),
        schema="ingest",
        comment="Transactions tables in other databases, and how far each was read",
    )
    op.create_table(
        "table_contents",
        _count("content_id", "Number under which the rows rest in the lake"),
        _text("source", "Transactions table"),
        _count("hour_number", "Hours since 1970 (UTC); -1 where the time is none"),
        _count("rows", "Rows of the table"),
        sa.Column(
            "fingerprint",
            sa.Numeric(),
            nullable=False,
            comment="Sum of the rows' hashes: the first 60 bits of their MD5",
        ),
        sa.PrimaryKeyConstraint("content_id", name="table_contents_pkey"),
        schema="ingest",
        comment="What landed of a table's hours and still counts: compared with what the table holds now",
    )
    op.create_index(
        "table_contents_source_hour_number_idx", "table_contents", ["source", "hour_number"], schema="ingest"
    )
    op.create_table(
        "table_constituencies",
        _text("source", "Transactions table"),
        _text("constituency_id", "Constituency"),
        _text("election", "Election's name, where the table says it", nullable=True),
        _count("first_hour", "Hour of its first transaction (hours since 1970, UTC)"),
        sa.PrimaryKeyConstraint("source", "constituency_id", name="table_constituencies_pkey"),
        schema="ingest",
        comment="Constituencies that a transactions table has rows of",
    )
    op.create_index(
        "table_constituencies_constituency_id_idx", "table_constituencies", ["constituency_id"], schema="ingest"
    )
    op.execute(_READABLE)
    _comment(_NOW)


def downgrade() -> None:
    for table in ("table_constituencies", "table_contents", "table_reads"):
        op.drop_table(table, schema="ingest")
    _comment(_BEFORE)
