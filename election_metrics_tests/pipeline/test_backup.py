"""A backup comes back with the same figures, on another server or the embedded one, and says when it cannot."""

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from election_metrics.api.app import with_own_role
from election_metrics.cli import main
from election_metrics.errors import DataError, SettingsError, WarehouseError
from election_metrics.pipeline.backup import back_up
from election_metrics.pipeline.compaction import compact_hours
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.hour_comparison import compare_with_lake
from election_metrics.pipeline.manifest import read_manifest
from election_metrics.pipeline.restore import check_backup, restore_backup
from election_metrics.runtime.launch import open_instance
from election_metrics.settings import Settings, read_settings, settings
from election_metrics.warehouse.database import close_engines, lock, transaction
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.release import UNFINISHED, release
from election_metrics.warehouse.server import dagster_url, ensure_database, plain_url, warehouse_url
from election_metrics_tests.computing import everything, rows, update
from election_metrics_tests.exports import HOUR, Folder, issue, ms, vote
from election_metrics_tests.objects import ObjectStore


def quietly(label: str, unit: str) -> Callable[[int, int], None]:
    return lambda done, total: None


def fill(chosen: Settings, exports: Folder, files: int = 3) -> None:
    for number in range(files):
        name = f"2026-09-18_{11 + number}00-{12 + number}00"
        exports.put(issue(f"i{number}", ms(1, number)), vote(f"v{number}", ms(2, number)), name=name)
    update(chosen, exports.root)


def hash_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def other_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A new cluster, which knows none of our roles or databases: URL of its database `postgres`."""
    home = tmp_path_factory.mktemp("other")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("ELECTION_METRICS_")]:
            patch.delenv(name)
        yield plain_url(warehouse_url(read_settings(home=home)).set(database="postgres"))


@pytest.fixture(autouse=True)
def with_dagsters_database(chosen: Settings) -> Iterator[None]:
    """Dagster's database of this test's own, empty."""
    url = dagster_url(chosen)
    ensure_database(url)
    yield
    with psycopg.connect(plain_url(url.set(database="postgres")), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {url.database} WITH (FORCE)")


@pytest.fixture
def backed_up(chosen: Settings, tmp_path: Path) -> Path:
    """A system with three hours, and its backup."""
    fill(chosen, Folder(tmp_path / "exports"))
    back_up(chosen, tmp_path / "backup", quietly)
    return tmp_path / "backup"


def elsewhere(other_server: str, home: Path) -> Settings:
    name = f"restored_{time.time_ns()}"
    return read_settings(home=home, database_url=other_server.replace("/postgres?", f"/{name}?"), lake=None)


def test_a_backup_comes_back_on_another_server_with_figures_roles_and_rights(
    chosen: Settings, backed_up: Path, tmp_path: Path, other_server: str
) -> None:
    before = everything(chosen)
    there = elsewhere(other_server, tmp_path / "there")
    said: list[str] = []
    restore_backup(there, backed_up, quietly, said.append)
    assert not said
    assert everything(there) == before
    difference = compare_with_lake(there, HOUR, HOUR + timedelta(hours=3))
    assert (difference["in_lake"] == difference["in_hours"]).all()
    assert difference["in_lake"].sum() == 6
    limited = with_own_role(there)
    assert limited.database_role == "election_metrics_api"
    with transaction(limited) as connection:
        assert connection.execute(sa.text("SELECT current_setting('is_superuser')")).scalar() == "off"
        assert connection.execute(sa.text("SELECT count(*) FROM ingest.transaction_files")).scalar() == 3
        connection.execute(sa.text("DELETE FROM metrics.anomaly_thresholds"))
        lock(connection, "anomalies")
    with psycopg.connect(plain_url(warehouse_url(there)), options="-c role=election_metrics_reader") as reader:
        assert reader.execute("SELECT count(*) FROM metrics.hourly_stats").fetchone() == (3,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("SELECT * FROM ingest.transaction_files")
    assert land(there, tmp_path / "exports", "run", datetime.now(UTC)).files == 0  # the ledger knows every file


def test_a_backup_comes_back_into_the_embedded_server_and_goes_on(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(chosen, Folder(tmp_path / "exports"))
    with open_instance(chosen) as instance:
        instance.create_run_for_job(_nothing, status=dg.DagsterRunStatus.STARTED)
    backup = tmp_path / "backup"
    back_up(chosen, backup, quietly)
    before = everything(chosen)
    monkeypatch.delenv("ELECTION_METRICS_DATABASE_URL")
    monkeypatch.setenv("ELECTION_METRICS_HOME", str(tmp_path / "new"))
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    settings.cache_clear()
    said = CliRunner().invoke(main, ["restore", str(backup)])
    assert said.exit_code == 0, said.output
    assert "election-metrics up" in said.output
    assert "1 run(s) were in progress" in said.output
    with open_instance(settings()) as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.CANCELED]
    there = settings()
    assert everything(there) == before
    Folder(tmp_path / "exports").put(vote("late", ms(30)), name="2026-09-18_1100-1200-late")
    update(there, tmp_path / "exports")
    assert rows(there, "SELECT sum(votes_cast) FROM metrics.hourly_stats").iat[0, 0] == 4
    again = CliRunner().invoke(main, ["restore", str(backup)])
    assert again.exit_code == 1
    assert "is not empty" in again.output


@dg.job
def _nothing() -> None:
    """A job that does nothing."""


@pytest.mark.long
def test_a_backup_while_files_land_is_of_one_moment(chosen: Settings, tmp_path: Path, other_server: str) -> None:
    exports = Folder(tmp_path / "exports")
    fill(chosen, exports)
    chosen = chosen.model_copy(update={"compact_after_parts": 2})
    done, failed = threading.Event(), []

    def go_on() -> None:
        number = 0
        while not done.is_set():
            number += 1
            try:
                exports.put(vote(f"n{number}", ms(3, number % 3)), name=f"2026-09-18_1100-1200-{number}")
                update(chosen, exports.root)
                # Retired parts go at once, were it not for the backup.
                compact_hours(chosen, HOUR, HOUR + timedelta(hours=3), datetime.now(UTC) + timedelta(hours=1))
            except Exception as error:
                failed.append(error)
                return

    landing = threading.Thread(target=go_on)
    landing.start()
    try:
        time.sleep(1)
        made = back_up(chosen, tmp_path / "backup", quietly)
    finally:
        done.set()
        landing.join()
    assert not failed
    there = elsewhere(other_server, tmp_path / "there")
    restore_backup(there, tmp_path / "backup", quietly)
    named = set(rows(there, "SELECT path FROM ingest.lake_parts")["path"])
    assert named == {facts.path for facts in made.parts}
    for facts in made.parts:
        assert hash_of(there.lake_path / facts.path) == facts.sha256  # type: ignore[arg-type]
    (tmp_path / "nothing").mkdir()
    update(there, tmp_path / "nothing")  # hours that had landed and were not computed yet
    difference = compare_with_lake(there, HOUR, HOUR + timedelta(hours=3))
    assert (difference["in_lake"] == difference["in_hours"]).all()
    landed = rows(there, "SELECT sum(rows) FROM ingest.transaction_files WHERE status = 'landed'").iat[0, 0]
    assert difference["in_hours"].sum() == landed


def test_parts_stay_for_as_long_as_a_backup_reads_them(chosen: Settings, tmp_path: Path) -> None:
    fill(chosen, Folder(tmp_path / "exports"))
    later = datetime.now(UTC) + timedelta(hours=1)
    one = chosen.model_copy(update={"compact_after_parts": 2})
    Folder(tmp_path / "exports").put(vote("x", ms(5)), name="2026-09-18_1100-1200-b")
    update(chosen, tmp_path / "exports")
    seen: list[int] = []

    def report(label: str, unit: str) -> Callable[[int, int], None]:
        def at_the_lake(done: int, total: int) -> None:
            if label == "Databases" and done == total:
                compact_hours(one, HOUR, HOUR + timedelta(hours=1))
                compact_hours(one, HOUR, HOUR + timedelta(hours=1), later)
                seen.append(len(rows(chosen, "SELECT * FROM ingest.lake_parts WHERE retired_at IS NOT NULL")))

        return at_the_lake

    made = back_up(chosen, tmp_path / "backup", report)
    assert seen == [2]
    assert len(made.parts) == 4


@pytest.mark.long
def test_a_killed_backup_is_known_as_one_and_the_next_begins_anew(chosen: Settings, tmp_path: Path) -> None:
    fill(chosen, Folder(tmp_path / "exports"))
    target, work = tmp_path / "killed", tmp_path / "killed.unfinished"
    command = [str(Path(sys.executable).with_name("election-metrics")), "backup", str(target)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not (work / "warehouse.dump").exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert not target.exists()
    with pytest.raises(DataError, match="is no whole backup: the backup was ended half way"):
        read_manifest(work)
    with (work / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # its pg_dump outlives it for a moment, and keeps the next one out
    back_up(chosen, target, quietly)
    assert not work.exists()
    check_backup(chosen, target, quietly)


def test_a_damaged_or_missing_file_is_named_and_nothing_is_restored(
    chosen: Settings, backed_up: Path, tmp_path: Path, other_server: str
) -> None:
    first, second, _ = sorted((backed_up / "lake").rglob("*.parquet"))
    first.write_bytes(first.read_bytes()[:-1] + b"X")
    second.unlink()
    there = elsewhere(other_server, tmp_path / "there")
    with pytest.raises(DataError, match=f"{first.name} is damaged.*{second.name} is missing"):
        restore_backup(there, backed_up, quietly)
    assert not there.home.exists()
    said = CliRunner().invoke(main, ["restore", "--check", str(backed_up)])
    assert said.exit_code == 1
    assert first.name in said.output.replace("\n", "")


def test_a_restore_overwrites_nothing(chosen: Settings, backed_up: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"is not empty, and a restore overwrites nothing"):
        restore_backup(chosen, backed_up, quietly)
    before = everything(chosen)
    with pytest.raises(WarehouseError, match=r"database .* is not empty"):
        restore_backup(chosen.model_copy(update={"home": tmp_path / "new"}), backed_up, quietly)
    assert everything(chosen) == before
    with pytest.raises(SettingsError, match="exists already"):
        back_up(chosen, backed_up, quietly)


def test_a_restore_that_did_not_end_is_no_system(chosen: Settings, backed_up: Path, tmp_path: Path) -> None:
    half = chosen.model_copy(update={"home": tmp_path / "half"})
    half.home.mkdir()
    (half.home / UNFINISHED).touch()
    with pytest.raises(WarehouseError, match="did not finish"):
        migrate(half)
    with pytest.raises(WarehouseError, match="did not finish"):
        restore_backup(half, backed_up, quietly)
    for command in (["backup", str(tmp_path / "b")], ["export", "hourly_stats"], ["status"], ["summary"], ["db-url"]):
        said = CliRunner().invoke(main, command, env={"ELECTION_METRICS_HOME": str(half.home)})
        assert said.exit_code == 1, command
        assert "did not finish" in said.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
@pytest.mark.parametrize("planted", ["folder", "link to a folder", "link as its lock"])
def test_what_another_user_put_in_the_way_is_not_written_into(chosen: Settings, tmp_path: Path, planted: str) -> None:
    work, precious = tmp_path / "night.unfinished", tmp_path / "precious"
    precious.write_text("of root")
    if planted == "link to a folder":
        (tmp_path / "theirs").mkdir(mode=0o777)
        work.symlink_to(tmp_path / "theirs")
    else:
        work.mkdir(mode=0o777)
        if planted == "folder":
            os.chown(work, 65534, 65534)
        else:
            (work / ".lock").symlink_to(precious)
    with pytest.raises(SettingsError, match=r"belongs to another user|nothing was backed up"):
        back_up(chosen, tmp_path / "night", quietly)
    assert precious.read_text() == "of root"
    assert not (tmp_path / "night").exists()


def test_a_lost_part_is_named_before_it_is_missed(chosen: Settings, tmp_path: Path) -> None:
    fill(chosen, Folder(tmp_path / "exports"))
    lost = next(chosen.lake_path.rglob("*.parquet"))
    lost.unlink()  # type: ignore[union-attr]
    with pytest.raises(DataError, match=f"{lost.name} is missing.*reland"):
        back_up(chosen, tmp_path / "backup", quietly)
    assert not list(tmp_path.glob("backup*"))


def test_a_backup_is_for_its_owner_and_holds_no_secret(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(chosen, Folder(tmp_path / "exports"))
    monkeypatch.setenv("ELECTION_METRICS_ALERT_WEBHOOK", "https://hooks.example/T0/hush")
    monkeypatch.setenv("ELECTION_METRICS_UI_URL", "https://anna:hush@example.org")
    settings.cache_clear()
    said = CliRunner().invoke(main, ["backup", "--link", str(tmp_path / "backup")])
    assert said.exit_code == 0, said.output
    assert "ELECTION_METRICS_ALERT_WEBHOOK" in said.output
    backup = tmp_path / "backup"
    assert backup.stat().st_mode & 0o777 == 0o700
    for path in backup.rglob("*"):
        if path.is_file() and path.suffix != ".parquet":
            assert path.stat().st_mode & 0o777 == 0o600, path
            assert b"hush" not in path.read_bytes(), path
    part = next((backup / "lake").rglob("*.parquet"))
    assert part.samefile(chosen.lake_path / part.relative_to(backup / "lake"))  # type: ignore[arg-type]
    close_engines()


@pytest.mark.parametrize(
    "revision", ["0001", *(pytest.param(f"{number:04}", marks=pytest.mark.long) for number in range(2, 14))]
)
def test_a_backup_of_before_the_first_release_is_left_alone(
    chosen: Settings, backed_up: Path, tmp_path: Path, revision: str
) -> None:
    manifest = backed_up / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace(release(), f"0.1.0/{revision}"), "utf-8")
    new = tmp_path / "new"
    with pytest.raises(WarehouseError, match=f"the backup is from before the first release .tables {revision};"):
        restore_backup(chosen.model_copy(update={"home": new}), backed_up, quietly)
    assert not new.exists()


def test_a_backup_of_a_later_release_is_left_alone(chosen: Settings, backed_up: Path, tmp_path: Path) -> None:
    manifest = backed_up / "manifest.json"
    manifest.write_text(manifest.read_text("utf-8").replace(release(), "9.0.0/9999"), "utf-8")
    with pytest.raises(DataError, match=r"taken by release 9\.0\.0/9999"):
        restore_backup(chosen.model_copy(update={"home": tmp_path / "new"}), backed_up, quietly)


@pytest.mark.filterwarnings("ignore")  # botocore's own
@pytest.mark.long
def test_a_lake_in_an_object_store_is_named_and_held_to_its_hashes(
    chosen: Settings, store: ObjectStore, tmp_path: Path, other_server: str
) -> None:
    away = chosen.model_copy(update={"lake": "s3://observatory/lake"})
    fill(away, Folder(tmp_path / "exports"), files=2)
    before = everything(away)
    made = back_up(away, tmp_path / "backup", quietly)
    assert not made.is_copied
    assert not (tmp_path / "backup" / "lake").exists()
    there = elsewhere(other_server, tmp_path / "there").model_copy(update={"lake": away.lake})
    restore_backup(there, tmp_path / "backup", quietly)
    assert everything(there) == before
    (away.lake_path / made.parts[0].path).write_bytes(b"other bytes")
    with pytest.raises(DataError, match="is damaged"):
        check_backup(there, tmp_path / "backup", quietly)


@pytest.mark.long
def test_an_owner_who_is_no_superuser_restores_too_and_is_told_what_is_left(
    chosen: Settings, backed_up: Path, tmp_path: Path, other_server: str
) -> None:
    with psycopg.connect(other_server, autocommit=True) as root:
        root.execute("CREATE ROLE keeper LOGIN CREATEDB")
    there = elsewhere(other_server.replace("postgres:@", "keeper:@"), tmp_path / "there")
    said: list[str] = []
    restore_backup(there, backed_up, quietly, said.append)
    assert everything(there) == everything(chosen)
    assert len(said) == 1
    assert "'keeper' is no superuser" in said[0]
