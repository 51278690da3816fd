"""A scratch folder for each process, on this machine, removed when the process ends."""

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
    """Creates the scratch folder (inside the lake, if that is on this machine), readable by its owner only.

    Raises:
        SettingsError: it cannot be created.
    """
    folder = settings.scratch_path
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        setting = "LAKE" if settings.lake == str(folder) else "HOME"
        raise SettingsError(f"ELECTION_METRICS_{setting} is {str(folder)!r}: {error.strerror}") from None


@contextlib.contextmanager
def work_folder(root: Path) -> Iterator[Path]:
    """A scratch folder of this process; those of killed processes are removed."""
    home = root / "work"
    home.mkdir(parents=True, exist_ok=True)
    for left in home.iterdir():
        pid = left.name.partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=home) as folder:
        yield Path(folder)
