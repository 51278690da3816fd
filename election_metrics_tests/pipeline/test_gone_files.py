"""What is gone is gone, and what is mended is well: names and problems follow from files that exist."""

import itertools
import os
import shutil
from pathlib import Path

import pytest

from election_metrics.assets.checks import QUESTIONS
from election_metrics.pipeline.export_files import ExportFiles
from election_metrics.pipeline.pending_files import pending_files
from election_metrics.pipeline.registry import registry_is_behind
from election_metrics.pipeline.wider_root import read_paths_again
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.reports import count_problems
from election_metrics_tests.archived import zipped
from election_metrics_tests.computing import NOW, everything, hourly, rows, update
from election_metrics_tests.exports import CONTRACT, OTHER, Folder, ms, vote
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


@pytest.mark.long
@pytest.mark.rare
def test_a_wider_root_says_what_a_narrower_one_did_not(chosen: Settings, tmp_path: Path) -> None:
    place = tmp_path / "in" / REGION
    Folder(place / "Выборы" / "Округ №1").put(vote("a", ms(1)))
    (place / "x.zip").write_bytes(zipped({f"Выборы/Округ №2/{OTHER}_x.csv": f"{vote('b', ms(2))}\n".encode()}))
    narrow = typed("ingest", str(place / "Выборы" / "Округ №1"))
    assert narrow.returncode == 0
    assert typed("ingest", str(place / "x.zip")).returncode == 0
    query = "SELECT region, name, time_zone FROM metrics.constituencies ORDER BY name"
    assert rows(chosen, query)["region"].isna().tolist() == [True, True]
    wide = typed("ingest", str(tmp_path / "in"))
    assert wide.returncode == 0, wide.stderr
    assert "file(s) that landed before are named by their folders now." in wide.stderr
    zone = "Asia/Yekaterinburg"
    assert rows(chosen, query).values.tolist() == [
        ["Пермский край", "Округ №1", zone], ["Пермский край", "Округ №2", zone],
    ]  # fmt: skip
    assert election(chosen) == ["Выборы"]
    assert "Nothing new: 2 file(s)" in typed("ingest", str(tmp_path / "in")).stderr


def test_a_path_out_of_its_archive_says_no_place_at_a_second_look_either(chosen: Settings, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    forged = f"../../{REGION}/Выборы/Округ №1/{OTHER}_x.csv"
    (source / "x.zip").write_bytes(zipped({forged: f"{vote('b', ms(2))}\n".encode()}))
    update(chosen, source)
    assert read_paths_again(chosen, source) == 0
    assert rows(chosen, "SELECT region FROM metrics.constituencies")["region"].isna().tolist() == [True]


def test_a_source_that_is_away_deletes_nothing(chosen: Settings, tmp_path: Path) -> None:
    source = tmp_path / "in"
    Folder(source / REGION / "Выборы").put(vote("a", ms(1)))
    update(chosen, source)
    shutil.move(source / REGION, tmp_path / "away")
    assert tick(chosen, source) == ""
    told = typed("ingest", str(source))
    assert told.returncode == 1
    assert "has no export, though 1 file(s) landed from there. Is a disk or a share away?" in told.stderr
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


@pytest.mark.long
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


def test_a_contract_in_two_elections_is_told_with_both_paths(chosen: Settings, tmp_path: Path) -> None:
    source = tmp_path / "in"
    first = Folder(source / REGION / "Выборы А").put(vote("a", ms(1)))
    (check,) = [each for each in QUESTIONS if each[1] == "places_agree"]
    update(chosen, source)
    assert rows(chosen, check[4]).empty
    second = Folder(source / "69 - Тверская область" / "Выборы Б").put(vote("b", ms(2)), name="other")
    update(chosen, source)
    assert rows(chosen, check[4]).values.tolist() == [[CONTRACT, *sorted([str(first), str(second)])]]
    found = "SELECT state, constituency_id, explanation FROM metrics.anomalies WHERE rule = 'places_disagree'"
    ((state, constituency, explanation),) = rows(chosen, found).values.tolist()
    assert (state, constituency) == ("open", CONTRACT)
    assert f"{'; '.join(sorted([str(first), str(second)]))}. All its rows count in Тверская область." in explanation
    second.unlink()
    update(chosen, source)
    update(chosen, source)
    assert rows(chosen, found)["state"].tolist() == ["resolved"]


def test_a_misspelt_folder_that_is_removed_is_no_name_any_more(tmp_path: Path) -> None:
    """One contract with a file in each of two folders; the file of the wrong one lands no more, but names are new."""
    source = tmp_path / "in" / REGION
    Folder(source / "Выбары Б").put(vote("a", ms(1)))
    Folder(source / "Выборы Б").put(vote("b", ms(2)), name="other")
    home = {"ELECTION_METRICS_HOME": str(tmp_path / "home")}
    assert typed("ingest", str(source.parent), **home).returncode == 0
    shutil.rmtree(source / "Выбары Б")
    done = typed("ingest", str(source.parent), **home)
    assert "Names changed: files that named elections or constituencies are gone or back." in done.stderr + done.stdout
    names = typed("export", "elections", "--format", "csv", **home).stdout
    assert "Выборы Б" in names
    assert "Выбары" not in names
    assert "Nothing new" in (done := typed("ingest", str(source.parent), **home)).stderr + done.stdout


def test_what_is_ignored_is_ignored_with_all_that_is_in_it(chosen: Settings, tmp_path: Path) -> None:
    source = tmp_path / "in"
    for folder in (".old", ".Trash-0", "__MACOSX"):
        Folder(source / folder / REGION).put(vote(folder, ms(1), folder))
    Folder(source).put(vote("a", ms(1)))
    assert update(chosen, source).files == 1


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
        "landed": "1", "unreadable": "2", "of a kind that is not read": "2",
        "ignored: a download in progress": "1", "ignored: a file of the system": "1",
        "ignored: a lock of a program": "1", "ignored: hidden": "1",
    }  # fmt: skip
    kinds = rows(chosen, "SELECT kind, files, lines FROM metrics.input_notes ORDER BY 1").values.tolist()
    assert [kind for kind, *_ in kinds] == ["not_read", "quarantined", "unreadable", "unreadable"]


@pytest.mark.parametrize("way", ["other/../in", "link"])
def test_a_folder_that_is_typed_in_another_way_is_the_same_source(chosen: Settings, tmp_path: Path, way: str) -> None:
    source = tmp_path / "in"
    path = Folder(source / REGION / "Выборы").put(*[vote(f"w{n}", ms(n)) for n in range(9)])
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(source)
    update(chosen, tmp_path / way)
    path.write_text(f"{vote('right', ms(1))}\n")
    update(chosen, source)
    assert hourly(chosen) == {"08": {"transaction_count": 1, "votes_cast": 1}}
    assert update(chosen, tmp_path / way).files == 0


def test_a_region_of_a_path_that_exists_comes_before_names_of_one_that_is_gone(
    chosen: Settings, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    path = Folder(source / REGION / "Выборы").put(vote("a", ms(1)))
    update(chosen, source)
    (source / "54 - Новосибирская область").mkdir()
    path.rename(source / "54 - Новосибирская область" / path.name)
    update(chosen, source)
    update(chosen, source)
    found = rows(chosen, "SELECT region, time_zone FROM metrics.constituencies").values.tolist()
    assert found == [["Новосибирская область", "Asia/Novosibirsk"]]


def test_ingest_says_what_the_folders_do_not_say_exactly(tmp_path: Path) -> None:
    source = tmp_path / "in"
    wrong = Folder(source / "59 - Пермский край" / "Выборы" / "Округ").put(vote("a", ms(1)))
    nameless = Folder(source / "54 - Новосибирская область").put(vote("b", ms(2)), contract=OTHER)
    done = typed("ingest", str(source), ELECTION_METRICS_HOME=str(tmp_path / "home"))
    said = " ".join((done.stderr + done.stdout).split())
    assert f"The number 59 is not that of Пермский край, which is 90: the name counts, such as {wrong}." in said
    assert f"No election is named: 1 constituency is counted as 'Unknown election', such as {nameless}." in said
