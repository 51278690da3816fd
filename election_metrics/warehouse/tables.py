"""The tables of the warehouse; docs and migrations are derived from them.

Schema `metrics` is for readers; schema `ingest` holds the ledger of files, parts and hours, the quarantine and the
corrections. Every column has a comment. Times are `timestamptz`, rates are percent, unknown is NULL.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    Numeric,
    Sequence,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from election_metrics.counts import COUNTS, NAMES

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    }
)

content_ids = Sequence("content_ids", schema="ingest", metadata=metadata)

Instant = DateTime(timezone=True)
LocalTime = TIMESTAMP(timezone=False)


def _text(name: str, comment: str, *constraints: Any, **options: Any) -> Column[str]:
    return Column(name, Text, *constraints, comment=comment, **options)


def _count(name: str, comment: str, **options: Any) -> Column[int]:
    return Column(name, BigInteger, comment=comment, **{"nullable": False, **options})


def _number(name: str, comment: str, **options: Any) -> Column[float]:
    return Column(name, Double, comment=comment, **options)


def _of(*sources: str) -> dict[str, Any]:
    """Names the columns of the upstream asset (or of another one: asset.column) that a column is computed from.

    Without it, a column comes from the upstream column of the same name, if there is one.
    """
    return {"info": {"sources": sources}}


def _causes(comment: str) -> Column[Any]:
    return Column("causes", ARRAY(Text), nullable=False, server_default="{}", comment=comment)


def _instant(name: str, comment: str, **options: Any) -> Column[Any]:
    return Column(name, Instant, comment=comment, **options)


LINEAGE = ("run_id", "computed_at", "commit_number")
"""Columns that say which run computed a row's figures, when, and in which commit they became visible."""


def figures(table: Table) -> list[Column[Any]]:
    """The columns in which a row may differ: all but LINEAGE, except where that is of the last computation."""
    return [column for column in table.columns if column.name not in LINEAGE or column.info.get("is_of_last")]


def _lineage(*, is_of_last: bool = False, is_public: bool = True) -> list[Column[Any]]:
    """Columns LINEAGE: of the run that computed these figures first, or last."""
    when, info = "last" if is_of_last else "first", {"is_of_last": is_of_last}
    run = [
        _text("run_id", f"Dagster run that computed these figures {when}", nullable=False, info=info),
        _instant("computed_at", f"When these figures were computed {when}", nullable=False, info=info),
    ]
    commit = "Commit that wrote these figures: history.commits says when, by which run and why"
    return [*run, _count("commit_number", commit)] if is_public else run


def _ballots() -> list[Column[int]]:
    """The counts, as columns of every table of figures."""
    return [
        _count(count.name, count.comment, info={"unit": count.unit, "counted_from": count.sources}) for count in COUNTS
    ]


def _running_rates() -> list[Column[float]]:
    """Running totals in percent."""
    return [
        _number(
            "running_participation_rate",
            "Running votes / registered voters * 100; NULL as participation_rate",
            **_of("votes_cast", "registered_voters"),
        ),
        _number(
            "running_issue_rate",
            "Running bulletins / registered voters * 100; NULL as participation_rate",
            **_of("bulletins_issued", "registered_voters"),
        ),
        _number(
            "running_gap_rate",
            "Running bulletins less running votes, / running bulletins * 100; NULL without any",
            **_of("bulletins_issued", "votes_cast"),
        ),
    ]


def _not_negative(*names: str) -> CheckConstraint:
    return CheckConstraint(" AND ".join(f"{name} >= 0" for name in names), name="not_negative")


_ELECTION = "metrics.elections.election_id"
_CONSTITUENCY = "metrics.constituencies.constituency_id"

elections = Table(
    "elections", metadata,
    _text("election_id", "Readable id made from the name", primary_key=True),
    _text("name", "Name, one across regions", nullable=False),
    _instant("starts_at", "First constituency's voting starts; NULL where not known"),
    _instant("ends_at", "Last constituency's voting ends; NULL while any constituency's is not known"),
    _text("time_zone", "IANA time zone: the override, else that of most registered voters", nullable=False),
    _text("status", "scheduled, active or completed at computed_at, from the voting times; NULL where not known"),
    *_lineage(),
    CheckConstraint("status IN ('scheduled', 'active', 'completed')", name="status"),
    CheckConstraint("ends_at IS NULL OR starts_at IS NULL OR ends_at > starts_at", name="times"),
    schema="metrics", comment="Elections: names, voting times and status",
)  # fmt: skip


def _constituency(*, is_public: bool) -> list[Column[Any]]:
    return [
        _text("constituency_id", "Contract id (base58)", primary_key=True),
        _text("election_id", "Election it votes in", ForeignKey(_ELECTION), nullable=False, index=True),
        _text("name", "Name of the constituency; NULL where no path or reference has it"),
        _text("region_code", "Region's code as the portal writes it"),
        _text("region", "Region's name"),
        _text("time_zone", "IANA time zone", nullable=False),
        Column("is_zone_assumed", Boolean, nullable=False,
               comment="Whether its time zone was assumed: its region is not known, or not named and no default was chosen"),
        _count("registered_voters", "Registered voters now; NULL where not known", nullable=True),
        _count("reference_voters", "Registered voters in the overrides or the reference file; NULL if neither has them", nullable=True),
        _instant("starts_at", "Voting starts; NULL where not known"),
        _instant("ends_at", "Voting ends (bulletins; votes are taken 15 minutes longer); NULL where not known"),
        *_lineage(is_public=is_public),
    ]  # fmt: skip


constituencies = Table(
    "constituencies", metadata, *_constituency(is_public=True),
    schema="metrics", comment="Constituencies (one voting, that is one smart contract), consistent with the published figures",
)  # fmt: skip

constituency_registry = Table(
    "constituency_registry", metadata, *_constituency(is_public=False),
    schema="ingest", comment="Constituencies as known now; metrics.constituencies is updated together with the figures",
)  # fmt: skip

hourly_stats = Table(
    "hourly_stats", metadata,
    _text("election_id", "Election", ForeignKey(_ELECTION), nullable=False, **_of("constituencies.election_id")),
    _text("constituency_id", "Constituency", ForeignKey(_CONSTITUENCY), primary_key=True, **_of("constituency_id")),
    _instant("hour", "Start of the hour (UTC)", primary_key=True, **_of("occurred_ms")),
    *_ballots(),
    _number("bulletin_velocity", "Bulletins per hour; for the hour in progress, per elapsed part of it", **_of("kind", "quantity", "occurred_ms")),
    _number("vote_velocity", "Votes per hour; for the hour in progress, per elapsed part of it", **_of("kind", "occurred_ms")),
    _count("registered_voters", "Registered voters at the end of the hour; NULL where not known", nullable=True, **_of("constituencies.registered_voters")),
    _number("participation_rate", "Votes of the hour / registered voters * 100; NULL where the register is 0 or not known", **_of("kind", "constituencies.registered_voters")),
    _instant("first_transaction_at", "First transaction that counts", **_of("occurred_ms")),
    _instant("last_transaction_at", "Last transaction that counts", **_of("occurred_ms")),
    _count("outside_voting", "Bulletins issued and votes cast outside the voting times (15 minutes' grace for votes)", **_of("kind", "occurred_ms")),
    *_lineage(),
    _not_negative(*NAMES, "outside_voting"),
    CheckConstraint("date_trunc('hour', hour, 'UTC') = hour", name="whole_hour"),
    Index(None, "election_id", "hour"),
    Index(None, "hour"),
    schema="metrics", comment="Counts of each constituency and hour; no row for an hour without transactions",
)  # fmt: skip

election_hours = Table(
    "election_hours", metadata,
    _text("election_id", "Election", ForeignKey(_ELECTION), primary_key=True),
    _instant("hour", "Start of the hour (UTC)", primary_key=True),
    _count("constituencies_active", "Constituencies with a transaction in the hour"),
    *_ballots(),
    _number("bulletin_velocity", "Bulletins per hour; for the hour in progress, per elapsed part of it"),
    _number("vote_velocity", "Votes per hour; for the hour in progress, per elapsed part of it"),
    _count("outside_voting", "Bulletins issued and votes cast outside the voting times (15 minutes' grace for votes)"),
    _instant("last_transaction_at", "Last transaction that counts"),
    _count("registered_voters", "Registered voters of the election at the end of the hour; NULL while that of a constituency"
                                " that has sent bulletins or votes is not known", nullable=True),
    _number("participation_rate", "Votes of the hour / registered voters * 100; NULL where the register is 0 or not known"),
    _count("running_bulletins", "Bulletins issued from the first hour to the end of this one"),
    _count("running_votes", "Votes cast from the first hour to the end of this one"),
    *_running_rates(),
    *_lineage(),
    _not_negative(*NAMES, "constituencies_active", "outside_voting", "running_bulletins", "running_votes"),
    schema="metrics", comment="Each hour of an election: hourly_stats summed over its constituencies, with running totals",
)  # fmt: skip

constituency_metrics = Table(
    "constituency_metrics", metadata,
    _text("election_id", "Election", ForeignKey(_ELECTION), nullable=False),
    _text("constituency_id", "Constituency", ForeignKey(_CONSTITUENCY), primary_key=True),
    _text("period", "hour, day, week (ISO), month or election", primary_key=True),
    _instant(
        "period_start",
        "Start of the period: of an hour, its own; of an election, its first hour with transactions; else midnight in the"
        " constituency's time zone",
        primary_key=True, **_of("hour")),
    *_ballots(),
    _number("anomaly_score", "Anomalous transactions / transactions * 100; NULL without transactions", **_of("anomaly_count", "transaction_count")),
    _count("registered_voters", "Registered voters at the period's last hour; for an election, now; NULL where not known",
           nullable=True),
    _number("participation_rate", "Votes of the period / registered voters * 100; NULL where the register is 0 or not known", **_of("votes_cast", "registered_voters")),
    Column("gap", BigInteger, nullable=False, comment="Bulletins issued less votes cast", **_of("bulletins_issued", "votes_cast")),
    _number("gap_rate", "Gap / bulletins issued * 100; NULL without bulletins", **_of("bulletins_issued", "votes_cast")),
    _count("voting_hours", "Hours from the period's first to its last with bulletins or votes, silent ones included", **_of("hour", "bulletins_issued", "votes_cast")),
    _number("average_bulletins_per_hour", "Bulletins issued / voting hours; NULL without any", **_of("bulletins_issued", "hour")),
    _number("average_votes_per_hour", "Votes cast / voting hours; NULL without any", **_of("votes_cast", "hour")),
    _instant("peak_hour", "Hour with the most votes, the first of equals; NULL without votes", **_of("votes_cast", "hour")),
    _count("peak_votes", "Votes of the peak hour; NULL without votes", nullable=True, **_of("votes_cast")),
    _count("running_bulletins", "Bulletins issued from the first hour to the end of the period", **_of("bulletins_issued")),
    _count("running_votes", "Votes cast from the first hour to the end of the period", **_of("votes_cast")),
    *_running_rates(),
    _number("issue_rate", "Bulletins issued / registered voters * 100; NULL where the register is 0 or not known", **_of("bulletins_issued", "registered_voters")),
    _number("bulletin_trend", "Slope of the least-squares line through the bulletins of the voting hours, silent ones"
                              " being 0: bulletins an hour per hour; NULL for fewer than two of them", **_of("bulletins_issued", "hour")),
    _number("vote_trend", "The same of votes: votes an hour per hour", **_of("votes_cast", "hour")),
    Column("activity_pattern", ARRAY(BigInteger), comment="Votes cast by hour of the local day, 24 values from 00 to 23;"
                                                          " NULL for period hour", **_of("votes_cast", "hour")),
    _instant("first_transaction_at", "First transaction that counts"),
    _instant("last_transaction_at", "Last transaction that counts"),
    *_lineage(),
    _not_negative(*NAMES, "voting_hours", "running_bulletins", "running_votes"),
    CheckConstraint("period IN ('hour', 'day', 'week', 'month', 'election')", name="period"),
    Index(None, "election_id", "period", "period_start"),
    schema="metrics", comment="Each constituency by hour, day, week, month (in its time zone) and whole election",
)  # fmt: skip

election_summaries = Table(
    "election_summaries", metadata,
    _text("election_id", "Election", ForeignKey(_ELECTION), primary_key=True),
    _count("constituencies_total", "Constituencies in the registry"),
    _count("constituencies_reporting", "Constituencies with at least one bulletin issued or vote cast", **_of("bulletins_issued", "votes_cast")),
    _count("constituencies_silent", "Those without", **_of("bulletins_issued", "votes_cast")),
    _count("registered_voters", "Registered voters now, of the constituencies whose register is known; NULL if none",
           nullable=True),
    _count("constituencies_without_register", "Constituencies whose register is not known"),
    _count("constituencies_complete", "Constituencies of which every expected hour has arrived;"
                                      " NULL as hours_expected", nullable=True),
    *_ballots(),
    _number("participation_rate", "Votes cast / registered voters * 100; NULL where the register is 0 or not known,"
            " and while a reporting constituency has none", **_of("votes_cast", "registered_voters")),
    Column("gap", BigInteger, nullable=False, comment="Bulletins issued less votes cast"),
    _number("gap_rate", "Gap / bulletins issued * 100; NULL without bulletins", **_of("bulletins_issued", "votes_cast")),
    _count("hours_expected", "Constituency hours of voting that should have arrived by now; NULL if neither voting times nor"
           " the other constituencies of the region tell what to expect",
           nullable=True),
    _count("hours_delivered", "Expected hours that a landed file covers by its name or by its transactions, or a"
           " table that was read since", nullable=True),
    _number("coverage", "Hours delivered / hours expected * 100; NULL where not known or none expected yet"),
    _count("rejected_lines", "Lines that cannot be read, of this election's files and of tables with its constituencies"),
    _instant("peak_hour", "Hour with the most votes, the first of equals; NULL without votes", **_of("votes_cast", "period_start")),
    _count("peak_votes", "Votes of the peak hour; NULL without votes", nullable=True, **_of("votes_cast")),
    _instant("first_transaction_at", "First transaction that counts"),
    _instant("last_transaction_at", "Last transaction that counts; a vote may be silent for hours"),
    _number("issue_rate", "Bulletins issued / registered voters * 100; NULL as participation_rate", **_of("bulletins_issued", "registered_voters")),
    _number("anomaly_score", "Anomalous transactions / transactions * 100; NULL without transactions", **_of("anomaly_count", "transaction_count")),
    _count("anomalies_critical", "Critical findings that are open or acknowledged", **_of("anomalies.severity")),
    _count("anomalies_warning", "Warnings that are open or acknowledged", **_of("anomalies.severity")),
    _count("anomalies_info", "Informative findings that are open or acknowledged", **_of("anomalies.severity")),
    Column("anomalies_by_rule", JSONB, nullable=False, comment="Findings that are open or acknowledged, by rule"),
    *_lineage(is_of_last=True),
    _not_negative(*NAMES, "constituencies_silent", "rejected_lines"),
    schema="metrics", comment="Each election in one row: totals, participation, gap, coverage, freshness",
)  # fmt: skip

region_summaries = Table(
    "region_summaries", metadata,
    _text("election_id", "Election", ForeignKey(_ELECTION), primary_key=True),
    _text("region", "Region's name; empty for constituencies of no known region", primary_key=True),
    _count("constituencies_total", "Constituencies in the registry"),
    _count("constituencies_reporting", "Constituencies with at least one bulletin issued or vote cast"),
    _count("constituencies_silent", "Those without"),
    _count("constituencies_complete", "Constituencies of which every expected hour has arrived;"
                                      " NULL as hours_expected", nullable=True),
    _count("registered_voters", "Registered voters now, of the constituencies whose register is known; NULL if none",
           nullable=True),
    _count("constituencies_without_register", "Constituencies whose register is not known"),
    *_ballots(),
    _number("participation_rate", "Votes cast / registered voters * 100; NULL where the register is 0 or not known,"
            " and while a reporting constituency has none"),
    _number("issue_rate", "Bulletins issued / registered voters * 100; NULL as participation_rate"),
    Column("gap", BigInteger, nullable=False, comment="Bulletins issued less votes cast"),
    _number("gap_rate", "Gap / bulletins issued * 100; NULL without bulletins"),
    _number("anomaly_score", "Anomalous transactions / transactions * 100; NULL without transactions"),
    _count("hours_expected", "Constituency hours of voting that should have arrived by now; NULL if neither voting times nor"
           " the other constituencies of the region tell what to expect",
           nullable=True),
    _count("hours_delivered", "Expected hours that a landed file covers by its name or by its transactions, or a"
           " table that was read since", nullable=True),
    _number("coverage", "Hours delivered / hours expected * 100; NULL where not known or none expected yet"),
    _instant("peak_hour", "Hour with the most votes, the first of equals; NULL without votes"),
    _count("peak_votes", "Votes of the peak hour; NULL without votes", nullable=True),
    _instant("first_transaction_at", "First transaction that counts"),
    _instant("last_transaction_at", "Last transaction that counts; a vote may be silent for hours"),
    *_lineage(),
    _not_negative(*NAMES, "constituencies_silent"),
    schema="metrics", comment="Each region of an election in one row",
)  # fmt: skip

participation_extremes = Table(
    "participation_extremes", metadata,
    _text("election_id", "Election", ForeignKey(_ELECTION), primary_key=True),
    _text("side", "leading or trailing", primary_key=True),
    _count("rank", "1 to 10", primary_key=True, autoincrement=False),
    _text("constituency_id", "Constituency", ForeignKey(_CONSTITUENCY), nullable=False),
    _count("registered_voters", "Registered voters now"),
    _count("votes_cast", "Votes cast"),
    _number("participation_rate", "Votes cast / registered voters * 100"),
    *_lineage(),
    CheckConstraint("side IN ('leading', 'trailing')", name="side"),
    schema="metrics", comment="The ten constituencies with the highest and the lowest participation, of 100 registered voters or more",
)  # fmt: skip

missing_input = Table(
    "missing_input", metadata,
    _text("constituency_id", "Constituency", ForeignKey(_CONSTITUENCY), primary_key=True),
    _instant("missing_from", "First missing hour (start, UTC)", primary_key=True),
    _instant("missing_to", "End of the last missing hour without a break", nullable=False),
    _count("hours", "Number of missing hours"),
    _text("election_id", "Election", ForeignKey(_ELECTION), nullable=False, index=True),
    _text("reason", "voting times: the polls were open; region: most others of the region delivered it", nullable=False),
    *_lineage(),
    CheckConstraint("reason IN ('voting times', 'region')", name="reason"),
    schema="metrics", comment="Past hours of voting that no landed file covers",
)  # fmt: skip

anomalies = Table(
    "anomalies", metadata,
    _text("anomaly_id", "Readable id, the same through every recomputation", primary_key=True),
    _text("election_id", "Election", nullable=False, **_of("constituency_metrics.election_id")),  # no foreign key: a finding survives a renamed election
    _text("constituency_id", "Constituency; NULL for a finding on a region or the whole election", ForeignKey(_CONSTITUENCY),
          index=True, **_of("constituency_metrics.constituency_id")),
    _text("region", "Region; NULL for a finding on the whole election, and where a constituency's is not known"),
    _text("rule", "Rule that fired (docs/anomaly-rules.md says what each one means)", nullable=False),
    _text("severity", "critical, warning or info", nullable=False),
    _instant("window_start", "Start of the finding (UTC): of its first hour, or of its first 5 minutes", nullable=False),
    _instant("window_end", "End of its last hour, or of its last 5 minutes", nullable=False),
    _number("observed", "Observed value, in the unit that the explanation names"),
    _number("expected", "Expected value, in the same unit"),
    _number("expected_low", "Lower end of the usual counts around expected: 99 of 100 lie between it and expected_high, by the count model of"
            " the rule; NULL where expected is no number of votes"),
    _number("expected_high", "Upper end of the usual counts; NULL as expected_low"),
    _text("explanation", "The finding in words, with its figures", nullable=False),
    _text("state", "open, acknowledged or resolved", nullable=False),
    _text("state_by", "Who set the state: a person, or system", nullable=False),
    _instant("state_at", "When", nullable=False),
    _text("state_note", "Why: a person's note, or the reason why the system closed it"),
    _instant("detected_at", "When it was first found", nullable=False),
    *_lineage(),
    CheckConstraint("severity IN ('critical', 'warning', 'info')", name="severity"),
    CheckConstraint("state IN ('open', 'acknowledged', 'resolved')", name="state"),
    CheckConstraint("window_end > window_start", name="window"),
    Index(None, "election_id", "state"),
    schema="metrics", comment="Findings, each with its explanation and state; none is ever deleted",
)  # fmt: skip

anomaly_thresholds = Table(
    "anomaly_thresholds", metadata,
    _text("election_id", "Election", ForeignKey(_ELECTION), primary_key=True),
    _text("rule", "Rule", primary_key=True),
    _text("threshold", "Name of the threshold (docs/anomaly-rules.md lists them with their defaults)", primary_key=True),
    Column("value", Double, nullable=False, comment="Value for this election instead of the default"),
    _text("set_by", "Who set it", nullable=False),
    _instant("set_at", "When", nullable=False),
    schema="metrics", comment="Thresholds of anomaly rules that differ from their defaults",
)  # fmt: skip

rule_coverage = Table(
    "rule_coverage", metadata,
    _text("election_id", "Election", ForeignKey(_ELECTION), primary_key=True),
    _text("rule", "Rule", primary_key=True),
    _count("constituencies_judged", "Constituencies that the rule can judge in any hour so far; regions and the whole election"
                                    " are judged beside them"),
    _count("constituencies_total", "Constituencies in the registry"),
    *_lineage(),
    schema="metrics", comment="How many constituencies of an election each rule can judge: small ones have too few votes for some",
)  # fmt: skip

constituency_reference = Table(
    "constituency_reference", metadata,
    _text("constituency_id", "Contract id (base58); it need not have sent anything yet", primary_key=True),
    _text("election", "Name of the election it votes in; NULL: no override, as in every column"),
    _text("name", "Name of the constituency"),
    _text("region_code", "Region's code as the portal writes it"),
    _text("region", "Region's name"),
    _text("time_zone", "IANA time zone"),
    _count("registered_voters", "Registered voters, at all times", nullable=True),
    _instant("starts_at", "Voting starts"),
    _instant("ends_at", "Voting ends"),
    _text("set_by", "Who set it", nullable=False),
    _instant("set_at", "When", nullable=False),
    _not_negative("registered_voters"),
    CheckConstraint("ends_at > starts_at", name="times"),
    schema="metrics", comment="Overrides of constituencies, with precedence over the reference file, the transactions and the paths",
)  # fmt: skip

election_reference = Table(
    "election_reference", metadata,
    _text("election_id", "Election", primary_key=True),  # no foreign key: overrides survive recomputation
    _text("name", "Name to show; NULL: no override, as in every column"),
    _text("time_zone", "IANA time zone in which the election is shown; that of a constituency is its own"),
    Column("opens_at", LocalTime, comment="Voting starts, local wall clock of each constituency without its own override"),
    Column("closes_at", LocalTime, comment="Voting ends, local wall clock of each constituency without its own override"),
    _text("set_by", "Who set it", nullable=False),
    _instant("set_at", "When", nullable=False),
    CheckConstraint("closes_at > opens_at", name="times"),
    schema="metrics", comment="Overrides of elections: name, time zone, and voting times that hold in every time zone",
)  # fmt: skip

audit_log = Table(
    "audit_log", metadata,
    Column("entry_id", BigInteger, Identity(always=True), primary_key=True, comment="Number of the entry"),
    _instant("at", "Start of the transaction that made the change", nullable=False, server_default=func.now()),
    _text("who", "Who did it: the name of a token, a user's name, or a database role", nullable=False),
    _text("action", "insert, update or delete; refresh, invalidate-cache; create-token, revoke-token", nullable=False),
    _text("target", "Table and key, or what else it was done to", nullable=False),
    Column("before", JSONB, comment="The row before; NULL where there was none"),
    Column("after", JSONB, comment="The row after; NULL where there is none"),
    schema="ingest", comment="The audit log: every change made by people, with who, what and when; written by triggers",
)  # fmt: skip

registry_version = Table(
    "registry_version", metadata,
    Column("is_it", Boolean, primary_key=True, comment="Always true: there is one row"),
    _count("reference_version", "Grows when people change reference data"),
    _count("registry_version", "The reference_version that the registry was made from"),
    CheckConstraint("is_it", name="one_row"),
    schema="ingest", comment="Whether the registry is behind the overrides",
)  # fmt: skip

transaction_files = Table(
    "transaction_files", metadata,
    Column("file_id", BigInteger, Identity(always=True), primary_key=True, comment="Number of this version"),
    _text("path", "Absolute path on disk; of a table's rows table:<name>/<hour>", nullable=False),
    _text("member", "Name within the archive; empty for a plain file", nullable=False),
    _count("size", "Bytes on disk (of the archive, for a member); -1: it could not be looked at"),
    _count("modified_ns", "Time of change, nanoseconds since the epoch"),
    _text("status", "landed, superseded (by a later version), unreadable or withdrawn (by people)", nullable=False),
    _text("reason", "Why the file is unreadable, or was withdrawn"),
    _text("content_hash", "BLAKE3 of the bytes, 64 digits; of a table's rows their fingerprint"),
    _count("content_id", "Number of its content in the lake; equal contents of one contract share it", nullable=True),
    _text("constituency_id", "Contract id from the file's name; NULL for rows of a table", index=True),
    _text("region_code", "From the path"),
    _text("region", "From the path"),
    _text("election", "Election's name from the path"),
    _text("constituency", "Constituency's name from the path"),
    Column("interval_start", LocalTime, comment="Start of the interval in the name, local wall clock"),
    Column("interval_end", LocalTime, comment="End of the interval in the name, local wall clock"),
    _count("lines", "Lines in the file: rows + rollbacks + repeated + rejected", nullable=True),
    _count("rows", "Lines landed as transactions", nullable=True),
    _count("rollbacks", "Lines that withdraw a transaction", nullable=True),
    _count("repeated", "Lines that repeat an id of the same file", nullable=True),
    _count("rejected", "Lines in quarantine", nullable=True),
    _instant("first_transaction_at", "First transaction of the file"),
    _instant("last_transaction_at", "Last transaction of the file"),
    _text("run_id", "Dagster run that landed it", nullable=False, index=True),
    _instant("seen_at", "When this version was recorded", nullable=False),
    _instant("withdrawn_at", "When people withdrew it; NULL: they did not"),
    _text("withdrawn_as", "What they named to withdraw it: a path, a content_hash, an election or a contract"),
    _instant("gone_at", "Since when its path does not exist; NULL: it existed when its folder was listed last"),
    _text("sha256", "SHA-256 of the bytes (of a member: unpacked), as sha256sum prints it; NULL for rows of a table, and "
                    "for what landed before it was recorded"),
    _text("shard", "Shard of the chain on which the contract lies; NULL where the file is no dump of blocks"),
    Column("is_counts_only", Boolean, nullable=False, server_default=text("false"),
           comment="Whether it is of a zip of tables: counts, which no transaction of the chain stands for"),
    CheckConstraint("status IN ('landed', 'superseded', 'unreadable', 'withdrawn')", name="status"),
    CheckConstraint("lines = rows + rollbacks + repeated + rejected", name="every_line_accounted"),
    Index("transaction_files_current_key", "path", "member", unique=True, postgresql_where="status <> 'superseded'"),
    Index(None, "content_id"),
    Index(None, "content_hash"),
    Index("transaction_files_gone", "path", postgresql_where="gone_at IS NOT NULL"),
    Index("transaction_files_on_chain", "constituency_id", "shard", postgresql_where="shard IS NOT NULL"),
    Index("transaction_files_counts_only", "constituency_id", postgresql_where="is_counts_only"),
    Index("transaction_files_not_counting", "status", postgresql_where="status IN ('unreadable', 'withdrawn')"),
    schema="ingest", comment="The ledger: every version of every export file, and what became of its lines",
)  # fmt: skip

content_hours = Table(
    "content_hours", metadata,
    _count("content_id", "Content of a file", primary_key=True),
    _count("hour_number", "Hours since 1970 (UTC)", primary_key=True),
    _count("rows", "Rows of the content in this hour"),
    Index(None, "hour_number"),
    schema="ingest", comment="Which hours a file's rows went to",
)  # fmt: skip

lake_parts = Table(
    "lake_parts", metadata,
    _text("path", "Parquet file below the lake", primary_key=True),
    _count("hour_number", "Hours since 1970 (UTC)", index=True),
    _count("rows", "Rows in the part"),
    _count("size", "Bytes"),
    _instant("created_at", "When it was written", nullable=False),
    _instant("retired_at", "When a merged part replaced it; its file is deleted a while later"),
    schema="ingest", comment="The lake's manifest: a Parquet file that is not listed here is ignored",
)  # fmt: skip

inside_hours = Table(
    "inside_hours", metadata,
    _text("constituency_id", "Constituency", primary_key=True),
    _count("hour_number", "Hours since 1970 (UTC)", primary_key=True, autoincrement=False),
    Column("bulletins", ARRAY(BigInteger), nullable=False, comment="Bulletins issued in each 5 minutes: 12 numbers"),
    Column("votes", ARRAY(BigInteger), nullable=False, comment="Votes cast in each 5 minutes: 12 numbers"),
    _count("vote_gaps", "Gaps between consecutive votes; NULL for fewer than 20 votes, and where times are not known to"
                        " the second", nullable=True),
    _number("gap_seconds", "Sum of these gaps, seconds"),
    _number("gap_squares", "Sum of their squares, square seconds"),
    _count("equal_gaps", "Consecutive gaps of the same whole seconds, one or more: the longest run; NULL where none"
                         " repeats", nullable=True),
    _count("equal_gap", "Seconds of each of them", nullable=True),
    _text("registrar", "First 8 characters of the registrar with the least likely run of bulletins, where several take"
                       " turns; NULL for fewer than 20 bulletins"),
    _count("registrar_run", "Bulletins of that run, which nobody else interrupted", nullable=True),
    _count("registrar_own", "Bulletins of that registrar in the hour", nullable=True),
    _count("registrar_before", "Bulletins of the hour before the run, whoever issued them", nullable=True),
    _count("registrar_after", "Bulletins of the hour after the run", nullable=True),
    Index(None, "hour_number"),
    schema="ingest", comment="Inside each hour of hourly_stats with ballots: 5-minute counts, gaps between votes, registrars",
)  # fmt: skip

precinct_hours = Table(
    "precinct_hours", metadata,
    _text("constituency_id", "Constituency", primary_key=True),
    _count("hour_number", "Hours since 1970 (UTC)", primary_key=True, autoincrement=False),
    _count("region_code", "Number of the commission's region; 0 where the calls do not say it", primary_key=True,
           autoincrement=False),
    _count("precinct", "Number of the precinct's commission (UIK) in its region", primary_key=True, autoincrement=False),
    _count("bulletins_issued", "Bulletins issued by calls that did not fail"),
    _count("voters_listed", "Voters of addVotersList calls"),
    _count("voters_restored", "Voters of addToVotersList calls"),
    _count("voters_removed", "Voters of removeFromVotersList calls"),
    Index(None, "hour_number"),
    Index("precinct_hours_busy", "hour_number",
          postgresql_where="bulletins_issued >= 20 OR voters_removed >= 20"),
    schema="ingest", comment="Each precinct and hour of hourly_stats with bulletins or changes of the register; votes name no precinct",
)  # fmt: skip

verdict_lists = Table(
    "verdict_lists", metadata,
    _text("verifier", "Who passed it", primary_key=True),
    _text("transaction_id", "Transaction", primary_key=True, index=True),
    _text("reason", "Why the ballot is invalid, in the verifier's words", nullable=False),
    _instant("recorded_at", "When the verifier's list was taken in", nullable=False),
    schema="ingest", comment="Ballots that a verifier found invalid; a verifier's later list replaces the earlier one",
)  # fmt: skip

verdict_rows = Table(
    "verdict_rows", metadata,
    _count("hour_number", "Hours since 1970 (UTC)", primary_key=True, autoincrement=False),
    _text("transaction_id", "Transaction", primary_key=True, index=True),
    _text("constituency_id", "Constituency", nullable=False, index=True),
    _text("counts_as", "What it counts as here: vote_cast is a vote that counts", nullable=False),
    _count("votes", "Votes of the row: 1, or more in a table"),
    schema="ingest", comment="Transactions of computed hours on which there is a verdict",
)  # fmt: skip

hour_versions = Table(
    "hour_versions", metadata,
    _count("hour_number", "Hours since 1970 (UTC)", primary_key=True, autoincrement=False),
    _count("landed_version", "Grows with everything that may change the hour's figures"),
    _count("computed_version", "The landed_version that hourly_stats was computed from"),
    Column("is_conflicted", Boolean, nullable=False,
           comment="Rows of this hour repeat, or were withdrawn, superseded or voted again"),
    _instant("computed_at", "When hourly_stats of the hour was computed"),
    _causes("Why the hour was marked stale since it was computed"),
    Index("hour_versions_changed", "hour_number", postgresql_where="landed_version > computed_version"),
    schema="ingest", comment="Hours with transactions: stale where landed_version is above computed_version",
)  # fmt: skip

corrections = Table(
    "corrections", metadata,
    _text("kind", "rollback, repeated_vote, repeated_issue or last_vote_stands", primary_key=True),
    _text("transaction_id", "Transaction that is withdrawn or repeated", primary_key=True),
    _count("content_id", "Content that holds the line", primary_key=True),
    _count("occurred_ms", "Time of the repeated row, epoch milliseconds; 0 for the other kinds", primary_key=True),
    _text("constituency_id", "Constituency of the row", nullable=False),
    _text("sender", "Voter key of a repeated vote; the short hash of the voter's id of a repeated issue"),
    CheckConstraint("kind IN ('rollback', 'repeated_vote', 'repeated_issue', 'last_vote_stands')", name="kind"),
    Index(None, "content_id"),
    Index(None, "constituency_id", "sender"),
    schema="ingest", comment="Corrections: rollbacks, repeated votes and issues of one voter, and contracts of which the "
                             "last vote of a voter counts",
)  # fmt: skip

conflicting_rows = Table(
    "conflicting_rows", metadata,
    _text("transaction_id", "Transaction", primary_key=True),
    _count("content_id", "Content that holds the row", primary_key=True, autoincrement=False),
    _count("place", "1: the row rests in the lake; more: a row of the same file outranks it", primary_key=True,
           autoincrement=False),
    _text("constituency_id", "Constituency of the row", nullable=False),
    _count("occurred_ms", "When, epoch milliseconds"),
    _text("kind", "Outcome of the call: vote_cast, bulletin_issued, …", nullable=False),
    _text("operation", "Call of the contract"),
    _count("quantity", "Bulletins or voters", nullable=True),
    _text("sender", "Voter key of a vote; short hash of the voter's id of an issue"),
    _text("fail_reason", "Why the call failed"),
    Index(None, "content_id"),
    schema="ingest", comment="Rows of transaction ids whose rows differ, of any file that was ever current",
)  # fmt: skip

registry_events = Table(
    "registry_events", metadata,
    _text("transaction_id", "Transaction", primary_key=True),
    _count("content_id", "Content that holds it", primary_key=True),
    _text("constituency_id", "Constituency", nullable=False, index=True),
    _instant("occurred_at", "When", nullable=False),
    _text("operation", "Call that changed the register or the state of voting", nullable=False),
    _count("voters", "Registered voters added (removed: negative); NULL for other calls", nullable=True),
    Column("names_precinct", Boolean,
           comment="Whether the call names a precinct; NULL for calls that landed before this was looked at"),
    schema="ingest", comment="Calls that did not fail and that change the register, or start and finish voting",
)  # fmt: skip

contract_statements = Table(
    "contract_statements", metadata,
    _text("transaction_id", "Transaction, as in registry_events", primary_key=True),
    _count("content_id", "Content that holds it", primary_key=True),
    Column("tally", JSONB, comment="Votes by option of each question; or unreadable: the text. NULL: it publishes none"),
    Column("dimension", JSONB, comment="Fewest and most options that a ballot marks, and options, by question"),
    schema="ingest", comment="What contracts say of their ballots when they are created, and of their votes in the end",
)  # fmt: skip

rejected_transactions = Table(
    "rejected_transactions", metadata,
    _text("file", "Path of the file, and member of an archive", nullable=False, index=True),
    _count("line_number", "Line in the file, from 1", primary_key=True),
    _text("reason", "Why the line cannot be read", nullable=False),
    _text("content", "The line's first 200 characters", nullable=False),
    _instant("seen_at", "When it was found", nullable=False),
    _count("content_id", "Content that holds the line", primary_key=True),
    schema="ingest", comment="The quarantine: lines of current files that cannot be read, the first 10,000 of each file",
)  # fmt: skip

block_ranges = Table(
    "block_ranges", metadata,
    _text("path", "The dump", primary_key=True),
    _text("member", "Name within the archive; empty for a plain file", primary_key=True),
    _text("shard", "Shard of the chain: as a path names it, else by the contracts on it", primary_key=True),
    _count("first_height", "Height of the first block", primary_key=True),
    _count("last_height", "Height of the last block; none between them is missing"),
    _instant("first_at", "Time of the first block", nullable=False),
    _instant("last_at", "Time of the last block", nullable=False),
    _count("blocks", "Blocks read, each height once"),
    Column("identities", ARRAY(BigInteger), nullable=False,
           comment="A number for the block of each height; another block of the height has another one"),
    Index(None, "shard"),
    schema="ingest", comment="Blocks of each dump, without a gap between them",
)  # fmt: skip

expected_shards = Table(
    "expected_shards", metadata,
    _count("shards", "The number", primary_key=True, autoincrement=False),
    schema="ingest", comment="How many shards the chain has, by the setting SHARDS: one row, none if it is not set",
)  # fmt: skip

_BY_PORTAL = "NULL: the portal does not say"
_FIGURES_OF_PORTAL = "It holds figures as published; a row ends when the portal publishes others for the same"
_SUPERSEDED = "When the portal was first seen to publish other figures; NULL: these are current"


def _current(table: str, *columns: str) -> Index:
    return Index(f"{table}_current", *columns, unique=True, postgresql_where=text("superseded_at IS NULL"))


portal_contracts = Table(
    "portal_contracts", metadata,
    _text("constituency_id", "Contract", primary_key=True),
    _text("election_key", "The portal's id of the election"),
    _text("election", f"Election; {_BY_PORTAL}, as in the others"),
    _text("region_code", "Code of the region"),
    _text("region", "Region"),
    _text("district_number", "Number of the district"),
    _text("district", "District"),
    _text("commission", "Territorial commission"),
    _number("offset_hours", "Hours that local time is ahead of Moscow"),
    _text("kind", "SINGLE: a vote for a candidate; UNION: for a list of a party. A voter has one of each"),
    _text("status", "Status of the voting, as the portal writes it"),
    Column("has_results", Boolean, comment="Whether the portal says that it has a result"),
    _instant("starts_at", "Start of voting"),
    _instant("ends_at", "End of voting"),
    _instant("accepted_until", "Until when votes are accepted"),
    _instant("seen_at", "When the portal listed the contract last", nullable=False),
    _instant("gone_at", "When the portal was first seen not to list it any more; NULL: it does"),
    _text("run_id", "Dagster run", nullable=False),
    schema="metrics", comment="Contracts as the portal lists them, if the setting PORTAL_URL names one",
)  # fmt: skip

portal_counters = Table(
    "portal_counters", metadata,
    _text("constituency_id", "Contract", primary_key=True),
    _instant("collected_at", "When these figures were first collected", primary_key=True),
    _text("collection_time", "Time of collection as the portal writes it, in a zone that it does not state"),
    _count("registered_voters", "Registered voters", nullable=True),
    _count("bulletins_issued", "Bulletins issued so far", nullable=True),
    _count("votes_cast", "Votes cast so far", nullable=True),
    _instant("superseded_at", _SUPERSEDED),
    _text("run_id", "Dagster run", nullable=False),
    _current("portal_counters", "constituency_id"),
    schema="metrics", comment=f"The portal's counters of each contract. {_FIGURES_OF_PORTAL} contract",
)  # fmt: skip

portal_hours = Table(
    "portal_hours", metadata,
    _text("constituency_id", "Contract", primary_key=True),
    _text("label", "The hour as the portal labels it: its end, local time", primary_key=True),
    _instant("collected_at", "When these figures were first collected", primary_key=True),
    _instant("ends_at", "End of the hour; NULL: the portal does not say the contract's time zone"),
    _count("bulletins", "Bulletins issued in the hour; NULL: taken back", nullable=True),
    _count("votes", "Votes cast in the hour; NULL: taken back", nullable=True),
    _count("bulletins_total", "Bulletins issued until its end; NULL: taken back", nullable=True),
    _count("votes_total", "Votes cast until its end; NULL: taken back", nullable=True),
    _instant("seen_at", "When they were collected last, within five minutes of the hour's end; then not recorded again",
             nullable=False),
    _instant("superseded_at", _SUPERSEDED),
    _text("run_id", "Dagster run", nullable=False),
    _current("portal_hours", "constituency_id", "label"),
    schema="metrics", comment=f"The portal's hourly counts of each contract. {_FIGURES_OF_PORTAL} hour",
)  # fmt: skip

portal_precincts = Table(
    "portal_precincts", metadata,
    _text("constituency_id", "Contract", primary_key=True),
    _text("precinct", "Number of the precinct (UIK)", primary_key=True),
    _instant("collected_at", "When these figures were first collected", primary_key=True),
    _text("collection_time", "Time of collection as the portal writes it"),
    _count("registered_voters", "Registered voters", nullable=True),
    _count("bulletins_issued", "Bulletins issued so far", nullable=True),
    _instant("superseded_at", _SUPERSEDED),
    _text("run_id", "Dagster run", nullable=False),
    _current("portal_precincts", "constituency_id", "precinct"),
    schema="metrics", comment=f"The portal's counters of each precinct. {_FIGURES_OF_PORTAL} precinct",
)  # fmt: skip

portal_results = Table(
    "portal_results", metadata,
    _text("constituency_id", "Contract", primary_key=True),
    _count("position", "Place of the option in the portal's list, from 1", primary_key=True, autoincrement=False),
    _instant("collected_at", "When these figures were first collected", primary_key=True),
    _text("name", "Name of the option: a candidate, a list"),
    _count("votes", "Votes for it"),
    _instant("superseded_at", _SUPERSEDED),
    _text("run_id", "Dagster run", nullable=False),
    _current("portal_results", "constituency_id", "position"),
    schema="metrics", comment=f"The portal's results, with names. {_FIGURES_OF_PORTAL} option",
)  # fmt: skip

portal_charts = Table(
    "portal_charts", metadata,
    _text("constituency_id", "Contract", primary_key=True),
    _instant("asked_at", "When the portal was asked last for its hourly counts", nullable=False),
    Column("has", Text, CheckConstraint("has IN ('published', 'no_such_contract', 'unknown_time_zone')", name="has"),
           nullable=False, comment="What it has: published, no_such_contract or unknown_time_zone"),
    _instant("precincts_at", "When its precincts were collected last"),
    _instant("results_at", "When its result was collected last"),
    _text("run_id", "Dagster run", nullable=False),
    schema="ingest", comment="Contracts of which the portal was asked for hourly counts",
)  # fmt: skip

portal_answers = Table(
    "portal_answers", metadata,
    _text("path", "What was asked", primary_key=True),
    _text("etag", "Its ETag"),
    _text("last_modified", "Its Last-Modified"),
    _text("answer", "The answer", nullable=False),
    schema="ingest", comment="Answers of the portal that it can confirm instead of sending them again",
)  # fmt: skip

highest_totals = Table(
    "highest_totals", metadata,
    _text("constituency_id", "Constituency", primary_key=True),
    _count("transactions", "Most transactions, withdrawn ones included, that were ever computed"),
    _count("first_hour", "Their first hour (hours since 1970, UTC)"),
    _count("last_hour", "Their last hour"),
    schema="ingest", comment="The highest totals so far, by which falling totals are found",
)  # fmt: skip

election_versions = Table(
    "election_versions", metadata,
    _text("election_id", "Election", primary_key=True),
    _count("hourly_version", "Grows when hourly rows or the registry of the election change"),
    _count("metrics_version", "The hourly_version that constituency_metrics was computed from"),
    _count("summary_version", "The metrics_version that election_summaries was computed from"),
    _count("whole_version", "The hourly_version at which every constituency of it changed, as with its registry",
           server_default="0"),
    _causes("Why derived tables of the election were marked stale since they were computed"),
    schema="ingest", comment="Elections whose derived tables are behind their hourly rows",
)  # fmt: skip

constituency_versions = Table(
    "constituency_versions", metadata,
    _text("constituency_id", "Constituency", primary_key=True),
    _text("election_id", "Election", nullable=False, index=True),
    _count("hourly_version", "The election's hourly_version at which a figure of this constituency changed last"),
    _count("since_hour", "First hour (since 1970, UTC) that changed since its derived tables were computed; NULL: any may have",
           nullable=True),
    schema="ingest", comment="Which constituencies an election's derived tables must be computed again for",
)  # fmt: skip

landing_attempts = Table(
    "landing_attempts", metadata,
    _text("path", "File below the source", primary_key=True),
    _count("size", "Bytes"),
    _count("modified_ns", "Time of change, nanoseconds since 1970"),
    _count("tries", "Landings of this version that failed: their process died, or an error occurred"),
    _count("together", "Number of files in the last of these landings"),
    _text("reason", "Error of the last of these landings; NULL if its process died"),
    _instant("tried_at", "When the last of them began", nullable=False),
    _instant("set_aside_at", "When it was set aside, so that the others land without it; NULL: it is not set aside"),
    _text("run_id", "Dagster run of the last of them", nullable=False),
    schema="ingest", comment="Files that made a landing fail; empty while all is well",
)  # fmt: skip

files_not_read = Table(
    "files_not_read", metadata,
    _text("source", "Folder that was listed", primary_key=True),
    _text("ending", "File name extension, such as .7z; empty: none", primary_key=True),
    _count("files", "Number of files"),
    _text("example", "Path of one of them", nullable=False),
    Column("may_be_exports", Boolean, nullable=False,
           comment="Whether they may hold transactions: archives, and files with names of exports"),
    _instant("seen_at", "When the folder was listed with this result", nullable=False),
    schema="ingest", comment="Files of the source that are of a kind that is not read",
)  # fmt: skip

table_reads = Table(
    "table_reads", metadata,
    _text("source", "Name of the transactions table in its mapping", primary_key=True),
    _text("place", "Database (without a password) and table", nullable=False),
    Column("read_up_to", JSONB, nullable=False, comment="How far it was read: horizon, low, newest, marks"),
    _instant("read_at", "When it was polled last: all rows of that time have landed", nullable=False),
    _instant("compared_at", "When each of its hours was last compared with what landed"),
    schema="ingest", comment="Transactions tables in other databases, and how far each was read",
)  # fmt: skip

table_contents = Table(
    "table_contents", metadata,
    _count("content_id", "Number of the rows' content in the lake", primary_key=True, autoincrement=False),
    _text("source", "Transactions table", nullable=False),
    _count("hour_number", "Hours since 1970 (UTC); -1 where the time is none"),
    _count("rows", "Rows of the table"),
    Column("fingerprint", Numeric, nullable=False, comment="Sum of the rows' hashes, keyed with secret `table_rows`: 60 bits each"),
    Index(None, "source", "hour_number"),
    schema="ingest", comment="Landed rows of a table's hours that count, for the comparison with the table",
)  # fmt: skip

secrets = Table(
    "secrets", metadata,
    _text("name", "What it is for", primary_key=True),
    _text("secret", "Random text that the writers of transactions do not know", nullable=False),
    schema="ingest", comment="Secret keys of hashes",
)  # fmt: skip

table_places = Table(
    "table_places", metadata,
    _count("content_id", "Content of an hour of a table", primary_key=True, autoincrement=False),
    _text("constituency_id", "Constituency", primary_key=True, index=True),
    _text("election", "Election's name in these rows, the first by name; NULL where none says it"),
    schema="ingest", comment="Constituencies of landed rows of a transactions table",
)  # fmt: skip

table_constituencies = Table(
    "table_constituencies", metadata,
    _text("source", "Transactions table", primary_key=True),
    _text("constituency_id", "Constituency", primary_key=True),
    _text("election", "Election's name, where the table says it"),
    _count("first_hour", "Hour of its first transaction (hours since 1970, UTC)"),
    Index(None, "constituency_id"),
    schema="ingest", comment="Constituencies of a transactions table",
)  # fmt: skip

mapped_sources = Table(
    "mapped_sources", metadata,
    _text("source", "Name in the mapping", primary_key=True),
    _text("rows", "What its rows are: events, counts or counters", nullable=False),
    _text("unit", "Smallest unit of time that it knows: second, hour or day", nullable=False),
    Column("rules_off", ARRAY(Text), nullable=False, comment="Anomaly rules that its figures say too little for"),
    _instant("read_at", "When it was read", nullable=False),
    schema="ingest", comment="Sources of files that are read by a mapping",
)  # fmt: skip

mapped_places = Table(
    "mapped_places", metadata,
    _text("source", "Name in the mapping", primary_key=True),
    _text("constituency_id", "Constituency", primary_key=True, index=True),
    _text("name", "Its name"),
    _text("election", "Name of its election"),
    _text("region", "Its region"),
    _text("time_zone", "Its time zone"),
    _count("registered_voters", "Registered voters, as published last", nullable=True),
    _instant("starts_at", "Start of voting, by the mapping"),
    _instant("ends_at", "End of voting, by the mapping"),
    schema="ingest", comment="What files that are read by a mapping say of their places",
)  # fmt: skip

counter_observations = Table(
    "counter_observations", metadata,
    _text("source", "Name in the mapping", primary_key=True),
    _text("constituency_id", "Constituency", primary_key=True, index=True),
    _text("counter", "bulletins or votes", primary_key=True),
    _instant("observed_at", "When it was published, or the time it is of", primary_key=True),
    _instant("begins_at", "Begin of the time that the difference belongs to: the number published before, the opening, or"
                          " an hour earlier", nullable=False),
    _count("published", "How many so far, as published"),
    _count("change", "Less the number published before; NULL for the first", nullable=True),
    _count("replaced", "Highest number that an earlier file has for the same time, where it is higher; NULL: none is", nullable=True),
    _count("counted", "How many so far by what is known now: no more than any number that was published later"),
    _text("path", "File", nullable=False),
    schema="ingest", comment="Counters as they were published",
)  # fmt: skip

problems = Table(
    "problems", metadata,
    _text("problem_id", "Key of the problem; constant while it lasts", primary_key=True),
    _text("severity", "error or warning", nullable=False),
    _text("title", "What is wrong, in a line", nullable=False),
    _text("detail", "Where, why, and what to type", nullable=False),
    _instant("since", "When it was first seen", nullable=False),
    _instant("alerted_at", "When it was sent out; NULL: not yet"),
    CheckConstraint("severity IN ('error', 'warning')", name="severity"),
    schema="ingest", comment="Current problems; a row is deleted when its problem is over",
)  # fmt: skip

reconciliations = Table(
    "reconciliations", metadata,
    _text("election_id", "Election", ForeignKey(_ELECTION), primary_key=True, **_of("election_summaries.election_id")),
    _instant("first_hour", "First hour compared (UTC)", nullable=False),
    _instant("last_hour", "Last hour compared (UTC)", nullable=False),
    _count("hours", "Hours with transactions that were counted again from the lake"),
    _count("rows_compared", "Rows of hourly_stats that were compared, every figure of each"),
    _count("rows_differing", "Rows that differed; their hours were marked stale and computed again"),
    _count("transactions", "Distinct transactions that count, counted again"),
    _count("bulletins_issued", "Bulletins issued, counted again", **_of("election_summaries.bulletins_issued")),
    _count("votes_cast", "Votes cast, counted again", **_of("election_summaries.votes_cast")),
    *_lineage(is_of_last=True),
    _not_negative("hours", "rows_compared", "rows_differing", "transactions", "bulletins_issued", "votes_cast"),
    schema="metrics", comment="The last time every hour of an election was counted again from the raw transactions",
)  # fmt: skip

WITH_HISTORY = tuple(table for table in metadata.tables.values() if "commit_number" in table.columns)
"""The public tables whose replaced and removed rows are kept."""
