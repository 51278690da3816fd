"""Dumps of the chain's blocks: the same figures as the exports, in every form; what cannot be read."""

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from election_metrics.pipeline.withdrawal import withdraw
from election_metrics.replay.blocks import FORMS, write_blocks
from election_metrics.replay.series import read_series
from election_metrics.replay.tree import write_replay
from election_metrics.settings import Settings
from election_metrics_tests.blocks import (
    BEGIN,
    FIGURES,
    OF_OTHER,
    call,
    dump_of,
    joined,
    put_chunks,
    shards,
)
from election_metrics_tests.computing import everything, rows, update
from election_metrics_tests.conftest import empty_warehouse
from election_metrics_tests.exports import CONTRACT, HOUR, OTHER, Folder, issue, line, ms, vote

THIRD = "CsrxMqfGf6eBZzXJzbXg7aAhMt1ZsT5wzrCK4L8mNpQr"


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
    query = "SELECT explanation FROM metrics.anomalies WHERE rule = 'unreadable_input' AND constituency_id IS NULL"
    told = rows(settings, query)["explanation"]
    assert [text for text in told if text.startswith("6 parts of ") and "line 13, height 11: transaction 2" in text]


def test_half_a_letter_costs_its_own_call_in_a_dump_as_in_an_export(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    lines = [vote(f"v{n}", ms(2), f"k{n}") for n in range(6)]
    lines[3] = line("v3", ms(2), "vote", "k3", [{"key": "VOTE_k3", "stringValue": "HALF"}])
    lines[4] = line("v4", ms(2), "vote", "k4", [{"key": "VOTE_k4", "stringValue": "\U0001f600"}])
    Folder(tmp_path / "export").put(*[text.replace("HALF", "\\ud800") for text in lines])
    chain = [
        text.replace("HALF", "\\ud800").replace("\U0001f600", "\\ud83d\\ude00")
        for text in dump_of({CONTRACT: lines}, 24)
    ]
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "dump.jsonl").write_bytes(joined(chain))
    counted = []
    for form in ("export", "dump"):
        settings = make_settings(form)
        report = update(settings, tmp_path / form)
        counted.append((rows(settings, FIGURES)["votes_cast"].tolist(), report.rejected, dict(report.unreadable)))
    assert counted == [([5], 1, {})] * 2


@pytest.mark.parametrize("where", [11, 20, 0, 59])
def test_a_fork_is_told_wherever_its_other_block_stands_and_is_no_chain_of_its_own(
    where: int, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    chain = dump_of({CONTRACT: [vote(f"v{n}", ms(n), f"k{n}") for n in range(50)]}, 60)
    forked = json.loads(chain[10])
    forked["transactions"].append(call(vote("only in the fork", ms(8), "other"), CONTRACT))
    (tmp_path / "in").mkdir()
    blocks = [*chain[:where], json.dumps(forked), *chain[where:]]
    (tmp_path / "in" / "dump.jsonl").write_bytes(joined(blocks))
    settings = make_settings("forked")
    report = update(settings, tmp_path / "in")
    assert rows(settings, FIGURES)["votes_cast"].sum() == 51
    ((place, reason),) = report.unreadable.items()
    assert "height 11" in place
    assert reason.startswith("another block of this height is on line ")
    assert len(shards(settings)) == 1


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
