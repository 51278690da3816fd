"""Who comes first, on an empty HOME or to a database that is not there: it works, or one line says what to type."""

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from election_metrics.cli import main
from election_metrics.settings import Settings, settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.migrate import make_tables
from election_metrics.warehouse.release import release, revision_of
from election_metrics_tests.computing import rows

READING = [
    ["status"], ["summary"], ["conflicts"], ["maintain"], ["anomalies", "list"], ["anomalies", "show", "x"],
    ["anomalies", "rules"], ["export", "hourly_stats"], ["table", "check"], ["lake", "move", "there"], ["backup", "there"],
    ["compare", "a", "b"],
]  # fmt: skip


@pytest.fixture
def nowhere(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a database that is not there."""
    url = server.replace("/election_metrics?", f"/nowhere_{uuid.uuid4().hex[:8]}?")
    monkeypatch.setenv("ELECTION_METRICS_DATABASE_URL", url)
    monkeypatch.setenv("ELECTION_METRICS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    settings.cache_clear()
    yield url
    settings.cache_clear()


def is_there(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_command_that_only_reads_says_in_one_line_what_to_type(nowhere: str, command: list[str]) -> None:
    done = CliRunner().invoke(main, command)
    assert done.exit_code in (1, 2), done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert len(done.output.strip().splitlines()) <= 1 or "Usage:" in done.output, done.output
    if "Usage:" not in done.output:
        assert re.search(r"type: election-metrics migrate|ELECTION_METRICS_SOURCE_URL", done.output), done.output


def test_dagster_may_come_first(tmp_path: Path) -> None:
    """As in a fresh clone: no setting, no DAGSTER_HOME, nothing typed before."""
    others = {name: text for name, text in os.environ.items() if not name.startswith(("ELECTION_METRICS_", "DAGSTER_"))}
    command = [
        Path(sys.executable).parent / "dagster", "asset", "materialize", "-m", "election_metrics.definitions",
        "--select", "landed_files,elections,constituencies,raw_transactions,hourly_stats",
        "--partition", "2026-09-18-08:00",
    ]  # fmt: skip
    done = subprocess.run(
        command, check=False, env=others, cwd=tmp_path, capture_output=True, text=True, timeout=200,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Stack Trace" not in done.stdout + done.stderr
    assert (tmp_path / ".election-metrics" / "postgres").is_dir()


def test_tables_of_another_release_are_left_to_migrate(chosen: Settings) -> None:
    with transaction(chosen) as connection:
        connection.exec_driver_sql("UPDATE ingest.schema_version SET version_num = '0000_other'")
    with pytest.raises(Exception, match=r"is at 0000_other, and this is .*; type: election-metrics migrate"):
        make_tables(chosen)
    with transaction(chosen) as connection:
        connection.exec_driver_sql(f"UPDATE ingest.schema_version SET version_num = '{revision_of(release())}'")
    make_tables(chosen)
    assert rows(chosen, "SELECT * FROM metrics.elections").empty


def test_up_claims_home_before_it_touches_a_database(nowhere: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    code = "import sys, time; from pathlib import Path; from election_metrics.runtime.claim import claimed\n"
    code += "with claimed(Path(sys.argv[1])): print('mine', flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "mine\n"
            for command in (["up"], ["demo"]):
                done = CliRunner().invoke(main, command)
                assert (done.exit_code, f"in use by process {other.pid}" in done.output) == (1, True), done.output
        finally:
            other.kill()
    assert not is_there(nowhere)
