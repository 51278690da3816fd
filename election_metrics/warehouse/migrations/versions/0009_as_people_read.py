"""As people read: names in the order of their numbers, an election's own time zone, no negative age, true comments."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Each run of digits is made twenty digits long, so that letters' order is numbers' order: no collation of a library
# that a server may have or not.
_NATURAL_ORDER = """
CREATE FUNCTION metrics.natural_order(name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT regexp_replace(
        regexp_replace(name, '([0-9]+)', repeat('0', 20) || '\\1', 'g'), '[0-9]*([0-9]{20})', '\\1', 'g'
    )
$$;
COMMENT ON FUNCTION metrics.natural_order IS
    'What to sort names by, so that numbers in them are in the order of numbers: №2 before №10';
"""
_AGE_BEFORE = "now() - summary.last_transaction_at AS age"
_AGE = "CASE WHEN summary.last_transaction_at <= now() THEN now() - summary.last_transaction_at END AS age"
_VIEW = """
CREATE OR REPLACE VIEW metrics.election_current AS
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
    {age},
    summary.run_id,
    summary.computed_at
FROM metrics.elections AS election
LEFT JOIN metrics.election_summaries AS summary USING (election_id);
COMMENT ON COLUMN metrics.election_current.age IS '{said}'
"""

# A column of a view that says what its table's column said goes on doing so.
_IN_VIEWS = """
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT view.relname, field.attname FROM pg_class AS view
        JOIN pg_attribute AS field ON field.attrelid = view.oid AND field.attnum > 0
        WHERE view.relkind = 'v' AND view.relnamespace = 'metrics'::regnamespace
            AND field.attname = {column} AND col_description(view.oid, field.attnum) = {before}
    LOOP
        EXECUTE format('COMMENT ON COLUMN metrics.%I.%I IS %L', found.relname, found.attname, {now});
    END LOOP;
END $$
"""
_RATE = "Votes cast / registered voters * 100; NULL "
_UNKNOWN_TIMES = "NULL where voting times are not known"
_COMPLETE = "Those of which every hour that should be here by now is here; "
_EXPECTED = "Constituency hours of voting that should be here by now; "
_DELIVERED = "Of those, the ones that a landed file covers by its name or by its transactions"
_TREND = (
    "Slope of the least-squares line through the bulletins of the voting hours, silent ones being 0: bulletins an hour"
    " per hour; NULL for "
)
_PATTERN = "Votes cast by hour of the local day, 24 values from 00 to 23; NULL for "
_SUMMARIES = {
    "participation_rate": (
        _RATE + "while a reporting constituency has no register",
        _RATE + "where the register is 0 or not known, and while a reporting constituency has none",
    ),
    "constituencies_complete": (_COMPLETE + _UNKNOWN_TIMES, _COMPLETE + "NULL as hours_expected"),
    "hours_expected": (
        _EXPECTED + _UNKNOWN_TIMES,
        _EXPECTED + "NULL where neither voting times nor the region's others tell what to expect",
    ),
    "hours_delivered": (_DELIVERED, _DELIVERED + ", or a table that was read since"),
    "last_transaction_at": (
        "Last transaction that stands: how fresh the figures are",
        "Last transaction that stands; a vote may be silent for hours",
    ),
}
_COMMENTS = {
    "metrics.elections.ends_at": (
        "Last constituency's voting ends; NULL where not known",
        "Last constituency's voting ends; NULL while any constituency's is not known",
    ),
    "metrics.elections.time_zone": (
        "IANA time zone of most of its constituencies",
        "IANA time zone: what people say, else that of most registered voters",
    ),
    "metrics.constituencies.reference_voters": (
        "Registered voters that the reference file gives; NULL where it gives none",
        "Registered voters that people or the reference file give; NULL where they give none",
    ),
    "metrics.constituency_metrics.period_start": (
        "Start of the period: midnight in the constituency's time zone; for an election, its first hour with"
        " transactions",
        "Start of the period: of an hour, its own; of an election, its first hour with transactions; else midnight in"
        " the constituency's time zone",
    ),
    "metrics.constituency_metrics.bulletin_trend": (_TREND + "a single hour", _TREND + "fewer than two of them"),
    "metrics.constituency_metrics.activity_pattern": (_PATTERN + "a single hour", _PATTERN + "period hour"),
    **{f"metrics.election_summaries.{name}": said for name, said in _SUMMARIES.items()},
    **{f"metrics.region_summaries.{name}": said for name, said in _SUMMARIES.items()},
    "metrics.election_summaries.rejected_lines": (
        "Lines in quarantine from this election's files",
        "Lines that cannot be read, of this election's files and of tables with its constituencies",
    ),
    "metrics.anomalies.region": (
        "Region; NULL for a finding on the whole election",
        "Region; NULL for a finding on the whole election, and where a constituency's is not known",
    ),
    "ingest.audit_log.at": ("When it was committed to", "When the transaction that did it began"),
    "ingest.election_versions.summary_version": (
        "The hourly_version that election_summaries was computed from",
        "The metrics_version that election_summaries was computed from",
    ),
}
_TABLE = (
    "What people say of an election: its name, and voting times that hold in every time zone",
    "What people say of an election: its name, its time zone, and voting times that hold in every time zone",
)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _say(before: int, now: int) -> None:
    """Replaces the comments of one side of `_COMMENTS` by those of the other."""
    for column, said in _COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN {column} IS {_quoted(said[now])}")
        name = column.rsplit(".", 1)[1]
        op.execute(_IN_VIEWS.format(column=_quoted(name), before=_quoted(said[before]), now=_quoted(said[now])))
    op.execute(f"COMMENT ON TABLE metrics.election_reference IS {_quoted(_TABLE[now])}")


def upgrade() -> None:
    op.execute(_NATURAL_ORDER)
    op.add_column(
        "election_reference",
        sa.Column(
            "time_zone",
            sa.Text(),
            comment="IANA time zone in which the election is shown; that of a constituency is its own",
        ),
        schema="metrics",
    )
    said = "Time since the last transaction that stands; NULL where that is ahead of the clock"
    op.execute(_VIEW.format(age=_AGE, said=said))
    _say(0, 1)


def downgrade() -> None:
    _say(1, 0)
    op.execute(_VIEW.format(age=_AGE_BEFORE, said="Time since the last transaction that stands"))
    op.drop_column("election_reference", "time_zone", schema="metrics")
    op.execute("DROP FUNCTION metrics.natural_order")
