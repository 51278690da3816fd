"""`landed_files`: new export files, read and appended to the lake."""

from pathlib import Path

import dagster as dg

from election_metrics.assets.running import RETRY, ProgressResource, SettingsResource, failures_in_words


class LandedFilesConfig(dg.Config):
    """What to land."""

    source: str = ""
    """Folder of portal exports, or one .csv or .zip; empty: the setting ELECTION_METRICS_SOURCE."""


@dg.asset(group_name="lake", kinds={"duckdb", "parquet"}, retry_policy=RETRY)
def landed_files(
    context: dg.AssetExecutionContext,
    config: LandedFilesConfig,
    settings: SettingsResource,
    progress: ProgressResource,
) -> dg.MaterializeResult[None]:
    """New versions of export files: every line read once, split by the hour it occurred in, appended to the lake.

    Lines that cannot be read are in `ingest.rejected_transactions`; each file's account is in
    `ingest.transaction_files`. What landed before is not landed again.
    """
    from election_metrics.pipeline.landing import land

    source = Path(config.source) if config.source else settings.source
    if source is None:
        return dg.MaterializeResult(
            metadata={"files": 0, "note": "ELECTION_METRICS_SOURCE is not set: nothing to land"}
        )
    with failures_in_words():
        report = land(settings, source, context.run_id, progress=progress.of("Landing", "bytes"))
    for path, reason in {**report.unreadable, **report.set_aside}.items():
        context.log.warning(f"{path}: {reason}")
    return dg.MaterializeResult(
        metadata={
            "files": report.files,
            "source": dg.MetadataValue.path(str(source)),
            "bytes": report.bytes,
            "rows": report.rows,
            "rejected": report.rejected,
            "rollbacks": report.rollbacks,
            "repeated_lines": report.repeated,
            "contents_known_before": report.known_contents,
            "unreadable_files": len(report.unreadable),
            "files_set_aside": len(report.set_aside),
            "hours_touched": len(report.hours),
            "first_files": dg.MetadataValue.md(_table(report.by_file)),
            "unreadable": dg.MetadataValue.md(
                "\n".join(f"- `{p}`: {r}" for p, r in report.unreadable.items()) or "none"
            ),
        }
    )


def _table(files: list[dict[str, object]]) -> str:
    rows = [f"| {file['path']} {file['member']} | {file['rows']} | {file['rejected']} |" for file in files]
    return "\n".join(["| file | rows | rejected |", "|---|---:|---:|", *rows])
