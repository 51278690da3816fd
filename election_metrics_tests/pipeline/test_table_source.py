"""A table in another database as the source: the same tables as from export files, whatever order rows are committed in."""

import os
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.inputs import START
from election_metrics.pipeline.relanding import forget_lost_parts
from election_metrics.pipeline.table_landing import land_table
from election_metrics.pipeline.table_opening import open_table
from election_metrics.replay.tree import write_replay
from election_metrics.replay.votings import Bucket, Voting
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.migrate import migrate
from election_metrics_tests.computing import NOW, everything, hourly, rows, update
from election_metrics_tests.exports import ms, write_reference
from election_metrics_tests.tables import (
    Ballots,
    hour_difference,
    ids_in_lake,
    land_only,
    mapped_to,
    pieces,
    row,
    rows_of_exports,
    update_from_table,
)

pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's own, while it runs


def test_a_table_gives_the_tables_that_export_files_give(
    chosen: Settings, mapped: Settings, ballots: Ballots, tmp_path: Path
) -> None:
    votings = [Voting(f"k{n}", f"District {n}", "Council", 500, "77 - город Москва", "Europe/Moscow") for n in range(3)]
    buckets = [Bucket(v, START + timedelta(hours=h), 3600, 40, 35) for v in votings for h in range(4)]
    for _ in write_replay(buckets, tmp_path / "tree", faults=True):
        pass
    reference = write_reference([(v, START, START + timedelta(hours=4)) for v in votings], tmp_path / "reference.csv")
    of_files = chosen.model_copy(update={"reference": reference})
    update(of_files, tmp_path / "tree")
    expected = everything(of_files)
    found = rows_of_exports(tmp_path / "tree", "Council")
    garbage = int(rows(of_files, "SELECT sum(rejected) AS lines FROM ingest.transaction_files").at[0, "lines"])
    for number in range(garbage):
        found.append({**row(f"garbage{number}", ms(0), place=found[0]["place"]), "at": None})
    for piece in pieces(found, 150):
        ballots.put(*piece)
    again = begin_again(mapped).model_copy(update={"reference": reference})
    update_from_table(again)
    assert everything(again) == expected
    assert garbage


def begin_again(settings: Settings) -> Settings:
    """An empty warehouse and lake in place of what they were."""
    migrate(settings, "base")
    migrate(settings)
    shutil.rmtree(settings.lake_path)
    return settings


def test_new_rows_are_read_once_and_add_up(mapped: Settings, ballots: Ballots) -> None:
    ballots.put(row("a", ms(1)), row("b", ms(2), "ISSUE"), row("c", ms(3, 1)))
    assert update_from_table(mapped).rows == 3
    assert hourly(mapped) == {
        "08": {"transaction_count": 2, "bulletins_issued": 1, "votes_cast": 1},
        "09": {"transaction_count": 1, "votes_cast": 1},
    }
    assert update_from_table(mapped, compare=True).rows == 0
    ballots.put(row("d", ms(4)))
    assert update_from_table(mapped).rows == 1
    assert hourly(mapped)["08"]["votes_cast"] == 2
    assert len(rows(mapped, "SELECT * FROM ingest.transaction_files WHERE status <> 'landed'")) == 0


def test_what_a_row_says_is_counted_as_the_mapping_says(mapped: Settings, ballots: Ballots) -> None:
    ballots.put(
        row("v1", ms(1), voter="k"), row("v2", ms(2), voter="k"), row("v3", ms(3), state="failed", why="late"),
        row("v4", ms(4), state="waiting"), row("v5", ms(5), state="withdrawn"), row("v6", ms(6), odd=True),
        row("i1", ms(1), "ISSUE", number=3), row("i2", ms(2), "ISSUE", state="failed"),
        row("r1", ms(0), "addVotersList", number=50), row("x", ms(7), "somethingNew"),
    )  # fmt: skip
    update_from_table(mapped)
    assert hourly(mapped)["08"] == {
        "transaction_count": 9, "bulletins_issued": 3, "bulletins_failed": 1, "votes_cast": 2, "votes_rejected": 1,
        "votes_unknown": 1, "revotes": 1, "withdrawn": 1,
    }  # fmt: skip
    said = rows(mapped, "SELECT anomaly_count, registered_voters FROM metrics.hourly_stats").iloc[0]
    assert tuple(said) == (5, 50)  # the failed issue, the rejected, unknown, repeated and flagged votes
    assert list(rows(mapped, "SELECT name FROM metrics.elections")["name"]) == ["Council"]


def test_updated_deleted_and_late_rows_re_open_their_hours(mapped: Settings, ballots: Ballots) -> None:
    ballots.put(*[row(f"v{n}", ms(n)) for n in range(5)], *[row(f"w{n}", ms(n, 1)) for n in range(5)])
    update_from_table(mapped)
    ballots.change("id = 'v1'", "state = 'failed'")
    ballots.run("DELETE FROM ballots WHERE id = 'w2'")
    ballots.change("id = 'w3'", "state = 'withdrawn'")
    update_from_table(mapped, compare=True)
    assert hourly(mapped) == {
        "08": {"transaction_count": 5, "votes_cast": 4, "votes_rejected": 1},
        "09": {"transaction_count": 3, "votes_cast": 3, "withdrawn": 1},
    }
    ballots.change("id = 'w3'", "state = 'ok'")
    ballots.run("DELETE FROM ballots WHERE call = 'VOTE' AND id LIKE 'v%'")
    update_from_table(mapped, compare=True)
    assert hourly(mapped) == {"09": {"transaction_count": 4, "votes_cast": 4}}
    assert update_from_table(mapped, compare=True).rows == 0


def test_a_row_that_changes_is_seen_at_once_on_postgresql_and_at_the_next_comparison_elsewhere(
    mapped: Settings, ballots: Ballots
) -> None:
    ballots.put(row("a", ms(1)), row("b", ms(2)))
    update_from_table(mapped)
    ballots.change("id = 'a'", "state = 'failed'")
    update_from_table(mapped, compare=ballots.url.startswith("sqlite"))
    assert hourly(mapped)["08"] == {"transaction_count": 2, "votes_cast": 1, "votes_rejected": 1}


def test_a_comparison_sees_a_row_that_differs_only_in_where_a_field_ends(mapped: Settings, ballots: Ballots) -> None:
    ballots.put(row("a", ms(1), state="ok\x1fkey", voter=""))
    update_from_table(mapped)
    assert hourly(mapped)["08"] == {"transaction_count": 1, "votes_unknown": 1}
    ballots.change("id = 'a'", "state = 'ok', voter = 'key' || chr(31)" if "postgresql" in ballots.url else
                   "state = 'ok', voter = 'key' || char(31)")  # fmt: skip
    update_from_table(mapped, compare=True)
    assert hourly(mapped)["08"] == {"transaction_count": 1, "votes_cast": 1}


def test_who_writes_rows_cannot_know_what_their_hours_are_compared_by(mapped: Settings, ballots: Ballots) -> None:
    ballots.put(row("a", ms(1)))
    seen = set()
    for _ in range(2):
        update_from_table(mapped)
        seen.add(rows(mapped, "SELECT fingerprint::text AS said FROM ingest.table_contents")["said"].iloc[0])
        assert update_from_table(mapped, compare=True).rows == 0
        migrate(mapped, "base")
        migrate(mapped)
    assert len(seen) == 2


@pytest.mark.long
def test_a_killed_landing_and_two_at_once_read_nothing_twice(mapped: Settings, ballots: Ballots) -> None:
    for piece in pieces([row(f"v{n}", ms(n % 50, n % 3)) for n in range(3_000)], 500):
        ballots.put(*piece)
    code = (
        "import os, sys\n"
        "from election_metrics.warehouse import table_reads\n"
        "table_reads.store_state = lambda *_: os._exit(9)\n"
        "from election_metrics.settings import read_settings\n"
        "from election_metrics_tests.tables import land_only\n"
        "import election_metrics.pipeline.table_landing as landing\n"
        "landing._ROWS_A_BATCH = 1\n"
        "import election_metrics.sources.table_snapshot as table\n"
        "table._ROWS_AT_ONCE = 700\n"
        "land_only(read_settings())\n"
    )
    assert mapped.source_url is not None
    named = {
        "ELECTION_METRICS_SOURCE_URL": mapped.source_url.get_secret_value(),
        "ELECTION_METRICS_SOURCE_TABLE": str(mapped.source_table),
    }
    killed = subprocess.run([sys.executable, "-c", code], env=os.environ | named, check=False)
    assert killed.returncode == 9
    assert len(ids_in_lake(mapped)) >= 2_800  # the batches before the last had been committed
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(land_only, [mapped, mapped]))
    assert len(ids_in_lake(mapped)) == 3_000
    assert hour_difference(mapped) == []


def test_rows_that_the_lake_lost_come_back_with_reland(mapped: Settings, ballots: Ballots, tmp_path: Path) -> None:
    ballots.put(row("a", ms(1)), row("b", ms(1, 1)))
    update_from_table(mapped)
    for part in (mapped.lake_path / "transactions" / "hour=2026-09-18T08").iterdir():
        part.unlink()
    assert forget_lost_parts(mapped, None, None, []) == 1
    update_from_table(mapped, now=NOW + timedelta(seconds=1))
    assert hourly(mapped) == {hour: {"transaction_count": 1, "votes_cast": 1} for hour in ("08", "09")}


def test_the_table_of_the_first_observatory_works_as_it_is(chosen: Settings, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/observatory.db"
    with sqlite3.connect(f"{tmp_path}/observatory.db") as database:
        database.execute(
            "CREATE TABLE transactions (id INTEGER PRIMARY KEY, constituency_id VARCHAR, block_height INTEGER, "
            "timestamp DATETIME, type VARCHAR, status VARCHAR, anomaly_detected BOOLEAN, anomaly_reason VARCHAR)"
        )
        database.executemany(
            "INSERT INTO transactions VALUES (?, ?, 1, ?, ?, ?, ?, ?)",
            [
                (1, "d1", "2026-09-18 08:01:00.000000", "blindSigIssue", "confirmed", 0, None),
                (2, "d1", "2026-09-18 08:02:00.000000", "vote", "confirmed", 1, "twice as fast"),
                (3, "d2", "2026-09-18 09:03:00", "vote", "failed", 0, None),
            ],
        )
    shipped = read_settings(source_url=url)
    update_from_table(shipped)
    assert hourly(shipped) == {
        "08": {"transaction_count": 2, "bulletins_issued": 1, "votes_cast": 1},
        "09": {"transaction_count": 1, "votes_rejected": 1},
    }
    assert list(rows(shipped, "SELECT anomaly_count FROM metrics.hourly_stats ORDER BY hour")["anomaly_count"]) == [
        1,
        1,
    ]


def test_a_row_counts_as_many_ballots_as_it_says(mapped: Settings, ballots: Ballots) -> None:
    """A table may sum ballots up; where it says nothing, a row is one."""
    ballots.put(
        row("i", ms(1), call="ISSUE", number=8), row("v", ms(2), voter="a", number=5), row("w", ms(3), voter="b", number=None),
        row("z", ms(3), voter="n", number=0), row("again", ms(4), voter="a", number=3), row("x", ms(5), voter="c", number=1),
        row("f", ms(6), voter="d", state="failed", number=4), row("u", ms(7), voter="e", state="??", number=2),
    )  # fmt: skip
    update_from_table(mapped)
    hour = hourly(mapped)["08"]
    names = ("transaction_count", "bulletins_issued", "votes_cast", "revotes", "votes_rejected", "votes_unknown")
    assert [hour[name] for name in names] == [8, 8, 7, 3, 4, 2]
    election = rows(mapped, "SELECT votes_cast, revotes FROM metrics.election_summaries").iloc[0].tolist()
    assert election == [7, 3]
    anomalous = rows(mapped, "SELECT transaction_count, anomaly_count FROM metrics.hourly_stats").sum()
    assert anomalous["anomaly_count"] <= anomalous["transaction_count"], "it counts transactions, not their quantities"


@pytest.mark.parametrize("first", [20, 10])
def test_another_row_of_a_known_id_is_seen_at_once(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """SQLite: the row of the id that stands is the smaller one, whichever landed first."""
    made = Ballots(f"sqlite:///{tmp_path}/votes.db")
    reading = mapped_to(chosen, made, tmp_path, monkeypatch)
    for quantity in (first, 30 - first):
        made.put(row("x", ms(1), call="addVotersList", number=quantity), row(f"v{quantity}", ms(2)))
        update_from_table(reading, compare=False)
    query = "SELECT registered_voters, votes_cast FROM metrics.hourly_stats"
    assert rows(reading, query).values.tolist() == [[10, 2]]
    assert update_from_table(reading, compare=False).files == 0, "what was said is not said again"


@pytest.mark.parametrize("ballots", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "order", [(2, 1, 0), *(pytest.param(order, marks=pytest.mark.long) for order in ((0, 1, 2), (1, 2, 0)))]
)
def test_the_election_of_a_constituency_follows_from_its_rows_alone(
    mapped: Settings, ballots: Ballots, order: tuple[int, ...]
) -> None:
    said = [row("a", ms(1), election="Beta"), row("b", ms(1, hour=1), election="Alpha"), row("c", ms(2), election=None)]
    for number in order:
        ballots.put(said[number])
        update_from_table(mapped)
    query = "SELECT name FROM metrics.elections"
    assert rows(mapped, query)["name"].tolist() == ["Beta"], "the earliest hour names it"
    for first, last in ((None, 0), (None, None)):
        table = open_table(mapped)
        assert table is not None
        land_table(mapped, table, "run", NOW, again=(first, last))
        update_from_table(mapped, compare=False)
        assert rows(mapped, query)["name"].tolist() == ["Beta"]
    ballots.run("DELETE FROM ballots WHERE id = 'a'")
    update_from_table(mapped, compare=True)
    assert rows(mapped, query)["name"].tolist() == ["Alpha"]
