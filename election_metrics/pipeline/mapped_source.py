"""Files that are read by a mapping, as a source: once any changed, all are read, and hours that differ land."""

from collections.abc import Callable
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from election_metrics.errors import SourceError
from election_metrics.pipeline.landing import Again, LandingReport, Pending, Source
from election_metrics.pipeline.mapped_files import FilesSnapshot, MappedFiles
from election_metrics.pipeline.progress import Report
from election_metrics.pipeline.recording import unreadable_rows
from election_metrics.pipeline.table_landing import land_table
from election_metrics.pipeline.table_source import hours_again
from election_metrics.pipeline.table_state import watermark_as_json
from election_metrics.settings import Settings
from election_metrics.sources.file_mapping import COUNTED, FileMapping, names_files, read_file_mapping
from election_metrics.sources.watermark import Watermark
from election_metrics.warehouse import ledger, mapped_sources, table_reads
from election_metrics.warehouse.database import lock, transaction

_OF_HOURS = ("spike", "drop", "silence", "synchronised_spike", "synchronised_drop")
_WITHIN_HOURS = (
    "burst", "regular_votes", "equal_gaps", "votes_without_bulletins", "registrar_block", "registration_block",
)  # fmt: skip
_OF_BOTH = ("votes_exceed_bulletins", "gap_outside_band", "votes_without_bulletins")


def open_files(settings: Settings) -> MappedFiles | None:
    """The files of the mapping in the settings; None if it is of a table, or there is none.

    Raises:
        SettingsError: the mapping is invalid.
    """
    file = settings.source_table
    if file is None:
        return None
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None  # the table says so
    return MappedFiles(read_file_mapping(file), file.parent, settings) if names_files(text) else None


class MappedSource(Source):
    """Files of any form, read by a mapping."""

    unit = "rows"

    def __init__(self, files: MappedFiles) -> None:
        self.files, self.name = files, files.mapping.source

    def __str__(self) -> str:
        return f"the {self.files.place}"

    def pending(self, settings: Settings, now: datetime) -> Pending:  # noqa: ARG002
        """Whether any of the files is new, changed or gone."""
        state = self.files.state()
        is_new = state != landed_state(settings, self.name)
        return Pending(
            news="files of the mapping are new or changed" if is_new else "",
            nothing="every file of the mapping has landed, and none has changed since",
            hours=[], elections=[], state=["mapping", self.files.place, state if is_new else ""],
            config={"sources": [self.name]},
        )  # fmt: skip

    def land(
        self, settings: Settings, run_id: str, report: LandingReport, *, progress: Report | None = None,
        found: Callable[[int], None] = lambda _: None, again: Again | None = None,
    ) -> None:  # fmt: skip
        """Reads the files and lands hours that differ; with `again`, reloads landed hours, changed or not."""
        hours = hours_again(self.name, again)
        found(len(self.files.listed()))
        land_files(settings, self.files, run_id, report=report, progress=progress, again=hours)


def landed_state(settings: Settings, source: str) -> str | None:
    """The state of the files that landed; None: none did."""
    with transaction(settings) as connection:
        state = table_reads.read_state(connection, source)
    return None if state is None else str(state["read_up_to"].get("files", ""))


def unreadable_files(settings: Settings, source: str) -> list[str]:
    """What of the files could not be read when they landed, and why."""
    with transaction(settings) as connection:
        return ledger.reasons_of(connection, _unreadable_before(connection, source))


def _unreadable_before(connection: sa.Connection, source: str) -> list[str]:
    """Paths of files that could not be read, wholly or in part, when they landed."""
    state = table_reads.read_state(connection, source)
    return [] if state is None else list(state["read_up_to"].get("unreadable", []))


def land_files(
    settings: Settings,
    files: MappedFiles,
    run_id: str,
    now: datetime | None = None,
    *,
    report: LandingReport | None = None,
    progress: Report | None = None,
    again: tuple[int | None, int | None] | None = None,
) -> LandingReport:
    """Lands the files of a mapping; see `table_landing.land_table`."""
    state = files.state()  # before they are read: what changes meanwhile is read again
    with transaction(settings) as connection:
        before = _unreadable_before(connection, files.mapping.source)

    def begin(connection: sa.Connection, snapshot: FilesSnapshot, moment: datetime) -> None:  # noqa: ARG001
        _check_counts_once(connection, files.mapping, snapshot)

    def finish(connection: sa.Connection, snapshot: FilesSnapshot, moment: datetime) -> None:
        _store(connection, files, snapshot, state, moment)
        wrong = [file.version.path for file in snapshot.unreadable]
        ledger.supersede(connection, sorted({*before, *wrong}))
        ledger.record_files(connection, unreadable_rows(snapshot.unreadable, run_id, moment))

    files.now = now
    return land_table(
        settings, files, run_id, now, progress, report=report, compare=True, again=again, begin=begin, finish=finish
    )


def _counted(mapping: FileMapping) -> list[str]:
    """What a source counts: events may be both."""
    return mapping.counted or list(COUNTED)


def _check_counts_once(connection: sa.Connection, mapping: FileMapping, snapshot: FilesSnapshot) -> None:
    """Refuses places that another source counts too; events with ids are told apart by these.

    Raises:
        SourceError: there are some; nothing landed.
    """
    if mapping.columns.id is not None:
        return
    places = list(snapshot.places()["constituency_id"])
    found = mapped_sources.counted_elsewhere(connection, mapping.source, places, _counted(mapping))
    if found is not None:
        other, number, example = found
        raise SourceError(
            f"{number:,} place(s) of the source {mapping.source!r}, such as {example!r}, are counted from {other} "
            f"already, and would be added up. If the mapping was renamed, give it its name again; else make its "
            "columns.constituency differ"
        )


def _store(connection: sa.Connection, files: MappedFiles, snapshot: FilesSnapshot, state: str, now: datetime) -> None:
    mapping = files.mapping
    lock(connection, "land")
    mapped_sources.store(
        connection, mapping.source, mapping.rows, mapping.unit, rules_off(mapping), _places(mapping, snapshot),
        snapshot.observed().rename(columns={"constituency": "constituency_id"}), now,
    )  # fmt: skip
    wrong = sorted({file.version.path for file in snapshot.unreadable})
    own = {"files": state, "unreadable": wrong, "counted": _counted(mapping)}
    read_up_to = {**watermark_as_json(Watermark()), **own}
    table_reads.store_state(connection, mapping.source, files.place, read_up_to, now)


def _places(mapping: FileMapping, snapshot: FilesSnapshot) -> pd.DataFrame:
    places = snapshot.places()
    places["election"] = places["election"].astype(object).where(places["election"].notna(), mapping.election)
    places["registered_voters"] = places["registered_voters"].astype("Int64")
    begins, ends = pd.NaT, pd.NaT
    if mapping.opening_hours:
        spans = [pd.Timestamp(moment, tz=mapping.time_zone) for span in mapping.opening_hours for moment in span]
        begins, ends = spans[0].tz_convert("UTC"), spans[-1].tz_convert("UTC")
    own = places["time_zone"].astype(object)
    return places.assign(
        time_zone=own.where(own.notna(), mapping.time_zone if "time_zone" in mapping.model_fields_set else None),
        starts_at=pd.Series(begins, index=places.index, dtype="datetime64[us, UTC]"),
        ends_at=pd.Series(ends, index=places.index, dtype="datetime64[us, UTC]"),
    )


def rules_off(mapping: FileMapping) -> list[str]:
    """Rules that the figures of such files say too little for."""
    off: set[str] = set()
    if mapping.unit != "second":
        off |= {*_WITHIN_HOURS}
    if mapping.rows == "counters" or mapping.unit == "day":
        off |= {*_OF_HOURS}
    has_both = mapping.may_have_bulletins if mapping.rows == "events" else mapping.counted == list(COUNTED)
    if not has_both or not mapping.needs_bulletins:
        off |= {*_OF_BOTH}
    return sorted(off)
