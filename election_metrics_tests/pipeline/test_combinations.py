"""Every source, every lake, every engine: whatever is combined, the same tables come out."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pyspark
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as fuzzing
from hypothesis import strategies as st

from benchmarks.inputs import START
from election_metrics.errors import SettingsError, TransientError
from election_metrics.lake.connect import connect
from election_metrics.lake.engine import Engine
from election_metrics.locations import place
from election_metrics.pipeline.compaction import compact_hours
from election_metrics.pipeline.hours import compute_hours
from election_metrics.replay.tree import write_replay
from election_metrics.replay.votings import Bucket, Voting
from election_metrics.runtime.launch import run_update
from election_metrics.runtime.supervisor import free_port
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse.migrate import migrate
from election_metrics_tests.computing import NOW, everything, hourly, rows, update
from election_metrics_tests.end_to_end.running import FULL, wait_for
from election_metrics_tests.exports import HOUR, Folder, ms, rollback, vote, write_reference
from election_metrics_tests.lake.staging import difference
from election_metrics_tests.lake.test_reference import EXPORTS
from election_metrics_tests.tables import MAPPING, Ballots, row, rows_of_exports, update_from_table

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # botocore's own, and PySpark's
]
needs_java = pytest.mark.skipif(
    not shutil.which("java") and os.environ.get("JAVA") != "required", reason="Spark needs Java, and there is none here"
)
MASTER = "local-cluster[2,1,1024]"
# Three Java machines that live for a minute: compiling less makes them half as slow again.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
if not FULL:
    os.environ.setdefault("SPARK_CONF_DIR", str(Path(__file__).parents[1] / "data" / "spark"))
COMBINATIONS = list(itertools.product(("duckdb", "spark"), ("disk", "s3"), ("portal", "table")))
if not FULL:  # on Spark the one in which nothing is as by default
    COMBINATIONS = [one for one in COMBINATIONS if one[0] == "duckdb" or one[1:] == ("s3", "table")]
HOURS = 3
END = START + timedelta(hours=HOURS)
FILES = "SELECT * FROM ingest.transaction_files WHERE status = 'landed'"


@pytest.mark.long
@pytest.mark.parametrize(
    "combinations",
    [
        [one for one in COMBINATIONS if one[0] == "duckdb"],
        pytest.param(COMBINATIONS, marks=[needs_java, pytest.mark.rare]),
    ],
    ids=["here", "on Spark too"],
)
def test_whatever_is_combined_gives_the_same_tables(
    chosen: Settings, store: object, tmp_path: Path, combinations: list[tuple[str, str, str]]
) -> None:
    tree, first = tmp_path / "tree", tmp_path / "first"
    votings = [Voting(f"k{n}", f"District {n}", "Council", 500, "77 - город Москва", "Europe/Moscow") for n in range(3)]
    buckets = [Bucket(v, START + timedelta(hours=h), 3600, 40, 35) for v in votings for h in range(HOURS)]
    for _ in write_replay(buckets, tree, faults=True):
        pass
    shutil.copytree(tree, first)
    for number, file in enumerate(sorted(first.rglob("*.csv"))):
        if number % 2:
            file.unlink()
    reference = write_reference([(v, START, END) for v in votings], tmp_path / "reference.csv")
    mapping = tmp_path / "ballots.toml"
    mapping.write_text(MAPPING, "utf-8")
    told = {}
    for engine, lake, source in combinations:
        migrate(chosen, "base")
        migrate(chosen)
        home = tmp_path / f"{engine}-{lake}-{source}"
        settings = chosen.model_copy(
            update={
                "engine": engine, "spark": MASTER, "home": home, "reference": reference, "compact_after_parts": 2,
                "lake": None if lake == "disk" else f"s3://observatory/{engine}-{source}",
            }
        )  # fmt: skip
        if source == "table":
            garbage = sum(int(file["rejected"]) for file in told["duckdb", "disk", "portal"][1])
            from_table(settings, home, mapping, [first, tree], garbage)
        else:
            from_files(settings, [first, tree], in_store=lake == "s3")
        assert compact_hours(settings, START, END, NOW)
        compute_hours(settings, START, END, "again", NOW)
        files = rows(settings, FILES)[["rows", "rollbacks", "repeated", "rejected"]].fillna(0).to_dict("records")
        told[engine, lake, source] = (everything(settings), sorted(files, key=repr))
        assert not list(home.rglob("work/*")), "unfinished work stays behind"
    expected = told["duckdb", "disk", "portal"]
    assert sum(int(file["rejected"]) for file in expected[1])
    for combination, (tables, files) in told.items():
        assert tables == expected[0], combination
        if combination[2] == "portal":
            assert files == expected[1], combination


def from_files(settings: Settings, trees: list[Path], *, in_store: bool) -> None:
    for tree in trees:
        if in_store:
            there = place(f"{settings.lake}-exports", "test")
            there.fs.put(f"{tree}/", there.path, recursive=True)  # type: ignore[union-attr]
            update(settings, there)
        else:
            shutil.copytree(tree, settings.home / "exports", dirs_exist_ok=True)
            update(settings, settings.home / "exports")


def from_table(settings: Settings, home: Path, mapping: Path, trees: list[Path], garbage: int) -> None:
    home.mkdir(exist_ok=True)
    ballots = Ballots(f"sqlite:///{home}/votes.db")
    of_table = Settings(
        **settings.model_dump(exclude={"source_url", "source_table"}), source_url=ballots.url, source_table=mapping
    )
    there: dict[str, dict[str, object]] = {}
    for tree in trees:
        found = {one["id"]: one for one in rows_of_exports(tree, "Council")}
        changed = [name for name, one in there.items() if one != found[name]]
        for name in changed:
            ballots.run(f"DELETE FROM ballots WHERE id = '{name}'")
        ballots.put(*(one for name, one in found.items() if name not in there or name in changed))
        there = found
        if tree == trees[-1]:
            nowhen = {**row("garbage", ms(0), place=next(iter(found.values()))["place"]), "at": None}
            ballots.put(*({**nowhen, "id": f"garbage{number}"} for number in range(garbage)))
        update_from_table(of_table, compare=True)


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Settings, Path]]:
    folder = tmp_path_factory.mktemp("spark")
    chosen = read_settings(home=folder, engine="spark", spark=MASTER)
    with connect(chosen) as engine:
        yield engine, chosen, folder


@pytest.mark.long
@needs_java
@given(contents=st.lists(EXPORTS, min_size=60, max_size=60))
@fuzzing(max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_spark_and_the_reference_agree_on_every_line(spark, contents: list[bytes]) -> None:
    assert difference(*spark, *contents) == ""


@pytest.mark.long
@pytest.mark.rare
@needs_java
def test_what_is_staged_here_stays_until_the_next_is(spark) -> None:
    engine, _, folder = spark
    for number in (1, 2):
        engine.local.execute(f"CREATE OR REPLACE TABLE few AS SELECT {number} AS number")
        engine.take_local("few")
        assert engine.query("SELECT number FROM few")["number"].tolist() == [number]
    assert len(list(folder.rglob("local-few-*.parquet"))) == 1


@pytest.fixture
def connect_server(tmp_path: Path) -> Iterator[str]:
    """A Spark Connect server of this test's own."""
    home = Path(pyspark.__file__).parent
    port = free_port(15002)
    command = [
        str(home / "bin" / "spark-submit"), "--master", "local[2]", "--conf", f"spark.connect.grpc.binding.port={port}",
        "--conf", "spark.ui.enabled=false", "--class", "org.apache.spark.sql.connect.service.SparkConnectServer",
        "spark-internal",
    ]  # fmt: skip
    with (tmp_path / "connect.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=tmp_path)
    try:
        wait_for("Spark Connect", lambda: socket.create_connection(("127.0.0.1", port)).close() or True)
        yield f"sc://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        os.environ.pop("SPARK_CONNECT_MODE_ENABLED", None)  # by which PySpark has no other sessions in this process


@needs_java
@pytest.mark.long
@pytest.mark.rare
def test_switching_engines_between_two_ticks_changes_no_figure(
    chosen: Settings, tmp_path: Path, connect_server: str
) -> None:
    lines = [[vote(f"v{n}{m}", ms(n, hour=m % 2), f"key{n % 5}") for n in range(9)] for m in range(4)]
    told = []
    switched = ("duckdb", MASTER, "duckdb", connect_server) if FULL else ("duckdb", connect_server, "duckdb")
    for engines in (("duckdb",) * len(switched), switched):
        migrate(chosen, "base")
        migrate(chosen)
        settings = chosen.model_copy(update={"home": tmp_path / str(len(told)), "compact_after_parts": 2})
        folder = Folder(tmp_path / f"in-{len(told)}")
        for number, engine in enumerate(engines):
            folder.put(*lines[number], *[rollback("v00")] * (number == 2), name=str(number))
            spark = {} if engine == "duckdb" else {"engine": "spark", "spark": engine}
            now = settings.model_copy(update=spark)
            update(now, folder.root)
            compact_hours(now, HOUR, HOUR + timedelta(hours=2), NOW)
        told.append(everything(settings))
    assert told[0] == told[1]


@pytest.mark.long
@pytest.mark.rare
@needs_java
def test_the_run_names_the_application_its_page_and_its_log(chosen: Settings, tmp_path: Path) -> None:
    Folder(tmp_path / "in").put(vote("a", ms(1)))
    settings = chosen.model_copy(
        update={"engine": "spark", "spark": MASTER, "source": str(tmp_path / "in"), "spark_ui": "http://history/{id}/"}
    )
    with dg.instance_for_test() as instance:
        assert run_update(settings, instance, HOUR, HOUR, "test").success
        for asset in ("landed_files", "hourly_stats"):
            made = instance.get_latest_materialization_event(dg.AssetKey(asset))
            assert made is not None
            assert made.asset_materialization is not None
            said = made.asset_materialization.metadata
            application = said["spark_application"].value
            assert said["spark_ui"] == dg.MetadataValue.url(f"http://history/{application}/")
            assert "INFO" in Path(str(said["spark_log"].value)).read_text("utf-8")
    assert hourly(settings)["08"] == {"transaction_count": 1, "votes_cast": 1}


@pytest.mark.parametrize(
    "address", ["spark://127.0.0.1:1", "spark://127.0.0.1:1,127.0.0.1:2", "sc://127.0.0.1:1/;user_id=me"]
)
def test_a_cluster_that_is_away_is_told_at_once(chosen: Settings, address: str) -> None:
    with pytest.raises(TransientError, match=r"^Spark at .* cannot be reached: no server listens there$"):
        connect(chosen.model_copy(update={"engine": "spark", "spark": address}))


def test_without_the_extra_a_sentence_says_what_to_install(chosen: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(SettingsError, match=r"pip install 'election-metrics\[spark\]'"):
        connect(chosen.model_copy(update={"engine": "spark"}))


def test_nothing_of_spark_is_imported_where_it_is_not_asked_for(tmp_path: Path) -> None:
    code = (
        "import sys; from election_metrics.settings import read_settings; from election_metrics.lake.connect import connect;"
        f"connect(read_settings(home={str(tmp_path)!r})).close(); import election_metrics.definitions;"
        "print([name for name in ('pyspark', 'py4j', 's3fs') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
