"""`make latency`: seconds from a file's rename to the committed summary, in a running system with a large election.

A real system (`election-metrics up`) watches a folder of hourly files, and the benchmark renames one more file into it.
The baseline has the same daemon, database and launcher on the same machine: four empty assets, requested by a sensor
that watches a folder.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
from rich.console import Console

from benchmarks.empty import FOLDER, LAST
from election_metrics.commands.runs import run_ingest
from election_metrics.replay.tree import write_replay
from election_metrics.replay.votings import Bucket, Voting
from election_metrics.runtime.supervisor import Supervisor, free_port
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.server import dagster_url, plain_url, warehouse_url

_PATIENCE = 120
_HAS_VOTES = 10_000
"""Bytes; a smaller file contains only calls that open or close the voting."""


def main() -> None:
    """Measures the system and the baseline; prints one line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--tries", type=int, default=100, help="measured files")
    parser.add_argument("--constituencies", type=int, default=2_100, help="constituencies of the election")
    parser.add_argument(
        "--hours", type=int, default=48, help="hours of history, with a file for each constituency and hour"
    )
    parser.add_argument("--only", choices=["ours", "empty"], help="only the system, or only the baseline")
    chosen = parser.parse_args()
    for name, measure in {"ours": _ours, "empty": _empty}.items():
        if chosen.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="election-metrics-latency-") as folder:
                seconds = measure(Path(folder), chosen.tries, chosen.constituencies, chosen.hours)
            p95 = statistics.quantiles(seconds, n=20)[-1]
            print(f"{name}, {len(seconds)} tries: median {statistics.median(seconds):.1f} s, p95 {p95:.1f} s, "
                  f"best {min(seconds):.1f} s, worst {max(seconds):.1f} s", flush=True)  # fmt: skip


def _ours(root: Path, tries: int, constituencies: int, hours: int) -> list[float]:
    """Seconds from each rename to its votes in election_summaries."""
    settings = read_settings(home=root / "home", source=root / "in")
    later = _deliver_history(root, tries, constituencies, hours)
    migrate(settings)
    run_ingest(Console(stderr=True), root / "in", settings)
    url = plain_url(warehouse_url(settings))
    with psycopg.connect(url, autocommit=True) as connection, Supervisor(settings, free_port(3100)) as supervisor:
        query = "SELECT sum(votes_cast) FROM metrics.election_summaries"
        count = _counter(connection, query)
        return list(_tries(supervisor, later, root / "in", count))


def _deliver_history(root: Path, tries: int, constituencies: int, hours: int) -> list[Path]:
    """Writes the history below `in`; returns hidden files of the last hour, one for each constituency."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours)
    random = np.random.default_rng(1)

    def buckets() -> Iterator[Bucket]:
        for number in range(constituencies):
            voting = Voting(
                f"latency{number}", f"District {number}", "Latency", 5_000, "77 - город Москва", "Europe/Moscow"
            )
            for hour, count in enumerate(random.poisson(4, hours) + 1):
                yield Bucket(voting, start + timedelta(hours=hour), 3600, int(count), int(count))

    for _ in write_replay(buckets(), root / "in"):
        pass
    newest: dict[str, Path] = {}
    for file in sorted((root / "in").rglob("*.csv"), key=lambda path: path.name):
        if file.stat().st_size > _HAS_VOTES:
            newest[file.name.partition("_")[0]] = file
    later = []
    for file in list(newest.values())[: tries + 1]:
        hidden = file.with_name(f".{file.name}")
        file.rename(hidden)
        later.append(hidden)
    return later


def _tries(supervisor: Supervisor, later: list[Path], _: Path, count: Callable[[], int]) -> Iterator[float]:
    """Reveals one file after the other and waits until the count changes; the first one warms up the system."""
    time.sleep(20)
    for number, hidden in enumerate(later):
        supervisor.look()
        time.sleep(1.7 + number * 0.31 % 5)  # not synchronised with the ticks of the sensor
        before, begin = count(), time.monotonic()
        hidden.rename(hidden.with_name(hidden.name.removeprefix(".")))
        while count() == before:
            if time.monotonic() - begin > _PATIENCE:
                raise TimeoutError(f"{hidden.name} changed nothing in {_PATIENCE} s; see {supervisor.log_path}")
            time.sleep(0.05)
        if number:
            yield time.monotonic() - begin
            print(f"{number:>3}  {time.monotonic() - begin:.1f} s", flush=True)


def _empty(root: Path, tries: int, *_: int) -> list[float]:
    """Seconds from each rename to the materialization of the fourth empty asset."""
    settings: Settings = read_settings(home=root / "home")
    migrate(settings)
    (root / "in").mkdir()
    os.environ[FOLDER] = str(root / "in")
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    later = [root / "in" / f".{number}" for number in range(tries + 1)]
    for path in later:
        path.touch()
    supervisor = Supervisor(settings, free_port(3100), module="benchmarks.empty")
    with supervisor, psycopg.connect(plain_url(dagster_url(settings)), autocommit=True) as connection:
        query = (
            "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION' "
            f"AND step_key = '{LAST}'"
        )
        return list(_tries(supervisor, later, root / "in", _counter(connection, query)))


def _counter(connection: psycopg.Connection[tuple[int]], query: str) -> Callable[[], int]:
    def count() -> int:
        row = connection.execute(query).fetchone()  # type: ignore[arg-type]
        return int(row[0] or 0) if row else 0

    return count


if __name__ == "__main__":
    main()
