"""Backup: a snapshot of both databases and of the lake that they refer to, while the system runs.

The snapshot of the warehouse is taken just before Dagster's, so that every run that a figure names is in the backup.
Rows that land later are in neither. Parts of the lake are immutable; none is removed before it is copied.
"""

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import URL

from election_metrics.errors import DataError, ElectionMetricsError, SettingsError
from election_metrics.locations import name_of
from election_metrics.pipeline.compaction import FORGET_PARTS
from election_metrics.pipeline.manifest import (
    DAGSTER_DUMP,
    LAKE,
    SETTINGS,
    TOKENS,
    WAREHOUSE_DUMP,
    FileFacts,
    Manifest,
    facts_of,
    figures_of,
    in_words,
)
from election_metrics.pipeline.new_folder import new_folder
from election_metrics.pipeline.progress import Progress
from election_metrics.settings import PREFIX, Settings
from election_metrics.warehouse import lake_manifest
from election_metrics.warehouse.database import session_lock, transaction
from election_metrics.warehouse.dumps import dump, server_version
from election_metrics.warehouse.release import release
from election_metrics.warehouse.roles import logins_of
from election_metrics.warehouse.server import dagster_url, warehouse_url

_CREDENTIALS = re.compile(r"(?<=://)[^/@]+@")


@dataclass(frozen=True)
class _Snapshot:
    """The state of both databases at one moment."""

    parts: list[tuple[str, int]]
    figures: dict[str, dict[str, list[str]]]
    logins: dict[str, list[str]]
    taken_at: datetime


def back_up(settings: Settings, folder: Path, progress: Progress, *, link: bool = False) -> Manifest:
    """Writes a backup into a new folder, which gets its name only when the backup is complete.

    Args:
        settings: the settings.
        folder: the folder to create, readable by its owner only.
        progress: takes a label and a unit, and returns a function of (done, total).
        link: hard-link the lake's files instead of copying them, which takes no time and no space; the file system
            must be the same.

    Returns:
        The manifest of the backup.

    Raises:
        SettingsError: the folder exists, cannot be created, or another backup is being written into it.
        DataError: a part of the lake is lost or damaged.
        WarehouseError: a database cannot be dumped.
    """
    with (
        new_folder(folder, "backup", "nothing was backed up", is_private=True) as (work, lock),
        session_lock(settings, FORGET_PARTS, shared=True),
    ):
        moment = _dump_both(settings, work, progress, lock)
        parts, is_copied = _keep_lake(settings, moment.parts, work, progress, link=link)
        secrets = _write_settings(settings, work / SETTINGS)
        if settings.tokens_path.is_file():
            shutil.copyfile(settings.tokens_path, work / TOKENS)
        names = [name for name in (WAREHOUSE_DUMP, DAGSTER_DUMP, SETTINGS, TOKENS) if (work / name).exists()]
        manifest = Manifest(
            taken_at=moment.taken_at.isoformat(timespec="seconds"),
            release=release(),
            server=server_version(warehouse_url(settings)),
            files=[facts_of(work / name, name) for name in names],
            lake=_without_login(name_of(settings.lake_path)),
            is_copied=is_copied,
            parts=parts,
            figures=moment.figures,
            logins=moment.logins,
            secrets=secrets,
            source=None if settings.source is None else _without_login(str(settings.source)),
        )
        manifest.write(work)
        return manifest


def _dump_both(settings: Settings, work: Path, progress: Progress, lock: int) -> _Snapshot:
    report = progress("Databases", "database(s)")
    report(0, 2)
    dagster = dagster_url(settings)
    with transaction(settings, snapshot=True) as ours, _snapshot_of(dagster) as theirs:
        ours_named, theirs_named = _exported(ours), _exported(theirs)
        now = datetime.now(UTC)
        parts = lake_manifest.parts_of_hours(ours)
        logins = logins_of(ours)
        figures = {WAREHOUSE_DUMP: figures_of(ours), DAGSTER_DUMP: figures_of(theirs)}
        dump(warehouse_url(settings), work / WAREHOUSE_DUMP, ours_named, [lock])
        report(1, 2)
        dump(dagster, work / DAGSTER_DUMP, theirs_named, [lock])
        report(2, 2)
    named = [(str(path), int(size)) for path, size in parts[["path", "size"]].itertuples(index=False)]
    return _Snapshot(named, figures, logins, now)


@contextlib.contextmanager
def _snapshot_of(url: URL) -> Iterator[sa.Connection]:
    own = sa.create_engine(
        url.set(drivername="postgresql+psycopg"), poolclass=sa.NullPool, isolation_level="REPEATABLE READ",
        connect_args={"connect_timeout": 10},
    )  # fmt: skip
    with own.begin() as connection:
        yield connection


def _exported(connection: sa.Connection) -> str:
    return str(connection.execute(sa.text("SELECT pg_export_snapshot()")).scalar_one())


def _keep_lake(
    settings: Settings, named: list[tuple[str, int]], work: Path, progress: Progress, *, link: bool
) -> tuple[list[FileFacts], bool]:
    """Copies or links the parts of a lake on this machine; hashes those of a lake in an object store."""
    root = settings.lake_path
    here = root if isinstance(root, Path) else None
    in_all, done = sum(size for _, size in named), 0
    if here is not None and not link and in_all > (free := shutil.disk_usage(work).free):
        raise SettingsError(
            f"the lake has {in_all / 2**20:,.0f} MiB, and {work.parent} has room for {free / 2**20:,.0f}; name a "
            "folder on another disk, or add --link on the same"
        )
    report = progress("Lake", "bytes")
    parts, wrong = [], []
    for path, size in named:
        try:
            facts = facts_of(root / path, path) if here is None else _keep(here, path, work / LAKE / path, link=link)
            if facts.size != size:
                wrong.append(f"{name_of(root / path)} is damaged: {facts.size} bytes instead of {size}")
            parts.append(facts)
        except FileNotFoundError:
            wrong.append(f"{name_of(root / path)} is missing")
        done += size
        report(done, in_all)
    if wrong:
        raise DataError(f"{in_words(wrong)}. election-metrics reland reads their files again; then back up")
    return parts, here is not None


def _keep(root: Path, path: str, copy: Path, *, link: bool) -> FileFacts:
    copy.parent.mkdir(parents=True, exist_ok=True)
    if not link:
        return facts_of(root / path, path, copy)
    try:
        copy.hardlink_to(root / path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ElectionMetricsError(
            f"{root} and {copy} are on different file systems ({error.strerror}): omit --link"
        ) from None
    return facts_of(copy, path)


def _write_settings(settings: Settings, file: Path) -> list[str]:
    """Writes the settings in shell syntax; secrets are comments without values. Returns the names of the secrets."""
    secrets, lines = [], []
    for field in sorted(settings.model_fields_set):
        value, name = getattr(settings, field), f"{PREFIX}{field.upper()}"
        if isinstance(value, SecretStr):
            secrets.append(name)
        elif value is not None:
            text = _without_login(value.isoformat() if isinstance(value, datetime) else str(value))
            lines.append(f"{name}={text}")
    lines += [f"# {name} was set; it is a secret, and not in this backup" for name in secrets]
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return secrets


def _without_login(text: str) -> str:
    return _CREDENTIALS.sub("", text)
