"""The portal's own registry and counts, and their agreement with what is counted here."""

from pathlib import Path

from alembic import op

revision = "0006_portal"
down_revision = "0005_blocks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    text = Path(__file__).with_suffix(".sql").read_text("utf-8")
    op.get_bind().exec_driver_sql(text.replace("%", "%%"))


def downgrade() -> None:
    op.execute("DROP VIEW metrics.tally_checks")
    op.execute("DROP VIEW metrics.published_tallies")
    op.execute("DROP VIEW ingest.standing_tallies")
    op.execute("DROP VIEW ingest.standing_statements")
    op.execute("DROP TABLE ingest.contract_statements")
    op.execute("DELETE FROM ingest.registry_events WHERE operation = 'results'")
    op.execute("DROP VIEW metrics.election_kinds")
    op.execute("DROP VIEW metrics.portal_agreement_summary")
    op.execute("DROP VIEW metrics.portal_agreement")
    for table in ("portal_results", "portal_precincts", "portal_hours", "portal_counters", "portal_contracts"):
        op.execute(f"DROP TABLE metrics.{table}")
    op.execute("DROP TABLE ingest.portal_charts")
    op.execute("DROP TABLE ingest.portal_answers")
