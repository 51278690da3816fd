"""No token, password or URL with a password is in any log, error, page or answer."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import requests

from election_metrics.api.tokens import create_token
from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import Settings
from election_metrics_tests.api.conftest import bearer
from election_metrics_tests.end_to_end.running import wait_for

PLANTED = {
    "ELECTION_METRICS_DAGSTER_DATABASE_URL": "postgresql://me:planted-dagster@127.0.0.1:1/dagster",
    "ELECTION_METRICS_CACHE_URL": "redis://:planted-redis@127.0.0.1:1/0",
    "ELECTION_METRICS_SMTP_URL": "smtp://me:planted-mail@127.0.0.1:1",
    "ELECTION_METRICS_ALERT_WEBHOOK": "http://127.0.0.1:1/planted-hook",
}


@pytest.mark.parametrize("is_away", [False, True], ids=["database there", "database away"])
def test_planted_secrets_are_nowhere(voted: Settings, tmp_path: Path, is_away: bool) -> None:
    token = create_token(voted, "anna", ["operate"], "test")
    url = os.environ["ELECTION_METRICS_DATABASE_URL"].replace("postgres:@", "postgres:planted-database@")
    if is_away:
        url = "postgresql://me:planted-database@127.0.0.1:1/none"
    assert "planted-database" in url
    port = free_port(8431)
    log = tmp_path / "log"
    with log.open("wb") as output:
        api = subprocess.Popen(
            [sys.executable, "-m", "election_metrics.api.serve", "127.0.0.1", str(port)], stdout=output, stderr=output,
            env={**os.environ, **PLANTED, "ELECTION_METRICS_DATABASE_URL": url, "ELECTION_METRICS_API_DATABASE_URL": url},
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for("the API", lambda: requests.get(f"{address}/api/v1/health", timeout=2).status_code == 200, 30)
        described = requests.get(f"{address}/api/v1/openapi.json", timeout=20)
        said = described.text
        for path, ways in described.json()["paths"].items():
            for method in ways:
                if path != "/api/v1/live":  # it never ends
                    filled = path.replace("{", "").replace("}", "")
                    answer = requests.request(method, address + filled, json={}, headers=bearer(token), timeout=30)
                    said += answer.text + str(answer.headers)
        for path in ("/", "/docs", "/metrics", "/files/scripts/main.js", f"/api/v1/elections?x={token}"):
            answer = requests.get(address + path, timeout=30)
            said += answer.text + str(answer.headers)
        said += requests.get(f"{address}/api/v1/elections", headers=bearer("em_planted-wrong"), timeout=30).text
        time.sleep(0.2)
    finally:
        api.terminate()
        api.wait(20)
    said += log.read_text("utf-8")
    if not is_away:
        with psycopg.connect(os.environ["ELECTION_METRICS_DATABASE_URL"]) as connection:
            said += str(connection.execute("SELECT * FROM ingest.audit_log").fetchall())
    assert len(said) > 50_000
    assert "planted" not in said
    assert token not in said
