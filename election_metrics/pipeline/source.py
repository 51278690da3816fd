"""Checks the source: a missing folder or an empty share must not look like a day without new files.

Landed rows stay in every case: a missing file is never treated as a deletion.
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
    """State of the source.

    Attributes:
        trouble: what is wrong with it, as the end of a sentence; empty if nothing is.
        has_files: whether it contains an export file.
    """

    trouble: str
    has_files: bool


def look_at_source(source: Location) -> SourceState:
    """Checks the source, up to the first file. A hung share blocks this call: use a deadline."""
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
    return True  # a share with so many folders is not empty


def _has_objects(root: RemotePath) -> bool:
    bucket, _, prefix = root.path.partition("/")
    if not hasattr(root.fs, "call_s3"):
        return bool(with_patience(lambda: root.fs.ls(root.path, detail=False), str(root)))
    asked = {"Bucket": bucket, "Prefix": f"{prefix.rstrip('/')}/" if prefix else "", "MaxKeys": 1}
    return bool(with_patience(lambda: root.fs.call_s3("list_objects_v2", **asked), str(root)).get("Contents"))
