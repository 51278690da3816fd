"""`lake move`: copies the lake to another location."""

from rich.console import Console

from election_metrics.commands.markup import shown
from election_metrics.commands.progress import bars
from election_metrics.errors import ElectionMetricsError
from election_metrics.locations import Location, name_of
from election_metrics.pipeline.moving import move_lake
from election_metrics.settings import Settings, settings


def run_move(console: Console, target: Location, chosen: Settings | None = None) -> None:
    """Copies the lake and prints what to do next.

    Raises:
        ElectionMetricsError: the lake is at the target already, a part is lost, or a copy differs.
    """
    chosen = chosen or settings()
    here, there = name_of(chosen.lake_path), name_of(target)
    if here == there:
        raise ElectionMetricsError(f"the lake is at {here} already")
    with bars(console) as progress:
        moved = move_lake(chosen, target, progress.of("Copying", "bytes"))
    console.print(
        f"{moved.copied} part(s), {moved.bytes / 2**20:,.1f} MiB, copied to {shown(there)} and read back; "
        f"{moved.there} were there, whole.\n"
        f"If the system was running, stop it and type this once more. Then: export ELECTION_METRICS_LAKE={shown(there)}"
    )
