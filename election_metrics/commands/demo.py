"""`demo`: the whole product in one command."""

import os
import shutil
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from election_metrics.automation.launch import dagster_environment
from election_metrics.commands.reports import print_summary
from election_metrics.commands.runs import run_ingest
from election_metrics.demo import (
    MOSCOW,
    deliver,
    deliver_live,
    demo_buckets,
    free_port,
    split_at,
    start_dagster,
    stop_dagster,
    wait_until_served,
)
from election_metrics.errors import ElectionMetricsError
from election_metrics.replay import write_replay
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.elections import count_files_outside
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.server import plain_url, warehouse_url


def run_demo(console: Console, *, once: bool, port: int, pace: float, transactions: int) -> None:
    """Replays, lands, computes, prints; then serves the UI while the last day arrives, until Ctrl-C."""
    home = read_settings().home / "demo"
    exports, tree = home / "exports", home / "replay"
    chosen = read_settings(source=exports)
    _start_afresh(chosen, home)
    today = datetime.now(MOSCOW).date()
    with console.status("Replaying the vote of September 2026 …"):
        *_, done = write_replay(demo_buckets(today, transactions), tree, seed=2026)
    console.print(
        f"Replayed {done.lines:,} transactions of {len(done.votings)} constituencies into {done.files:,} files."
    )
    midnight = datetime(today.year, today.month, today.day, tzinfo=MOSCOW).astimezone(UTC)
    zones = {contract: voting.time_zone for contract, voting in done.votings.items()}
    before, later = split_at(tree, zones, midnight)
    deliver(before, tree, exports)
    run_ingest(console, exports, chosen)
    print_summary(console, chosen)
    if once:
        return
    _serve(console, chosen, tree, exports, later, port, pace)


def _start_afresh(settings: Settings, home: Path) -> None:
    """Removes an earlier demo; refuses where there is anything else."""
    migrate(settings)
    with transaction(settings) as connection:
        others = count_files_outside(connection, str(home))
    if others:
        raise ElectionMetricsError(
            f"the warehouse holds {others} file(s) that are no demo's; give the demo a home of its own: "
            "ELECTION_METRICS_HOME=.demo election-metrics demo"
        )
    migrate(settings, "base")
    migrate(settings)
    shutil.rmtree(settings.lake_path / "transactions", ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def _interrupt(number: int, _frame: object) -> None:
    """Ends the demo for a signal of either kind, also where the shell that started it ignores Ctrl-C."""
    raise KeyboardInterrupt(number)


def _serve(
    console: Console,
    settings: Settings,
    tree: Path,
    exports: Path,
    later: list[tuple[datetime, list[Path]]],
    port: int,
    pace: float,
) -> None:
    port, log = free_port(port), settings.home / "logs" / "dagster.log"
    environment = dagster_environment(settings) | {
        "ELECTION_METRICS_HOME": str(settings.home),
        "ELECTION_METRICS_SOURCE": str(exports),
    }
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    process = start_dagster(environment, port, log)
    try:
        with console.status("Starting the Dagster UI …"):
            wait_until_served(port, process, log)
        console.print(f"\nThe Dagster UI is at [bold]http://127.0.0.1:{port}[/bold] (log: {log}).")
        console.print(f'The tables: psql "{plain_url(warehouse_url(settings))}"', soft_wrap=True)
        console.print(f"The third day arrives now, an hour every {pace:g} s. Ctrl-C ends everything.\n")

        def tell(hour: datetime, number: int, of: int) -> None:
            until = hour.astimezone(MOSCOW) + timedelta(hours=1)
            console.print(
                f"[{number:>2}/{of}] files of {hour:%Y-%m-%d %H:%M} UTC (until {until:%H:%M} Moscow) are there"
            )

        deliver_live(later, tree, exports, pace, process, tell)
    except KeyboardInterrupt:
        console.print("\nStopping …")
    finally:
        stop_dagster(process)
    console.print(
        f"Stopped. Everything is still in {os.path.relpath(settings.home)}; election-metrics summary shows it."
    )
