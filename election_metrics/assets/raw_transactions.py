"""`raw_transactions`: the transactions of each hour in the lake."""

from datetime import timedelta

import dagster as dg

from election_metrics.assets.catalogue import COLUMN_LINEAGE, about, lineage
from election_metrics.assets.landed_files import landed_files
from election_metrics.assets.op_tags import FRAMES
from election_metrics.assets.partitions import hours, hours_of
from election_metrics.assets.resources import RETRY, SettingsResource, translate_errors
from election_metrics.pipeline.run_tags import KEY_FORMAT


@dg.asset(
    partitions_def=hours,
    deps=[landed_files],
    backfill_policy=dg.BackfillPolicy.single_run(),
    **about("raw_transactions", kinds=["duckdb", "parquet"]),
    retry_policy=RETRY,
    op_tags=FRAMES,
)
def raw_transactions(context: dg.AssetExecutionContext, settings: SettingsResource) -> dg.MaterializeResult[None]:
    """One hour's transactions as Parquet parts, merged into one part when there are many.

    Reads resolve duplicates across files: repeated ids count once, rollbacks withdraw transactions, and later votes of
    a voter key are re-votes, independently of the order in which files landed.
    """
    from election_metrics.clock import hour_number
    from election_metrics.pipeline.compaction import compact_hours, lake_parts

    with translate_errors():
        run = hours_of(context)
        merged = compact_hours(settings, run[0], run[-1] + timedelta(hours=1))
        parts = lake_parts(settings, run[0], run[-1] + timedelta(hours=1))
    by_hour = parts.groupby("hour_number")[["rows", "size"]].sum()
    counts = parts.groupby("hour_number").size()
    for hour in run:
        number = hour_number(hour)
        here = number in by_hour.index
        context.add_asset_metadata(
            {
                "dagster/row_count": int(by_hour.at[number, "rows"]) if here else 0,
                "bytes": int(by_hour.at[number, "size"]) if here else 0,
                "parts": int(counts[number]) if here else 0,
                "parts_merged": merged.get(number, 0),
                **({COLUMN_LINEAGE: lineage("raw_transactions")} if hour == run[-1] else {}),
                "run": f"{len(run)} hours, {len(by_hour)} with transactions, {int(by_hour['rows'].sum())} rows",
            },
            partition_key=hour.strftime(KEY_FORMAT),
        )
    return dg.MaterializeResult()
