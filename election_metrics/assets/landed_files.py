"""`landed_files`: new export files, read and appended to the lake."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from election_metrics.assets.catalogue import about
from election_metrics.assets.op_tags import SCANS
from election_metrics.assets.resources import (
    RETRY,
    Progress,
    ProgressResource,
    SettingsResource,
    engine_metadata,
    translate_errors,
)
from election_metrics.assets.watched import watched
from election_metrics.errors import SettingsError
from election_metrics.locations import Location, place
from election_metrics.pipeline.run_tags import FILES
from election_metrics.sanitize import escape_markdown, visible
from election_metrics.settings import Settings
from election_metrics.warehouse import tables

if TYPE_CHECKING:
    from election_metrics.pipeline.landing import LandingReport


class LandedFilesConfig(dg.Config):
    """What to land."""

    source: str = Field("", description="Folder of portal exports, or one .csv or .zip; empty: the setting SOURCE.")
    files: list[str] = Field(
        default_factory=list,
        description="Only these paths, as the few that the sensor saw. Empty: all that is new.",
    )
    again: bool = Field(
        False, description="Read files once more that landed before (which, the next three say), as for a lost lake."
    )
    again_from: str = Field(
        "", description="Those with rows of this hour (UTC) or later: 2026-09-18T05:00. Empty: all."
    )
    again_to: str = Field("", description="Files with rows of this hour (UTC) or earlier. Empty: all.")
    again_constituency: str = Field("", description="Files of this constituency_id. Empty: all.")
    only_table: bool = Field(
        False, description="Only the transactions table of the setting SOURCE_URL; `again` then means its hours."
    )
    compare: bool = Field(False, description="Compare every hour of that table with what landed, due or not.")


@dg.asset(**about("landed_files", kinds=["duckdb", "parquet"]), retry_policy=RETRY, op_tags=SCANS)
def landed_files(
    context: dg.AssetExecutionContext,
    config: LandedFilesConfig,
    settings: SettingsResource,
    progress: ProgressResource,
) -> dg.MaterializeResult[None]:
    """New versions of export files: every line read once, split by the hour it occurred in, appended to the lake.

    Where a table of transactions is named (ELECTION_METRICS_SOURCE_URL), also its new rows, and hours that it changed.
    Lines that cannot be read are in `ingest.rejected_transactions`; each file's account is in
    `ingest.transaction_files`. What landed before is not landed again.
    """
    from election_metrics.pipeline.landing import LandingReport, land
    from election_metrics.pipeline.table_landing import land_table_beside

    report = LandingReport()
    with translate_errors():
        _check(config)
        source = place(config.source, "source") if config.source else settings.source_path
        if config.only_table:
            report = _land_table(context, config, settings, progress)
        elif source is None and settings.source_url is None:
            note = "Neither ELECTION_METRICS_SOURCE nor ELECTION_METRICS_SOURCE_URL is set: nothing to land"
            counted = watched(settings, tables.transaction_files)
            return dg.MaterializeResult(metadata={"files": 0, "note": note, **counted})
        elif source is not None and config.again:
            report = _land_again(context, config, settings, source, progress)
        elif source is not None:
            bar = progress.of("Landing", "bytes")
            tell = partial(_tell_how_many, context)
            report = land(settings, source, context.run_id, progress=bar, only=config.files, found=tell)
        if not (config.only_table or config.again or config.files or config.source):
            land_table_beside(settings, context.run_id, report)
    for path, reason in {**report.unreadable, **report.set_aside}.items():
        context.log.warning(f"{visible(path)}: {visible(reason)}")
    return dg.MaterializeResult(
        metadata={
            "files": report.files,
            "source": "the transactions table" if config.only_table else dg.MetadataValue.path(str(source)),
            "bytes": report.bytes,
            "rows": report.rows,
            "rejected": report.rejected,
            "rollbacks": report.rollbacks,
            "repeated_lines": report.repeated,
            "contents_known_before": report.known_contents,
            "unreadable_files": len(report.unreadable),
            "files_set_aside": len(report.set_aside),
            "hours_touched": len(report.hours),
            **watched(settings, tables.transaction_files),
            **engine_metadata(report.engine),
            "first_files": dg.MetadataValue.md(_table(report.by_file)),
            "unreadable": dg.MetadataValue.md(
                "\n".join(f"- {escape_markdown(p)}: {escape_markdown(r)}" for p, r in report.unreadable.items())
                or "none"
            ),
        }
    )


def _tell_how_many(context: dg.AssetExecutionContext, files: int) -> None:
    """Says in the run's tags how many files it lands, of which the sensor's ticks tell how many have."""
    if str(files) != context.run.tags.get(FILES):
        context.instance.add_run_tags(context.run_id, {FILES: str(files)})


def _check(config: LandedFilesConfig) -> None:
    """Raises SettingsError where the configuration contradicts itself."""
    first, last = (hour_in_utc(text) if text else None for text in (config.again_from, config.again_to))
    if first is not None and last is not None and first > last:
        raise SettingsError(f"again_from: {config.again_from} is after again_to: {config.again_to}; swap them")
    limited = [name for name in ("again_from", "again_to", "again_constituency") if getattr(config, name)]
    if limited and not config.again:
        raise SettingsError(f"{limited[0]} says which files are read once more; set again: true with it")
    if config.only_table and (config.files or config.source):
        raise SettingsError("only_table: true lands no file; leave out source and files")


def _land_again(
    context: dg.AssetExecutionContext,
    config: LandedFilesConfig,
    settings: Settings,
    source: Location,
    progress: Progress,
) -> "LandingReport":
    """Reads files once more; what is lost of the lake in their hours comes back with them."""
    from election_metrics.pipeline.landing import files_to_reland, forget_lost_parts, land
    from election_metrics.warehouse.database import session_lock

    first, last = (hour_in_utc(text) if text else None for text in (config.again_from, config.again_to))
    again, gone = files_to_reland(settings, source, first, last, config.again_constituency or None)
    context.log.info(f"{len(again)} file(s) are read once more; {len(gone)} are no longer in the source")
    with session_lock(settings, "hourly_stats"):
        if not config.again_constituency:
            lost = forget_lost_parts(settings, first, last, again)
            context.log.info(f"{lost} part(s) of the lake were lost")
        bar = progress.of("Landing", "bytes")
        return land(settings, source, context.run_id, progress=bar, again=again)


def _land_table(
    context: dg.AssetExecutionContext, config: LandedFilesConfig, settings: Settings, progress: Progress
) -> "LandingReport":
    """Lands what is new in the table, and hours that it changed; `again`, these hours whatever they hold."""
    from election_metrics.clock import hour_number
    from election_metrics.pipeline.table_landing import land_table, named_table

    first, last = (hour_number(hour_in_utc(text)) if text else None for text in (config.again_from, config.again_to))
    bar = progress.of("Landing", "rows")
    return land_table(
        settings, named_table(settings), context.run_id, progress=bar, compare=config.compare or None,
        again=(first, last) if config.again else None,
    )  # fmt: skip


def hour_in_utc(text: str) -> datetime:
    """Reads an hour; without an offset it is UTC.

    Raises:
        SettingsError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"{text!r} is no hour; type it as 2026-09-18T08:00 (UTC)") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _table(files: list[dict[str, object]]) -> str:
    rows = [
        f"| {escape_markdown(file['path'])} {escape_markdown(file['member'])} | {file['rows']} | {file['rejected']} |"
        for file in files
    ]
    return "\n".join(["| file | rows | rejected |", "|---|---:|---:|", *rows])
