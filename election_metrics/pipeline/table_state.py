"""How far a table was read and when it was compared, as the ledger has it."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from election_metrics.errors import SourceError
from election_metrics.pipeline.mapped_files import AnyTable
from election_metrics.settings import Settings
from election_metrics.sources.file_mapping import FileMapping
from election_metrics.sources.table_mapping import TableMapping
from election_metrics.sources.watermark import PendingMark, Watermark
from election_metrics.warehouse import table_reads
from election_metrics.warehouse.database import transaction


def state_of(settings: Settings, source: str) -> Mapping[str, Any] | None:
    """When a table was read and compared: read_at, compared_at and more; None: never."""
    with transaction(settings) as connection:
        return table_reads.read_state(connection, source)


def check_place(table: AnyTable, state: Mapping[str, Any] | None) -> None:
    """Refuses to go on with a state that was recorded of another table.

    Raises:
        SourceError: it was.
    """
    if state is not None and state["place"] != table.place:
        raise SourceError(
            f"{table.mapping.source!r} was read from {state['place']} before, and is {table.place} now; "
            "give the new one another `name` in its mapping"
        )


def is_comparison_due(state: Mapping[str, Any], mapping: TableMapping | FileMapping, now: datetime) -> bool:
    """Whether it is time to compare every hour of the table."""
    compared = state["compared_at"]
    return compared is None or now - compared >= timedelta(minutes=mapping.compare_minutes)


def watermark_as_json(read: Watermark) -> dict[str, Any]:
    """A watermark as the ledger stores it."""
    marks = [{**asdict(mark), "at": mark.at.isoformat()} for mark in read.marks]
    return {"horizon": read.horizon, "low": read.low, "newest": read.newest, "marks": marks}


def watermark_of(state: Mapping[str, Any] | None) -> Watermark:
    """The watermark in a stored state; that of a table that was never read, if there is none."""
    if state is None:
        return Watermark()
    stored = state["read_up_to"]
    marks = tuple(
        PendingMark(mark["position"], mark["end"], datetime.fromisoformat(mark["at"])) for mark in stored["marks"]
    )
    return Watermark(stored["horizon"], stored["low"], stored["newest"], marks)
