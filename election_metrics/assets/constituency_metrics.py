"""`constituency_metrics`: figures of each constituency by hour, day, week, month and whole election."""

import dagster as dg
from pydantic import Field

from election_metrics.assets.catalogue import COLUMN_LINEAGE, about, lineage
from election_metrics.assets.hourly_stats import hourly_stats
from election_metrics.assets.op_tags import FRAMES
from election_metrics.assets.resources import RETRY, SettingsResource, translate_errors
from election_metrics.assets.watched import watched
from election_metrics.warehouse import tables


class ElectionsConfig(dg.Config):
    """Which elections to compute."""

    elections: list[str] = Field(default_factory=list)
    """election_id of the elections; empty: those whose hours changed since they were computed."""


@dg.asset(
    deps=[hourly_stats],
    **about("constituency_metrics", kinds=["pandas", "postgres"]),
    retry_policy=RETRY,
    op_tags=FRAMES,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def constituency_metrics(
    context: dg.AssetExecutionContext, config: ElectionsConfig, settings: SettingsResource
) -> dg.MaterializeResult[None]:
    """Totals, rates, averages, peaks and running totals by period (`metrics.constituency_metrics`).

    Days, weeks and months are in the constituency's time zone.
    """
    from election_metrics.pipeline.publication import compute_constituency_metrics, known_elections

    with translate_errors():
        written = compute_constituency_metrics(settings, context.run_id, known_elections(settings, config.elections))
    rows = [f"| {election} | {count} |" for election, count in written.items()]
    return dg.MaterializeResult(
        metadata={
            COLUMN_LINEAGE: lineage("constituency_metrics"),
            "rows": sum(written.values()),
            "elections": len(written),
            **watched(settings, tables.constituency_metrics),
            "by_election": dg.MetadataValue.md("\n".join(["| election | rows |", "|---|---:|", *rows])),
        }
    )
