"""Unfinished work: a folder of each process, on this machine, that goes with it."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from election_metrics.errors import SettingsError
from election_metrics.settings import Settings


def make_scratch(settings: Settings) -> None:
    """Makes the folder of unfinished work (a lake on this machine is its own), for us alone.

    Raises:
        SettingsError: it cannot be made.
    """
    folder = settings.scratch_path
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        setting = "LAKE" if settings.lake == str(folder) else "HOME"
        raise SettingsError(f"ELECTION_METRICS_{setting} is {str(folder)!r}: {error.strerror}") from None


@contextlib.contextmanager
def work_folder(root: Path) -> Iterator[Path]:
    """A folder of this process beside the lake; those of processes that were killed are removed."""
    home = root / "work"
    home.mkdir(parents=True, exist_ok=True)
    for left in home.iterdir():
        pid = left.name.partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=home) as folder:
        yield Path(folder)
