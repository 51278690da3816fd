"""Folders that get their name only when they are complete."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from election_metrics.errors import SettingsError
from election_metrics.warehouse.private_files import open_private

LOCK = ".lock"
"""The file in an unfinished folder that its writer holds."""


@contextlib.contextmanager
def new_folder(folder: Path, what: str, on_failure: str, *, is_private: bool) -> Iterator[tuple[Path, int]]:
    """A folder beside the final one, renamed at the end; remains of a killed process are removed.

    Yields it with the descriptor of its lock: a child that outlives this process keeps the next one out.

    Args:
        folder: the folder to create.
        what: what is written into it, for messages: "backup".
        on_failure: what does not happen then, for messages: "nothing was backed up".
        is_private: whether only its owner may read it.

    Raises:
        SettingsError: the folder exists, cannot be created or written, belongs to somebody else, or another process is
            writing it.
    """
    if folder.exists():
        raise SettingsError(f"{folder} exists already; name a new folder, such as {folder}-2")
    work = folder.with_name(f"{folder.name}.unfinished")
    before = os.umask(0o077 if is_private else 0o022)
    try:
        work.mkdir(parents=True, exist_ok=True)
        if work.is_symlink() or work.stat().st_uid != os.geteuid():  # its owner could change what is written
            raise SettingsError(f"{work} belongs to another user; remove it, or name another folder")
        work.chmod(0o700 if is_private else 0o755)
        with open_private(work / LOCK, "w") as lock:
            _claim(work, lock, what)
            try:
                yield work, lock.fileno()
                (work / LOCK).unlink()
                os.sync()
                work.rename(folder)
            except BaseException:
                shutil.rmtree(work, ignore_errors=True)
                raise
    except OSError as error:
        raise SettingsError(f"{error.filename or work}: {error.strerror}; {on_failure}") from error
    finally:
        os.umask(before)


def _claim(work: Path, lock: IO[str], what: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SettingsError(f"another {what} is being written into {work}") from None
    for left in work.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.name != LOCK:
            left.unlink()
