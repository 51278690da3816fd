"""Landing: new input of a source is staged, and recorded in one transaction.

Each source is a subclass of `Source`: it says what is new, and brings it in batches. The result of a batch is written
to the warehouse and the lake here, in the same way for every source. Landing is level-triggered: input counts as new
until that transaction commits. Parts that a killed run left in the lake are not in the manifest and are never read.
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
from election_metrics.sources.file_versions import Unreadable
from election_metrics.warehouse import ledger
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import transaction_files


@dataclass
class LandingReport:
    """Result of a landing; counts are of lines (rows of a table) unless the name says otherwise.

    `unreadable` and `set_aside` are reasons by path; `unmatched` are paths by region that is not known ("": not named);
    `withdrawn` are files with bytes that people withdrew, and why they did. `counts_only` are archives of tables, with
    the contracts that they count, and those that they do not because transactions of them have landed.
    """

    files: int = 0
    bytes: int = 0
    rows: int = 0
    rollbacks: int = 0
    repeated: int = 0
    rejected: int = 0
    known_contents: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    set_aside: dict[str, str] = field(default_factory=dict)
    unmatched: dict[str, str] = field(default_factory=dict)
    withdrawn: dict[str, str] = field(default_factory=dict)
    counts_only: dict[str, tuple[int, int]] = field(default_factory=dict)
    hours: set[int] = field(default_factory=set)
    by_file: list[dict[str, object]] = field(default_factory=list)
    engine: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pending:
    """Input of a source that has not landed.

    Attributes:
        news: what is new, as text: "5 new file(s)"; empty if nothing is.
        nothing: the message if nothing is new.
        hours: the hours that it probably touches (since 1970, UTC).
        elections: the elections that it probably touches.
        state: identifies the new input; equal while it is the same.
        files: number of new files, if the source has files.
        config: configuration of `landed_files`, so that it need not list the source again.
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
    """What to reload: rows of these hours (UTC, inclusive; None: unbounded), or of one constituency."""

    first: datetime | None = None
    last: datetime | None = None
    constituency: str | None = None


class Source(ABC):
    """A source of transactions.

    Attributes:
        name: its name in the configuration of `landed_files`.
        unit: the unit of its progress.
    """

    name: str
    unit: str

    @abstractmethod
    def pending(self, settings: Settings, now: datetime) -> Pending:
        """What is new; takes seconds, for any amount of input.

        Raises:
            ElectionMetricsError: the source cannot be listed.
        """

    @abstractmethod
    def land(
        self, settings: Settings, run_id: str, report: LandingReport, *, progress: Report | None = None,
        found: Callable[[int], None] = lambda _: None, again: Again | None = None,
    ) -> None:  # fmt: skip
        """Lands new input, batch by batch; with `again`, also reloads what it names.

        Args:
            settings: the settings.
            run_id: the Dagster run.
            report: the report to add to.
            progress: receives progress reports.
            found: called once with the number of files to land, if the source has files.
            again: what to reload.

        Raises:
            ElectionMetricsError: the source cannot be read.
        """


@dataclass(frozen=True)
class Landing:
    """Parameters shared by all batches of a landing."""

    settings: Settings
    engine: Engine
    run_id: str
    now: datetime
    report: LandingReport


def _nothing_more(_connection: sa.Connection) -> None:
    return


def _takes_nothing_back(_connection: sa.Connection) -> list[int]:
    return []


@dataclass(frozen=True)
class StagedBatch:
    """A batch whose rows are in the engine's table `staged`, ready to be recorded.

    Attributes:
        versions: a ledger row for each readable version, without counts of its lines: path, member, size, modified_ns,
            content_hash, content_id, and the fields of its path.
        new: the contents that were read now; the others landed before.
        settled: paths whose earlier landings are replaced.
        unreadable: what could not be read, and why.
        bytes: bytes that were read.
        record: writes further ledger rows of this source, before hours are marked stale.
        cause: why contents that counted do not count any more, one of `commits.CAUSES`.
        take_back: marks ledger rows of earlier landings as no longer counting; returns their contents.
        settle: marks everything downstream as changed, after the hours are marked stale.
    """

    versions: pd.DataFrame
    new: Sequence[Readable]
    settled: Sequence[str]
    unreadable: Sequence[Unreadable] = ()
    bytes: int = 0
    record: Callable[[sa.Connection], None] = _nothing_more
    cause: str = "changed file"
    take_back: Callable[[sa.Connection], list[int]] = _takes_nothing_back
    settle: Callable[[sa.Connection], None] = _nothing_more


def commit_batch(landing: Landing, connection: sa.Connection, batch: StagedBatch, work: Path) -> None:
    """Writes a batch to the ledger and the lake, marks the hours it changes stale, and adds it to the report."""
    settings, engine, run_id, now = landing.settings, landing.engine, landing.run_id, landing.now
    new = {content.content_id for content in batch.new}
    replaced = [*ledger.supersede(connection, batch.settled), *batch.take_back(connection)]
    known = [] if batch.versions.empty else sorted(set(batch.versions["content_id"]) - new)
    facts = {**recording.ledger_facts(connection, known), **recording.content_facts(engine)}
    rows = recording.ledger_rows(batch.versions, facts, run_id, now)
    unreadable = recording.unreadable_rows(batch.unreadable, run_id, now)
    ledger.record_files(connection, pd.concat([rows, unreadable], ignore_index=True))
    batch.record(connection)
    dropped = ledger.not_current(connection, sorted(set(replaced)))
    before = recording.landed_parts(settings, engine, connection)
    hours = recording.record_rows(settings, engine, connection, work, batch.new, now)
    recording.record_corrections(engine, connection, before, sorted(new), dropped, hours, batch.cause)
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
