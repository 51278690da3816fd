"""The graph in Dagster: one run from file to summary, sensors, schedule, checks, failures in words."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from election_metrics.assets.partitions import hours
from election_metrics.automation.schedules import active_elections_schedule, quiet_hours_schedule
from election_metrics.automation.sensors import changed_hours_sensor, new_transactions_sensor
from election_metrics.definitions import build_defs
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.run_tags import JOB, RANGE_END, RANGE_START, TRIGGER
from election_metrics.runtime.launch import run_update
from election_metrics.settings import Settings
from election_metrics_tests.computing import hourly, rows
from election_metrics_tests.exports import CONTRACT, HOUR, Folder, issue, line, ms, vote

pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's own, while it runs
ASSETS = {"landed_files", "elections", "constituencies", "raw_transactions", "hourly_stats", "constituency_metrics",
          "anomalies", "election_summaries", "reconciliations"}  # fmt: skip


def test_the_graph_has_these_parts_and_no_others() -> None:
    defs = build_defs()
    graph = defs.resolve_asset_graph()
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == ASSETS
    parents = {
        k.to_user_string(): {p.to_user_string() for p in graph.get(k).parent_keys} for k in graph.get_all_asset_keys()
    }
    assert parents == {
        "landed_files": set(),
        "elections": {"landed_files"},
        "constituencies": {"landed_files"},
        "raw_transactions": {"landed_files"},
        "hourly_stats": {"raw_transactions", "elections", "constituencies"},
        "constituency_metrics": {"hourly_stats"},
        "anomalies": {"constituency_metrics"},
        "election_summaries": {"anomalies", "constituency_metrics"},
        "reconciliations": {"election_summaries"},
    }
    repository = defs.get_repository_def()
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "new_transactions_sensor", "changed_hours_sensor", "problems_sensor",
    }  # fmt: skip
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "active_elections_schedule", "quiet_hours_schedule", "reconciliation_schedule", "maintenance_schedule",
    }  # fmt: skip
    assert {JOB, "reconciliation_job", "maintenance_job"} <= {job.name for job in repository.get_all_jobs()}
    checked = {key.asset_key.to_user_string() for key in graph.asset_check_keys}
    assert checked == ASSETS - {"raw_transactions"}


def test_the_code_location_loads_in_a_fresh_interpreter_without_the_heavy_libraries() -> None:
    code = "import sys, election_metrics.definitions; print([m for m in ('duckdb', 'pandas', 'pyarrow', 'alembic', 'psycopg') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_the_grid_ends_with_the_hour_in_progress() -> None:
    last = datetime.strptime(hours.get_last_partition_key() or "", "%Y-%m-%d-%H:%M").replace(tzinfo=UTC)
    assert timedelta() <= datetime.now(UTC) - last < timedelta(hours=1, minutes=1)


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


@pytest.mark.parametrize(
    "moment", ["2020-01-01T00:00Z", "2026-10-25T01:00Z", "2026-12-31T23:59:59.999Z", "2031-03-30T02:30Z"]
)
def test_the_keys_of_all_hours_are_those_that_dagster_makes(moment: str) -> None:
    with dg.partition_loading_context(effective_dt=datetime.fromisoformat(moment)):
        assert hours.get_partition_keys() == dg.HourlyPartitionsDefinition.get_partition_keys(hours)
    now = datetime.fromisoformat(moment)
    assert hours.get_partition_keys(now) == dg.HourlyPartitionsDefinition.get_partition_keys(hours, now)


def test_one_run_goes_from_the_file_to_the_summary(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(
        line("r", ms(0), "addVotersList", votersCount=10), issue("a", ms(1)), vote("b", ms(2, hour=1))
    )
    with dg.instance_for_test() as instance:
        result = run_update(chosen, instance, HOUR, HOUR + timedelta(hours=2), "test", source=tmp_path / "in")
        assert result.success
        events = instance.fetch_materializations(dg.AssetKey("hourly_stats"), limit=100).records
        by_hour = {record.partition_key: record.asset_materialization.metadata for record in events}
        assert sorted(by_hour) == ["2026-09-18-08:00", "2026-09-18-09:00", "2026-09-18-10:00"]
        assert by_hour["2026-09-18-08:00"]["bulletins_issued"].value == 1
        assert by_hour["2026-09-18-09:00"]["votes_cast"].value == 1
        failed = [e for e in result.get_asset_check_evaluations() if not e.passed]
        assert {f"{e.asset_key.to_user_string()}.{e.check_name}" for e in failed} <= {"constituency_metrics.votes_within_bulletins",
                                                                                      "election_summaries.coverage_complete"}  # fmt: skip
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        assert run.tags[TRIGGER] == "test"
    found = (
        rows(chosen, "SELECT votes_cast, participation_rate, run_id FROM metrics.election_summaries").iloc[0].tolist()
    )
    assert found == [1, 10.0, result.run_id]


def test_a_failure_is_a_sentence_and_is_not_retried(chosen: Settings, tmp_path: Path) -> None:
    with dg.instance_for_test() as instance:
        result = run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "nowhere")
        assert not result.success
        failures = [event for event in result.all_events if event.is_step_failure]
        assert f"{tmp_path}/nowhere does not exist" in failures[0].step_failure_data.user_failure_data.description
        assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]


def test_a_source_that_is_away_fails_no_run_that_was_not_asked_for_because_of_it(
    chosen: Settings, tmp_path: Path
) -> None:
    """A schedule's, a backfill's: what landed is counted. That the source is away is told by who watches it."""
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    with dg.instance_for_test() as instance:
        run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in")
        away = chosen.model_copy(update={"source": tmp_path / "away"})
        result = run_update(away, instance, HOUR, HOUR, "test")
        assert result.success
        (landed,) = result.asset_materializations_for_node("landed_files")
        assert "away does not exist" in landed.metadata["unreadable"].value.replace("\\", "")
        asked = {"sources": ["files"]}
        assert not run_update(away, instance, HOUR, HOUR, "test", landing=asked).success
    assert hourly(chosen)["08"]["votes_cast"] == 1


@pytest.mark.parametrize("harm", ["gone", "empty", "torn", "other"])
def test_a_lost_or_damaged_part_of_the_lake_is_named_and_not_tried_again(
    chosen: Settings, tmp_path: Path, harm: str
) -> None:
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    with dg.instance_for_test() as instance:
        run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in")
        (part,) = chosen.lake_path.rglob("*.parquet")
        harmed = {"empty": b"", "torn": part.read_bytes()[:-9], "other": b"PAR1 is no table at all PAR1"}
        part.unlink() if harm == "gone" else part.write_bytes(harmed[harm])
        result = run_update(chosen, instance, HOUR, HOUR, "test")
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    said = failures[0].user_failure_data.description
    assert said.startswith(f"{part} is missing from the lake: ")
    assert "election-metrics reland" in said
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]


def test_a_transient_error_is_retried_and_then_passes(chosen: Settings, tmp_path: Path, monkeypatch) -> None:
    from election_metrics.errors import TransientError
    from election_metrics.pipeline import file_landing as landing

    real, calls = landing.land, []

    def first_away(*args, **kwargs):
        calls.append(1)
        if len(calls) == 1:
            raise TransientError("PostgreSQL is away")
        return real(*args, **kwargs)

    monkeypatch.setattr(landing, "land", first_away)
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    with dg.instance_for_test() as instance:
        result = run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in")
    assert result.success
    assert len(calls) == 2
    assert hourly(chosen)["08"]["votes_cast"] == 1


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


def test_checks_name_what_is_wrong(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(vote("a", ms(1)), "garbage")
    with dg.instance_for_test() as instance:
        result = run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in")
    failed = {
        f"{e.asset_key.to_user_string()}.{e.check_name}": e
        for e in result.get_asset_check_evaluations()
        if not e.passed
    }
    assert set(failed) == {"landed_files.quarantine_empty", "constituencies.registers_known",
                           "constituency_metrics.votes_within_bulletins", "anomalies.nothing_critical"}  # fmt: skip
    assert all(evaluation.severity == dg.AssetCheckSeverity.WARN for evaluation in failed.values())
    shown = json.dumps(str(failed["landed_files.quarantine_empty"].metadata["first"].value))
    assert CONTRACT in shown
    assert "12 fields are expected" in shown


def test_every_asset_says_what_it_is_and_where_its_columns_come_from() -> None:
    graph = build_defs().resolve_asset_graph()
    columns, described = {}, {}
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        name = key.to_user_string()
        assert len(node.description or "") > 40, name
        assert node.owners == ["team:observatory"], name
        assert node.group_name[0].isdigit(), name
        assert node.kinds, name
        described[name] = {column.name: column.description for column in node.metadata["dagster/column_schema"].columns}
        columns[name] = set(described[name])
    for key in graph.get_all_asset_keys():
        lineage = graph.get(key).metadata["dagster/column_lineage"].deps_by_column
        for column, sources in lineage.items():
            assert column in columns[key.to_user_string()], (key, column)
            for source in sources:
                assert source.column_name in columns[source.asset_key.to_user_string()], (key, column, source)
                assert source.asset_key in graph.get(key).parent_keys, (key, column, source)
                # The open-source UI shows no lineage of columns: their descriptions say it.
                named = f"{source.asset_key.to_user_string()}.{source.column_name}"
                assert named in described[key.to_user_string()][column].partition(" ← ")[2], (key, column)
    for name in ("hourly_stats", "constituency_metrics", "election_summaries"):
        lineage = graph.get(dg.AssetKey(name)).metadata["dagster/column_lineage"].deps_by_column
        assert {"votes_cast", "bulletins_issued", "participation_rate"} <= set(lineage), name


def test_the_summary_holds_a_picture_of_the_turnout(chosen: Settings, tmp_path: Path) -> None:
    import base64
    from xml.etree import ElementTree

    Folder(tmp_path / "in").put(issue("a", ms(1)), vote("b", ms(2, hour=1)))
    with dg.instance_for_test() as instance:
        run_update(chosen, instance, HOUR, HOUR + timedelta(hours=1), "test", source=tmp_path / "in")
        (record,) = instance.fetch_materializations(dg.AssetKey("election_summaries"), limit=5).records
    metadata = record.asset_materialization.metadata
    (name,) = [name for name in metadata if name.startswith("turnout of")]
    picture = base64.b64decode(metadata[name].value.partition("base64,")[2].rstrip(")"))
    lines = [e for e in ElementTree.fromstring(picture).iter() if e.tag.endswith("polyline")]
    assert len(lines) == 2
    assert len(picture) < 8_000


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


def test_maintenance_runs_as_a_job_and_can_only_look(chosen: Settings, tmp_path: Path) -> None:
    from election_metrics.warehouse.migrate import migrate

    migrate(chosen)
    with dg.instance_for_test() as instance:
        job = build_defs(resource_overrides={"settings": chosen}).resolve_job_def("maintenance_job")
        config = {"ops": {"maintain": {"config": {"dry_run": True}}}}
        assert job.execute_in_process(instance=instance, run_config=config).success


def test_every_asset_has_numbers_that_the_ui_can_draw(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(
        line("r", ms(0), "addVotersList", votersCount=10),
        issue("a", ms(1)),
        issue("b", ms(2)),
        vote("c", ms(3)),
        "garbage",
    )
    with dg.instance_for_test() as instance:
        done = run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in")
        job = build_defs(resource_overrides={"settings": chosen}).resolve_job_def("reconciliation_job")
        assert job.execute_in_process(instance=instance).success
        numbers: dict[str, dict[str, float]] = {}
        for asset in ASSETS:
            (record,) = instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
            metadata = record.asset_materialization.metadata  # type: ignore[union-attr]
            numbers[asset] = {
                name: value.value
                for name, value in metadata.items()
                if isinstance(value, (dg.IntMetadataValue, dg.FloatMetadataValue))
            }
    assert {asset for asset in ASSETS if "dagster/row_count" not in numbers[asset]} == set()
    people_watch = {"votes": 1, "bulletins": 2, "gap": 1, "turnout": 10.0}
    for asset in ("constituency_metrics", "anomalies", "election_summaries", "reconciliations"):
        assert {name: numbers[asset][name] for name in people_watch} == people_watch, asset
        assert {"findings", "critical", "lag_minutes"} <= numbers[asset].keys(), asset
    assert (numbers["hourly_stats"]["votes_cast"], numbers["hourly_stats"]["gap"]) == (1, 1)
    assert numbers["landed_files"]["dagster/row_count"] == 1
    for evaluation in done.get_asset_check_evaluations():
        violations = evaluation.metadata["violations"]
        assert isinstance(violations, dg.IntMetadataValue), evaluation.check_name
        assert (violations.value == 0) is evaluation.passed, evaluation.check_name


@pytest.mark.parametrize(
    ("asset", "config", "sentence"),
    [
        ("landed_files", {"source": "s3:/typo", "again": True}, "typo"),
        ("landed_files", {"again": True, "again_from": "yesterday"}, "'yesterday' is not an hour; type it as"),
        ("landed_files", {"again": True, "again_from": "2026-09-18T09", "again_to": "2026-09-18T05"}, "swap them"),
        ("landed_files", {"again_constituency": "x"}, "set again: true with it"),
        ("landed_files", {"sources": ["transactions"], "files": ["x.csv"]}, "leave out source and files"),
        ("landed_files", {"sources": ["transactions"]}, "SOURCE_URL"),
        (
            "constituency_metrics",
            {"elections": ["nope"]},
            "there is no election 'nope'; election_id is one of: none yet",
        ),
        ("anomalies", {"elections": ["nope"]}, "there is no election 'nope'"),
        ("election_summaries", {"elections": ["nope"]}, "there is no election 'nope'"),
    ],
)
def test_nonsense_in_the_launchpad_is_a_sentence(
    chosen: Settings, tmp_path: Path, asset: str, config: dict[str, object], sentence: str
) -> None:
    with dg.instance_for_test() as instance:
        job = build_defs(resource_overrides={"settings": chosen}).resolve_job_def(JOB)
        result = job.execute_in_process(
            instance=instance, run_config={"ops": {asset: {"config": config}}}, asset_selection=[dg.AssetKey(asset)],
            raise_on_error=False,
        )  # fmt: skip
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    assert sentence in str(failure.user_failure_data.description)
