"""A disk that fills stops the landing before PostgreSQL, says so in one line, and goes on when there is room."""

import contextlib
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from election_metrics.commands.status import print_status
from election_metrics.errors import TransientError
from election_metrics.pipeline.disk import Reserve, disks_of, no_room
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.last_known import Known, LastKnown, read_last_known, write_last_known
from election_metrics.runtime.log_file import LogFile
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.server import dagster_url, ensure_database
from election_metrics_tests.exports import Folder, ms, vote

MEGABYTE = 1_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    asked = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(asked, capture_output=True, check=False).returncode:
        pytest.skip("a disk of 12 MiB cannot be mounted here: that needs root and the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """Fills the disk up to so many bytes."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while (free := shutil.disk_usage(folder).free) > leave:
            file.write(b"x" * max(1, min(MEGABYTE, free - leave)))
    return path


def test_landing_waits_for_room_and_goes_on_by_itself(small: Path, chosen: Settings, tmp_path: Path) -> None:
    settings = read_settings(home=small / "home", reserve_mb=4)
    settings.home.mkdir()
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    filler = fill(small, 2 * MEGABYTE)
    with pytest.raises(TransientError, match=r"the disk of HOME .* is full: \d of \d+ MB are free; landing waits"):
        land(settings, tmp_path / "in", "run")
    (disk,) = disks_of(settings)
    assert disk.is_full
    ensure_database(dagster_url(settings))
    console = Console(record=True, width=250)
    assert print_status(console, settings) == 0
    said = console.export_text()
    assert f"The disk of HOME is full: {settings.home}, " in said
    assert "Nothing of election-metrics can be removed" in said
    filler.write_bytes(b"")
    (settings.home / "logs").mkdir()
    (settings.home / "logs" / "up.log.1").write_bytes(b"x" * 3 * MEGABYTE)
    filler = fill(small, 2 * MEGABYTE)
    assert print_status(console, settings) == 0
    said = console.export_text()
    assert "What can be removed:" in said
    assert "3 MiB  logs of up" in said
    filler.unlink()
    assert no_room(settings) is None
    assert land(settings, tmp_path / "in", "run").rows == 1


def test_how_full_a_disk_is_agrees_with_df(tmp_path: Path) -> None:
    (disk, *_) = disks_of(read_settings(home=tmp_path))
    said = subprocess.run(["df", "--output=pcent", str(tmp_path)], capture_output=True, text=True, check=True).stdout
    assert abs(100 - disk.free * 100 / disk.total - int(said.split()[-1].rstrip("%"))) < 2


def test_the_reserve_is_given_free_when_nothing_else_is_left_and_taken_again(small: Path) -> None:
    settings = read_settings(home=small, reserve_mb=3)
    reserve = Reserve(settings)
    assert reserve.look() is None
    assert shutil.disk_usage(small).free < 10 * MEGABYTE
    assert (small / ".reserve").stat().st_blocks * 512 >= 3 * MEGABYTE, "it takes up room"
    filler = fill(small)
    given = reserve.look()
    assert given is not None
    assert "the reserve of 3 MB is given to PostgreSQL" in given
    assert shutil.disk_usage(small).free >= 3 * MEGABYTE
    assert reserve.look() is None
    filler.unlink()
    assert reserve.look() is None
    assert (small / ".reserve").exists()


def test_a_log_on_a_full_disk_says_so_once_and_counts_what_is_lost(
    small: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    log = logging.Logger("full")
    handler = LogFile(small / "up.log", 20 * MEGABYTE, 2, told.append)
    log.addHandler(handler)
    log.warning("before")
    filler = fill(small)
    for number in range(2_000):
        log.warning("line %d %s", number, "x" * 2_000)
    assert len(told) == 1
    assert f"{small}/up.log cannot be written (No space left on device)" in told[0]
    assert capfd.readouterr().err == "", "no traceback"
    filler.unlink()
    log.warning("after")
    handler.close()
    text = (small / "up.log").read_text()
    assert text.startswith("before\n")
    assert "line(s) before this one could not be written" in text


def test_what_was_known_outlives_a_full_disk(small: Path) -> None:
    settings = read_settings(home=small)
    known = LastKnown(figures={"files_landed": 3})
    write_last_known(settings, known)
    fill(small)
    many = [Known(key=str(n), severity="error", title="x" * 900, detail="", since=datetime.now(UTC)) for n in range(99)]
    write_last_known(settings, known.model_copy(update={"problems": many}))
    found = read_last_known(settings)
    assert found.figures == {"files_landed": 3}
    assert found.watches(datetime.now(UTC)), "it is marked as looked at"
