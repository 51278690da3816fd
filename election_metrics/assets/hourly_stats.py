"""`hourly_stats`: what happened in each constituency and hour."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from election_metrics.assets.partitions import KEY_FORMAT, hours, hours_of
from election_metrics.assets.raw_transactions import raw_transactions
from election_metrics.assets.running import RETRY, WRITERS, ProgressResource, SettingsResource, failures_in_words

if TYPE_CHECKING:
    import pandas as pd


@dg.asset(
    partitions_def=hours,
    deps=[raw_transactions, "elections", "constituencies"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="metrics",
    kinds={"postgres"},
    pool=WRITERS,
    retry_policy=RETRY,
)
def hourly_stats(
    context: dg.AssetExecutionContext, settings: SettingsResource, progress: ProgressResource
) -> dg.MaterializeResult[None]:
    """Counts, velocities and participation by constituency and hour (`metrics.hourly_stats`).

    An hour is a function of its input: running it again, alone, in a range or in any order gives the same rows.
    """
    import pandas as pd

    from election_metrics.pipeline.hours import compute_hours

    run = hours_of(context)
    with failures_in_words():
        report = compute_hours(
            settings, run[0], run[-1] + timedelta(hours=1), context.run_id, progress=progress.of("Computing", "hours")
        )
    by_hour = report.by_hour.set_index("hour") if len(report.by_hour) else report.by_hour
    for hour in run:
        if hour in by_hour.index:
            figures = by_hour.loc[pd.Timestamp(hour)]
            context.add_asset_metadata(
                {str(name): int(value) for name, value in figures.items()}, partition_key=hour.strftime(KEY_FORMAT)
            )
    return dg.MaterializeResult(
        metadata={
            "hours": len(run),
            "hours_with_transactions": report.hours,
            "rows_in_range": report.rows,
            "transactions_in_range": report.transactions,
            "bulletins_in_range": report.bulletins_issued,
            "votes_in_range": report.votes_cast,
            "elections": sorted(report.elections),
            "by_hour": dg.MetadataValue.md(_table(report.by_hour)),
        }
    )


def _table(by_hour: "pd.DataFrame") -> str:
    head = ["| hour (UTC) | constituencies | transactions | bulletins | votes |", "|---|---:|---:|---:|---:|"]
    rows = [
        f"| {row.hour:%Y-%m-%d %H:%M} | {row.constituencies} | {row.transaction_count} | {row.bulletins_issued} "
        f"| {row.votes_cast} |"
        for row in by_hour.tail(24).itertuples()
    ]
    return "\n".join([*head, *rows])
