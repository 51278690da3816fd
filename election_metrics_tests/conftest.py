"""A real PostgreSQL for every test: one embedded server a session, a database of its own a test."""

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import psycopg
import pytest

from election_metrics.settings import Settings, read_settings, settings
from election_metrics.warehouse.database import close_engines
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.server import plain_url, warehouse_url
from election_metrics_tests.quiet import pytest_runtest_protocol  # noqa: F401 a hook

if TYPE_CHECKING:
    from election_metrics_tests.objects import ObjectStore

_numbers = itertools.count(1)
ROOT = Path(__file__).parent
_LONGEST = (
    "end_to_end/test_database_away.py", "end_to_end/test_three_days.py", "pipeline/test_table_source.py",
    "pipeline/test_table_commits.py", "pipeline/test_table_values.py", "faults/test_schedules.py",
    "pipeline/test_combinations.py", "api/page/test_page.py", "api/page/test_every_reader.py",
    "api/page/test_figures.py", "end_to_end/test_runbook.py", "pipeline/test_one_rule.py",
    "end_to_end/test_dagster_commands.py", "end_to_end/test_elsewhere.py", "pipeline/test_landing_order.py",
    "pipeline/test_landing.py", "test_cli.py", "pipeline/test_publication.py", "end_to_end/test_refresh.py",
    "end_to_end/test_watching.py",
)  # fmt: skip
"""Files that begin first, so that no worker is left with one of them when the others have ended."""
# No test is timed: a busy machine fails nothing.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files first; without the long tests, unless a marker or a file chooses them."""
    first = {ROOT / name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: first.get(item.path, len(first)))
    if config.option.markexpr or config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Each test starts with the usual one: commands that run in this process make theirs stricter, for good."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def home_of_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HOME of the session's server."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def server(home_of_server: Path) -> str:
    """URL pattern of the session's server; its database `election_metrics` is migrated and serves as a template."""
    for name in [name for name in os.environ if name.startswith("ELECTION_METRICS_")]:
        del os.environ[name]
    os.environ["ELECTION_METRICS_TIME_ZONE"] = "Europe/Moscow"  # chosen, so that it is no finding
    chosen = read_settings(home=home_of_server)
    migrate(chosen)
    close_engines()
    url = plain_url(warehouse_url(chosen))
    with psycopg.connect(url, autocommit=True) as connection:
        # Only processes die in tests, never the machine: what a commit wrote is safe without it.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("ALTER SYSTEM SET full_page_writes = off")  # half of what a new database costs
        connection.execute("SELECT pg_reload_conf()")
    return url


@contextlib.contextmanager
def empty_warehouse(server: str, home: Path, template: str = "election_metrics") -> Iterator[Settings]:
    """Settings with an empty, migrated warehouse (or a copy of another database), and a lake of their own."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.replace("/election_metrics?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield read_settings(home=home, database_url=server.replace("/election_metrics?", f"/{name}?"))
        finally:
            close_engines()
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def chosen(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Settings]:
    """Settings with an empty, migrated warehouse and a lake of this test's own; the environment says the same.

    For tests of the API, the warehouse is a copy of the one that `voted_lake` has made.
    """
    template = "voted" if "voted_lake" in request.fixturenames else "election_metrics"
    with empty_warehouse(server, tmp_path / "home", template) as made:
        assert made.database_url is not None
        monkeypatch.setenv("ELECTION_METRICS_DATABASE_URL", made.database_url.get_secret_value())
        monkeypatch.setenv("ELECTION_METRICS_HOME", str(made.home))
        monkeypatch.delenv("DAGSTER_HOME", raising=False)
        settings.cache_clear()
        yield read_settings()
        settings.cache_clear()


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> "Iterator[ObjectStore]":
    """An S3 server of this test's own, with a bucket `observatory`."""
    import s3fs

    from election_metrics_tests.objects import object_store

    with object_store() as (made, url):
        for name, value in {
            "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y",
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "3",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        yield made
