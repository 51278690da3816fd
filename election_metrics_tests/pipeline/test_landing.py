"""Landing: versions, repeats, rollbacks, re-votes, archives, and files that cannot be read."""

import multiprocessing
import os
import random
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from election_metrics.clock import hour_number
from election_metrics.pipeline.expected_hours import expected_hours
from election_metrics.pipeline.file_landing import files_of_run, land
from election_metrics.pipeline.hours import changed_hours
from election_metrics.settings import Settings
from election_metrics.sources.file_versions import FileVersion
from election_metrics.sources.listing import list_exports
from election_metrics_tests.archived import ARCHIVES
from election_metrics_tests.computing import NOW, everything, hourly, rows, update
from election_metrics_tests.conftest import empty_warehouse
from election_metrics_tests.exports import CONTRACT, HOUR, OTHER, Folder, issue, line, ms, rollback, vote


def test_landing_twice_changes_nothing_and_reads_nothing(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put(issue("a", ms(1)), vote("b", ms(2)))
    update(chosen, tmp_path)
    before = everything(chosen)
    assert update(chosen, tmp_path).files == 0
    assert everything(chosen) == before


def test_a_row_counts_in_the_hour_it_occurred_in_whatever_its_file_is_called(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(vote("a", ms(59.9)), vote("b", ms(0, hour=1)), name="2020-01-01_0000-0100")
    update(chosen, tmp_path)
    assert {hour: row["votes_cast"] for hour, row in hourly(chosen).items()} == {"08": 1, "09": 1}


def test_an_id_in_overlapping_files_counts_once(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put(vote("a", ms(1)), vote("b", ms(2)), name="1")
    folder.put(vote("b", ms(2)), vote("c", ms(3)), name="2")
    folder.put(vote("c", ms(3)), vote("c", ms(3)), name="3")
    update(chosen, tmp_path)
    assert hourly(chosen)["08"]["votes_cast"] == 3


def test_the_ledger_accounts_for_every_line_of_a_file_that_repeats_itself(chosen: Settings, tmp_path: Path) -> None:
    again = [vote("a", ms(1)), vote("a", ms(1)), vote("a", ms(1)), vote("b", ms(2)), vote("b", ms(2))]
    Folder(tmp_path).put(*again, rollback("a"), issue("c", ms(3)), "garbage")
    update(chosen, tmp_path)
    counts = "SELECT lines, rows, rollbacks, repeated, rejected FROM ingest.transaction_files"
    assert rows(chosen, counts).iloc[0].tolist() == [8, 3, 1, 3, 1]


def test_an_id_with_two_times_counts_once_in_the_earlier_hour_whichever_came_first(chosen, tmp_path: Path) -> None:
    Folder(tmp_path / "1").put(vote("a", ms(1, hour=1)), name="1")
    update(chosen, tmp_path / "1")
    assert list(hourly(chosen)) == ["09"]
    Folder(tmp_path / "2").put(vote("a", ms(1)), name="2")
    update(chosen, tmp_path / "2")
    assert hourly(chosen) == {"08": {"transaction_count": 1, "votes_cast": 1}}


@pytest.mark.parametrize("order", [["target", "rollback"], ["rollback", "target"]])
def test_a_rollback_withdraws_whether_it_comes_before_or_after(chosen, tmp_path: Path, order: list[str]) -> None:
    texts = {"target": [vote("a", ms(1)), issue("b", ms(2))], "rollback": [rollback("a"), rollback("never-seen")]}
    for number, which in enumerate(order):
        Folder(tmp_path).put(*texts[which], name=str(number))
        update(chosen, tmp_path)
    assert hourly(chosen) == {"08": {"transaction_count": 1, "bulletins_issued": 1, "withdrawn": 1}}


def test_a_rollback_reaches_a_transaction_of_another_constituency(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(vote("a", ms(1)))
    update(chosen, tmp_path)
    Folder(tmp_path).put(rollback("a"), contract=OTHER)
    update(chosen, tmp_path)
    assert hourly(chosen) == {"08": {"withdrawn": 1}}


@pytest.mark.parametrize("seed", range(4))
def test_the_first_vote_of_a_key_counts_and_later_ones_are_revotes_in_their_own_hour(chosen, tmp_path, seed) -> None:
    votes = [vote("v1", ms(5), "key"), vote("v2", ms(5, hour=1), "key"), vote("v3", ms(5, hour=2), "key")]
    for number in random.Random(seed).sample(range(3), 3):
        Folder(tmp_path).put(votes[number], name=str(number))
        update(chosen, tmp_path)
    assert hourly(chosen) == {
        "08": {"transaction_count": 1, "votes_cast": 1},
        "09": {"transaction_count": 1, "revotes": 1},
        "10": {"transaction_count": 1, "revotes": 1},
    }


def test_if_the_first_vote_is_withdrawn_the_next_one_counts(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(vote("v1", ms(5), "key"), vote("v2", ms(5, hour=1), "key"), vote("v3", ms(5, hour=2), "key"))
    update(chosen, tmp_path)
    Folder(tmp_path).put(rollback("v1"), name="later")
    update(chosen, tmp_path)
    counted = hourly(chosen)
    assert counted["08"] == {"withdrawn": 1}
    assert counted["09"] == {"transaction_count": 1, "votes_cast": 1}
    assert counted["10"] == {"transaction_count": 1, "revotes": 1}


def test_the_same_key_votes_once_in_each_constituency(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(vote("a", ms(1), "key"))
    Folder(tmp_path).put(vote("b", ms(1), "key"), contract=OTHER)
    update(chosen, tmp_path)
    assert hourly(chosen)["08"] == {"transaction_count": 2, "votes_cast": 2}


def test_a_rejected_vote_is_no_first_vote(chosen: Settings, tmp_path: Path) -> None:
    failed = line("a", ms(1), "vote", "key", [{"key": "FAIL_key_a_vote", "stringValue": "no"}])
    Folder(tmp_path).put(failed, vote("b", ms(2), "key"))
    update(chosen, tmp_path)
    assert hourly(chosen)["08"] == {"transaction_count": 2, "votes_cast": 1, "votes_rejected": 1}


def test_a_changed_file_replaces_what_it_said_before(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put(vote("a", ms(1)), vote("wrong", ms(1, hour=3)), rollback("c"), vote("c", ms(2)))
    update(chosen, tmp_path)
    assert hourly(chosen)["08"]["withdrawn"] == 1
    folder.put(vote("a", ms(1)), vote("b", ms(2)), vote("c", ms(2)))
    update(chosen, tmp_path)
    assert hourly(chosen) == {"08": {"transaction_count": 3, "votes_cast": 3}}
    assert rows(chosen, "SELECT status, count(*) FROM ingest.transaction_files GROUP BY status ORDER BY 1").values.tolist() == [
        ["landed", 1], ["superseded", 1],
    ]  # fmt: skip


def test_a_file_that_grows_is_whole_in_the_end(chosen: Settings, tmp_path: Path) -> None:
    whole = "\n".join([vote("a", ms(1)), vote("b", ms(2)), vote("c", ms(3))]) + "\n"
    path = Folder(tmp_path).put()
    for cut in (len(whole) // 2, len(whole) - 20, len(whole)):
        path.write_text(whole[:cut])
        update(chosen, tmp_path)
    assert hourly(chosen)["08"] == {"transaction_count": 3, "votes_cast": 3}
    assert rows(chosen, "SELECT * FROM ingest.rejected_transactions").empty


def test_a_redelivered_file_is_not_read_again_and_outlives_the_first(chosen: Settings, tmp_path: Path) -> None:
    first = Folder(tmp_path / "1").put(vote("a", ms(1)))
    update(chosen, tmp_path)
    Folder(tmp_path / "2").put(vote("a", ms(1)))
    assert update(chosen, tmp_path).known_contents == 1
    first.write_text(vote("b", ms(2)) + "\n")
    update(chosen, tmp_path)
    assert hourly(chosen)["08"]["votes_cast"] == 2


def test_a_touched_file_changes_nothing(chosen: Settings, tmp_path: Path) -> None:
    path = Folder(tmp_path).put(vote("a", ms(1)))
    update(chosen, tmp_path)
    before = everything(chosen)
    os.utime(path, (1, 1))
    report = update(chosen, tmp_path)
    assert (report.files, report.rows) == (1, 0)
    assert everything(chosen) == before


def test_an_empty_file_is_a_legal_hour(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put()
    report = update(chosen, tmp_path)
    assert (report.files, report.rows, report.unreadable) == (1, 0, {})
    assert rows(chosen, "SELECT constituency_id FROM metrics.constituencies").iloc[0, 0] == CONTRACT


@pytest.mark.parametrize(
    "kind",
    [
        "a zip of zips",
        "tar.gz",
        *(pytest.param(kind, marks=pytest.mark.long) for kind in ("zip", "a tar of zips", "tar.zst")),
    ],
)
def test_a_tree_and_its_archive_give_the_same_tables(chosen: Settings, server: str, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "tree" / "90 - Пермский край" / "Выборы"
    Folder(place / "Округ №1").put(
        vote("a", ms(1), "k"), issue("b", ms(2)), line("r", ms(0), "addVotersList", votersCount=9)
    )
    Folder(place / "Округ №1").put(vote("c", ms(1, hour=1), "k"), rollback("a"), "rubbish", name="2026-09-18_1200-1300")
    Folder(place / "Округ №2").put(vote("d", ms(5), "d"), contract=OTHER)
    update(chosen, tmp_path / "tree")
    ending, make = ARCHIVES[kind]
    files = {str(path.relative_to(tmp_path / "tree")): path.read_bytes() for path in (tmp_path / "tree").rglob("*.csv")}
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / f"exports{ending}").write_bytes(make(files))
    with empty_warehouse(server, tmp_path / "another home") as other:
        update(other, tmp_path / "packed")
        assert everything(other) == everything(chosen)


def test_zipped_files_count_like_plain_ones(chosen: Settings, tmp_path: Path) -> None:
    plain = Folder(tmp_path / "plain").put(vote("a", ms(1)), issue("b", ms(2)))
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(plain, f"90 - Region/Election/District/{plain.name}")
        archive.writestr("readme.csv", "no contract")
    report = update(chosen, tmp_path / "in")
    assert hourly(chosen)["08"]["transaction_count"] == 2
    assert rows(chosen, "SELECT name FROM metrics.elections").iloc[0, 0] == "Election"
    assert "does not begin with a contract id" in "".join(report.unreadable.values())


def test_a_zip_that_is_cut_off_is_reported_and_read_when_it_is_whole(chosen: Settings, tmp_path: Path) -> None:
    plain = Folder(tmp_path / "plain").put(vote("a", ms(1)))
    whole, path = tmp_path / "whole.zip", tmp_path / "in" / "x.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        archive.write(plain, plain.name)
    path.parent.mkdir()
    path.write_bytes(whole.read_bytes()[:-30])
    Folder(tmp_path / "in").put(vote("b", ms(2)), contract=OTHER)
    report = update(chosen, tmp_path / "in")
    assert "cut off?" in report.unreadable[str(path)]
    assert hourly(chosen)["08"]["votes_cast"] == 1
    shutil.copyfile(whole, path)
    update(chosen, tmp_path / "in")
    assert hourly(chosen)["08"]["votes_cast"] == 2
    assert rows(chosen, "SELECT * FROM ingest.transaction_files WHERE status = 'unreadable'").empty


def test_a_file_without_a_contract_id_does_not_stop_the_others(chosen: Settings, tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("a;b\n")
    Folder(tmp_path).put(vote("a", ms(1)))
    report = update(chosen, tmp_path)
    assert list(report.unreadable) == [str(tmp_path / "notes.csv")]
    assert hourly(chosen)["08"]["votes_cast"] == 1


def _drop_privileges_and_land(settings: Settings, root: Path, out: Path) -> None:
    if os.geteuid() == 0:
        os.setegid(65534)
        os.seteuid(65534)
    from election_metrics.sources.listing import list_exports

    listing = list_exports(root)
    out.write_text(
        "\n".join([*(f.path for f in listing.files), *(f"{u.version.path}: {u.reason}" for u in listing.unreadable)])
    )


def test_a_folder_without_permission_is_named_and_the_rest_is_listed(chosen: Settings, tmp_path: Path) -> None:
    shut = tmp_path / "in" / "shut"
    shut.mkdir(parents=True)
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    shut.chmod(0)
    for folder in [tmp_path, *tmp_path.parents][:4]:
        folder.chmod(folder.stat().st_mode | 0o005)
    out = tmp_path / "out"
    out.touch()
    out.chmod(0o666)
    child = multiprocessing.get_context("fork").Process(
        target=_drop_privileges_and_land, args=(chosen, tmp_path / "in", out)
    )
    child.start()
    child.join(60)
    shut.chmod(0o755)
    assert f"{shut}: the folder cannot be listed: Permission denied" in out.read_text()
    assert CONTRACT in out.read_text()


def test_seed_166_a_summary_follows_a_file_of_which_only_the_rejected_lines_changed_whatever_the_clock_said(
    chosen: Settings, tmp_path: Path
) -> None:
    """What had landed since was asked of two clocks: one that was ahead by a day left the summary behind for ever."""
    folder = Folder(tmp_path / "in")
    good = [line("start", ms(0), "startVoting"), vote("a", ms(1)), line("end", ms(2), "finishVoting")]
    folder.put(*good)
    update(chosen, folder.root, NOW + timedelta(hours=30))
    folder.put(*good, "rubbish")
    update(chosen, folder.root, NOW)
    summary = rows(
        chosen,
        "SELECT status, rejected_lines FROM metrics.election_summaries JOIN metrics.elections USING (election_id)",
    )
    assert summary.values.tolist() == [["completed", 1]]


def test_the_hours_of_many_files_are_guessed_from_their_names_and_none_is_opened(chosen: Settings) -> None:
    """They are not even there: 400,000 of the portal's, of 5,000 contracts and 80 hours."""
    contracts = [f"{CONTRACT[:-4]}{number:04}".replace("0", "z") for number in range(5000)]
    begin = datetime(2026, 9, 18, tzinfo=UTC)
    stems = [
        f"{begin + timedelta(hours=hour):%Y-%m-%d_%H00}-{begin + timedelta(hours=hour + 1):%H00}" for hour in range(80)
    ]
    for region, ahead in (("77 - город Москва", 3), ("41 - Камчатский край", 12)):
        files = [
            FileVersion(f"/none/{region}/Выборы/{c}/{c}_{stem}/{c}_{stem}.csv", 9, 9)
            for c in contracts
            for stem in stems
        ]
        hours = expected_hours(chosen, files, NOW)
        first = hour_number(begin) - ahead
        assert list(hours) == list(range(first, first + 80))


def test_of_files_whose_names_say_no_hour_only_some_are_opened(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for number in range(260):
        folder.put(vote(f"v{number}", ms(1, hour=number)), name=f"{number:04}")
    hours = expected_hours(chosen, list_exports(tmp_path).files, NOW + timedelta(days=30))
    assert list(hours) == list(range(hour_number(HOUR), hour_number(HOUR) + 200))
    assert land(chosen, tmp_path, "run", NOW).files == 260
    assert files_of_run(chosen, "run") == 260
    assert len(changed_hours(chosen, NOW)) == 260, "what was not guessed is computed when it has landed"


@pytest.mark.parametrize("folder", ["[x]", "{title}", "a*b?", "plain"])
def test_equal_files_below_a_folder_with_any_name_land_and_count_once(
    chosen: Settings, tmp_path: Path, folder: str
) -> None:
    here = Folder(tmp_path / folder / "90 - Пермский край" / "[Выборы]")
    here.put(vote("a", ms(1)), name="1")
    here.put(vote("a", ms(1)), name="1 (1)")
    for name in ("2", "3"):  # hours without ballots
        here.put(name=name)
    report = update(chosen, tmp_path)
    assert (report.files, report.unreadable) == (4, {})
    assert hourly(chosen)["08"]["votes_cast"] == 1
