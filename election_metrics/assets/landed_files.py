"""`landed_files`: new export files, read and appended to the lake."""

from collections.abc import Sequence
from datetime import datetime
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
from election_metrics.clock import read_hour
from election_metrics.errors import ElectionMetricsError, SettingsError, SourceError
from election_metrics.locations import place
from election_metrics.pipeline.run_tags import FILES
from election_metrics.sanitize import escape_markdown, visible
from election_metrics.settings import Settings
from election_metrics.warehouse import tables

if TYPE_CHECKING:
    from election_metrics.pipeline.landing import Again, LandingReport, Source


class LandedFilesConfig(dg.Config):
    """Configuration of a landing."""

    source: str = Field("", description="Folder of portal exports, or one .csv or archive; empty: the setting SOURCE.")
    files: list[str] = Field(
        default_factory=list,
        description="Only these paths, such as the few that the sensor saw. Empty: everything new.",
    )
    again: bool = Field(
        False, description="Reload files that landed before, limited by the next three, for example for a lost lake."
    )
    again_from: str = Field(
        "", description="Files with rows of this hour (UTC) or later: 2026-09-18T05:00. Empty: all."
    )
    again_to: str = Field("", description="Files with rows of this hour (UTC) or earlier. Empty: all.")
    again_constituency: str = Field("", description="Files of this constituency_id. Empty: all.")
    sources: list[str] = Field(
        default_factory=list,
        description="Only these sources of the settings: files, or the name of the table's mapping. Empty: all; with "
        "`again`, the first.",
    )
    compare: bool = Field(False, description="Compare every hour of a table with what landed, due or not.")


@dg.asset(**about("landed_files", kinds=["duckdb", "parquet"]), retry_policy=RETRY, op_tags=SCANS)
def landed_files(
    context: dg.AssetExecutionContext,
    config: LandedFilesConfig,
    settings: SettingsResource,
    progress: ProgressResource,
) -> dg.MaterializeResult[None]:
    """New versions of export files: each line is read once, assigned to the hour of its transaction, and appended.

    Also new rows and changed hours of a transactions table, if ELECTION_METRICS_SOURCE_URL names one. Lines that
    cannot be read go to the quarantine, `ingest.rejected_transactions`; the ledger of files is
    `ingest.transaction_files`. Idempotent: what landed before is not landed again.
    """
    from election_metrics.pipeline.file_landing import files_not_read
    from election_metrics.pipeline.landing import LandingReport
    from election_metrics.pipeline.sources import NONE_NAMED

    report = LandingReport()
    with translate_errors():
        again, sources = _again(config), _chosen(config, settings)
        if not sources:
            note = f"{NONE_NAMED}: nothing to land"
            counted = watched(settings, tables.transaction_files)
            return dg.MaterializeResult(metadata={"files": 0, "note": note, **counted})
        is_named = bool(config.source or config.files or config.sources or config.again)
        _land(context, sources, again, settings, progress, report, is_named=is_named)
    for path, reason in {**report.unreadable, **report.set_aside}.items():
        context.log.warning(f"{visible(path)}: {visible(reason)}")
    for path, reason in report.withdrawn.items():
        context.log.warning(f"{visible(path)}: its bytes were withdrawn ({visible(reason)}), so it does not count")
    for path, (contracts, left) in report.counts_only.items():
        context.log.warning(
            f"{visible(path)} holds tables of counts, without rollbacks and failed calls: {contracts} contract(s) are "
            f"counted from it; {left} are not, because transactions of them have landed"
        )
    for region, path in report.unmatched.items():
        what = f"the region {visible(region)!r} is not a known one" if region else "no region is named"
        zone = f"the default time zone, {settings.time_zone}, is assumed"
        context.log.warning(f"{visible(path)}: {what}; {zone}")
    return dg.MaterializeResult(
        metadata={
            "files": report.files,
            "source": dg.MetadataValue.text(", ".join(str(source) for source in sources)),
            "bytes": report.bytes,
            "rows": report.rows,
            "rejected": report.rejected,
            "rollbacks": report.rollbacks,
            "repeated_lines": report.repeated,
            "contents_known_before": report.known_contents,
            "unreadable_files": len(report.unreadable),
            "files_set_aside": len(report.set_aside),
            "withdrawn_files": len(report.withdrawn),
            "files_not_read": files_not_read(settings),
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
    """Tags the run with its number of files, for the progress in the sensor's ticks."""
    if str(files) != context.run.tags.get(FILES):
        context.instance.add_run_tags(context.run_id, {FILES: str(files)})


def _chosen(config: LandedFilesConfig, settings: Settings) -> "list[Source]":
    """The sources to land.

    Raises:
        SettingsError: the configuration contradicts itself, or names a source that is not there.
    """
    from election_metrics.pipeline.export_files import ExportFiles
    from election_metrics.pipeline.sources import sources_of

    if (config.files or config.source) and config.sources:
        raise SettingsError("sources are those of the settings; leave out source and files, or leave out sources")
    if config.source:
        return [ExportFiles(place(config.source, "source"), config.files)]
    if config.files and settings.source_path is not None:
        return [ExportFiles(settings.source_path, config.files)]
    sources = sources_of(settings, config.sources, compare=config.compare)
    return sources[:1] if config.again and not config.sources else sources


def _again(config: LandedFilesConfig) -> "Again | None":
    """What to reload.

    Raises:
        SettingsError: the configuration contradicts itself.
    """
    from election_metrics.pipeline.landing import Again

    first, last = (hour_in_utc(text) if text else None for text in (config.again_from, config.again_to))
    if first is not None and last is not None and first > last:
        raise SettingsError(f"again_from: {config.again_from} is after again_to: {config.again_to}; swap them")
    limited = [name for name in ("again_from", "again_to", "again_constituency") if getattr(config, name)]
    if limited and not config.again:
        raise SettingsError(f"{limited[0]} says which files are read once more; set again: true with it")
    return Again(first, last, config.again_constituency or None) if config.again else None


def _land(
    context: dg.AssetExecutionContext,
    sources: "Sequence[Source]",
    again: "Again | None",
    settings: Settings,
    progress: Progress,
    report: "LandingReport",
    *,
    is_named: bool,
) -> None:
    """Lands one source after another; an error of one does not stop the others.

    Nor does it fail a run that was not requested for its sources: rows that landed are still counted.

    Raises:
        ElectionMetricsError: no source could be read.
    """
    errors: list[ElectionMetricsError] = []
    for source in sources:
        try:
            source.land(
                settings, context.run_id, report, progress=progress.of("Landing", source.unit),
                found=partial(_tell_how_many, context), again=again,
            )  # fmt: skip
        except ElectionMetricsError as error:
            errors.append(error)
            report.unreadable[str(source)] = str(error)
    if len(errors) == len(sources) and (is_named or not isinstance(errors[0], SourceError)):
        raise errors[0]


def hour_in_utc(text: str) -> datetime:
    """Parses an hour; without an offset it is UTC.

    Raises:
        SettingsError: the text is not a whole hour.
    """
    try:
        return read_hour(text)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _table(files: list[dict[str, object]]) -> str:
    rows = [
        f"| {escape_markdown(file['path'])} {escape_markdown(file['member'])} | {file['rows']} | {file['rejected']} |"
        for file in files
    ]
    return "\n".join(["| file | rows | rejected |", "|---|---:|---:|", *rows])
