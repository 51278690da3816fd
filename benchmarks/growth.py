"""`make growth`: how much Dagster's database grows in a day, before and after pruning.

A day has a run each minute (1,440) and the ticks of all sensors. `--runs` of the runs are executed, and their size is
extrapolated; all ticks are written.
"""

import argparse
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus

from election_metrics.automation.pruning import dagster_bytes, prune_dagster
from election_metrics.demo import demo_buckets, split_at
from election_metrics.replay.tree import write_replay
from election_metrics.runtime.launch import open_instance, run_update
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.server import dagster_url, plain_url

_RUNS_A_DAY = 1_440
_TICKS_A_DAY = {"new_transactions_sensor": 17_280, "changed_hours_sensor": 8_640, "problems_sensor": 2_880}
_MB = 1_000_000


def main() -> None:
    """Prints the size of a run and of a day, before and after pruning."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="runs to execute (default 100)")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="election-metrics-growth-") as folder:
        root = Path(folder)
        settings = read_settings(home=root / "home", source=root / "in")
        migrate(settings)
        tree = root / "tree"
        *_, done = write_replay(demo_buckets(datetime.now(UTC).date() - timedelta(days=1), 20_000), tree, seed=1)
        zones = {contract: voting.time_zone for contract, voting in done.votings.items()}
        _, hours = split_at(tree, zones, datetime(2000, 1, 1, tzinfo=UTC))
        files = [(hour, file) for hour, of_hour in hours for file in of_hour][-runs - 1 :]
        with open_instance(settings) as instance:
            _run(settings, instance, root, *files[0])  # creates the tables
            start = _size(settings)
            for hour, file in files[1:]:
                _run(settings, instance, root, hour, file)
            after_runs = _size(settings)
            _write_ticks(instance)
            after_ticks = _size(settings)
            later = datetime.now(UTC) + timedelta(days=1)
            prune_dagster(settings, dry_run=False, now=later)
            pruned = _size(settings)
    scale = _RUNS_A_DAY / runs
    ticks = after_ticks - after_runs
    raw = (after_runs - start) * scale + ticks
    # Pruning removes records older than keep_events_hours; the younger ones stay, and their size is constant.
    kept = (pruned - start) * scale
    window = raw * settings.keep_events_hours / 24
    print(f"a run: {(after_runs - start) / runs / 1000:.0f} kB; a day of ticks: {ticks / _MB:.0f} MB")
    print(f"a day of {_RUNS_A_DAY} runs and {sum(_TICKS_A_DAY.values())} ticks, not pruned: {raw / _MB:.0f} MB")
    print(f"kept of it after pruning: {kept / _MB:.0f} MB; the window of {settings.keep_events_hours} hours that is not "
          f"pruned has a constant size of {window / _MB:.0f} MB")  # fmt: skip


def _run(settings: Settings, instance: dg.DagsterInstance, root: Path, hour: datetime, file: Path) -> None:
    target = root / "in" / file.relative_to(root / "tree")
    target.parent.mkdir(parents=True, exist_ok=True)
    file.replace(target)
    assert run_update(settings, instance, hour, hour, "new_transactions").success


def _write_ticks(instance: dg.DagsterInstance) -> None:
    for name, count in _TICKS_A_DAY.items():
        for number in range(count):
            instance.create_tick(
                TickData(
                    f"origin-{name}", name, InstigatorType.SENSOR, TickStatus.SKIPPED,
                    datetime.now(UTC).timestamp() - number, selector_id=f"selector-{name}",
                    skip_reason="every hour is computed from all that landed, and every election from its hours",
                )
            )  # fmt: skip


def _size(settings: Settings) -> int:
    """Bytes of the tables after a full vacuum, so that deleted rows take no space."""
    with psycopg.connect(plain_url(dagster_url(settings)), autocommit=True) as connection:
        connection.execute("VACUUM FULL")
    return dagster_bytes(settings)


if __name__ == "__main__":
    main()
