"""The embedded PostgreSQL: one server below HOME, accessible to the owner of HOME only.

It listens only on a Unix socket, in a folder with access for its owner only, and authenticates by the kernel (`peer`):
there is no password, and other users of the machine cannot connect. The binaries are from a wheel, or from the system
if that is not installed. The server runs while an election-metrics process uses it.

PostgreSQL refuses to run as root. As root, it runs under a separate account, which reaches the data through an open
descriptor of their folder, so that no permission of a parent folder has to be widened.
"""

import atexit
import os
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import tenacity
from psycopg.conninfo import make_conninfo

from election_metrics.errors import WarehouseError
from election_metrics.warehouse.embedded_process import (
    SUPERUSER,
    account_of_server,
    check_answer,
    living_process,
    socket_if_ready,
    wait_until_ready,
)
from election_metrics.warehouse.embedded_start import start
from election_metrics.warehouse.embedded_users import keep, leave, start_lock
from election_metrics.warehouse.private_files import make_private

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_started: dict[Path, Path] = {}


def socket_folder(home: Path) -> Path:
    """The folder of the server's socket; starts the server of HOME, or registers with a running one.

    Raises:
        SettingsError: HOME cannot be created.
        WarehouseError: the server does not start; its log is named.
    """
    data = home / "postgres"
    if data in _started:
        return _started[data]
    make_private(home)
    try:
        folder = _join(home)
    except (psycopg.OperationalError, OSError, KeyError) as error:
        raise WarehouseError(
            f"the embedded PostgreSQL under {data} does not start: {' '.join(str(error).split())}. "
            f"Its log is {data / 'log'}; or set ELECTION_METRICS_DATABASE_URL to a server of your own."
        ) from None
    _started[data] = folder
    atexit.register(leave, home, os.getpid())
    return folder


def url(home: Path, database: str) -> "URL":
    """URL of a database of HOME's server, for psql and psycopg; the socket's folder is a query parameter."""
    from sqlalchemy.engine import URL  # slow to import, and not needed to check whether the server answers

    folder = socket_folder(home)
    return URL.create(
        "postgresql", username=SUPERUSER, password="", database=database,
        query={"host": str(folder), "requirepeer": account_of_server(home)},
    )  # fmt: skip


def address_if_ready(home: Path, database: str) -> str | None:
    """Address of a database of HOME's server, for psycopg; None if the server does not run, or is not ready.

    It starts nothing and does not wait.
    """
    folder = socket_if_ready(home)
    if folder is None:
        return None
    return make_conninfo(
        host=str(folder), user=SUPERUSER, dbname=database, requirepeer=account_of_server(home)
    )  # fmt: skip


def is_up(home: Path) -> bool:
    """Whether the server of HOME is running."""
    return living_process(home / "postgres" / "postmaster.pid") is not None


def forget(home: Path) -> None:
    """Makes the next use check whether the server runs, and start it if it does not."""
    _started.pop(home / "postgres", None)


def stop_using(home: Path) -> None:
    """Stops the server of HOME, unless another process uses it."""
    if _started.pop(home / "postgres", None) is not None:
        leave(home, os.getpid())


def keep_for(pid: int) -> None:
    """Registers another process as a user of the servers that this one uses."""
    for data in _started:
        with start_lock(data.parent):
            keep(data.parent, pid)


@tenacity.retry(
    # The server may be killed meanwhile, and its children live on for a moment.
    stop=tenacity.stop_after_delay(60),
    wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=3),
    retry=tenacity.retry_if_exception_type((OSError, psycopg.OperationalError)),
    reraise=True,
)
def _join(home: Path) -> Path:
    """Registers as a user of the server, and starts it if necessary; returns the folder of its socket."""
    with start_lock(home):
        folder = wait_until_ready(home) or start(home)
        check_answer(home, folder)
        keep(home, os.getpid())
        return folder
