"""Values of a table: what cannot be read costs its row and no other, in whatever database and encoding."""

import itertools
import os
import sqlite3
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from election_metrics.cli import main
from election_metrics.settings import Settings, settings
from election_metrics_tests.computing import everything, hourly, rows
from election_metrics_tests.exports import ms
from election_metrics_tests.tables import COLUMNS, Ballots, mapped_to, row, settings_of, update_from_table

pytestmark = pytest.mark.filterwarnings("ignore")  # Dagster's own, while it runs


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
    query = (
        "SELECT constituency_id IS NULL, severity, explanation FROM metrics.anomalies WHERE rule = 'unreadable_input'"
    )
    ((is_of_election, severity, said),) = rows(mapped, query).values.tolist()
    assert (is_of_election, severity) == (True, "critical")
    assert said.startswith("7 of 8 rows (87.5 %) of table:ballots cannot be read and are counted nowhere")
    ballots.put(*[row(f"more{n}", ms(2)) for n in range(9)])
    update_from_table(mapped)
    assert rows(mapped, "SELECT severity FROM metrics.anomalies WHERE rule = 'unreadable_input'").values.tolist() == [
        ["warning"]
    ]


# Bytes as another program writes them: cp1251, UTF-16, a cut-off letter, a blob.
_NO_UTF_8 = (b"\xcf\xf0\xe8\xe2\xe5\xf2", b"\xff\xfe1\x04", b"abc\xd0", bytes(range(128, 160)))
_TEXTS = ("id", "place", "call", "state", "voter", "election", "why")


@pytest.mark.long
def test_text_that_is_no_utf_8_costs_its_row_and_no_other(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Ballots(f"sqlite:///{tmp_path}/votes.db")
    bad = {number: each for number, each in enumerate(itertools.product(_TEXTS, _NO_UTF_8), start=2)}
    made.put(*[row(f"v{n}", ms(n)) for n in range(1 + len(bad))])
    with sqlite3.connect(tmp_path / "votes.db") as raw:
        for number, (column, value) in bad.items():
            raw.execute(f"UPDATE ballots SET {column} = CAST(? AS TEXT) WHERE number_of_row = ?", (value, number))
    reading = mapped_to(chosen, made, tmp_path, monkeypatch)
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
        f'table = "t"\nposition = "n"\ntime_unit = "{unit}"\n{COLUMNS}[status]\ncounted = ["ok"]\n', "utf-8"
    )
    url = SecretStr(f"sqlite:///{path}")
    report = update_from_table(chosen.model_copy(update={"source_url": url, "source_table": mapping}))
    assert (report.rows, report.rejected) == (2, len(bad))


def test_a_nul_in_the_name_of_an_election_is_written_out(
    chosen: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Ballots(f"sqlite:///{tmp_path}/votes.db")
    made.put(row("v", ms(1), election="Coun\0cil"))
    reading = mapped_to(chosen, made, tmp_path, monkeypatch)
    assert update_from_table(reading).rows == 1
    assert rows(reading, "SELECT name FROM metrics.elections")["name"].tolist() == ["Coun\\x00cil"]


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
    reading = settings_of(chosen, tmp_path, url, f'time_zone = "{zone}"\n')
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
            reading = settings_of(chosen, tmp_path, url.replace("postgresql:", "postgresql+psycopg:", 1), "")
            report = update_from_table(reading)
            # In a database without an encoding the byte is no UTF-8; elsewhere it is a letter.
            assert (report.rows, report.rejected) == ((1, 1) if encoding == "SQL_ASCII" else (2, 0))
            assert update_from_table(reading, compare=True).files == 0
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


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
    reading = settings_of(chosen, tmp_path, f"sqlite:///{tmp_path}/votes.db", "")
    report = update_from_table(reading)
    assert (report.rows, report.rejected) == (4, 1)
    assert hourly(reading)["08"]["votes_cast"] == 4
    monkeypatch.setenv("ELECTION_METRICS_SOURCE_URL", f"sqlite:///{tmp_path}/votes.db")
    monkeypatch.setenv("ELECTION_METRICS_SOURCE_TABLE", str(tmp_path / "own.toml"))
    settings.cache_clear()
    checked = CliRunner().invoke(main, ["table", "check"])
    assert checked.exit_code == 3
    assert "1 of the first 5 rows cannot be read: the time cannot be read" in checked.output


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
    reading = settings_of(
        chosen, tmp_path, ballots.engine.url.render_as_string(hide_password=False), 'time_unit = "s"\n'
    )
    for _ in range(2):
        update_from_table(reading, compare=True)
        assert rows(reading, "SELECT votes_cast FROM metrics.hourly_stats")["votes_cast"].tolist() == [2] * 30
    assert update_from_table(reading, compare=True).files == 0
