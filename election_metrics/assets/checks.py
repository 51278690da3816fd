"""Asset checks: questions whose answer must be "no row", asked in SQL; and the count of the lake against the hours."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from election_metrics.assets.partitions import KEY_FORMAT, RANGE_END, RANGE_START
from election_metrics.assets.running import SettingsResource, failures_in_words

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN

_NEGATIVE = (
    "least(transaction_count, bulletins_issued, bulletins_failed, votes_cast, votes_rejected, votes_unknown,"
    " revotes, withdrawn, anomaly_count) < 0"
)

QUESTIONS: list[tuple[str, str, dg.AssetCheckSeverity, str, str]] = [
    ("landed_files", "lines_accounted", ERROR, "Every line of every file is a row, a rollback, a repetition or rejected.",
     "SELECT path, member, lines, rows, rollbacks, repeated, rejected FROM ingest.transaction_files"
     " WHERE lines <> rows + rollbacks + repeated + rejected"),
    ("landed_files", "quarantine_empty", WARN, "No line of a current file is in quarantine.",
     "SELECT file, line_number, reason, content FROM ingest.rejected_transactions ORDER BY seen_at DESC, line_number"),
    ("landed_files", "files_readable", WARN, "Every file and folder of the source can be read.",
     "SELECT path, member, reason FROM ingest.transaction_files WHERE status = 'unreadable'"),
    ("elections", "keys_unique", ERROR, "One row an election, one election a name.",
     "SELECT name, count(*) FROM metrics.elections GROUP BY name HAVING count(*) > 1"),
    ("constituencies", "keys_unique", ERROR, "One row a constituency.",
     "SELECT constituency_id, count(*) FROM metrics.constituencies GROUP BY constituency_id HAVING count(*) > 1"),
    ("constituencies", "registers_known", WARN, "The register of every constituency is known.",
     "SELECT constituency_id, name FROM metrics.constituencies WHERE registered_voters IS NULL"),
    ("hourly_stats", "keys_unique", ERROR, "One row a constituency and hour.",
     "SELECT constituency_id, hour, count(*) FROM metrics.hourly_stats GROUP BY constituency_id, hour HAVING count(*) > 1"),
    ("hourly_stats", "counts_not_negative", ERROR, "No count is negative.",
     f"SELECT constituency_id, hour FROM metrics.hourly_stats WHERE {_NEGATIVE}"),
    ("hourly_stats", "votes_within_bulletins", WARN,
     "Counted from the beginning, no constituency has more votes than bulletins (in single hours many do).",
     "SELECT constituency_id, hour, votes, bulletins FROM (SELECT constituency_id, hour,"
     " sum(votes_cast) OVER running AS votes, sum(bulletins_issued) OVER running AS bulletins"
     " FROM metrics.hourly_stats WINDOW running AS (PARTITION BY constituency_id ORDER BY hour)) AS counted"
     " WHERE votes > bulletins ORDER BY hour DESC"),
    ("constituency_metrics", "keys_unique", ERROR, "One row a constituency, period and start.",
     "SELECT constituency_id, period, period_start, count(*) FROM metrics.constituency_metrics"
     " GROUP BY constituency_id, period, period_start HAVING count(*) > 1"),
    ("constituency_metrics", "counts_not_negative", ERROR, "No count is negative.",
     f"SELECT constituency_id, period, period_start FROM metrics.constituency_metrics WHERE {_NEGATIVE}"),
    ("constituency_metrics", "periods_add_up", ERROR, "Hours, days, weeks, months and the election have the same sums.",
     "SELECT constituency_id FROM (SELECT constituency_id, period, sum(transaction_count) AS transactions,"
     " sum(bulletins_issued) AS bulletins, sum(votes_cast) AS votes FROM metrics.constituency_metrics"
     " GROUP BY constituency_id, period) AS sums GROUP BY constituency_id"
     " HAVING min(votes) <> max(votes) OR min(bulletins) <> max(bulletins) OR min(transactions) <> max(transactions)"),
    ("anomalies", "nothing_critical", WARN, "No critical finding is open.",
     "SELECT anomaly_id, rule, constituency_id, window_start, explanation FROM metrics.anomalies"
     " WHERE severity = 'critical' AND state = 'open' ORDER BY window_start DESC"),
    ("election_summaries", "keys_unique", ERROR, "One row an election.",
     "SELECT election_id, count(*) FROM metrics.election_summaries GROUP BY election_id HAVING count(*) > 1"),
    ("election_summaries", "counts_not_negative", ERROR, "No count is negative.",
     f"SELECT election_id FROM metrics.election_summaries WHERE {_NEGATIVE} OR constituencies_silent < 0"),
    ("election_summaries", "coverage_complete", WARN, "Every constituency hour that should be here by now is here.",
     "SELECT election_id, hours_expected, hours_delivered, coverage FROM metrics.election_summaries WHERE coverage < 100"),
]  # fmt: skip


def _question(
    asset: str, name: str, severity: dg.AssetCheckSeverity, description: str, query: str
) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name=name, description=description)
    def check(settings: SettingsResource) -> dg.AssetCheckResult:
        import sqlalchemy as sa

        from election_metrics.warehouse.database import transaction
        from election_metrics.warehouse.replace import read_frame

        with failures_in_words(), transaction(settings) as connection:
            found = read_frame(connection, sa.text(f"SELECT * FROM ({query}) AS found LIMIT 11"))
        shown = "\n".join(f"- {row._asdict()}" for row in found.head(10).itertuples(index=False)) or "none"
        return dg.AssetCheckResult(
            passed=found.empty,
            severity=severity,
            metadata={
                "violations": f"{min(len(found), 10)}{' or more' if len(found) > 10 else ''}",
                "first": dg.MetadataValue.md(shown),
            },
        )

    return check


@dg.asset_check(asset="hourly_stats", description="The hours of the run hold as many transactions as the lake.")
def hours_equal_lake(context: dg.AssetCheckExecutionContext, settings: SettingsResource) -> dg.AssetCheckResult:
    """Compares the sum of the hours with distinct ids counted in the lake; an hour computed since then is left out."""
    from election_metrics.pipeline.hours import compare_with_lake

    first, last = _hours_of_run(context.run.tags)
    with failures_in_words():
        compared = compare_with_lake(settings, first, last + timedelta(hours=1))
    wrong = compared[compared["in_lake"] != compared["in_hours"]]
    shown = "\n".join(f"- {row._asdict()}" for row in wrong.head(10).itertuples(index=False)) or "none"
    return dg.AssetCheckResult(
        passed=wrong.empty,
        severity=ERROR,
        metadata={
            "hours": f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC",
            "in_lake": int(compared["in_lake"].sum()),
            "in_hours": int(compared["in_hours"].sum()),
            "differing": dg.MetadataValue.md(shown),
        },
    )


def _hours_of_run(tags: Mapping[str, str]) -> tuple[datetime, datetime]:
    """The run's hours; without any, the last week's."""
    first = tags.get(RANGE_START) or tags.get("dagster/partition")
    last = tags.get(RANGE_END) or tags.get("dagster/partition")
    if first is None or last is None:
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        return now - timedelta(days=7), now
    first_hour, last_hour = (datetime.strptime(key, KEY_FORMAT).replace(tzinfo=UTC) for key in (first, last))
    return first_hour, last_hour


checks = [*(_question(*question) for question in QUESTIONS), hours_equal_lake]
