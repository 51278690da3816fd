"""Dumps of the chain's blocks: the same figures as the exports, in every form; gaps and shards; what cannot be read."""

import gzip
import io
import itertools
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st
from rich.console import Console

from election_metrics.commands.status import print_status
from election_metrics.pipeline.withdrawal import withdraw
from election_metrics.replay.blocks import FORMS, write_blocks
from election_metrics.replay.series import read_series
from election_metrics.replay.tree import write_replay
from election_metrics.settings import Settings
from election_metrics_tests.blocks import block, call, joined
from election_metrics_tests.computing import everything, rows, update
from election_metrics_tests.conftest import empty_warehouse
from election_metrics_tests.exports import CONTRACT, HOUR, OTHER, Folder, issue, line, ms, vote

THIRD = "CsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr"
FIGURES = """
    SELECT constituency_id, hour, transaction_count, bulletins_issued, bulletins_failed, votes_cast, votes_rejected,
        votes_unknown, revotes, withdrawn, registered_voters, first_transaction_at, last_transaction_at
    FROM metrics.hourly_stats ORDER BY constituency_id, hour
"""
EVERY_KIND = [
    line("register", ms(-600), "addVotersList", votersCount=400),
    line("more", ms(1), "addToVotersList", userIdHashes='["a","b;c"]'),
    line("less", ms(2), "removeFromVotersList", votersCount=1),
    line("start", ms(0), "startVoting"),
    issue("i1", ms(1)),
    issue("i2", ms(2), '["one","two"]'),
    line("i3", ms(3), "blindSigIssue"),
    line("i4", ms(3), "blindSigIssue", diff=[{"key": "FAIL_i4_blindSig", "stringValue": '{"reason":"no; voter"}'}]),
    vote("v1", ms(4), "key"),
    vote("v2", ms(5), "key"),
    vote("v3", ms(70), "key-3"),
    line("v4", ms(6), "vote", "key-4", [{"key": "FAIL_key-4_v4_vote", "stringValue": "bad"}]),
    line("v5", ms(6), "vote", "key-5"),
    line("odd", ms(7), "somethingNew", value=5),
    line("end", ms(80), "finishVoting"),
]  # fmt: skip


@pytest.fixture
def make_settings(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Settings]]:
    """Makes settings with an empty warehouse of their own."""
    with ExitStack() as stack:

        def made(name: str, **others: Any) -> Settings:
            home = tmp_path_factory.mktemp(name) / "home"
            return stack.enter_context(empty_warehouse(server, home)).model_copy(update=others)

        yield made


def dump_of(contracts: dict[str, Sequence[str]], minutes: int = 120) -> list[str]:
    """A chain with a block a minute from two minutes before HOUR on."""
    calls: dict[int, list[dict[str, Any]]] = {}
    for contract, lines in contracts.items():
        for text in lines:
            calls.setdefault(max(int(text.split(";")[4]) // 60_000, ms(-2) // 60_000), []).append(call(text, contract))
    first, name = ms(-2) // 60_000, "+".join(sorted(contracts))
    return [
        block(number + 1, HOUR + timedelta(minutes=number - 1), calls.get(first + number, []), name)
        for number in range(minutes)
    ]


def test_every_kind_of_call_counts_as_in_the_export(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    Folder(tmp_path / "exports").put(*EVERY_KIND)
    (tmp_path / "chain").mkdir()
    (tmp_path / "chain" / "dump.json").write_bytes(joined(dump_of({CONTRACT: EVERY_KIND})))
    exported, dumped = make_settings("exported"), make_settings("dumped")
    update(exported, tmp_path / "exports")
    update(dumped, tmp_path / "chain")
    found = rows(dumped, FIGURES)
    pd.testing.assert_frame_equal(found, rows(exported, FIGURES))
    assert found["votes_cast"].sum() == 2
    assert found["bulletins_issued"].sum() == 4

    # Both together count once, and nothing is in conflict.
    update(dumped, tmp_path / "exports")
    pd.testing.assert_frame_equal(rows(dumped, FIGURES), found)
    assert rows(dumped, "SELECT * FROM ingest.conflicting_rows").empty


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_vote_gives_equal_tables(
    form: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    series = tmp_path / "series.csv"
    series.write_text(
        "bucket_start,bulletins_issued,votes_cast,constituency,registered_voters\n"
        + "".join(
            f"2026-09-18T{hour:02}:00,{9 * place + hour},{8 * place + hour},place-{place},{900 + place}\n"
            for place in range(4) for hour in range(8, 12)
        )
    )  # fmt: skip
    list(write_replay(read_series(series, 1.0, "77 - город Москва"), tmp_path / "tree", seed=2, faults=True))
    (tmp_path / form).mkdir()
    list(write_blocks(tmp_path / "tree", tmp_path / form, form, shards=3, seconds=300))
    exported, dumped = make_settings("exported"), make_settings("dumped")
    update(exported, tmp_path / "tree")
    assert not update(dumped, tmp_path / form).unreadable
    # A rollback is a line of an export only; on the chain the transaction is not there.
    pd.testing.assert_frame_equal(
        rows(dumped, FIGURES).drop(columns=["withdrawn"]), rows(exported, FIGURES).drop(columns=["withdrawn"])
    )
    assert len(rows(dumped, "SELECT DISTINCT shard FROM ingest.block_ranges")) == 3
    # Nothing is new when the folder is listed again.
    assert update(dumped, tmp_path / form).files == 0


LINES = st.lists(
    st.tuples(
        st.sampled_from([CONTRACT, OTHER, THIRD]), st.sampled_from(["issue", "vote", "fail", "register"]),
        st.integers(0, 118), st.integers(0, 3), st.sampled_from(["export", "dump", "both"]),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


@how(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=LINES, dump_first=st.booleans(), cut=st.integers(1, 119))
def test_any_mixture_of_exports_and_chunks_in_any_order_counts_each_call_once(
    drawn: list[tuple[str, str, int, int, str]],
    dump_first: bool,
    cut: int,
    server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("mixture")
    make = {
        "issue": lambda name, at, key: issue(name, at),
        "vote": lambda name, at, key: vote(name, at, f"key-{key}"),
        "fail": lambda name, at, key: line(
            name, at, "vote", f"key-{key}", [{"key": f"FAIL_{key}", "stringValue": "x"}]
        ),
        "register": lambda name, at, key: line(name, at, "addToVotersList", votersCount=key + 1),
    }
    of_kind: dict[str, dict[str, list[str]]] = {"export": {}, "dump": {}, "all": {}}
    for number, (contract, kind, minute, key, where) in enumerate(drawn):
        text = make[kind](f"t{number}", ms(minute), key)
        for side in {"export": ["export"], "dump": ["dump"], "both": ["export", "dump"]}[where]:
            of_kind[side].setdefault(contract, []).append(text)
        of_kind["all"].setdefault(contract, []).append(text)
    for side in ("export", "all"):
        for contract, lines in of_kind[side].items():
            Folder(root / side).put(*lines, contract=contract, name="dump")
    chunks = dump_of(of_kind["dump"])
    folder = root / "dump" / "shard-1"
    folder.mkdir(parents=True)
    # The chunks overlap by a block.
    (folder / f"1-{cut}.jsonl").write_bytes(joined(chunks[:cut]))
    (folder / f"{cut}-120.jsonl").write_bytes(joined(chunks[cut - 1 :]))
    (root / "export").mkdir(exist_ok=True)
    with empty_warehouse(server, root / "mixed") as mixed, empty_warehouse(server, root / "plain") as plain:
        for side in ("dump", "export") if dump_first else ("export", "dump"):
            update(mixed, root / side)
        update(plain, root / "all")
        pd.testing.assert_frame_equal(rows(mixed, FIGURES), rows(plain, FIGURES))


def test_a_growing_folder_of_chunks_is_followed(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    chain = dump_of({CONTRACT: EVERY_KIND})
    folder = tmp_path / "in" / "shard-0"
    folder.mkdir(parents=True)
    live, whole = make_settings("live"), make_settings("whole")
    for start in range(0, 120, 30):
        chunk = folder / f"{start + 1}-{start + 30}.jsonl.gz"
        chunk.write_bytes(gzip.compress(joined(chain[start : start + 30])))
        assert update(live, tmp_path / "in").files >= 1
    update(whole, tmp_path / "in")
    assert everything(live) == everything(whole)
    covered = rows(live, "SELECT first_height, last_height, first_hour, end_hour FROM ingest.shard_coverage")
    assert covered.iloc[0].tolist() == [1, 120, HOUR, HOUR + timedelta(hours=2) - timedelta(hours=1)]


def missing(settings: Settings) -> list[tuple[str, datetime, datetime]]:
    frame = rows(settings, "SELECT constituency_id, missing_from, missing_to FROM metrics.missing_input ORDER BY 1, 2")
    return [tuple(row) for row in frame.itertuples(index=False)]


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


def test_what_cannot_be_read_is_told_by_line_and_height_and_the_rest_counts(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    chain = dump_of({CONTRACT: [issue(f"i{minute}", ms(minute)) for minute in range(20)]}, 24)
    blocks = [json.loads(text) for text in chain]
    forked = json.loads(chain[6])
    forked["transactions"].append(call(issue("only in the fork", ms(4)), CONTRACT))
    blocks[8]["transactions"][1]["tx"]["params"] = None
    blocks[9]["transactions"][1]["tx"]["params"][1]["type"] = "decimal"
    blocks[10]["transactions"][1]["tx"].pop("contractId")
    blocks[11]["transactions"][1]["tx"]["timestamp"] = "soon"
    lines = [json.dumps(each) for each in blocks]
    broken = [
        *lines[:4], lines[4][:200], lines[5], lines[5], lines[6], json.dumps(forked), *lines[7:12],
        '{"height": 13, "transactions": []}', "[]", lines[13], lines[12], *lines[14:],
    ]  # fmt: skip
    content = joined(broken).replace(b'"height": 20,', b'"height": 20, "note": "\xff",')
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "dump.json").write_bytes(content)
    settings = make_settings("broken")
    report = update(settings, tmp_path / "in")
    reasons = {path.rsplit("/", 1)[1]: reason for path, reason in report.unreadable.items()}
    assert reasons == {
        "line 5, height 5": "the line is no JSON object (cut off?)",
        "line 9, height 7": "another block of this height is on line 8; the calls of both are counted",
        "line 13, height 11": "transaction 2 of the block names no contract",
        "line 15, height 13": "the block has no time",
        "line 16": "the block has no height",
        "line 24, height 20": "the block is not UTF-8 (byte 25)",
    }
    rejected = rows(settings, "SELECT reason, content FROM ingest.rejected_transactions ORDER BY content")
    assert [(reason, text.split(":")[0]) for reason, text in rejected.itertuples(index=False)] == [
        ("params is no JSON array", "line 11, height 9"),
        ("the entry data is of an unknown type: decimal", "line 12, height 10"),
        ("the timestamp is no number of milliseconds", "line 14, height 12"),
    ]
    # 20 issues, less 1 cut off, 1 without contract, 3 in quarantine, 1 not UTF-8; the one of the fork more.
    assert rows(settings, FIGURES)["bulletins_issued"].sum() == 20 - 1 - 1 - 3 - 1 + 1


BEGIN = [line("s", ms(1), "startVoting"), issue("i", ms(2)), vote("v", ms(3))]
OF_OTHER = [text.replace(";", "2;", 1) for text in BEGIN]


def shards(settings: Settings) -> list[tuple[str, int, int]]:
    found = rows(settings, "SELECT shard, first_height, last_height FROM ingest.shard_coverage ORDER BY 1, 2")
    return [tuple(row) for row in found.itertuples(index=False)]


def put_chunks(folder: Path, chain: Sequence[str], *bounds: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for first, last in itertools.pairwise([0, *bounds]):
        (folder / f"{first + 1}-{last}.jsonl").write_bytes(joined(chain[first:last]))


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


@pytest.mark.parametrize("kind", ["105.0", "1.05e2", '"105"'])
def test_a_type_is_a_number_however_it_is_written(
    kind: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    shuffled = [json.loads(text) for text in dump_of({CONTRACT: EVERY_KIND}, 90)]
    for each in shuffled:
        for executed in each["transactions"][1:]:
            executed["tx"]["params"].reverse()
    content = joined(json.dumps(each) for each in shuffled).replace(b'"type": 105', f'"type": {kind}'.encode())
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "dump.json").write_bytes(content)
    settings = make_settings("types")
    update(settings, tmp_path / "in")
    assert rows(settings, FIGURES)["votes_cast"].sum() == 2


def test_a_corrected_dump_lands_whole_after_its_withdrawal(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    put_chunks(tmp_path / "in" / "shard-1", dump_of({CONTRACT: BEGIN, OTHER: [*OF_OTHER, issue("x", ms(9))]}, 120), 120)
    settings = make_settings("corrected")
    update(settings, tmp_path / "in")
    target = str(tmp_path / "in" / "shard-1" / "1-120.jsonl")
    withdraw(settings, target, "someone", "wrong")
    put_chunks(tmp_path / "in" / "shard-1", dump_of({CONTRACT: BEGIN, OTHER: OF_OTHER}, 120), 120)
    update(settings, tmp_path / "in")
    assert rows(settings, FIGURES)["bulletins_issued"].sum() == 2
    assert shards(settings) == [("1", 1, 120)]


def test_a_block_that_is_too_long_is_passed_over(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    chain = dump_of({CONTRACT: [issue("a", ms(1)), issue("b", ms(3))]}, 10)
    pad = json.loads(chain[3])
    pad["pad"] = "x" * (70 << 20)
    (tmp_path / "in").mkdir()
    content = joined([*chain[:3], json.dumps(pad), *chain[4:]])
    (tmp_path / "in" / "dump.json").write_bytes(content)
    settings = make_settings("long", max_line_bytes=2**16)
    report = update(settings, tmp_path / "in")
    assert list(report.unreadable.values()) == ["the block is longer than 262,144 bytes"]
    assert next(iter(report.unreadable)).endswith("line 4, height 4")
    assert rows(settings, FIGURES)["bulletins_issued"].sum() == 1


@pytest.mark.parametrize("name", ["notes.json", "expected.json", "package.json"])
def test_other_json_is_no_dump(name: str, make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(issue("a", ms(1)))
    (tmp_path / "in" / name).write_text("{}")
    settings = make_settings("others")
    assert not update(settings, tmp_path / "in").unreadable


def test_a_later_version_of_a_dump_replaces_the_earlier_one(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    dump = tmp_path / "in" / "dump.json"
    settings = make_settings("versions")
    chain = dump_of({CONTRACT: [issue("a", ms(1)), issue("b", ms(30))]}, 120)
    dump.write_bytes(joined(chain[:20]))
    update(settings, tmp_path / "in")
    assert rows(settings, FIGURES)["bulletins_issued"].sum() == 1
    dump.write_bytes(joined(chain))
    update(settings, tmp_path / "in")
    assert rows(settings, FIGURES)["bulletins_issued"].sum() == 2
    assert rows(settings, "SELECT last_height FROM ingest.block_ranges")["last_height"].tolist() == [120]
