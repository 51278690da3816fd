"""Values of files by mapping: numbers, times, words and names are read as they are written, or told."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from election_metrics.errors import SettingsError
from election_metrics.settings import Settings
from election_metrics.sources.file_mapping import read_file_mapping
from election_metrics_tests.computing import rows
from election_metrics_tests.mappings import COUNTS, EVENTS, HEADER, Read
from election_metrics_tests.pipeline.test_mapped_files import land, put, totals

NUMBERS = {
    ".": {"1234": 1234, "1,234": 1234, "1 234": 1234, "1\u00a0234": 1234, "1'234": 1234, "12.00": 12, "1,234.0": 1234, "12,5": None,
          "1 2 3": None, "1,23": None, "12.5": None, "-4": None, "n/a": None, "1e3": None, "12,34,567": None, "1.234": None,
          "0x10": None, "١٢": None, "1,2345": None, "+5": None},
    ",": {"1.234.567": 1234567, "12,0": 12, "12,5": None, "1,234": None, "12.00": None, "1.234": 1234, "1.234,00": 1234},
}  # fmt: skip


@pytest.mark.parametrize("kind", ["counts", "quantity"])
@pytest.mark.parametrize("decimal", list(NUMBERS))
def test_a_number_is_read_as_it_is_written_or_not_at_all(tmp_path: Path, decimal: str, kind: str) -> None:
    mapping = COUNTS if kind == "counts" else EVENTS + 'quantity = "votes"\n'
    mapping += f'[csv]\ndelimiter = ";"\ndecimal = "{decimal}"\n'
    lines = [f"{said};2026-09-18 10:00;{said}" for said in NUMBERS[decimal]]
    read = Read(put(tmp_path / "in", mapping, counts="\n".join(["place;time;votes", *lines])))
    assert read.totals == {said: number for said, number in NUMBERS[decimal].items() if number is not None}
    unread = {row["quantity"].removeprefix("no whole number: ") for row in json.loads(read.rejected)}
    assert unread == {said for said, number in NUMBERS[decimal].items() if number is None}


def test_numbers_of_json_have_a_point_whatever_csv_has(tmp_path: Path) -> None:
    mapping = COUNTS.replace("*.csv", "*.json") + '[csv]\ndecimal = ","\n'
    path = put(tmp_path / "in", mapping)
    rows_of = [
        {"place": "a", "time": "2026-09-18 10:00", "votes": 5.0},
        {"place": "b", "time": "2026-09-18 10:00", "votes": 1200},
    ]
    (path.parent / "x.json").write_text(json.dumps(rows_of))
    read = Read(path)
    assert read.totals == {"a": 5, "b": 1200}


@pytest.mark.parametrize(("form", "times"), [
    ("", [("2026-09-18T10:00:00+05:00", "", "18 05"), ("2026-09-18 10:00:00 +0500", "", "18 05"), ("2026-09-18T10:00Z", "Asia/Tokyo", "18 10"),
          ("2026-09-18T10:00:00+05", "Asia/Tokyo", "18 05"), ("2026-09-18 10:00:00", "Asia/Tokyo", "18 01"), ("2026-09-18 10:00", "", "18 08"),
          ("1789725600000", "Asia/Tokyo", "18 10"), ("2026-09-18 10:00 Asia/Tokyo", "Europe/Rome", "18 01"), ("2026-09-18 10:00 BST", "", None),
          ("2026-09-18 10:00 CST", "Asia/Tokyo", None), ("2026-09-18 10:00 PM", "", None), ("2026-09-18 10:00 GMT", "Asia/Tokyo", "18 10"),
          ("2026-03-29 02:30", "", None), ("2026-03-29 02:30", "Asia/Tokyo", "28 17"), ("18/09/2026", "", None),
          ("2026-09-31 10:00", "", None), ("2026-09-18 10:00", "Europa/Rom", None)]),
    ("%d/%m/%Y %H:%M %z", [("18/09/2026 10:00 +0500", "", "18 05"), ("18/09/2026 10:00 +0500", "Asia/Tokyo", "18 05"),
                           ("18/09/2026 10:00", "Asia/Tokyo", None)]),
    ("%d/%m/%Y %H:%M", [("18/09/2026 10:00", "Asia/Tokyo", "18 01"), ("18/09/2026 10:00", "", "18 08"), ("09/18/2026 10:00", "", None)]),
])  # fmt: skip
def test_a_time_is_read_in_its_own_offset_then_its_zone_then_that_of_the_mapping(
    tmp_path: Path, form: str, times: Sequence[tuple[str, str, str | None]]
) -> None:
    mapping = COUNTS.replace("election =", 'time_zone = "Europe/Rome"\nelection =') + 'zone = "zone"\n'
    if form:
        mapping = mapping.replace('time = "time"', f'time = {{ column = "time", format = "{form}" }}')
    lines = [f"p{place:02d},{said},3,{zone}" for place, (said, zone, _) in enumerate(times)]
    read = Read(put(tmp_path / "in", mapping, counts="\n".join(["place,time,votes,zone", *lines])))
    found = (
        {}
        if not len(read.counted)
        else dict(zip(read.counted["constituency"], read.counted["time"].str[8:13], strict=True))
    )
    assert found == {f"p{place:02d}": hour for place, (_, _, hour) in enumerate(times) if hour is not None}
    assert len(json.loads(read.rejected)) == sum(hour is None for _, _, hour in times)


def test_values_that_do_not_match_are_told(chosen: Settings, tmp_path: Path) -> None:
    mapping = COUNTS.replace(
        'votes = "votes"',
        'votes = { column = "votes", regex = "^([0-9]+) votes$" }\nregistered = "voters"\nplace_zone = "zone"',
    )
    text = "place,time,votes,voters,zone\na,2026-09-18 10:00,5 votes,100,Europe/Rome\nb,2026-09-18 10:00,six,n/a,Europa/Rom\nc,2026-09-18 10:00,7 votes,about 90,Europa/Rom\nd,2026-09-18 10:00,8 votes,9,Mars\n"  # fmt: skip
    read = Read(put(tmp_path / "in", mapping, counts=text))
    assert read.totals == {"a": 5, "c": 7, "d": 8}
    said = read.told
    assert "row 2: columns.votes does not match its expression: six (1 row(s)" in said
    assert "columns.place_zone is no IANA time zone: Europa/Rom (2 row(s)" in said
    assert "columns.place_zone is no IANA time zone: Mars" not in said, "one of a kind is shown"
    assert list(read.places["time_zone"].fillna("")) == ["Europe/Rome", "", "", ""]


def test_an_unreadable_register_is_told(tmp_path: Path) -> None:
    text = "place,time,votes,voters\na,2026-09-18 10:00,5,n/a\nb,2026-09-18 10:00,6,1.200\n"
    read = Read(put(tmp_path / "in", COUNTS + 'registered = "voters"\n', counts=text))
    assert "row 1: columns.registered is no whole number: n/a (2 row(s)" in read.told


def test_types_are_known_whatever_their_capitals_and_unknown_ones_are_told(tmp_path: Path) -> None:
    mapping = (
        EVENTS.replace('{ constant = "vote" }', '"kind"')
        + 'status = "state"\n[types]\nstem = "vote"\n[status]\ncounted = ["ok"]\n'
    )
    text = "place,time,kind,state\na,2026-09-18 10:00,VOTE,OK\na,2026-09-18 10:00,Stem,ok\na,2026-09-18 10:00,,ok\n"
    other = "place,time,kind,state\na,2026-09-18 10:00,stemme,ok\na,2026-09-18 10:00,avis,ok\n"
    read = Read(put(tmp_path / "in", mapping, one=text, two=other))
    assert read.totals == {"a": 2}
    assert "row 3: columns.type is empty" in read.told
    assert "none of its 2 row(s) counts: their type is avis, stemme, which [types] does not name" in read.told


def test_an_old_row_spreads_over_no_years(tmp_path: Path) -> None:
    mapping = COUNTS.replace('rows = "counts"', 'rows = "counters"')
    text = HEADER + "a,1998-09-18 10:00,3\na,2026-09-18 10:00,5\na,2026-09-18 12:00,9\n"
    read = Read(put(tmp_path / "in", mapping, counts=text))
    assert read.hours == {"18 09": 5, "18 10": 2, "18 11": 2}
    assert "1998-09-18" in read.rejected


def test_what_is_no_number_counts_as_nothing_where_it_lands_too(chosen: Settings, tmp_path: Path) -> None:
    mapping = COUNTS.replace('rows = "counts"', 'rows = "counters"') + '[csv]\ndelimiter = ";"\ndecimal = ","\n'
    text = "place;time;votes\na;2026-09-18 10:00;100\na;2026-09-18 11:00;200.00\n"
    land(chosen, put(tmp_path / "in", mapping, counts=text))
    assert totals(chosen) == {"a": 100}


def test_an_unknown_zone_beside_a_time_that_has_an_offset_stops_nothing(tmp_path: Path) -> None:
    text = "place,time,votes,zone\na,2026-09-18 10:00:00+02:00,3,Europa/Rom\nb,2026-09-18 10:00,4,Europe/Rome\n"
    assert Read(put(tmp_path / "in", COUNTS + 'zone = "zone"\n', counts=text)).totals == {"a": 3, "b": 4}


def test_a_local_time_that_occurs_twice_is_told(tmp_path: Path) -> None:
    mapping = COUNTS.replace("election =", 'time_zone = "Europe/Rome"\nelection =')
    text = f"{HEADER}a,2025-10-26 02:10,3\nb,2025-10-26 02:10:00+02:00,4\nc,2025-10-26 03:10,5\n"
    read = Read(put(tmp_path / "in", mapping, counts=text))
    assert read.hours == {"26 00": 4, "26 01": 3, "26 02": 5}
    assert "1 row(s) are of 2025-10-26 02:00 to 02:59, which occurs twice in Europe/Rome" in read.told


@pytest.mark.parametrize(("types", "expected"), [
    ('Vote = "vote"', {"Vote": 3}), ('VOTE = "vote"\nVote = "blindSigIssue"', {"VOTE": 1, "Vote": 1, "vote": 1}),
    ('Vote = "blindSigIssue"', {"Vote": 3}),
])  # fmt: skip
def test_words_of_the_mapping_go_before_those_that_are_known(
    tmp_path: Path, types: str, expected: dict[str, int]
) -> None:
    mapping = EVENTS.replace('{ constant = "vote" }', '"kind"') + f"[types]\n{types}\n"
    text = "place,time,kind\n" + "".join(
        f"a,2026-09-18 10:0{place},{kind}\n" for place, kind in enumerate(("Vote", "VOTE", "vote"))
    )
    read = Read(put(tmp_path / "in", mapping, counts=text))
    assert read.types == expected


def test_ids_that_are_joined_are_never_the_same(tmp_path: Path) -> None:
    mapping = EVENTS + 'id = { columns = ["x", "y"], join = "-" }\n'
    text = "place,time,x,y\na,2026-09-18 10:00,1-2,3\na,2026-09-18 10:00,1,2-3\na,2026-09-18 10:00,1\\,2-3\n"
    assert Read(put(tmp_path / "in", mapping, counts=text)).ids == 3


def test_an_empty_status_and_one_that_is_said_are_two(tmp_path: Path) -> None:
    mapping = EVENTS + 'status = { column = "s", map = { "none" = "" } }\n[status]\ncounted = ["A", ""]\n'
    read = Read(put(tmp_path / "in", mapping, counts="place,time,s\na,2026-09-18 10:00,\na,2026-09-18 10:00,none\n"))
    assert read.ids == 2
    assert set(read.counted["status"]) == {""}


def test_the_register_is_that_of_the_latest_time(tmp_path: Path) -> None:
    text = "place,time,votes,voters\na,,,100\na,2026-09-18 10:00,5,120\na,2026-09-18 11:00,n/a,7\n"
    read = Read(put(tmp_path / "in", COUNTS + 'registered = "voters"\n', counts=text))
    assert list(read.places["registered_voters"]) == [120]


def test_a_number_of_another_tool_is_the_same_place(tmp_path: Path) -> None:
    path = put(
        tmp_path / "in",
        COUNTS.replace('"*.csv"', '["*.csv", "*.parquet", "*.jsonl"]'),
        one=f"{HEADER}1,2026-09-18 10:00,3\n",
    )
    pq.write_table(pa.table({"place": [1.0], "time": ["2026-09-18 11:00"], "votes": [4.0]}), path.parent / "p.parquet")
    (path.parent / "j.jsonl").write_text('{"place": 1.0, "time": "2026-09-18 12:00", "votes": 5}\n')
    assert Read(path).totals == {"1": 12}


def test_letters_of_every_script_are_letters(tmp_path: Path) -> None:
    mapping = COUNTS.replace('"place"', r'{ column = "place", regex = "^([\\w-]+) \\w+$" }')
    text = f"{HEADER}Malmö x,2026-09-18 10:00,1\nMalmø y,2026-09-18 10:00,2\nMo-i-Ranå z,2026-09-18 10:00,4\nMalmo\u0308 x,2026-09-18 11:00,8\n"
    assert Read(put(tmp_path / "in", mapping, counts=text)).totals == {"Malmö": 9, "Malmø": 2, "Mo-i-Ranå": 4}


def test_what_does_not_match_is_not_the_value_of_others(tmp_path: Path) -> None:
    value = '{ column = "kind", regex = "^k:(.*)$", map = { "v" = "vote" }, otherwise = "vote" }'
    mapping = (
        EVENTS.replace('{ constant = "vote" }', value) + 'quantity = { column = "n", regex = "^([0-9]+) votes$" }\n'
    )
    text = "place,time,kind,n\na,2026-09-18 10:00,k:v,2 votes\na,2026-09-18 10:00,k:x,3 votes\na,2026-09-18 10:00,v,4 votes\nb,2026-09-18 10:00,k:v,many\n"
    read = Read(put(tmp_path / "in", mapping, counts=text))
    assert read.totals == {"a": 5}
    assert "columns.type does not match its expression: v" in read.told
    assert "columns.quantity does not match its expression: many" in read.told


def test_day_and_month_the_other_way_round_land_nothing(tmp_path: Path) -> None:
    mapping = COUNTS.replace('time = "time"', 'time = { column = "time", format = "%m/%d/%Y" }')
    path = put(tmp_path / "in", mapping, counts=f"{HEADER}a,05/09/2026,1\na,13/09/2026,2\n")
    read = Read(path)
    assert not read.totals
    assert "do with day and month the other way round" in read.told
    assert "set it to '%d/%m/%Y'. No row counts" in read.told
    put(tmp_path / "in", mapping, counts=f"{HEADER}a,09/13/2026,1\na,13/09/2026,2\n")
    assert Read(path).totals == {"a": 1}, "one that is right shows that the other is a mistake"


def test_a_short_name_of_a_zone_is_refused(tmp_path: Path) -> None:
    mapping = COUNTS.replace('time = "time"', 'time = { column = "time", format = "%Y-%m-%d %H:%M %Z" }')
    with pytest.raises(SettingsError, match="short name that several zones share"):
        read_file_mapping(put(tmp_path / "in", mapping))


def test_a_time_zone_that_is_set_is_that_of_the_places(chosen: Settings, tmp_path: Path) -> None:
    text = f"{HEADER}a,2026-09-17 22:00,5\na,2026-09-18 10:00,1\n"
    land(chosen, put(tmp_path / "in", COUNTS.replace("election =", 'time_zone = "UTC"\nelection ='), counts=text))
    days = rows(
        chosen, "SELECT votes_cast FROM metrics.constituency_metrics WHERE period = 'day' ORDER BY period_start"
    )
    assert list(days["votes_cast"]) == [5, 1]
