"""A warehouse with a small election, and the API served over it by a real server."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
import requests
import uvicorn

from election_metrics.api.app import create_app
from election_metrics.demo import demo_buckets
from election_metrics.replay import write_replay
from election_metrics.settings import Settings
from election_metrics_tests.computing import update
from election_metrics_tests.end_to_end.running import wait_for


@dataclass
class Api:
    """The served API."""

    settings: Settings
    address: str
    server: uvicorn.Server

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(f"{self.address}/api/v1{path}", headers=headers, timeout=20)

    def data(self, path: str) -> object:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


def serve(settings: Settings) -> Iterator[Api]:
    config = uvicorn.Config(create_app(settings), port=0, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for("the API", lambda: server.started, 20)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Api(settings, f"http://127.0.0.1:{port}", server)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def voted(chosen: Settings, tmp_path: Path) -> Settings:
    """Settings of a warehouse with two elections of twelve constituencies."""
    exports = tmp_path / "in"
    list(write_replay(demo_buckets(date(2026, 9, 20), 3_000, 12), exports, seed=5, faults=True))
    update(chosen, exports)
    return chosen


@pytest.fixture
def api(voted: Settings) -> Iterator[Api]:
    """The API over that warehouse."""
    yield from serve(voted)
