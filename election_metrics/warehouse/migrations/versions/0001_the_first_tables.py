"""The first tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("content_ids", schema="ingest")))
    op.create_table(
        "content_hours",
        sa.Column("content_id", sa.BigInteger(), nullable=False, comment="Content of a file"),
        sa.Column("hour_number", sa.BigInteger(), nullable=False, comment="Hours since 1970 (UTC)"),
        sa.Column("rows", sa.BigInteger(), nullable=False, comment="Rows of the content in this hour"),
        sa.PrimaryKeyConstraint("content_id", "hour_number", name=op.f("content_hours_pkey")),
        schema="ingest",
        comment="Which hours a file's rows went to",
    )
    op.create_index(
        op.f("content_hours_hour_number_idx"), "content_hours", ["hour_number"], unique=False, schema="ingest"
    )
    op.create_table(
        "corrections",
        sa.Column("kind", sa.Text(), nullable=False, comment="rollback, repeated_vote or repeated_id"),
        sa.Column("transaction_id", sa.Text(), nullable=False, comment="Transaction that is withdrawn or repeated"),
        sa.Column("content_id", sa.BigInteger(), nullable=False, comment="Content that holds the line"),
        sa.Column(
            "occurred_ms",
            sa.BigInteger(),
            nullable=False,
            comment="Time of the repeated row, epoch milliseconds; 0 for a rollback",
        ),
        sa.Column("constituency_id", sa.Text(), nullable=False, comment="Constituency of the row"),
        sa.Column("sender", sa.Text(), nullable=True, comment="Voter key of a repeated vote"),
        sa.CheckConstraint("kind IN ('rollback', 'repeated_vote', 'repeated_id')", name=op.f("corrections_kind_check")),
        sa.PrimaryKeyConstraint("kind", "transaction_id", "content_id", "occurred_ms", name=op.f("corrections_pkey")),
        schema="ingest",
        comment="Rollbacks, votes of voters who voted again, and ids in several hours: corrections are data",
    )
    op.create_index(
        op.f("corrections_constituency_id_sender_idx"),
        "corrections",
        ["constituency_id", "sender"],
        unique=False,
        schema="ingest",
    )
    op.create_index(op.f("corrections_content_id_idx"), "corrections", ["content_id"], unique=False, schema="ingest")
    op.create_table(
        "election_versions",
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election"),
        sa.Column(
            "hourly_version",
            sa.BigInteger(),
            nullable=False,
            comment="Grows when hourly rows or the registry of the election change",
        ),
        sa.Column(
            "metrics_version",
            sa.BigInteger(),
            nullable=False,
            comment="The hourly_version that constituency_metrics was computed from",
        ),
        sa.Column(
            "summary_version",
            sa.BigInteger(),
            nullable=False,
            comment="The hourly_version that election_summaries was computed from",
        ),
        sa.PrimaryKeyConstraint("election_id", name=op.f("election_versions_pkey")),
        schema="ingest",
        comment="Elections whose derived tables are behind their hourly rows",
    )
    op.create_table(
        "hour_versions",
        sa.Column(
            "hour_number", sa.BigInteger(), autoincrement=False, nullable=False, comment="Hours since 1970 (UTC)"
        ),
        sa.Column(
            "landed_version",
            sa.BigInteger(),
            nullable=False,
            comment="Grows with everything that may change the hour's figures",
        ),
        sa.Column(
            "computed_version",
            sa.BigInteger(),
            nullable=False,
            comment="The landed_version that hourly_stats was computed from",
        ),
        sa.Column(
            "is_contested",
            sa.Boolean(),
            nullable=False,
            comment="Rows of this hour repeat, or were withdrawn, superseded or voted again",
        ),
        sa.Column(
            "computed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When hourly_stats of the hour was computed",
        ),
        sa.PrimaryKeyConstraint("hour_number", name=op.f("hour_versions_pkey")),
        schema="ingest",
        comment="Hours with transactions: dirty where landed_version is above computed_version",
    )
    op.create_index(
        "hour_versions_changed",
        "hour_versions",
        ["hour_number"],
        unique=False,
        schema="ingest",
        postgresql_where="landed_version > computed_version",
    )
    op.create_table(
        "lake_parts",
        sa.Column("path", sa.Text(), nullable=False, comment="Parquet file below the lake"),
        sa.Column("hour_number", sa.BigInteger(), nullable=False, comment="Hours since 1970 (UTC)"),
        sa.Column("rows", sa.BigInteger(), nullable=False, comment="Rows in the part"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="Bytes"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was written"),
        sa.Column(
            "retired_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When a merged part replaced it; its file is deleted a while later",
        ),
        sa.PrimaryKeyConstraint("path", name=op.f("lake_parts_pkey")),
        schema="ingest",
        comment="The lake's manifest: a Parquet file that is not here does not count",
    )
    op.create_index(op.f("lake_parts_hour_number_idx"), "lake_parts", ["hour_number"], unique=False, schema="ingest")
    op.create_table(
        "registry_events",
        sa.Column("transaction_id", sa.Text(), nullable=False, comment="Transaction"),
        sa.Column("content_id", sa.BigInteger(), nullable=False, comment="Content that holds it"),
        sa.Column("constituency_id", sa.Text(), nullable=False, comment="Constituency"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False, comment="When"),
        sa.Column(
            "operation", sa.Text(), nullable=False, comment="Call that changed the register or the state of voting"
        ),
        sa.Column(
            "voters",
            sa.BigInteger(),
            nullable=True,
            comment="Registered voters added (removed: negative); NULL for other calls",
        ),
        sa.PrimaryKeyConstraint("transaction_id", "content_id", name=op.f("registry_events_pkey")),
        schema="ingest",
        comment="Calls that did not fail and that change the register, or start and finish voting",
    )
    op.create_index(
        op.f("registry_events_constituency_id_idx"),
        "registry_events",
        ["constituency_id"],
        unique=False,
        schema="ingest",
    )
    op.create_table(
        "rejected_transactions",
        sa.Column("file", sa.Text(), nullable=False, comment="Path of the file, and member of an archive"),
        sa.Column("line_number", sa.BigInteger(), nullable=False, comment="Line in the file, from 1"),
        sa.Column("reason", sa.Text(), nullable=False, comment="Why the line cannot be read"),
        sa.Column("content", sa.Text(), nullable=False, comment="The line's first 200 characters"),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, comment="When it was found"),
        sa.Column("content_id", sa.BigInteger(), nullable=False, comment="Content that holds the line"),
        sa.PrimaryKeyConstraint("line_number", "content_id", name=op.f("rejected_transactions_pkey")),
        schema="ingest",
        comment="The quarantine: lines of current files that cannot be read",
    )
    op.create_index(
        op.f("rejected_transactions_file_idx"), "rejected_transactions", ["file"], unique=False, schema="ingest"
    )
    op.create_table(
        "transaction_files",
        sa.Column(
            "file_id", sa.BigInteger(), sa.Identity(always=True), nullable=False, comment="Number of this version"
        ),
        sa.Column("path", sa.Text(), nullable=False, comment="Absolute path on disk"),
        sa.Column("member", sa.Text(), nullable=False, comment="Name within the archive; empty for a plain file"),
        sa.Column("size", sa.BigInteger(), nullable=False, comment="Bytes on disk (of the archive, for a member)"),
        sa.Column(
            "modified_ns", sa.BigInteger(), nullable=False, comment="Time of change, nanoseconds since the epoch"
        ),
        sa.Column("status", sa.Text(), nullable=False, comment="landed, superseded (by a later version) or unreadable"),
        sa.Column("reason", sa.Text(), nullable=True, comment="Why the file is unreadable"),
        sa.Column("content_hash", sa.Text(), nullable=True, comment="XXH3-128 of the bytes"),
        sa.Column(
            "content_id",
            sa.BigInteger(),
            nullable=True,
            comment="Number under which its rows rest in the lake; equal content of one contract shares it",
        ),
        sa.Column("constituency_id", sa.Text(), nullable=True, comment="Contract id from the file's name"),
        sa.Column("region_code", sa.Text(), nullable=True, comment="From the path"),
        sa.Column("region", sa.Text(), nullable=True, comment="From the path"),
        sa.Column("election", sa.Text(), nullable=True, comment="Election's name from the path"),
        sa.Column("constituency", sa.Text(), nullable=True, comment="Constituency's name from the path"),
        sa.Column(
            "interval_start",
            postgresql.TIMESTAMP(),
            nullable=True,
            comment="Start of the interval in the name, local wall clock",
        ),
        sa.Column(
            "interval_end",
            postgresql.TIMESTAMP(),
            nullable=True,
            comment="End of the interval in the name, local wall clock",
        ),
        sa.Column(
            "lines", sa.BigInteger(), nullable=True, comment="Lines in the file: rows + rollbacks + repeated + rejected"
        ),
        sa.Column("rows", sa.BigInteger(), nullable=True, comment="Lines landed as transactions"),
        sa.Column("rollbacks", sa.BigInteger(), nullable=True, comment="Lines that withdraw a transaction"),
        sa.Column("repeated", sa.BigInteger(), nullable=True, comment="Lines that repeat an id of the same file"),
        sa.Column("rejected", sa.BigInteger(), nullable=True, comment="Lines in quarantine"),
        sa.Column(
            "first_transaction_at", sa.DateTime(timezone=True), nullable=True, comment="First transaction of the file"
        ),
        sa.Column(
            "last_transaction_at", sa.DateTime(timezone=True), nullable=True, comment="Last transaction of the file"
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that landed it"),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False, comment="When this version was recorded"),
        sa.CheckConstraint(
            "status IN ('landed', 'superseded', 'unreadable')", name=op.f("transaction_files_status_check")
        ),
        sa.CheckConstraint(
            "lines = rows + rollbacks + repeated + rejected", name=op.f("transaction_files_every_line_accounted_check")
        ),
        sa.PrimaryKeyConstraint("file_id", name=op.f("transaction_files_pkey")),
        schema="ingest",
        comment="The ledger: every version of every export file, and what became of its lines",
    )
    op.create_index(
        op.f("transaction_files_constituency_id_idx"),
        "transaction_files",
        ["constituency_id"],
        unique=False,
        schema="ingest",
    )
    op.create_index(
        op.f("transaction_files_content_hash_idx"), "transaction_files", ["content_hash"], unique=False, schema="ingest"
    )
    op.create_index(
        op.f("transaction_files_content_id_idx"), "transaction_files", ["content_id"], unique=False, schema="ingest"
    )
    op.create_index(
        "transaction_files_current_key",
        "transaction_files",
        ["path", "member"],
        unique=True,
        schema="ingest",
        postgresql_where="status <> 'superseded'",
    )
    op.create_table(
        "elections",
        sa.Column("election_id", sa.Text(), nullable=False, comment="Readable id made from the name"),
        sa.Column("name", sa.Text(), nullable=False, comment="Name, one across regions"),
        sa.Column(
            "starts_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="First constituency's voting starts; NULL where not known",
        ),
        sa.Column(
            "ends_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Last constituency's voting ends; NULL where not known",
        ),
        sa.Column("time_zone", sa.Text(), nullable=False, comment="IANA time zone of most of its constituencies"),
        sa.Column(
            "status",
            sa.Text(),
            nullable=True,
            comment="scheduled, active or completed at computed_at, from the voting times; NULL where not known",
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False, comment="When the row was computed"),
        sa.CheckConstraint("status IN ('scheduled', 'active', 'completed')", name=op.f("elections_status_check")),
        sa.CheckConstraint(
            "ends_at IS NULL OR starts_at IS NULL OR ends_at > starts_at", name=op.f("elections_times_check")
        ),
        sa.PrimaryKeyConstraint("election_id", name=op.f("elections_pkey")),
        schema="metrics",
        comment="Elections: names, voting times and status",
    )
    op.create_table(
        "constituencies",
        sa.Column("constituency_id", sa.Text(), nullable=False, comment="Contract id (base58)"),
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election it votes in"),
        sa.Column(
            "name", sa.Text(), nullable=True, comment="Name of the constituency; NULL where no path or reference has it"
        ),
        sa.Column("region_code", sa.Text(), nullable=True, comment="Region's code as the portal writes it"),
        sa.Column("region", sa.Text(), nullable=True, comment="Region's name"),
        sa.Column("time_zone", sa.Text(), nullable=False, comment="IANA time zone"),
        sa.Column(
            "registered_voters", sa.BigInteger(), nullable=True, comment="Registered voters now; NULL where not known"
        ),
        sa.Column(
            "reference_voters",
            sa.BigInteger(),
            nullable=True,
            comment="Registered voters that the reference file gives; NULL where it gives none",
        ),
        sa.Column(
            "starts_at", sa.DateTime(timezone=True), nullable=True, comment="Voting starts; NULL where not known"
        ),
        sa.Column(
            "ends_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Voting ends (bulletins; votes are taken 15 minutes longer); NULL where not known",
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False, comment="When the row was computed"),
        sa.ForeignKeyConstraint(
            ["election_id"], ["metrics.elections.election_id"], name=op.f("constituencies_election_id_fkey")
        ),
        sa.PrimaryKeyConstraint("constituency_id", name=op.f("constituencies_pkey")),
        schema="metrics",
        comment="Constituencies: one voting, that is one smart contract",
    )
    op.create_index(
        op.f("constituencies_election_id_idx"), "constituencies", ["election_id"], unique=False, schema="metrics"
    )
    op.create_table(
        "election_summaries",
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election"),
        sa.Column("constituencies_total", sa.BigInteger(), nullable=False, comment="Constituencies in the registry"),
        sa.Column(
            "constituencies_reporting",
            sa.BigInteger(),
            nullable=False,
            comment="Those with at least one bulletin issued or vote cast",
        ),
        sa.Column("constituencies_silent", sa.BigInteger(), nullable=False, comment="Those without"),
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
        sa.Column("gap", sa.BigInteger(), nullable=False, comment="Bulletins issued less votes cast"),
        sa.Column(
            "gap_rate", sa.Double(), nullable=True, comment="Gap / bulletins issued * 100; NULL without bulletins"
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
            "rejected_lines", sa.BigInteger(), nullable=False, comment="Lines in quarantine from this election's files"
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
            "transaction_count >= 0 AND bulletins_issued >= 0 AND bulletins_failed >= 0 AND votes_cast >= 0 AND votes_rejected >= 0 AND votes_unknown >= 0 AND revotes >= 0 AND withdrawn >= 0 AND anomaly_count >= 0 AND constituencies_silent >= 0 AND rejected_lines >= 0",
            name=op.f("election_summaries_not_negative_check"),
        ),
        sa.ForeignKeyConstraint(
            ["election_id"], ["metrics.elections.election_id"], name=op.f("election_summaries_election_id_fkey")
        ),
        sa.PrimaryKeyConstraint("election_id", name=op.f("election_summaries_pkey")),
        schema="metrics",
        comment="Each election in one row: totals, participation, gap, coverage, freshness",
    )
    op.create_table(
        "constituency_metrics",
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election"),
        sa.Column("constituency_id", sa.Text(), nullable=False, comment="Constituency"),
        sa.Column("period", sa.Text(), nullable=False, comment="hour, day, week (ISO), month or election"),
        sa.Column(
            "period_start",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="Start of the period: midnight in the constituency's time zone; for an election, its first hour with transactions",
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
            "anomaly_score",
            sa.Double(),
            nullable=True,
            comment="Anomalous transactions / transactions * 100; NULL without transactions",
        ),
        sa.Column(
            "registered_voters",
            sa.BigInteger(),
            nullable=True,
            comment="Registered voters at the period's last hour; for an election, now; NULL where not known",
        ),
        sa.Column(
            "participation_rate",
            sa.Double(),
            nullable=True,
            comment="Votes of the period / registered voters * 100; NULL where the register is 0 or not known",
        ),
        sa.Column("gap", sa.BigInteger(), nullable=False, comment="Bulletins issued less votes cast"),
        sa.Column(
            "gap_rate", sa.Double(), nullable=True, comment="Gap / bulletins issued * 100; NULL without bulletins"
        ),
        sa.Column(
            "voting_hours",
            sa.BigInteger(),
            nullable=False,
            comment="Hours from the period's first to its last with bulletins or votes, silent ones included",
        ),
        sa.Column(
            "average_bulletins_per_hour",
            sa.Double(),
            nullable=True,
            comment="Bulletins issued / voting hours; NULL without any",
        ),
        sa.Column(
            "average_votes_per_hour", sa.Double(), nullable=True, comment="Votes cast / voting hours; NULL without any"
        ),
        sa.Column(
            "peak_hour",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="Hour with the most votes, the first of equals; NULL without votes",
        ),
        sa.Column("peak_votes", sa.BigInteger(), nullable=True, comment="Votes of the peak hour; NULL without votes"),
        sa.Column(
            "running_bulletins",
            sa.BigInteger(),
            nullable=False,
            comment="Bulletins issued from the first hour to the end of the period",
        ),
        sa.Column(
            "running_votes",
            sa.BigInteger(),
            nullable=False,
            comment="Votes cast from the first hour to the end of the period",
        ),
        sa.Column(
            "running_participation_rate",
            sa.Double(),
            nullable=True,
            comment="Running votes / registered voters * 100; NULL as participation_rate",
        ),
        sa.Column(
            "first_transaction_at", sa.DateTime(timezone=True), nullable=True, comment="First transaction that stands"
        ),
        sa.Column(
            "last_transaction_at", sa.DateTime(timezone=True), nullable=True, comment="Last transaction that stands"
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False, comment="When the row was computed"),
        sa.CheckConstraint(
            "period IN ('hour', 'day', 'week', 'month', 'election')", name=op.f("constituency_metrics_period_check")
        ),
        sa.CheckConstraint(
            "transaction_count >= 0 AND bulletins_issued >= 0 AND bulletins_failed >= 0 AND votes_cast >= 0 AND votes_rejected >= 0 AND votes_unknown >= 0 AND revotes >= 0 AND withdrawn >= 0 AND anomaly_count >= 0 AND voting_hours >= 0 AND running_bulletins >= 0 AND running_votes >= 0",
            name=op.f("constituency_metrics_not_negative_check"),
        ),
        sa.ForeignKeyConstraint(
            ["constituency_id"],
            ["metrics.constituencies.constituency_id"],
            name=op.f("constituency_metrics_constituency_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["election_id"], ["metrics.elections.election_id"], name=op.f("constituency_metrics_election_id_fkey")
        ),
        sa.PrimaryKeyConstraint("constituency_id", "period", "period_start", name=op.f("constituency_metrics_pkey")),
        schema="metrics",
        comment="Each constituency by hour, day, week, month (in its time zone) and whole election",
    )
    op.create_index(
        op.f("constituency_metrics_election_id_idx"),
        "constituency_metrics",
        ["election_id"],
        unique=False,
        schema="metrics",
    )
    op.create_table(
        "hourly_stats",
        sa.Column("election_id", sa.Text(), nullable=False, comment="Election"),
        sa.Column("constituency_id", sa.Text(), nullable=False, comment="Constituency"),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False, comment="Start of the hour (UTC)"),
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
            "bulletin_velocity",
            sa.Double(),
            nullable=True,
            comment="Bulletins per hour; for the hour in progress, per elapsed part of it",
        ),
        sa.Column(
            "vote_velocity",
            sa.Double(),
            nullable=True,
            comment="Votes per hour; for the hour in progress, per elapsed part of it",
        ),
        sa.Column(
            "registered_voters",
            sa.BigInteger(),
            nullable=True,
            comment="Registered voters at the end of the hour; NULL where not known",
        ),
        sa.Column(
            "participation_rate",
            sa.Double(),
            nullable=True,
            comment="Votes of the hour / registered voters * 100; NULL where the register is 0 or not known",
        ),
        sa.Column(
            "first_transaction_at", sa.DateTime(timezone=True), nullable=True, comment="First transaction that stands"
        ),
        sa.Column(
            "last_transaction_at", sa.DateTime(timezone=True), nullable=True, comment="Last transaction that stands"
        ),
        sa.Column("run_id", sa.Text(), nullable=False, comment="Dagster run that wrote the row"),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False, comment="When the row was computed"),
        sa.CheckConstraint("date_trunc('hour', hour, 'UTC') = hour", name=op.f("hourly_stats_whole_hour_check")),
        sa.CheckConstraint(
            "transaction_count >= 0 AND bulletins_issued >= 0 AND bulletins_failed >= 0 AND votes_cast >= 0 AND votes_rejected >= 0 AND votes_unknown >= 0 AND revotes >= 0 AND withdrawn >= 0 AND anomaly_count >= 0",
            name=op.f("hourly_stats_not_negative_check"),
        ),
        sa.ForeignKeyConstraint(
            ["constituency_id"],
            ["metrics.constituencies.constituency_id"],
            name=op.f("hourly_stats_constituency_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["election_id"], ["metrics.elections.election_id"], name=op.f("hourly_stats_election_id_fkey")
        ),
        sa.PrimaryKeyConstraint("constituency_id", "hour", name=op.f("hourly_stats_pkey")),
        schema="metrics",
        comment="What happened in each constituency and hour; no row for an hour without transactions",
    )
    op.create_index(
        op.f("hourly_stats_election_id_hour_idx"),
        "hourly_stats",
        ["election_id", "hour"],
        unique=False,
        schema="metrics",
    )
    op.create_index(op.f("hourly_stats_hour_idx"), "hourly_stats", ["hour"], unique=False, schema="metrics")


def downgrade() -> None:
    op.drop_index(op.f("hourly_stats_hour_idx"), table_name="hourly_stats", schema="metrics")
    op.drop_index(op.f("hourly_stats_election_id_hour_idx"), table_name="hourly_stats", schema="metrics")
    op.drop_table("hourly_stats", schema="metrics")
    op.drop_index(op.f("constituency_metrics_election_id_idx"), table_name="constituency_metrics", schema="metrics")
    op.drop_table("constituency_metrics", schema="metrics")
    op.drop_table("election_summaries", schema="metrics")
    op.drop_index(op.f("constituencies_election_id_idx"), table_name="constituencies", schema="metrics")
    op.drop_table("constituencies", schema="metrics")
    op.drop_table("elections", schema="metrics")
    op.drop_index(
        "transaction_files_current_key",
        table_name="transaction_files",
        schema="ingest",
        postgresql_where="status <> 'superseded'",
    )
    op.drop_index(op.f("transaction_files_content_id_idx"), table_name="transaction_files", schema="ingest")
    op.drop_index(op.f("transaction_files_content_hash_idx"), table_name="transaction_files", schema="ingest")
    op.drop_index(op.f("transaction_files_constituency_id_idx"), table_name="transaction_files", schema="ingest")
    op.drop_table("transaction_files", schema="ingest")
    op.drop_index(op.f("rejected_transactions_file_idx"), table_name="rejected_transactions", schema="ingest")
    op.drop_table("rejected_transactions", schema="ingest")
    op.drop_index(op.f("registry_events_constituency_id_idx"), table_name="registry_events", schema="ingest")
    op.drop_table("registry_events", schema="ingest")
    op.drop_index(op.f("lake_parts_hour_number_idx"), table_name="lake_parts", schema="ingest")
    op.drop_table("lake_parts", schema="ingest")
    op.drop_index(
        "hour_versions_changed",
        table_name="hour_versions",
        schema="ingest",
        postgresql_where="landed_version > computed_version",
    )
    op.drop_table("hour_versions", schema="ingest")
    op.drop_table("election_versions", schema="ingest")
    op.drop_index(op.f("corrections_content_id_idx"), table_name="corrections", schema="ingest")
    op.drop_index(op.f("corrections_constituency_id_sender_idx"), table_name="corrections", schema="ingest")
    op.drop_table("corrections", schema="ingest")
    op.drop_index(op.f("content_hours_hour_number_idx"), table_name="content_hours", schema="ingest")
    op.drop_table("content_hours", schema="ingest")
    op.execute(sa.schema.DropSequence(sa.Sequence("content_ids", schema="ingest")))
