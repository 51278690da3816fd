"""Least privilege: what each database role must not be able to do, tried."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

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
        root.execute(f"DROP DATABASE {name} WITH (FORCE)")


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
