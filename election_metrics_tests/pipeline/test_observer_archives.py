"""Zips of the tables that observers exchange, as a source: counts, where there are no transactions."""

import io
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from election_metrics.pipeline.observer_tables import write_tables
from election_metrics.pipeline.withdrawal import withdraw
from election_metrics.replay.blocks import write_blocks
from election_metrics.replay.series import read_series
from election_metrics.replay.tree import write_replay
from election_metrics.settings import Settings
from election_metrics_tests.blocks import dump_of, joined
from election_metrics_tests.computing import NOW, hourly, rows, update
from election_metrics_tests.exports import CONTRACT, OTHER, Folder, issue, line, ms, rollback, vote

HOURS = """
    SELECT constituency_id, hour, bulletins_issued, votes_cast, registered_voters
    FROM metrics.hourly_stats WHERE bulletins_issued + votes_cast > 0 ORDER BY constituency_id, hour
"""
PRECINCTS = """
    SELECT constituency_id, precinct, hour, bulletins_issued, voters_listed, voters_restored, voters_removed
    FROM metrics.precinct_hourly_stats ORDER BY constituency_id, precinct, hour
"""
ELECTIONS = f"contract_id,region,election,district\n{CONTRACT},Пермский край,Выборы,Округ №1\n{OTHER},,,\n"


def put(folder: Path, tables: Mapping[str, str | bytes], name: str = "deg.zip") -> Path:
    """Writes an archive of these tables."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, "w") as archive:
        for member, text in tables.items():
            archive.writestr(member, text)
    return folder


def unread(settings: Settings) -> list[tuple[str, str]]:
    """Member and reason of what cannot be read."""
    query = "SELECT member, reason FROM ingest.transaction_files WHERE status = 'unreadable' ORDER BY member"
    return list(rows(settings, query).itertuples(index=False, name=None))


@pytest.fixture
def replayed(make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    """A warehouse with a vote of three constituencies, with faults of real data."""
    series, settings = tmp_path / "series.csv", make_settings("exported")
    counts = (f"2026-09-18T{hour:02}:00,{9 * place + hour},{8 * place + hour},place-{place},{90 + 10 * place}"
              for place in range(3) for hour in range(8, 12))  # fmt: skip
    series.write_text("\n".join(["bucket_start,bulletins_issued,votes_cast,constituency,registered_voters", *counts]))
    list(write_replay(read_series(series), tmp_path / "tree", seed=3, faults=True, precincts=True))
    update(settings, tmp_path / "tree")
    return settings


@pytest.mark.parametrize("compact", [False, True])
def test_what_was_published_as_tables_gives_the_same_hours(
    compact: bool, replayed: Settings, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "zip").mkdir()
    write_tables(replayed, tmp_path / "zip" / "deg.zip", NOW, compact=compact)
    observed = make_settings("observed")
    report = update(observed, tmp_path / "zip")
    assert (report.unreadable, report.counts_only) == ({}, {str(tmp_path / "zip" / "deg.zip"): (3, 0)})
    for query in (HOURS, PRECINCTS):
        pd.testing.assert_frame_equal(rows(observed, query), rows(replayed, query))
    names = "SELECT constituency_id, region, name FROM metrics.constituencies ORDER BY 1"
    pd.testing.assert_frame_equal(rows(observed, names), rows(replayed, names))
    assert update(observed, tmp_path / "zip").files == 0
    # Out and in again: the same tables.
    write_tables(observed, tmp_path / "again.zip", NOW, compact=compact)
    with zipfile.ZipFile(tmp_path / "again.zip") as again, zipfile.ZipFile(tmp_path / "zip" / "deg.zip") as first:
        for name in first.namelist():
            assert again.read(name) == first.read(name), name


@pytest.mark.parametrize(
    "first", ["tables", *(pytest.param(one, marks=pytest.mark.long) for one in ("exports", "dump"))]
)
def test_transactions_count_and_counts_do_not_in_whatever_order_they_land(
    first: str, replayed: Settings, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "zip").mkdir()
    write_tables(replayed, tmp_path / "zip" / "deg.zip", NOW)
    (tmp_path / "chain").mkdir()
    list(write_blocks(tmp_path / "tree", tmp_path / "chain", shards=2, seconds=600))
    sources = {"tables": tmp_path / "zip", "exports": tmp_path / "tree", "dump": tmp_path / "chain"}
    both = make_settings("both")
    for name in (first, *(name for name in sources if name != first)):
        update(both, sources[name])
    pd.testing.assert_frame_equal(rows(both, HOURS), rows(replayed, HOURS))
    pd.testing.assert_frame_equal(rows(both, PRECINCTS), rows(replayed, PRECINCTS))
    assert rows(both, "SELECT count(*) AS n FROM ingest.conflicting_rows")["n"].tolist() == [0]
    for source in sources.values():
        assert update(both, source).files == 0


def test_exports_that_were_withdrawn_take_no_counts_out(chosen: Settings, tmp_path: Path) -> None:
    exports = Folder(tmp_path / "exports")
    file = exports.put(issue("i", ms(1)), issue("j", ms(2)), issue("k", ms(3)))
    update(chosen, exports.root)
    withdraw(chosen, str(file), "operator", "a test")
    ballots = f"contract_id,uik,timestamp\n{CONTRACT},101,2026-09-18 11:00:01\n"
    both = put(tmp_path / "in", {"elections.csv": ELECTIONS, "ballots.csv": ballots})
    shutil.copy(file, both / file.name)  # the same bytes, so they stay withdrawn
    update(chosen, both)
    assert hourly(chosen) == {"08": {"transaction_count": 1, "bulletins_issued": 1}}


def test_a_later_archive_adds_what_is_new(chosen: Settings, tmp_path: Path) -> None:
    ballots = f"contract_id,uik,timestamp\n{CONTRACT},101,2026-09-18 11:00:01\n{CONTRACT},101,2026-09-18 11:00:01\n"
    folder = put(tmp_path / "in", {"elections.csv": ELECTIONS, "ballots.csv": ballots}, "first.zip")
    update(chosen, folder)
    assert hourly(chosen) == {"08": {"transaction_count": 2, "bulletins_issued": 2}}
    put(folder, {"elections.csv": ELECTIONS, "ballots.csv": f"{ballots}{CONTRACT},,2026-09-18 12:30:00\n"}, "later.zip")
    update(chosen, folder)
    assert hourly(chosen) == {
        "08": {"transaction_count": 2, "bulletins_issued": 2}, "09": {"transaction_count": 1, "bulletins_issued": 1}
    }  # fmt: skip
    (folder / "first.zip").unlink()
    put(folder, {"elections.csv": ELECTIONS, "ballots.csv": "contract_id,uik,timestamp\n"}, "later.zip")
    update(chosen, folder)
    assert hourly(chosen) == {"08": {"transaction_count": 2, "bulletins_issued": 2}}  # of a file that is gone, it stays


def test_what_cannot_be_read_is_named_with_its_row_and_the_rest_counts(chosen: Settings, tmp_path: Path) -> None:
    stranger = "ZsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr"
    folder = put(tmp_path / "in", {
        "data/elections.csv": "\ufeff" + ELECTIONS + "no-contract,x,y,z\n",
        "data/ballots.csv": f"contract_id,uik,timestamp\n{CONTRACT},101,2026-09-18 11:00:01\n{CONTRACT},x,2026-09-18 11:00:02\n"
                            f"{CONTRACT},101,yesterday\n{stranger},101,2026-09-18 11:00:01\n{CONTRACT},101,\n",
        "data/votes.csv": f"timestamp,contract_id,more\n2026-09-18T11:59:59,{CONTRACT},\"a\nb\"\n",
        "data/lists.csv": f"contract_id,uik,timestamp,count,type\n{CONTRACT},101,2026-09-17 20:00:00,50,initial\n"
                          f"{CONTRACT},101,2026-09-18 11:00:00,-3,remove\n{CONTRACT},101,2026-09-18 11:00:00,3,removed\n",
        "data/results.csv": f"contract_id,candidates,results\n{CONTRACT},\"['A', 'B']\",\"[1, 0]\"\n{OTHER},[],[2]\n",
    })  # fmt: skip
    report = update(chosen, folder)
    assert hourly(chosen)["08"] == {"transaction_count": 4, "bulletins_issued": 2, "votes_cast": 1}
    assert len(report.unreadable) == len(unread(chosen))
    assert [(member, reason.partition(" (")[0]) for member, reason in unread(chosen)] == [
        ("ballots.csv, row 2", "the precinct"),
        ("ballots.csv, row 3", "the time cannot be read"),
        ("ballots.csv, row 4", "elections.csv has no such contract"),
        ("elections.csv, row 3", "'no-contract' is no contract id"),
        ("lists.csv, row 2", "the count is no number"),
        ("lists.csv, row 3", "the type is none of initial, restore, remove"),
        ("results.csv, row 2", "the contract has no calls"),
    ]
    tally = rows(chosen, "SELECT option, votes FROM metrics.published_tallies ORDER BY option")
    assert tally["votes"].tolist() == [1, 0]
    assert rows(chosen, "SELECT precinct, bulletins_issued, registered_voters FROM metrics.precinct_current").values.tolist() == [
        [101, 1, 50]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({"ballots.csv": "contract,uik,when\n"}, "it has no column contract_id (or contract_no), timestamp; it has: contract, uik, when"),
        ({"ballots.csv": ""}, "it has no column contract_id (or contract_no), uik, timestamp; it has: nothing"),
        ({"elections.csv": "id,region\n", "votes.csv": "contract_id,timestamp\n"}, "it has no column contract_id"),
        ({"ballots.csv": b"contract_id,uik,timestamp\n\xff\xfe\x00,1,2\n"}, None),
    ],
)  # fmt: skip
def test_tables_of_another_form_are_refused_in_words(
    tables: dict[str, str | bytes], told: str | None, chosen: Settings, tmp_path: Path
) -> None:
    report = update(chosen, put(tmp_path / "in", {"elections.csv": ELECTIONS, **tables}))
    assert report.unreadable
    if told is not None:
        assert told in report.unreadable.values()
    assert update(chosen, tmp_path / "in").files == 0


def test_tables_that_are_hardly_csv_lose_no_sound_row(chosen: Settings, tmp_path: Path) -> None:
    sound = f"{CONTRACT},101,2026-09-18 11:00:01\n"
    ballots = (
        "contract_id,uik,timestamp,\n"
        + sound
        + f'{CONTRACT},101,"2026-09-18 11:00:02\n'
        + "x" * 3_000_000
        + "\n"
        + sound
    )
    folder = put(tmp_path / "in", {
        "elections.csv": "contract_id,contract_no,region,election,district\n" + f"{CONTRACT}\n" + f"{OTHER},2,,,\n",
        "votes.csv": b"contract_id,timestamp\n" + CONTRACT.encode() + b",2026-09-18 11:00:01\n\xff\xfe,1\n"
                     + b"2,2026-09-18 11:00:05\n" * 3,
        "ballots.csv": ballots, "results.csv": "contract_id,results\n2," + '"[1' + ",1" * 600_000 + ']"\n',
    })  # fmt: skip
    report = update(chosen, folder)
    told = " ".join(report.unreadable.values())
    assert hourly(chosen)["08"]["votes_cast"] == 4
    assert report.unreadable
    assert "votes.csv, line 3" in " ".join(report.unreadable)
    assert "ballots.csv" in " ".join(report.unreadable), told
    assert update(chosen, folder).files == 0


def test_a_zip_of_exports_beside_a_file_of_that_name_is_no_archive_of_tables(chosen: Settings, tmp_path: Path) -> None:
    text = "\n".join([issue("i", ms(1)), vote("v", ms(2)), rollback("x"), line("s", ms(0), "startVoting")]) + "\n"
    folder = put(tmp_path / "in", {f"{CONTRACT}_2026-09-18_1100-1200.csv": text, "elections.csv": ELECTIONS})
    update(chosen, folder)
    assert hourly(chosen)["08"]["bulletins_issued"] == 1
    assert [member for member, _ in unread(chosen)] == ["elections.csv"]


def test_registers_by_precinct_of_before_2026_count_from_the_first_call_on(chosen: Settings, tmp_path: Path) -> None:
    folder = put(tmp_path / "in", {
        "elections.csv": ELECTIONS, "votes.csv": f"contract_id,timestamp\n{CONTRACT},2024-03-15 08:00:01\n",
        "uiks.csv": f"contract_id,uik,voters\n{CONTRACT},101,40\n{CONTRACT},102,60\n{CONTRACT},103,many\n",
    })  # fmt: skip
    update(chosen, folder)
    assert rows(chosen, "SELECT registered_voters FROM metrics.hourly_stats")["registered_voters"].tolist() == [100]
    assert [member for member, _ in unread(chosen)] == ["uiks.csv, row 3"]


def test_an_archive_of_the_shape_of_2024_is_counted_row_by_row(chosen: Settings, tmp_path: Path) -> None:
    """A fiftieth of its contracts, ballots and votes, counted by numpy."""
    random = np.random.default_rng(4)
    ids = ["".join(random.choice(list("123456789ABCDEFGHJKLMNPQRSTUVWXYZ"), 44)) for _ in range(42)]
    elections = io.StringIO()
    pd.DataFrame({"contract_no": range(1, 43), "contract_id": ids, "region": "Пермский край", "election": "Выборы",
                  "district": [f"Округ №{number}" for number in range(42)]}).to_csv(elections, index=False)  # fmt: skip
    opening = np.datetime64("2024-03-15T08:00:00")
    counted, tables = {}, {"elections.csv": elections.getvalue()}
    for name, number in (("ballots.csv", 24_694), ("votes.csv", 24_521)):
        contract, second = random.integers(1, 43, number), random.integers(0, 60 * 3600, number)
        frame = pd.DataFrame({"contract_no": contract, "timestamp": opening + second.astype("timedelta64[s]")})
        if name == "ballots.csv":
            frame.insert(1, "uik", random.integers(1, 9, number))
        tables[name] = frame.to_csv(index=False, date_format="%Y-%m-%d %H:%M:%S")
        hours, counts = np.unique(np.stack([contract, second // 3600]), axis=1, return_counts=True)
        counted[name] = dict(zip(map(tuple, hours.T.tolist()), counts.tolist(), strict=True))
    update(chosen, put(tmp_path / "in", tables))
    figures = rows(chosen, "SELECT constituency_id, hour, bulletins_issued, votes_cast FROM metrics.hourly_stats")
    since = (figures["hour"] - pd.Timestamp("2024-03-15T05:00:00Z")) // pd.Timedelta(hours=1)
    place = figures["constituency_id"].map({one: number for number, one in enumerate(ids, start=1)})
    for name, column in (("ballots.csv", "bulletins_issued"), ("votes.csv", "votes_cast")):
        some = figures[column] > 0
        assert (
            dict(zip(zip(place[some], since[some], strict=True), figures.loc[some, column], strict=True))
            == counted[name]
        )


def test_two_lists_of_one_archive_count_once_and_ten_digits_are_a_number(chosen: Settings, tmp_path: Path) -> None:
    listed = f"contract_id,uik,timestamp,count,type\n{CONTRACT},1234567890,2026-09-17 20:00:00,1000000000,initial\n"
    ballots = f"contract_id,uik,timestamp\n{CONTRACT},1234567890,2026-09-18 11:00:00\n"
    tables = {"elections.csv": ELECTIONS, "ballots.csv": ballots, "lists.csv": listed, "voter_list_events.csv": listed}
    report = update(chosen, put(tmp_path / "in", tables))
    assert rows(chosen, "SELECT registered_voters FROM metrics.constituencies")["registered_voters"].tolist() == [10**9]
    assert "this one is not read" in str(report.unreadable)


def test_letters_that_are_no_utf_8_are_told(chosen: Settings, tmp_path: Path) -> None:
    ballots = f"contract_id,uik,timestamp\n{CONTRACT},7,2026-09-18 11:00:00\n"
    report = update(chosen, put(tmp_path / "in", {"elections.csv": ELECTIONS.encode("cp1251"), "ballots.csv": ballots}))
    assert "it is not UTF-8" in str(report.unreadable)


def test_what_two_archives_write_otherwise_is_one_precinct(chosen: Settings, tmp_path: Path) -> None:
    for name, precinct in (("a.zip", "7"), ("b.zip", "007")):
        lines = "".join(f"{CONTRACT},{precinct},2026-09-18 11:00:0{n}\n" for n in range(5))
        tables = {"elections.csv": ELECTIONS, "ballots.csv": f"contract_id,uik,timestamp\n{lines}"}
        put(tmp_path / "in", tables, name)
    update(chosen, tmp_path / "in")
    assert hourly(chosen)["08"]["bulletins_issued"] == 5


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r", "mixed"])
@pytest.mark.parametrize("spoilt", [3, None])
def test_a_quote_that_is_never_closed_swallows_nothing_and_lines_end_in_any_way(
    spoilt: int | None, ends: str, chosen: Settings, tmp_path: Path
) -> None:
    lines = ["contract_id,uik,timestamp", *(f"{CONTRACT},101,2026-09-18 11:{n:02}:00" for n in range(40))]
    if spoilt is not None:
        lines[spoilt] = f'{CONTRACT},"101,2026-09-18 11:59:00'
    mixed = ["\n", "\r\n", "\n", "\r"]
    text = "".join(line + (mixed[n % 4] if ends == "mixed" else ends) for n, line in enumerate(lines))
    report = update(chosen, put(tmp_path / "in", {"elections.csv": ELECTIONS, "ballots.csv": text}))
    assert hourly(chosen)["08"]["bulletins_issued"] == 40
    assert not report.unreadable


def test_the_voters_of_precincts_are_those_of_the_column_with_that_name(chosen: Settings, tmp_path: Path) -> None:
    ballots = f"contract_id,uik,timestamp\n{CONTRACT},7,2026-09-18 11:00:00\n"
    uiks = f"contract_id,region,uik,voters\n{CONTRACT},59,7,100\n"
    folder = put(tmp_path / "in", {"elections.csv": ELECTIONS, "ballots.csv": ballots, "uiks.csv": uiks})
    update(chosen, folder)
    assert rows(chosen, "SELECT registered_voters FROM metrics.constituencies")["registered_voters"].tolist() == [100]
    unknown = {"elections.csv": ELECTIONS, "ballots.csv": ballots, "uiks.csv": uiks.replace("voters", "people")}
    report = update(chosen, put(tmp_path / "in", unknown))
    assert "none of its columns is called voters" in str(report.unreadable)


NOTHING = {"empty": b"", "garbage": b"garbage;line\n", "utf-16": "x;104;s;3;1;k;0;;[];[];{};\n".encode("utf-16")}


@pytest.mark.parametrize("order", ["before", "together", "after"])
@pytest.mark.parametrize("content", NOTHING)
def test_a_file_without_a_transaction_takes_no_counts_out(
    content: str, order: str, chosen: Settings, tmp_path: Path
) -> None:
    ballots = "".join(f"{CONTRACT},7,2026-09-18 11:00:0{n}\n" for n in range(5))
    tables = {"elections.csv": ELECTIONS, "ballots.csv": f"contract_id,uik,timestamp\n{ballots}"}
    root = tmp_path / "in"
    root.mkdir()

    def exports() -> None:
        (root / f"{CONTRACT}_2026-09-18_1100-1200.csv").write_bytes(NOTHING[content])

    for step in {"before": [exports, None], "together": [None], "after": [None, exports]}[order]:
        if step is None:
            put(root, tables)
            if order == "together":
                exports()
        else:
            step()
        update(chosen, root)
    assert hourly(chosen)["08"]["bulletins_issued"] == 5


def test_tables_count_again_where_a_contract_loses_its_last_transaction(chosen: Settings, tmp_path: Path) -> None:
    ballots = "".join(f"{CONTRACT},7,2026-09-18 11:00:0{n}\n" for n in range(5)) + f"{CONTRACT},7,yesterday\n"
    folder = put(tmp_path / "in", {"elections.csv": ELECTIONS, "ballots.csv": f"contract_id,uik,timestamp\n{ballots}"})
    dump = folder / "dump.jsonl"
    dump.write_bytes(joined(dump_of({CONTRACT: [issue("i", ms(2))], OTHER: [issue("o", ms(3))]})))
    update(chosen, folder)
    assert hourly(chosen)["08"]["bulletins_issued"] == 2
    dump.write_bytes(joined(dump_of({OTHER: [issue("o", ms(3))]})))
    update(chosen, folder)
    update(chosen, folder)
    assert hourly(chosen)["08"]["bulletins_issued"] == 6
    assert update(chosen, folder).files == 0
    withdraw(chosen, str(dump), "anna", "a test")
    update(chosen, folder)
    update(chosen, folder)
    assert hourly(chosen)["08"]["bulletins_issued"] == 5
    assert update(chosen, folder).files == 0
