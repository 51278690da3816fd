"""Shards of the chain: which blocks belong to which, and what of them is missing."""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from election_metrics.commands.status import print_status
from election_metrics.settings import Settings
from election_metrics_tests.blocks import BEGIN, FIGURES, OF_OTHER, dump_of, joined, missing, put_chunks, shards
from election_metrics_tests.computing import rows, update
from election_metrics_tests.exports import CONTRACT, HOUR, OTHER, issue, line, ms, vote

THIRD = "CsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr"


def put_shards(root: Path, shards: dict[str, list[str]]) -> None:
    for shard, chain in shards.items():
        folder = root / f"shard-{shard}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"1-{len(chain)}.jsonl").write_bytes(joined(chain))


def said(settings: Settings) -> list[str]:
    return list(rows(settings, "SELECT explanation FROM metrics.anomalies WHERE rule = 'input_missing'")["explanation"])


def test_gaps_stopped_and_absent_shards_are_missing_input_with_names(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    begin = [line("r", ms(0), "addVotersList", votersCount=9), line("s", ms(1), "startVoting"), issue("i", ms(2))]
    whole = dump_of({CONTRACT: begin}, 362)
    gap = dump_of({OTHER: [text.replace(";", "2;", 1) for text in begin]}, 362)
    short = dump_of({THIRD: [text.replace(";", "3;", 1) for text in begin]}, 122)
    put_shards(tmp_path / "in", {"1": whole, "2": gap[:100] + gap[150:], "5": short})
    settings = make_settings("gaps", shards=6)
    now = HOUR + timedelta(hours=6, minutes=10)
    update(settings, tmp_path / "in", now)
    assert missing(settings) == [
        (OTHER, HOUR + timedelta(hours=1), HOUR + timedelta(hours=3)),
        (THIRD, HOUR + timedelta(hours=2), HOUR + timedelta(hours=6)),
    ]
    told = " | ".join(said(settings))
    assert "shard 2 lacks heights 101 to 150" in told
    assert "shard 5 ends at height 122" in told
    assert "No block of shard 3, 4, 6 has landed" in told
    assert "shard 1 " not in told
    console = Console(record=True, width=200, file=io.StringIO())
    print_status(console, settings)
    text = console.export_text()
    assert "Shard 2     blocks 1 to 362" in text
    assert "lacks heights 101 to 150" in text
    assert "Shard 3, 4, 6: no block has landed" in text

    # What was missing arrives, in another form.
    with tarfile.open(tmp_path / "in" / "rest.tar", "w") as archive:
        for shard, blocks in (("2", gap[90:160]), ("5", dump_of({}, 362)[122:])):
            content = joined(blocks)
            member = tarfile.TarInfo(f"late/shard-{shard}/rest.jsonl")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    put_shards(tmp_path / "in", {number: dump_of({}, 362) for number in ("3", "4", "6")})
    update(settings, tmp_path / "in", now)
    assert missing(settings) == []
    open_now = rows(settings, "SELECT rule FROM metrics.anomalies WHERE rule = 'input_missing' AND state <> 'resolved'")
    assert open_now.empty


def test_chains_of_one_file_follow_one_another(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    one, two = dump_of({CONTRACT: [issue("a", ms(5))]}), dump_of({OTHER: [vote("b", ms(5))]})
    (tmp_path / "in").mkdir()
    with zipfile.ZipFile(tmp_path / "in" / "archive.zip", "w") as archive:
        archive.writestr("deg/dump.jsonl", joined(one + two[:50] + two[60:]))
    settings = make_settings("chains")
    update(settings, tmp_path / "in")
    found = rows(settings, "SELECT shard, first_height, last_height, blocks FROM ingest.block_ranges ORDER BY 1, 2")
    assert [tuple(row) for row in found.itertuples(index=False)] == [
        ("dump#1", 1, 120, 120), ("dump#2", 1, 50, 50), ("dump#2", 61, 120, 60),
    ]  # fmt: skip


def test_shards_of_another_vote_do_not_fill_the_gaps_of_this_one(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    begin = [line("s", ms(1), "startVoting"), issue("i", ms(2))]
    old = [json.loads(text) for text in dump_of({}, 302)]
    for each in old:
        each["timestamp"] -= 365 * 86_400_000
    put_shards(tmp_path / "in" / "2025", {"1": [json.dumps(each) for each in old]})
    chain = dump_of({CONTRACT: begin}, 302)
    put_shards(tmp_path / "in" / "2026", {"1": chain[:100] + chain[200:]})
    settings = make_settings("votes")
    update(settings, tmp_path / "in", HOUR + timedelta(hours=5))
    assert missing(settings) == [(CONTRACT, HOUR + timedelta(hours=1), HOUR + timedelta(hours=4))]
    shards = set(rows(settings, "SELECT shard FROM ingest.shard_coverage")["shard"])
    assert len(shards) == 2


def test_chunks_of_two_votes_side_by_side_keep_their_gaps(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """The later vote has more blocks: its last chunks lie above the heights of the earlier one."""
    old = [json.loads(text) for text in dump_of({}, 150)]
    for each in old:
        each["timestamp"] -= 365 * 86_400_000
    put_chunks(tmp_path / "in" / "2025" / "shard-1", [json.dumps(each) for each in old], 150)
    put_chunks(tmp_path / "in" / "2026" / "shard-1", dump_of({CONTRACT: BEGIN}, 302), 60, 120, 200, 302)
    (tmp_path / "in" / "2026" / "shard-1" / "121-200.jsonl").unlink()
    settings = make_settings("votes")
    update(settings, tmp_path / "in", HOUR + timedelta(hours=5))
    assert shards(settings) == [("1", 1, 150), ("1 of 2026-09", 1, 120), ("1 of 2026-09", 201, 302)]
    assert missing(settings) == [(CONTRACT, HOUR + timedelta(hours=1), HOUR + timedelta(hours=4))]


def test_a_folder_called_shards_names_none(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    calls = [issue(f"{place}{minute}", ms(minute)) for place in "ab" for minute in range(5, 180, 20)]
    chains = dump_of({CONTRACT: [*BEGIN, *calls[:9]]}, 182), dump_of({OTHER: [*OF_OTHER, *calls[9:]]}, 182)
    for number, chain in enumerate(chains, start=1):
        (tmp_path / "in" / "shards").mkdir(parents=True, exist_ok=True)
        for first, last in ((0, 62), (62, 124), (124, 182)):
            if (number, first) != (1, 62):
                chunk = tmp_path / "in" / "shards" / f"node{number}-{first + 1}-{last}.jsonl"
                chunk.write_bytes(joined(chain[first:last]))
    settings = make_settings("nodes")
    update(settings, tmp_path / "in", HOUR + timedelta(hours=3))
    assert missing(settings) == [(CONTRACT, HOUR + timedelta(hours=1), HOUR + timedelta(hours=3))]


@pytest.mark.parametrize("order", ["descending", "halves", "shuffled"])
def test_blocks_out_of_order_are_one_chain(order: str, make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    chain = dump_of({CONTRACT: BEGIN}, 120)
    chain = {"descending": chain[::-1], "halves": chain[60:] + chain[:60], "shuffled": chain[::7] + [
        text for place, text in enumerate(chain) if place % 7
    ]}[order]  # fmt: skip
    put_chunks(tmp_path / "in" / "shard-1", chain, 120)
    settings = make_settings("order")
    assert not update(settings, tmp_path / "in").unreadable
    assert shards(settings) == [("1", 1, 120)]


def test_chains_of_a_file_that_begin_and_end_anywhere_are_told_apart(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    one, two = dump_of({CONTRACT: BEGIN}, 182), dump_of({OTHER: OF_OTHER}, 182)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "dump.json").write_bytes(joined([*one[:100], *one[130:160], *two[30:]]))
    settings = make_settings("joints")
    assert not update(settings, tmp_path / "in", HOUR + timedelta(hours=3)).unreadable
    assert shards(settings) == [("dump#1", 1, 100), ("dump#1", 131, 160), ("dump#2", 31, 182)]


def test_a_fork_in_another_file_is_told(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    chain = dump_of({CONTRACT: BEGIN}, 120)
    put_chunks(tmp_path / "in" / "shard-1", chain, 120)
    other = dump_of({CONTRACT: [issue("only here", ms(40))]}, 120)
    (tmp_path / "in" / "shard-1" / "bis.jsonl").write_bytes(joined(other[30:60]))
    settings = make_settings("fork")
    report = update(settings, tmp_path / "in")
    (where,) = report.unreadable
    assert where.rsplit("/", 1)[1] == "heights 43 to 43"
    assert "the calls of both are counted" in report.unreadable[where]
    assert rows(settings, FIGURES)["bulletins_issued"].sum() == 2


def test_a_chunk_in_the_folder_of_another_shard_fills_no_gap_there(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    calls = [issue(f"i{minute}", ms(minute)) for minute in range(0, 180, 10)]
    one = dump_of({CONTRACT: [*BEGIN, *calls]}, 182)
    put_chunks(tmp_path / "in" / "shard-1", one, 60, 120, 182)
    put_chunks(tmp_path / "in" / "shard-2", dump_of({OTHER: OF_OTHER}, 182), 60, 120, 182)
    (tmp_path / "in" / "shard-2" / "61-120.jsonl").write_bytes(joined(one[60:120]))
    settings = make_settings("misplaced")
    report = update(settings, tmp_path / "in", HOUR + timedelta(hours=3))
    assert missing(settings) == [(OTHER, HOUR, HOUR + timedelta(hours=2))]
    assert ["its contracts lie on shard 1" in reason for reason in report.unreadable.values()] == [True]


def test_a_wrong_time_of_a_block_covers_nothing(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    chain = [json.loads(text) for text in dump_of({CONTRACT: BEGIN}, 122)]
    chain[-1]["timestamp"] += 3 * 365 * 86_400_000
    chain[30]["timestamp"] += 2 * 3_600_000
    put_chunks(tmp_path / "in" / "shard-1", [json.dumps(each) for each in chain], 122)
    settings = make_settings("times")
    report = update(settings, tmp_path / "in", HOUR + timedelta(hours=5))
    assert {path.rsplit("/", 1)[1] for path in report.unreadable} == {"line 122, height 122", "line 31, height 31"}
    assert missing(settings)[0] == (CONTRACT, HOUR + timedelta(hours=1), HOUR + timedelta(hours=5))


@pytest.mark.parametrize("folder", ["shard-1", "node"])
def test_a_dump_of_which_every_time_is_ahead_counts_and_covers_nothing(
    folder: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    chain = [json.loads(text) for text in dump_of({CONTRACT: BEGIN}, 10)]
    for each in chain:
        each["timestamp"] += 365 * 86_400_000
    put_chunks(tmp_path / "in" / folder, [json.dumps(each) for each in chain], 10)
    settings = make_settings("ahead")
    assert len(update(settings, tmp_path / "in", HOUR + timedelta(hours=5)).unreadable) == 10
    assert rows(settings, FIGURES)["bulletins_issued"].sum() == 1
    assert shards(settings) == []


def test_a_short_gap_at_the_full_hour_costs_both_hours(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    chain = dump_of({CONTRACT: BEGIN}, 302)
    put_chunks(tmp_path / "in" / "shard-1", chain[:120] + chain[123:], 299)
    settings = make_settings("short")
    update(settings, tmp_path / "in", HOUR + timedelta(hours=5))
    assert missing(settings) == [(CONTRACT, HOUR + timedelta(hours=1), HOUR + timedelta(hours=3))]
    assert "Shard 1 lacks heights 121 to 123 (18.09. 09:58 to 18.09. 10:02 UTC)" in said(settings)
