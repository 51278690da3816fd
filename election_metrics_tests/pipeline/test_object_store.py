"""Lake and exports in an object store: the same tables as on a disk, also while the store is slow, busy or hangs up."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from benchmarks.inputs import START
from election_metrics.assets.resources import translate_errors
from election_metrics.automation.sensors import new_transactions_sensor
from election_metrics.cli import main
from election_metrics.errors import SettingsError, TransientError
from election_metrics.locations import _PATIENCE_WITH_S3, place
from election_metrics.pipeline.compaction import compact_hours
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.lake_maintenance import sweep_lake
from election_metrics.pipeline.pending_files import pending_files
from election_metrics.pipeline.run_tags import RANGE_END, RANGE_START
from election_metrics.replay.tree import write_replay
from election_metrics.replay.votings import Bucket, Voting
from election_metrics.runtime.launch import run_update
from election_metrics.settings import Settings, read_settings, settings
from election_metrics_tests.computing import NOW, everything, hourly, rows, update
from election_metrics_tests.exports import HOUR, Folder, ms, vote
from election_metrics_tests.objects import ObjectStore

BUCKET = "s3://observatory"
pytestmark = pytest.mark.filterwarnings("ignore")  # botocore's own, and Dagster's


@pytest.fixture
def away(chosen: Settings, store: ObjectStore) -> Settings:
    """Settings whose lake is in the object store."""
    return chosen.model_copy(update={"lake": f"{BUCKET}/lake"})


def write_tree(folder: Path) -> Path:
    votings = [Voting(f"k{n}", f"District {n}", "Council", 500, "77 - город Москва", "Europe/Moscow") for n in range(2)]
    buckets = [Bucket(v, START + timedelta(hours=h), 3600, 40, 35) for v in votings for h in range(3)]
    for _ in write_replay(buckets, folder, faults=True):
        pass
    return folder


def upload(folder: Path, below: str = "exports") -> str:
    target = f"{BUCKET}/{below}"
    there = place(target, "test")
    there.fs.put(f"{folder}/", there.path, recursive=True)  # type: ignore[union-attr]
    return target


def begin_again(settings: Settings) -> None:
    from election_metrics.warehouse.migrate import migrate

    migrate(settings, "base")
    migrate(settings)


def test_a_lake_and_exports_in_an_object_store_give_the_tables_of_a_disk(
    chosen: Settings, away: Settings, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "tree")
    update(chosen, tree)
    expected = everything(chosen)
    begin_again(away)
    source = place(upload(tree), "test")
    report = update(away, source)
    assert everything(away) == expected
    assert report.bytes > 0
    assert not list((chosen.home / "scratch").rglob("*.parquet"))
    assert pending_files(away, source, settled_only=True)[0] == []
    assert update(away, source).files == 0


@pytest.mark.long
def test_the_sensor_sees_objects_and_their_hours_and_the_run_lands_them(
    away: Settings, tmp_path: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("election_metrics.locations._TRIES", 1)
    Folder(tmp_path / "in").put(vote("a", ms(1)), *[vote(f"b{n}", ms(1, hour=1)) for n in range(500)])
    Folder(tmp_path / "in").put(name="2026-09-18_1200-1300")
    watching = away.model_copy(update={"source": upload(tmp_path / "in")})
    context = {"settings": watching}
    with dg.instance_for_test() as instance:
        tick = new_transactions_sensor.evaluate_tick(dg.build_sensor_context(instance=instance, resources=context))
        (request,) = tick.run_requests or []
        assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2026-09-18-08:00", "2026-09-18-09:00")
        files = request.run_config["ops"]["landed_files"]["config"]["files"]
        assert files[0].startswith(f"{BUCKET}/exports/")
        assert run_update(watching, instance, HOUR, HOUR + timedelta(hours=1), "test").success
        assert hourly(watching)["09"]["votes_cast"] == 500
        store.busy = 1.0
        tick = new_transactions_sensor.evaluate_tick(dg.build_sensor_context(instance=instance, resources=context))
        assert "is away or busy" in (tick.skip_message or "")


def test_an_object_that_is_overwritten_takes_the_place_of_what_it_was(away: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(vote("a", ms(1)), vote("b", ms(2)))
    source = place(upload(tmp_path / "in"), "test")
    update(away, source)
    folder.put(vote("a", ms(1)), vote("c", ms(2)))  # as many bytes, within the same second
    upload(tmp_path / "in")
    update(away, source)
    assert rows(away, "SELECT status FROM ingest.transaction_files ORDER BY file_id")["status"].tolist() == [
        "superseded", "landed"
    ]  # fmt: skip
    assert hourly(away)["08"] == {"transaction_count": 2, "votes_cast": 2}


@pytest.mark.long
def test_parts_are_merged_and_swept_in_the_store(away: Settings, tmp_path: Path) -> None:
    many = away.model_copy(update={"compact_after_parts": 2})
    for number in range(3):
        Folder(tmp_path / "in").put(vote(f"v{number}", ms(number)), name=f"2026-09-18_110{number}-1200")
        land(many, tmp_path / "in", "run", NOW)
    later = NOW + timedelta(hours=1)
    assert compact_hours(many, HOUR, HOUR + timedelta(hours=1), NOW) == {int(HOUR.timestamp()) // 3600: 3}
    compact_hours(many, HOUR, HOUR + timedelta(hours=1), later)
    left = [str(path) for path in many.lake_path.rglob("*.parquet")]
    assert len(left) == 1
    assert "merged-" in left[0]
    update(many, tmp_path / "in")
    assert hourly(many)["08"]["votes_cast"] == 3
    assert sweep_lake(many, dry_run=False) == (0, 0)


@pytest.mark.long
def test_a_store_that_is_hurt_costs_time_and_nothing_else(
    chosen: Settings, away: Settings, store: ObjectStore, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "tree")
    update(chosen, tree)
    expected = everything(chosen)
    begin_again(away)
    source = place(upload(tree), "test")
    store.busy, store.slow, store.hanging_up = 0.14, 0.14, 0.14  # so few requests are made
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with translate_errors():
                update(away, source)
            break
        except TransientError:
            continue
    assert store.hurt > 15
    store.busy = store.slow = store.hanging_up = 0.0
    update(away, source)
    assert everything(away) == expected


@pytest.mark.long
def test_a_store_that_is_away_is_told_in_a_sentence(
    away: Settings, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("election_metrics.locations._TRIES", 1)  # the library beneath has some of its own
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    store.busy = 1.0
    with pytest.raises(TransientError, match="is away or busy"):
        land(away, tmp_path / "in", "run", NOW)
    store.busy = 0.0
    update(away, tmp_path / "in")
    assert hourly(away)["08"]["votes_cast"] == 1


@pytest.mark.long
def test_a_store_that_says_nothing_is_told_within_its_time(
    away: Settings, store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("election_metrics.locations._TRIES", 1)
    monkeypatch.setitem(_PATIENCE_WITH_S3, "read_timeout", 0.2)
    monkeypatch.setattr("election_metrics.locations._UPLOAD_SECONDS", 1.0)
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    store.silent = 4.0
    with pytest.raises(TransientError, match=r"lake/.* is away or busy: FSTimeoutError"):
        land(away, tmp_path / "in", "run", NOW)
    with pytest.raises(TransientError, match=r"exports is away or busy: ReadTimeoutError"):
        land(away, place(f"{BUCKET}/exports", "test"), "run", NOW)


def test_a_store_that_refuses_our_credentials_is_told_by_name(
    away: Settings, store: ObjectStore, tmp_path: Path
) -> None:
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    store.forbids = True
    with pytest.raises(TransientError, match=r"s3://observatory/lake/.* is refused to these credentials"):
        land(away, tmp_path / "in", "run", NOW)
    with pytest.raises(TransientError, match="s3://observatory/exports is refused to these credentials"):
        land(away, place(f"{BUCKET}/exports", "test"), "run", NOW)


@pytest.mark.parametrize("said", ["", '{"config_kwargs": {"read_timeout": 77}}'])
def test_how_long_to_wait_for_a_store_is_ours_to_say_unless_fsspec_is_told(said: str, tmp_path: Path) -> None:
    code = "from election_metrics.locations import place;print(place('s3://b/x', 't').fs.config_kwargs.get('read_timeout'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "FSSPEC_S3": said or "{}"},
    )
    assert done.stdout.strip() == ("77" if said else "10")


@pytest.mark.long
def test_the_lake_moves_to_the_store_and_back_by_one_command(
    chosen: Settings, away: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = write_tree(tmp_path / "tree")
    update(chosen, tree)
    expected = everything(chosen)
    done = CliRunner().invoke(main, ["lake", "move", f"{BUCKET}/lake"])
    assert done.exit_code == 0, done.output
    assert f"export ELECTION_METRICS_LAKE={BUCKET}/lake" in done.output.replace("\n", "")
    (chosen.lake_path / "transactions").rename(tmp_path / "gone")
    with_all_behind(away)
    update(away, tree)
    assert everything(away) == expected
    monkeypatch.setenv("ELECTION_METRICS_LAKE", f"{BUCKET}/lake")
    settings.cache_clear()
    back = CliRunner().invoke(main, ["lake", "move", str(tmp_path / "back")])
    assert back.exit_code == 0, back.output
    home = chosen.model_copy(update={"lake": tmp_path / "back"})
    with_all_behind(home)
    update(home, tree)
    assert everything(home) == expected


def with_all_behind(settings: Settings) -> None:
    """Every hour is to be computed again."""
    import sqlalchemy as sa

    from election_metrics.warehouse.database import transaction

    with transaction(settings) as connection:
        connection.execute(sa.text("UPDATE ingest.hour_versions SET landed_version = landed_version + 1"))


def test_a_damaged_copy_is_found_and_copied_again(chosen: Settings, away: Settings, tmp_path: Path) -> None:
    from election_metrics.pipeline.moving import move_lake

    update(chosen, write_tree(tmp_path / "tree"))
    first = move_lake(chosen, away.lake_path)
    assert (first.there, first.copied > 0) == (0, True)
    one = next(iter(away.lake_path.rglob("*.parquet")))
    one.write_bytes(b"x" * one.stat().st_size)
    second = move_lake(chosen, away.lake_path)
    assert (second.there, second.copied) == (first.copied - 1, 1)


def test_nothing_of_object_stores_is_imported_where_none_is_asked_for() -> None:
    code = (
        "import sys; import election_metrics.definitions, election_metrics.cli, election_metrics.pipeline.landing; "
        "assert not {'s3fs', 'aiobotocore', 'botocore'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_a_sentence_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['s3fs'] = None; from election_metrics.cli import main; "
        "main(['ingest', 's3://observatory/exports'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'election-metrics[s3]'" in done.stderr


def test_read_settings_take_urls_and_folders(tmp_path: Path) -> None:
    chosen = read_settings(lake="s3://observatory/lake/", source=tmp_path)
    assert (chosen.lake, chosen.source) == ("s3://observatory/lake", str(tmp_path))
    assert chosen.scratch_path == chosen.home / "scratch"


def test_a_file_url_is_the_folder_that_it_names(tmp_path: Path) -> None:
    spaced = tmp_path / "my lake"
    chosen = read_settings(lake=spaced.as_uri(), source=f"file://localhost{tmp_path}")
    assert (chosen.lake_path, chosen.source_path) == (spaced, tmp_path)
    assert place(spaced.as_uri(), "it") == spaced
    with pytest.raises(SettingsError, match=r"ELECTION_METRICS_LAKE is .*names a file of the machine 'data'"):
        read_settings(lake="file://data/lake")
    with pytest.raises(SettingsError, match="names a file of the machine 'data'"):
        place("file://data/lake", "it")
