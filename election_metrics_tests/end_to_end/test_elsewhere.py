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
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from election_metrics.api.refresh import ask_for_run
from election_metrics.assets.op_tags import FRAMES, SCANS
from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import Settings
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.server import dagster_url
from election_metrics_tests import chart
from election_metrics_tests.computing import rows
from election_metrics_tests.end_to_end.running import FULL, Up, wait_for
from election_metrics_tests.exports import Folder, ms, vote
from election_metrics_tests.redis_server import redis_server

DEPLOY = Path(__file__).parents[2] / "deploy"
PROGRAMS = Path(sys.executable).parent
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.long]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    with redis_server(tmp_path, 6490) as url:
        yield url


@pytest.mark.parametrize("what", ["run", "step"] if FULL else ["step"])
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
    return up.environment | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}"}


class Cluster(ThreadingHTTPServer):
    """Takes Jobs as Kubernetes' API does, and starts the command of each one's container."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ResponseCache)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment: dict[str, str] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def start(self, job: dict[str, Any]) -> None:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        command = [*container.get("command", []), *container["args"]]
        self.jobs[job["metadata"]["name"]] = job
        given = {one["name"]: one["value"] for one in container["env"] if one.get("value") is not None}
        environment = given | self.environment  # where DAGSTER_HOME is mounted is for us to say
        self.processes[job["metadata"]["name"]] = subprocess.Popen(command, env=environment)

    def status(self, name: str) -> dict[str, int]:
        ended = self.processes[name].poll()
        return {"active": 1} if ended is None else {"succeeded": 1} if ended == 0 else {"failed": 1}


class ResponseCache(BaseHTTPRequestHandler):
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


def kubeconfig_for(cluster: Cluster, folder: Path) -> dict[str, object]:
    """What the launcher is told where the other side of Kubernetes' API is `cluster`."""
    here = {"name": "here", "cluster": {"server": f"http://127.0.0.1:{cluster.server_port}"}}
    context = {"name": "here", "context": {"cluster": "here", "user": "me"}}
    users = [{"name": "me", "user": {}}]
    said = {"clusters": [here], "contexts": [context], "users": users, "current-context": "here"}
    (folder / "kubeconfig").write_text(yaml.safe_dump(said), "utf-8")
    return {"load_incluster_config": False, "kubeconfig_file": str(folder / "kubeconfig")}


@pytest.mark.parametrize("what", ["run", "step"] if FULL else ["run"])
def test_what_pods_do_is_what_comes_out(chosen: Settings, tmp_path: Path, what: str) -> None:
    assert chosen.database_url is not None
    settings = chosen.model_copy(update={"source": str(tmp_path / "in")})
    cluster = Cluster()
    home = tmp_path / "dagster"
    home.mkdir()
    instance = yaml.safe_load((DEPLOY / "kubernetes" / "dagster.yaml").read_text("utf-8"))
    instance["run_launcher"]["config"] |= kubeconfig_for(cluster, home)
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance), "utf-8")
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


@pytest.mark.skipif(not FULL, reason="set E2E=full")
def test_in_dagsters_own_chart_the_code_location_is_one_among_others(chosen: Settings, tmp_path: Path) -> None:
    assert chosen.database_url is not None
    settings = chosen.model_copy(update={"source": str(tmp_path / "in")})
    migrate(settings)
    cluster, home, port, web = Cluster(), tmp_path / "dagster", free_port(3030), free_port(3400)
    home.mkdir()
    (location,) = chart.VALUES["dagster-user-deployments"]["deployments"]
    database = dagster_url(settings)
    values = {
        **chart.VALUES,
        "postgresql": {
            **chart.VALUES["postgresql"],
            "postgresqlHost": "localhost", "postgresqlParams": dict(database.query),  # a socket
            "postgresqlUsername": database.username, "postgresqlDatabase": database.database,
        },
    }  # fmt: skip
    instance = chart.instance(values)
    instance["run_launcher"]["config"] |= kubeconfig_for(cluster, home)
    (home / "dagster.yaml").write_text(yaml.safe_dump(instance), "utf-8")
    workspace = {"grpc_server": {"host": "127.0.0.1", "port": port, "location_name": location["name"]}}
    (home / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [workspace]}), "utf-8")
    environment = {
        **os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", "DAGSTER_HOME": str(home),
        "DAGSTER_PG_PASSWORD": database.password or "", "DAGSTER_CURRENT_IMAGE": "election-metrics:0.1.0",
        "DAGSTER_CLI_API_GRPC_CONTAINER_CONTEXT": json.dumps(chart.container_context(location)),
        "ELECTION_METRICS_DATABASE_URL": chosen.database_url.get_secret_value(),
        "ELECTION_METRICS_HOME": str(settings.home), "ELECTION_METRICS_SOURCE": str(settings.source_path),
    }  # fmt: skip
    cluster.environment = environment
    Folder(settings.source_path).put(vote("a", ms(1)), vote("b", ms(2)))
    commands = (
        ["dagster", "api", "grpc", "-h", "127.0.0.1", "-p", str(port), *location["dagsterApiGrpcArgs"]],
        ["dagster-webserver", "-h", "127.0.0.1", "-p", str(web), "-w", str(home / "workspace.yaml")],
        ["dagster-daemon", "run", "-w", str(home / "workspace.yaml")],
    )
    with (tmp_path / "parts.out").open("wb") as output:
        parts = [subprocess.Popen(one, env=environment, stdout=output, stderr=output, cwd=home) for one in commands]
    up = Up(settings, web)
    try:
        wait_for("a run", lambda: up.dagster("SELECT run_id FROM runs WHERE status = 'SUCCESS'"), 200)
        assert rows(settings, "SELECT sum(votes_cast)::int AS n FROM metrics.hourly_stats")["n"].tolist() == [2]
        asking = settings.model_copy(update={"api_webserver": f"http://127.0.0.1:{web}"})
        hour = datetime(2026, 9, 18, 8, tzinfo=UTC)
        assert up.end_of(ask_for_run(asking, hour, hour, "operator").run_id) == "SUCCESS"
    finally:
        for part in parts:
            part.terminate()
        for part in parts:
            part.wait(60)
        cluster.shutdown()
    for job in cluster.jobs.values():
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["image"] == "election-metrics:0.1.0"
        assert container["resources"] == SCANS["dagster-k8s/config"]["container_config"]["resources"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert pod["securityContext"]["runAsNonRoot"]
        assert {"secretRef": {"name": "election-metrics"}} in container["envFrom"]
