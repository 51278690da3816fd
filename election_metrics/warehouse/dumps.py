"""A database as a file, and back: PostgreSQL's own pg_dump and pg_restore.

Its programs come with the wheel of the embedded server, or with a PostgreSQL of the machine. A dump holds neither
owners nor rights: those are the other server's, and `roles` makes sure of them.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy.engine import URL

from election_metrics.errors import WarehouseError
from election_metrics.warehouse.embedded import major_version, program_folders
from election_metrics.warehouse.server import plain_url

_PER_VERSION = 10_000


def postgres_program(name: str, at_least: int) -> Path:
    """A program of PostgreSQL: the oldest that is new enough, as a newer one may ask an older server too much.

    Args:
        name: pg_dump or pg_restore.
        at_least: the server's major version.

    Raises:
        WarehouseError: there is none, or only older ones.
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
    """Writes a database into a file, as it was in a snapshot that a transaction has exported and still holds.

    Args:
        url: of the database.
        file: what to write.
        snapshot: as `pg_export_snapshot()` named it.
        keep: files of this process that stay open for as long as the program runs, also without us.

    Raises:
        WarehouseError: pg_dump is missing or too old, or failed; its own words are named.
    """
    program = postgres_program("pg_dump", server_version(url))
    options = ["--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot}", f"--file={file}"]
    _run(program, url, options, keep)


def restore(url: URL, file: Path) -> None:
    """Fills an empty database from a dump, wholly or not at all.

    Raises:
        WarehouseError: pg_restore is missing or too old, or failed; its own words are named.
    """
    program = postgres_program("pg_restore", server_version(url))
    _run(program, url, ["--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error", str(file)])
    with psycopg.connect(plain_url(url), autocommit=True) as connection:
        connection.execute("ANALYZE")


def _run(program: Path, url: URL, options: Sequence[str], keep: Sequence[int] = ()) -> None:
    """Runs it on a database; a password goes by the environment, where no other user reads it."""
    parts = {name: str(value) for name, value in conninfo_to_dict(plain_url(url)).items() if value is not None}
    password = parts.pop("password", None)
    environment = {**os.environ, **({} if password is None else {"PGPASSWORD": password})}
    command = [str(program), f"--dbname={make_conninfo(**parts)}", "--no-password", *options]
    done = subprocess.run(  # noqa: S603 a program of PostgreSQL's
        command, env=environment, capture_output=True, text=True, check=False, pass_fds=keep
    )
    if done.returncode:
        said = " ".join(done.stderr.split())[-500:]
        raise WarehouseError(f"{program.name} failed on database {url.database!r}: {said}")
