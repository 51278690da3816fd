"""What people own: reference data, an audit of every change, and the role by which the API reads and writes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Whoever changes a row that people own, by whatever way: the change is written down, what follows from it is behind,
# and listeners hear of it. The functions run as their owner, so that a role may change rows without such rights itself.
CHANGED = """
CREATE FUNCTION ingest.people_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    old_row jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
    new_row jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
    this jsonb := coalesce(new_row, old_row);
    election text := this ->> 'election_id';
    key text;
BEGIN
    SELECT string_agg(this ->> name, '/' ORDER BY place) INTO key
    FROM unnest(string_to_array(TG_ARGV[1], ',')) WITH ORDINALITY AS keys (name, place);
    INSERT INTO ingest.audit_log (who, action, target, before, after)
    VALUES (
        coalesce(nullif(current_setting('election_metrics.who', true), ''), session_user),
        lower(TG_OP), TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME || ' ' || key, old_row, new_row
    );
    IF TG_ARGV[0] = 'registry' THEN
        UPDATE ingest.registry_version SET reference_version = reference_version + 1;
    ELSE
        INSERT INTO ingest.election_versions AS version
            (election_id, hourly_version, metrics_version, summary_version, whole_version)
        VALUES (election, 1, 0, 0, 0)
        ON CONFLICT (election_id) DO UPDATE SET hourly_version = version.hourly_version + 1;
    END IF;
    PERFORM pg_notify('election_metrics_changed', jsonb_build_object(
        'table', TG_TABLE_NAME, 'election_id', election, 'version', pg_current_xact_id()::text)::text);
    RETURN NULL;
END $$;
CREATE TRIGGER people_changed AFTER INSERT OR UPDATE OR DELETE ON metrics.constituency_reference
FOR EACH ROW EXECUTE FUNCTION ingest.people_changed('registry', 'constituency_id');
CREATE TRIGGER people_changed AFTER INSERT OR UPDATE OR DELETE ON metrics.election_reference
FOR EACH ROW EXECUTE FUNCTION ingest.people_changed('registry', 'election_id');
CREATE TRIGGER people_changed AFTER INSERT OR UPDATE OR DELETE ON metrics.anomaly_thresholds
FOR EACH ROW EXECUTE FUNCTION ingest.people_changed('election', 'election_id,rule,threshold');
-- The pipeline replaces findings by DELETE and COPY; only people update one.
CREATE TRIGGER people_changed AFTER UPDATE ON metrics.anomalies
FOR EACH ROW EXECUTE FUNCTION ingest.people_changed('election', 'anomaly_id');
INSERT INTO ingest.registry_version VALUES (true, 0, 0);
"""

NOT_CHANGED = """
DROP TRIGGER people_changed ON metrics.anomalies;
DROP TRIGGER people_changed ON metrics.anomaly_thresholds;
DROP TRIGGER people_changed ON metrics.election_reference;
DROP TRIGGER people_changed ON metrics.constituency_reference;
DROP FUNCTION ingest.people_changed();
"""

# The role is the cluster's: another database may have made it, and who may not make roles does without.
ROLE = """
DO $$
BEGIN
    CREATE ROLE election_metrics_api NOLOGIN;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN RAISE NOTICE 'role election_metrics_api was not made: no right to';
END $$;
-- Whoever made the role must still say that connections of its own may take it on.
DO $$
BEGIN
    GRANT election_metrics_api TO CURRENT_USER;
EXCEPTION
    WHEN insufficient_privilege OR undefined_object THEN NULL;
END $$;
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'election_metrics_reader') THEN
        GRANT SELECT ON metrics.constituency_reference, metrics.election_reference TO election_metrics_reader;
    END IF;
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'election_metrics_api') THEN
        GRANT USAGE ON SCHEMA metrics, ingest TO election_metrics_api;
        GRANT SELECT ON ALL TABLES IN SCHEMA metrics TO election_metrics_api;
        ALTER DEFAULT PRIVILEGES IN SCHEMA metrics GRANT SELECT ON TABLES TO election_metrics_api;
        GRANT SELECT ON ingest.transaction_files, ingest.rejected_transactions, ingest.lake_parts,
            ingest.hour_versions, ingest.election_versions, ingest.registry_version, ingest.audit_log
            TO election_metrics_api;
        GRANT INSERT, UPDATE, DELETE ON metrics.constituency_reference, metrics.election_reference,
            metrics.anomaly_thresholds TO election_metrics_api;
        GRANT UPDATE (state, state_by, state_at, state_note) ON metrics.anomalies TO election_metrics_api;
        GRANT INSERT (who, action, target, before, after) ON ingest.audit_log TO election_metrics_api;
    END IF;
END $$;
"""

NO_ROLE = """
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'election_metrics_api') THEN
        ALTER DEFAULT PRIVILEGES IN SCHEMA metrics REVOKE SELECT ON TABLES FROM election_metrics_api;
        REVOKE ALL ON ALL TABLES IN SCHEMA metrics, ingest FROM election_metrics_api;
        REVOKE USAGE ON SCHEMA metrics, ingest FROM election_metrics_api;
    END IF;
END $$;
"""


def upgrade() -> None:
    op.create_table(
        "constituency_reference",
        sa.Column(
            "constituency_id",
            sa.Text(),
            nullable=False,
            comment="Contract id (base58); it need not have sent anything yet",
        ),
        sa.Column(
            "election",
            sa.Text(),
            nullable=True,
            comment="Name of the election it votes in; NULL: says nothing, as in every column",
        ),
        sa.Column("name", sa.Text(), nullable=True, comment="Name of the constituency"),
        sa.Column("region_code", sa.Text(), nullable=True, comment="Region's code as the portal writes it"),
        sa.Column("region", sa.Text(), nullable=True, comment="Region's name"),
        sa.Column("time_zone", sa.Text(), nullable=True, comment="IANA time zone"),
        sa.Column("registered_voters", sa.BigInteger(), nullable=True, comment="Registered voters, at all times"),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True, comment="Voting starts"),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True, comment="Voting ends"),
        sa.Column("set_by", sa.Text(), nullable=False, comment="Who set it"),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False, comment="When"),
        sa.CheckConstraint("registered_voters >= 0", name=op.f("constituency_reference_not_negative_check")),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("constituency_reference_times_check")),
        sa.PrimaryKeyConstraint("constituency_id", name=op.f("constituency_reference_pkey")),
        schema="metrics",
        comment="What people say of a constituency; it wins over the reference file, the transactions and the paths",
    )
    op.create_table(
        "election_reference",
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election"),
        sa.Column("name", sa.Text(), nullable=True, comment="Name to show; NULL: says nothing, as in every column"),
        sa.Column(
            "opens_at",
            postgresql.TIMESTAMP(),
            nullable=True,
            comment="Voting starts, local wall clock of each constituency that says nothing itself",
        ),
        sa.Column(
            "closes_at",
            postgresql.TIMESTAMP(),
            nullable=True,
            comment="Voting ends, local wall clock of each constituency that says nothing itself",
        ),
        sa.Column("set_by", sa.Text(), nullable=False, comment="Who set it"),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False, comment="When"),
        sa.CheckConstraint("closes_at > opens_at", name=op.f("election_reference_times_check")),
        sa.PrimaryKeyConstraint("election_id", name=op.f("election_reference_pkey")),
        schema="metrics",
        comment="What people say of an election: its name, and voting times that hold in every time zone",
    )
    op.create_table(
        "audit_log",
        sa.Column("entry_id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="Number of the entry"),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it was committed to",
        ),
        sa.Column(
            "who",
            sa.Text(),
            nullable=False,
            comment="Who did it: the name of a token, a user's name, or a database role",
        ),
        sa.Column(
            "action",
            sa.Text(),
            nullable=False,
            comment="insert, update or delete; refresh, invalidate-cache; create-token, revoke-token",
        ),
        sa.Column("target", sa.Text(), nullable=False, comment="Table and key, or what else it was done to"),
        sa.Column("before", postgresql.JSONB(), nullable=True, comment="The row before; NULL where there was none"),
        sa.Column("after", postgresql.JSONB(), nullable=True, comment="The row after; NULL where there is none"),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("audit_log_pkey")),
        schema="ingest",
        comment="Every change that people made: who, what, when; triggers write it, whoever changes a row",
    )
    op.create_table(
        "registry_version",
        sa.Column("is_it", sa.Boolean(), nullable=False, comment="Always true: there is one row"),
        sa.Column(
            "reference_version",
            sa.BigInteger(),
            nullable=False,
            comment="Grows when people change reference data",
        ),
        sa.Column(
            "registry_version",
            sa.BigInteger(),
            nullable=False,
            comment="The reference_version that the registry was made from",
        ),
        sa.CheckConstraint("is_it", name=op.f("registry_version_one_row_check")),
        sa.PrimaryKeyConstraint("is_it", name=op.f("registry_version_pkey")),
        schema="ingest",
        comment="Whether the registry is behind what people said",
    )
    op.execute(CHANGED)
    op.execute(ROLE)


def downgrade() -> None:
    op.execute(NO_ROLE)
    op.execute(NOT_CHANGED)
    op.drop_table("registry_version", schema="ingest")
    op.drop_table("audit_log", schema="ingest")
    op.drop_table("election_reference", schema="metrics")
    op.drop_table("constituency_reference", schema="metrics")
