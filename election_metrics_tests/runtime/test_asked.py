"""What is asked of Dagster is refused in words before it is planned, or labelled; what is cancelled stays cancelled."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import psycopg
import pytest
import requests
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.storage.tags import RETRY_NUMBER_TAG
from dagster._core.workspace.load_target import ModuleTarget
from dagster._time import get_current_timestamp

from election_metrics.automation.pruning import prune_dagster
from election_metrics.definitions import build_defs
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.run_tags import (
    HOURS,
    JOB,
    ONE_HOUR,
    RANGE_END,
    RANGE_START,
    TRIGGER,
    WHO,
    WHY,
    range_tags,
)
from election_metrics.runtime import launcher
from election_metrics.runtime.asked import RefusedError
from election_metrics.runtime.launch import open_instance, run_update
from election_metrics.runtime.ui_access import Rules
from election_metrics.runtime.webserver import behind_the_door
from election_metrics.settings import Settings, settings
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.server import dagster_url, plain_url
from election_metrics.web.names import names_of
from election_metrics_tests.end_to_end.running import wait_for
from election_metrics_tests.exports import HOUR, Folder, issue, ms, vote
from election_metrics_tests.serving import served

pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's own, while it runs
ASKED_TOO_MUCH = range_tags(datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 9, 18, tzinfo=UTC))
HOURLY_STATS = dg.AssetKey("hourly_stats")


@pytest.fixture
def instance(chosen: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    migrate(chosen)
    with open_instance(chosen) as opened:
        monkeypatch.delenv("DAGSTER_HOME")
        yield opened
    with psycopg.connect(plain_url(dagster_url(chosen).set(database="postgres")), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {dagster_url(chosen).database} WITH (FORCE)".encode())


def _ask(instance: dg.DagsterInstance, tags: dict[str, str], *assets: str, **more: Any) -> dg.DagsterRun:
    defs = build_defs()
    job = defs.resolve_job_def(JOB)
    if assets:
        job = job.get_subset(asset_selection={dg.AssetKey(asset) for asset in assets})
    where = RegisteredCodeLocationOrigin("election_metrics")
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(where, "__repository__"), JOB)
    return instance.create_run_for_job(
        job, tags=tags, asset_selection=job.asset_selection if assets else None, remote_job_origin=origin, **more
    )


def _backfill(keys: list[str], **more: Any) -> PartitionBackfill:
    return PartitionBackfill.from_asset_partitions(
        asset_graph=build_defs().resolve_asset_graph(), backfill_id="click", tags={"dagster/from_ui": "true"},
        backfill_timestamp=get_current_timestamp(), asset_selection=[HOURLY_STATS, dg.AssetKey("raw_transactions")],
        partition_names=keys or None, all_partitions=not keys, dynamic_partitions_store=None, title=None, description=None,
        run_config=None, **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ({}, r"say for which hours: choose a partition or a range such as \[2026-09-18-05:00"),
        ({RANGE_START: "2026-09-18-09:00", RANGE_END: "2026-09-18-05:00"}, "ends before it begins.*swap them"),
        ({RANGE_START: "2026-09-18-05:00"}, f"a range of hours has two ends; add the tag {RANGE_END}"),
        ({ONE_HOUR: "2026-09-18-05:30"}, "'2026-09-18-05:30' is not an hour; type it as 2026-09-18-05:00"),
        ({RANGE_START: "yesterday", RANGE_END: "today"}, "'yesterday' is not an hour"),
        ({ONE_HOUR: "2996-09-18-05:00"}, "2996-09-18-05:00 is in the future; it is"),
        (
            ASKED_TOO_MUCH,
            r"that is 23,785 hours, .*MAX_HOURS_PER_BACKFILL.*election-metrics backfill --from 2024-01-01",
        ),
    ],
)
def test_a_run_that_cannot_go_well_is_refused_in_words_and_writes_nothing(
    instance: dg.DagsterInstance, tags: dict[str, str], sentence: str
) -> None:
    with pytest.raises(RefusedError, match=sentence):
        _ask(instance, tags)
    assert instance.get_runs() == []
    assert instance.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)) == []


@pytest.mark.parametrize("tags", [{}, {RANGE_START: "2026-09-18-09:00", RANGE_END: "2026-09-18-05:00"}])
def test_a_run_in_any_other_storage_says_so_in_its_first_step(chosen: Settings, tags: dict[str, str]) -> None:
    with dg.instance_for_test() as other:
        job = build_defs(resource_overrides={"settings": chosen}).resolve_job_def(JOB)
        chosen_assets = [dg.AssetKey("raw_transactions")]
        result = job.execute_in_process(instance=other, tags=tags, asset_selection=chosen_assets, raise_on_error=False)
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    said = failure.user_failure_data.description
    assert "ends before it begins" in said if tags else "say for which hours" in said


def test_what_computes_no_hour_needs_none(instance: dg.DagsterInstance) -> None:
    assert _ask(instance, {}, "constituency_metrics", "anomalies").run_id


def test_all_partitions_of_years_are_refused_before_anything_is_planned(instance: dg.DagsterInstance) -> None:
    with pytest.raises(RefusedError, match=r"that is 2\d,\d{3} hours, 2024-01-01 00:00 to .* covers at most 2,208"):
        instance.add_backfill(_backfill([]))
    assert instance.get_backfills() == []


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (["2026-09-18-08:00"], "that range contains no hour"),
        ([f"{datetime(2026, 9, 18, tzinfo=UTC) + timedelta(hours=5 * n):%Y-%m-%d-%H:00}" for n in range(25)],
         "these 25 hours lie in 25 ranges"),
    ],
)  # fmt: skip
def test_a_backfill_of_no_hour_or_of_scattered_ones_is_refused(
    instance: dg.DagsterInstance, keys: list[str], said: str
) -> None:
    backfill = _backfill(keys)
    if said == "that range contains no hour":  # a range that ends before it begins
        data = backfill.asset_backfill_data
        assert data is not None
        nothing = data._replace(target_subset=data.target_subset - data.target_subset)
        backfill = backfill.with_asset_backfill_data(nothing, instance, build_defs().resolve_asset_graph())
    with pytest.raises(RefusedError, match=said):
        instance.add_backfill(backfill)
    assert not instance.get_backfills()
    together = [f"{datetime(2026, 9, 18, tzinfo=UTC) + timedelta(hours=n):%Y-%m-%d-%H:00}" for n in range(25)]
    instance.add_backfill(_backfill(together))
    assert len(instance.get_backfills()) == 1


def test_a_backfill_says_which_assets_and_hours_and_who(instance: dg.DagsterInstance) -> None:
    instance.add_backfill(_backfill(["2026-09-18-05:00", "2026-09-18-06:00"]))
    (made,) = instance.get_backfills()
    assert made.title == "hourly_stats, raw_transactions: 2026-09-18 05:00 to 2026-09-18 06:00 UTC"
    assert made.tags[TRIGGER] == "backfill"
    assert made.tags[WHO] == "a user of the UI"
    assert made.tags[HOURS] == "2026-09-18 05:00 to 2026-09-18 06:00 UTC"
    assert made.tags[WHY] == f"a user of the UI: {made.title.replace(': ', ', ')}"
    assert made.tags["dagster/priority"] == "-5"


def test_a_run_of_a_person_says_who_and_what(instance: dg.DagsterInstance) -> None:
    run = _ask(instance, range_tags(HOUR, HOUR), "raw_transactions")
    assert run.tags[WHY].endswith(": raw_transactions, 2026-09-18 08:00 UTC")
    assert run.tags[WHO]
    assert instance.get_run_by_id(run.run_id).tags[HOURS] == "2026-09-18 08:00 UTC"  # type: ignore[union-attr]


def test_a_check_is_planned_once_a_run_and_not_once_an_hour(
    instance: dg.DagsterInstance, chosen: Settings, tmp_path: Path
) -> None:
    Folder(tmp_path / "in").put(issue("i", ms(0)), vote("a", ms(1)))
    defs = build_defs(resource_overrides={"settings": chosen})
    assert run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in").success
    job = defs.resolve_implicit_global_asset_job_def()
    for tags in (range_tags(HOUR, HOUR + timedelta(hours=47)), {ONE_HOUR: "2026-09-18-08:00"}):
        done = job.execute_in_process(instance=instance, tags=tags, asset_selection=[HOURLY_STATS])
        assert done.success
        rows = _rows(chosen, "SELECT check_name, execution_status, partition FROM asset_check_executions "
                             f"WHERE run_id = '{done.run_id}' ORDER BY 1")  # fmt: skip
        assert rows == [
            (name, "SUCCEEDED", None) for name in ("counts_not_negative", "hours_equal_lake", "keys_unique")
        ]


def _rows(chosen: Settings, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(plain_url(dagster_url(chosen))) as connection:
        return connection.execute(query.encode()).fetchall()


def test_what_ended_runs_had_planned_goes_and_an_answer_stays(
    instance: dg.DagsterInstance, chosen: Settings, tmp_path: Path
) -> None:
    Folder(tmp_path / "in").put(issue("i", ms(0)), vote("a", ms(1)))
    run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in")
    answers = "SELECT count(*) FROM asset_check_executions WHERE execution_status <> 'PLANNED'"
    planned = "SELECT count(*) FROM asset_check_executions WHERE execution_status = 'PLANNED'"
    before = _rows(chosen, answers)
    cancelled, waiting = (_ask(instance, range_tags(HOUR, HOUR)) for _ in range(2))
    instance.report_run_canceled(cancelled)
    both = _rows(chosen, planned)[0][0]
    later = datetime.now(UTC) + timedelta(days=1)
    prune_dagster(chosen, dry_run=False)
    assert _rows(chosen, planned)[0][0] == both / 2, "those of the run that waits are still there"
    instance.report_run_failed(waiting)
    prune_dagster(chosen, dry_run=False, now=later)
    assert _rows(chosen, planned) == [(0,)]
    assert _rows(chosen, answers) == before
    assert _rows(chosen, "SELECT count(*) FROM event_logs WHERE dagster_event_type LIKE '%PLANNED'") == [(0,)]


def _submit(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun:
    return instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]


def _again(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun:
    """As Dagster's daemon tries a run again: with its tags, but for those of a backfill that is being cancelled."""
    tags = {key: text for key, text in run.tags.items() if key != "dagster/backfill"}
    return _ask(instance, {**tags, RETRY_NUMBER_TAG: "1"}, root_run_id=run.run_id, parent_run_id=run.run_id)


def _status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status.value


def test_a_run_that_is_cancelled_while_it_is_planned_is_never_queued(instance: dg.DagsterInstance) -> None:
    run = _ask(instance, range_tags(HOUR, HOUR), status=dg.DagsterRunStatus.NOT_STARTED)
    assert instance.run_coordinator.cancel_run(run.run_id)
    assert _submit(instance, run).status == dg.DagsterRunStatus.CANCELED
    assert _status(instance, run) == "CANCELED"


@pytest.mark.parametrize("begun", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_a_cancelled_run_that_fails_meanwhile_is_not_tried_again(
    instance: dg.DagsterInstance, begun: dg.DagsterRunStatus
) -> None:
    from dagster._daemon.auto_run_reexecution.auto_run_reexecution import should_retry

    run, other = (_ask(instance, range_tags(HOUR, HOUR), status=begun) for _ in range(2))
    instance.run_coordinator.cancel_run(run.run_id)
    for one in (run, other):  # as by the monitor, which took the run for one that hangs
        instance.report_run_failed(one)
    found = {one.run_id: one for one in instance.get_runs()}
    assert not should_retry(found[run.run_id], instance)
    assert should_retry(found[other.run_id], instance), "what nobody cancelled is tried again"
    again = _again(instance, found[run.run_id])
    _submit(instance, again)
    assert _status(instance, again) == "CANCELED"


def test_a_cancelled_run_that_hears_nothing_is_ended(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that waits for a lock in PostgreSQL: the signal comes to a process that does not come to it."""
    monkeypatch.setattr(launcher, "_SECONDS_TO_END", 0.5)
    deaf = subprocess.Popen(["sh", "-c", "trap '' INT; echo ready; sleep 60; sleep 60"], stdout=subprocess.PIPE)
    assert deaf.stdout is not None
    deaf.stdout.readline()
    run = _ask(instance, range_tags(HOUR, HOUR), status=dg.DagsterRunStatus.STARTED)
    instance.add_run_tags(run.run_id, {launcher.PROCESS: launcher.process_tag(deaf.pid)})
    assert instance.run_launcher.terminate(run.run_id)
    wait_for("its process to end", lambda: not psutil.pid_exists(deaf.pid), 30)
    wait_for("its end", lambda: _status(instance, run) == "CANCELED", 30)


@pytest.mark.parametrize("status", [BulkActionStatus.CANCELING, BulkActionStatus.CANCELED])
def test_a_cancelled_backfills_run_is_not_tried_again(instance: dg.DagsterInstance, status: BulkActionStatus) -> None:
    instance.add_backfill(_backfill(["2026-09-18-08:00"]))
    (backfill,) = instance.get_backfills()
    tags = {**range_tags(HOUR, HOUR), **backfill.tags, "dagster/backfill": "click"}
    run = _ask(instance, tags, status=dg.DagsterRunStatus.NOT_STARTED)
    instance.report_run_failed(run)
    kept = _again(instance, run)
    assert _submit(instance, kept).status == dg.DagsterRunStatus.QUEUED
    assert kept.tags[TRIGGER] == "backfill", "by which it stays within the limit of backfills"
    instance.update_backfill(backfill.with_status(status))
    again = _again(instance, run)
    _submit(instance, again)
    assert _status(instance, again) == "CANCELED"


def test_a_person_may_run_again_what_was_cancelled(instance: dg.DagsterInstance) -> None:
    run = _ask(instance, range_tags(HOUR, HOUR), status=dg.DagsterRunStatus.NOT_STARTED)
    instance.run_coordinator.cancel_run(run.run_id)
    (cancelled,) = instance.get_runs()
    again = _ask(instance, dict(cancelled.tags), root_run_id=run.run_id, parent_run_id=run.run_id)
    assert not {"why/cancelled", "dagster/max_retries", "dagster/will_retry"} & set(again.tags)
    assert _submit(instance, again).status == dg.DagsterRunStatus.QUEUED


def test_dagsters_command_line_refuses_in_a_sentence(instance: dg.DagsterInstance, chosen: Settings) -> None:
    from election_metrics.runtime.launch import dagster_environment

    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "election_metrics.definitions"]
    command += ["--select", "hourly_stats", "--partition-range", "2024-01-01-00:00...2026-09-18-00:00"]
    asked = subprocess.run(
        command, check=False, env={**os.environ, **dagster_environment(chosen)}, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert asked.returncode == 1
    assert asked.stderr.splitlines()[-1].startswith("Error: that is 23,785 hours"), json.dumps(asked.stderr[-2000:])
    assert "Traceback" not in asked.stderr


_BACKFILL = """mutation ($asked: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $asked) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message stack } } }"""
_LAUNCH = """mutation ($asked: ExecutionParams!) { launchRun(executionParams: $asked) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message stack } } }"""


def test_graphql_answers_with_the_sentence_and_nothing_of_our_code(instance: dg.DagsterInstance) -> None:
    target = ModuleTarget("election_metrics.definitions", None, str(Path.cwd()), "election_metrics")
    rules = Rules(names_of("127.0.0.1", []), "a-token-of-the-duty-room", takes_reports=False)
    with behind_the_door(instance, target, rules, read_only=False) as app, served(app) as address:

        def asked(query: str, **what: object) -> dict[str, Any]:
            answer = requests.post(
                f"http://{address}/graphql", json={"query": query, "variables": {"asked": what}}, timeout=60,
                auth=("anna", "a-token-of-the-duty-room"),
            )  # fmt: skip
            return dict(next(iter(answer.json()["data"].values())))

        assets = {"assetSelection": [{"path": ["hourly_stats"]}]}
        every = asked(_BACKFILL, **assets, allPartitions=True, tags=[])
        assert (every["__typename"], every["stack"]) == ("PythonError", [])
        assert every["message"].startswith("that is 2")
        job = {"repositoryLocationName": "election_metrics", "repositoryName": "__repository__", "jobName": JOB}
        without = asked(_LAUNCH, selector=job, executionMetadata={"tags": []}, runConfigData={})
        assert without["message"].startswith("say for which hours")
        assert (instance.get_runs(), instance.get_backfills()) == ([], [])
        one = asked(_BACKFILL, **assets, partitionNames=["2026-09-18-08:00"])
        assert one["__typename"] == "LaunchBackfillSuccess"
        tags = [{"key": ONE_HOUR, "value": "2026-09-18-08:00"}]
        asked(_LAUNCH, selector=job, executionMetadata={"tags": tags}, runConfigData={})
    said = [instance.get_runs()[0].tags, instance.get_backfills()[0].tags]
    assert [tags[WHY] for tags in said] == [
        f"anna: {what}, 2026-09-18 08:00 UTC" for what in ("update_metrics_job", "hourly_stats")
    ]


def test_the_backfill_command_cuts_a_wide_range_into_runs_that_fit(
    instance: dg.DagsterInstance, chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    from election_metrics.commands.runs import run_backfill

    for name in ("MAX_HOURS_PER_BACKFILL", "MAX_HOURS_PER_RUN"):
        monkeypatch.setenv(f"ELECTION_METRICS_{name}", "24")
    settings.cache_clear()
    Folder(tmp_path / "in").put(issue("i", ms(0)), vote("a", ms(1)))
    land(chosen, tmp_path / "in", "run")
    run_backfill(Console(quiet=True), HOUR - timedelta(hours=8), HOUR + timedelta(hours=40))
    monkeypatch.delenv("DAGSTER_HOME")
    runs = [(run.tags[RANGE_START], run.tags[RANGE_END], run.status.value) for run in instance.get_runs()]
    assert sorted(runs) == [
        ("2026-09-18-00:00", "2026-09-18-00:00", "SUCCESS"),
        ("2026-09-18-01:00", "2026-09-19-00:00", "SUCCESS"),
        ("2026-09-19-01:00", "2026-09-20-00:00", "SUCCESS"),
    ]
