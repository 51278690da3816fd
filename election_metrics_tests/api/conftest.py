"""A warehouse with a small election, and the API served over it by a real server."""

import fcntl
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg
import pytest
import requests
import uvicorn

from election_metrics.api.app import create_app
from election_metrics.api.tokens import create_token
from election_metrics.demo import demo_buckets
from election_metrics.replay.tree import write_replay
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.database import close_engines
from election_metrics.warehouse.dumps import postgres_program
from election_metrics.web.patience import Patience
from election_metrics_tests.computing import update
from election_metrics_tests.end_to_end.running import wait_for
from election_metrics_tests.exports import CONTRACT, Folder, line, ms, vote


@dataclass
class Api:
    """The served API."""

    settings: Settings
    address: str
    server: uvicorn.Server

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.ask("GET", path, **headers)

    def ask(self, method: str, path: str, said: object = None, **headers: str) -> requests.Response:
        return requests.request(method, f"{self.address}/api/v1{path}", json=said, headers=headers, timeout=20)

    def data(self, path: str) -> object:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


def serve(settings: Settings) -> Iterator[Api]:
    often = dict.fromkeys(("api_read_rate", "api_write_rate"), "100000/second")
    unset = {name: rate for name, rate in often.items() if name not in settings.model_fields_set}
    config = uvicorn.Config(
        create_app(settings.model_copy(update=unset)),
        port=0,
        log_level="warning",
        timeout_graceful_shutdown=1,
        http=Patience,
    )
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


@pytest.fixture(scope="session")
def voted_lake(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lake of the database `voted`, which holds two elections of twelve constituencies; both are to be copied.

    The first worker of a session computes them, the others read its dump into their own servers.
    """
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "voted"
    folder.mkdir(exist_ok=True)
    url = server.replace("/election_metrics?", "/voted?")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "dump").exists():
            _create_voted(server, "template0")
            _postgres("pg_restore", "--dbname", url, folder / "dump")
        else:
            _create_voted(server, "election_metrics")
            _compute_voted(folder, url)
            _postgres("pg_dump", "--format", "custom", "--file", folder / "unfinished", url)
            (folder / "unfinished").rename(folder / "dump")
    return folder / "home" / "lake"


def _create_voted(server: str, template: str) -> None:
    with psycopg.connect(server.replace("/election_metrics?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE voted TEMPLATE {template}")


def _postgres(program: str, *arguments: str | Path) -> None:
    subprocess.run([postgres_program(program, at_least=18), *arguments], check=True)


def _compute_voted(folder: Path, url: str) -> None:
    list(write_replay(demo_buckets(date(2026, 9, 20), 3_000, 12), folder / "in", seed=5, faults=True))
    # A constituency of one of them with votes and no bulletin: something to find.
    (place,) = (folder / "in").glob("39 - */*Думы*")
    Folder(place / "Округ №99" / CONTRACT).put(
        line("register", ms(0), "addVotersList", votersCount=10), *[vote(f"v{n}", ms(n)) for n in range(4)]
    )
    update(read_settings(home=folder / "home", database_url=url), folder / "in")
    close_engines()


@pytest.fixture
def voted(voted_lake: Path, chosen: Settings) -> Settings:
    """Settings of a warehouse with two elections of twelve constituencies."""
    shutil.copytree(voted_lake, chosen.lake_path)
    return chosen


@pytest.fixture
def api(voted: Settings) -> Iterator[Api]:
    """The API over that warehouse."""
    yield from serve(voted)


@pytest.fixture
def operator(api: Api) -> dict[str, str]:
    """Headers with a token that may operate."""
    return bearer(create_token(api.settings, "anna", ["operate"], "test"))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
