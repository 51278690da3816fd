"""`election_summaries`: one row for each election."""

import dagster as dg

from election_metrics.assets.anomalies import anomalies
from election_metrics.assets.catalogue import COLUMN_LINEAGE, about, lineage
from election_metrics.assets.charts import turnout_curve
from election_metrics.assets.constituency_metrics import ElectionsConfig, constituency_metrics
from election_metrics.assets.op_tags import FRAMES
from election_metrics.assets.resources import RETRY, SettingsResource, translate_errors
from election_metrics.assets.watched import watched
from election_metrics.sanitize import escape_markdown
from election_metrics.warehouse import tables

_MOST_PICTURES = 3
_SHOWN = ("election_id", "bulletins_issued", "votes_cast", "participation_rate", "coverage", "last_transaction_at")


@dg.asset(
    deps=[constituency_metrics, anomalies],
    **about("election_summaries", kinds=["pandas", "postgres"]),
    retry_policy=RETRY,
    op_tags=FRAMES,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def election_summaries(
    context: dg.AssetExecutionContext, config: ElectionsConfig, settings: SettingsResource
) -> dg.MaterializeResult[None]:
    """One row for each election: totals, participation, gap, coverage, freshness (`metrics.election_summaries`).

    Also its regions (`metrics.region_summaries`) and the top and bottom of its ranking
    (`metrics.participation_extremes`).
    """
    from election_metrics.pipeline.elections import picture_of
    from election_metrics.pipeline.publication import compute_election_summaries, known_elections

    with translate_errors():
        rows = compute_election_summaries(settings, context.run_id, known_elections(settings, config.elections))
    if rows.empty:
        return dg.MaterializeResult(metadata={"rows": 0, **watched(settings, tables.election_summaries)})
    lines = [
        f"| {' | '.join(escape_markdown(getattr(row, name)) for name in _SHOWN)} |"
        for row in rows.head(20).itertuples()
    ]
    head = [f"| {' | '.join(_SHOWN)} |", "|---|---:|---:|---:|---:|---|"]
    pictures = {
        f"turnout of {row.election_id}": turnout_curve(*picture_of(settings, row.election_id))
        for row in rows.sort_values("votes_cast", ascending=False).head(_MOST_PICTURES).itertuples()
    }
    freshness = {"newest transaction": str(rows["last_transaction_at"].max())}
    return dg.MaterializeResult(
        metadata={
            COLUMN_LINEAGE: lineage("election_summaries"),
            "rows": len(rows),
            **watched(settings, tables.election_summaries),
            **freshness,
            **pictures,
            "summaries": dg.MetadataValue.md("\n".join([*head, *lines])),
        }
    )
