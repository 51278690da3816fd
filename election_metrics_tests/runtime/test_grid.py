"""The grid of partitions begins where transactions do, and follows what lands."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from election_metrics.automation.sensors import changed_hours_sensor
from election_metrics.pipeline.file_landing import land
from election_metrics.runtime.grid import Grid
from election_metrics.settings import Settings, read_settings
from election_metrics_tests.exports import HOUR, Folder, ms, vote

pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's own, while it runs


def test_the_grid_begins_at_the_first_hour_with_transactions_and_moves_with_what_lands(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("election_metrics.runtime.grid._LOOK_EVERY", 0.05)

    def begins(grid: Grid) -> datetime:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if (moved := grid.moved()) is not None:
                return moved
            time.sleep(0.05)
        raise TimeoutError

    grid = Grid(chosen)
    try:
        assert grid.shown == chosen.first_hour, "nothing has landed: anything may"
        Folder(tmp_path).put(vote("a", ms(1, hour=5)))
        land(chosen, tmp_path, "run")
        assert begins(grid) == HOUR + timedelta(hours=5)
        assert grid.moved() is None
        Folder(tmp_path).put(vote("b", ms(1)), name="older")
        land(chosen, tmp_path, "run")
        assert begins(grid) == HOUR
        assert grid.environment() == {"ELECTION_METRICS_FIRST_PARTITION": "2026-09-18T08:00:00+00:00"}
    finally:
        grid.stop()


def test_a_beginning_that_a_person_chose_holds_until_something_older_lands(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(vote("a", ms(1)))
    land(chosen, tmp_path, "run")
    for said, shown in (("2026-09-01", datetime(2026, 9, 1, tzinfo=UTC)), ("2026-10-01", HOUR)):
        grid = Grid(read_settings(first_partition=said))
        grid.stop()
        assert grid.shown == shown


def test_the_code_location_has_the_grid_of_its_setting() -> None:
    code = "from election_metrics.assets.partitions import hours; print(hours.get_first_partition_key())"
    environment = {"ELECTION_METRICS_FIRST_PARTITION": "2026-09-18T08:00+00:00"}
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "2026-09-18-08:00"


def test_sensors_hold_back_hours_that_the_grid_has_not_yet(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Folder(tmp_path).put(vote("a", ms(1)), vote("b", ms(1, hour=9)))
    land(chosen, tmp_path, "run")
    monkeypatch.setattr("election_metrics.assets.partitions.FIRST", HOUR + timedelta(hours=3))
    with dg.instance_for_test() as instance:
        context = dg.build_sensor_context(instance=instance, resources={"settings": chosen})
        requests = changed_hours_sensor.evaluate_tick(context).run_requests or []
    assert [request.tags["dagster/asset_partition_range_start"] for request in requests] == ["2026-09-18-17:00"]
