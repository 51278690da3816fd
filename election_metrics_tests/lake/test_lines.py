"""What a line must be, and what happens to one that is not."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from election_metrics.settings import Settings
from election_metrics_tests.computing import hourly, rows, update
from election_metrics_tests.exports import CONTRACT, Folder, issue, line, ms, vote

DAY = 24 * 3_600_000
GOOD = [issue("a", ms(1)), vote("b", ms(2))]


def with_time(text: str) -> str:
    return vote("x", 111).replace(";111;", f";{text};")


def resaved(text: str) -> str:
    """A line as a spreadsheet saves it."""
    return ";".join('"' + field.replace('"', '""') + '"' if '"' in field else field for field in text.split(";"))


BAD = [
    (b"1;2;3;4;5;6;7;8;9;10;11", "12 fields are expected, 11 found"),
    (b"1;2;3;4;5;6;7;8;9;10;11;12;13", "12 fields are expected, 13 found"),
    (b"", "12 fields are expected, 0 found"),
    (b"   ", "12 fields are expected, 1 found"),
    (with_time("abc").encode(), "the timestamp is no number of milliseconds"),
    (with_time("1e12").encode(), "the timestamp is no number of milliseconds"),
    (with_time("").encode(), "the timestamp is no number of milliseconds"),
    (with_time("-5").encode(), "the timestamp is before 2000"),
    (with_time("10413792000000").encode(), "the timestamp is more than a day ahead of the clock"),
    (
        with_time("1700000000000").encode(),
        "before the first hour, 2024-01-01 00:00 UTC (ELECTION_METRICS_FIRST_HOUR)",
    ),
    (with_time("1,78972E+12").encode(), "looks re-saved by a spreadsheet"),
    (with_time("1 789 720 000 000").encode(), "looks re-saved by a spreadsheet"),
    (with_time("1\u00a0789\u00a0720\u00a0000\u00a0000,00").encode(), "looks re-saved by a spreadsheet"),
    (with_time("1789719120000,0").encode(), "looks re-saved by a spreadsheet"),
    (resaved(vote("x", ms())).encode(), "looks re-saved by a spreadsheet"),
    ("Доступ запрещён — «нет»".join(vote("x", ms()).split("signature")).encode("cp1251"), "it looks like Windows-1251"),
    (vote("x", ms()).replace("[{", "[{broken", 1).encode(), "params is no JSON array"),
    (vote("x", ms()).replace('"VOTE', '"VOTE"', 1).encode(), "diff is no JSON array"),
    (line("x", ms(), "vote").replace(";[];", ";{};").encode(), "diff is no JSON array"),
    (vote("x", ms()).replace("signature", "sign\rature").encode(), "the line contains a carriage return"),
    (vote("x", ms()).encode() + b"-2", "the last field is neither empty nor -1"),
    (vote("", ms()).encode(), "the transaction id is missing"),
    (b"\xff\xfe" + vote("x", ms()).encode(), "bad UTF-8 at byte 1"),
    (b"x" * 40_000_000, "the line is longer than 33554432 bytes: 40000001"),
    (vote("x", ms()).replace("signature", "s" * 40_000_000).encode(), "the line is longer than"),
]


@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_file_of_another_encoding_is_named_and_the_good_beside_it_counts(
    chosen: Settings, tmp_path: Path, encoding: str, mark: bool
) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(*GOOD)
    path = folder.put(name="dump")
    path.write_bytes((("\ufeff" if mark else "") + "\n".join(GOOD) + "\n").encode(encoding))
    report = update(chosen, folder.root)
    name = encoding[:6].upper()
    assert report.unreadable == {str(path): f"the file is {name}; UTF-8 is expected: save it as UTF-8"}
    assert report.set_aside == {}
    assert hourly(chosen)["08"]["votes_cast"] == 1


def test_a_line_that_cannot_be_read_is_quarantined_with_its_number_and_reason(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    path = folder.put()
    path.write_bytes(b"\n".join([GOOD[0].encode(), *(bad for bad, _ in BAD), GOOD[1].encode()]) + b"\n")
    assert update(chosen, folder.root).rejected == len(BAD)
    assert hourly(chosen) == {"08": {"transaction_count": 2, "bulletins_issued": 1, "votes_cast": 1}}
    found = rows(
        chosen, "SELECT file, line_number, reason, content FROM ingest.rejected_transactions ORDER BY line_number"
    )
    assert found["file"].eq(str(path)).all()
    assert found["line_number"].tolist() == list(range(2, len(BAD) + 2))
    for (_, expected), said in zip(BAD, found["reason"], strict=True):
        assert expected in said
    assert found["content"].map(len).max() <= 200


@pytest.mark.parametrize("bad", [BAD[0], BAD[2], BAD[-1]], ids=["fields", "blank", "long"])
def test_what_one_bad_line_is_does_not_hang_on_others(chosen: Settings, tmp_path: Path, bad: tuple[bytes, str]) -> None:
    path = Folder(tmp_path / "in").put()
    path.write_bytes(b"\n".join([GOOD[0].encode(), bad[0], GOOD[1].encode()]) + b"\n")
    assert update(chosen, path.parent).rejected == 1
    found = rows(chosen, "SELECT line_number, reason FROM ingest.rejected_transactions")
    assert found["line_number"].tolist() == [2]
    assert bad[1] in found.at[0, "reason"]


def test_a_last_line_without_a_newline_counts(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put(*GOOD, end="")
    assert update(chosen, folder.root).rejected == 0
    assert hourly(chosen)["08"]["votes_cast"] == 1


def test_windows_line_ends_and_a_byte_order_mark_are_no_faults(chosen: Settings, tmp_path: Path) -> None:
    path = Folder(tmp_path).put()
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*GOOD, ""]).encode())
    assert update(chosen, tmp_path).rejected == 0
    assert hourly(chosen)["08"]["transaction_count"] == 2


def test_a_line_of_many_megabytes_within_the_limit_counts(chosen: Settings, tmp_path: Path) -> None:
    hashes = "[" + ",".join(f'"{number:064x}"' for number in range(60_000)) + "]"
    Folder(tmp_path).put(line("big", ms(), "addVotersList", userIdHashes=hashes), *GOOD)
    assert update(chosen, tmp_path).rejected == 0
    assert rows(chosen, "SELECT registered_voters FROM metrics.constituencies").iloc[0, 0] == 60_000


KINDS: list[tuple[str, dict[str, int]]] = [
    (issue("t", ms()), {"bulletins_issued": 1}),
    (issue("t", ms(), '["a","b","c"]'), {"bulletins_issued": 3}),
    (line("t", ms(), "blindSigIssue"), {"bulletins_issued": 1}),
    (
        line("t", ms(), "blindSigIssue", diff=[{"key": "FAIL_t_blindSig", "stringValue": "no"}]),
        {"bulletins_failed": 1},
    ),
    (vote("t", ms()), {"votes_cast": 1}),
    (
        line("t", ms(), "vote", "k", [{"key": "FAIL_k_t_vote", "stringValue": '{"reason":"x"}'}]),
        {"votes_rejected": 1},
    ),
    (line("t", ms(), "vote", "k", [{"key": "VOTE_other", "stringValue": "x"}]), {"votes_unknown": 1}),
    (line("t", ms(), "vote", "k"), {"votes_unknown": 1}),
    (line("t", ms(), "startVoting"), {}),
    (line("t", ms(), "somethingNew"), {}),
    (line("t", ms(), "x").replace("104", "103", 1), {}),
]


def test_every_kind_of_transaction_counts_in_its_column(chosen: Settings, tmp_path: Path) -> None:
    in_an_hour_each = [
        text.replace("t;", f"t{number};", 1).replace(f";{ms()};", f";{ms(hour=number)};")
        for number, (text, _) in enumerate(KINDS)
    ]
    Folder(tmp_path).put(*in_an_hour_each)
    update(chosen, tmp_path)
    assert hourly(chosen) == {
        f"{8 + number:02}": {"transaction_count": 1, **counts} for number, (_, counts) in enumerate(KINDS)
    }


def test_the_operation_is_found_wherever_it_stands_in_params(chosen: Settings, tmp_path: Path) -> None:
    swapped = vote("t", ms(), "k").replace(
        '[{"key": "operation"', '[{"key": "vote", "binaryValue": "base64:AA=="}, {"key": "operation"'
    )
    Folder(tmp_path).put(swapped)
    update(chosen, tmp_path)
    assert hourly(chosen)["08"]["votes_cast"] == 1


def test_a_transaction_up_to_a_day_ahead_of_the_clock_is_taken(chosen: Settings, tmp_path: Path) -> None:
    from election_metrics.pipeline.file_landing import land

    now = datetime(2026, 9, 18, 8, tzinfo=UTC)
    Folder(tmp_path).put(vote("soon", ms() + DAY - 1), vote("late", ms() + DAY + 1))
    report = land(chosen, tmp_path, "run", now)
    assert (report.rows, report.rejected) == (1, 1)
    assert CONTRACT in rows(chosen, "SELECT file FROM ingest.rejected_transactions").iloc[0, 0]


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_blank_line_is_no_stand_in_for_the_line_feed_at_the_end(chosen: Settings, tmp_path: Path, end: str) -> None:
    """Found by the comparison with the reference: a byte too many and one too few looked like none."""
    Folder(tmp_path).put("", *GOOD, end=end)
    assert update(chosen, tmp_path).rejected == 1
    assert hourly(chosen)["08"]["transaction_count"] == 2


@pytest.mark.parametrize("beside", [[], ["rubbish"]])
def test_what_a_line_is_does_not_depend_on_the_lines_beside_it(
    chosen: Settings, tmp_path: Path, beside: list[str]
) -> None:
    """Found by the fuzzer: a NUL in a field that nobody needs was rejected only where another line was odd."""
    Folder(tmp_path).put(vote("b", ms(2)).replace("{}", "{\0}"), *beside)
    assert update(chosen, tmp_path).rejected == len(beside)
    assert hourly(chosen)["08"]["votes_cast"] == 1


def test_an_operation_that_is_a_number_is_kept_wherever_it_stands(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(vote("b", ms(2)).replace('"stringValue": "vote"', '"intValue": 7'))
    update(chosen, tmp_path)
    assert hourly(chosen)["08"] == {"transaction_count": 1}
