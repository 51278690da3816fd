"""A run that fails says why in a sentence, and is tried again only where that may help."""

from pathlib import Path

import dagster as dg
import duckdb
import pytest

from election_metrics.assets.resources import translate_errors
from election_metrics.definitions import build_defs
from election_metrics.errors import TransientError
from election_metrics.pipeline.run_tags import JOB
from election_metrics.runtime.launch import run_update
from election_metrics.settings import Settings
from election_metrics_tests.computing import hourly
from election_metrics_tests.exports import HOUR, Folder, ms, vote

pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's own, while it runs


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


@pytest.mark.parametrize(
    "harm", ["gone", "torn", *(pytest.param(one, marks=pytest.mark.long) for one in ("empty", "other"))]
)
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
    from election_metrics.pipeline import export_files

    real, calls = export_files.land, []

    def first_away(*args, **kwargs):
        calls.append(1)
        if len(calls) == 1:
            raise TransientError("PostgreSQL is away")
        return real(*args, **kwargs)

    monkeypatch.setattr(export_files, "land", first_away)
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    with dg.instance_for_test() as instance:
        result = run_update(chosen, instance, HOUR, HOUR, "test", source=tmp_path / "in")
    assert result.success
    assert len(calls) == 2
    assert hourly(chosen)["08"]["votes_cast"] == 1


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


def test_a_store_that_is_busy_while_a_query_reads_it_is_worth_another_try() -> None:
    """DuckDB passes the traceback of the file system on, in an error of no kind of its own."""
    busy = (
        'Traceback (most recent call last):\n  File "s3fs/core.py", line 216\nOSError: [Errno 16] Service Unavailable\n'
    )
    with pytest.raises(TransientError, match="the lake could not be read"), translate_errors():
        raise duckdb.Error(busy)
    with pytest.raises(dg.Failure) as failed, translate_errors():
        raise duckdb.Error("Binder Error: there is no column x")
    assert failed.value.allow_retries is False
