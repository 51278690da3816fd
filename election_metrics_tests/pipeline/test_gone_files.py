"""What is gone is gone, and what is mended is well: names and problems follow from files that exist."""

import itertools
import os
import shutil
from pathlib import Path

import pytest

from election_metrics.pipeline.export_files import ExportFiles
from election_metrics.pipeline.pending_files import pending_files
from election_metrics.pipeline.registry import registry_is_behind
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.reports import count_problems
from election_metrics_tests.computing import NOW, everything, hourly, rows, update
from election_metrics_tests.exports import CONTRACT, Folder, ms, vote
from election_metrics_tests.typed import typed

REGION = "90 - Пермский край"
ASSUMED = "rule = 'time_zone_assumed'"


def election(settings: Settings) -> list[str]:
    """Names of elections that have figures."""
    return rows(settings, "SELECT name FROM metrics.elections ORDER BY 1")["name"].tolist()


def tick(settings: Settings, source: Path) -> str:
    """What a tick of the sensor finds."""
    return ExportFiles(source).pending(settings, NOW).news


@pytest.mark.parametrize(("old", "new"), [("Выбары", "Выборы"), ("Выборы Я", "Выборы А"), ("Выборы А", "Выборы Я")])
def test_a_corrected_folder_name_takes_effect(chosen: Settings, tmp_path: Path, old: str, new: str) -> None:
    source = tmp_path / "in"
    Folder(source / REGION / old).put(vote("a", ms(1)))
    update(chosen, source)
    before = hourly(chosen)
    (source / REGION / old).rename(source / REGION / new)
    assert "1 new file(s)" in tick(chosen, source)
    update(chosen, source)
    assert election(chosen) == [new]
    assert hourly(chosen) == before
    assert tick(chosen, source) == ""


def test_a_corrected_region_takes_effect(chosen: Settings, tmp_path: Path) -> None:
    source = tmp_path / "in"
    Folder(source / "90 - Пермский карай" / "Выборы").put(vote("a", ms(1)))
    update(chosen, source)
    query = "SELECT region, time_zone, is_zone_assumed FROM metrics.constituencies"
    found = f"SELECT severity, region, explanation FROM metrics.anomalies WHERE {ASSUMED} AND state <> 'resolved'"
    assert rows(chosen, query).values.tolist() == [["Пермский карай", "Europe/Moscow", True]]
    ((severity, region, explanation),) = rows(chosen, found).values.tolist()
    assert (severity, region) == ("warning", "Пермский карай")
    assert explanation.startswith(
        "The region 'Пермский карай' is not a known one: 1 constituency is counted in Europe/"
    )
    (source / "90 - Пермский карай").rename(source / REGION)
    update(chosen, source)
    assert rows(chosen, query).values.tolist() == [["Пермский край", "Asia/Yekaterinburg", False]]
    assert rows(chosen, found).empty


def test_where_no_default_was_chosen_it_is_a_finding_that_no_region_is_named(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Folder(tmp_path / "in").put(vote("a", ms(1))).parent
    update(chosen, source)
    assert rows(chosen, f"SELECT * FROM metrics.anomalies WHERE {ASSUMED}").empty
    monkeypatch.delenv("ELECTION_METRICS_TIME_ZONE")
    silent = Settings(home=chosen.home, database_url=chosen.database_url)
    Folder(tmp_path / "in").put(vote("b", ms(1)), name="more")
    update(silent, source)
    query = f"SELECT severity, explanation FROM metrics.anomalies WHERE {ASSUMED}"
    ((severity, explanation),) = rows(chosen, query).values.tolist()
    assert severity == "info"
    assert explanation.startswith(
        "No region is named: 1 constituency is counted in Europe/Moscow, the default time zone"
    )


def test_a_file_that_is_gone_keeps_its_rows_and_gives_its_names_where_no_other_has_any(
    chosen: Settings, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    path = Folder(source / REGION / "Выборы").put(vote("a", ms(1)))
    Folder(source).put(vote("b", ms(2)), name="flat")
    update(chosen, source)
    before = everything(chosen)
    path.unlink()
    tick(chosen, source)
    update(chosen, source)
    assert everything(chosen) == before


def test_a_source_that_is_away_deletes_nothing(chosen: Settings, tmp_path: Path) -> None:
    source = tmp_path / "in"
    Folder(source / REGION / "Выборы").put(vote("a", ms(1)))
    update(chosen, source)
    shutil.move(source / REGION, tmp_path / "away")
    assert tick(chosen, source) == ""
    assert rows(chosen, "SELECT * FROM ingest.transaction_files WHERE gone_at IS NOT NULL").empty
    assert not registry_is_behind(chosen)
    shutil.move(tmp_path / "away", source / REGION)
    assert tick(chosen, source) == ""


def test_a_file_that_comes_back_is_there_again(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    path = folder.put(vote("a", ms(1)), "rubbish")
    folder.put(vote("b", ms(2)), name="b")
    update(chosen, folder.root)
    path.rename(tmp_path / "kept")
    gone = "SELECT path FROM ingest.transaction_files WHERE gone_at IS NOT NULL"
    tick(chosen, folder.root)
    assert rows(chosen, gone)["path"].tolist() == [str(path)]
    (tmp_path / "kept").rename(path)
    update(chosen, folder.root)
    assert rows(chosen, gone).empty


def test_the_quarantine_of_a_file_that_is_gone_is_history(chosen: Settings, tmp_path: Path) -> None:
    source = tmp_path / "in"
    bad = Folder(source).put(vote("a", ms(1)), "rubbish", name="bad")
    Folder(source).put(vote("b", ms(2)))
    assert typed("ingest", str(source)).returncode == 3
    bad.unlink()
    assert typed("ingest", str(source)).returncode == 0
    with transaction(chosen) as connection:
        assert count_problems(connection, str(source)) == 0
    assert hourly(chosen)["08"]["votes_cast"] == 2, "its rows stay"
    assert len(rows(chosen, "SELECT * FROM ingest.rejected_transactions")) == 1, "nothing is lost"
    update(chosen, source)
    assert rows(chosen, "SELECT rejected_lines FROM metrics.election_summaries").iloc[0, 0] == 0


def test_other_content_of_the_same_size_and_time_is_seen(chosen: Settings, tmp_path: Path) -> None:
    """As `rsync -t`, `cp -p` and a restored backup make it."""
    folder = Folder(tmp_path / "in")
    path = folder.put(vote("a", ms(1)))
    update(chosen, folder.root)
    status = path.stat()
    path.write_text(path.read_text().replace(str(ms(1)), str(ms(1, hour=1))))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    update(chosen, folder.root)
    assert set(hourly(chosen)) == {"09"}


@pytest.mark.parametrize("ending", ["", "\n"])
def test_a_time_ahead_of_the_clock_is_not_still_growing(chosen: Settings, tmp_path: Path, ending: str) -> None:
    path = Folder(tmp_path / "in").put(vote("a", ms(1)), end=ending)
    ahead = 4_102_444_800 * 10**9
    os.utime(path, ns=(ahead, ahead))
    assert [file.path for file in pending_files(chosen, tmp_path / "in", settled_only=True)[0]] == [str(path)]


def test_every_file_below_the_source_is_accounted_for(chosen: Settings, tmp_path: Path) -> None:
    source = tmp_path / "in"
    Folder(source).put(vote("a", ms(1)), "rubbish")
    for name in (".hidden", "~$x.csv", "Thumbs.db", f"{CONTRACT}_x.csv.part", "notes.txt", f"{CONTRACT}_y.csv.7z"):
        (source / name).touch()
    (source / "sub").mkdir()
    (source / "sub" / "wrongname.csv").write_text("x")
    (source / "link").symlink_to(tmp_path)
    done = typed("ingest", str(source))
    assert done.returncode == 3
    assert "Not everything was read: election-metrics status says what, where and why." in done.stderr
    told = typed("status", ELECTION_METRICS_SOURCE=str(source)).stdout
    lines = told[told.index("Files below the source: 9\n") :].splitlines()[1:]
    account = dict(reversed(line.split(None, 1)) for line in itertools.takewhile(str.strip, lines))
    assert account == {
        "known: landed, withdrawn or set aside": "2", "unreadable": "1", "of a kind that is not read": "2",
        "ignored: a download in progress": "1", "ignored: a file of the system": "1",
        "ignored: a lock of a program": "1", "ignored: hidden": "1",
    }  # fmt: skip
    kinds = rows(chosen, "SELECT kind, files, lines FROM metrics.input_notes ORDER BY 1").values.tolist()
    assert [kind for kind, *_ in kinds] == ["not_read", "quarantined", "unreadable", "unreadable"]
