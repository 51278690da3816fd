"""Precincts: bulletins and the register by the commission that the calls name."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from election_metrics.lake.duck import put_parquet_view
from election_metrics.lake.landing import PART_COLUMNS
from election_metrics.replay.blocks import write_blocks
from election_metrics.replay.series import read_series
from election_metrics.replay.tree import write_replay
from election_metrics.settings import Settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.portal import store_lists
from election_metrics.warehouse.tables import portal_precincts
from election_metrics_tests.api.conftest import serve
from election_metrics_tests.blocks import dump_of, joined
from election_metrics_tests.computing import NOW, rows, update
from election_metrics_tests.exports import CONTRACT, HOUR, OTHER, Folder, issue, line, ms, rollback, vote

HOURS = (
    "SELECT constituency_id, region_code, precinct, hour, bulletins_issued, voters_listed, voters_restored, voters_removed "
    "FROM metrics.precinct_hourly_stats ORDER BY constituency_id, region_code, precinct, hour"
)
CURRENT = (
    "SELECT region_code, precinct, bulletins_issued, registered_voters, initial_voters, added_voters, restored_voters, "
    "removed_voters, issue_rate FROM metrics.precinct_current ORDER BY region_code, precinct"
)


def issued(name: str, at: int, precinct: object, region: object = 77, data: str = '["ballot"]', **more: object) -> str:
    """A bulletin of a voter of this precinct."""
    return line(name, at, "blindSigIssue", data=data, primaryUikRegionCode=region, primaryUikNumber=precinct, **more)


def listed(name: str, at: int, precinct: object, voters: int, operation: str = "addVotersList") -> str:
    """A call on the register of this precinct."""
    return line(name, at, operation, votersCount=voters, primaryUikRegionCode=77, primaryUikNumber=precinct)


def current(settings: Settings) -> dict[tuple[int, int], tuple[object, ...]]:
    """Each precinct's figures by region and number."""
    frame = rows(settings, CURRENT).astype(object)
    frame = frame.where(frame.notna(), None)
    return {(row[0], row[1]): tuple(row[2:]) for row in frame.itertuples(index=False)}


def test_bulletins_and_the_register_are_counted_by_precinct(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(
        listed("l1", ms(-600), 101, 400), listed("l2", ms(-599), 102, 50), line("start", ms(0), "startVoting"),
        issued("a", ms(1), 101), issued("b", ms(2), "0101", "077"), issued("c", ms(3), "102", data='["x","y"]'),
        issued("fails", ms(4), 101, diff=[{"key": "FAIL_fails_blindSig", "stringValue": "no"}]),
        issued("gone", ms(5), 102), rollback("gone"), issue("nowhere", ms(6)), vote("v", ms(7)),
        listed("l3", ms(70), 101, 5), listed("back", ms(71), 101, 2, "addToVotersList"),
        listed("off", ms(72), 102, 3, "removeFromVotersList"),
    )  # fmt: skip
    update(chosen, tmp_path / "in")
    assert current(chosen) == {
        (77, 101): (2, 407, 400, 5, 2, 0, round(200 / 407, 4)),
        (77, 102): (2, 47, 50, 0, 0, 3, round(200 / 47, 4)),
    }
    at_opening, later = HOUR, HOUR + timedelta(hours=1)
    found = [(row.precinct, row.hour, *row[5:]) for row in rows(chosen, HOURS).itertuples(index=True)]
    assert [one for one in found if one[1] >= HOUR] == [
        (101, at_opening, 2, 0, 0, 0), (101, later, 0, 5, 2, 0), (102, at_opening, 2, 0, 0, 0), (102, later, 0, 0, 0, 3)
    ]  # fmt: skip


@pytest.mark.parametrize("odd", [-1, 2**31, 2**63, "", "x", "1.5", "1e3", " 7", None, "٣", "7\u0000"])
def test_a_number_that_is_none_is_no_precinct_and_its_bulletin_counts(
    odd: object, chosen: Settings, tmp_path: Path
) -> None:
    Folder(tmp_path / "in").put(issued("a", ms(1), odd), issued("b", ms(2), 101), issued("c", ms(3), 101, odd))
    update(chosen, tmp_path / "in")
    assert {place: figures[0] for place, figures in current(chosen).items()} == {(77, 101): 1, (0, 101): 1}
    assert rows(chosen, "SELECT sum(bulletins_issued)::bigint AS n FROM metrics.hourly_stats")["n"].tolist() == [3]


def test_a_precinct_of_two_contracts_has_a_row_for_each(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(issued("a", ms(1), 101), issued("b", ms(2), 101))
    folder.put(issued("c", ms(1), 101), contract=OTHER)
    update(chosen, folder.root)
    found = rows(chosen, "SELECT constituency_id, bulletins_issued FROM metrics.precinct_current ORDER BY 1")
    assert list(found.itertuples(index=False, name=None)) == [(CONTRACT, 2), (OTHER, 1)]


def test_a_dump_tells_precincts_as_the_exports_do(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    lines = [
        listed("l", ms(-600), "101", 400), issued("a", ms(1), 101), issued("b", ms(2), "102", data='["x","y"]'),
        line("c", ms(3), "blindSigIssue", primaryUikNumber="103", primaryUikRegionCode=1, data='[{"userId":"u"}]'),
        line("d", ms(3), "blindSigIssue", userIds='["u","w"]', primaryUikNumber=104, primaryUikRegionCode=1),
        line("e", ms(4), "blindSigIssue", data='["u"]', primaryUikNumber=105, primaryUikRegionCode=1, more="x;y"),
        listed("off", ms(5), 101, 3, "removeFromVotersList"),
    ]  # fmt: skip
    Folder(tmp_path / "exports").put(*lines)
    (tmp_path / "chain").mkdir()
    (tmp_path / "chain" / "dump.json").write_bytes(joined(dump_of({CONTRACT: lines})))
    exported, dumped = make_settings("exported"), make_settings("dumped")
    update(exported, tmp_path / "exports")
    update(dumped, tmp_path / "chain")
    assert len(current(exported)) == 5
    pd.testing.assert_frame_equal(rows(exported, HOURS), rows(dumped, HOURS))


def test_whatever_the_order_of_files_the_precincts_are_the_same(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """A transaction that two files tell with another precinct, or without one, counts once and in one of them."""
    chance = random.Random(7)
    told = [
        issued(f"i{number}", ms(chance.uniform(0, 170)), chance.choice([101, 102, "0103", None]))
        for number in range(60)
    ]
    again = [text.replace('"intValue": 101', '"intValue": 109') for text in told[::2]]
    without = [text.replace("primaryUik", "otherUik") for text in told[1::2]]
    found = []
    for number, order in enumerate(([told, again, without], [without, told, again], [again, without, told])):
        folder, settings = Folder(tmp_path / f"in-{number}"), make_settings(f"home-{number}")
        for place, part in enumerate(order):
            folder.put(*chance.sample(part, len(part)), name=f"part-{place}")
            update(settings, folder.root)
        found.append(rows(settings, HOURS))
    pd.testing.assert_frame_equal(found[0], found[1])
    pd.testing.assert_frame_equal(found[0], found[2])
    assert {101, 102, 103, 109} >= set(found[0]["precinct"]) > {102}


def _findings(settings: Settings) -> list[tuple[object, ...]]:
    query = (
        "SELECT rule, severity, state, explanation FROM metrics.anomalies WHERE rule LIKE 'precinct%' "
        "ORDER BY rule, severity, explanation"
    )
    return list(rows(settings, query).itertuples(index=False, name=None))


def test_more_bulletins_than_voters_are_found_until_the_list_that_lacked_arrives(
    chosen: Settings, tmp_path: Path
) -> None:
    folder = Folder(tmp_path / "in")
    bulletins = [issued(f"i{number}", ms(number / 2), 101) for number in range(33)]
    folder.put(listed("l", ms(-600), 101, 30), listed("m", ms(-600), 102, 4), *bulletins, issued("o", ms(3), 102))
    update(chosen, folder.root)
    told = "precinct 77-101 has 33 bulletins for 30 registered voters"
    assert _findings(chosen) == [("precinct_above_register", "critical", "open", told)]
    folder.put(listed("late", ms(2), 101, 5), name="late")
    update(chosen, folder.root)
    assert [finding[:3] for finding in _findings(chosen)] == [("precinct_above_register", "critical", "resolved")]


def test_a_register_that_is_not_known_by_precinct_is_not_judged(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    bulletins = [issued(f"i{number}", ms(number / 2), 101) for number in range(33)]
    folder.put(listed("l", ms(-600), 101, 30), line("all", ms(-590), "addVotersList", votersCount=400), *bulletins)
    update(chosen, folder.root)
    assert _findings(chosen) == []


def test_voters_removed_after_their_bulletin_are_named_and_no_proof(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    bulletins = [issued(f"i{number}", ms(number / 2), 101) for number in range(100)]
    removed = listed("off", ms(65), 101, 55, "removeFromVotersList")
    folder.put(listed("l", ms(-600), 101, 120), *bulletins, removed)
    update(chosen, folder.root)
    assert _findings(chosen) == [
        ("precinct_above_register", "warning", "open",
         "precinct 77-101 has 100 bulletins for 65 registered voters, 55 voters removed before or after"),
        ("precinct_block", "info", "open", "55 voters of precinct 77-101 removed within an hour, of 120 voters"),
    ]  # fmt: skip


UNKNOWN = {
    "calls without a precinct that cancel out": [
        line("x", ms(-590), "addVotersList", votersCount=5), line("y", ms(-580), "removeFromVotersList", votersCount=5)
    ],
    "a call without a precinct and a size": [line("x", ms(-590), "addVotersList")],
    "a call without a size": [line("x", ms(-590), "addVotersList", primaryUikRegionCode=77, primaryUikNumber=101)],
    "a call in quarantine": [
        line("x", ms(-590), "addVotersList", votersCount="10 ", primaryUikRegionCode=77, primaryUikNumber=101)
    ],
}  # fmt: skip


@pytest.mark.parametrize("unknown", UNKNOWN)
def test_a_register_of_which_something_is_not_known_is_not_judged(
    unknown: str, chosen: Settings, tmp_path: Path
) -> None:
    bulletins = [issued(f"i{number}", ms(number / 2), 101) for number in range(33)]
    Folder(tmp_path / "in").put(listed("l", ms(-600), 101, 30), *UNKNOWN[unknown], *bulletins)
    update(chosen, tmp_path / "in")
    assert _findings(chosen) == []


def test_a_precinct_that_nobody_listed_is_neither_judged_nor_compared_with(chosen: Settings, tmp_path: Path) -> None:
    lists = [listed(f"l{number}", ms(-600), number, 900) for number in (101, 102)]
    calls = [issued(f"i{number}", ms(number / 8), 101 + number % 2) for number in range(400)]
    other = [issued(f"o{number}", ms(number / 8), 103) for number in range(400)]
    Folder(tmp_path / "in").put(*lists, *calls, *other, listed("off", ms(-500), 104, 3, "removeFromVotersList"))
    update(chosen, tmp_path / "in")
    assert _findings(chosen) == []


def _curve(precinct: int, hours: dict[int, int]) -> list[str]:
    return [
        issued(f"{precinct}-{hour}-{number}", ms(number * 55 / count, hour), precinct)
        for hour, count in hours.items()
        for number in range(count)
    ]


OPENING = (200, 90, 60, 40, 30, 30, 25, 25, 25)
PLAUSIBLE = {
    "one opens two hours late": {number: dict(enumerate(OPENING, 2 * (number == 103))) for number in (101, 102, 103)},
    "two an hour apart": {number: dict(enumerate(OPENING, number - 101)) for number in (101, 102)},
    "a hospital whose patients vote within an hour": {101: dict(enumerate(OPENING)), 102: {4: 45}},
}


@pytest.mark.parametrize("case", PLAUSIBLE)
def test_precincts_that_open_when_they_like_are_no_blocks(case: str, chosen: Settings, tmp_path: Path) -> None:
    folder, curves = Folder(tmp_path / "in"), PLAUSIBLE[case]
    lists = [listed(f"l{number}", ms(-600), number, sum(hours.values()) + 5) for number, hours in curves.items()]
    folder.put(*lists, *(text for number, hours in curves.items() for text in _curve(number, hours)))
    update(chosen, folder.root)
    assert _findings(chosen) == []


def test_a_precinct_that_was_listed_late_is_not_compared(chosen: Settings, tmp_path: Path) -> None:
    usual = {number: dict.fromkeys(range(10), 60) for number in (101, 102)}
    lists = [listed(f"l{number}", ms(-600), number, 900) for number in usual]
    late = [listed("late", ms(5, 8), 103, 900), *_curve(103, {8: 20, 9: 20})]
    Folder(tmp_path / "in").put(*lists, *late, *(text for number in usual for text in _curve(number, usual[number])))
    update(chosen, tmp_path / "in")
    assert _findings(chosen) == []


def test_a_block_is_found_beside_calls_that_name_no_precinct(chosen: Settings, tmp_path: Path) -> None:
    hours = {number: dict.fromkeys(range(10), 10) for number in (101, 102)}
    hours[102] = {**hours[102], 8: 150}
    nameless = [issue(f"n{hour}-{number}", ms(number / 4, hour)) for hour in range(10) for number in range(180)]
    Folder(tmp_path / "in").put(*nameless, *(text for number in hours for text in _curve(number, hours[number])))
    update(chosen, tmp_path / "in")
    (found,) = _findings(chosen)
    assert (found[0], str(found[3]).partition(";")[0]) == (
        "precinct_block", "150 bulletins of precinct 77-102 within an hour"
    )  # fmt: skip


def test_voters_listed_in_the_hour_of_the_opening_are_added(chosen: Settings, tmp_path: Path) -> None:
    opening = line("s", ms(0.05), "startVoting")
    Folder(tmp_path / "in").put(listed("l", ms(-600), 101, 100), opening, listed("m", ms(50), 101, 7))
    update(chosen, tmp_path / "in")
    assert [figures[2:4] for figures in current(chosen).values()] == [(100, 7)]


def test_the_portal_names_no_region_so_equal_numbers_have_no_figures_of_it(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(issued("a", ms(1), 101), issued("b", ms(2), 101, 78), issued("c", ms(3), 102))
    update(chosen, tmp_path / "in")
    told = [{"constituency_id": CONTRACT, "precinct": number, "collection_time": None, "registered_voters": 50,
             "bulletins_issued": 1} for number in ("101", "102")]  # fmt: skip
    with transaction(chosen) as connection:
        store_lists(connection, portal_precincts, [CONTRACT], told, "run", NOW)
    query = "SELECT region_code, precinct, published_bulletins FROM metrics.precinct_current ORDER BY 1, 2"
    found = rows(chosen, query).astype(object)
    assert found.where(found.notna(), None).values.tolist() == [[77, 101, None], [77, 102, 1], [78, 101, None]]


def test_odd_values_of_a_dump_stop_nothing_and_count_as_in_the_export(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    odd = ['{"userId":"u1"}', "{}", "5", '"x"', "null", "true", "[]", '["a","b"]', "no json"]
    lines = [listed("l", ms(-600), 101, 400), *(issued(f"i{n}", ms(n), 101, data=text) for n, text in enumerate(odd))]
    Folder(tmp_path / "exports").put(*lines)
    (tmp_path / "chain").mkdir()
    text = joined(dump_of({CONTRACT: lines})).decode()
    assert '"type": "integer", "value": 400' in text
    for sound, changed in (('"value": 400', '"value": "0400"'), ('"value": 77', '"value": "077"')):
        text = text.replace(f'"type": "integer", {sound}', f'"type": "integer", {changed}')
    (tmp_path / "chain" / "dump.json").write_text(text)
    exported, dumped = make_settings("exported"), make_settings("dumped")
    update(exported, tmp_path / "exports")
    report = update(dumped, tmp_path / "chain")
    assert (report.set_aside, report.unreadable) == ({}, {})
    counts = "SELECT hour, bulletins_issued FROM metrics.hourly_stats WHERE bulletins_issued > 0 ORDER BY hour"
    pd.testing.assert_frame_equal(rows(dumped, counts), rows(exported, counts))
    precincts = "SELECT precinct, hour, bulletins_issued FROM metrics.precinct_hourly_stats WHERE bulletins_issued > 0"
    pd.testing.assert_frame_equal(rows(dumped, precincts), rows(exported, precincts))


def test_a_precinct_unlike_the_others_and_a_block_of_one_are_found(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    lists = [listed(f"l{number}", ms(-600), number, 400) for number in (101, 102, 103)]
    usual = [issued(f"u{hour}-{number}", ms(number, hour), 101 + number % 2)
             for hour in range(8) for number in range(50)]  # fmt: skip
    few = [issued(f"f{hour}-{number}", ms(number, hour), 103) for hour in range(8) for number in range(3)]
    block = [issued(f"b{number}", ms(number / 3, 8), 103) for number in range(150)]
    folder.put(*lists, *usual, *few)
    update(chosen, folder.root)
    assert [finding[0] for finding in _findings(chosen)] == ["precinct_out_of_line"]
    folder.put(*block, *(issued(f"n{number}", ms(number, 8), 101 + number % 2) for number in range(50)), name="later")
    update(chosen, folder.root)
    found = [finding for finding in _findings(chosen) if finding[0] == "precinct_block"]
    assert [finding[1:3] for finding in found] == [("warning", "open")]
    assert str(found[0][3]).startswith("150 bulletins of precinct 77-103 within an hour")


def _counted_by_hand(tree: Path) -> Counter[tuple[str, int, str]]:
    """Bulletins by contract, precinct and hour: the lines of a replay without faults, read with json alone."""
    counted: Counter[tuple[str, int, str]] = Counter()
    for file in tree.rglob("*.csv"):
        for text in file.read_text("utf-8").splitlines():
            fields = text.split(";")
            said = {pair["key"]: pair for pair in json.loads(fields[8])}
            if said.get("operation", {}).get("stringValue") == "blindSigIssue":
                hour = datetime.fromtimestamp(int(fields[4]) // 3_600_000 * 3_600, tz=HOUR.tzinfo)
                counted[file.name.partition("_")[0], int(said["primaryUikNumber"]["stringValue"]), f"{hour:%d-%H}"] += 1
    return counted


def _of_view(settings: Settings) -> Iterator[tuple[tuple[str, int, str], int]]:
    for row in rows(settings, HOURS).itertuples():
        if row.bulletins_issued:
            yield (row.constituency_id, row.precinct, f"{row.hour:%d-%H}"), row.bulletins_issued


def test_a_vote_replayed_has_the_precincts_of_its_lines_and_its_registers(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    exports, chain = tmp_path / "exports", tmp_path / "chain"
    series = tmp_path / "series.csv"
    counts = (f"2026-09-18T{hour:02}:00,{9 * place + hour},{hour},place-{place},{90 + 10 * place}"
              for place in range(3) for hour in range(8, 11))  # fmt: skip
    series.write_text("\n".join(["bucket_start,bulletins_issued,votes_cast,constituency,registered_voters", *counts]))
    *_, done = write_replay(read_series(series), exports, seed=2, precincts=True)
    chain.mkdir()
    list(write_blocks(exports, chain, shards=2, seconds=300))
    exported, dumped = make_settings("exported"), make_settings("dumped")
    update(exported, exports, NOW)
    update(dumped, chain, NOW)
    assert dict(_of_view(exported)) == dict(_counted_by_hand(exports))
    pd.testing.assert_frame_equal(rows(exported, HOURS), rows(dumped, HOURS))
    registers = rows(exported, "SELECT constituency_id, precinct, registered_voters FROM metrics.precinct_current")
    told = {contract: voting.precincts for contract, voting in done.votings.items()}
    assert {(row.constituency_id, row.precinct): row.registered_voters for row in registers.itertuples()} == {
        (contract, precinct): voters for contract, parts in told.items() for precinct, voters in parts.items()
    }


def test_parts_of_earlier_layouts_name_no_precinct(tmp_path: Path) -> None:
    here = duckdb.connect()
    columns = [column.split()[0] for column in PART_COLUMNS.split(", ")]
    for ending, lacks in ((".3.parquet", 0), (".2.parquet", 2), (".parquet", 3)):
        kept = columns[: len(columns) - lacks]
        here.execute(f"COPY (SELECT {', '.join(f'1 AS {name}' for name in kept)}) TO '{tmp_path}/part{ending}'")
    put_parquet_view(here, "landed", sorted(tmp_path.iterdir()), PART_COLUMNS)
    found = here.execute("SELECT registrar, precinct FROM landed ORDER BY ALL").fetchall()
    assert found == [("1", 1), ("1", None), (None, None)]


def test_the_api_lists_the_precincts_of_a_constituency(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(listed("l", ms(-600), 101, 10), issued("a", ms(1), 101), issued("b", ms(2), 9))
    update(chosen, tmp_path / "in")
    serving = contextmanager(serve)
    with serving(chosen) as api:
        found = api.get(f"/constituency/{CONTRACT}/precincts").json()["data"]
        shown = ("precinct", "bulletins_issued", "registered_voters", "issue_rate")
        assert [[row[name] for name in shown] for row in found] == [[9, 1, None, None], [101, 1, 10, 10.0]]
        assert api.get(f"/constituency/{CONTRACT}/precincts.csv").text.count("\n") == 3
        assert api.get("/constituency/nobody/precincts").status_code == 404
