"""Prometheus reads the pipeline's own metrics, and learns as well that a database is away."""

import urllib.request
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from election_metrics.runtime.exporter import serve
from election_metrics.runtime.launch import run_update
from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.migrate import migrate
from election_metrics_tests.exports import HOUR, Folder, issue, ms, vote

pytestmark = pytest.mark.filterwarnings("ignore")


def scraped(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {
            f"{sample.name}{''.join(f' {value}' for value in sample.labels.values())}": sample.value
            for family in families
            for sample in family.samples
        }


def test_lag_queue_runs_rows_and_rejects_are_served(chosen: Settings, tmp_path: Path) -> None:
    migrate(chosen)
    Folder(tmp_path / "in").put(issue("i", ms(0)), vote("a", ms(1)), "garbage")
    chosen.home.mkdir(parents=True, exist_ok=True)
    with dg.instance_for_test() as instance:
        run_update(chosen, instance, HOUR, HOUR + timedelta(hours=1), "test", source=tmp_path / "in")
        port = free_port(9464)
        server = serve(chosen, instance, port, "127.0.0.1", lambda: {"daemon": 2})
        found = scraped(port)
        server.shutdown()
        server.server_close()
    expected = {"up": 1, "files_landed": 1, "rows_landed": 2, "lines_in_quarantine": 1, "hours_behind": 0,
                "runs_of_24_hours done": 1, "runs_of_24_hours failed": 0, "queue waits": 0, "starts daemon": 2,
                "problems": 0, "files_set_aside": 0}  # fmt: skip
    assert {name: found[f"election_metrics_{name}"] for name in expected} == expected
    assert found["election_metrics_dagster_bytes"] > 1_000_000


def test_a_database_that_is_away_is_a_metric_and_no_error(chosen: Settings, tmp_path: Path) -> None:
    away = read_settings(database_url="postgresql://nobody@127.0.0.1:1/nothing", home=tmp_path)
    with dg.instance_for_test() as instance:
        port = free_port(9464)
        server = serve(away, instance, port, "127.0.0.1", dict)
        assert scraped(port) == {"election_metrics_up": 0}
        server.shutdown()
        server.server_close()
