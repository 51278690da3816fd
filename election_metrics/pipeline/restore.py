"""Restores a backup, into an empty HOME and empty databases only, and verifies every byte."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL

from election_metrics.errors import DataError, SettingsError, WarehouseError
from election_metrics.locations import Location, move_into_place, name_of, with_patience
from election_metrics.pipeline.manifest import (
    DAGSTER_DUMP,
    LAKE,
    TOKENS,
    WAREHOUSE_DUMP,
    Manifest,
    damaged,
    figures_of,
    in_words,
    read_manifest,
)
from election_metrics.pipeline.progress import Progress
from election_metrics.pipeline.scratch import make_scratch, work_folder
from election_metrics.settings import Settings
from election_metrics.warehouse.database import close_engines, transaction
from election_metrics.warehouse.dumps import restore as fill
from election_metrics.warehouse.dumps import server_version
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.release import (
    UNFINISHED,
    refuse_earlier,
    refuse_restored_by_half,
    release,
    revision_of,
)
from election_metrics.warehouse.server import dagster_url, ensure_database, plain_url, warehouse_url


def check_backup(settings: Settings, folder: Path, progress: Progress) -> Manifest:
    """Verifies every file of a backup, and every part of a lake that is not in the backup at its location.

    Raises:
        DataError: the backup is incomplete, or files are damaged or missing; they are named.
    """
    manifest = read_manifest(folder)
    lake: Location = folder / LAKE if manifest.is_copied else settings.lake_path
    in_all = sum(facts.size for facts in [*manifest.files, *manifest.parts])
    report, done = progress("Reading", "bytes"), 0

    def read(size: int) -> None:
        nonlocal done
        done += size
        report(done, in_all)

    if wrong := [*damaged(folder, manifest.files, read), *damaged(lake, manifest.parts, read)]:
        raise DataError(f"nothing is restored: {in_words(wrong)}")
    return manifest


def restore_backup(
    settings: Settings, folder: Path, progress: Progress, tell: Callable[[str], None] = lambda _: None
) -> Manifest:
    """Fills an empty HOME and empty databases from a backup, and compares the figures with those in its manifest.

    Args:
        settings: the settings, which name the targets.
        folder: the backup.
        progress: takes a label and a unit, and returns a function of (done, total).
        tell: called with a sentence for each thing that the login has no privilege for.

    Returns:
        The manifest of the backup.

    Raises:
        SettingsError: HOME or the lake is not empty.
        DataError: the backup is damaged or of a later release, or restored data differs from the backup.
        WarehouseError: the backup is older than the first release, a database is not empty, the server is too old, or
            cannot be filled.
    """
    refuse_home(settings)
    manifest = read_manifest(folder)
    refuse_earlier(revision_of(manifest.release), "the backup")
    manifest = check_backup(settings, folder, progress)
    if revision_of(manifest.release) > revision_of(release()):
        raise DataError(
            f"the backup was taken by release {manifest.release}, and this is {release()}: restore it with that one or "
            "a newer one"
        )
    if manifest.is_copied:
        refuse_lake(settings.lake_path)
    for url in _named(settings):
        ensure_database(url)
        _refuse_database(url, manifest)
    with _unfinished(settings.home):
        dumps = {WAREHOUSE_DUMP: warehouse_url(settings), DAGSTER_DUMP: dagster_url(settings)}
        for url in dumps.values():
            ensure_database(url)
        if manifest.is_copied:
            _fill_lake(settings, folder, manifest, progress)
        report = progress("Databases", "database(s)")
        report(0, len(dumps))
        for done, (name, url) in enumerate(dumps.items(), 1):
            fill(url, folder / name)
            _compare(url, manifest.figures[name], name)
            report(done, len(dumps))
        with transaction(settings) as connection:
            # Retired parts had been merged into others, and are not in the backup.
            connection.execute(sa.text("DELETE FROM ingest.lake_parts WHERE retired_at IS NOT NULL"))
        if (folder / TOKENS).is_file():
            tokens = settings.tokens_path
            tokens.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / TOKENS, tokens)
            tokens.chmod(0o600)
    close_engines()
    migrate(settings, tell=tell)
    return manifest


def refuse_home(settings: Settings) -> None:
    """Refuses a HOME that exists and is not empty.

    Raises:
        SettingsError: it is not empty.
    """
    home = settings.home
    refuse_restored_by_half(home)
    if home.is_dir() and any(home.iterdir()):
        raise SettingsError(
            f"{home} is not empty, and a restore overwrites nothing: set ELECTION_METRICS_HOME to an empty folder, or "
            f"type: mv {home} {home}.before"
        )


def refuse_lake(lake: Location) -> None:
    """Refuses a lake that holds parts.

    Raises:
        SettingsError: it holds parts.
    """
    there = with_patience(lambda: next(iter(lake.rglob("*.parquet")), None) if lake.exists() else None, str(lake))
    if there is not None:
        raise SettingsError(
            f"the lake {name_of(lake)} is not empty, and a restore overwrites nothing: set ELECTION_METRICS_LAKE to "
            "another location, or move that one away"
        )


@contextlib.contextmanager
def _unfinished(home: Path) -> Iterator[None]:
    """Marks HOME as half restored until the restore is complete, so that no command starts on it."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / UNFINISHED).write_text(f"{os.getpid()}\n", "utf-8")
    except OSError as error:
        raise SettingsError(f"ELECTION_METRICS_HOME is {str(home)!r}: {error.strerror}") from None
    yield
    (home / UNFINISHED).unlink()


def _named(settings: Settings) -> Iterator[URL]:
    """Databases of external servers, which may hold data; an embedded one below an empty HOME cannot."""
    if settings.database_url is not None:
        yield warehouse_url(settings)
    if settings.database_url is not None or settings.dagster_database_url is not None:
        yield dagster_url(settings)


def _refuse_database(url: URL, manifest: Manifest) -> None:
    """Refuses a database that is not empty, or on a server that cannot read the dump."""
    version = server_version(url)
    if version < manifest.server:
        raise WarehouseError(
            f"the backup is of PostgreSQL {manifest.server}, and the server is {version}: restore into "
            f"{manifest.server} or newer"
        )
    with psycopg.connect(plain_url(url), connect_timeout=10) as connection:
        found = connection.execute(
            "SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace AS n ON n.oid = relnamespace "
            "WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)' LIMIT 1"
        ).fetchone()
    if found is not None:
        raise WarehouseError(
            f"the database {url.database!r} is not empty (it has {found[0]}), and a restore overwrites nothing: name "
            "another one in the URL, or drop it yourself"
        )


def _fill_lake(settings: Settings, folder: Path, manifest: Manifest, progress: Progress) -> None:
    """Copies the parts, and verifies each copy."""
    make_scratch(settings)
    lake = settings.lake_path
    report, done, in_all = progress("Lake", "bytes"), 0, sum(facts.size for facts in manifest.parts)
    with work_folder(settings.scratch_path) as work:
        for facts in manifest.parts:
            copy = work / "part.parquet"
            shutil.copyfile(folder / LAKE / facts.path, copy)
            move_into_place(copy, lake / facts.path)
            if wrong := damaged(lake, [facts], lambda _: None):
                raise DataError(in_words(wrong))
            done += facts.size
            report(done, in_all)


def _compare(url: URL, expected: dict[str, list[str]], name: str) -> None:
    """Checks that every table has the rows that it had when the backup was taken."""
    own = sa.create_engine(url.set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    with own.begin() as connection:
        found = figures_of(connection)
    if wrong := sorted(table for table in expected.keys() | found.keys() if expected.get(table) != found.get(table)):
        raise DataError(f"{name} differs from the backup after the restore: {in_words(wrong)}")
