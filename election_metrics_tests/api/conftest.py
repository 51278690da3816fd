"""A warehouse with a small election, and the API served over it by a real server."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import psycopg
import pytest
import requests
import uvicorn
from sqlalchemy.engine import make_url

from election_metrics.api.app import create_app
from election_metrics.api.tokens import create_token
from election_metrics.demo import demo_buckets
from election_metrics.replay import write_replay
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.database import close_engines
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
def template(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lake of the database `voted`, which holds two elections of twelve constituencies; both are to be copied."""
    folder = tmp_path_factory.mktemp("voted")
    with psycopg.connect(server.replace("/election_metrics?", "/postgres?"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE voted TEMPLATE election_metrics")
    url = server.replace("/election_metrics?", "/voted?")
    list(write_replay(demo_buckets(date(2026, 9, 20), 3_000, 12), folder / "in", seed=5, faults=True))
    # A constituency of one of them with votes and no bulletin: something to find.
    (place,) = (folder / "in").glob("39 - */*Думы*")
    Folder(place / "Округ №99" / CONTRACT).put(
        line("register", ms(0), "addVotersList", votersCount=10), *[vote(f"v{n}", ms(n)) for n in range(4)]
    )
    update(read_settings(home=folder / "home", database_url=url), folder / "in")
    close_engines()
    return folder / "home" / "lake"


@pytest.fixture
def voted(template: Path, chosen: Settings, server: str) -> Settings:
    """Settings of a warehouse with two elections of twelve constituencies."""
    name = make_url(chosen.database_url.get_secret_value()).database
    with psycopg.connect(server.replace("/election_metrics?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name}")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE voted")
    shutil.copytree(template, chosen.lake_path)
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
