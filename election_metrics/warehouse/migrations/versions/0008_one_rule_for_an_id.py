"""One rule for which row of an id stands, over all contracts; and calls of the register that stand by it."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from election_metrics.errors import WarehouseError

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# The order is the rule. It is that of lake/sql/repeated_lines.sql, which chooses among the lines of one file.
_JUDGED = """
CREATE VIEW ingest.judged_rows AS
SELECT
    conflict.*,
    dense_rank() OVER (
        PARTITION BY transaction_id
        ORDER BY
            occurred_ms, constituency_id COLLATE "C", kind COLLATE "C", operation COLLATE "C" NULLS LAST,
            quantity NULLS LAST, sender COLLATE "C" NULLS LAST, fail_reason COLLATE "C" NULLS LAST
    ) = 1 AS stands
FROM ingest.conflicting_rows AS conflict
WHERE EXISTS (
    SELECT 1 FROM ingest.transaction_files AS file
    WHERE file.content_id = conflict.content_id AND file.status = 'landed'
);
COMMENT ON VIEW ingest.judged_rows IS
    'Rows of current files whose transaction id says several things: the earliest stands, then by contract, kind, call, '
    'quantity, sender and failure';
COMMENT ON COLUMN ingest.judged_rows.stands IS 'Whether this is what counts; every other row of the id is lost';

CREATE VIEW ingest.lost_rows AS
SELECT transaction_id, content_id
FROM ingest.judged_rows
WHERE place = 1 AND NOT stands;
COMMENT ON VIEW ingest.lost_rows IS 'Rows of the lake that another row of their transaction id outranks';

CREATE VIEW ingest.standing_registry_events AS
SELECT DISTINCT ON (event.transaction_id) event.*
FROM ingest.registry_events AS event
LEFT JOIN ingest.lost_rows AS lost USING (transaction_id, content_id)
WHERE lost.transaction_id IS NULL
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
ORDER BY event.transaction_id, event.content_id;
COMMENT ON VIEW ingest.standing_registry_events IS
    'Calls on the register or the state of voting that count: current, not withdrawn, each id once';

CREATE VIEW metrics.conflicting_transactions AS
SELECT DISTINCT
    judged.transaction_id,
    constituency.election_id,
    judged.constituency_id,
    to_timestamp(judged.occurred_ms / 1000.0) AS occurred_at,
    judged.kind,
    judged.operation,
    judged.quantity,
    judged.stands,
    rtrim(file.path || '/' || file.member, '/') AS file
FROM ingest.judged_rows AS judged
JOIN ingest.transaction_files AS file ON file.content_id = judged.content_id AND file.status = 'landed'
LEFT JOIN metrics.constituencies AS constituency ON constituency.constituency_id = judged.constituency_id
WHERE judged.transaction_id IN (SELECT transaction_id FROM ingest.judged_rows WHERE NOT stands);
COMMENT ON VIEW metrics.conflicting_transactions IS
    'Transaction ids of which several rows say different things: in two contracts, at two times, with two contents';
COMMENT ON COLUMN metrics.conflicting_transactions.transaction_id IS 'The transaction';
COMMENT ON COLUMN metrics.conflicting_transactions.election_id IS 'Election of the row''s constituency';
COMMENT ON COLUMN metrics.conflicting_transactions.constituency_id IS 'Constituency of the row';
COMMENT ON COLUMN metrics.conflicting_transactions.occurred_at IS 'Time that the row says';
COMMENT ON COLUMN metrics.conflicting_transactions.kind IS 'What the call came to: vote_cast, bulletin_issued, …';
COMMENT ON COLUMN metrics.conflicting_transactions.operation IS 'Call of the contract';
COMMENT ON COLUMN metrics.conflicting_transactions.quantity IS 'Bulletins or voters that the row says';
COMMENT ON COLUMN metrics.conflicting_transactions.stands IS 'Whether the row counts; one of an id does, the others are lost';
COMMENT ON COLUMN metrics.conflicting_transactions.file IS 'File that holds it, and member of an archive';

-- Columns that have their table's name have its meaning too.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT view.relname, field.attname, col_description(source.oid, origin.attnum) AS meaning
        FROM (VALUES
            ('judged_rows', 'conflicting_rows'), ('lost_rows', 'conflicting_rows'),
            ('standing_registry_events', 'registry_events')
        ) AS pair (view_name, source_name)
        JOIN pg_class AS view ON view.oid = ('ingest.' || view_name)::regclass
        JOIN pg_class AS source ON source.oid = ('ingest.' || source_name)::regclass
        JOIN pg_attribute AS field ON field.attrelid = view.oid AND field.attnum > 0
        JOIN pg_attribute AS origin ON origin.attrelid = source.oid AND origin.attname = field.attname
    LOOP
        EXECUTE format('COMMENT ON COLUMN ingest.%I.%I IS %L', found.relname, found.attname, found.meaning);
    END LOOP;
END $$
"""

# The API's status says how many ids are in conflict.
_READABLE = """
DO $$ BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'election_metrics_api') THEN
        GRANT SELECT ON ingest.judged_rows, metrics.conflicting_transactions TO election_metrics_api;
    END IF;
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'election_metrics_reader') THEN
        GRANT SELECT ON metrics.conflicting_transactions TO election_metrics_reader;
    END IF;
END $$
"""

_REGISTER_CHANGES = """
CREATE OR REPLACE VIEW metrics.register_changes AS
SELECT
    constituency_id,
    occurred_at AS changed_at,
    operation,
    voters AS change,
    CASE WHEN sum(voters) OVER running >= 0 THEN sum(voters) OVER running END::bigint AS registered_voters,
    transaction_id
FROM {events}
WHERE voters IS NOT NULL
WINDOW running AS (PARTITION BY constituency_id ORDER BY occurred_at, transaction_id)
"""

_BEFORE = """(
    SELECT DISTINCT ON (event.transaction_id) event.*
    FROM ingest.registry_events AS event
    WHERE EXISTS (
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
) AS standing"""

_KIND = "corrections_kind_check"
_COMMENTS = """
COMMENT ON TABLE ingest.corrections IS 'Rollbacks, and votes and issues of voters who have several: corrections are data';
COMMENT ON COLUMN ingest.corrections.kind IS 'rollback, repeated_vote or repeated_issue';
COMMENT ON COLUMN ingest.corrections.sender IS
    'Voter key of a repeated vote; the short hash of the voter''s id of a repeated issue';
"""


def _column(name: str, kind: sa.types.TypeEngine[Any], comment: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=nullable, comment=comment)


def upgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT EXISTS (SELECT 1 FROM ingest.lake_parts)")).scalar():
        raise WarehouseError(
            "the lake was written by an earlier version, which found repeated ids by their ends alone; ingest the files "
            "again into an empty warehouse and lake (another ELECTION_METRICS_HOME), and remove the old ones"
        )
    op.create_table(
        "conflicting_rows",
        _column("transaction_id", sa.Text(), "Transaction"),
        _column("content_id", sa.BigInteger(), "Content that holds the row"),
        _column("place", sa.BigInteger(), "1: the row rests in the lake; more: a row of the same file outranks it"),
        _column("constituency_id", sa.Text(), "Constituency of the row"),
        _column("occurred_ms", sa.BigInteger(), "When, epoch milliseconds"),
        _column("kind", sa.Text(), "What the call came to: vote_cast, bulletin_issued, …"),
        _column("operation", sa.Text(), "Call of the contract", nullable=True),
        _column("quantity", sa.BigInteger(), "Bulletins or voters", nullable=True),
        _column("sender", sa.Text(), "Voter key of a vote; short hash of the voter's id of an issue", nullable=True),
        _column("fail_reason", sa.Text(), "Why the call failed", nullable=True),
        sa.PrimaryKeyConstraint("transaction_id", "content_id", "place", name="conflicting_rows_pkey"),
        schema="ingest",
        comment="Rows of transaction ids that say several things, of any file that was ever current",
    )
    op.create_index("conflicting_rows_content_id_idx", "conflicting_rows", ["content_id"], schema="ingest")
    op.drop_constraint(op.f(_KIND), "corrections", schema="ingest")
    op.create_check_constraint(
        op.f(_KIND), "corrections", "kind IN ('rollback', 'repeated_vote', 'repeated_issue')", schema="ingest"
    )
    op.execute(_JUDGED)
    op.execute(_REGISTER_CHANGES.format(events="ingest.standing_registry_events"))
    op.execute(_COMMENTS)
    op.execute(_READABLE)


def downgrade() -> None:
    op.execute(_REGISTER_CHANGES.format(events=_BEFORE))
    for view in ("metrics.conflicting_transactions", "ingest.standing_registry_events", "ingest.lost_rows",
                 "ingest.judged_rows"):  # fmt: skip
        op.execute(f"DROP VIEW {view}")
    op.drop_table("conflicting_rows", schema="ingest")
    op.drop_constraint(op.f(_KIND), "corrections", schema="ingest")
    op.create_check_constraint(
        op.f(_KIND),
        "corrections",
        "kind IN ('rollback', 'repeated_vote', 'repeated_issue', 'repeated_id')",
        schema="ingest",
    )
