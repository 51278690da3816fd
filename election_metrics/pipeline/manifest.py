"""Manifest of a backup: its files with their hashes, the parts of the lake, and the figures of every table.

It is written last: a folder without a manifest is an incomplete backup.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from election_metrics.errors import DataError
from election_metrics.locations import Location, with_patience

MANIFEST = "manifest.json"
LAKE = "lake"
WAREHOUSE_DUMP = "warehouse.dump"
DAGSTER_DUMP = "dagster.dump"
SETTINGS = "settings.env"
TOKENS = "tokens.json"
_FORMAT = 1
_BLOCK = 1 << 22
_SHOWN = 5


@dataclass(frozen=True)
class FileFacts:
    """A file at the time of reading: path below its folder, size in bytes, SHA-256 of its content."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A backup.

    Attributes:
        taken_at: when its databases were read (ISO 8601, UTC).
        release: release of the program that took it.
        server: major version of PostgreSQL; an older server cannot read it.
        files: dumps, settings and tokens, below the backup.
        lake: location of the lake.
        is_copied: whether its parts are in the backup; else only their names, sizes and hashes are.
        parts: the live parts, below the lake.
        figures: number of rows and sum of row hashes of each table of both databases.
        logins: members of the election_metrics roles, by role.
        secrets: names of the secret settings that were set and are not in the backup.
        source: location of the exports, because files are known by their path.
    """

    taken_at: str
    release: str
    server: int
    files: list[FileFacts]
    lake: str
    is_copied: bool
    parts: list[FileFacts]
    figures: dict[str, dict[str, list[str]]]
    logins: dict[str, list[str]] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    source: str | None = None

    def write(self, folder: Path) -> None:
        """Writes it, which completes the backup."""
        text = json.dumps({"format": _FORMAT, **asdict(self)}, ensure_ascii=False, indent=1)
        (folder / MANIFEST).write_text(text, "utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Reads the manifest of a backup.

    Raises:
        DataError: there is no backup, it is incomplete, or it is of a later release.
    """
    file = folder / MANIFEST
    try:
        content: dict[str, Any] = json.loads(file.read_text("utf-8"))
        if content.pop("format") != _FORMAT:
            raise DataError(f"{folder} is a backup by a later release; restore it with that one")
        files, parts = ([FileFacts(**one) for one in content.pop(name)] for name in ("files", "parts"))
        return Manifest(files=files, parts=parts, **content)
    except FileNotFoundError:
        what = "is no whole backup: the backup was ended half way" if folder.is_dir() else "is no backup: not there"
        raise DataError(f"{folder} {what} ({file.name} is missing)") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} is damaged: {' '.join(str(error).split())}") from None


def facts_of(place: Location, path: str, copy: Path | None = None) -> FileFacts:
    """Reads and hashes a file; with `copy`, also copies it there.

    Raises:
        FileNotFoundError: the file does not exist.
        TransientError: the object store cannot be reached.
    """

    def read() -> FileFacts:
        content, size = hashlib.sha256(), 0
        with place.open("rb") as source:
            target: IO[bytes] | None = None if copy is None else copy.open("wb")
            try:
                while block := source.read(_BLOCK):
                    content.update(block)
                    size += len(block)
                    if target is not None:
                        target.write(block)
            finally:
                if target is not None:
                    target.close()
        return FileFacts(path, size, content.hexdigest())

    facts: FileFacts = with_patience(read, str(place))
    return facts


def damaged(root: Location, expected: Iterable[FileFacts], progress: Callable[[int], None]) -> list[str]:
    """Verifies files: those that are missing or have changed, each with what is wrong."""
    wrong = []
    for facts in expected:
        try:
            if facts_of(root / facts.path, facts.path) != facts:
                wrong.append(f"{root / facts.path} is damaged: it differs from the file that was backed up")
        except FileNotFoundError:
            wrong.append(f"{root / facts.path} is missing")
        progress(facts.size)
    return wrong


def in_words(wrong: list[str]) -> str:
    """The first few entries, and the number of further ones."""
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return "; ".join(wrong[:_SHOWN]) + more


def figures_of(connection: sa.Connection) -> dict[str, list[str]]:
    """Number of rows and sum of row hashes of every table: equal if the tables hold the same rows, in any order."""
    # The text of a row depends on these settings.
    for setting in (
        "timezone TO 'UTC'",
        "datestyle TO 'ISO'",
        "intervalstyle TO 'postgres'",
        "extra_float_digits TO 1",
    ):
        connection.execute(sa.text(f"SET LOCAL {setting}"))
    tables = connection.execute(
        sa.text(
            """
            SELECT format('%I.%I', nspname, relname)
            FROM pg_class JOIN pg_namespace AS schema ON schema.oid = relnamespace
            WHERE relkind IN ('r', 'p') AND NOT relispartition AND relpersistence <> 't'
                AND nspname NOT IN ('pg_catalog', 'information_schema')
            ORDER BY 1
            """
        )
    ).scalars()
    found = {}
    for table in list(tables):
        query = f"SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM ONLY {table} AS t"  # noqa: S608
        rows, total = connection.exec_driver_sql(query).one()
        found[table] = [str(rows), str(total)]
    return found
