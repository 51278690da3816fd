"""`make load`: 500 requests a second to the API while hours are replaced; counts late, failed and stale answers.

Requests are sent on schedule even if earlier ones are unanswered; latency is measured from the scheduled time. A second
process replaces an hour, the metrics and the summaries every 8 seconds, beginning with the hours of most
constituencies. Runs of a live system are further apart (`make latency`), and each replacement invalidates all answers. A
checker reads `computed_at` of the summary from the database, waits 50 ms, and asks the API; an older answer is stale.
"""

import argparse
import asyncio
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
import requests
from rich.console import Console

from election_metrics.commands.runs import run_ingest
from election_metrics.demo import demo_buckets
from election_metrics.pipeline.hours import compute_hours
from election_metrics.pipeline.publication import compute_constituency_metrics, compute_election_summaries
from election_metrics.replay.tree import write_replay
from election_metrics.runtime.supervisor import free_port
from election_metrics.runtime.worker import GIVES_WAY
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.server import plain_url, warehouse_url

_BLINK = 0.05
_REPLACED_EVERY = 8.0
_CONNECTIONS = 32


@dataclass
class Measured:
    """Results of the requests."""

    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    checks: int = 0
    stale: int = 0


def main() -> None:
    """Prints a table of results with and without the cache."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="duration of each measurement")
    parser.add_argument("--rate", type=int, default=500, help="requests a second")
    parser.add_argument("--constituencies", type=int, default=2100, help="constituencies of the election")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="election-metrics-load-") as folder:
        settings = read_settings(home=Path(folder) / "home")
        third_day = datetime.now(UTC).date() - timedelta(days=1)
        buckets = demo_buckets(third_day, chosen.constituencies * 60, chosen.constituencies)
        for _ in write_replay(buckets, Path(folder) / "in", seed=1):
            pass
        run_ingest(Console(stderr=True), Path(folder) / "in", settings)
        # Autovacuum and checkpoints have caught up in a live system, but not after an ingest of three days at once.
        with psycopg.connect(plain_url(warehouse_url(settings)), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
        print("| | p50 | p95 | p99 | errors | stale of checked | hit rate | replacements | API's memory |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
        for name, cached in (("with the cache", True), ("without it", False)):
            print(f"| {name} {_measure(settings, chosen.rate, chosen.seconds, cached=cached)}", flush=True)


def _measure(settings: Settings, rate: int, seconds: float, *, cached: bool) -> str:
    port = free_port(8300)
    environment = {
        "ELECTION_METRICS_HOME": str(settings.home), "ELECTION_METRICS_CACHE_SECONDS": "60" if cached else "0.000001",
        "ELECTION_METRICS_API_READ_RATE": "1000000/second",
    }  # fmt: skip
    api = subprocess.Popen(
        [sys.executable, "-m", "election_metrics.api.serve", "127.0.0.1", str(port)],
        env={**_environment(), **environment},
    )
    replacing = multiprocessing.get_context("spawn").Process(target=_replace, args=(settings.home,))
    try:
        address = f"http://127.0.0.1:{port}/api/v1"
        _wait(address)
        replacing.start()
        paths = _paths(address)
        for path in paths:
            requests.get(address + path, timeout=30)
        before, memory = _counts(address), psutil.Process(api.pid).memory_info().rss
        replaced = _replaced(settings)
        measured = _ask(address, paths, rate, seconds, plain_url(warehouse_url(settings)))
        after, grown = _counts(address), psutil.Process(api.pid).memory_info().rss
        replacements = _replaced(settings) - replaced
    finally:
        replacing.kill()
        api.terminate()
        api.wait()
    hits, misses = after["cache_hits"] - before["cache_hits"], after["cache_misses"] - before["cache_misses"]
    cuts = statistics.quantiles(measured.seconds, n=100)
    return (
        f"| {cuts[49] * 1e3:.1f} ms | {cuts[94] * 1e3:.1f} ms | {cuts[98] * 1e3:.1f} ms | "
        f"{sum(measured.errors.values())} {dict(measured.errors) or ''} of {len(measured.seconds)} | "
        f"{measured.stale} of {measured.checks} | {hits * 100 / (hits + misses):.1f} % | {replacements} | "
        f"{memory / 2**20:.0f} to {grown / 2**20:.0f} MiB |"
    )


def _environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith("ELECTION_METRICS_")}


def _wait(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{address}/status", timeout=5).json()["is_listening"]:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise TimeoutError(f"{address} does not answer")


def _counts(address: str) -> dict[str, int]:
    return dict(requests.get(f"{address}/status", timeout=30).json())


def _paths(address: str) -> list[str]:
    """The mix of requests: pages of elections and of 200 constituencies."""
    elections = [one["election_id"] for one in requests.get(f"{address}/elections", timeout=30).json()["data"]]
    listed = requests.get(f"{address}/constituencies?limit=200&sort=votes_cast&descending=true", timeout=30).json()
    ids = [one["constituency_id"] for one in listed["data"]]
    paths = ["/elections", "/dashboard/summary", "/anomalies?limit=20"]
    for election in elections:
        paths += [f"/election/{election}", f"/hourly-stats/election/{election}",
                  f"/election/{election}/constituencies?limit=50", f"/dashboard/detailed?election={election}"]  # fmt: skip
    paths *= 10  # elections are requested as often as their constituencies
    return paths + [f"/constituency/{one}" for one in ids] + [f"/hourly-stats/constituency/{one}" for one in ids]


def _ask(address: str, paths: list[str], rate: int, seconds: float, url: str) -> Measured:
    measured = Measured()
    over = threading.Event()
    checker = threading.Thread(target=_check, args=(address, url, measured, over))
    checker.start()
    try:
        asyncio.run(_ask_in_time(address, paths, rate, seconds, measured))
    finally:
        over.set()
        checker.join()
    return measured


async def _ask_in_time(address: str, paths: list[str], rate: int, seconds: float, measured: Measured) -> None:
    """Sends each request at its time over persistent connections, as browsers and proxies do."""
    host, port = address.removeprefix("http://").split("/")[0].split(":")
    chance, due_now = random.Random(3), asyncio.Queue[tuple[float, str] | None]()

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
        while (asked := await due_now.get()) is not None:
            due, path = asked
            writer.write(f"GET /api/v1{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.split("content-length: ")[1].split("\r\n")[0])
            await reader.readexactly(length)
            measured.seconds.append(time.monotonic() - due)
            if (status := head.split(" ")[1]) != "200":
                measured.errors[status] += 1
        writer.close()

    connections = [asyncio.create_task(connection()) for _ in range(_CONNECTIONS)]
    begin = time.monotonic()
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due_now.put_nowait((due, chance.choice(paths)))
    for _ in connections:
        due_now.put_nowait(None)
    await asyncio.gather(*connections)


def _check(address: str, url: str, measured: Measured, over: threading.Event) -> None:
    query = "SELECT election_id, computed_at FROM metrics.election_summaries"
    with psycopg.connect(url, autocommit=True) as connection:
        while not over.wait(0.5):
            committed = connection.execute(query).fetchall()
            time.sleep(_BLINK)
            for election, moment in committed:
                given = requests.get(f"{address}/election/{election}", timeout=30).json()["data"]["computed_at"]
                measured.checks += 1
                measured.stale += datetime.fromisoformat(given) < moment


def _replaced(settings: Settings) -> int:
    """The number of summary rows that were replaced so far."""
    with psycopg.connect(plain_url(warehouse_url(settings))) as connection:
        query = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'election_summaries'"
        return int(connection.execute(query).fetchall()[0][0])


def _replace(home: Path) -> None:
    """Recomputes hours one after the other, with all derived tables; it has a low priority, as runs do."""
    os.nice(GIVES_WAY)
    settings = read_settings(home=home)
    with psycopg.connect(plain_url(warehouse_url(settings))) as connection:
        busiest = "SELECT hour FROM metrics.hourly_stats GROUP BY hour ORDER BY count(*) DESC, hour"
        found = connection.execute(busiest).fetchall()
        elections = [one for (one,) in connection.execute("SELECT election_id FROM metrics.elections").fetchall()]
    while True:
        for (hour,) in found:
            begin = time.monotonic()
            compute_hours(settings, hour, hour + timedelta(hours=1), "load", datetime.now(UTC))
            compute_constituency_metrics(settings, "load")
            compute_election_summaries(settings, "load", elections)
            time.sleep(max(0.0, begin + _REPLACED_EVERY - time.monotonic()))


if __name__ == "__main__":
    main()
