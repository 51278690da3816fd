"""A file that brings the landing down waits, with its reason; the others land."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from election_metrics.pipeline.export_files import ExportFiles
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.pending_files import pending_files
from election_metrics.settings import Settings
from election_metrics.sources.listing import list_exports
from election_metrics.warehouse import landing_attempts
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.server import plain_url, warehouse_url
from election_metrics_tests.computing import rows
from election_metrics_tests.exports import CONTRACT, Folder, issue, ms, vote

LAND = (
    "import sys; from pathlib import Path; from election_metrics.settings import read_settings;"
    "from election_metrics.pipeline.file_landing import land; land(read_settings(), Path(sys.argv[1]), 'killed')"
)


def votes(chosen: Settings) -> int:
    return int(rows(chosen, "SELECT coalesce(sum(rows), 0)::bigint AS n FROM ingest.transaction_files")["n"][0])


def heavy(folder: Path) -> Path:
    """A file that needs more memory than there is: six lines of 30 MB."""
    fields = vote("heavy", ms(2)).split(";")
    fields[8] = fields[8][:-1] + ',{"key":"pad","stringValue":"' + "y" * 30_000_000 + '"}]'
    path = folder / f"{CONTRACT}_heavy.csv"
    path.write_text("".join(";".join([f"heavy{n}", *fields[1:]]) + "\n" for n in range(6)), encoding="utf-8")
    return path


@pytest.mark.long
def test_a_file_too_heavy_for_the_memory_waits_and_lands_once_there_is_enough(chosen: Settings, tmp_path: Path) -> None:
    small = chosen.model_copy(update={"memory_limit": "100MB"})
    for number in range(20):
        Folder(tmp_path).put(issue(f"i{number}", ms(0)), vote(f"a{number}", ms(1)), name=f"good{number:02}")
    path = heavy(tmp_path)
    report = land(small, tmp_path, "run")
    assert list(report.set_aside) == [str(path)]
    assert "Out of Memory" in report.set_aside[str(path)]
    assert votes(chosen) == 40
    assert pending_files(small, tmp_path, settled_only=True)[0] == []
    now = chosen.model_copy(update={"set_aside_minutes": 0.0})
    assert [file.path for file in pending_files(now, tmp_path, settled_only=True)[0]] == [str(path)]
    assert land(now, tmp_path, "run").set_aside == {}
    assert votes(chosen) == 46
    assert rows(chosen, "SELECT * FROM ingest.landing_attempts").empty


def test_a_new_version_of_a_file_set_aside_is_tried_at_once(chosen: Settings, tmp_path: Path) -> None:
    path = heavy(tmp_path)
    land(chosen.model_copy(update={"memory_limit": "100MB"}), tmp_path, "run")
    path.write_text(vote("mended", ms(1)) + "\n", encoding="utf-8")
    assert land(chosen, tmp_path, "run").rows == 1
    assert rows(chosen, "SELECT * FROM ingest.landing_attempts").empty


def _killed_landing(chosen: Settings, folder: Path) -> None:
    """A landing whose process is killed in the middle: after it began with its files, before it could end."""
    url = plain_url(warehouse_url(chosen))
    with psycopg.connect(url) as blocker, psycopg.connect(url, autocommit=True) as watcher:
        begun = watcher.execute("SELECT max(tried_at) FROM ingest.landing_attempts").fetchone()
        # Landing marks its files, then writes parts into the manifest: here it waits for ever.
        blocker.execute("LOCK TABLE ingest.lake_parts IN SHARE MODE")
        process = subprocess.Popen([sys.executable, "-c", LAND, str(folder)], env=dict(os.environ))
        deadline = time.monotonic() + 60
        while watcher.execute("SELECT max(tried_at) FROM ingest.landing_attempts").fetchone() == begun:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        blocker.rollback()
        # Its connection goes with it; its locks as soon as the server notices.
        while watcher.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() != (0,):
            time.sleep(0.02)


@pytest.mark.long
def test_a_file_that_kills_its_landing_three_times_alone_is_set_aside(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(vote("a", ms(1)), name="deadly")
    for _ in range(3):
        _killed_landing(chosen, tmp_path)
    Folder(tmp_path).put(vote("b", ms(1)), name="good")
    report = land(chosen, tmp_path, "run")
    assert "died 3 times" in next(iter(report.set_aside.values()))
    assert votes(chosen) == 1
    assert pending_files(chosen, tmp_path, settled_only=True)[0] == []
    patient = chosen.model_copy(update={"set_aside_minutes": 0.0})
    land(patient, tmp_path, "run")  # it was not to blame: it lands as soon as nobody kills it
    assert votes(chosen) == 2
    assert rows(chosen, "SELECT * FROM ingest.landing_attempts").empty


def test_files_that_were_read_when_a_landing_was_killed_all_land_next_time(chosen: Settings, tmp_path: Path) -> None:
    for number in range(40):
        Folder(tmp_path).put(vote(f"a{number}", ms(1)), name=f"file{number:02}")
    _killed_landing(chosen, tmp_path)
    assert len(rows(chosen, "SELECT * FROM ingest.landing_attempts WHERE together = 40")) == 40
    assert land(chosen, tmp_path, "run").set_aside == {}
    assert votes(chosen) == 40
    assert rows(chosen, "SELECT * FROM ingest.landing_attempts").empty


def test_a_pipe_is_no_export_and_is_never_opened(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(vote("a", ms(1)))
    os.mkfifo(tmp_path / f"{CONTRACT}_pipe.csv")
    report = land(chosen, tmp_path, "run")
    assert list(report.unreadable.values()) == ["it is no regular file"]
    assert votes(chosen) == 1


def test_what_could_not_be_read_and_is_gone_is_a_problem_no_more(chosen: Settings, tmp_path: Path) -> None:
    """A file that never belonged there is taken away: the sensor sees it, and nothing of it is told any longer."""
    folder = Folder(tmp_path / "in")
    folder.put(vote("a", ms(1)))
    torn = folder.root / f"{CONTRACT}_2026-09-18_1200-1300.zip"
    torn.write_bytes(b"PK torn")
    nameless = folder.root / "nameless.csv"
    nameless.write_text("no contract")
    heavy = folder.put(vote("b", ms(1, hour=1)), name="2026-09-18_1300-1400")
    watching = chosen.model_copy(update={"source": str(folder.root), "settle_seconds": 0.0})
    land(watching, folder.root, "run", only=[str(path) for path in folder.root.iterdir() if path != heavy])
    (version,) = (file for file in list_exports(heavy).files)
    with transaction(chosen) as connection:
        landing_attempts.begin_attempts(connection, [version], "run", datetime.now(UTC))
        landing_attempts.set_aside(connection, str(heavy), "too heavy", datetime.now(UTC))
    assert set(in_trouble(chosen)) == {str(torn), str(nameless), str(heavy)}
    beside = Path(f"{folder.root}2") / torn.name  # below another folder whose name begins alike
    beside.parent.mkdir()
    beside.write_bytes(b"PK torn")
    land(watching, beside.parent, "run")
    source = ExportFiles(folder.root)
    assert source.pending(watching, datetime.now(UTC)).news == "", "they are there"
    kept = torn.read_bytes(), torn.stat()
    for path in (torn, nameless, heavy):
        path.unlink()
    assert source.pending(watching, datetime.now(UTC)).news == "", "nothing has to land"
    assert in_trouble(chosen) == [str(beside)]
    assert source.pending(watching, datetime.now(UTC)).news == ""
    torn.write_bytes(kept[0])
    os.utime(torn, ns=(kept[1].st_atime_ns, kept[1].st_mtime_ns))
    assert source.pending(watching, datetime.now(UTC)).news.startswith("1 new file(s)")
    land(watching, folder.root, "run")
    assert sorted(in_trouble(chosen)) == sorted([str(torn), str(beside)])


def in_trouble(settings: Settings) -> list[str]:
    """Paths that people are told of."""
    unreadable = rows(settings, "SELECT path FROM ingest.transaction_files WHERE status = 'unreadable'")
    waiting = rows(settings, "SELECT path FROM ingest.landing_attempts WHERE set_aside_at IS NOT NULL")
    return [*unreadable["path"], *waiting["path"]]


def test_what_is_set_aside_waits_with_its_reason_whoever_names_it_and_a_new_version_does_not(
    chosen: Settings, tmp_path: Path
) -> None:
    """A run that was asked for before the file was set aside, and is tried again, names it still; it may be killed."""
    folder = Folder(tmp_path / "in")
    path = folder.put(vote("a", ms(1)))
    (version,) = list_exports(path).files
    with transaction(chosen) as connection:
        landing_attempts.begin_attempts(connection, [version], "run", datetime.now(UTC))
        landing_attempts.set_aside(connection, str(path), "too heavy", datetime.now(UTC))
    assert land(chosen, folder.root, "again", only=[str(path)]).files == 0
    with transaction(chosen) as connection:
        landing_attempts.begin_attempts(connection, [version], "killed", datetime.now(UTC))
        (attempt,) = landing_attempts.read_attempts(connection).values()
    assert (attempt.reason, attempt.set_aside_at is None) == ("too heavy", False)
    folder.put(vote("a", ms(1)), vote("b", ms(2)))
    (newer,) = list_exports(path).files
    with transaction(chosen) as connection:
        landing_attempts.begin_attempts(connection, [newer], "killed", datetime.now(UTC))
        (attempt,) = landing_attempts.read_attempts(connection).values()
    assert (attempt.reason, attempt.set_aside_at) == (None, None)
    assert land(chosen, folder.root, "new", only=[str(path)]).files == 1
