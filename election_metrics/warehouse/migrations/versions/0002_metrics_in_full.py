"""Metrics in full, coverage, anomalies, and the views and role for readers."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNTS = (
    "transaction_count >= 0 AND bulletins_issued >= 0 AND bulletins_failed >= 0 AND votes_cast >= 0 AND "
    "votes_rejected >= 0 AND votes_unknown >= 0 AND revotes >= 0 AND withdrawn >= 0 AND anomaly_count >= 0"
)

VIEWS = """
CREATE VIEW metrics.turnout_by_hour AS
SELECT
    hourly.election_id,
    hourly.hour,
    hourly.constituencies,
    hourly.bulletins_issued,
    hourly.votes_cast,
    sum(hourly.bulletins_issued) OVER running AS running_bulletins,
    sum(hourly.votes_cast) OVER running AS running_votes,
    summary.registered_voters,
    CASE WHEN summary.participation_rate IS NOT NULL
        THEN sum(hourly.votes_cast) OVER running * 100.0 / nullif(summary.registered_voters, 0)
    END::double precision AS running_participation_rate,
    hourly.last_transaction_at,
    hourly.computed_at
FROM (
    SELECT
        election_id, hour, count(*) AS constituencies,
        sum(bulletins_issued)::bigint AS bulletins_issued, sum(votes_cast)::bigint AS votes_cast,
        max(last_transaction_at) AS last_transaction_at, max(computed_at) AS computed_at
    FROM metrics.hourly_stats
    GROUP BY election_id, hour
) AS hourly
LEFT JOIN metrics.election_summaries AS summary USING (election_id)
WINDOW running AS (PARTITION BY hourly.election_id ORDER BY hourly.hour);
COMMENT ON VIEW metrics.turnout_by_hour IS 'Each election by hour, with running totals and turnout';
COMMENT ON COLUMN metrics.turnout_by_hour.constituencies IS 'Constituencies with a transaction in the hour';
COMMENT ON COLUMN metrics.turnout_by_hour.running_bulletins IS 'Bulletins issued from the first hour to the end of this one';
COMMENT ON COLUMN metrics.turnout_by_hour.running_votes IS 'Votes cast from the first hour to the end of this one';
COMMENT ON COLUMN metrics.turnout_by_hour.registered_voters IS 'Registered voters of the election now; NULL if not known';
COMMENT ON COLUMN metrics.turnout_by_hour.running_participation_rate IS
    'Running votes / registered voters * 100; NULL while a reporting constituency has no register';

CREATE VIEW metrics.constituency_current AS
SELECT
    constituency.constituency_id,
    constituency.election_id,
    constituency.name,
    constituency.region_code,
    constituency.region,
    constituency.time_zone,
    constituency.starts_at,
    constituency.ends_at,
    constituency.registered_voters,
    metric.transaction_count,
    coalesce(metric.bulletins_issued, 0) AS bulletins_issued,
    coalesce(metric.votes_cast, 0) AS votes_cast,
    metric.participation_rate,
    metric.issue_rate,
    metric.gap,
    metric.gap_rate,
    metric.anomaly_count,
    metric.anomaly_score,
    metric.average_votes_per_hour,
    metric.vote_trend,
    metric.peak_hour,
    metric.peak_votes,
    metric.first_transaction_at,
    metric.last_transaction_at,
    coalesce(missing.hours_missing, 0) AS hours_missing,
    coalesce(finding.anomalies_open, 0) AS anomalies_open,
    metric.run_id,
    metric.computed_at
FROM metrics.constituencies AS constituency
LEFT JOIN metrics.constituency_metrics AS metric
    ON metric.constituency_id = constituency.constituency_id AND metric.period = 'election'
LEFT JOIN (
    SELECT constituency_id, sum(hours)::bigint AS hours_missing FROM metrics.missing_input GROUP BY constituency_id
) AS missing ON missing.constituency_id = constituency.constituency_id
LEFT JOIN (
    SELECT constituency_id, count(*) AS anomalies_open FROM metrics.anomalies
    WHERE state <> 'resolved' AND constituency_id IS NOT NULL GROUP BY constituency_id
) AS finding ON finding.constituency_id = constituency.constituency_id;
COMMENT ON VIEW metrics.constituency_current IS 'Each constituency as it stands now, the silent ones too';
COMMENT ON COLUMN metrics.constituency_current.hours_missing IS 'Hours of voting that no landed file covers by now';
COMMENT ON COLUMN metrics.constituency_current.anomalies_open IS 'Findings on the constituency that are open or acknowledged';

CREATE VIEW metrics.election_current AS
SELECT
    election.election_id,
    election.name,
    CASE
        WHEN election.ends_at <= now() THEN 'completed'
        WHEN election.starts_at > now() THEN 'scheduled'
        WHEN election.starts_at <= now() THEN 'active'
    END AS status,
    election.starts_at,
    election.ends_at,
    election.time_zone,
    summary.constituencies_total,
    summary.constituencies_reporting,
    summary.constituencies_silent,
    summary.constituencies_complete,
    summary.registered_voters,
    summary.bulletins_issued,
    summary.votes_cast,
    summary.participation_rate,
    summary.issue_rate,
    summary.gap,
    summary.gap_rate,
    summary.coverage,
    summary.rejected_lines,
    summary.anomalies_critical,
    summary.anomalies_warning,
    summary.anomalies_info,
    summary.peak_hour,
    summary.peak_votes,
    summary.last_transaction_at,
    now() - summary.last_transaction_at AS age,
    summary.run_id,
    summary.computed_at
FROM metrics.elections AS election
LEFT JOIN metrics.election_summaries AS summary USING (election_id);
COMMENT ON VIEW metrics.election_current IS 'Each election as it stands now: the summary, with its status and the age of the figures';
COMMENT ON COLUMN metrics.election_current.status IS 'scheduled, active or completed at this moment; NULL where not known';
COMMENT ON COLUMN metrics.election_current.age IS 'Time since the last transaction that stands';

CREATE VIEW metrics.register_changes AS
SELECT
    standing.constituency_id,
    standing.occurred_at AS changed_at,
    standing.operation,
    standing.voters AS change,
    sum(standing.voters) OVER (
        PARTITION BY standing.constituency_id ORDER BY standing.occurred_at, standing.transaction_id
    )::bigint AS registered_voters,
    standing.transaction_id
FROM (
    SELECT DISTINCT ON (event.transaction_id) event.*
    FROM ingest.registry_events AS event
    WHERE event.voters IS NOT NULL
        AND EXISTS (
            SELECT 1 FROM ingest.transaction_files AS file
            WHERE file.content_id = event.content_id AND file.status = 'landed'
        )
        AND NOT EXISTS (
            SELECT 1 FROM ingest.corrections AS correction
            JOIN ingest.transaction_files AS file USING (content_id)
            WHERE correction.kind = 'rollback' AND correction.transaction_id = event.transaction_id
                AND file.status = 'landed'
        )
    ORDER BY event.transaction_id, event.occurred_at, event.constituency_id
) AS standing;
COMMENT ON VIEW metrics.register_changes IS 'How the register of each constituency changed, by its transactions';
COMMENT ON COLUMN metrics.register_changes.changed_at IS 'When';
COMMENT ON COLUMN metrics.register_changes.operation IS 'addVotersList, addToVotersList or removeFromVotersList';
COMMENT ON COLUMN metrics.register_changes.change IS 'Voters added; removed: negative';
COMMENT ON COLUMN metrics.register_changes.registered_voters IS
    'Registered voters after it, by the transactions; a reference file, where it has a figure, overrides it everywhere else';
COMMENT ON COLUMN metrics.register_changes.transaction_id IS 'The transaction';

-- Columns that have their table's name have its meaning too.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT DISTINCT ON (view.relname, field.attname) view.relname, field.attname, description.description
        FROM pg_class AS view
        JOIN pg_attribute AS field ON field.attrelid = view.oid AND field.attnum > 0
        JOIN pg_class AS source ON source.relnamespace = view.relnamespace AND source.relkind = 'r'
        JOIN pg_attribute AS origin ON origin.attrelid = source.oid AND origin.attname = field.attname
        JOIN pg_description AS description ON description.objoid = source.oid AND description.objsubid = origin.attnum
        WHERE view.relkind = 'v' AND view.relnamespace = 'metrics'::regnamespace
            AND col_description(view.oid, field.attnum) IS NULL
        ORDER BY view.relname, field.attname, array_position(
            ARRAY['election_summaries', 'constituency_metrics', 'hourly_stats', 'constituencies', 'elections'],
            source.relname::text
        )
    LOOP
        EXECUTE format('COMMENT ON COLUMN metrics.%I.%I IS %L', found.relname, found.attname, found.description);
    END LOOP;
END $$;

-- The role is the cluster's: another database may have made it, and who may not make roles does without.
DO $$
BEGIN
    CREATE ROLE election_metrics_reader NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN RAISE NOTICE 'role election_metrics_reader was not made: no right to';
END $$;
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'election_metrics_reader') THEN
        GRANT USAGE ON SCHEMA metrics TO election_metrics_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA metrics TO election_metrics_reader;
        ALTER DEFAULT PRIVILEGES IN SCHEMA metrics GRANT SELECT ON TABLES TO election_metrics_reader;
    END IF;
END $$;
"""

NO_VIEWS = """
DROP VIEW metrics.turnout_by_hour, metrics.constituency_current, metrics.election_current, metrics.register_changes;
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'election_metrics_reader') THEN
        ALTER DEFAULT PRIVILEGES IN SCHEMA metrics REVOKE SELECT ON TABLES FROM election_metrics_reader;
        REVOKE SELECT ON ALL TABLES IN SCHEMA metrics FROM election_metrics_reader;
        REVOKE USAGE ON SCHEMA metrics FROM election_metrics_reader;
    END IF;
END $$;
"""


def upgrade() -> None:
    op.create_table(
        "highest_totals",
        sa.Column("constituency_id", sa.Text(), nullable=False, comment="Constituency"),
        sa.Column(
            "transactions",
            sa.BigInteger(),
            nullable=False,
            comment="Most transactions, withdrawn ones included, that were ever computed",
        ),
        sa.Column("first_hour", sa.BigInteger(), nullable=False, comment="Their first hour (hours since 1970, UTC)"),
        sa.Column("last_hour", sa.BigInteger(), nullable=False, comment="Their last hour"),
        sa.PrimaryKeyConstraint("constituency_id", name=op.f("highest_totals_pkey")),
        schema="ingest",
        comment="The highest totals so far: a total below them is a figure that fell",
    )
    op.create_table(
        "anomaly_thresholds",
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election"),
        sa.Column("rule", sa.Text(), nullable=False, comment="Rule"),
        sa.Column(
            "threshold",
            sa.Text(),
            nullable=False,
            comment="Name of the threshold (docs/anomaly-rules.md lists them with their defaults)",
        ),
        sa.Column("value", sa.Double(), nullable=False, comment="What holds for this election instead of the default"),
        sa.Column("set_by", sa.Text(), nullable=False, comment="Who set it"),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False, comment="When"),
        sa.ForeignKeyConstraint(
            ["election_id"], ["metrics.elections.election_id"], name=op.f("anomaly_thresholds_election_id_fkey")
        ),
        sa.PrimaryKeyConstraint("election_id", "rule", "threshold", name=op.f("anomaly_thresholds_pkey")),
        schema="metrics",
        comment="Thresholds of anomaly rules that differ from their defaults",
    )
    op.create_table(
        "region_summaries",
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election"),
        sa.Column(
            "region", sa.Text(), nullable=False, comment="Region's name; empty for constituencies of no known region"
        ),
        sa.Column("constituencies_total", sa.BigInteger(), nullable=False, comment="Constituencies in the registry"),
        sa.Column(
            "constituencies_reporting",
            sa.BigInteger(),
            nullable=False,
            comment="Those with at least one bulletin issued or vote cast",
        ),
        sa.Column("constituencies_silent", sa.BigInteger(), nullable=False, comment="Those without"),
        sa.Column(
            "constituencies_complete",
            sa.BigInteger(),
            nullable=True,
            comment="Those of which every hour that should be here by now is here; NULL where voting times are not known",
        ),
        sa.Column(
            "registered_voters",
            sa.BigInteger(),
            nullable=True,
            comment="Registered voters now, of the constituencies whose register is known; NULL if none",
        ),
        sa.Column(
            "constituencies_without_register",
            sa.BigInteger(),
            nullable=False,
            comment="Constituencies whose register is not known",
        ),
        sa.Column(
            "transaction_count",
            sa.BigInteger(),
            nullable=False,
            comment="Distinct transactions that stand, whatever their outcome; withdrawn ones are not in it",
        ),
        sa.Column(
            "bulletins_issued", sa.BigInteger(), nullable=False, comment="Bulletins issued by calls that did not fail"
        ),
        sa.Column("bulletins_failed", sa.BigInteger(), nullable=False, comment="Issue calls that failed"),
        sa.Column("votes_cast", sa.BigInteger(), nullable=False, comment="Accepted votes, the first of each voter key"),
        sa.Column("votes_rejected", sa.BigInteger(), nullable=False, comment="Votes that failed"),
        sa.Column(
            "votes_unknown", sa.BigInteger(), nullable=False, comment="Votes with neither a failure nor a recorded vote"
        ),
        sa.Column("revotes", sa.BigInteger(), nullable=False, comment="Accepted votes of a voter key after its first"),
        sa.Column(
            "withdrawn",
            sa.BigInteger(),
            nullable=False,
            comment="Transactions withdrawn by a rollback, in their own hour",
        ),
        sa.Column(
            "anomaly_count",
            sa.BigInteger(),
            nullable=False,
            comment="Transactions anomalous in themselves: failed issues, rejected and unknown votes, re-votes, and bulletins and votes outside the voting times (15 minutes' grace for votes)",
        ),
        sa.Column(
            "participation_rate",
            sa.Double(),
            nullable=True,
            comment="Votes cast / registered voters * 100; NULL while a reporting constituency has no register",
        ),
        sa.Column(
            "issue_rate",
            sa.Double(),
            nullable=True,
            comment="Bulletins issued / registered voters * 100; NULL as participation_rate",
        ),
        sa.Column("gap", sa.BigInteger(), nullable=False, comment="Bulletins issued less votes cast"),
        sa.Column(
            "gap_rate", sa.Double(), nullable=True, comment="Gap / bulletins issued * 100; NULL without bulletins"
        ),
        sa.Column(
            "anomaly_score",
            sa.Double(),
            nullable=True,
            comment="Anomalous transactions / transactions * 100; NULL without transactions",
        ),
        sa.Column(
            "hours_expected",
            sa.BigInteger(),
            nullable=True,
            comment="Constituency hours of voting that should be here by now; NULL where voting times are not known",
        ),
        sa.Column(
            "hours_delivered",
            sa.BigInteger(),
            nullable=True,
            comment="Of those, the ones that a landed file covers by its name or by its transactions",
        ),
        sa.Column(
            "coverage",
            sa.Double(),
            nullable=True,
            comment="Hours delivered / hours expected * 100; NULL where not known or none expected yet",
        ),
        sa.Column(
            "peak_hour",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Hour with the most votes, the first of equals; NULL without votes",
        ),
        sa.Column("peak_votes", sa.BigInteger(), nullable=True, comment="Votes of the peak hour; NULL without votes"),
        sa.Column(
            "first_transaction_at", sa.DateTime(timezone=True), nullable=True, comment="First transaction that stands"
        ),
        sa.Column(
            "last_transaction_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Last transaction that stands: how fresh the figures are",
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False, comment="When the row was computed"),
        sa.CheckConstraint(
            "transaction_count >= 0 AND bulletins_issued >= 0 AND bulletins_failed >= 0 AND votes_cast >= 0 AND votes_rejected >= 0 AND votes_unknown >= 0 AND revotes >= 0 AND withdrawn >= 0 AND anomaly_count >= 0 AND constituencies_silent >= 0",
            name=op.f("region_summaries_not_negative_check"),
        ),
        sa.ForeignKeyConstraint(
            ["election_id"], ["metrics.elections.election_id"], name=op.f("region_summaries_election_id_fkey")
        ),
        sa.PrimaryKeyConstraint("election_id", "region", name=op.f("region_summaries_pkey")),
        schema="metrics",
        comment="Each region of an election in one row",
    )
    op.create_table(
        "anomalies",
        sa.Column("anomaly_id", sa.Text(), nullable=False, comment="Readable id, the same through every recomputation"),
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election"),
        sa.Column(
            "constituency_id",
            sa.Text(),
            nullable=True,
            comment="Constituency; NULL for a finding on a region or the whole election",
        ),
        sa.Column("region", sa.Text(), nullable=True, comment="Region; NULL for a finding on the whole election"),
        sa.Column(
            "rule",
            sa.Text(),
            nullable=False,
            comment="Rule that fired (docs/anomaly-rules.md says what each one means)",
        ),
        sa.Column("severity", sa.Text(), nullable=False, comment="critical, warning or info"),
        sa.Column(
            "window_start", sa.DateTime(timezone=True), nullable=False, comment="First hour it is true of (start, UTC)"
        ),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False, comment="End of the last such hour"),
        sa.Column(
            "observed", sa.Double(), nullable=True, comment="What was found, in the unit that the explanation names"
        ),
        sa.Column("expected", sa.Double(), nullable=True, comment="What was to be expected, in the same unit"),
        sa.Column("explanation", sa.Text(), nullable=False, comment="The finding in words, with its figures"),
        sa.Column("state", sa.Text(), nullable=False, comment="open, acknowledged or resolved"),
        sa.Column("state_by", sa.Text(), nullable=False, comment="Who set the state: a person, or system"),
        sa.Column("state_at", sa.DateTime(timezone=True), nullable=False, comment="When"),
        sa.Column(
            "state_note",
            sa.Text(),
            nullable=True,
            comment="Why: a person's note, or the reason why the system closed it",
        ),
        sa.Column("detected_at", sa.DateTime(timezone=True), nullable=False, comment="When it was first found"),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False, comment="When the row was computed"),
        sa.CheckConstraint("severity IN ('critical', 'warning', 'info')", name=op.f("anomalies_severity_check")),
        sa.CheckConstraint("state IN ('open', 'acknowledged', 'resolved')", name=op.f("anomalies_state_check")),
        sa.CheckConstraint("window_end > window_start", name=op.f("anomalies_window_check")),
        sa.ForeignKeyConstraint(
            ["constituency_id"], ["metrics.constituencies.constituency_id"], name=op.f("anomalies_constituency_id_fkey")
        ),
        sa.PrimaryKeyConstraint("anomaly_id", name=op.f("anomalies_pkey")),
        schema="metrics",
        comment="What looks wrong, each finding with its explanation and state; none is ever deleted",
    )
    op.create_index(
        op.f("anomalies_constituency_id_idx"), "anomalies", ["constituency_id"], unique=False, schema="metrics"
    )
    op.create_index(
        op.f("anomalies_election_id_state_idx"), "anomalies", ["election_id", "state"], unique=False, schema="metrics"
    )
    op.create_table(
        "missing_input",
        sa.Column("constituency_id", sa.Text(), nullable=False, comment="Constituency"),
        sa.Column(
            "missing_from",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="First hour that should be here and is not (start, UTC)",
        ),
        sa.Column(
            "missing_to",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="End of the last such hour without a break",
        ),
        sa.Column("hours", sa.BigInteger(), nullable=False, comment="How many hours that is"),
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election"),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=False,
            comment="voting times: the polls were open; region: most others of the region delivered it",
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False, comment="When the row was computed"),
        sa.CheckConstraint("reason IN ('voting times', 'region')", name=op.f("missing_input_reason_check")),
        sa.ForeignKeyConstraint(
            ["constituency_id"],
            ["metrics.constituencies.constituency_id"],
            name=op.f("missing_input_constituency_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["election_id"], ["metrics.elections.election_id"], name=op.f("missing_input_election_id_fkey")
        ),
        sa.PrimaryKeyConstraint("constituency_id", "missing_from", name=op.f("missing_input_pkey")),
        schema="metrics",
        comment="Hours of voting that no landed file covers by now",
    )
    op.create_index(
        op.f("missing_input_election_id_idx"), "missing_input", ["election_id"], unique=False, schema="metrics"
    )
    op.create_table(
        "participation_extremes",
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election"),
        sa.Column("side", sa.Text(), nullable=False, comment="leading or trailing"),
        sa.Column("rank", sa.BigInteger(), autoincrement=False, nullable=False, comment="1 to 10"),
        sa.Column("constituency_id", sa.Text(), nullable=False, comment="Constituency"),
        sa.Column("registered_voters", sa.BigInteger(), nullable=False, comment="Registered voters now"),
        sa.Column("votes_cast", sa.BigInteger(), nullable=False, comment="Votes cast"),
        sa.Column("participation_rate", sa.Double(), nullable=True, comment="Votes cast / registered voters * 100"),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False, comment="When the row was computed"),
        sa.CheckConstraint("side IN ('leading', 'trailing')", name=op.f("participation_extremes_side_check")),
        sa.ForeignKeyConstraint(
            ["constituency_id"],
            ["metrics.constituencies.constituency_id"],
            name=op.f("participation_extremes_constituency_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["election_id"], ["metrics.elections.election_id"], name=op.f("participation_extremes_election_id_fkey")
        ),
        sa.PrimaryKeyConstraint("election_id", "side", "rank", name=op.f("participation_extremes_pkey")),
        schema="metrics",
        comment="The ten constituencies with the highest and the lowest participation, of 100 registered voters or more",
    )
    op.alter_column(
        "corrections",
        "kind",
        existing_type=sa.TEXT(),
        comment="rollback, repeated_vote, repeated_issue or repeated_id",
        existing_comment="rollback, repeated_vote or repeated_id",
        existing_nullable=False,
        schema="ingest",
    )
    op.alter_column(
        "corrections",
        "sender",
        existing_type=sa.TEXT(),
        comment="Voter key of a repeated vote; the end of the voter's id of a repeated issue",
        existing_comment="Voter key of a repeated vote",
        existing_nullable=True,
        schema="ingest",
    )
    op.add_column(
        "constituency_metrics",
        sa.Column(
            "issue_rate",
            sa.Double(),
            nullable=True,
            comment="Bulletins issued / registered voters * 100; NULL where the register is 0 or not known",
        ),
        schema="metrics",
    )
    op.add_column(
        "constituency_metrics",
        sa.Column(
            "bulletin_trend",
            sa.Double(),
            nullable=True,
            comment="Slope of the least-squares line through the bulletins of the voting hours, silent ones being 0: bulletins an hour per hour; NULL for a single hour",
        ),
        schema="metrics",
    )
    op.add_column(
        "constituency_metrics",
        sa.Column("vote_trend", sa.Double(), nullable=True, comment="The same of votes: votes an hour per hour"),
        schema="metrics",
    )
    op.add_column(
        "constituency_metrics",
        sa.Column(
            "activity_pattern",
            postgresql.ARRAY(sa.BigInteger()),
            nullable=True,
            comment="Votes cast by hour of the local day, 24 values from 00 to 23; NULL for a single hour",
        ),
        schema="metrics",
    )
    op.drop_index(op.f("constituency_metrics_election_id_idx"), table_name="constituency_metrics", schema="metrics")
    op.create_index(
        op.f("constituency_metrics_election_id_period_period_start_idx"),
        "constituency_metrics",
        ["election_id", "period", "period_start"],
        unique=False,
        schema="metrics",
    )
    op.add_column(
        "election_summaries",
        sa.Column(
            "constituencies_complete",
            sa.BigInteger(),
            nullable=True,
            comment="Those of which every hour that should be here by now is here; NULL where voting times are not known",
        ),
        schema="metrics",
    )
    op.add_column(
        "election_summaries",
        sa.Column(
            "issue_rate",
            sa.Double(),
            nullable=True,
            comment="Bulletins issued / registered voters * 100; NULL as participation_rate",
        ),
        schema="metrics",
    )
    op.add_column(
        "election_summaries",
        sa.Column(
            "anomaly_score",
            sa.Double(),
            nullable=True,
            comment="Anomalous transactions / transactions * 100; NULL without transactions",
        ),
        schema="metrics",
    )
    op.add_column(
        "election_summaries",
        sa.Column(
            "anomalies_critical",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="Critical findings that are open or acknowledged",
        ),
        schema="metrics",
    )
    op.add_column(
        "election_summaries",
        sa.Column(
            "anomalies_warning",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="Warnings that are open or acknowledged",
        ),
        schema="metrics",
    )
    op.add_column(
        "election_summaries",
        sa.Column(
            "anomalies_info",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="Informative findings that are open or acknowledged",
        ),
        schema="metrics",
    )
    op.add_column(
        "election_summaries",
        sa.Column(
            "anomalies_by_rule",
            postgresql.JSONB(),
            nullable=False,
            server_default="{}",
            comment="Findings that are open or acknowledged, by rule",
        ),
        schema="metrics",
    )
    op.add_column(
        "hourly_stats",
        sa.Column(
            "outside_voting",
            sa.BigInteger(),
            nullable=False,
            server_default="0",
            comment="Bulletins issued and votes cast outside the voting times (15 minutes' grace for votes)",
        ),
        schema="metrics",
    )
    op.drop_constraint(op.f("corrections_kind_check"), "corrections", schema="ingest")
    op.create_check_constraint(
        op.f("corrections_kind_check"),
        "corrections",
        "kind IN ('rollback', 'repeated_vote', 'repeated_issue', 'repeated_id')",
        schema="ingest",
    )
    op.drop_constraint(op.f("hourly_stats_not_negative_check"), "hourly_stats", schema="metrics")
    op.create_check_constraint(
        op.f("hourly_stats_not_negative_check"), "hourly_stats", f"{_COUNTS} AND outside_voting >= 0", schema="metrics"
    )
    for table, column in (
        ("hourly_stats", "outside_voting"),
        ("election_summaries", "anomalies_critical"),
        ("election_summaries", "anomalies_warning"),
        ("election_summaries", "anomalies_info"),
        ("election_summaries", "anomalies_by_rule"),
    ):
        op.alter_column(table, column, server_default=None, schema="metrics")
    # Rows of before lack the new columns: every hour is computed again.
    op.execute("UPDATE ingest.hour_versions SET landed_version = landed_version + 1")
    op.execute(VIEWS)


def downgrade() -> None:
    op.execute(NO_VIEWS)
    op.drop_constraint(op.f("hourly_stats_not_negative_check"), "hourly_stats", schema="metrics")
    op.create_check_constraint(op.f("hourly_stats_not_negative_check"), "hourly_stats", _COUNTS, schema="metrics")
    op.execute("DELETE FROM ingest.corrections WHERE kind = 'repeated_issue'")
    op.drop_constraint(op.f("corrections_kind_check"), "corrections", schema="ingest")
    op.create_check_constraint(
        op.f("corrections_kind_check"),
        "corrections",
        "kind IN ('rollback', 'repeated_vote', 'repeated_id')",
        schema="ingest",
    )
    op.alter_column(
        "corrections",
        "sender",
        existing_type=sa.TEXT(),
        comment="Voter key of a repeated vote",
        existing_comment="Voter key of a repeated vote; the end of the voter's id of a repeated issue",
        existing_nullable=True,
        schema="ingest",
    )
    op.alter_column(
        "corrections",
        "kind",
        existing_type=sa.TEXT(),
        comment="rollback, repeated_vote or repeated_id",
        existing_comment="rollback, repeated_vote, repeated_issue or repeated_id",
        existing_nullable=False,
        schema="ingest",
    )
    op.drop_column("hourly_stats", "outside_voting", schema="metrics")
    op.drop_column("election_summaries", "anomalies_by_rule", schema="metrics")
    op.drop_column("election_summaries", "anomalies_info", schema="metrics")
    op.drop_column("election_summaries", "anomalies_warning", schema="metrics")
    op.drop_column("election_summaries", "anomalies_critical", schema="metrics")
    op.drop_column("election_summaries", "anomaly_score", schema="metrics")
    op.drop_column("election_summaries", "issue_rate", schema="metrics")
    op.drop_column("election_summaries", "constituencies_complete", schema="metrics")
    op.drop_index(
        op.f("constituency_metrics_election_id_period_period_start_idx"),
        table_name="constituency_metrics",
        schema="metrics",
    )
    op.create_index(
        op.f("constituency_metrics_election_id_idx"),
        "constituency_metrics",
        ["election_id"],
        unique=False,
        schema="metrics",
    )
    op.drop_column("constituency_metrics", "activity_pattern", schema="metrics")
    op.drop_column("constituency_metrics", "vote_trend", schema="metrics")
    op.drop_column("constituency_metrics", "bulletin_trend", schema="metrics")
    op.drop_column("constituency_metrics", "issue_rate", schema="metrics")
    op.drop_table("participation_extremes", schema="metrics")
    op.drop_index(op.f("missing_input_election_id_idx"), table_name="missing_input", schema="metrics")
    op.drop_table("missing_input", schema="metrics")
    op.drop_index(op.f("anomalies_election_id_state_idx"), table_name="anomalies", schema="metrics")
    op.drop_index(op.f("anomalies_constituency_id_idx"), table_name="anomalies", schema="metrics")
    op.drop_table("anomalies", schema="metrics")
    op.drop_table("region_summaries", schema="metrics")
    op.drop_table("anomaly_thresholds", schema="metrics")
    op.drop_table("highest_totals", schema="ingest")
