"""The API's connections have a role that can do little, and where that cannot be, it says so and works."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from election_metrics.api.app import with_own_role
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.database import close_engines, lock, transaction
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.server import dagster_url, plain_url, warehouse_url
from election_metrics_tests.api.conftest import serve

SAID: list[str] = []


@pytest.fixture
def owned(server: str) -> Iterator[tuple[Settings, psycopg.Connection[tuple[object, ...]]]]:
    """A database whose owner is no superuser."""
    with psycopg.connect(server.replace("/election_metrics?", "/postgres?"), autocommit=True) as root:
        root.execute("CREATE ROLE plain_owner LOGIN CREATEDB")
        for name in ("owned", "owned_dagster"):
            root.execute(f"CREATE DATABASE {name} OWNER plain_owner")
        url = server.replace("/election_metrics?", "/owned?").replace("postgres:@", "plain_owner:@")
        settings = read_settings(database_url=url)
        migrate(settings, tell=SAID.append)
        yield settings, root
        close_engines()
        SAID.clear()
        for name in ("owned", "owned_dagster"):
            root.execute(f"DROP DATABASE {name} WITH (FORCE)")
        root.execute("DROP ROLE plain_owner")


def user(settings: Settings) -> str:
    with transaction(settings) as connection:
        return str(connection.execute(sa.text("SELECT current_user")).scalar_one())


def test_an_owner_who_may_take_on_the_role_does(
    owned: tuple[Settings, psycopg.Connection[tuple[object, ...]]],
) -> None:
    settings, root = owned
    root.execute("GRANT election_metrics_api TO plain_owner")
    assert user(with_own_role(settings)) == "election_metrics_api"
    root.execute("REVOKE election_metrics_api FROM plain_owner")


def test_what_the_owner_may_not_a_superuser_does_by_the_statements_of_the_docs(
    owned: tuple[Settings, psycopg.Connection[tuple[object, ...]]],
) -> None:
    settings, _ = owned
    page = (Path(__file__).parents[2] / "docs" / "security.md").read_text("utf-8")
    shown = next(block for block in re.findall(r"```\n(.*?)```", page, re.DOTALL) if "DO $$" in block)
    # The session's server has the roles.
    statements = re.sub(r"CREATE ROLE (\w+) NOLOGIN", r"ALTER ROLE \1", shown).replace("observatory", "plain_owner")
    block = statements[statements.index("DO $$") :]
    for url, typed in ((warehouse_url(settings), statements), (dagster_url(settings), block)):
        with psycopg.connect(plain_url(url.set(username="postgres")), autocommit=True) as root:
            root.execute(typed)
    SAID.clear()
    migrate(settings, tell=SAID.append)
    assert not SAID
    with_own = with_own_role(settings)
    with transaction(with_own) as connection:
        lock(connection, "anomalies")


def test_an_owner_who_may_not_is_told_and_the_api_works(
    owned: tuple[Settings, psycopg.Connection[tuple[object, ...]]], caplog: pytest.LogCaptureFixture
) -> None:
    settings, _ = owned
    assert len(SAID) == 1, "one sentence"
    assert "'plain_owner' is no superuser: every role may take our locks and make large objects" in SAID[0]
    assert "temporary" not in SAID[0]  # that, an owner may take away
    with caplog.at_level(logging.WARNING, "election_metrics.api"):
        assert user(with_own_role(settings)) == "plain_owner"
    assert "GRANT election_metrics_api TO" in caplog.text
    for api in serve(settings):
        assert api.get("/elections").status_code == 200
