"""Rows of a table appear when they are committed, in whatever order: none is missed, and none is read twice."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from random import Random
from threading import Event

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from election_metrics.settings import Settings
from election_metrics_tests.computing import everything, hourly
from election_metrics_tests.exports import ms
from election_metrics_tests.tables import (
    Ballots,
    hour_difference,
    ids_in_lake,
    land_only,
    row,
    settings_of,
    update_from_table,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's own, while it runs


@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
def test_no_row_is_missed_or_read_twice_when_transactions_commit_late_and_roll_back(
    mapped: Settings, ballots: Ballots
) -> None:
    kept: list[str] = []
    enough = Event()

    def write(writer: int) -> None:
        random = Random(writer)
        for turn in count():
            if enough.is_set():
                return
            with ballots.engine.connect() as connection, connection.begin() as work:
                names = [f"{writer}-{turn}-{n}" for n in range(random.randint(1, 4))]
                for name in names:
                    ballots.put(row(name, ms(random.randint(0, 59))), connection=connection)
                    time.sleep(random.random() * 0.05)
                if random.random() < 0.3:
                    work.rollback()
                else:
                    work.commit()
                    kept.extend(names)

    land_only(mapped)
    with ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(write, number) for number in range(6)]
        landed = sum(land_only(mapped) for _ in range(8))
        enough.set()
        for writer in writers:
            writer.result()
    landed += land_only(mapped)
    assert landed > 50
    assert ids_in_lake(mapped) == sorted(kept)
    assert landed == len(kept)
    assert hour_difference(mapped) == []


@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
def test_a_transaction_that_stays_open_holds_back_only_its_own_rows_until_it_ends(
    mapped: Settings, ballots: Ballots
) -> None:
    ballots.put(row("first", ms(1)))
    assert land_only(mapped) == 1
    with ballots.engine.connect() as connection, connection.begin():
        ballots.put(row("open", ms(2)), connection=connection)
        ballots.put(row("later", ms(3)))
        # `later` was committed beside an open transaction: it is read when nothing before it can appear any more.
        assert land_only(mapped) == 0
        assert hour_difference(mapped) == []
    assert land_only(mapped) == 2
    assert ids_in_lake(mapped) == ["first", "later", "open"]


@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
def test_a_row_that_was_counted_never_vanishes_because_another_transaction_is_open(
    mapped: Settings, ballots: Ballots
) -> None:
    ballots.put(row("a", ms(1)), row("b", ms(2)))
    update_from_table(mapped)
    with ballots.engine.connect() as connection, connection.begin():
        ballots.put(row("open", ms(3)), connection=connection)
        ballots.change("id = 'a'", "state = 'failed'")
        update_from_table(mapped, compare=True)
        assert hourly(mapped)["08"] == {"transaction_count": 2, "votes_cast": 1, "votes_rejected": 1}
    update_from_table(mapped, compare=True)
    assert hourly(mapped)["08"] == {"transaction_count": 3, "votes_cast": 2, "votes_rejected": 1}
    assert update_from_table(mapped, compare=True).files == 0


@pytest.mark.parametrize("ballots", ["sqlite"], indirect=True)
def test_elsewhere_rows_that_appear_below_the_newest_are_found_within_the_overlap(
    mapped: Settings, ballots: Ballots
) -> None:
    ballots.put({**row("tenth", ms(1)), "number_of_row": 10}, {**row("bad", ms(1)), "at": None, "number_of_row": 11})
    assert land_only(mapped) == 1
    ballots.put({**row("fifth", ms(2)), "number_of_row": 5}, {**row("twelfth", ms(3)), "number_of_row": 12})
    assert land_only(mapped) == 2
    assert land_only(mapped) == 0
    assert ids_in_lake(mapped) == ["fifth", "tenth", "twelfth"]
    assert hour_difference(mapped) == []


@pytest.mark.parametrize("at_once", [2, *(pytest.param(number, marks=pytest.mark.long) for number in (1, 3, 5, 8))])
def test_rows_that_share_a_position_are_all_read_wherever_a_batch_ends(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """A block's height is the position of all its transactions."""
    monkeypatch.setattr("election_metrics.sources.table_snapshot._ROWS_AT_ONCE", at_once)
    with sqlite3.connect(tmp_path / "blocks.db") as raw:
        raw.execute("CREATE TABLE t (height INTEGER, id TEXT, place TEXT, at INTEGER, call TEXT, state TEXT)")
        for number, height in enumerate([1, 1, 1, 2, 3, 3, 3, 3, 3, 4, 4]):
            raw.execute("INSERT INTO t VALUES (?, ?, 'north', ?, 'vote', 'ok')", (height, f"v{number}", ms(number)))
    mapping = tmp_path / "blocks.toml"
    mapping.write_text(
        'table = "t"\nposition = "height"\n[columns]\nid = "id"\nconstituency = "place"\ntime = "at"\ntype = "call"\n'
        'status = "state"\n[status]\ncounted = ["ok"]\n',
        "utf-8",
    )
    url = SecretStr(f"sqlite:///{tmp_path}/blocks.db")
    reading = chosen.model_copy(update={"source_url": url, "source_table": mapping})
    assert update_from_table(reading).rows == 11
    assert update_from_table(reading, compare=True).files == 0


@pytest.mark.parametrize(
    ("position", "at_once"),
    [
        ("NULL", 2),
        ("'last'", 100_000),
        *(pytest.param(one, 2, marks=pytest.mark.long) for one in ("''", "1.5", "x'00ff'")),
    ],
)
def test_rows_whose_position_is_no_number_count_once(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, position: str, at_once: int
) -> None:
    monkeypatch.setattr("election_metrics.sources.table_snapshot._ROWS_AT_ONCE", at_once)
    with sqlite3.connect(tmp_path / "votes.db") as raw:
        raw.execute("CREATE TABLE t (n INTEGER, id TEXT, place TEXT, at INTEGER, call TEXT, state TEXT)")
        for number, at in enumerate(["1", position, position, position, "2"]):
            raw.execute(f"INSERT INTO t VALUES ({at}, ?, 'north', ?, 'vote', 'ok')", (f"v{number}", ms(number)))
    reading = settings_of(chosen, tmp_path, f"sqlite:///{tmp_path}/votes.db", "")
    assert update_from_table(reading).rows == 5
    before = everything(reading)
    for compare in (False, True):
        assert update_from_table(reading, compare=compare).files == 0
    assert everything(reading) == before
    with sqlite3.connect(tmp_path / "votes.db") as raw:
        raw.execute(f"INSERT INTO t VALUES ({position}, 'late', 'north', ?, 'vote', 'ok')", (ms(9),))
        raw.execute(f"INSERT INTO t VALUES ({position}, '', 'north', ?, 'vote', 'ok')", (ms(9),))
    report = update_from_table(reading, compare=True)
    assert (hourly(reading)["08"]["votes_cast"], report.rejected) == (6, 1)
    assert update_from_table(reading, compare=True).files == 0


@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
@pytest.mark.long
def test_rows_without_a_position_come_with_their_transaction(
    chosen: Settings, ballots: Ballots, tmp_path: Path
) -> None:
    ballots.run("CREATE TABLE t (n bigint, id text, place text, at timestamptz, call text, state text)")
    reading = settings_of(chosen, tmp_path, ballots.engine.url.render_as_string(hide_password=False), "")
    for number, position in enumerate(["1", "NULL", "2", "NULL"]):
        ballots.run(f"INSERT INTO t VALUES ({position}, 'v{number}', 'north', '2026-09-18 08:01Z', 'vote', 'ok')")
        assert update_from_table(reading, compare=False).rows == 1
    assert hourly(reading)["08"]["votes_cast"] == 4
    assert update_from_table(reading, compare=True).files == 0


@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
@pytest.mark.parametrize("name", ["Votes", "my votes", "Öffentlich.Stimmen"])
def test_a_table_of_any_name_misses_no_row_that_is_committed_late(
    chosen: Settings, ballots: Ballots, tmp_path: Path, name: str
) -> None:
    schema, _, table = name.rpartition(".")
    if schema:
        ballots.run(f'CREATE SCHEMA "{schema}"')
    quoted = f'"{schema}"."{table}"' if schema else f'"{table}"'
    ballots.run(f"CREATE TABLE {quoted} (n int, id text, place text, at timestamptz, call text, state text)")
    reading = settings_of(
        chosen, tmp_path, ballots.engine.url.render_as_string(hide_password=False), "overlap_minutes = 0\n"
    )
    assert reading.source_table is not None
    reading.source_table.write_text(reading.source_table.read_text("utf-8").replace('"t"', f'"{name}"'), "utf-8")
    said = "VALUES ({0}, 'v{0}', 'north', '2026-09-18 08:01Z', 'vote', 'ok')"
    with ballots.engine.begin() as open_one:
        open_one.execute(sa.text(f"INSERT INTO {quoted} {said.format(1)}"))
        ballots.run(f"INSERT INTO {quoted} {said.format(2)}")
        update_from_table(reading, compare=False)
    update_from_table(reading, compare=False)
    assert hourly(reading)["08"]["votes_cast"] == 2
