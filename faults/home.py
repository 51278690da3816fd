"""A PostgreSQL server for many schedules in sequence, each with a separate warehouse and lake."""

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
from sqlalchemy.engine import make_url

from election_metrics.runtime.launch import open_instance
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.database import close_engines
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.server import plain_url, revive, warehouse_url


class Server:
    """The embedded server of one worker, with migrated databases that serve as templates for every schedule."""

    def __init__(self, root: Path) -> None:
        """Starts the server; forked processes without root privileges reach it through a socket in a separate folder."""
        self.root = root
        self.template = read_settings(home=root / "server", database_url=None)
        migrate(self.template)
        with open_instance(self.template):
            pass
        url = make_url(plain_url(warehouse_url(self.template)))
        close_engines()
        self._socket = Path(str(url.query["host"])) / ".s.PGSQL.5432"
        self._open = root / "socket"
        self._open.mkdir()
        self._url = url.set(query={"host": str(self._open)})
        with psycopg.connect(plain_url(url), autocommit=True) as connection:
            # Only processes are killed here, never the machine, so fsync is not needed.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("ALTER SYSTEM SET full_page_writes = off")
            connection.execute("SELECT pg_reload_conf()")
        self._link()

    def _link(self) -> None:
        link = self._open / ".s.PGSQL.5432"
        link.unlink(missing_ok=True)
        os.link(self._socket, link)
        link.chmod(0o777)  # peer authentication still reports root

    def url(self, database: str) -> str:
        """URL of a database."""
        return plain_url(self._url.set(database=database))

    def make(self, name: str, source: Path, batch_bytes: int = 2**30) -> Settings:
        """Creates an empty, migrated warehouse with this name, and a lake."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for mine, theirs in ((name, "election_metrics"), (f"{name}_dagster", "election_metrics_dagster")):
                connection.execute(f"CREATE DATABASE {mine} TEMPLATE {theirs}")
        return read_settings(
            home=self.root / name, source=source, database_url=self.url(name), memory_limit="400MB", threads=1,
            compact_after_parts=2, batch_bytes=batch_bytes, reference=None,
        )  # fmt: skip

    def drop(self, name: str) -> None:
        """Removes both databases of this name."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for database in (name, f"{name}_dagster"):
                connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def pid(self) -> int:
        """Process id of the server."""
        return int((self.template.home / "postgres" / "postmaster.pid").read_text().split("\n")[0])

    def revive(self) -> None:
        """Restarts the server."""
        revive(self.template)
        self._link()


def stop_servers(root: Path) -> None:
    """Stops all servers below a folder, and removes the folder."""
    for pid_file in root.glob("*/server/postgres/postmaster.pid"):
        with suppress(psutil.NoSuchProcess, ValueError, OSError):
            process = psutil.Process(int(pid_file.read_text().split("\n")[0]))
            process.send_signal(signal.SIGINT)
            process.wait(20)
    shutil.rmtree(root, ignore_errors=True)
