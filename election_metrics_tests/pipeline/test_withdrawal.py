"""What wrong files brought is taken back from every table, stays out, and can be restored."""

import json
import random
from pathlib import Path

import pandas as pd
import pytest

from election_metrics.errors import ElectionMetricsError
from election_metrics.pipeline.hours import changed_hours
from election_metrics.pipeline.reconciliation import reconcile_elections
from election_metrics.pipeline.withdrawal import find_withdrawal, restore, withdraw
from election_metrics.settings import Settings
from election_metrics_tests.archived import zipped
from election_metrics_tests.computing import NOW, everything, hourly, rows, update
from election_metrics_tests.exports import CONTRACT, OTHER, Folder, line, ms, rollback, vote
from election_metrics_tests.typed import typed

WHY = "test data, sent by mistake"


def compute(settings: Settings, source: Path) -> None:
    """Computes what is stale; nothing new has landed."""
    assert changed_hours(settings, NOW)
    assert update(settings, source).files == 0
    update(settings, source)  # the registry, once hours are gone


def notes(settings: Settings) -> list[list[object]]:
    """Withdrawals as readers see them."""
    query = "SELECT files, lines, reason FROM metrics.input_notes WHERE kind = 'withdrawn' ORDER BY 1"
    return rows(settings, query).values.tolist()


def test_everything_that_a_file_brought_is_gone_and_stays_out_under_any_name(chosen: Settings, tmp_path: Path) -> None:
    """Votes, re-votes of other files' voters, rollbacks of other files' votes, a register, lines in quarantine."""
    folder = Folder(tmp_path / "in" / "90 - Пермский край" / "Выборы")
    folder.put(vote("a", ms(1), "k"), vote("b", ms(2), "l"), line("r", ms(0), "addVotersList", votersCount=100))
    update(chosen, tmp_path / "in")
    before = everything(chosen)
    wrong = folder.put(
        vote("w", ms(0), "k"), vote("x", ms(3, hour=5), "m"), rollback("b"), "rubbish",
        line("s", ms(4), "addToVotersList", votersCount=900), name="2026-09-18_1600-1700",
    )  # fmt: skip
    bytes_of_wrong = wrong.read_bytes()
    update(chosen, tmp_path / "in")
    assert everything(chosen) != before
    assert left_of(chosen, wrong) == {"registry_events": 1, "corrections": 2, "conflicting_rows": 0, "lake": 3}
    withdraw(chosen, str(wrong), "me", WHY)
    compute(chosen, tmp_path / "in")
    assert everything(chosen) == before
    assert rows(chosen, "SELECT * FROM ingest.rejected_transactions").empty
    assert left_of(chosen, wrong) == {"registry_events": 0, "corrections": 0, "conflicting_rows": 0, "lake": 0}
    assert notes(chosen) == [[1, 3, WHY]], "a call on the register is a row too"
    (name,) = rows(chosen, "SELECT election_id FROM metrics.elections")["election_id"]
    counted, different = reconcile_elections(chosen, "run", [name], NOW)
    assert (len(counted), len(different)) == (1, 0)
    # Again, touched, copied, packed, and after the path was overwritten by something sound.
    wrong.write_bytes(bytes_of_wrong)
    (folder.root / f"{CONTRACT}_copy.csv").write_bytes(bytes_of_wrong)
    (folder.root / "all.zip").write_bytes(zipped({f"{CONTRACT}_in.csv": bytes_of_wrong}))
    assert update(chosen, tmp_path / "in").rows == 0
    assert everything(chosen) == before
    wrong.write_text(vote("y", ms(9), "n") + "\n")
    (folder.root / f"{CONTRACT}_later.csv").write_bytes(bytes_of_wrong)
    update(chosen, tmp_path / "in")
    assert hourly(chosen)["08"]["votes_cast"] == 3
    restore(chosen, str(folder.root / f"{CONTRACT}_copy.csv"), "me")
    update(chosen, tmp_path / "in")
    assert hourly(chosen)["13"] == {"transaction_count": 1, "votes_cast": 1}
    assert notes(chosen) == []


def left_of(settings: Settings, path: Path) -> dict[str, int]:
    """Rows of a file in the internal tables and in the lake."""
    number = int(
        rows(settings, f"SELECT max(content_id) FROM ingest.transaction_files WHERE path = '{path}'").iloc[0, 0]
    )
    tables = ("registry_events", "corrections", "conflicting_rows")
    left = {
        name: int(rows(settings, f"SELECT count(*) FROM ingest.{name} WHERE content_id = {number}").iloc[0, 0])
        for name in tables
    }
    parts = rows(settings, "SELECT path FROM ingest.lake_parts WHERE retired_at IS NULL")["path"]
    contents = pd.concat([pd.read_parquet(settings.lake_path / part, columns=["content_id"]) for part in parts])
    return left | {"lake": int((contents["content_id"] == number).sum())}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
def test_withdrawn_files_are_as_if_they_had_never_come(chosen: Settings, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    ids = [f"t{number}" for number in range(12)]

    def anything() -> str:
        at = ms(chance.randrange(60), hour=chance.randrange(3))
        name = chance.choice(ids)
        return rollback(name) if chance.random() < 0.2 else vote(name, at, f"k{chance.randrange(5)}")

    contents = [[anything() for _ in range(6)] for _ in range(6)]
    folder = Folder(tmp_path / "in")
    paths = [
        folder.put(*content, name=f"f{number}", contract=[CONTRACT, OTHER][number % 2])
        for number, content in enumerate(contents)
    ]
    update(chosen, folder.root)
    for path in (paths[1], paths[4]):
        withdraw(chosen, str(path), "me", WHY)
    compute(chosen, folder.root)
    taken_back = everything(chosen)
    for path in (paths[1], paths[4]):
        restore(chosen, str(path), "me")
    assert update(chosen, folder.root).files == 2
    whole = everything(chosen)
    withdraw(chosen, str(folder.root), "me", WHY)
    compute(chosen, folder.root)
    assert not any(everything(chosen)[table] for table in ("hourly_stats", "election_hours", "constituency_metrics"))
    restore(chosen, str(folder.root), "me")
    for path in (paths[1], paths[4]):
        path.rename(tmp_path / path.name)
    update(chosen, folder.root)
    assert everything(chosen) == taken_back
    for path in (paths[1], paths[4]):
        (tmp_path / path.name).rename(path)
    update(chosen, folder.root)
    assert everything(chosen) == whole


def test_a_target_is_a_path_a_member_a_hash_an_election_or_a_contract(chosen: Settings, tmp_path: Path) -> None:
    place = tmp_path / "in" / "90 - Пермский край"
    first = Folder(place / "Выборы А").put(vote("a", ms(1)))
    Folder(place / "Выборы Б").put(vote("b", ms(2)), contract=OTHER)
    member = f"Выборы А/{CONTRACT}_2026-09-18_1200-1300.csv"
    (place / "x.zip").write_bytes(zipped({member: f"{vote('c', ms(3))}\n".encode()}))
    update(chosen, tmp_path / "in")
    digest = rows(chosen, f"SELECT content_hash FROM ingest.transaction_files WHERE path = '{first}'").iloc[0, 0]
    ids = dict(rows(chosen, "SELECT name, election_id FROM metrics.elections").values.tolist())
    named = {
        str(first): 1, str(place): 3, f"{place}/": 3, f"{place}/x.zip": 1, f"{place}/x.zip/{member}": 1,
        f"{place}/x.zip/Выборы А": 1, digest: 1, digest[:8].upper(): 1, ids["Выборы А"]: 2, OTHER: 1,
    }  # fmt: skip
    assert {target: len(find_withdrawal(chosen, target).files) for target in named} == named
    for target in (digest[:7], str(tmp_path / "i"), "nope", "Выборы А", f"{first}x"):
        with pytest.raises(ElectionMetricsError, match="names no file that counts: give a path"):
            find_withdrawal(chosen, target)


def test_what_was_named_to_withdraw_restores_too_and_so_does_what_the_page_shows(
    chosen: Settings, tmp_path: Path
) -> None:
    place = tmp_path / "in" / "90 - Пермский край" / "Выборы"
    path = Folder(place).put(vote("a", ms(1)), line("r", ms(0), "addVotersList", votersCount=10))
    update(chosen, tmp_path / "in")
    before = everything(chosen)
    (name,) = rows(chosen, "SELECT election_id FROM metrics.elections")["election_id"]
    withdraw(chosen, name, "me", WHY)
    compute(chosen, tmp_path / "in")
    assert not any(everything(chosen).values())
    assert rows(chosen, "SELECT * FROM metrics.anomalies WHERE state <> 'resolved'").empty
    (shown,) = rows(chosen, "SELECT example FROM metrics.input_notes")["example"]
    assert shown == f"Выборы/{path.name}"
    assert len(find_withdrawal(chosen, shown, withdrawn=True).files) == 1
    restore(chosen, name, "me")
    update(chosen, tmp_path / "in")
    assert everything(chosen) == before


def test_a_member_of_an_archive_comes_back_beside_the_others(chosen: Settings, tmp_path: Path) -> None:
    place = tmp_path / "in" / "90 - Пермский край" / "Выборы"
    place.mkdir(parents=True)
    files = {f"{CONTRACT}_{name}.csv": f"{vote(name, ms(1), name)}\n".encode() for name in "abc"}
    archive = place / "x.zip"
    archive.write_bytes(zipped(files))
    update(chosen, tmp_path / "in")
    before = everything(chosen)
    for target in (f"{archive}/{CONTRACT}_b.csv", str(archive)):
        withdraw(chosen, target, "me", WHY)
        compute(chosen, tmp_path / "in")
        restore(chosen, target, "me")
        update(chosen, tmp_path / "in")
        assert everything(chosen) == before, target
    withdraw(chosen, str(archive), "me", WHY)
    archive.write_bytes(zipped({**files, f"{CONTRACT}_d.csv": f"{vote('d', ms(1), 'd')}\n".encode()}))
    update(chosen, tmp_path / "in")
    assert hourly(chosen)["08"]["votes_cast"] == 1
    restore(chosen, str(archive), "me")
    update(chosen, tmp_path / "in")
    assert hourly(chosen)["08"]["votes_cast"] == 4


def test_rows_that_another_file_has_too_stay(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    path = folder.put(vote("a", ms(1)))
    folder.put(vote("a", ms(1)), name="copy")
    update(chosen, folder.root)
    before = everything(chosen)
    assert len(find_withdrawal(chosen, str(path)).elsewhere) == 1
    withdraw(chosen, str(path), "me", WHY)
    update(chosen, folder.root)
    assert everything(chosen) == before
    withdraw(chosen, CONTRACT, "me", WHY)
    compute(chosen, folder.root)
    assert hourly(chosen) == {}


@pytest.mark.long
@pytest.mark.rare
def test_the_command_shows_first_then_withdraws_and_says_who(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in" / "90 - Пермский край" / "Выборы")
    folder.put(vote("a", ms(1)))
    wrong = folder.put(vote("b", ms(2)), vote("c", ms(1, hour=3)), name="wrong")
    assert typed("ingest", str(tmp_path / "in")).returncode == 0
    shown = typed("withdraw", str(wrong))
    assert (shown.returncode, hourly(chosen)["08"]["votes_cast"]) == (0, 2)
    assert "1 file(s) with 2 row(s) in 2 hour(s), of 1 constituencies would be withdrawn" in shown.stderr
    assert 'Nothing was changed. Say why to withdraw: --because "REASON"' in shown.stderr
    assert typed("withdraw", str(wrong), "--because", " ").returncode == 1
    done = typed("withdraw", str(wrong), "--because", WHY, "--by", "an operator")
    assert done.returncode == 0, done.stderr
    assert hourly(chosen) == {"08": {"transaction_count": 1, "votes_cast": 1}}
    assert "1 file(s) with 2 row(s), at " in typed("status").stdout
    assert WHY in typed("status").stdout
    (entry,) = rows(chosen, "SELECT who, action, target, after FROM ingest.audit_log").values.tolist()
    after = entry[3] if isinstance(entry[3], dict) else json.loads(entry[3])
    assert entry[:3] == ["an operator", "withdraw", str(wrong)]
    assert after == {"reason": WHY, "number_of_files": 1, "files": [str(wrong)]}
    again = typed("ingest", str(tmp_path / "in"))
    assert again.returncode == 0
    assert "1 file(s) below" in again.stderr
    assert "1 were withdrawn" in again.stderr
    assert typed("withdraw", str(wrong), "--undo").returncode == 0
    assert typed("ingest", str(tmp_path / "in")).returncode == 0
    assert hourly(chosen)["08"]["votes_cast"] == 2
    refused = typed("withdraw", str(wrong), "--undo")
    assert refused.returncode == 1
    assert "names no file that was withdrawn" in refused.stderr


def test_a_file_that_was_moved_is_taken_back_by_its_new_path(chosen: Settings, tmp_path: Path) -> None:
    """Its old path, which no longer exists, keeps no row and gives no name."""
    source = tmp_path / "in"
    sound = Folder(source / "90 - Пермский край" / "Выборы").put(vote("a", ms(1)))
    wrong = Folder(source / "90 - Перьмский край" / "Выборы").put(vote("b", ms(2)), contract=OTHER)
    update(chosen, source)
    moved = sound.parent / wrong.name
    wrong.rename(moved)
    update(chosen, source)
    update(chosen, source)
    assert find_withdrawal(chosen, str(moved)).elsewhere == {}
    withdraw(chosen, str(moved), "me", WHY)
    compute(chosen, source)
    assert rows(chosen, "SELECT region FROM metrics.constituencies")["region"].tolist() == ["Пермский край"]
    assert hourly(chosen) == {"08": {"transaction_count": 1, "votes_cast": 1}}
    with pytest.raises(ElectionMetricsError, match="is already withdrawn; to restore it: --undo"):
        find_withdrawal(chosen, str(moved))


def test_a_restored_file_that_lands_alone_keeps_its_place(chosen: Settings, tmp_path: Path) -> None:
    source = tmp_path / "in"
    path = Folder(source / "90 - Пермский край" / "Выборы" / "Округ 1").put(vote("a", ms(1)))
    update(chosen, source)
    before = everything(chosen)
    withdraw(chosen, str(path), "me", WHY)
    compute(chosen, source)
    restore(chosen, str(path), "me")
    assert update(chosen, path).files == 1
    assert everything(chosen) == before


def test_bytes_that_were_withdrawn_are_named_when_they_come_again(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    path = folder.put(vote("a", ms(1)))
    update(chosen, folder.root)
    withdraw(chosen, str(path), "me", WHY)
    copy = folder.root / f"{CONTRACT}_copy.csv"
    copy.write_bytes(path.read_bytes())
    assert update(chosen, folder.root).withdrawn == {str(copy): WHY}


def test_an_empty_hour_that_is_withdrawn_takes_no_other_empty_hour_with_it(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in" / "90 - Пермский край" / "Выборы")
    folder.put(line("s", ms(0), "startVoting"), vote("a", ms(1)), name="2026-09-18_1300-1400")
    gone = folder.put(name="2026-09-18_1400-1500")
    wrong = folder.put(name="2026-09-18_1500-1600")
    update(chosen, tmp_path / "in")
    gone.unlink()
    update(chosen, tmp_path / "in")
    assert find_withdrawal(chosen, str(wrong)).files["path"].tolist() == [str(wrong)]
    withdraw(chosen, str(wrong), "me", WHY)
    right = folder.put(name="2026-09-18_1600-1700")
    update(chosen, tmp_path / "in")
    status = f"SELECT status FROM ingest.transaction_files WHERE path = '{right}'"
    assert rows(chosen, status)["status"].tolist() == ["landed"]
