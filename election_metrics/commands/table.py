"""`table check`: what a transactions table holds, and how it is interpreted, before anything is landed."""

from datetime import UTC, datetime

from rich.console import Console

from election_metrics.commands.markup import shown
from election_metrics.errors import TransientError, WarehouseError
from election_metrics.pipeline.table_opening import named_table, unreadable_of_sample
from election_metrics.pipeline.table_state import state_of
from election_metrics.settings import Settings
from election_metrics.sources.file_mapping import FileMapping
from election_metrics.sources.table_mapping import TableMapping
from election_metrics.sources.table_snapshot import FIELDS

_WORDS = {
    "blindSigIssue": {"counted": "bulletins issued", "failed": "bulletins failed", "unknown": "other transactions"},
    "vote": {"counted": "votes cast", "failed": "votes rejected", "unknown": "votes unknown"},
}


def print_check(console: Console, settings: Settings) -> int:
    """Prints the table's mapping, its rows by type and status, and how far it was read.

    Returns:
        The exit code: 3 if some of its first rows cannot be read.

    Raises:
        SettingsError: the mapping does not fit the table; the column is named.
        SourceError: the table cannot be read.
    """
    table = named_table(settings)
    mapping = table.mapping
    with table.snapshot() as snapshot:
        horizon, counts = snapshot.horizon, snapshot.counts()
    console.print(f"Table       {shown(table.place)}")
    console.print(f"Mapping     {settings.source_table or 'the one that comes along (observatory.toml)'}")
    for field in FIELDS:
        column = getattr(mapping.columns, field)
        console.print(f"  {field:<15} {shown(column) if column else '– (no column)'}")
    console.print(f"  {'position':<15} {shown(mapping.position_column)}")
    console.print(
        "Late rows   "
        + (
            "by PostgreSQL's snapshot: none is missed, however late it is committed"
            if horizon is not None
            else f"within {mapping.overlap_minutes:g} minutes at once, later ones at the comparison"
        )
    )
    _print_state(console, settings, mapping.source)
    console.print("\nRows by type and status, and what they count as:")
    for kind, status, rows in counts.itertuples(index=False, name=None):
        console.print(f"  {rows:>12,}  {shown(kind)}, {shown(status)}: {meaning_of(mapping, kind, status)}")
    if counts.empty:
        console.print("  none")
    read, unreadable = unreadable_of_sample(settings, table)
    for reason, rows, example in unreadable.itertuples(index=False, name=None):
        console.print(f"\n[red]{rows:,} of the first {read:,} rows cannot be read:[/] {shown(reason)}")
        console.print(f"  such as {shown(example)}")
    return 3 if len(unreadable) else 0


def _print_state(console: Console, settings: Settings, source: str) -> None:
    try:
        state = state_of(settings, source)
    except (WarehouseError, TransientError):  # a mapping can be checked before there is a warehouse
        state = None
    if state is None:
        console.print("Read        not yet; type: election-metrics table ingest")
        return
    ago = datetime.now(UTC) - state["read_at"]
    compared = "never" if state["compared_at"] is None else f"{state['compared_at']:%Y-%m-%d %H:%M} UTC"
    console.print(f"Read        {int(ago.total_seconds())} s ago; every hour compared: {compared}")


def meaning_of(mapping: TableMapping | FileMapping, kind: str | None, status: str | None) -> str:
    """What a row of this type and status counts as, in words."""
    operation = mapping.types.get(str(kind), str(kind))
    outcome = mapping.status.outcomes().get(str(status), mapping.status.otherwise)
    if outcome == "withdrawn":
        return "withdrawn"
    return _WORDS.get(operation, {}).get(outcome, "other transactions")
