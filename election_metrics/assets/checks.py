"""Asset checks: SQL queries that must return no rows, and a comparison of the hours with the lake."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from election_metrics.assets.op_tags import FRAMES, SCANS
from election_metrics.assets.resources import SettingsResource, translate_errors
from election_metrics.clock import hour_of
from election_metrics.counts import NAMES
from election_metrics.pipeline.run_tags import hours_of_tags
from election_metrics.sanitize import escape_markdown, visible

if TYPE_CHECKING:
    import pandas as pd
    import sqlalchemy as sa

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN

_NEGATIVE = f"least({', '.join(NAMES)}) < 0"

# A check reads only rows that its run wrote: reading all of history would make runs slower and slower.
_IN_RUN = "hour BETWEEN :first AND :last"
_OF_RUN = (
    "constituency_id IN (SELECT constituency_id FROM metrics.constituency_metrics WHERE run_id = :run_id"
    " AND period = 'election' AND election_id IN (SELECT election_id FROM metrics.elections))"
)

QUESTIONS: list[tuple[str, str, dg.AssetCheckSeverity, str, str]] = [
    ("landed_files", "lines_accounted", ERROR, "Every line of every file is a row, a rollback, a repetition or rejected.",
     "SELECT path, member, lines, rows, rollbacks, repeated, rejected FROM ingest.transaction_files"
     " WHERE lines <> rows + rollbacks + repeated + rejected"),
    ("landed_files", "quarantine_empty", WARN, "No line of a current file is in quarantine.",
     "SELECT file, line_number, reason, content FROM ingest.rejected_transactions AS rejected WHERE EXISTS"
     " (SELECT 1 FROM ingest.transaction_files AS current WHERE current.content_id = rejected.content_id"
     " AND current.status = 'landed' AND current.gone_at IS NULL) ORDER BY seen_at DESC, line_number"),
    ("landed_files", "files_readable", WARN, "Every file and folder of the source can be read.",
     "SELECT path, member, reason FROM ingest.transaction_files WHERE status = 'unreadable'"),
    ("landed_files", "none_set_aside", WARN, "No file is set aside because it made a landing fail.",
     "SELECT path, tries, reason, set_aside_at, run_id FROM ingest.landing_attempts WHERE set_aside_at IS NOT NULL"),
    ("elections", "keys_unique", ERROR, "One row an election, one election a name.",
     "SELECT name, count(*) FROM metrics.elections GROUP BY name HAVING count(*) > 1"),
    ("constituencies", "keys_unique", ERROR, "One row a constituency.",
     "SELECT constituency_id, count(*) FROM ingest.constituency_registry GROUP BY constituency_id HAVING count(*) > 1"),
    ("constituencies", "registers_known", WARN, "The register of every constituency is known.",
     "SELECT constituency_id, name FROM ingest.constituency_registry WHERE registered_voters IS NULL"),
    ("constituencies", "places_agree", WARN, "All files of a contract lie in one region and one election.",
     "SELECT constituency_id, min(path) AS path, max(path) AS other_path FROM ingest.transaction_files"
     " WHERE status = 'landed' AND gone_at IS NULL AND coalesce(region, election) IS NOT NULL GROUP BY constituency_id"
     " HAVING count(DISTINCT region) > 1 OR count(DISTINCT election) > 1"),
    ("hourly_stats", "keys_unique", ERROR, "One row a constituency and hour, in the hours of the run.",
     f"SELECT constituency_id, hour, count(*) FROM metrics.hourly_stats WHERE {_IN_RUN}"
     " GROUP BY constituency_id, hour HAVING count(*) > 1"),
    ("hourly_stats", "counts_not_negative", ERROR, "No count is negative, in the hours of the run.",
     f"SELECT constituency_id, hour FROM metrics.hourly_stats WHERE {_IN_RUN} AND {_NEGATIVE}"),
    ("constituency_metrics", "keys_unique", ERROR, "One row a constituency, period and start, of those that the run wrote.",
     f"SELECT constituency_id, period, period_start, count(*) FROM metrics.constituency_metrics WHERE {_OF_RUN}"
     " GROUP BY constituency_id, period, period_start HAVING count(*) > 1"),
    ("constituency_metrics", "counts_not_negative", ERROR, "No count is negative, of the constituencies that the run wrote.",
     f"SELECT constituency_id, period, period_start FROM metrics.constituency_metrics WHERE {_OF_RUN} AND {_NEGATIVE}"),
    ("constituency_metrics", "periods_add_up", ERROR,
     "Hours, days, weeks, months and the election have the same sums, of the constituencies that the run wrote.",
     "SELECT constituency_id FROM (SELECT constituency_id, period, sum(transaction_count) AS transactions,"
     " sum(bulletins_issued) AS bulletins, sum(votes_cast) AS votes FROM metrics.constituency_metrics"
     f" WHERE {_OF_RUN} GROUP BY constituency_id, period) AS sums GROUP BY constituency_id"
     " HAVING min(votes) <> max(votes) OR min(bulletins) <> max(bulletins) OR min(transactions) <> max(transactions)"),
    ("constituency_metrics", "votes_within_bulletins", WARN,
     "Counted from the beginning, no constituency that the run wrote has more votes than bulletins (in single hours many do).",
     "SELECT constituency_id, period_start AS hour, running_votes, running_bulletins FROM metrics.constituency_metrics"
     f" WHERE {_OF_RUN} AND period = 'hour' AND running_votes > running_bulletins AND constituency_id NOT IN"
     " (SELECT constituency_id FROM ingest.mapped_places JOIN ingest.mapped_sources USING (source)"
     " WHERE 'votes_exceed_bulletins' = ANY(rules_off)) ORDER BY period_start DESC"),
    ("anomalies", "nothing_critical", WARN, "No critical finding is open.",
     "SELECT anomaly_id, rule, constituency_id, window_start, explanation FROM metrics.anomalies"
     " WHERE severity = 'critical' AND state = 'open' ORDER BY window_start DESC"),
    ("election_summaries", "keys_unique", ERROR, "One row an election.",
     "SELECT election_id, count(*) FROM metrics.election_summaries GROUP BY election_id HAVING count(*) > 1"),
    ("election_summaries", "counts_not_negative", ERROR, "No count is negative.",
     f"SELECT election_id FROM metrics.election_summaries WHERE {_NEGATIVE} OR constituencies_silent < 0"),
    ("election_summaries", "coverage_complete", WARN, "Every constituency hour that should have arrived by now has.",
     "SELECT election_id, hours_expected, hours_delivered, coverage FROM metrics.election_summaries WHERE coverage < 100"),
    ("election_summaries", "input_in_time", WARN,
     "While an election is voting, no hour's input arrives more than an hour after its end.",
     "SELECT name, constituency_id, missing_from, missing_to FROM metrics.elections"
     " JOIN metrics.missing_input USING (election_id)"
     " WHERE now() BETWEEN starts_at AND ends_at + interval '2 hours' AND missing_from + interval '2 hours' <= now()"),
    ("election_summaries", "tallies_agree", WARN,
     "The sum of every published tally fits the accepted votes.",
     "SELECT constituency_id, question, status, votes_cast, tally_sum FROM metrics.tally_checks WHERE status <> 'agrees'"
     " ORDER BY constituency_id, question"),
    ("portal_registry", "zones_known", WARN, "The portal says in which time zone the contracts of a commission vote.",
     "SELECT constituency_id, commission FROM metrics.portal_contracts WHERE commission IS NOT NULL"
     " AND offset_hours IS NULL AND gone_at IS NULL"),
    ("portal_counters", "totals_grow", WARN, "No total that the portal publishes is lower than that of an hour before.",
     "SELECT * FROM (SELECT constituency_id, label, votes_total, bulletins_total,"
     " lag(votes_total) OVER points AS votes_before, lag(bulletins_total) OVER points AS bulletins_before"
     " FROM metrics.portal_hours WHERE superseded_at IS NULL AND votes_total IS NOT NULL"
     " WINDOW points AS (PARTITION BY constituency_id ORDER BY ends_at)) AS totals"
     " WHERE votes_total < votes_before OR bulletins_total < bulletins_before"),
    ("portal_agreement", "nothing_differs", WARN,
     "No constituency hour differs from the portal's own count; what is missing here comes first.",
     "SELECT constituency_id, hour, is_delivered, counted_votes, published_votes, counted_bulletins,"
     " published_bulletins FROM metrics.portal_agreement WHERE status IN ('differs', 'taken_back') ORDER BY hour DESC, constituency_id"),
    ("reconciliations", "nothing_differs", ERROR, "The final count equals the tables in every row.",
     "SELECT election_id, rows_compared, rows_differing FROM metrics.reconciliations WHERE rows_differing > 0"),
]  # fmt: skip


def _questions_of(asset: str) -> dg.AssetChecksDefinition:
    """The checks of an asset, as one step of a run: the overhead of a step is larger than that of a query."""
    questions = {name: (severity, query) for of, name, severity, _, query in QUESTIONS if of == asset}
    specs = [
        dg.AssetCheckSpec(name, asset=asset, description=text) for of, name, _, text, _ in QUESTIONS if of == asset
    ]

    @dg.multi_asset_check(name=f"{asset}_checks", specs=specs, can_subset=True, op_tags=FRAMES)
    def check(context: dg.AssetCheckExecutionContext, settings: SettingsResource) -> Iterator[dg.AssetCheckResult]:
        from election_metrics.warehouse.database import transaction

        with translate_errors(), transaction(settings) as connection:
            first, last = _hours_of_run(context.run.tags)
            parameters = {"first": first, "last": last, "run_id": context.run.run_id}
            results = [
                _answer(connection, key, *questions[key.name], parameters)
                for key in sorted(context.selected_asset_check_keys, key=lambda key: key.name)
            ]
        yield from results

    return check


def _answer(
    connection: "sa.Connection",
    key: dg.AssetCheckKey,
    severity: dg.AssetCheckSeverity,
    query: str,
    parameters: Mapping[str, object],
) -> dg.AssetCheckResult:
    import sqlalchemy as sa

    from election_metrics.warehouse.replace import read_frame

    text = sa.text(f"SELECT * FROM ({query}) AS found LIMIT {_MOST_COUNTED + 1}")
    found = read_frame(connection, text, **{name: value for name, value in parameters.items() if f":{name}" in query})
    shown = "\n".join(f"- {escape_markdown(row._asdict())}" for row in found.head(10).itertuples(index=False)) or "none"
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=found.empty,
        severity=severity,
        metadata={
            "violations": min(len(found), _MOST_COUNTED),
            **({"note": f"{_MOST_COUNTED} were counted; there are more"} if len(found) > _MOST_COUNTED else {}),
            **({} if found.empty else {"found": _found(found)}),
            "first": dg.MetadataValue.md(shown),
        },
    )


_MOST_COUNTED = 1_000
_LONGEST_FOUND = 200


def _found(rows: "pd.DataFrame") -> str:
    """The number of rows, and the first row, on one line."""
    count = f"{_MOST_COUNTED} or more" if len(rows) > _MOST_COUNTED else str(len(rows))
    first = ", ".join(f"{name} {visible(value)}" for name, value in rows.iloc[0].dropna().items())
    return f"{count}, such as {first}"[:_LONGEST_FOUND]


_HEAD = ("| hour (UTC) | in the lake | in the hours |", "|---|---:|---:|")


@dg.asset_check(
    asset="hourly_stats", description="The hours of the run hold as many transactions as the lake.", op_tags=SCANS
)
def hours_equal_lake(context: dg.AssetCheckExecutionContext, settings: SettingsResource) -> dg.AssetCheckResult:
    """Compares the hours with distinct ids counted in the lake; hours computed meanwhile are left out."""
    from election_metrics.pipeline.hour_comparison import compare_with_lake

    with translate_errors():
        first, last = _hours_of_run(context.run.tags)
        compared = compare_with_lake(settings, first, last + timedelta(hours=1))
    wrong = compared[compared["in_lake"] != compared["in_hours"]]
    shown = "\n".join(f"- {escape_markdown(row._asdict())}" for row in wrong.head(10).itertuples(index=False)) or "none"
    by_hour = [
        f"| {row.hour:%Y-%m-%d %H:%M} | {row.in_lake} | {row.in_hours} |" for row in compared.tail(48).itertuples()
    ]
    return dg.AssetCheckResult(
        passed=wrong.empty,
        severity=ERROR,
        metadata={
            "hours": f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC",
            "violations": len(wrong),
            "in_lake": int(compared["in_lake"].sum()),
            "in_hours": int(compared["in_hours"].sum()),
            "differing": dg.MetadataValue.md(shown),
            **({} if wrong.empty else {"found": _found(wrong)}),
            "by_hour": dg.MetadataValue.md("\n".join([*_HEAD, *by_hour])),
        },
    )


def _hours_of_run(tags: Mapping[str, str]) -> tuple[datetime, datetime]:
    """The run's hours; the last week if it names none."""
    if (named := hours_of_tags(tags)) is not None:
        return named
    now = hour_of(datetime.now(UTC))
    return now - timedelta(days=7), now


checks = [*map(_questions_of, dict.fromkeys(question[0] for question in QUESTIONS)), hours_equal_lake]
