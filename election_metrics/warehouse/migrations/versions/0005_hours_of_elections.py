"""Hours summed over an election: what the page asks for again after each commit."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COUNTS = {
    "transaction_count": "Distinct transactions that stand, whatever their outcome; withdrawn ones are not in it",
    "bulletins_issued": "Bulletins issued by calls that did not fail",
    "bulletins_failed": "Issue calls that failed",
    "votes_cast": "Accepted votes, the first of each voter key",
    "votes_rejected": "Votes that failed",
    "votes_unknown": "Votes with neither a failure nor a recorded vote",
    "revotes": "Accepted votes of a voter key after its first",
    "withdrawn": "Transactions withdrawn by a rollback, in their own hour",
    "anomaly_count": "Transactions anomalous in themselves: failed issues, rejected and unknown votes, re-votes, and"
    " bulletins and votes outside the voting times (15 minutes' grace for votes)",
}
_OUTSIDE = "Bulletins issued and votes cast outside the voting times (15 minutes' grace for votes)"

SUMMED = """
INSERT INTO metrics.election_hours
SELECT
    election_id, hour, count(*), sum(transaction_count), sum(bulletins_issued), sum(bulletins_failed), sum(votes_cast),
    sum(votes_rejected), sum(votes_unknown), sum(revotes), sum(withdrawn), sum(anomaly_count), sum(bulletin_velocity),
    sum(vote_velocity), sum(outside_voting), max(last_transaction_at),
    (array_agg(run_id ORDER BY computed_at DESC))[1], max(computed_at)
FROM metrics.hourly_stats
GROUP BY election_id, hour
"""
READABLE = """
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'election_metrics_reader') THEN
        GRANT SELECT ON metrics.election_hours TO election_metrics_reader;
    END IF;
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'election_metrics_api') THEN
        GRANT SELECT ON metrics.election_hours TO election_metrics_api;
    END IF;
END $$
"""


def _number(name: str, comment: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double(), nullable=True, comment=comment)


def _count(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, comment=comment)


def upgrade() -> None:
    op.create_table(
        "election_hours",
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election"),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False, comment="Start of the hour (UTC)"),
        _count("constituencies_active", "Constituencies with a transaction in the hour"),
        *[_count(name, comment) for name, comment in _COUNTS.items()],
        _number("bulletin_velocity", "Bulletins per hour; for the hour in progress, per elapsed part of it"),
        _number("vote_velocity", "Votes per hour; for the hour in progress, per elapsed part of it"),
        _count("outside_voting", _OUTSIDE),
        sa.Column(
            "last_transaction_at", sa.DateTime(timezone=True), nullable=True, comment="Last transaction that stands"
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False, comment="When the row was computed"),
        sa.CheckConstraint(
            " AND ".join(f"{name} >= 0" for name in (*_COUNTS, "constituencies_active", "outside_voting")),
            name=op.f("election_hours_not_negative_check"),
        ),
        sa.ForeignKeyConstraint(
            ["election_id"], ["metrics.elections.election_id"], name=op.f("election_hours_election_id_fkey")
        ),
        sa.PrimaryKeyConstraint("election_id", "hour", name=op.f("election_hours_pkey")),
        schema="metrics",
        comment="Each hour of an election: hourly_stats summed over its constituencies, replaced with them",
    )
    op.execute(SUMMED)
    op.execute(READABLE)


def downgrade() -> None:
    op.drop_table("election_hours", schema="metrics")
