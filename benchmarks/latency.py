"""`make latency`: seconds from a file's rename to the committed summary, in a running system (20 tries).

A real Dagster with daemon, sensors and the embedded PostgreSQL watches a folder; nobody does anything but rename.
"""

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from election_metrics.automation.supervisor import Supervisor, free_port
from election_metrics.replay import Bucket, Voting, write_replay
from election_metrics.settings import read_settings
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.server import plain_url, warehouse_url


def main() -> None:
    """Runs the tries and prints median and worst."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--tries", type=int, default=20)
    tries = parser.parse_args().tries
    with tempfile.TemporaryDirectory(prefix="election-metrics-latency-") as folder:
        root = Path(folder)
        settings = read_settings(home=root / "home", source=root / "in")
        (root / "in").mkdir()
        migrate(settings)
        with Supervisor(settings, free_port(3100)):
            seconds = _tries(root, plain_url(warehouse_url(settings)), tries)
    print(f"rename to commit, {len(seconds)} tries: median {statistics.median(seconds):.1f} s, worst {max(seconds):.1f} s, "
          f"best {min(seconds):.1f} s")  # fmt: skip


def _tries(root: Path, url: str, tries: int) -> list[float]:
    """Delivers one hour file of one contract after the other, and waits until each is in election_summaries."""
    start = (datetime.now(UTC) - timedelta(hours=tries + 2)).replace(minute=0, second=0, microsecond=0)
    voting = Voting("latency", "District", "Latency", 5_000, "77 - город Москва", "Europe/Moscow")
    buckets = [Bucket(voting, start + timedelta(hours=hour), 3600, 60, 60) for hour in range(tries + 1)]
    for _ in write_replay(buckets, root / "tree"):
        pass
    files = sorted(
        (file for file in (root / "tree").rglob("*.csv") if file.stat().st_size > 10_000), key=lambda f: f.name
    )
    seconds: list[float] = []
    with psycopg.connect(url, autocommit=True) as connection:
        # The first file finds a system that has just been started; it is not counted.
        for number, file in enumerate(files[: tries + 1]):
            hidden = root / "in" / f".{file.name}"
            file.rename(hidden)
            time.sleep(1.7 + number * 0.31 % 5)  # not in step with the sensor's ticks
            begin = time.monotonic()
            hidden.rename(root / "in" / file.name)
            while _votes(connection) < 60 * (number + 1):
                if time.monotonic() - begin > 120:
                    raise TimeoutError(f"{file.name} is not in election_summaries after 120 s; see {root}/dagster.log")
                time.sleep(0.05)
            if number:
                seconds.append(time.monotonic() - begin)
                print(f"{number:>3}  {seconds[-1]:.1f} s", flush=True)
    return seconds


def _votes(connection: psycopg.Connection[tuple[int]]) -> int:
    row = connection.execute("SELECT coalesce(sum(votes_cast), 0) FROM metrics.election_summaries").fetchone()
    return int(row[0]) if row else 0


if __name__ == "__main__":
    main()
