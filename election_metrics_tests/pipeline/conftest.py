"""A table in another database, and settings that name it; settings with warehouses of their own."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from election_metrics.settings import Settings, read_settings
from election_metrics_tests.conftest import empty_warehouse
from election_metrics_tests.tables import MAPPING, Ballots


@pytest.fixture(params=["postgresql", pytest.param("sqlite", marks=pytest.mark.long)])
def ballots(request: pytest.FixtureRequest, server: str, tmp_path: Path) -> Iterator[Ballots]:
    """An empty table in a database of its own."""
    if request.param == "sqlite":
        yield Ballots(f"sqlite:///{tmp_path}/votes.db")
        return
    name = f"votes_{os.getpid()}_{abs(hash(request.node.name)) % 10**8}"
    with psycopg.connect(server.replace("/election_metrics?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        url = server.replace("/election_metrics?", f"/{name}?").replace("postgresql:", "postgresql+psycopg:", 1)
        made = Ballots(url)
        yield made
        made.engine.dispose()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def mapped(chosen: Settings, ballots: Ballots, tmp_path: Path) -> Settings:
    """Settings that name the table."""
    mapping = tmp_path / "ballots.toml"
    mapping.write_text(MAPPING, "utf-8")
    url = ballots.engine.url.render_as_string(hide_password=False)
    return read_settings(source_url=url, source_table=mapping)


@pytest.fixture
def make_settings(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Settings]]:
    """Makes settings with an empty warehouse of their own."""
    with ExitStack() as stack:

        def made(name: str, **others: Any) -> Settings:
            home = tmp_path_factory.mktemp(name) / "home"
            return stack.enter_context(empty_warehouse(server, home)).model_copy(update=others)

        yield made
