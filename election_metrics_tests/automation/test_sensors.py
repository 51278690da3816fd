"""What the sensors and the schedules ask for, and when."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from election_metrics.automation.schedules import active_elections_schedule, quiet_hours_schedule
from election_metrics.automation.sensors import changed_hours_sensor, new_transactions_sensor
from election_metrics.definitions import build_defs
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.run_tags import JOB, RANGE_END, RANGE_START
from election_metrics.runtime.launch import run_update
from election_metrics.settings import Settings
from election_metrics_tests.computing import hourly, rows
from election_metrics_tests.exports import HOUR, Folder, issue, line, ms, vote

pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's own, while it runs


@pytest.mark.long
def test_hours_in_which_nothing_landed_are_written_down_as_empty(chosen: Settings, tmp_path: Path) -> None:
    def tick(instance: dg.DagsterInstance, moment: datetime) -> Any:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=moment, resources={"settings": chosen}
        )
        return quiet_hours_schedule.evaluate_tick(context)

    with dg.instance_for_test() as instance:
        assert "every hour that is over" in tick(instance, HOUR).skip_message
        Folder(tmp_path / "in").put(issue("i", ms(0)), vote("a", ms(1, hour=4)))
        run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in")
        requests = tick(instance, HOUR + timedelta(hours=6, minutes=10)).run_requests
        # 12:00 has a vote and is `changed_hours_sensor`'s; 14:00 is in progress.
        assert [(r.tags[RANGE_START][-5:], r.tags[RANGE_END][-5:]) for r in requests] == [
            ("13:00", "13:00"),
            ("09:00", "11:00"),
        ]
        job = build_defs(resource_overrides={"settings": chosen}).resolve_job_def(JOB)
        for request in requests:
            chosen_assets = list(request.asset_selection)
            assert job.execute_in_process(instance=instance, tags=request.tags, asset_selection=chosen_assets).success
        assert "every hour that is over" in tick(instance, HOUR + timedelta(hours=6, minutes=20)).skip_message
        events = instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey("hourly_stats"), asset_partitions=["2026-09-18-10:00"]), limit=1
        )
    assert events.records[0].asset_materialization.metadata["dagster/row_count"].value == 0  # type: ignore[union-attr]


def _tick(sensor: dg.SensorDefinition, chosen: Settings, instance: dg.DagsterInstance) -> Any:
    context = dg.build_sensor_context(instance=instance, resources={"settings": chosen})
    return sensor.evaluate_tick(context)


def test_the_file_sensor_asks_once_and_again_after_a_failed_run(chosen: Settings, tmp_path: Path) -> None:
    watching = chosen.model_copy(update={"source": tmp_path / "in"})
    Folder(tmp_path / "in").put(vote("a", ms(1)), vote("b", ms(1, hour=1)))
    with dg.instance_for_test() as instance:
        requests = _tick(new_transactions_sensor, watching, instance).run_requests or []
        assert len(requests) == 1
        assert (requests[0].tags[RANGE_START], requests[0].tags[RANGE_END]) == ("2026-09-18-08:00", "2026-09-18-09:00")
        assert requests[0].run_key is None
        job = build_defs().resolve_job_def(JOB)
        running = instance.create_run_for_job(job, tags=dict(requests[0].tags), status=dg.DagsterRunStatus.STARTED)
        waits = _tick(new_transactions_sensor, watching, instance)
        assert not waits.run_requests
        assert running.run_id[:8] in (waits.skip_message or "")
        instance.report_run_failed(running)
        waits = _tick(new_transactions_sensor, watching, instance)
        assert "failed at this work (failures: 1)" in (waits.skip_message or "")
        land(chosen, tmp_path / "in", "run")
        assert "the ledger has every file version" in (
            _tick(new_transactions_sensor, watching, instance).skip_message or ""
        )


def test_the_file_sensor_says_what_is_missing(chosen: Settings, tmp_path: Path) -> None:
    with dg.instance_for_test() as instance:
        assert "Neither ELECTION_METRICS_SOURCE nor ELECTION_METRICS_SOURCE_URL is set" in (
            _tick(new_transactions_sensor, chosen, instance).skip_message or ""
        )
        gone = chosen.model_copy(update={"source": tmp_path / "gone"})
        assert "does not exist" in (_tick(new_transactions_sensor, gone, instance).skip_message or "")


def test_the_file_sensor_leaves_a_file_that_is_being_written(chosen: Settings, tmp_path: Path) -> None:
    watching = chosen.model_copy(update={"source": tmp_path / "in"})
    Folder(tmp_path / "in").put(vote("a", ms(1))[:80], end="")
    with dg.instance_for_test() as instance:
        assert not _tick(new_transactions_sensor, watching, instance).run_requests
        settled = watching.model_copy(update={"settle_seconds": 0.0})
        assert _tick(new_transactions_sensor, settled, instance).run_requests


def test_the_hours_sensor_asks_for_what_the_file_sensors_guess_missed(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(vote("a", ms(1)), vote("far", ms(1, hour=30)))
    land(chosen, tmp_path, "run")
    with dg.instance_for_test() as instance:
        requests = _tick(changed_hours_sensor, chosen, instance).run_requests or []
    assert [request.tags[RANGE_START] for request in requests] == ["2026-09-19-14:00", "2026-09-18-08:00"]


def test_the_hours_sensor_asks_for_elections_that_change_without_an_hour(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(issue("i", ms(0)), vote("a", ms(1)))
    with dg.instance_for_test() as instance:
        run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path)
        waits = _tick(changed_hours_sensor, chosen, instance)
        assert "every election from its hours" in (waits.skip_message or "")
        Folder(tmp_path).put("rubbish", name="late")
        land(chosen, tmp_path, "run")
        (request,) = _tick(changed_hours_sensor, chosen, instance).run_requests or []
        assert [key.to_user_string() for key in request.asset_selection or []] == [
            "constituency_metrics", "anomalies", "election_summaries",
        ]  # fmt: skip
        job = build_defs(resource_overrides={"settings": chosen}).resolve_job_def(JOB)
        asked = job.execute_in_process(instance=instance, tags=request.tags, asset_selection=request.asset_selection)
        assert asked.success
        assert "every election from its hours" in (_tick(changed_hours_sensor, chosen, instance).skip_message or "")
    assert rows(chosen, "SELECT votes_cast, rejected_lines FROM metrics.election_summaries").values.tolist() == [[1, 1]]


def test_the_schedule_acts_only_while_an_election_is_voting(chosen: Settings, tmp_path: Path) -> None:
    from election_metrics.pipeline.registry import refresh_registry

    def tick(moment: datetime) -> Any:
        context = dg.build_schedule_context(scheduled_execution_time=moment, resources={"settings": chosen})
        return active_elections_schedule.evaluate_tick(context)

    assert tick(HOUR).skip_message == "no election is known yet"
    Folder(tmp_path).put(line("s", ms(0), "startVoting"), line("f", ms(0, hour=9), "finishVoting"))
    land(chosen, tmp_path, "run")
    refresh_registry(chosen, "run")
    requests = tick(HOUR + timedelta(hours=1)).run_requests or []
    assert [request.tags[RANGE_END] for request in requests] == ["2026-09-18-09:00"]
    assert "voting ended at 2026-09-18 17:00 UTC" in (tick(HOUR + timedelta(hours=12)).skip_message or "")


def test_the_file_sensor_names_few_files_and_says_whose_they_are(chosen: Settings, tmp_path: Path) -> None:
    watching = chosen.model_copy(update={"source": tmp_path / "in"})
    path = Folder(tmp_path / "in").put(vote("a", ms(1)))
    with dg.instance_for_test() as instance:
        (request,) = _tick(new_transactions_sensor, watching, instance).run_requests or []
        assert request.run_config["ops"]["landed_files"]["config"]["files"] == [str(path)]
        assert request.tags["why/files"] == "1"
        assert request.tags["dagster/priority"] == "10"
        assert request.tags["why/hours"] == "2026-09-18 08:00 UTC"
        job = build_defs(resource_overrides={"settings": watching}).resolve_job_def(JOB)
        assert job.execute_in_process(instance=instance, tags=request.tags, run_config=request.run_config).success
    assert hourly(chosen)["08"]["votes_cast"] == 1


def test_voting_that_is_over_is_counted_once_more_when_nothing_is_behind(chosen: Settings, tmp_path: Path) -> None:
    from election_metrics.automation.schedules import reconciliation_schedule

    def tick() -> Any:
        moment = HOUR + timedelta(days=1)
        context = dg.build_schedule_context(scheduled_execution_time=moment, resources={"settings": chosen})
        return reconciliation_schedule.evaluate_tick(context)

    assert "was reconciled" in tick().skip_message
    Folder(tmp_path / "in").put(
        line("s", ms(0), "startVoting"), vote("a", ms(1)), line("f", ms(0, hour=9), "finishVoting")
    )
    with dg.instance_for_test() as instance:
        run_update(chosen, instance, HOUR, HOUR + timedelta(hours=9), "test", source=tmp_path / "in")
        Folder(tmp_path / "in").put(vote("b", ms(1)), name="late")
        land(chosen, tmp_path / "in", "run")
        assert "1 hour(s) are behind" in tick().skip_message
        run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in")
        assert len(tick().run_requests) == 1
        defs = build_defs(resource_overrides={"settings": chosen})
        assert defs.resolve_job_def("reconciliation_job").execute_in_process(instance=instance).success
    assert "was reconciled" in tick().skip_message
    found = rows(chosen, "SELECT hours, rows_compared, rows_differing, votes_cast FROM metrics.reconciliations")
    assert found.iloc[0].tolist() == [2, 2, 0, 2]


def test_hours_ahead_of_the_clock_are_computed_though_the_grid_ends_before(chosen: Settings, tmp_path: Path) -> None:
    ahead = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=20)
    Folder(tmp_path / "in").put(vote("a", int(ahead.timestamp() * 1000) + 1))
    land(chosen, tmp_path / "in", "run")
    with dg.instance_for_test() as instance:
        (request,) = _tick(changed_hours_sensor, chosen, instance).run_requests or []
        job = build_defs(resource_overrides={"settings": chosen}).resolve_job_def(JOB)
        assert job.execute_in_process(instance=instance, tags=request.tags).success
    assert request.tags[RANGE_START] == request.tags[RANGE_END] == ahead.strftime("%Y-%m-%d-%H:%M")
    assert rows(chosen, "SELECT votes_cast FROM metrics.election_summaries").values.tolist() == [[1]]


def test_hours_computed_alone_bring_all_that_follows_from_them(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(issue("i", ms(0)), vote("a", ms(1)))
    with dg.instance_for_test() as instance:
        run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path)
        Folder(tmp_path).put(vote("late", ms(2)), name="late")
        only = ["landed_files", "elections", "constituencies", "raw_transactions", "hourly_stats"]
        run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path, only=only)
        for table in ("election_summaries", "constituency_metrics WHERE period = 'election'", "turnout_by_hour"):
            assert rows(chosen, f"SELECT votes_cast FROM metrics.{table}").iloc[0, 0] == 2, table
        assert "every election from its hours" in (_tick(changed_hours_sensor, chosen, instance).skip_message or "")
