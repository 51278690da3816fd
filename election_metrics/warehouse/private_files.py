"""Folders and files with access for their owner only."""

import contextlib
import os
import pwd
from pathlib import Path
from typing import IO, Any

from election_metrics.errors import SettingsError


def make_private(folder: Path) -> None:
    """Creates a folder with access for its owner only; parent folders are not changed.

    Raises:
        SettingsError: it cannot be created, or belongs to another user, who could put anything into it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
        if owner != os.geteuid():
            raise SettingsError(
                f"ELECTION_METRICS_HOME is {str(folder)!r}, which belongs to {_name_of(owner)}: type it as that "
                f"user (sudo -u {_name_of(owner)} election-metrics …), or set another folder"
            )
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise SettingsError(
            f"ELECTION_METRICS_HOME is {str(folder)!r}: it cannot be created: {error.strerror}"
        ) from None


def _name_of(account: int) -> str:
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(account).pw_name
    return str(account)


def open_private(path: Path, mode: str) -> IO[Any]:
    """Opens a file with access for its owner only; never follows a link."""
    return open(path, mode, opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600))
