"""The commands, as a person types them."""

import csv
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import pandas as pd
import pytest
from click.testing import CliRunner

from election_metrics.cli import main
from election_metrics.errors import ElectionMetricsError
from election_metrics.settings import Settings
from election_metrics.warehouse.export import export_table, exportable
from election_metrics_tests.computing import hourly, rows
from election_metrics_tests.exports import CONTRACT, OTHER, Folder, issue, line, ms, vote
from election_metrics_tests.typed import typed

SERIES = Path(__file__).parent / "data" / "series.csv"


def test_every_command_explains_itself() -> None:
    shown = typed("--help").stdout
    for name, command in main.commands.items():
        assert name in shown
        assert command.help, name
        options = [option for option in command.params if isinstance(option, click.Option)]
        assert all(option.help for option in options), name


def every_command(command: click.Command, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield words, command
    for name, one in command.commands.items() if isinstance(command, click.Group) else ():
        yield from every_command(one, *words, name)


def test_an_example_can_be_copied_from_the_help() -> None:
    found = 0
    for words, command in every_command(main):
        shown = CliRunner().invoke(main, [*words, "--help"]).output
        assert "\\b" not in shown, words
        examples = [
            line.strip() for line in (command.help or "").splitlines() if line.strip().startswith("election-metrics ")
        ]
        assert {*examples} <= {line.strip() for line in shown.splitlines()}, words
        found += len(examples)
    assert found > 10


def test_ingest_lands_computes_records_and_says_so(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(issue("a", ms(1)), vote("b", ms(2)), vote("far", ms(1, hour=40)), vote("c", ms(3)))
    first = typed("ingest", str(tmp_path / "in"))
    assert first.returncode == 0, first.stderr
    assert "1 file(s) landed, 0 line(s) in quarantine" in first.stderr
    assert hourly(chosen)["08"]["votes_cast"] == 2
    assert rows(chosen, "SELECT sum(votes_cast)::bigint AS n FROM metrics.election_summaries").iloc[0, 0] == 3
    again = typed("ingest", str(tmp_path / "in"))
    assert again.returncode == 0
    assert "Nothing new: 1 file(s)" in again.stderr
    runs = typed("db-url", "--dagster").stdout.strip().replace("+psycopg2", "")
    found = subprocess.run(
        [sys.executable, "-c", f"import psycopg; print(psycopg.connect({runs!r}).execute(\"SELECT count(*), min(status), "
         f"min(pipeline_name) FROM runs\").fetchone())"], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == "(1, 'SUCCESS', 'update_metrics_job')"


def test_hours_that_the_first_and_last_lines_do_not_show_are_computed_too(chosen: Settings, tmp_path: Path) -> None:
    padding = [vote(f"p{n}", ms(n / 100)).replace("signature", "s" * 4000) for n in range(50)]
    Folder(tmp_path).put(*padding[:25], vote("hidden", ms(1, hour=30)), *padding[25:])
    assert typed("ingest", str(tmp_path)).returncode == 0
    assert rows(chosen, "SELECT sum(votes_cast)::bigint AS n FROM metrics.election_summaries").iloc[0, 0] == 51


def test_bad_input_is_named_the_rest_counts_and_the_exit_code_says_so(chosen: Settings, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "in")
    folder.put(vote("a", ms(1)), "1;2;3", vote("b", ms(2)))
    (folder.root / "notes.csv").write_text("x")
    with zipfile.ZipFile(folder.root / "cut.zip", "w") as archive:
        archive.writestr(f"{OTHER}_1.csv", vote("z", ms(1)) * 100)
    (folder.root / "cut.zip").write_bytes((folder.root / "cut.zip").read_bytes()[:-40])
    done = typed("ingest", str(folder.root))
    assert done.returncode == 3, done.stderr
    assert hourly(chosen)["08"]["votes_cast"] == 2
    status = typed("status").stdout
    assert "12 fields are expected, 3 found" in status
    assert f"{CONTRACT}_2026-09-18_1100-1200.csv, line 2" in status
    assert "does not begin with a contract id" in status
    assert "the archive cannot be opened (cut off?)" in status


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    [
        (["ingest", "/nowhere"], {}, "/nowhere does not exist; give a folder"),
        (["summary"], {"ELECTION_METRICS_FIRST_HOUR": "soon"}, "ELECTION_METRICS_FIRST_HOUR is 'soon'"),
        (["summary"], {"ELECTION_METRICS_FIRST_HOUR": "2024-01-01T00:30"}, "is not a whole hour; type 2024-01-01T00:00"),
        (["summary"], {"ELECTION_METRICS_TIME_ZONE": "Mars/Base"}, "ELECTION_METRICS_TIME_ZONE is 'Mars/Base'"),
        (["summary"], {"ELECTION_METRICS_DATABASE_URL": "mysql://me:secret@x/y"}, "ELECTION_METRICS_DATABASE_URL: it must"),
        (["migrate"], {"ELECTION_METRICS_DATABASE_URL": "postgresql://me:secret@127.0.0.1:1/y"}, "cannot be reached"),
        (["summary"], {"ELECTION_METRICS_DATABASE_URL": "postgresql://me:secret@127.0.0.1:1/y"}, "PostgreSQL is away"),
        (["summary"], {"ELECTION_METRICS_THREADS": "many"}, "ELECTION_METRICS_THREADS is 'many'"),
        (["export", "nothing"], {}, "there is no table or view 'nothing'; choose one of: "),
        (["export", "hourly_stats", "--election", "nope"], {}, "there is no election 'nope'"),
        (["export", "hourly_stats", "--constituency", "nope"], {}, "there is no constituency 'nope'"),
        (["conflicts", "--election", "nope"], {}, "there is no election 'nope'"),
        (["anomalies", "list", "--election", "nope"], {}, "there is no election 'nope'"),
        (["anomalies", "list", "--constituency", "nope"], {}, "there is no constituency 'nope'"),
        (["anomalies", "list", "--rule", "nope"], {}, "there is no rule 'nope'"),
        (["replay", "/nowhere.csv", "--out", "/tmp/never", "--seed", "-1"], {}, "'--seed': -1 is not in the range x>=0"),
        (["export", "elections", "--constituency", "x"], {}, "elections has no constituency_id"),
        (["backfill", "--from", "2026-09-18T09:00", "--to", "2026-09-18T08:00"], {}, "swap them"),
        (["backfill", "--from", "2020-09-18T09:00", "--to", "2026-09-18T08:00"], {}, "ELECTION_METRICS_FIRST_HOUR"),
        (["backfill", "--from", "2026-09-18T09:00", "--to", "2999-09-18T08:00"], {}, "is in the future"),
        (["backfill", "--from", "noon", "--to", "2026-09-18T08:00"], {}, "'noon' is not an hour; type it as"),
        (["replay", "/nowhere.csv", "--out", "/tmp/never"], {}, "/nowhere.csv cannot be read"),
    ],
)  # fmt: skip
def test_what_is_missing_or_wrong_is_one_sentence(chosen: Settings, words, environment, says: str) -> None:
    done = typed(*words, **environment)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr, "no password, and no table of them"


@pytest.mark.long
def test_a_wrong_reference_names_file_line_and_column(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    for text, says in (
        ("id,name\n", "line 1: the columns must be constituency_id"),
        ("constituency_id,time_zone\na,UTC\nb,Mars\n", "line 3: time_zone is no IANA time zone"),
        ("constituency_id,starts_at\na,tomorrow\n", "line 2: starts_at is no time"),
        ("constituency_id,registered_voters\na,-5\n", "line 2: registered_voters is no count"),
    ):
        reference = tmp_path / "reference.csv"
        reference.write_text(text)
        done = typed("ingest", str(tmp_path / "in"), ELECTION_METRICS_REFERENCE=str(reference))
        assert done.returncode == 1
        assert f"{reference}: {says}" in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr


@pytest.mark.long
def test_backfill_computes_a_range_again_in_one_run(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path).put(vote("a", ms(1)), vote("b", ms(1, hour=1)), vote("c", ms(1, hour=5)))
    typed("ingest", str(tmp_path))
    before = rows(chosen, "SELECT hour, votes_cast FROM metrics.hourly_stats ORDER BY 1").values.tolist()
    done = typed("backfill", "--from", "2026-09-18T08:00", "--to", "2026-09-18T12:00+03:00")
    assert done.returncode == 0, done.stderr
    assert rows(chosen, "SELECT hour, votes_cast FROM metrics.hourly_stats ORDER BY 1").values.tolist() == before
    # What did not change keeps its run; when it was computed last is said elsewhere.
    assert len(set(rows(chosen, "SELECT run_id FROM metrics.hourly_stats")["run_id"])) == 1
    verified = rows(chosen, "SELECT verified_at FROM metrics.verifications WHERE scope = 'hour' ORDER BY hour")
    assert (verified["verified_at"].iloc[:2] > verified["verified_at"].iloc[2]).all()


def test_exports_are_the_tables_columns_and_the_election_of_each_row(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(vote("a", ms(1.5)), line("s", ms(0), "startVoting"))
    typed("ingest", str(tmp_path / "in"))
    for name, table in exportable().items():
        whole = io.BytesIO()
        export_table(chosen, name, "csv", whole)
        header = next(csv.reader(io.StringIO(whole.getvalue().decode())))
        own = [column.name for column in table.columns]
        assert header == (own if header[0] == own[0] else ["election_id", *own]), name
        assert "election_id" in header or not {"constituency_id", "content_id"} & set(own), name
    assert "secrets" not in exportable()
    with pytest.raises(ElectionMetricsError, match="no table or view 'secrets'"):
        export_table(chosen, "secrets", "csv", io.BytesIO())
    (election,) = rows(chosen, "SELECT election_id FROM metrics.elections")["election_id"]
    for name in ("transaction_files", "registry_events", "hourly_stats"):
        (row, *_) = csv.DictReader(io.StringIO(typed("export", name, "--election", election).stdout))
        assert row["election_id"] == election, name
    (row,) = csv.DictReader(io.StringIO(typed("export", "hourly_stats").stdout))
    assert (row["hour"], row["first_transaction_at"]) == ("2026-09-18T08:00:00Z", "2026-09-18T08:00:00Z")
    assert row["last_transaction_at"] == "2026-09-18T08:01:30Z"
    assert (row["votes_cast"], row["registered_voters"], row["participation_rate"]) == ("1", "", "")
    (record,) = json.loads(typed("export", "hourly_stats", "--format", "json", "--constituency", CONTRACT).stdout)
    assert (record["hour"], record["participation_rate"]) == ("2026-09-18T08:00:00Z", None)
    assert json.loads(typed("export", "election_reference", "--format", "json", "--election", election).stdout) == []
    for name in ("election_current", "conflicting_transactions", "turnout_by_hour"):  # views
        for kind in ("csv", "json", "parquet"):
            export_table(chosen, name, kind, whole := io.BytesIO(), election=election)
            assert whole.getvalue(), (name, kind)
    (shown,) = csv.DictReader(io.StringIO(typed("export", "election_current").stdout))
    assert (shown["election_id"], shown["votes_cast"]) == (election, "1")
    for name in ("constituency_metrics", "election_summaries"):  # an array, and JSON
        whole = io.BytesIO()
        export_table(chosen, name, "parquet", whole)
        assert len(pd.read_parquet(whole)) == int(rows(chosen, f"SELECT count(*) AS n FROM metrics.{name}").iloc[0, 0])
    typed("export", "hourly_stats", "--format", "parquet", "--out", str(tmp_path / "x.parquet"))
    frame = pd.read_parquet(tmp_path / "x.parquet")
    assert frame["hour"].tolist() == [pd.Timestamp("2026-09-18T08:00Z")]
    assert frame["votes_cast"].tolist() == [1]


def test_summary_says_what_to_type_when_there_is_nothing(chosen: Settings) -> None:
    assert "Type: election-metrics ingest FOLDER" in typed("summary").stdout


def test_replay_of_the_same_seed_is_the_same_tree(tmp_path: Path) -> None:
    for out in ("a", "b"):
        done = typed("replay", str(SERIES), "--out", str(tmp_path / out), "--seed", "3", "--faults", "--zip")
        assert done.returncode == 0, done.stderr
    names = [sorted(str(p.relative_to(tmp_path / out)) for p in (tmp_path / out).rglob("*")) for out in ("a", "b")]
    assert names[0] == names[1]
    assert [name for name in names[0] if name.endswith(".zip")]
    assert (tmp_path / "a/expected.json").read_bytes() == (tmp_path / "b/expected.json").read_bytes()


@pytest.mark.long
@pytest.mark.rare
def test_an_ingest_after_one_that_was_killed_does_not_wait_for_it(chosen: Settings, tmp_path: Path) -> None:
    assert typed("replay", str(SERIES), "--out", str(tmp_path / "in"), "--faults").returncode == 0
    words = [sys.executable, "-W", "ignore", "-c", "from election_metrics.cli import main; main()"]
    with subprocess.Popen([*words, "ingest", str(tmp_path / "in")], stderr=subprocess.DEVNULL) as first:
        while rows(chosen, "SELECT 1 FROM ingest.transaction_files LIMIT 1").empty:  # until its run is under way
            assert first.poll() is None
        first.kill()
    again = subprocess.run([*words, "ingest", str(tmp_path / "in")], timeout=120, check=False)
    assert again.returncode == 3  # done; the faults are in quarantine
    expected = json.loads((tmp_path / "in/expected.json").read_text("utf-8"))
    stored = rows(chosen, "SELECT sum(transaction_count)::bigint AS n FROM metrics.hourly_stats").iloc[0, 0]
    hours = [hour for one in expected["constituencies"].values() for hour in one["hours"].values()]
    assert stored == sum(hour["transaction_count"] for hour in hours)
