"""`hourly_stats`: counts of each constituency and hour."""

from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg

from election_metrics.assets.catalogue import COLUMN_LINEAGE, about, lineage
from election_metrics.assets.op_tags import SCANS
from election_metrics.assets.partitions import hours, hours_of
from election_metrics.assets.raw_transactions import raw_transactions
from election_metrics.assets.resources import (
    RETRY,
    ProgressResource,
    SettingsResource,
    engine_metadata,
    translate_errors,
)
from election_metrics.pipeline.run_tags import KEY_FORMAT

if TYPE_CHECKING:
    import pandas as pd


@dg.asset(
    partitions_def=hours,
    deps=[raw_transactions, "elections", "constituencies"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    **about("hourly_stats", kinds=["duckdb", "postgres"]),
    retry_policy=RETRY,
    op_tags=SCANS,
)
def hourly_stats(
    context: dg.AssetExecutionContext, settings: SettingsResource, progress: ProgressResource
) -> dg.MaterializeResult[None]:
    """Counts, velocities and participation by constituency and hour (`metrics.hourly_stats`).

    Idempotent: computing an hour again, alone, in a range or in any order, gives the same rows.
    """
    import pandas as pd

    from election_metrics.pipeline.hours import compute_hours

    with translate_errors():
        run = hours_of(context)
        report = compute_hours(
            settings, run[0], run[-1] + timedelta(hours=1), context.run_id, progress=progress.of("Computing", "hours")
        )
    by_hour = report.by_hour.set_index("hour") if len(report.by_hour) else report.by_hour
    run_says = {
        "run": f"{len(run)} hours, {report.rows} rows, {report.bulletins_issued} bulletins, {report.votes_cast} votes",
        **engine_metadata(report.engine),
        "run_by_hour": dg.MetadataValue.md(_table(report.by_hour)),
    }
    for hour in run:
        figures = by_hour.loc[pd.Timestamp(hour)].to_dict() if hour in by_hour.index else _NOTHING
        # The hour's figures come first, then those of the whole run.
        context.add_asset_metadata(
            {
                **{str(name): int(value) for name, value in figures.items()},
                "gap": int(figures["bulletins_issued"] - figures["votes_cast"]),
                "dagster/row_count": int(figures.get("constituencies", 0)),
                **run_says,
                # The UI reads it from the newest materialization: once per run is enough.
                **({COLUMN_LINEAGE: lineage("hourly_stats")} if hour == run[-1] else {}),
            },
            partition_key=hour.strftime(KEY_FORMAT),
        )
    return dg.MaterializeResult()


_NOTHING = {"transaction_count": 0, "bulletins_issued": 0, "votes_cast": 0}


def _table(by_hour: "pd.DataFrame") -> str:
    head = ["| hour (UTC) | constituencies | transactions | bulletins | votes |", "|---|---:|---:|---:|---:|"]
    rows = [
        f"| {row.hour:%Y-%m-%d %H:%M} | {row.constituencies} | {row.transaction_count} | {row.bulletins_issued} "
        f"| {row.votes_cast} |"
        for row in by_hour.tail(24).itertuples()
    ]
    return "\n".join([*head, *rows])
