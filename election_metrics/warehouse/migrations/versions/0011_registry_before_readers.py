"""The registry as known now has a table of its own: readers see a constituency's register with its figures, not before."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE ingest.constituency_registry (LIKE metrics.constituencies INCLUDING COMMENTS)")
    op.execute("INSERT INTO ingest.constituency_registry SELECT * FROM metrics.constituencies")
    op.create_primary_key(
        op.f("constituency_registry_pkey"), "constituency_registry", ["constituency_id"], schema="ingest"
    )
    op.create_foreign_key(
        op.f("constituency_registry_election_id_fkey"),
        "constituency_registry",
        "elections",
        ["election_id"],
        ["election_id"],
        source_schema="ingest",
        referent_schema="metrics",
    )
    op.create_index(
        op.f("constituency_registry_election_id_idx"), "constituency_registry", ["election_id"], schema="ingest"
    )
    _comment(
        "ingest.constituency_registry", "Constituencies as known now; metrics.constituencies follows when figures do"
    )
    _comment(
        "metrics.constituencies",
        "Constituencies: one voting, that is one smart contract; as the figures beside them use them",
    )


def downgrade() -> None:
    op.drop_table("constituency_registry", schema="ingest")
    _comment("metrics.constituencies", "Constituencies: one voting, that is one smart contract")


def _comment(table: str, text: str) -> None:
    op.execute(f"COMMENT ON TABLE {table} IS '{text}'")
