"""`make history`: measures whether a year of history (8,760 hours, 20 elections) slows down ticks, runs or the UI.

The input is twenty consecutive elections of 438 hours with three constituencies each, and a file for each constituency
and hour. After the first and after the last election it measures the ticks of both sensors, a run for one late file of
the newest hour, and the queries of the UI's pages.
"""

import argparse
import json
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
from rich.console import Console

from election_metrics.automation.sensors import changed_hours_sensor, new_transactions_sensor
from election_metrics.commands.runs import run_ingest
from election_metrics.replay.tree import write_replay
from election_metrics.replay.votings import Bucket, Voting
from election_metrics.runtime.launch import open_instance, run_update
from election_metrics.runtime.supervisor import Supervisor, free_port
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.migrate import migrate

_REPEATS = 5
_PAGES = {
    "asset graph": "{assetNodes {id groupName hasMaterializePermission assetMaterializations(limit: 1) {timestamp}}}",
    "an asset's partitions": (
        '{assetNodeOrError(assetKey: {path: ["hourly_stats"]}) {... on AssetNode {assetPartitionStatuses {... on '
        "TimePartitionStatuses {ranges {startKey endKey status}}} partitionStats {numMaterialized}}}}"
    ),
    "an hour's page": (
        '{assetNodeOrError(assetKey: {path: ["hourly_stats"]}) {... on AssetNode {assetMaterializations(partitions: '
        '["%s"], limit: 5) {timestamp runId metadataEntries {label}}}}}'
    ),
    "runs": "{runsOrError(limit: 30) {... on Runs {results {id status tags {key value}}}}}",
}


def main() -> None:
    """Measures after one election and after all of them; prints both and their ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--elections", type=int, default=20, help="number of elections")
    parser.add_argument("--hours", type=int, default=438, help="hours of each election")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="election-metrics-history-") as folder:
        root = Path(folder)
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        start = now - timedelta(hours=chosen.elections * chosen.hours)
        settings = read_settings(home=root / "home", source=root / "in", first_hour=start - timedelta(days=2))
        migrate(settings)
        measured = []
        # The newest election comes first, so that both measurements use the same hours.
        for part in (range(chosen.elections - 1, chosen.elections), range(chosen.elections - 1)):
            for election in part:
                begin = start + timedelta(hours=election * chosen.hours)
                for _ in write_replay(_buckets(election, begin, chosen.hours), root / "in", seed=election):
                    pass
            run_ingest(Console(stderr=True), root / "in", settings)
            measured.append(_measure(settings, root / "in", now - timedelta(hours=2)))
    print(
        f"| | {chosen.hours} hours, 1 election | {chosen.elections * chosen.hours} hours, {chosen.elections} elections | ratio |"
    )
    print("|---|---:|---:|---:|")
    for name, before in measured[0].items():
        after = measured[1][name]
        print(f"| {name} | {before:.2f} s | {after:.2f} s | {after / before:.2f} |")


def _buckets(election: int, begin: datetime, hours: int) -> Iterator[Bucket]:
    random = np.random.default_rng(election)
    for number in range(3):
        key, name = f"history{election}-{number}", f"District {number}"
        voting = Voting(key, name, f"Election {election}", 5_000, "77 - город Москва", "Europe/Moscow")
        for hour, count in enumerate(random.poisson(3, hours) + 1):
            yield Bucket(voting, begin + timedelta(hours=hour), 3600, int(count), int(count))


def _measure(settings: Settings, source: Path, hour: datetime) -> dict[str, float]:
    """Medians, in seconds."""
    with open_instance(settings) as instance:
        context = dg.build_sensor_context(instance=instance, resources={"settings": settings})
        figures = {
            sensor.name: _median(lambda sensor=sensor: sensor.evaluate_tick(context))  # type: ignore[misc]
            for sensor in (new_transactions_sensor, changed_hours_sensor)
        }
        newest = max(
            source.rglob("*_*.csv"), key=lambda path: (path.stat().st_size > 10_000, path.name.split("_")[-2:])
        )

        def late_file() -> None:
            text = newest.read_text("utf-8").splitlines()
            copy = newest.with_name(newest.name.replace(".csv", f"_{time.time_ns()}.csv"))
            copy.write_text("".join(f"{time.time_ns() % 10**9}{line}\n" for line in text), "utf-8")
            assert run_update(settings, instance, hour, hour, "test").success

        figures["run for a late file"] = _median(late_file)
    with Supervisor(settings, free_port(3500)) as supervisor:
        for name, query in _PAGES.items():
            asked = query % hour.strftime("%Y-%m-%d-%H:%M") if "%s" in query else query
            figures[f"UI: {name}"] = _median(lambda asked=asked: _graphql(supervisor.port, asked))  # type: ignore[misc]
    return figures


def _median(do: Callable[[], object]) -> float:
    do()
    seconds = []
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        do()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def _graphql(port: int, query: str) -> None:
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        reply = json.load(answer)
    assert "errors" not in reply, reply


if __name__ == "__main__":
    main()
