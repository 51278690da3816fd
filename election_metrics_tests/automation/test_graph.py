"""The graph in Dagster: its parts, its grid, one run from file to summary, checks, and what the UI shows of it."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from election_metrics.assets.partitions import hours
from election_metrics.definitions import build_defs
from election_metrics.pipeline.run_tags import JOB, TRIGGER
from election_metrics.runtime.launch import run_update
from election_metrics.settings import Settings
from election_metrics_tests.computing import rows
from election_metrics_tests.exports import CONTRACT, HOUR, Folder, issue, line, ms, vote

pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's own, while it runs
ASSETS = {"landed_files", "elections", "constituencies", "raw_transactions", "hourly_stats", "constituency_metrics",
          "anomalies", "election_summaries", "reconciliations", "portal_registry", "portal_counters",
          "portal_agreement"}  # fmt: skip


def test_the_graph_has_these_parts_and_no_others() -> None:
    defs = build_defs()
    graph = defs.resolve_asset_graph()
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == ASSETS
    parents = {
        k.to_user_string(): {p.to_user_string() for p in graph.get(k).parent_keys} for k in graph.get_all_asset_keys()
    }
    assert parents == {
        "landed_files": set(),
        "elections": {"landed_files", "portal_registry"},
        "constituencies": {"landed_files", "portal_registry"},
        "raw_transactions": {"landed_files"},
        "hourly_stats": {"raw_transactions", "elections", "constituencies"},
        "constituency_metrics": {"hourly_stats"},
        "anomalies": {"constituency_metrics"},
        "election_summaries": {"anomalies", "constituency_metrics"},
        "reconciliations": {"election_summaries"},
        "portal_registry": set(),
        "portal_counters": {"portal_registry"},
        "portal_agreement": {"portal_counters", "hourly_stats"},
    }
    repository = defs.get_repository_def()
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "new_transactions_sensor", "changed_hours_sensor", "problems_sensor",
    }  # fmt: skip
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "active_elections_schedule", "quiet_hours_schedule", "reconciliation_schedule", "portal_schedule",
        "maintenance_schedule",
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
        job = build_defs(resource_overrides={"settings": chosen}).resolve_job_def("portal_job")
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
