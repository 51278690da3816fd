"""`demo`: the whole system with replayed data."""

import contextlib
import os
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console

from election_metrics.commands.portal import run_collect
from election_metrics.commands.reports import print_summary
from election_metrics.commands.runs import run_ingest
from election_metrics.commands.up import RunNews, teller
from election_metrics.demo import MOSCOW, Hours, deliver, deliver_live, demo_buckets, split_at
from election_metrics.errors import ElectionMetricsError
from election_metrics.replay.portal import Answer, of_replay, served
from election_metrics.replay.tree import write_replay
from election_metrics.replay.votings import Replay
from election_metrics.runtime.claim import claimed
from election_metrics.runtime.launch import open_instance
from election_metrics.runtime.supervisor import Supervisor, free_port, stop_on_signals
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.reports import count_files_outside
from election_metrics.warehouse.server import plain_url, warehouse_url

_WATCHED = timedelta(hours=12)
"""The last of the past hours, which arrive one by one while the UI is up."""


def run_demo(console: Console, *, once: bool, port: int, pace: float, transactions: int) -> None:
    """Replays, lands, computes, prints; then serves the UI while the last hours arrive, until Ctrl-C."""
    home = read_settings().home / "demo"
    exports, tree = home / "exports", home / "replay"
    # The hours that arrive one by one are late by the clock, which must raise no alert.
    chosen = read_settings(source=exports, alert_after_minutes=int(_WATCHED / timedelta(minutes=1)) + 60)
    portal = _Portal()
    with claimed(chosen.home), served(portal.answer) as stand_in:
        chosen = chosen.model_copy(update={"portal_url": stand_in.address, "portal_rate": "100/second"})
        _start_afresh(chosen, home)
        today = datetime.now(MOSCOW).date()
        with console.status("Replaying the vote of September 2026 …"):
            *_, done = write_replay(demo_buckets(today, transactions), tree, seed=2026, precincts=True)
        console.print(
            f"Replayed {done.lines:,} transactions of {len(done.votings)} constituencies into {done.files:,} files."
        )
        zones = {contract: voting.time_zone for contract, voting in done.votings.items()}
        # Only past hours exist; the last of them arrive one by one.
        now = datetime.now(UTC)
        before, later = split_at(tree, zones, now if once else now - _WATCHED)
        deliver(before, tree, exports)
        run_ingest(console, exports, chosen)
        print_summary(console, chosen)
        portal.open(done, now if once else now - _WATCHED)
        console.print("Comparing with the portal's own count (a stand-in of the portal) …")
        run_collect(console, console, chosen, everything=False)
        if once:
            return
        _serve(console, chosen, tree, exports, later, port, pace, portal)


class _Portal:
    """A stand-in of the portal, which publishes the hours whose files were delivered."""

    def __init__(self) -> None:
        self.until = datetime.min.replace(tzinfo=UTC)
        self._answer: Answer | None = None

    def open(self, replay: Replay, until: datetime) -> None:
        """Publishes the vote, up to a moment."""
        self._answer, self.until = of_replay(replay, timedelta()), until

    def answer(self, path: str, body: Mapping[str, Any] | None, now: datetime) -> Any:  # noqa: ARG002 it has its own
        """The answer to a request; None before it is open."""
        return self._answer and self._answer(path, body, self.until)


def _start_afresh(settings: Settings, home: Path) -> None:
    """Removes an earlier demo; refuses if the warehouse holds anything else."""
    migrate(settings)
    with transaction(settings) as connection:
        others = count_files_outside(connection, str(home))
    if others:
        raise ElectionMetricsError(
            f"the warehouse holds {others} file(s) that are not from a demo; give the demo a separate HOME: "
            "ELECTION_METRICS_HOME=.demo election-metrics demo"
        )
    migrate(settings, "base")
    migrate(settings)
    if isinstance(settings.lake_path, Path):
        shutil.rmtree(settings.lake_path / "transactions", ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def _serve(
    console: Console,
    settings: Settings,
    tree: Path,
    exports: Path,
    later: Hours,
    port: int,
    pace: float,
    portal: _Portal,
) -> None:
    say = teller(console)
    with stop_on_signals() as asked:
        console.print("Starting the Dagster UI …")
        api_port = free_port(settings.api_port, settings.api_host) if settings.api_port else None
        parts = Supervisor(settings, free_port(port), api_port=api_port, tell=say)
        with parts as supervisor, open_instance(settings) as instance:
            news = RunNews(instance)
            address = f"http://127.0.0.1:{supervisor.port}"
            if supervisor.api_port is not None:
                page = f"http://{settings.api_host}:{supervisor.api_port}"
                console.print(f"\nThe page, as it happens: [bold]{page}[/bold] (API: {page}/docs)")
            console.print(f"The Dagster UI is at [bold]{address}[/bold] (log: {supervisor.log_path}).")
            console.print(f'The tables: psql "{plain_url(warehouse_url(settings))}"', soft_wrap=True)
            console.print(
                f"The last hours arrive now, one every {pace:g} s; then each when it is over, until voting is. Ctrl-C "
                "ends everything.\n"
            )

            def tell(hour: datetime, number: int, of: int) -> None:
                until = hour.astimezone(MOSCOW) + timedelta(hours=1)
                portal.until = max(portal.until, until)
                say(f"[{number:>2}/{of}] files of {hour:%Y-%m-%d %H:%M} UTC (until {until:%H:%M} Moscow) are there")

            def pause(seconds: float) -> None:
                end = time.monotonic() + seconds
                supervisor.watch(lambda: asked.is_set() or time.monotonic() > end)
                for line in news.lines():
                    say(line)
                if asked.is_set():
                    raise KeyboardInterrupt

            with contextlib.suppress(KeyboardInterrupt):
                deliver_live(later, tree, exports, pace, pause, tell, lambda: datetime.now(UTC))
                while True:
                    pause(3)
            console.print("\nStopping …")
    console.print(
        f"Stopped. Everything is still in {os.path.relpath(settings.home)}; election-metrics summary shows it."
    )
