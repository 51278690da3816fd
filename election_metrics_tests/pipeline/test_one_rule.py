"""Which row of an id stands: one rule from the rows alone, whatever the order, the batches and the contracts."""

import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from election_metrics.pipeline.compaction import compact_hours
from election_metrics.pipeline.file_landing import land
from election_metrics.pipeline.hour_comparison import compare_with_lake
from election_metrics.pipeline.reconciliation import reconcile_elections
from election_metrics.settings import Settings
from election_metrics_tests.computing import NOW, rows, update
from election_metrics_tests.end_to_end.running import FULL
from election_metrics_tests.exports import CONTRACT, HOUR, OTHER, Folder, line, ms, rollback, vote
from election_metrics_tests.reference import Counted, count
from election_metrics_tests.tables import LATEST
from faults.conflicts import conflicting_lines

A, B = CONTRACT, OTHER
_FIRST = int(HOUR.timestamp()) // 3600


def rejected(name: str, at: int, sender: str) -> str:
    return line(name, at, "vote", sender, [{"key": f"FAIL_{name}", "stringValue": "late"}])


def register(name: str, at: int, voters: int, operation: str = "addVotersList") -> str:
    return line(name, at, operation, votersCount=voters)


Figures = dict[tuple[str, int], dict[str, int]]
# Files in the order of their landing, and what must come of them: counts by contract and hour, registers by contract.
CASES: dict[str, tuple[list[tuple[str, list[str]]], Figures, dict[str, int | None]]] = {
    "an id in two contracts counts where it is earliest": (
        [(B, [vote("x", ms(1, hour=2), "s")]), (A, [vote("x", ms(1), "s")])],
        {(A, 0): {"votes_cast": 1}}, {A: None, B: None},
    ),
    "an id in two contracts and one moment counts in the first of them": (
        [(B, [vote("x", ms(1), "s"), vote("y", ms(2), "s")]), (A, [vote("x", ms(1), "s")])],
        {(A, 0): {"votes_cast": 1}, (B, 0): {"votes_cast": 1}}, {A: None, B: None},
    ),
    "a vote is not ranked against itself": (
        [(A, [vote("x", ms(1), "s")]), (A, [vote("x", ms(2), "s")]), (A, [vote("y", ms(1, hour=1), "s")])],
        {(A, 0): {"votes_cast": 1}, (A, 1): {"revotes": 1}}, {A: None},
    ),
    "votes of one key whose ids end alike are two": (
        [(A, [vote(f"{n}@district-00052", ms(n), "s") for n in range(3)]),
         (A, [vote(f"{n}@district-00052", ms(n), "s") for n in range(3, 5)])],
        {(A, 0): {"votes_cast": 1, "revotes": 4}}, {A: None},
    ),
    "a register call with two numbers is the smaller one": (
        [(A, [register("r", ms(1), 20)]), (A, [register("r", ms(1), 10)])], {(A, 0): {}}, {A: 10},
    ),
    "a register goes with its call to another contract": (
        [(A, [register("r", ms(1, hour=1), 50), vote("v", ms(2, hour=1))]), (B, [register("r", ms(1), 50)])],
        {(A, 1): {"votes_cast": 1}, (B, 0): {}}, {A: None, B: 50},
    ),
    "a later vote counts when the first turns out to be rejected": (
        [(A, [vote("x", ms(1, hour=2), "s")]), (A, [vote("y", ms(1, hour=4), "s")]), (A, [rejected("x", ms(1), "s")])],
        {(A, 0): {"votes_rejected": 1}, (A, 4): {"votes_cast": 1}}, {A: None},
    ),
    "a later vote counts when the first turns out to be another contract's": (
        [(A, [vote("x", ms(1, hour=2), "s")]), (A, [vote("y", ms(1, hour=4), "s")]), (B, [vote("x", ms(1), "s")])],
        {(B, 0): {"votes_cast": 1}, (A, 4): {"votes_cast": 1}}, {A: None, B: None},
    ),
    "a register below zero is not known": (
        [(A, [register("r", ms(1), 5)]), (A, [register("q", ms(2), 9, "removeFromVotersList"), vote("v", ms(3))])],
        {(A, 0): {"votes_cast": 1}}, {A: None},
    ),
    "a vote and a register call of one id are one transaction": (
        [(A, [vote("x", ms(1), "s")]), (A, [register("x", ms(1, hour=1), 30), vote("v", ms(2, hour=1))])],
        {(A, 0): {"votes_cast": 1}, (A, 1): {"votes_cast": 1}}, {A: None},
    ),
    "the sender whose row is lost has not voted": (
        [(A, [vote("x", ms(1), "s1")]), (A, [vote("x", ms(1), "s2")]), (A, [vote("y", ms(1, hour=1), "s2")])],
        {(A, 0): {"votes_cast": 1}, (A, 1): {"votes_cast": 1}}, {A: None},
    ),
    "the last of a chain of votes counts when those before are withdrawn": (
        [(A, [vote("x", ms(1), "s"), vote("y", ms(1, hour=1), "s"), vote("z", ms(1, hour=2), "s")]),
         (B, [rollback("y"), rollback("y")]), (A, [rollback("x")])],
        {(A, 0): {"withdrawn": 1}, (A, 1): {"withdrawn": 1}, (A, 2): {"votes_cast": 1}}, {A: None, B: None},
    ),
    "two lines of one file are judged as two files are": (
        [(A, [register("r", ms(1), 30), register("r", ms(1), 10), vote("x", ms(5), "s"), vote("x", ms(2), "t")]),
         (A, [vote("y", ms(9), "s")])],
        {(A, 0): {"votes_cast": 2}}, {A: 10},
    ),
}  # fmt: skip


@pytest.mark.parametrize("backwards", [True, pytest.param(False, marks=[pytest.mark.long, pytest.mark.rare])])
@pytest.mark.parametrize("name", sorted(CASES))
def test_whatever_lands_first(chosen: Settings, tmp_path: Path, name: str, backwards: bool) -> None:
    files, figures, registers = CASES[name]
    folder = Folder(tmp_path)
    numbered = list(enumerate(files))
    for number, (contract, lines) in reversed(numbered) if backwards else numbered:
        folder.put(*lines, name=str(number), contract=contract)
        update(chosen, folder.root)
    assert _figures(chosen) == figures
    assert _registers(chosen) == registers
    assert _differences(chosen, count(_read(folder), LATEST, 0)) == []


def _figures(settings: Settings) -> Figures:
    names = (
        "bulletins_issued",
        "bulletins_failed",
        "votes_cast",
        "votes_rejected",
        "votes_unknown",
        "revotes",
        "withdrawn",
    )
    frame = rows(settings, "SELECT * FROM metrics.hourly_stats")
    return {
        (row["constituency_id"], int(row["hour"].timestamp()) // 3600 - _FIRST): {
            n: int(row[n]) for n in names if row[n]
        }
        for row in frame.to_dict("records")
    }


def _registers(settings: Settings) -> dict[str, int | None]:
    frame = rows(settings, "SELECT constituency_id, registered_voters FROM metrics.constituencies")
    return {name: _whole(voters) for name, voters in frame.itertuples(index=False)}


def _whole(value: object) -> int | None:
    return None if value is None or str(value) in ("<NA>", "nan", "None") else int(str(value))


def _read(folder: Folder) -> list[tuple[str, bytes]]:
    return [(path.name.partition("_")[0], path.read_bytes()) for path in sorted(folder.root.glob("*.csv"))]


def _differences(settings: Settings, counted: Counted) -> list[str]:
    """How the tables differ from the counter."""
    frame = rows(settings, "SELECT * FROM metrics.hourly_stats")
    found = []
    seen = {}
    for row in frame.to_dict("records"):
        key = (row["constituency_id"], int(row["hour"].timestamp()) // 3600)
        wanted = counted.hours.get(key, {})
        seen[key] = {name: _whole(row["registered_voters" if name == "register" else name]) for name in wanted}
        if seen[key] != wanted or not wanted:
            found.append(f"{key}: {seen[key]}, should be {wanted}")
    found += [f"no hour {key}, should be {counted.hours[key]}" for key in set(counted.hours) - set(seen)]
    if (registers := _registers(settings)) != counted.registers:
        found.append(f"registers {registers}, should be {counted.registers}")
    listed = set(
        rows(settings, "SELECT DISTINCT transaction_id FROM metrics.conflicting_transactions")["transaction_id"]
    )
    if listed != counted.conflicts:
        found.append(f"conflicts {sorted(listed ^ counted.conflicts)}")
    return found


@pytest.mark.parametrize("seed", range(8 if FULL else 1))
@pytest.mark.long
def test_any_conflicts_in_any_order_and_batches_count_as_a_counter_without_our_code_counts(
    chosen: Settings, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    folder = Folder(tmp_path / "in")
    files = _conflicting_files(chance)
    chance.shuffle(files)
    small = chosen.model_copy(update={"batch_bytes": chance.choice((1_000, 2**30)), "compact_after_parts": 2})
    while files:
        for contract, name, lines in files[: chance.randint(1, 4)]:
            (folder.root / f"{contract}_{name}.csv").parent.mkdir(parents=True, exist_ok=True)
            (folder.root / f"{contract}_{name}.csv").write_bytes(b"".join(lines))
            files = files[1:]
        if chance.random() < 0.3:
            land(small, folder.root, "run", NOW)
        else:
            update(small, folder.root)
        if chance.random() < 0.3:
            hours = rows(chosen, "SELECT min(hour) AS low, max(hour) AS high FROM metrics.hourly_stats").iloc[0]
            if hours["low"] == hours["low"]:
                compact_hours(small, hours["low"], hours["high"])
    update(small, folder.root)
    assert _differences(chosen, count(_read(folder), LATEST, 0)) == []
    span = rows(
        chosen, "SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high FROM metrics.hourly_stats"
    ).iloc[0]
    compared = compare_with_lake(chosen, span["low"], span["high"])
    assert compared["in_lake"].tolist() == compared["in_hours"].tolist()
    _, different = reconcile_elections(chosen, "run", ["unknown-election-3b6912"], NOW)
    assert different.empty


def _conflicting_files(chance: random.Random) -> list[tuple[str, str, list[bytes]]]:
    """Lines of which many share an id, over files of three contracts; some files come again with other lines."""
    pool = [f"{vote(f'id{n}', ms(chance.random() * 300), f'sender{n % 3}')}\n".encode() for n in range(6)]
    pool += [f"{register(f'reg{n}', ms(chance.random() * 300), 10 * n)}\n".encode() for n in range(3)]
    lines = [*pool, *conflicting_lines(chance, pool, 50)]
    chance.shuffle(lines)
    contracts = (A, B, "C" + A[1:])
    files = [(chance.choice(contracts), f"f{number}", some) for number, some in enumerate(_pieces(chance, lines))]
    again = [
        (contract, name, [*some[1:], chance.choice(lines)]) for contract, name, some in files if chance.random() < 0.2
    ]
    return files + again


def _pieces(chance: random.Random, lines: Sequence[bytes]) -> list[list[bytes]]:
    pieces, start = [], 0
    while start < len(lines):
        size = chance.randint(1, 8)
        pieces.append(list(lines[start : start + size]))
        start += size
    return pieces


def test_an_id_in_two_contracts_is_a_finding_that_names_both_files(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put(vote("x", ms(1), "s"), name="here", contract=A)
    update(chosen, folder.root)
    folder.put(vote("x", ms(1, hour=2), "s"), vote("v", ms(1, hour=2)), name="there", contract=B)
    update(chosen, folder.root)
    found = rows(chosen, "SELECT * FROM metrics.anomalies WHERE rule = 'conflicting_ids' ORDER BY constituency_id")
    assert found["constituency_id"].tolist() == [A, B]
    for explanation in found["explanation"]:
        assert f"{A}_here.csv" in explanation
        assert f"{B}_there.csv" in explanation
    listed = rows(chosen, "SELECT constituency_id, stands FROM metrics.conflicting_transactions ORDER BY 1")
    assert listed.values.tolist() == [[A, True], [B, False]]


def test_a_finding_names_every_two_files_that_share_ids_and_no_other(chosen: Settings, tmp_path: Path) -> None:
    """One file of A lost a row to B and another one six rows to a copy, in the same hour and the next."""
    folder = Folder(tmp_path)
    folder.put(
        vote("w", ms(1), "w"), *[vote(f"x{n}", ms(n + 2, hour=n % 2), f"s{n}") for n in range(6)], name="1", contract=A
    )
    folder.put(vote("w", ms(0), "w"), name="2", contract=B)
    folder.put(*[vote(f"x{n}", ms(n + 9, hour=n % 2), f"s{n}") for n in range(6)], name="copy", contract=A)
    update(chosen, folder.root)
    found = rows(
        chosen, "SELECT constituency_id, region, explanation FROM metrics.anomalies WHERE rule = 'conflicting_ids'"
    )
    said = found.set_index("constituency_id")["explanation"].to_dict()
    places = {name: f"{A}_{name}.csv" for name in ("1", "copy")} | {"2": f"{B}_2.csv"}
    assert said[A].startswith("7 transaction ids have rows that differ; 7 rows here do not count: x0 and 5 more")
    for first, second in (("1", "copy"), ("2", "1")):
        assert re.search(
            rf"count in [^;]*{places[first]}, not in [^;]*{places[second]}|counts in [^;]*{places[first]}, not in [^;]*{places[second]}",
            said[A],
        )
    assert "copy" not in said[B]
    assert "w counts in" in said[B]
    known = rows(chosen, "SELECT constituency_id, region FROM metrics.constituencies").set_index("constituency_id")[
        "region"
    ]
    assert found.set_index("constituency_id")["region"].to_dict() == known.to_dict()


def test_a_register_below_zero_is_a_finding_until_it_is_not(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put(register("r", ms(1), 5), register("q", ms(2), 9, "removeFromVotersList"), vote("v", ms(3)))
    update(chosen, folder.root)
    query = "SELECT state, observed FROM metrics.anomalies WHERE rule = 'register_below_zero'"
    assert rows(chosen, query).values.tolist() == [["open", -4.0]]
    assert rows(chosen, "SELECT participation_rate FROM metrics.hourly_stats")["participation_rate"].isna().all()
    folder.put(register("p", ms(4, hour=1), 100), name="more")
    update(chosen, folder.root)
    assert rows(chosen, query)["state"].tolist() == ["resolved"]


def test_what_is_overwritten_no_longer_stands_against_anything(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.put(vote("x", ms(1), "s"), name="1", contract=A)
    folder.put(vote("x", ms(1, hour=2), "s"), name="1", contract=B)
    update(chosen, folder.root)
    assert _figures(chosen) == {(A, 0): {"votes_cast": 1}}
    folder.put(vote("other", ms(5), "s"), name="1", contract=A)
    update(chosen, folder.root)
    assert _figures(chosen) == {(A, 0): {"votes_cast": 1}, (B, 2): {"votes_cast": 1}}
    assert rows(chosen, "SELECT 1 FROM metrics.conflicting_transactions").empty
