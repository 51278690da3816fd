"""Which constituencies changed, what landings failed, what is wrong now, and the final count of each election."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


READABLE = """
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'election_metrics_reader') THEN
        GRANT SELECT ON metrics.reconciliations TO election_metrics_reader;
    END IF;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "constituency_versions",
        sa.Column("constituency_id", sa.Text(), nullable=False, comment="Constituency"),
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election"),
        sa.Column(
            "hourly_version",
            sa.BigInteger(),
            nullable=False,
            comment="The election's hourly_version at which a figure of this constituency changed last",
        ),
        sa.PrimaryKeyConstraint("constituency_id", name=op.f("constituency_versions_pkey")),
        schema="ingest",
        comment="Which constituencies an election's derived tables must be computed again for",
    )
    op.create_index(
        op.f("constituency_versions_election_id_idx"),
        "constituency_versions",
        ["election_id"],
        unique=False,
        schema="ingest",
    )
    op.create_table(
        "landing_attempts",
        sa.Column("path", sa.Text(), nullable=False, comment="File below the source"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="Bytes"),
        sa.Column("modified_ns", sa.BigInteger(), nullable=False, comment="Time of change, nanoseconds since 1970"),
        sa.Column(
            "tries",
            sa.BigInteger(),
            nullable=False,
            comment="Landings that began with this version and never ended: their process died, or an error came",
        ),
        sa.Column("together", sa.BigInteger(), nullable=False, comment="Files that the last of them read at once"),
        sa.Column(
            "reason", sa.Text(), nullable=True, comment="What the last of them said; NULL where it died without a word"
        ),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False, comment="When the last of them began"),
        sa.Column(
            "set_aside_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Since when it waits, so that the others land without it; NULL: it is tried with them",
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run of the last of them"),
        sa.PrimaryKeyConstraint("path", name=op.f("landing_attempts_pkey")),
        schema="ingest",
        comment="Files that may bring a landing down; empty while all is well",
    )
    op.create_table(
        "problems",
        sa.Column("problem_id", sa.Text(), nullable=False, comment="What is wrong, as a key: the same while it lasts"),
        sa.Column("severity", sa.Text(), nullable=False, comment="error or warning"),
        sa.Column("title", sa.Text(), nullable=False, comment="What is wrong, in a line"),
        sa.Column("detail", sa.Text(), nullable=False, comment="Where, why, and what to type"),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False, comment="When it was first seen"),
        sa.Column(
            "alerted_at", sa.DateTime(timezone=True), nullable=True, comment="When it was sent out; NULL: not yet"
        ),
        sa.CheckConstraint("severity IN ('error', 'warning')", name=op.f("problems_severity_check")),
        sa.PrimaryKeyConstraint("problem_id", name=op.f("problems_pkey")),
        schema="ingest",
        comment="What is wrong now; a row goes when the problem does",
    )
    op.create_table(
        "reconciliations",
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election"),
        sa.Column("first_hour", sa.DateTime(timezone=True), nullable=False, comment="First hour compared (UTC)"),
        sa.Column("last_hour", sa.DateTime(timezone=True), nullable=False, comment="Last hour compared (UTC)"),
        sa.Column(
            "hours",
            sa.BigInteger(),
            nullable=False,
            comment="Hours with transactions that were counted again from the lake",
        ),
        sa.Column(
            "rows_compared",
            sa.BigInteger(),
            nullable=False,
            comment="Rows of hourly_stats that were compared, every figure of each",
        ),
        sa.Column(
            "rows_differing",
            sa.BigInteger(),
            nullable=False,
            comment="Rows that differed; their hours were re-opened and computed again",
        ),
        sa.Column(
            "transactions", sa.BigInteger(), nullable=False, comment="Distinct transactions that stand, counted again"
        ),
        sa.Column("bulletins_issued", sa.BigInteger(), nullable=False, comment="Bulletins issued, counted again"),
        sa.Column("votes_cast", sa.BigInteger(), nullable=False, comment="Votes cast, counted again"),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False, comment="When the row was computed"),
        sa.CheckConstraint(
            "hours >= 0 AND rows_compared >= 0 AND rows_differing >= 0 AND transactions >= 0 AND bulletins_issued >= 0 AND votes_cast >= 0",
            name=op.f("reconciliations_not_negative_check"),
        ),
        sa.ForeignKeyConstraint(
            ["election_id"], ["metrics.elections.election_id"], name=op.f("reconciliations_election_id_fkey")
        ),
        sa.PrimaryKeyConstraint("election_id", name=op.f("reconciliations_pkey")),
        schema="metrics",
        comment="The last time every hour of an election was counted again from the raw transactions",
    )
    op.add_column(
        "election_versions",
        sa.Column(
            "whole_version",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="The hourly_version at which every constituency of it changed, as with its registry",
        ),
        schema="ingest",
    )
    # Elections that are behind are so as a whole: which of their constituencies changed was not written down.
    op.execute("UPDATE ingest.election_versions SET whole_version = hourly_version")
    op.execute(READABLE)


def downgrade() -> None:
    op.drop_column("election_versions", "whole_version", schema="ingest")
    op.drop_table("reconciliations", schema="metrics")
    op.drop_table("problems", schema="ingest")
    op.drop_table("landing_attempts", schema="ingest")
    op.drop_index(op.f("constituency_versions_election_id_idx"), table_name="constituency_versions", schema="ingest")
    op.drop_table("constituency_versions", schema="ingest")
