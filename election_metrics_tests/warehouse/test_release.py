"""Two releases never work on one system at once: the newer one says what to type."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from election_metrics.cli import main
from election_metrics.errors import WarehouseError
from election_metrics.runtime.claim import claimed
from election_metrics.settings import Settings
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.release import application_name, claim_text, claimant, release
from election_metrics.warehouse.server import plain_url, warehouse_url
from election_metrics_tests.computing import rows


@pytest.fixture
def older_up(chosen: Settings) -> Iterator[int]:
    """The claim of an `up` of another release, and its process."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        time.sleep(0.2)
        chosen.home.mkdir()
        (chosen.home / ".up.lock").write_text(f"{process.pid}\n0.0.9/0001\n")
        yield process.pid
        process.kill()


@pytest.mark.parametrize("command", [["migrate"], ["status"], ["anomalies", "list"], ["maintain"], ["up"]])
def test_a_newer_command_beside_an_older_up_is_refused(chosen: Settings, older_up: int, command: list[str]) -> None:
    said = CliRunner().invoke(main, command)
    assert said.exit_code == 1
    assert f"release 0.0.9/0001 (process {older_up}), and this is {release()}" in said.output
    assert "type: election-metrics migrate" in said.output


def test_help_is_given_all_the_same(older_up: int) -> None:
    assert CliRunner().invoke(main, ["status", "--help"]).exit_code == 0


def test_the_claim_of_an_up_that_has_ended_or_is_of_this_release_is_in_nobodys_way(
    chosen: Settings, older_up: int
) -> None:
    claim = chosen.home / ".up.lock"
    claim.write_text(claim_text(os.getpid()))
    assert CliRunner().invoke(main, ["anomalies", "list"]).exit_code == 0
    claim.write_text("999999999\n0.0.9/0001\n")
    assert CliRunner().invoke(main, ["anomalies", "list"]).exit_code == 0
    claim.write_text(f"{os.getpid()}\n0.0.9/0001\n")
    os.utime(claim, (1, 1))  # written before this process began: its number is used again
    assert CliRunner().invoke(main, ["anomalies", "list"]).exit_code == 0


def test_up_writes_its_release_into_its_claim(chosen: Settings) -> None:
    with claimed(chosen.home):
        assert claimant(chosen.home) == (os.getpid(), release())


def test_tables_do_not_change_under_processes_of_another_release(chosen: Settings) -> None:
    url = plain_url(warehouse_url(chosen))
    with psycopg.connect(url, application_name="election-metrics 0.0.9/0001"):
        with pytest.raises(WarehouseError, match=r"1 of 0\.0\.9/0001.*stop it"):
            migrate(chosen, "base")
        assert len(rows(chosen, "SELECT version_num FROM ingest.schema_version")) == 1
        migrate(chosen)  # nothing changes
    with psycopg.connect(url, application_name=application_name()):
        migrate(chosen, "base")


def test_the_release_names_the_newest_tables() -> None:
    versions = Path(__file__).parents[2] / "election_metrics" / "warehouse" / "migrations" / "versions"
    assert (versions / next(versions.glob(f"{release().partition('/')[2]}.py"))).exists()
