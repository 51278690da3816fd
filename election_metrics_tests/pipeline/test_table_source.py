"""A table in another database as the source: the same tables as from export files, whatever order rows are committed in."""

import itertools
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import dagster as dg
import duckdb
import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from pydantic import SecretStr

from benchmarks.inputs import START
from election_metrics.automation.sensors import new_transactions_sensor
from election_metrics.cli import main
from election_metrics.errors import ElectionMetricsError, SourceError
from election_metrics.pipeline.file_landing import forget_lost_parts
from election_metrics.pipeline.run_tags import RANGE_END, RANGE_START, WHY
from election_metrics.pipeline.table_landing import land_table, open_table
from election_metrics.replay import Bucket, Voting, write_replay
from election_metrics.runtime.launch import run_update
from election_metrics.settings import Settings, read_settings, settings
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.migrate import migrate
from election_metrics_tests.computing import NOW, everything, hourly, rows, update
from election_metrics_tests.exports import HOUR, Folder, ms, vote, write_reference
from election_metrics_tests.tables import MAPPING, Ballots, pieces, row, rows_of_exports, update_from_table

pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's own, while it runs


@pytest.fixture(params=["postgresql", "sqlite"])
def ballots(request: pytest.FixtureRequest, server: str, tmp_path: Path) -> Iterator[Ballots]:
    """An empty table in a database of its own."""
    if request.param == "sqlite":
        yield Ballots(f"sqlite:///{tmp_path}/votes.db")
        return
    name = f"votes_{os.getpid()}_{abs(hash(request.node.name)) % 10**8}"
    with psycopg.connect(server.replace("/election_metrics?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        url = server.replace("/election_metrics?", f"/{name}?").replace("postgresql:", "postgresql+psycopg:", 1)
        made = Ballots(url)
        yield made
        made.engine.dispose()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def mapped(chosen: Settings, ballots: Ballots, tmp_path: Path) -> Settings:
    """Settings that name the table."""
    mapping = tmp_path / "ballots.toml"
    mapping.write_text(MAPPING, "utf-8")
    url = ballots.engine.url.render_as_string(hide_password=False)
    return read_settings(source_url=url, source_table=mapping)


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


def test_a_row_that_cannot_be_read_is_quarantined_and_the_others_count(mapped: Settings, ballots: Ballots) -> None:
    early = ms(0) - 40 * 365 * 24 * 3_600_000
    ballots.put(
        row("good", ms(1)), {**row("timeless", ms(1)), "at": None}, row("early", early), row("late", ms(0, 24 * 365)),
        row("nowhere", ms(1), place=None), row("long" * 60, ms(1)), row("many", ms(1), "ISSUE", number=10**12),
        {**row("", ms(1)), "id": None},
    )  # fmt: skip
    report = update_from_table(mapped)
    assert (report.rows, report.rejected) == (1, 7)
    found = rows(mapped, "SELECT file, reason, content FROM ingest.rejected_transactions ORDER BY line_number")
    assert set(found["reason"]) == {
        "the time cannot be read", "the timestamp is before 2000", "the timestamp is more than a day ahead of the clock",
        "the constituency is missing", "the transaction id, voter or constituency is longer than 200 bytes",
        "the quantity is not between 0 and 1000000000", "the transaction id is missing",
    }  # fmt: skip
    assert found["file"].str.startswith("table:ballots/").all()
    assert "id=timeless" in "".join(found["content"])
    assert update_from_table(mapped, compare=True).rows == 0


def land_only(settings: Settings) -> int:
    """Lands what is new, without any comparison; returns how many rows."""
    table = open_table(settings)
    assert table is not None
    return land_table(settings, table, "run", NOW, compare=False).rows


def ids_in_lake(settings: Settings) -> list[str]:
    """The transaction ids that the lake holds, each as often as it does."""
    parts = str(settings.lake_path / "transactions" / "*" / "*.parquet")
    found = duckdb.execute("SELECT transaction_id FROM read_parquet(?) ORDER BY 1", [parts]).fetchall()
    return [name for (name,) in found]


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


def hour_difference(settings: Settings) -> list[int]:
    """What a comparison finds, by reading those hours again."""
    before = len(rows(settings, "SELECT * FROM ingest.transaction_files"))
    table = open_table(settings)
    assert table is not None
    land_table(settings, table, "run", NOW, compare=True)
    after = rows(settings, "SELECT * FROM ingest.transaction_files ORDER BY file_id")
    return list(after["path"][before:])


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


def test_a_killed_landing_and_two_at_once_read_nothing_twice(mapped: Settings, ballots: Ballots) -> None:
    for piece in pieces([row(f"v{n}", ms(n % 50, n % 3)) for n in range(3_000)], 500):
        ballots.put(*piece)
    code = (
        "import os, sys\n"
        "from election_metrics.warehouse import table_reads\n"
        "table_reads.store_state = lambda *_: os._exit(9)\n"
        "from election_metrics_tests.pipeline.test_table_source import land_only, read_settings\n"
        "import election_metrics.pipeline.table_landing as landing\n"
        "landing._ROWS_A_BATCH = 1\n"
        "import election_metrics.sources.transactions_table as table\n"
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


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            MAPPING.replace('"place"', '"district"'),
            "columns.constituency names the column 'district', which ballots has not",
        ),
        (MAPPING.replace('table = "ballots"', 'table = "votes"'), "table votes does not exist, or may not be seen"),
        (MAPPING.replace('"number_of_row"', '"place"'), "the column 'place' is no whole number"),
        (MAPPING.replace("[types]", "[typos]"), "typos is no key of a mapping"),
        (MAPPING.replace('id = "id"\n', ""), "columns.id is missing"),
        (
            MAPPING.replace('"vote"', '"voting"'),
            "types is {'ISSUE': 'blindSigIssue', 'VOTE': 'voting'}: 'VOTE' cannot be",
        ),
        (MAPPING + "[", "is not valid TOML"),
    ],
)
@pytest.mark.parametrize("ballots", ["sqlite"], indirect=True)
def test_a_wrong_mapping_is_told_with_its_key_and_column(mapped: Settings, written: str, said: str) -> None:
    assert mapped.source_table is not None
    mapped.source_table.write_text(written, "utf-8")
    with pytest.raises(ElectionMetricsError, match=re.escape(said)):
        land_only(mapped)


def test_another_table_under_the_same_name_is_refused(mapped: Settings, ballots: Ballots, tmp_path: Path) -> None:
    ballots.put(row("a", ms(1)))
    land_only(mapped)
    other = Ballots(f"sqlite:///{tmp_path}/other.db")
    moved = mapped.model_copy(update={"source_url": SecretStr(other.url)})
    with pytest.raises(SourceError, match="give the new one another `name`"):
        land_only(moved)


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


@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
def test_the_sensor_asks_for_new_rows_and_for_a_comparison_and_the_run_lands_them(
    mapped: Settings, ballots: Ballots
) -> None:
    ballots.put(row("a", ms(1)), row("b", ms(1, 2)))
    with dg.instance_for_test() as instance:
        (request,) = tick(mapped, instance).run_requests or []
        assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2026-09-18-08:00", "2026-09-18-10:00")
        assert run_update(
            mapped, instance, HOUR, HOUR + timedelta(hours=2), "test", landing={"sources": ["ballots"]}
        ).success
        assert hourly(mapped)["10"]["votes_cast"] == 1
        assert "every row of the table has landed" in (tick(mapped, instance).skip_message or "")
        with transaction(mapped) as connection:
            connection.execute(sa.text("UPDATE ingest.table_reads SET compared_at = now() - interval '20 minutes'"))
        (request,) = tick(mapped, instance).run_requests or []
        assert "compared" in request.tags[WHY]
        away = mapped.model_copy(update={"source_url": SecretStr("postgresql+psycopg://x@127.0.0.1:1/votes")})
        assert "table ballots" in (tick(away, instance).skip_message or "")


def tick(settings: Settings, instance: dg.DagsterInstance) -> Any:
    """What the sensor says now."""
    context = dg.build_sensor_context(instance=instance, resources={"settings": settings})
    return new_transactions_sensor.evaluate_tick(context)


def test_a_table_that_is_away_does_not_stop_the_files(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    both = chosen.model_copy(
        update={"source": tmp_path / "in", "source_url": SecretStr("postgresql+psycopg://x@127.0.0.1:1/votes")}
    )
    with dg.instance_for_test() as instance:
        result = run_update(both, instance, HOUR, HOUR, "test")
    assert result.success
    assert hourly(both)["08"]["votes_cast"] == 1
    (landed,) = result.asset_materializations_for_node("landed_files")
    assert "the transactions table" in str(landed.metadata["unreadable"].value)


@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
def test_the_commands_check_and_ingest_and_read_hours_again(
    mapped: Settings, ballots: Ballots, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mapped.source_url is not None
    monkeypatch.setenv("ELECTION_METRICS_SOURCE_URL", mapped.source_url.get_secret_value())
    monkeypatch.setenv("ELECTION_METRICS_SOURCE_TABLE", str(mapped.source_table))
    settings.cache_clear()
    ballots.put(row("a", ms(1)), row("b", ms(2), state="lost"), row("c", ms(3), "ISSUE"))
    said = CliRunner().invoke(main, ["table", "check"])
    assert said.exit_code == 0, said.output
    for words in ("VOTE, ok: votes cast", "VOTE, lost: votes unknown", "ISSUE, ok: bulletins issued", "not yet"):
        assert words in said.output
    done = CliRunner().invoke(main, ["table", "ingest"])
    assert done.exit_code == 0, done.output
    assert hourly(mapped)["08"]["transaction_count"] == 3
    ballots.change("id = 'b'", "state = 'ok'")
    again = CliRunner().invoke(main, ["table", "ingest", "--from", "2026-09-18T08:00", "--to", "2026-09-18T08:00"])
    assert again.exit_code == 0, again.output
    assert hourly(mapped)["08"]["votes_cast"] == 2
    ballots.put({**row("bad", ms(4)), "at": None})
    assert CliRunner().invoke(main, ["table", "ingest"]).exit_code == 3, "a row that could not be read is said"
    monkeypatch.delenv("ELECTION_METRICS_SOURCE_URL")
    settings.cache_clear()
    assert "set ELECTION_METRICS_SOURCE_URL" in CliRunner().invoke(main, ["table", "check"]).output


_TEXTS = ("id", "place", "call", "state", "voter", "election", "why")


# Bytes as another program writes them: cp1251, UTF-16, a cut-off letter, a blob.
_NO_UTF_8 = (b"\xcf\xf0\xe8\xe2\xe5\xf2", b"\xff\xfe1\x04", b"abc\xd0", bytes(range(128, 160)))


def test_text_that_is_no_utf_8_costs_its_row_and_no_other(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Ballots(f"sqlite:///{tmp_path}/votes.db")
    bad = {number: each for number, each in enumerate(itertools.product(_TEXTS, _NO_UTF_8), start=2)}
    made.put(*[row(f"v{n}", ms(n)) for n in range(1 + len(bad))])
    with sqlite3.connect(tmp_path / "votes.db") as raw:
        for number, (column, value) in bad.items():
            raw.execute(f"UPDATE ballots SET {column} = CAST(? AS TEXT) WHERE number_of_row = ?", (value, number))
    reading = _mapped(chosen, made, tmp_path, monkeypatch)
    report = update_from_table(reading)
    assert (report.rows, report.rejected) == (1, len(bad))
    keys = {"place": "constituency", "call": "type", "state": "status", "why": "anomaly_reason"}
    found = rows(reading, "SELECT reason, content FROM ingest.rejected_transactions")
    assert {content.split(";")[0]: reason for reason, content in found.itertuples(index=False)} == {
        f"position={number}": f"no UTF-8 in the column of: {keys.get(column, column)}"
        for number, (column, _) in bad.items()
    }
    before = everything(reading)
    for compare in (False, True):
        assert update_from_table(reading, compare=compare).rejected == 0, "what is in quarantine is not read again"
    assert everything(reading) == before
    mended = range(2, 2 + len(bad), len(_NO_UTF_8))  # of each column the first
    with sqlite3.connect(tmp_path / "votes.db") as raw:
        for number in mended:
            raw.execute(f"UPDATE ballots SET {bad[number][0]} = ? WHERE number_of_row = ?", (f"good{number}", number))
    update_from_table(reading, compare=True)
    left = rows(reading, "SELECT content FROM ingest.rejected_transactions")["content"]
    positions = {f"position={number}" for number in bad if number not in mended}
    assert {content.split(";")[0] for content in left} == positions, "a row that was mended is read"
    assert len(left) == len(positions)


def _mapped(chosen: Settings, made: Ballots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(MAPPING, "utf-8")
    monkeypatch.setenv("ELECTION_METRICS_SOURCE_URL", made.url)
    monkeypatch.setenv("ELECTION_METRICS_SOURCE_TABLE", str(mapping))
    return chosen.model_copy(update={"source_url": SecretStr(made.url), "source_table": mapping})


_NO_TIMES = (
    "200000-01-01 00:00:00+00", "294276-12-31 00:00:00+00", "0044-03-15 12:00:00+00 BC", "infinity", "-infinity",
)  # fmt: skip


@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
def test_a_time_that_no_vote_has_costs_its_row_and_no_other(mapped: Settings, ballots: Ballots) -> None:
    ballots.put(*[row(f"v{n}", ms(n)) for n in range(len(_NO_TIMES) + 2)])
    for number, moment in enumerate(_NO_TIMES, start=2):
        ballots.run(f"UPDATE ballots SET at = '{moment}' WHERE number_of_row = {number}")
    report = update_from_table(mapped)
    assert (report.rows, report.rejected) == (2, len(_NO_TIMES))
    before = everything(mapped)
    for compare in (False, True):
        assert update_from_table(mapped, compare=compare).rejected == 0
    assert everything(mapped) == before


@pytest.mark.parametrize("unit", ["s", "ms"])
def test_a_number_that_is_no_time_costs_its_row_and_no_other(chosen: Settings, tmp_path: Path, unit: str) -> None:
    bad = ("9223372036854775807", "-9223372036854775808", "6311433600000000", "1e30", "soon", "")
    path = tmp_path / "votes.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, id TEXT, place TEXT, at INTEGER, call TEXT, state TEXT)")
        good = ms(1) // (1000 if unit == "s" else 1)
        for number, at in enumerate((good, *bad, good)):
            raw.execute("INSERT INTO t VALUES (?, ?, 'north', ?, 'vote', 'ok')", (number + 1, f"v{number}", at))
    mapping = tmp_path / "table.toml"
    mapping.write_text(
        f'table = "t"\nposition = "n"\ntime_unit = "{unit}"\n{_COLUMNS}[status]\ncounted = ["ok"]\n', "utf-8"
    )
    url = SecretStr(f"sqlite:///{path}")
    report = update_from_table(chosen.model_copy(update={"source_url": url, "source_table": mapping}))
    assert (report.rows, report.rejected) == (2, len(bad))


def test_what_is_wrong_with_a_table_is_never_called_passing(chosen: Settings, tmp_path: Path, monkeypatch) -> None:
    made = Ballots(f"sqlite:///{tmp_path}/votes.db")
    made.put(row("v", ms(1)))
    reading = _mapped(chosen, made, tmp_path, monkeypatch)
    table = open_table(reading)
    assert table is not None
    _ = table.table
    made.run("ALTER TABLE ballots DROP COLUMN voter")  # between the look and the reading
    with pytest.raises(SourceError, match="voter"):
        land_table(reading, table, "run", NOW)
    (tmp_path / "votes.db").write_bytes(b"this is no database, it is a letter" * 100)
    with pytest.raises(SourceError, match="not a database"):
        land_table(reading, open_table(reading), "run", NOW)


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 8])
def test_rows_that_share_a_position_are_all_read_wherever_a_batch_ends(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """A block's height is the position of all its transactions."""
    monkeypatch.setattr("election_metrics.sources.transactions_table._ROWS_AT_ONCE", at_once)
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


def test_a_nul_in_the_name_of_an_election_is_written_out(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Ballots(f"sqlite:///{tmp_path}/votes.db")
    made.put(row("v", ms(1), election="Coun\0cil"))
    reading = _mapped(chosen, made, tmp_path, monkeypatch)
    assert update_from_table(reading).rows == 1
    assert rows(reading, "SELECT name FROM metrics.elections")["name"].tolist() == ["Coun\\x00cil"]


_COLUMNS = '[columns]\nid = "id"\nconstituency = "place"\ntime = "at"\ntype = "call"\nstatus = "state"\n'


def _reads(chosen: Settings, tmp_path: Path, url: str, mapping: str) -> Settings:
    path = tmp_path / "own.toml"
    path.write_text(f'table = "t"\nposition = "n"\n{mapping}{_COLUMNS}[status]\ncounted = ["ok"]\n', "utf-8")
    return chosen.model_copy(update={"source_url": SecretStr(url), "source_table": path})


@pytest.mark.parametrize(
    ("position", "at_once"), [("NULL", 2), ("'last'", 100_000), ("''", 2), ("1.5", 2), ("x'00ff'", 2)]
)
def test_rows_whose_position_is_no_number_count_once(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, position: str, at_once: int
) -> None:
    monkeypatch.setattr("election_metrics.sources.transactions_table._ROWS_AT_ONCE", at_once)
    with sqlite3.connect(tmp_path / "votes.db") as raw:
        raw.execute("CREATE TABLE t (n INTEGER, id TEXT, place TEXT, at INTEGER, call TEXT, state TEXT)")
        for number, at in enumerate(["1", position, position, position, "2"]):
            raw.execute(f"INSERT INTO t VALUES ({at}, ?, 'north', ?, 'vote', 'ok')", (f"v{number}", ms(number)))
    reading = _reads(chosen, tmp_path, f"sqlite:///{tmp_path}/votes.db", "")
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
def test_rows_without_a_position_come_with_their_transaction(
    chosen: Settings, ballots: Ballots, tmp_path: Path
) -> None:
    ballots.run("CREATE TABLE t (n bigint, id text, place text, at timestamptz, call text, state text)")
    reading = _reads(chosen, tmp_path, ballots.engine.url.render_as_string(hide_password=False), "")
    for number, position in enumerate(["1", "NULL", "2", "NULL"]):
        ballots.run(f"INSERT INTO t VALUES ({position}, 'v{number}', 'north', '2026-09-18 08:01Z', 'vote', 'ok')")
        assert update_from_table(reading, compare=False).rows == 1
    assert hourly(reading)["08"]["votes_cast"] == 4
    assert update_from_table(reading, compare=True).files == 0


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Adak"])
@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
def test_the_ends_of_a_calendar_cost_their_rows_and_no_other(
    chosen: Settings, ballots: Ballots, tmp_path: Path, zone: str
) -> None:
    """Times without a zone are moved from the mapping's to UTC; at the ends of the calendar that is not possible."""
    ballots.run("CREATE TABLE t (n serial, id text, place text, at timestamp, call text, state text)")
    wild = ["294276-12-31 23:59:59.999999", "4713-01-01 00:00:00 BC", "infinity", "-infinity", "10000-01-01 00:00:00"]
    for number, at in enumerate([*wild, "2026-09-18 08:01", "2026-09-18 20:01"]):
        ballots.run(f"INSERT INTO t (id, place, at, call, state) VALUES ('v{number}', 'north', '{at}', 'vote', 'ok')")
    url = ballots.engine.url.render_as_string(hide_password=False)
    reading = _reads(chosen, tmp_path, url, f'time_zone = "{zone}"\n')
    report = update_from_table(reading)
    assert (report.rows, report.rejected) == (2, 5)
    assert update_from_table(reading, compare=True).files == 0


@pytest.mark.parametrize("style", ["German", "SQL, DMY"])
@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
def test_a_database_that_writes_dates_its_own_way_is_read_the_same(
    mapped: Settings, ballots: Ballots, style: str
) -> None:
    ballots.put(row("v", ms(1)), row("w", ms(2) + 2 * 3_600_000))
    ballots.run(f"ALTER DATABASE {ballots.engine.url.database} SET DateStyle = '{style}'")
    ballots.engine.dispose()
    assert update_from_table(mapped).rows == 2
    assert {hour: counts["votes_cast"] for hour, counts in hourly(mapped).items()} == {"08": 1, "10": 1}
    assert update_from_table(mapped, compare=True).files == 0


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding_costs_only_what_is_no_text(
    chosen: Settings, server: str, tmp_path: Path, encoding: str
) -> None:
    name = f"votes_{encoding.lower()}_{os.getpid()}"
    at = server.replace("/election_metrics?", "/postgres?")
    with psycopg.connect(at, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        try:
            url = server.replace("/election_metrics?", f"/{name}?")
            with psycopg.connect(url, autocommit=True) as own:
                own.execute("CREATE TABLE t (n serial, id text, place text, at timestamptz, call text, state text)")
                own.execute(r"INSERT INTO t VALUES (1, 'v', E'caf\351', '2026-09-18 08:01Z', 'vote', 'ok')")
                own.execute("INSERT INTO t VALUES (2, 'w', 'north', '2026-09-18 08:01Z', 'vote', 'ok')")
            reading = _reads(chosen, tmp_path, url.replace("postgresql:", "postgresql+psycopg:", 1), "")
            report = update_from_table(reading)
            # In a database without an encoding the byte is no UTF-8; elsewhere it is a letter.
            assert (report.rows, report.rejected) == ((1, 1) if encoding == "SQL_ASCII" else (2, 0))
            assert update_from_table(reading, compare=True).files == 0
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
def test_an_error_of_the_warehouse_is_not_blamed_on_the_table(mapped: Settings, ballots: Ballots) -> None:
    ballots.put(row("v", ms(1)))
    table = open_table(mapped)
    assert table is not None
    with transaction(mapped) as connection:
        connection.execute(sa.text("ALTER TABLE ingest.table_reads RENAME TO table_reads_away"))
    with pytest.raises(ElectionMetricsError, match="migrate") as raised:
        land_table(mapped, table, "run", NOW)
    assert table.place not in str(raised.value)
    with transaction(mapped) as connection:
        connection.execute(sa.text("ALTER TABLE ingest.table_reads_away RENAME TO table_reads"))


@pytest.mark.parametrize("times", ["numbers", "texts", "both", "view"])
def test_a_column_without_a_type_is_read_by_its_values(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: str
) -> None:
    """A column of SQLite need not declare its type, and an expression in a view has none."""
    with sqlite3.connect(tmp_path / "votes.db") as raw:
        raw.execute("CREATE TABLE own (n, id, place, at, call, state)")
        for number in range(4):
            text = f"2026-09-18 08:0{number}:00Z"
            at = ms(number) if times in ("numbers", "view") or (times == "both" and number % 2) else text
            raw.execute("INSERT INTO own VALUES (?, ?, 'north', ?, 'vote', 'ok')", (number, f"v{number}", at))
        raw.execute("INSERT INTO own VALUES (9, 'bad', 'north', 'soon', 'vote', 'ok')")
        raw.execute(
            "CREATE VIEW t AS SELECT n + 0 AS n, id || '' AS id, place || '' AS place, "
            f"{'at' if times in ('texts', 'both') else 'CASE WHEN at = 0 THEN 1 ELSE at END'} AS at, call, state FROM own"
        )
    reading = _reads(chosen, tmp_path, f"sqlite:///{tmp_path}/votes.db", "")
    report = update_from_table(reading)
    assert (report.rows, report.rejected) == (4, 1)
    assert hourly(reading)["08"]["votes_cast"] == 4
    monkeypatch.setenv("ELECTION_METRICS_SOURCE_URL", f"sqlite:///{tmp_path}/votes.db")
    monkeypatch.setenv("ELECTION_METRICS_SOURCE_TABLE", str(tmp_path / "own.toml"))
    settings.cache_clear()
    checked = CliRunner().invoke(main, ["table", "check"])
    assert checked.exit_code == 3
    assert "1 of the first 5 rows cannot be read: the time cannot be read" in checked.output


@pytest.mark.parametrize("first", [20, 10])
def test_another_row_of_a_known_id_is_seen_at_once(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """SQLite: the row of the id that stands is the smaller one, whichever landed first."""
    made = Ballots(f"sqlite:///{tmp_path}/votes.db")
    reading = _mapped(chosen, made, tmp_path, monkeypatch)
    for quantity in (first, 30 - first):
        made.put(row("x", ms(1), call="addVotersList", number=quantity), row(f"v{quantity}", ms(2)))
        update_from_table(reading, compare=False)
    query = "SELECT registered_voters, votes_cast FROM metrics.hourly_stats"
    assert rows(reading, query).values.tolist() == [[10, 2]]
    assert update_from_table(reading, compare=False).files == 0, "what was said is not said again"


@pytest.mark.parametrize("ballots", ["postgresql"], indirect=True)
@pytest.mark.parametrize("kind", ["timestamptz", "numeric", "double precision"])
def test_the_last_moment_of_an_hour_is_of_that_hour(
    chosen: Settings, ballots: Ballots, tmp_path: Path, kind: str
) -> None:
    """Of 30 hours: a comparison reads 24 at a time, and no row may fall between."""
    ballots.run(f"CREATE TABLE t (n serial, id text, place text, at {kind}, call text, state text)")
    for hour in range(30):
        for minute in ("30:00", "59:59.9999"):
            at = f"timestamptz '2026-09-18 08:{minute}Z' + interval '{hour} hours'"
            value = at if kind == "timestamptz" else f"extract(epoch FROM {at})"
            ballots.run(
                f"INSERT INTO t (id, place, at, call, state) SELECT 'v{hour}-{minute}', 'north', {value}, 'vote', 'ok'"
            )
    reading = _reads(chosen, tmp_path, ballots.engine.url.render_as_string(hide_password=False), 'time_unit = "s"\n')
    for _ in range(2):
        update_from_table(reading, compare=True)
        assert rows(reading, "SELECT votes_cast FROM metrics.hourly_stats")["votes_cast"].tolist() == [2] * 30
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
    reading = _reads(
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


@pytest.mark.parametrize("ballots", ["sqlite"], indirect=True)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
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
