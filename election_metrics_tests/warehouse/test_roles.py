"""Least privilege: what each database role must not be able to do, tried."""

import contextlib
import uuid
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy.engine import make_url

from election_metrics.settings import read_settings
from election_metrics.warehouse.database import close_engines
from election_metrics.warehouse.migrate import migrate

FORBIDDEN = {
    "hold our locks": "SELECT pg_advisory_lock(1)",
    "hold our locks for a transaction": "SELECT pg_advisory_xact_lock(1)",
    "try our locks": "SELECT pg_try_advisory_lock(1)",
    "fill the disk with large objects": "SELECT lo_from_bytea(0, 'x')",
    "fill the disk with temporary tables": "CREATE TEMP TABLE mine (n int)",
    "make tables": "CREATE TABLE public.mine (n int)",
    "make tables among ours": "CREATE TABLE metrics.mine (n int)",
    "write figures": "DELETE FROM metrics.hourly_stats",
    "write the ledger": "UPDATE ingest.transaction_files SET lines = 0",
    "forget the audit": "DELETE FROM ingest.audit_log",
    "read files": "SELECT pg_read_file('/etc/passwd')",
    "run programs": "COPY metrics.elections TO PROGRAM 'cat'",
    "write files": "COPY metrics.elections TO '/tmp/x'",
}
OF_THE_READER = {
    "read the ledger": "SELECT * FROM ingest.transaction_files",
    "read the audit": "SELECT * FROM ingest.audit_log",
    "write what people own": "DELETE FROM metrics.anomaly_thresholds",
    "write reference data": "DELETE FROM metrics.constituency_reference",
    "settle findings": "UPDATE metrics.anomalies SET state = 'resolved'",
}


@pytest.fixture(scope="module")
def url(server: str) -> Iterator[str]:
    """A database that was migrated, not copied: rights on a database are not copied with it."""
    name = f"roles_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.replace("/election_metrics?", "/postgres?"), autocommit=True) as root:
        root.execute(f"CREATE DATABASE {name}")
        made = server.replace("/election_metrics?", f"/{name}?")
        migrate(read_settings(database_url=made))
        close_engines()
        yield made
        for database in (name, f"{name}_dagster"):
            root.execute(f"DROP DATABASE {database} WITH (FORCE)")


@pytest.fixture
def login(url: str) -> Iterator[str]:
    """URL of a login of a BI tool's, made by hand as docs/deploy.md says."""
    name = f"bi_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as root:
        root.execute(f"CREATE ROLE {name} LOGIN IN ROLE election_metrics_reader")
        migrate(read_settings(database_url=url))
        close_engines()
        yield url.replace("postgres:@", f"{name}:@")
        root.execute(f"DROP ROLE {name}")


def test_a_reader_cannot_take_every_connection(url: str, login: str) -> None:
    with contextlib.ExitStack() as held:
        for _ in range(20):
            held.enter_context(psycopg.connect(login))
        with pytest.raises(psycopg.OperationalError, match="too many connections for role"):
            psycopg.connect(login)
        psycopg.connect(url).close()


def test_a_reader_does_not_ask_for_ever_nor_sit_on_a_transaction(login: str) -> None:
    with psycopg.connect(login) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("5min",)
        assert connection.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("1min",)


def test_a_limit_that_somebody_set_stays(url: str, login: str) -> None:
    name = make_url(login).username
    with psycopg.connect(url, autocommit=True) as root:
        root.execute(f"ALTER ROLE {name} CONNECTION LIMIT 3")
        root.execute(f"ALTER ROLE {name} SET statement_timeout = '1h'")
        migrate(read_settings(database_url=url))
        assert root.execute("SELECT rolconnlimit FROM pg_roles WHERE rolname = %s", [name]).fetchone() == (3,)
    with psycopg.connect(login) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("1h",)


def test_a_reader_comes_into_one_database_only(server: str, url: str, login: str) -> None:
    psycopg.connect(login).close()
    database = make_url(login).database
    for other in (f"{database}_dagster", "postgres", "template1", "election_metrics_dagster"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(login.replace(f"/{database}?", f"/{other}?"))


def test_every_migrate_makes_good_what_a_restore_or_a_hand_took_away(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as root:
        root.execute(
            "REVOKE ALL ON ALL TABLES IN SCHEMA metrics, ingest FROM election_metrics_api, election_metrics_reader"
        )
        root.execute("REVOKE ALL ON SCHEMA metrics, ingest FROM election_metrics_api, election_metrics_reader")
        root.execute("GRANT EXECUTE ON FUNCTION pg_advisory_lock(bigint) TO PUBLIC")
        root.execute(f"GRANT TEMPORARY ON DATABASE {make_url(url).database} TO PUBLIC")
        said: list[str] = []
        migrate(read_settings(database_url=url), tell=said.append)
        assert not said
        for role in ("election_metrics_reader", "election_metrics_api"):
            test_a_role_does_what_it_must(url, role)
        for query in (FORBIDDEN["hold our locks"], FORBIDDEN["fill the disk with temporary tables"]):
            test_a_role_does_no_more_than_it_must(url, "election_metrics_reader", query)


@pytest.mark.parametrize(
    ("role", "query"),
    [
        *(pytest.param("election_metrics_reader", query, id=f"reader must not {what}")
          for what, query in (FORBIDDEN | OF_THE_READER).items()),
        *(pytest.param("election_metrics_api", query, id=f"API must not {what}")
          for what, query in FORBIDDEN.items() if "our locks" not in what or "try" in what),
    ],
)  # fmt: skip
def test_a_role_does_no_more_than_it_must(url: str, role: str, query: str) -> None:
    with (
        psycopg.connect(url, autocommit=True, options=f"-c role={role}") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(query)


@pytest.mark.parametrize("role", ["election_metrics_reader", "election_metrics_api"])
def test_a_role_does_what_it_must(url: str, role: str) -> None:
    with psycopg.connect(url, autocommit=True, options=f"-c role={role}") as connection:
        connection.execute("SELECT * FROM metrics.election_current")
        if role == "election_metrics_api":
            connection.execute("SELECT pg_advisory_xact_lock(1)")
            connection.execute("DELETE FROM metrics.anomaly_thresholds")


def test_the_owner_goes_on_as_before(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(1)")
        connection.execute("CREATE TEMP TABLE mine (n int)")
