"""Dumps and restores databases by pg_dump and pg_restore.

The programs are from the wheel of the embedded server, or from a PostgreSQL on the machine. A dump contains neither
owners nor privileges: `roles` sets them on the target server.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy.engine import URL

from election_metrics.errors import WarehouseError
from election_metrics.warehouse.embedded_programs import major_version, program_folders
from election_metrics.warehouse.server import plain_url

_PER_VERSION = 10_000


def postgres_program(name: str, at_least: int) -> Path:
    """A program of PostgreSQL: the oldest version that is new enough, because a newer one may not support the server.

    Args:
        name: pg_dump or pg_restore.
        at_least: the server's major version.

    Raises:
        WarehouseError: none is installed, or only older versions.
    """
    found: dict[int, Path] = {}
    for folder in program_folders():
        program = folder / name
        if version := major_version(program):
            found.setdefault(version, program)
    fitting = [version for version in found if version >= at_least]
    if fitting:
        return found[min(fitting)]
    seen = f"the newest here is of {max(found)}" if found else "none is here"
    raise WarehouseError(
        f"{name} of PostgreSQL {at_least} or newer is needed, as the server is {at_least}, and {seen}: install "
        f"postgresql-client-{at_least}, or put its folder into PATH"
    )


def server_version(url: URL) -> int:
    """Major version of the server.

    Raises:
        WarehouseError: it cannot be reached.
    """
    try:
        with psycopg.connect(plain_url(url), connect_timeout=10) as connection:
            return connection.info.server_version // _PER_VERSION
    except psycopg.OperationalError as error:
        raise WarehouseError(f"PostgreSQL cannot be reached: {' '.join(str(error).split())}") from None


def dump(url: URL, file: Path, snapshot: str, keep: Sequence[int] = ()) -> None:
    """Dumps a database to a file, from a snapshot that a transaction has exported and still holds.

    Args:
        url: the database.
        file: the file to write.
        snapshot: id from `pg_export_snapshot()`.
        keep: descriptors of this process that pg_dump inherits, so that they stay open if this process dies.

    Raises:
        WarehouseError: pg_dump is missing, too old, or failed; includes its message.
    """
    program = postgres_program("pg_dump", server_version(url))
    options = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={file}"]
    _run(program, url, options, keep)


def restore(url: URL, file: Path) -> None:
    """Fills an empty database from a dump, in one transaction.

    Raises:
        WarehouseError: pg_restore is missing, too old, or failed; includes its message.
    """
    program = postgres_program("pg_restore", server_version(url))
    _run(program, url, ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", str(file)])
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute("ANALYZE")


def _run(program: Path, url: URL, options: Sequence[str], keep: Sequence[int] = ()) -> None:
    """Runs the program on a database; the password is passed in the environment, hidden from other users."""
    parts = {name: str(value) for name, value in conninfo_to_dict(plain_url(url)).items() if value is not None}
    password = parts.pop("password", None)
    environment = {**os.environ, **({} if password is None else {"PGPASSWORD": password})}
    command = [str(program), f"--dbname={make_conninfo(**parts)}", "--no-password", *options]
    done = subprocess.run(  # noqa: S603 a program of PostgreSQL's
        command, env=environment, capture_output=True, text=True, check=False, pass_fds=keep
    )
    if done.returncode:
        message = " ".join(done.stderr.split())[-500:]
        raise WarehouseError(f"{program.name} failed on database {url.database!r}: {message}")
