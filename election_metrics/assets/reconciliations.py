"""`reconciliations`: the final count of each election."""

import dagster as dg

from election_metrics.assets.catalogue import COLUMN_LINEAGE, about, lineage
from election_metrics.assets.constituency_metrics import ElectionsConfig
from election_metrics.assets.election_summaries import election_summaries
from election_metrics.assets.op_tags import SCANS
from election_metrics.assets.resources import RETRY, ProgressResource, SettingsResource, translate_errors
from election_metrics.assets.watched import watched
from election_metrics.warehouse import tables


@dg.asset(
    deps=[election_summaries],
    **about("reconciliations", kinds=["duckdb", "postgres"]),
    retry_policy=RETRY,
    op_tags=SCANS,
)
def reconciliations(
    context: dg.AssetExecutionContext,
    config: ElectionsConfig,
    settings: SettingsResource,
    progress: ProgressResource,
) -> dg.MaterializeResult[None]:
    """Every hour of an election whose voting is over, counted again from the lake (`metrics.reconciliations`).

    Every figure of every row is compared. Hours that differ are listed here, marked stale, and computed again.
    """
    from election_metrics.pipeline.publication import known_elections
    from election_metrics.pipeline.reconciliation import reconcile_elections

    with translate_errors():
        done, different = reconcile_elections(
            settings,
            context.run_id,
            known_elections(settings, config.elections),
            progress=progress.of("Counting", "hours"),
        )
    lines = [f"| {row.hour:%Y-%m-%d %H:%M} | {row.constituency_id} |" for row in different.head(20).itertuples()]
    sums = {name: int(done[name].sum()) if len(done) else 0 for name in _SUMS}
    return dg.MaterializeResult(
        metadata={
            COLUMN_LINEAGE: lineage("reconciliations"),
            "elections": len(done),
            **watched(settings, tables.reconciliations),
            **sums,
            "differing": dg.MetadataValue.md("\n".join(["| hour (UTC) | constituency |", "|---|---|", *lines])),
        }
    )


_SUMS = ("hours", "rows_compared", "rows_differing", "transactions", "bulletins_issued", "votes_cast")
