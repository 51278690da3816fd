"""Upkeep removes what nobody needs and nothing else: traces of numbers, failures and counted files stay."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from election_metrics.automation.pruning import prune_dagster
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.lake_maintenance import compact_lake, sweep_lake
from election_metrics.runtime.launch import open_instance, run_update
from election_metrics.settings import Settings
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.server import dagster_url, plain_url
from election_metrics_tests.computing import everything, update
from election_metrics_tests.exports import HOUR, Folder, issue, ms, vote

pytestmark = pytest.mark.filterwarnings("ignore")
LATER = datetime.now(UTC) + timedelta(days=1)
MUCH_LATER = datetime.now(UTC) + timedelta(days=60)


def counts(chosen: Settings) -> dict[str, int]:
    with psycopg.connect(plain_url(dagster_url(chosen))) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # type: ignore[index]
            for table in ("event_logs", "runs", "run_tags", "asset_check_executions", "job_ticks", "asset_event_tags")
        }


@pytest.mark.long
def test_pruning_keeps_the_newest_trace_of_every_hour_and_every_failure(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(chosen)
    Folder(tmp_path / "in").put(issue("i", ms(0)), vote("a", ms(1)))
    with open_instance(chosen) as instance:
        monkeypatch.delenv("DAGSTER_HOME")
        for _ in range(3):
            last = run_update(chosen, instance, HOUR, HOUR + timedelta(hours=1), "test", source=tmp_path / "in")
        failed = run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "gone")
        before = counts(chosen)
        assert prune_dagster(chosen, dry_run=False) != {}
        after = counts(chosen)
        assert before["asset_check_executions"] > after["asset_check_executions"], "the failed run left some unanswered"
        assert after == {**before, "asset_check_executions": after["asset_check_executions"]}, "nothing is old yet"
        before = after
        would = prune_dagster(chosen, dry_run=True, now=LATER)
        assert counts(chosen) == before
        assert prune_dagster(chosen, dry_run=False, now=LATER) == would
        assert sum(would.values()) > 0.6 * before["event_logs"]
        assert sum(prune_dagster(chosen, dry_run=False, now=LATER).values()) == 0
        assert counts(chosen)["runs"] == before["runs"]
        assert len(instance.all_logs(failed.run_id)) > 10
        for asset in ("hourly_stats", "election_summaries", "landed_files"):
            records = instance.fetch_materializations(dg.AssetKey(asset), limit=20).records
            assert {record.run_id for record in records} == {last.run_id}
            assert len(records) == (2 if asset == "hourly_stats" else 1)
        keys = instance.get_materialized_partitions(dg.AssetKey("hourly_stats"))
        assert keys == {"2026-09-18-08:00", "2026-09-18-09:00"}
        prune_dagster(chosen, dry_run=False, now=MUCH_LATER)
        assert instance.get_run_by_id(last.run_id) is not None, "its hours are still traced to it"
        assert counts(chosen)["runs"] == 1
        assert run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in").success
    with psycopg.connect(plain_url(dagster_url(chosen).set(database="postgres")), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {dagster_url(chosen).database} WITH (FORCE)")


def test_a_lake_is_compacted_and_swept_without_a_change_to_any_table(chosen: Settings, tmp_path: Path) -> None:
    for number in range(9):
        Folder(tmp_path / "in").put(issue(f"i{number}", ms(0)), vote(f"a{number}", ms(1)), name=f"part{number}")
        land(chosen, tmp_path / "in", "run")
    update(chosen, tmp_path / "in")
    before = everything(chosen)
    stray = chosen.lake_path / "transactions" / "stray.parquet"
    stray.write_bytes(b"left by a landing that was killed")
    dead = chosen.lake_path / "work" / "999999-dead"
    dead.mkdir(parents=True)
    (dead / "part.parquet").write_bytes(b"x")
    assert sweep_lake(chosen, dry_run=True) == (1, 1)
    assert compact_lake(chosen, dry_run=True) == 9
    assert compact_lake(chosen, dry_run=False) == 9
    assert compact_lake(chosen, dry_run=False) == 0
    assert sweep_lake(chosen, dry_run=True) == (0, 0)  # what works in the lake clears up after the dead too
    import os

    os.utime(stray, (0, 0))  # a day old: no landing is still at it
    assert sweep_lake(chosen, dry_run=False)[0] == 1
    assert sweep_lake(chosen, dry_run=False) == (0, 0)
    land(chosen, tmp_path / "in", "run")
    assert everything(chosen) == before
    Folder(tmp_path / "in").put(vote("late", ms(2)), name="late")
    update(chosen, tmp_path / "in")
    assert everything(chosen) != before
