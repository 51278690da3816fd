"""`elections` and `constituencies`: the registry, from paths, transactions and the reference file."""

import dagster as dg

from election_metrics.assets.catalogue import about
from election_metrics.assets.landed_files import landed_files
from election_metrics.assets.op_tags import FRAMES
from election_metrics.assets.portal import portal_registry
from election_metrics.assets.resources import RETRY, SettingsResource, translate_errors
from election_metrics.sanitize import escape_markdown


@dg.multi_asset(
    name="registry",
    specs=[
        dg.AssetSpec(
            "elections",
            **about("elections", kinds=["pandas", "postgres"]),
            deps=[landed_files, portal_registry],
            description="Elections: names, voting times, status (`metrics.elections`). One name across regions is one "
            "election.",
        ),
        dg.AssetSpec(
            "constituencies",
            **about("constituencies", kinds=["pandas", "postgres"]),
            deps=[landed_files, portal_registry],
            description="Constituencies: names, regions, time zones, registered voters, voting times "
            "(`metrics.constituencies`), from the paths, the transactions, the portal and the reference file. A change "
            "here marks the hours that depend on it stale.",
        ),
    ],
    retry_policy=RETRY,
    op_tags=FRAMES,
)
def registry(context: dg.AssetExecutionContext, settings: SettingsResource) -> tuple[dg.MaterializeResult[None], ...]:
    """Refreshes both tables in one transaction, so that a constituency never refers to a missing election."""
    from election_metrics.pipeline.registry import refresh_registry

    with translate_errors():
        known = refresh_registry(settings, context.run_id)
    elections, constituencies = known.elections, known.constituencies
    table = elections[["name", "starts_at", "ends_at", "status"]].head(20).astype(object)
    rows = [f"| {' | '.join(escape_markdown(value) for value in row)} |" for row in table.itertuples(index=False)]
    return (
        dg.MaterializeResult(
            asset_key="elections",
            metadata={
                "rows": len(elections),
                "dagster/row_count": len(elections),
                "elections": dg.MetadataValue.md(
                    "\n".join(["| name | starts | ends | status |", "|---|---|---|---|", *rows])
                ),
            },
        ),
        dg.MaterializeResult(
            asset_key="constituencies",
            metadata={
                "rows": len(constituencies),
                "dagster/row_count": len(constituencies),
                "without_register": int(constituencies["registered_voters"].isna().sum()),
                "registered_voters": int(constituencies["registered_voters"].fillna(0).sum()),
            },
        ),
    )
