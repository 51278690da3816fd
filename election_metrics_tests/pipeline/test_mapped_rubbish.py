"""Files by mapping that are damaged, ambiguous or odd: what counts is right, and everything else is told with its place."""

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from election_metrics.errors import SettingsError, SourceError
from election_metrics.locations import place as location_of
from election_metrics.pipeline.mapped_files import MappedFiles
from election_metrics.pipeline.mapped_source import rules_off, unreadable_files
from election_metrics.pipeline.mapping_guess import suggest
from election_metrics.settings import Settings
from election_metrics.sources.file_mapping import read_file_mapping
from election_metrics_tests.computing import rows
from election_metrics_tests.mappings import COUNTS, EVENTS, HEADER, Read, settings_of
from election_metrics_tests.pipeline.test_mapped_files import NOW, findings, hours_of, land, put, totals


def told(settings: Settings, name: str = "counts") -> str:
    return "\n".join(unreadable_files(settings, name))


@pytest.mark.parametrize(("body", "expected", "reasons"), [
    ("a,2026-09-18 10:00,1,9\nb,2026-09-18 10:00,2\n", {"b": 2}, ["line 2", "Expected Number of Columns: 3 Found: 4"]),
    ("a,2026-09-18 10:00\nb,2026-09-18 10:00,2\n", {"b": 2}, ["line 2", "Expected Number of Columns: 3 Found: 2"]),
    ('b,2026-09-18 10:00,2\na,"2026-09-18 10:00,1\nc,2026-09-18 10:00,3\n', {"b": 2}, ["line 3: a quotation mark is not closed"]),
    ('b,2026-09-18 10:00,2\na,"2026-09-18 10:00"x,1\nc,2026-09-18 10:00,3\n', {"b": 2, "c": 3}, ["line 3"]),
    ('"b,2026-09-18 10:00,2\nc,2026-09-18 10:00,3\na",2026-09-18 10:00,1\n', None, ["line 2: a quotation mark is not closed, and the 1 line(s)"]),
    ("b,2026-09-18 10:00,2\r\na,2026-09-18 10:00,1\nc,2026-09-18 10:00,3\r\n", {"b": 2, "a": 1, "c": 3}, []),
    ("b,2026-09-18 10:00,2\n\n\n\na,2026-09-18 10:00,1\n\n", {"b": 2, "a": 1}, []),
    ("b,2026-09-18 10:00,2,\na,2026-09-18 10:00,1,\n", {"b": 2, "a": 1}, []),
])  # fmt: skip
def test_a_line_that_is_no_row_is_told_and_the_others_count(
    tmp_path: Path, body: str, expected: dict[str, int] | None, reasons: Sequence[str]
) -> None:
    read = Read(put(tmp_path / "in", COUNTS, counts=HEADER + body))
    if expected is not None:
        assert read.totals == expected
    for reason in reasons:
        assert reason in read.told
    assert bool(read.told) == bool(reasons)


def test_a_value_of_several_lines_is_no_open_quotation_mark(tmp_path: Path) -> None:
    text = 'place,time,votes,note\na,2026-09-18 10:00,1,"Main Street, 5\nRome"\nb,2026-09-18 10:00,2,"5"" wide"\n'
    read = Read(put(tmp_path / "in", COUNTS, counts=text))
    assert read.totals == {"a": 1, "b": 2}
    assert not read.told


GOOD = {"place": "a", "time": "2026-09-18 10:00", "votes": 1}


@pytest.mark.parametrize(("text", "expected", "reason"), [
    (json.dumps(GOOD) + '\n{"place": "b", "ti\n' + json.dumps(GOOD | {"place": "c"}) + "\n", {"a": 1, "c": 1}, "row 2: it is no JSON"),
    (json.dumps(GOOD) + '\n{"place": "b"', {"a": 1}, "row 2: it is no JSON"),
    (json.dumps(GOOD) + "\n[1, 2]\n7\n", {"a": 1}, "row 2: it is no JSON object: [1, 2] (2 row(s)"),
    (json.dumps(GOOD) + "\n\n\n", {"a": 1}, ""),
    (json.dumps(GOOD) + "\n" + json.dumps({"place": "b", "time": "2026-09-18 10:00", "ballots": 50}), {"a": 1}, "row 2: the key 'votes' is not in it"),
    (json.dumps(GOOD) + "\n" + json.dumps(GOOD | {"place": "b", "votes": None}), {"a": 1}, ""),
    (json.dumps({"Place": "a", "time": "2026-09-18 10:00", "votes": 1}) + "\n", {}, "no row has the key 'place', which columns.constituency names; the first has: Place, time, votes"),
    (json.dumps({"place": "a", "time": "2026-09-18 10:00", "ballots": 1}) + "\n", {}, "no row has the key 'votes'"),
])  # fmt: skip
def test_json_lines(tmp_path: Path, text: str, expected: dict[str, int], reason: str) -> None:
    path = put(tmp_path / "in", COUNTS.replace("*.csv", "*.jsonl"))
    (path.parent / "x.jsonl").write_text(text)
    read = Read(path)
    assert read.totals == expected
    assert reason in read.told
    assert bool(reason) == bool(read.told)


@pytest.mark.parametrize(("text", "reason"), [
    (json.dumps({"data": {"items": [GOOD]}}), "it has no list 'data.rows', which json.rows names"),
    (json.dumps({"data": {"rows": {"a": GOOD}}}), "it has no list 'data.rows'"),
    (json.dumps({"data": {"rows": [GOOD]}})[:-6], "Malformed JSON"),
    (json.dumps({"data": {"rows": [GOOD, 5, None]}}), "row 2: it is no JSON object: 5"),
    ("[]", "it has no list"),
])  # fmt: skip
def test_json_whose_list_is_not_there(tmp_path: Path, text: str, reason: str) -> None:
    path = put(tmp_path / "in", COUNTS.replace("*.csv", "*.json") + '[json]\nrows = "data.rows"\n')
    (path.parent / "x.json").write_text(text)
    (path.parent / "y.json").write_text(json.dumps({"data": {"rows": [GOOD | {"place": "good"}]}}))
    read = Read(path)
    assert read.totals["good"] == 1
    assert reason in read.told


def test_names_of_files_and_folders_are_only_names(tmp_path: Path) -> None:
    path = put(tmp_path / "in", COUNTS.replace('"*.csv"', '["**/*.csv", "**/*.parquet"]'))
    for name, place in (("votes=9", "a"), ("x[1]", "b"), ("it's", "c")):
        (path.parent / name).mkdir()
        (path.parent / name / f"{name}.csv").write_text(f"{HEADER}{place},2026-09-18 10:00,1\n")
    table = pa.table({"place": ["d"], "time": ["2026-09-18 10:00"], "Votes": [77], "votes": [1]})
    pq.write_table(table, path.parent / "votes=9" / "d.parquet")
    read = Read(path)
    assert read.totals == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert not read.told


def test_the_members_of_an_archive_follow_one_another_as_files_do(tmp_path: Path) -> None:
    path = put(tmp_path / "in", COUNTS.replace("*.csv", "*.zip") + '[csv]\nencoding = "latin-1"\n')
    long_name = "x" * 70 + ".csv"
    with ZipFile(path.parent / "all.zip", "w") as archive:
        archive.writestr("d9.csv", f"{HEADER}a,2026-09-18 10:00,9\n")
        archive.writestr("d10.csv", f"{HEADER}a,2026-09-18 10:00,10\n")
        archive.writestr(f"1{long_name}", f"{HEADER}b,2026-09-18 10:00,1\n")
        archive.writestr(f"2{long_name}", f"{HEADER}c,2026-09-18 10:00,2\n")
    read = Read(path)
    assert read.totals == {"a": 10, "b": 1, "c": 2}
    with ZipFile(path.parent / "more.zip", "w") as archive:
        archive.writestr("d.csv", f"{HEADER}d,2026-09-18 10:00,1\n")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("d.csv", f"{HEADER}d,2026-09-18 10:00,2\n")
    read = Read(path)
    assert read.totals["d"] == 2
    assert "more.zip/d.csv: the archive has two of this name; the last one is read" in read.told


def test_the_latest_file_alone_counts_if_it_says_something(chosen: Settings, tmp_path: Path) -> None:
    path = put(
        tmp_path / "in", COUNTS + "", day_9=f"{HEADER}a,2026-09-18 10:00,9\n", day_10=f"{HEADER}a,2026-09-18 10:00,10\n"
    )
    path.write_text("latest_only = true\n" + COUNTS.replace('"*.csv"', '["*.csv", "*.zip"]'))
    land(chosen, path)
    assert totals(chosen) == {"a": 10}
    (path.parent / "day_11.csv").write_text(HEADER)
    land(chosen, path)
    assert totals(chosen) == {"a": 10}
    assert "day_11.csv: it has no rows, and so replaces no file before it (latest_only)" in told(chosen)
    with ZipFile(path.parent / "day_12.zip", "w") as archive:
        archive.writestr("a.csv", f"{HEADER}a,2026-09-18 10:00,1\n")
        archive.writestr("b.csv", f"{HEADER}b,2026-09-18 10:00,2\n")
    land(chosen, path)
    assert totals(chosen) == {"a": 10}
    assert "the archive has 2 members, and nothing says which replaces which" in told(chosen)


def test_a_place_that_may_be_two_counts_as_none(chosen: Settings, tmp_path: Path) -> None:
    mapping = (
        COUNTS.replace('election = "A vote"\n', "").replace('"place"', '{ columns = ["region", "place"] }')
        + 'election = "of"\n'
    )
    text = "region,place,time,votes,of\nx-y,z,2026-09-18 10:00,1,A\nx,y-z,2026-09-18 10:00,1,A\nx,both,2026-09-18 10:00,4,A\nx,both,2026-09-18 11:00,5,B\nx,one,2026-09-18 10:00,7,B\n"  # fmt: skip
    land(chosen, put(tmp_path / "in", mapping, counts=text))
    assert totals(chosen) == {"x-one": 7}
    assert "'x-y-z' stands for several places" in told(chosen)
    assert "'x-both' is in several elections (A; B)" in told(chosen)
    path = put(tmp_path / "in", mapping, counts=text.replace("x-y,z,", "x+y,z,").replace(",5,B", ",5,A"))
    land(chosen, path)
    assert totals(chosen) == {"x-one": 7, "x+y-z": 1, "x-y-z": 1, "x-both": 9}
    assert not told(chosen)


def test_equal_numbers_of_two_places_of_one_name_are_not_one(tmp_path: Path) -> None:
    text = "place,time,votes,voters\na,2026-09-18 10:00,5,100\na,2026-09-18 10:00,5,230\nb,2026-09-18 10:00,6,10\nb,2026-09-18 10:00,6,10\n"
    read = Read(put(tmp_path / "in", COUNTS + 'registered = "voters"\n', counts=text))
    assert read.totals == {"b": 6}
    assert "of two names, regions or registers" in read.rejected


def test_a_column_may_have_any_name(tmp_path: Path) -> None:
    mapping = COUNTS.replace('"votes"', '"line"').replace('"time"', '"path"').replace('"place"', '"na\\"me"')
    read = Read(put(tmp_path / "in", mapping, counts='"na""me",path,line,row,text,c0\na,2026-09-18 10:00,3,1,1,1\n'))
    assert read.totals == {"a": 3}


def test_two_columns_of_the_name_are_refused(tmp_path: Path) -> None:
    path = put(
        tmp_path / "in",
        COUNTS,
        one="place,time,votes,votes\na,2026-09-18 10:00,3,4\n",
        two=f"{HEADER}b,2026-09-18 10:00,1\n",
    )
    read = Read(path)
    assert read.totals == {"b": 1}
    assert "it has 2 columns of the name 'votes', which columns.votes names" in read.told


def test_a_renamed_mapping_does_not_count_twice(chosen: Settings, tmp_path: Path) -> None:
    path = put(tmp_path / "in", COUNTS, one=f"{HEADER}a,2026-09-18 10:00,3\n")
    land(chosen, path)
    path.write_text(COUNTS.replace('name = "counts"', 'name = "other"'))
    with pytest.raises(
        SourceError, match=r"1 place.s. of the source 'other', such as 'a', are counted from counts already"
    ):
        land(chosen, path)
    assert totals(chosen) == {"a": 3}
    path.write_text(
        COUNTS.replace('name = "counts"', 'name = "other"').replace('votes = "votes"', 'bulletins = "votes"')
    )
    land(chosen, path)
    assert hours_of(chosen) == {"18 10": (3, 3)}


def test_an_unknown_encoding_is_an_error_of_the_mapping(tmp_path: Path) -> None:
    path = put(tmp_path / "in", COUNTS + '[csv]\nencoding = "latin1000"\n')
    with pytest.raises(SettingsError, match=r"csv.encoding is 'latin1000': it is no encoding that Python knows"):
        read_file_mapping(path)


def test_a_count_corrected_to_none_is_none(chosen: Settings, tmp_path: Path) -> None:
    path = put(tmp_path / "in", COUNTS, one=f"{HEADER}a,2026-09-18 10:00,3\nb,2026-09-18 10:00,1\n")
    land(chosen, path)
    (path.parent / "two.csv").write_text(f"{HEADER}a,2026-09-18 10:00,0\n")
    land(chosen, path)
    assert totals(chosen) == {"a": 0, "b": 1} or totals(chosen) == {"b": 1}


def test_another_mapping_of_the_same_files_lands_again(chosen: Settings, tmp_path: Path) -> None:
    path = put(tmp_path / "in", COUNTS, one="place,time,votes,more\na,2026-09-18 10:00,3,8\n")
    land(chosen, path)
    path.write_text(COUNTS.replace('votes = "votes"', 'votes = "more"'))
    land(chosen, path)
    assert totals(chosen) == {"a": 8}


@pytest.mark.parametrize(("name", "content"), [
    ("x.csv.gz", b"\x1f\x8b\x08\x00damaged"), ("x.csv.gz", b"no gzip at all"), ("x.zip", b"PK\x03\x04damaged"), ("x.csv", b""),
    ("x.csv", b"place,time,votes\n\xff\xfe,2026-09-18 10:00,1\n"), ("x.parquet", b"PAR1 damaged"), ("x.json", b"{]"), ("x.csv", b"p" * 300_000),
    ("x.unknown", b"place"),
])  # fmt: skip
def test_a_damaged_file_stops_no_other(tmp_path: Path, name: str, content: bytes) -> None:
    path = put(
        tmp_path / "in", COUNTS.replace('"*.csv"', '["good.csv", "x.*"]'), good=f"{HEADER}a,2026-09-18 10:00,3\n"
    )
    (path.parent / name).write_bytes(content)
    read = Read(path)
    assert read.totals == {"a": 3}
    assert f"{name}" in read.told


@pytest.mark.parametrize(("name", "text", "error"), [
    ("x.json", '[{"a": 1}, {"a"', "cannot be read"), ("x.json", "[1, 2, 3]", "has no rows"), ("x.json", "[]", "has no rows"), ("x.json", "7", "has no rows"),
    ("x.csv", "", "cannot be read|has no rows"), ("x.jsonl", '{"a"', "cannot be read"),
])  # fmt: skip
def test_suggest_says_why_it_cannot_read(tmp_path: Path, name: str, text: str, error: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=error):
        suggest(settings_of(tmp_path), tmp_path / name)


def test_a_draft_is_a_mapping_whatever_the_columns_are_called(tmp_path: Path) -> None:
    path = put(tmp_path / "in", COUNTS)
    frame = pd.DataFrame({"pla\nce": ["a", "b"], 'vo"tes': [1, 2], "time": ["2026-09-18 10:00"] * 2})
    frame.to_csv(path.parent / "x.csv", index=False)
    path.write_text(suggest(settings_of(tmp_path), path.parent / "x.csv"))
    with pytest.raises(SettingsError, match=r"columns.constituency is missing"):
        read_file_mapping(path)


def test_rising_numbers_of_an_interval_are_drafted_with_a_doubt(tmp_path: Path) -> None:
    lines = [f"{place},2026-09-18 {hour:02d}:00,{hour}" for place in "ab" for hour in range(8, 14)]
    path = put(tmp_path / "in", COUNTS, counts=HEADER + "\n".join(lines))
    draft = suggest(settings_of(tmp_path), path.parent / "counts.csv")
    assert 'rows = "counters"' in draft
    assert '# If each is of its own interval, set rows = "counts".' in draft
    path.write_text(draft)
    assert len(Read(path).counted)


def test_files_of_an_object_store_are_files(store: object, tmp_path: Path) -> None:
    bucket = location_of("s3://observatory", "a test")
    assert not isinstance(bucket, Path)
    for name, text in (("in/h[1].csv", f"{HEADER}a,2026-09-18 10:00,3\n"), ("in/h9.csv", f"{HEADER}b,2026-09-18 10:00,9\n"),
                       ("in/h10.csv", f"{HEADER}b,2026-09-18 10:00,10\n"), ("other/h.csv", f"{HEADER}c,2026-09-18 10:00,1\n")):  # fmt: skip
        (bucket / name).write_bytes(text.encode())
    with BytesIO() as packed:
        with ZipFile(packed, "w") as archive:
            archive.writestr("x.csv", f"{HEADER}d,2026-09-18 10:00,4\n")
        (bucket / "in/more.zip").write_bytes(packed.getvalue())
    path = put(
        tmp_path / "[in]",
        COUNTS.replace('"*.csv"', '["s3://observatory/in/*.csv", "s3://observatory/in/*.zip", "*.csv"]'),
    )
    (path.parent / "own.csv").write_text(f"{HEADER}e,2026-09-18 10:00,5\n")
    read = Read(path)
    assert read.totals == {"a": 3, "b": 10, "d": 4, "e": 5}
    files = MappedFiles(read.mapping, path.parent, settings_of(tmp_path), NOW)
    before = files.state()
    (bucket / "in/h9.csv").write_text(f"{HEADER}b,2026-09-18 10:00,8\n")
    assert files.state() != before


def test_equal_numbers_in_rows_that_differ_are_told(tmp_path: Path) -> None:
    text = "place,sex,time,votes\na,M,2026-09-18 10:00,40\na,F,2026-09-18 10:00,40\nb,M,2026-09-18 10:00,7\nb,M,2026-09-18 10:00,7\n"
    read = Read(put(tmp_path / "in", COUNTS, counts=text))
    assert read.totals == {"a": 40, "b": 7}
    assert (
        "row 1: the number of 'a' and this time is there again, in a row that differs otherwise (2 row(s)" in read.told
    )
    assert "'b'" not in read.told


def test_the_order_of_files_is_that_of_their_names_alone(tmp_path: Path) -> None:
    path = put(tmp_path / "in", COUNTS, d_1=f"{HEADER}a,2026-09-18 10:00,1\n", d_01=f"{HEADER}a,2026-09-18 10:00,2\n")
    other = put(
        tmp_path / "other", COUNTS, d_01=f"{HEADER}a,2026-09-18 10:00,2\n", d_1=f"{HEADER}a,2026-09-18 10:00,1\n"
    )
    assert Read(path).totals == Read(other).totals


def test_a_file_of_two_names_is_one(tmp_path: Path) -> None:
    path = put(
        tmp_path / "in", EVENTS.replace('"*.csv"', '["*.csv", "../in/*.csv"]'), real="place,time\na,2026-09-18 10:00\n"
    )
    (path.parent / "latest.csv").symlink_to("real.csv")
    assert Read(path).totals == {"a": 1}


@pytest.mark.parametrize("header", [False, True])
def test_an_open_quotation_mark_is_told_without_a_final_line_end_too(tmp_path: Path, header: bool) -> None:
    mapping = COUNTS + ('[csv]\nheader = ["place", "time", "votes", "note"]\n' if header else "")
    text = ("" if header else "place,time,votes,note\n") + 'a,2026-09-18 10:00,1,"oops\nb,2026-09-18 10:00,2,x"'
    assert (
        "a quotation mark is not closed, and the 1 line(s) after it"
        in Read(put(tmp_path / "in", mapping, counts=text)).told
    )


def test_a_source_of_votes_alone_is_not_held_to_bulletins(tmp_path: Path) -> None:
    mapping = read_file_mapping(put(tmp_path / "in", EVENTS))
    assert "votes_exceed_bulletins" in rules_off(mapping)
    both = EVENTS.replace('{ constant = "vote" }', '"kind"')
    assert "votes_exceed_bulletins" not in rules_off(read_file_mapping(put(tmp_path / "both", both)))


def test_a_number_that_a_later_file_has_lower_for_the_same_time_is_a_finding(chosen: Settings, tmp_path: Path) -> None:
    mapping = COUNTS.replace('rows = "counts"', 'rows = "counters"')
    path = put(
        tmp_path / "in",
        mapping,
        d1=f"{HEADER}a,2026-09-18 10:00,500\nb,2026-09-18 10:00,5\n",
        d2=f"{HEADER}a,2026-09-18 10:00,480\nb,2026-09-18 10:00,6\n",
    )
    land(chosen, path)
    assert totals(chosen) == {"a": 480, "b": 6}
    found = rows(chosen, "SELECT constituency_id, published, replaced FROM metrics.published_counters ORDER BY 1")
    assert found.fillna(-1).to_dict("list") == {
        "constituency_id": ["a", "b"],
        "published": [480, 6],
        "replaced": [500, -1],
    }
    ((rule, _, explanation),) = findings(chosen)
    assert rule == "figures_fall"
    assert "480" in explanation
    assert "500" in explanation
