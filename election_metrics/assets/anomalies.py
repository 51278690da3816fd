"""`anomalies`: findings of the rules in each election."""

import dagster as dg

from election_metrics.assets.catalogue import COLUMN_LINEAGE, about, lineage
from election_metrics.assets.constituency_metrics import ElectionsConfig, constituency_metrics
from election_metrics.assets.op_tags import FRAMES
from election_metrics.assets.resources import RETRY, SettingsResource, translate_errors
from election_metrics.assets.watched import watched
from election_metrics.sanitize import escape_markdown
from election_metrics.warehouse import tables


@dg.asset(
    deps=[constituency_metrics],
    **about("anomalies", kinds=["pandas", "postgres"]),
    retry_policy=RETRY,
    op_tags=FRAMES,
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def anomalies(
    context: dg.AssetExecutionContext, config: ElectionsConfig, settings: SettingsResource
) -> dg.MaterializeResult[None]:
    """Every rule that fired, with observed, expected and an explanation (`metrics.anomalies`), and missing input.

    A finding keeps its id and state through every recomputation; a finding that no longer holds is closed, not deleted.
    """
    from election_metrics.pipeline.publication import compute_anomalies, known_elections

    with translate_errors():
        rows = compute_anomalies(settings, context.run_id, known_elections(settings, config.elections))
    unresolved = rows[rows["state"] != "resolved"] if len(rows) else rows
    if len(unresolved):
        subject = unresolved["constituency_id"].combine_first(unresolved["region"]).fillna("election")
        unresolved = unresolved.assign(subject=subject)
    counts = unresolved["severity"].value_counts().to_dict() if len(unresolved) else {}
    lines = [
        f"| {row.severity} | {row.rule} | {escape_markdown(row.subject)} | {row.window_start:%Y-%m-%d %H:%M} "
        f"| {escape_markdown(row.explanation)} |"
        for row in unresolved.head(20).itertuples()
    ]
    head = ["| severity | rule | where | from (UTC) | |", "|---|---|---|---|---|"]
    return dg.MaterializeResult(
        metadata={
            COLUMN_LINEAGE: lineage("anomalies"),
            **{f"{severity}_of_run": int(counts.get(severity, 0)) for severity in ("critical", "warning", "info")},
            "findings_of_run": len(rows),
            **watched(settings, tables.anomalies),
            "unresolved": dg.MetadataValue.md("\n".join([*head, *lines])),
        }
    )
