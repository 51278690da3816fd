"""Exports in an object store: lists objects and their versions, and reads their bytes.

The version of an object is its size, time and ETag, so that objects overwritten within a second differ too.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from election_metrics.digest import name_for
from election_metrics.errors import SourceError
from election_metrics.locations import RemotePath, elsewhere, fetch, with_patience
from election_metrics.sources.file_kinds import is_export, is_ignored

_SETTING = "ELECTION_METRICS_SOURCE"
_SECOND = 10**9
_END = 1 << 16
Version = tuple[str, int, int]


def find_objects(root: RemotePath) -> tuple[list[Version], list[str]]:
    """Path, size and version of every export below `root` (or `root` itself), and the paths of files that are not read.

    Files that are ignored by rule are left out.

    Raises:
        SourceError: there is no such bucket.
        TransientError: the store cannot be reached or is busy, or listing is not permitted.
    """
    try:
        found = with_patience(lambda: root.fs.find(root.path, detail=True), str(root))
    except FileNotFoundError as error:
        raise SourceError(f"{root} cannot be listed: {error}") from None
    named = [(str(root.fs.unstrip_protocol(key)), key.rpartition("/")[2], info) for key, info in found.items()]
    exports = [_version(path, info) for path, name, info in named if is_export(name)]
    # Some stores have an empty object for each folder.
    return exports, [path for path, name, _ in named if name and not is_export(name) and not is_ignored(name)]


def find_matching(pattern: str, named_by: str) -> list[Version]:
    """Path, size and version of the objects that match a pattern such as s3://bucket/2026/*.csv.

    Raises:
        SourceError: there is no such bucket.
        SettingsError: the package for this store is not installed; `named_by` is what has the pattern.
        TransientError: the store cannot be reached or is busy, or listing is not permitted.
    """
    root = elsewhere(pattern, named_by)
    try:
        found = with_patience(lambda: root.fs.glob(root.path, detail=True), pattern)
    except FileNotFoundError as error:
        raise SourceError(f"{pattern} cannot be listed: {error}") from None
    objects = [(str(root.fs.unstrip_protocol(key)), info) for key, info in found.items() if info["type"] == "file"]
    return [_version(path, info) for path, info in objects if not path.rpartition("/")[2].startswith(".")]


def version_of_object(path: str) -> Version | None:
    """The current version of an object; None if it does not exist."""
    there = elsewhere(path, _SETTING)
    try:
        return _version(path, with_patience(lambda: there.fs.info(there.path), path))
    except FileNotFoundError:
        return None


def fetch_object(path: str, folder: Path) -> Path:
    """Downloads an object into a folder; returns the copy."""
    copy = folder / f"{name_for(path)}{Path(path).suffix.lower()}"
    fetch(elsewhere(path, _SETTING), copy)
    return copy


def ends_of_object(path: str, size: int) -> tuple[bytes, bytes]:
    """The first and last bytes of an object, 64 kB each."""
    there = elsewhere(path, _SETTING)
    head: bytes = with_patience(lambda: there.fs.cat_file(there.path, start=0, end=min(_END, size)), path)
    if size <= _END:
        return head, head
    tail: bytes = with_patience(lambda: there.fs.cat_file(there.path, start=size - _END, end=size), path)
    return head, tail


def _version(path: str, info: Mapping[str, Any]) -> Version:
    changed = next((info[name] for name in ("LastModified", "last_modified", "updated", "mtime") if name in info), 0)
    if isinstance(changed, str):
        changed = datetime.fromisoformat(changed)
    seconds = int(changed.timestamp() if isinstance(changed, datetime) else changed)
    tag = str(info.get("ETag") or info.get("etag") or info.get("md5Hash") or "")
    return path, int(info["size"] or 0), seconds * _SECOND + int(name_for(tag), 16) % _SECOND
