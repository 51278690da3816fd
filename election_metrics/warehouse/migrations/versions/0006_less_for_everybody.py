"""What PostgreSQL lets every role do, and ours must not: hold our locks, fill the disk."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Roles that only read could stop the pipeline by its advisory locks, or fill the disk with large objects and temporary
# tables. Only a superuser, or the database's owner, may take that from everybody; docs/security.md says what else to do.
_EACH = """
DO $$
DECLARE
    each regprocedure;
    pipeline text := quote_ident(CURRENT_USER);
BEGIN
    IF current_setting('is_superuser') = 'on' THEN
        FOR each IN
            SELECT oid::regprocedure FROM pg_proc
            WHERE pronamespace = 'pg_catalog'::regnamespace
                AND (proname ~ '^pg_(try_)?advisory_' OR proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_put'))
        LOOP
            EXECUTE {function};
        END LOOP;
    END IF;
    IF EXISTS (
        SELECT 1 FROM pg_database WHERE datname = current_database() AND pg_has_role(CURRENT_USER, datdba, 'MEMBER')
    ) THEN
        EXECUTE {database};
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO %s', current_database(), pipeline);
    END IF;
END $$
"""
_LOCKS_OF_THE_API = """
DO $$
DECLARE
    each regprocedure;
BEGIN
    IF current_setting('is_superuser') = 'on'
        AND EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'election_metrics_api') THEN
        FOR each IN
            SELECT oid::regprocedure FROM pg_proc
            WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^pg_advisory_'
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO election_metrics_api', each);
        END LOOP;
    END IF;
END $$
"""
_SIZE = "COMMENT ON COLUMN ingest.transaction_files.size IS 'Bytes on disk (of the archive, for a member){}'"
_QUARANTINE = (
    "COMMENT ON TABLE ingest.rejected_transactions IS 'The quarantine: lines of current files that cannot be read{}'"
)


def upgrade() -> None:
    op.execute(
        _EACH.format(
            function="format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC; GRANT EXECUTE ON FUNCTION %s TO %s', "
            "each, each, pipeline)",
            database="format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database())",
        )
    )
    op.execute(_LOCKS_OF_THE_API)
    op.execute(_SIZE.format("; -1: it could not be looked at"))
    op.execute(_QUARANTINE.format(", the first 10,000 of each file"))


def downgrade() -> None:
    op.execute(
        _EACH.format(
            function="format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', each)",
            database="format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database())",
        )
    )
    op.execute(_SIZE.format(""))
    op.execute(_QUARANTINE.format(""))
