"""Is the source there? A folder that is gone and a share that returns nothing look like a quiet day; they are none.

What landed stays, whatever the source looks like: neither this nor landing takes an absence for a deletion.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from election_metrics.errors import TransientError
from election_metrics.locations import Location, RemotePath, with_patience
from election_metrics.settings import Settings
from election_metrics.sources.file_kinds import is_export
from election_metrics.warehouse import ledger
from election_metrics.warehouse.database import transaction

EMPTIED = "is empty, and files were there before"
_MOST_FOLDERS = 5_000


@dataclass(frozen=True)
class SourceState:
    """How the source looks.

    Attributes:
        trouble: what is wrong with it, as the end of a sentence; nothing where nothing is.
        has_files: whether an export file lies there.
    """

    trouble: str
    has_files: bool


def look_at_source(source: Location) -> SourceState:
    """Looks, and stops at the first file. A share that hangs, hangs here too: call it with a deadline."""
    try:
        has_files = _has_files(source) if isinstance(source, Path) else _has_objects(source)
    except FileNotFoundError:
        return SourceState("does not exist", has_files=False)
    except TransientError as error:
        return SourceState(f"does not answer: {error}", has_files=False)
    except OSError as error:
        return SourceState(f"cannot be read: {error.strerror or error}", has_files=False)
    return SourceState("", has_files)


def landed_from(settings: Settings, source: Location) -> bool:
    """Whether a file below the source landed."""
    with transaction(settings) as connection:
        return ledger.has_files_below(connection, str(source))


def _has_files(root: Path) -> bool:
    if root.is_file():
        return True
    folders = [str(root)]
    for _ in range(_MOST_FOLDERS):
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif is_export(entry.name):
                        return True
        except OSError:
            if folder == str(root):
                raise
        if not folders:
            return False
    return True  # so many folders are no empty share


def _has_objects(root: RemotePath) -> bool:
    bucket, _, prefix = root.path.partition("/")
    if not hasattr(root.fs, "call_s3"):
        return bool(with_patience(lambda: root.fs.ls(root.path, detail=False), str(root)))
    asked = {"Bucket": bucket, "Prefix": f"{prefix.rstrip('/')}/" if prefix else "", "MaxKeys": 1}
    return bool(with_patience(lambda: root.fs.call_s3("list_objects_v2", **asked), str(root)).get("Contents"))
