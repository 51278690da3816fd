"""Landing: what a source has and the ledger has not is staged, and recorded in one transaction, whatever the source.

A source is a class of its own (`Source`): it says what is new, and brings it batch by batch. What a batch leaves in the
warehouse and the lake is written here, for every source alike. Whatever happens in between, the question "what does the
source have that the ledger has not?" stays open until that transaction commits. Rows that a killed run left in the lake
are in no manifest and count nothing.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from election_metrics.lake.engine import Engine, Readable
from election_metrics.pipeline import recording
from election_metrics.pipeline.progress import Report
from election_metrics.settings import Settings
from election_metrics.sources.portal_exports import Unreadable
from election_metrics.warehouse import ledger
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import transaction_files


@dataclass
class LandingReport:
    """What a landing did; counts of lines (rows, where the source is a table) unless the name says otherwise."""

    files: int = 0
    bytes: int = 0
    rows: int = 0
    rollbacks: int = 0
    repeated: int = 0
    rejected: int = 0
    known_contents: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    set_aside: dict[str, str] = field(default_factory=dict)
    hours: set[int] = field(default_factory=set)
    by_file: list[dict[str, object]] = field(default_factory=list)
    engine: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pending:
    """What a source has that has not landed.

    Attributes:
        news: what is new, for people: "5 new file(s)"; empty where nothing is.
        nothing: what to say where nothing is new.
        hours: the hours that it seems to touch (since 1970, UTC): a guess.
        elections: the elections that it seems to touch.
        state: the same as long as what is new is the same.
        files: how many files are new, where there are files.
        config: what `landed_files` is to be told, so that it need not look again.
    """

    news: str
    nothing: str
    hours: Sequence[int]
    elections: Sequence[str]
    state: Sequence[object]
    config: dict[str, object]
    files: int = 0


@dataclass(frozen=True)
class Again:
    """What landed and is to be read once more: rows of these hours (UTC, both ends included; None: open), or of one
    constituency alone.
    """  # noqa: D205

    first: datetime | None = None
    last: datetime | None = None
    constituency: str | None = None


class Source(ABC):
    """Where transactions come from.

    Attributes:
        name: as the configuration of `landed_files` names it.
        unit: of what its progress is counted.
    """

    name: str
    unit: str

    @abstractmethod
    def pending(self, settings: Settings, now: datetime) -> Pending:
        """What is new; it takes seconds, however much there is.

        Raises:
            ElectionMetricsError: the source cannot be looked at.
        """

    @abstractmethod
    def land(
        self, settings: Settings, run_id: str, report: LandingReport, *, progress: Report | None = None,
        found: Callable[[int], None] = lambda _: None, again: Again | None = None,
    ) -> None:  # fmt: skip
        """Lands what is new, batch by batch; with `again`, also what landed before and this names.

        Args:
            settings: the settings.
            run_id: the Dagster run.
            report: what to add to.
            progress: where to report.
            found: called once with how many files there are to land, where there are files.
            again: what to read once more.

        Raises:
            ElectionMetricsError: the source cannot be read.
        """


@dataclass(frozen=True)
class Landing:
    """What every batch of a landing has in common."""

    settings: Settings
    engine: Engine
    run_id: str
    now: datetime
    report: LandingReport


def _nothing_more(_connection: sa.Connection) -> None:
    return


@dataclass(frozen=True)
class StagedBatch:
    """A batch whose rows are in the engine's table `staged`, ready to be recorded.

    Attributes:
        versions: a row of the ledger for each version that could be read, without what its lines say: path, member,
            size, modified_ns, content_hash, content_id, and what its path says of its place.
        new: the contents that were read now; the others landed before.
        settled: paths, of which all that landed before is replaced.
        unreadable: what could not be read, and why.
        bytes: how much was read.
        record: writes what else the ledger keeps of this source, before hours are re-opened.
        settle: marks what follows from the batch as changed, once the hours are re-opened.
    """

    versions: pd.DataFrame
    new: Sequence[Readable]
    settled: Sequence[str]
    unreadable: Sequence[Unreadable] = ()
    bytes: int = 0
    record: Callable[[sa.Connection], None] = _nothing_more
    settle: Callable[[sa.Connection], None] = _nothing_more


def commit_batch(landing: Landing, connection: sa.Connection, batch: StagedBatch, work: Path) -> None:
    """Writes a batch into the ledger and the lake, re-opens the hours that it changes, and adds it to the report."""
    settings, engine, run_id, now = landing.settings, landing.engine, landing.run_id, landing.now
    new = {content.content_id for content in batch.new}
    replaced = ledger.supersede(connection, batch.settled)
    known = [] if batch.versions.empty else sorted(set(batch.versions["content_id"]) - new)
    facts = {**recording.ledger_facts(connection, known), **recording.content_facts(engine)}
    rows = recording.ledger_rows(batch.versions, facts, run_id, now)
    unreadable = recording.unreadable_rows(batch.unreadable, run_id, now)
    ledger.record_files(connection, pd.concat([rows, unreadable], ignore_index=True))
    batch.record(connection)
    dropped = ledger.not_current(connection, sorted(set(replaced)))
    before = recording.landed_parts(settings, engine, connection)
    hours = recording.record_rows(settings, engine, connection, work, batch.new, now)
    recording.record_corrections(engine, connection, before, sorted(new), dropped, hours)
    ledger.drop_rejected(connection, dropped)
    batch.settle(connection)
    notify(connection, transaction_files, [None])
    _add_to_report(landing.report, batch, rows, new, hours)


def _add_to_report(
    report: LandingReport, batch: StagedBatch, rows: pd.DataFrame, new: set[int], hours: set[int]
) -> None:
    report.files += len(rows)
    report.bytes += batch.bytes
    report.hours |= hours
    report.unreadable.update({f"{u.version.path}/{u.member}".rstrip("/"): u.reason for u in batch.unreadable})
    if rows.empty:
        return
    first = rows[rows["content_id"].isin(new)].drop_duplicates("content_id")
    report.known_contents += len(rows) - len(first)
    for count in ("rows", "rollbacks", "repeated", "rejected"):
        setattr(report, count, getattr(report, count) + int(first[count].sum()))
    report.by_file += first[["path", "member", "rows", "rejected"]].head(20).to_dict("records")
