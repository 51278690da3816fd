"""Dagster's storage keeps a connection, instead of one for each statement."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from election_metrics.runtime.launch import open_instance, run_update
from election_metrics.settings import Settings
from election_metrics.warehouse.server import dagster_url, plain_url
from election_metrics_tests.end_to_end.running import wait_for
from election_metrics_tests.exports import HOUR, Folder, ms, vote

pytestmark = pytest.mark.filterwarnings("ignore")
CONNECTED = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def instance(chosen: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE", "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS",
                 "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS"):  # fmt: skip
        monkeypatch.setenv(name, "")  # what opening it sets goes with the test
        monkeypatch.delenv(name)
    with open_instance(chosen) as opened:
        yield opened


def asked(settings: Settings, query: str) -> list[tuple[int]]:
    with psycopg.connect(plain_url(dagster_url(settings)), autocommit=True) as connection:
        return connection.execute(query).fetchall()


def test_a_run_connects_a_few_times(chosen: Settings, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    sessions = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
    instance.get_runs_count()
    ((before,),) = asked(chosen, sessions)
    source = chosen.model_copy(update={"source": tmp_path / "in"})
    assert run_update(source, instance, HOUR, HOUR, "test").success
    ((after,),) = asked(chosen, sessions)
    assert after - before < 50, "one for each statement"


def test_a_connection_that_the_server_closed_is_opened_again(chosen: Settings, instance: dg.DagsterInstance) -> None:
    assert instance.get_runs_count() == 0
    assert asked(chosen, CONNECTED)
    asked(chosen, CONNECTED.replace("SELECT pid", "SELECT pg_terminate_backend(pid)"))
    assert instance.get_runs_count() == 0


def test_nothing_stays_connected_when_the_instance_is_closed(chosen: Settings) -> None:
    with open_instance(chosen) as opened:
        assert opened.get_runs_count() == 0
        assert asked(chosen, CONNECTED)
    wait_for("the end of the connection", lambda: asked(chosen, CONNECTED) == [])
