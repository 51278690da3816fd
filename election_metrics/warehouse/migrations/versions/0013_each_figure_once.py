"""Hours of elections have their register, running totals and rates, in one place for every reader."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_REGISTER = (
    "Registered voters of the election at the end of the hour; NULL while that of a constituency that has sent "
    "bulletins or votes is not known"
)
_RATE = "Votes of the hour / registered voters * 100; NULL where the register is 0 or not known"
_RATES = {
    "running_participation_rate": "Running votes / registered voters * 100; NULL as participation_rate",
    "running_issue_rate": "Running bulletins / registered voters * 100; NULL as participation_rate",
    "running_gap_rate": "Running bulletins less running votes, / running bulletins * 100; NULL without any",
}
_TABLE = "Each hour of an election: hourly_stats summed over its constituencies, with running totals"
_VIEW = """
CREATE VIEW metrics.turnout_by_hour AS
SELECT
    election_id, hour, constituencies_active AS constituencies, bulletins_issued, votes_cast, running_bulletins,
    running_votes, registered_voters, participation_rate, running_participation_rate, last_transaction_at, computed_at
FROM metrics.election_hours
"""
_VIEW_BEFORE = """
CREATE VIEW metrics.turnout_by_hour AS
SELECT
    hourly.election_id, hourly.hour, hourly.constituencies, hourly.bulletins_issued, hourly.votes_cast,
    sum(hourly.bulletins_issued) OVER running AS running_bulletins,
    sum(hourly.votes_cast) OVER running AS running_votes,
    summary.registered_voters,
    CASE WHEN summary.participation_rate IS NOT NULL
        THEN sum(hourly.votes_cast) OVER running * 100.0 / nullif(summary.registered_voters, 0)
    END::double precision AS running_participation_rate,
    hourly.last_transaction_at, hourly.computed_at
FROM (
    SELECT
        election_id, hour, count(*) AS constituencies,
        sum(bulletins_issued)::bigint AS bulletins_issued, sum(votes_cast)::bigint AS votes_cast,
        max(last_transaction_at) AS last_transaction_at, max(computed_at) AS computed_at
    FROM metrics.hourly_stats
    GROUP BY election_id, hour
) AS hourly
LEFT JOIN metrics.election_summaries AS summary USING (election_id)
WINDOW running AS (PARTITION BY hourly.election_id ORDER BY hourly.hour)
"""


def upgrade() -> None:
    op.execute("DROP VIEW metrics.turnout_by_hour")
    # Every hour is computed again with the new columns.
    op.execute("DELETE FROM metrics.election_hours")
    op.execute(
        "UPDATE ingest.election_versions SET hourly_version = hourly_version + 1, whole_version = hourly_version + 1"
    )
    for name, comment in (
        ("registered_voters", _REGISTER),
        ("running_bulletins", "Bulletins issued from the first hour to the end of this one"),
        ("running_votes", "Votes cast from the first hour to the end of this one"),
    ):
        column = sa.Column(name, sa.BigInteger(), nullable=name == "registered_voters", comment=comment)
        op.add_column("election_hours", column, schema="metrics")
    for name, comment in {"participation_rate": _RATE, **_RATES}.items():
        op.add_column("election_hours", sa.Column(name, sa.Double(), comment=comment), schema="metrics")
    for name in ("running_issue_rate", "running_gap_rate"):
        op.add_column("constituency_metrics", sa.Column(name, sa.Double(), comment=_RATES[name]), schema="metrics")
    op.execute(f"COMMENT ON TABLE metrics.election_hours IS '{_TABLE}'")
    op.execute(_VIEW)
    op.execute("COMMENT ON VIEW metrics.turnout_by_hour IS 'Each election by hour, with running totals and turnout'")
    op.execute(
        """
        DO $$ DECLARE found record; BEGIN
            FOR found IN
                SELECT field.attname, col_description(origin.attrelid, origin.attnum) AS meaning
                FROM pg_attribute AS field JOIN pg_attribute AS origin
                    ON origin.attrelid = 'metrics.election_hours'::regclass AND origin.attname =
                        CASE field.attname WHEN 'constituencies' THEN 'constituencies_active' ELSE field.attname END
                WHERE field.attrelid = 'metrics.turnout_by_hour'::regclass AND field.attnum > 0
            LOOP
                EXECUTE format('COMMENT ON COLUMN metrics.turnout_by_hour.%I IS %L', found.attname, found.meaning);
            END LOOP;
        END $$
        """
    )
    # constituency_metrics is computed again as a whole with the next run.


def downgrade() -> None:
    op.execute("DROP VIEW metrics.turnout_by_hour")
    for name in ("running_issue_rate", "running_gap_rate"):
        op.drop_column("constituency_metrics", name, schema="metrics")
    for name in ("registered_voters", "running_bulletins", "running_votes", "participation_rate", *_RATES):
        op.drop_column("election_hours", name, schema="metrics")
    op.execute(_VIEW_BEFORE)
    op.execute("COMMENT ON VIEW metrics.turnout_by_hour IS 'Each election by hour, with running totals and turnout'")
