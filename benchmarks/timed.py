"""The timed functions of the pipeline and its baselines; each runs in a fresh process."""

import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from election_metrics.settings import Settings


def _child(connection: Any, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    seconds = function(*arguments)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
    connection.send((seconds, peak))


def measure(function: Callable[..., object], *arguments: object) -> tuple[float, float]:
    """Runs a function in a fresh process; returns its seconds and the peak MB of the process and its children."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(send, function, arguments))
    process.start()
    while not receive.poll(0.2):
        if not process.is_alive():
            raise RuntimeError(f"{function.__name__} died")
    result: tuple[float, float] = receive.recv()
    process.join()
    return result


def bare_scan(files: list[Path]) -> float:
    """DuckDB's count(*) over the files, with the reader of the pipeline."""
    return _seconds("SELECT count(*) FROM {lines}", files)


def json_scan(files: list[Path]) -> float:
    """The scan with json_valid of params and diff, which any landing that reads the JSON must do."""
    return _seconds("SELECT count(*) FROM {lines} WHERE json_valid(params) AND json_valid(diff)", files)


def least_landing(files: list[Path]) -> float:
    """A minimal landing: ids, senders, times, operation and changed keys of every line in one Parquet file."""
    with tempfile.NamedTemporaryFile(suffix=".parquet") as out:
        query = f"""
            COPY (
                SELECT transaction_id, CAST(timestamp_ms AS BIGINT) AS occurred_ms, sender, rollback_mark,
                    json_extract_string(params, ['$[0].key', '$[0].stringValue']) AS operation,
                    json_extract_string(diff, '$[*].key') AS changed
                FROM {{lines}}
            ) TO '{out.name}' (FORMAT parquet, COMPRESSION snappy)
        """
        return _seconds(query, files)


def _seconds(query: str, files: list[Path]) -> float:
    from election_metrics.lake.reading import FIELDS

    connection = duckdb.connect(config={"preserve_insertion_order": False})
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in FIELDS)
    names = ", ".join("'" + str(file) + "'" for file in files)
    lines = (
        f"read_csv([{names}], delim = ';', quote = '', escape = '', header = false, "
        f"auto_detect = false, columns = {{{columns}}})"
    )
    begin = time.perf_counter()
    connection.execute(query.replace("{lines}", lines)).fetchall()
    return time.perf_counter() - begin


def landing(source: Path, home: Path) -> float:
    """Landing, from the listing to the commit, in an empty warehouse that is already running."""
    from election_metrics.pipeline.file_landing import land
    from election_metrics.settings import read_settings
    from election_metrics.warehouse.migrate import migrate

    settings = read_settings(home=home)
    migrate(settings, "base")
    migrate(settings)
    shutil.rmtree(settings.lake_path, ignore_errors=True)
    begin = time.perf_counter()
    land(settings, source, "bench")
    return time.perf_counter() - begin


def plain_aggregate(home: Path) -> float:
    """A handwritten query over the same Parquet files."""
    connection = duckdb.connect()
    query = f"""
        SELECT constituency_id, hour_number, count(*),
            sum(quantity) FILTER (kind = 'bulletin_issued'), count(*) FILTER (kind = 'bulletin_failed'),
            count(*) FILTER (kind = 'vote_cast'), count(*) FILTER (kind = 'vote_rejected'),
            count(*) FILTER (kind = 'vote_unknown'), min(occurred_ms), max(occurred_ms)
        FROM read_parquet('{home}/lake/transactions/*/*.parquet', hive_partitioning = false)
        GROUP BY ALL
    """
    begin = time.perf_counter()
    connection.execute(query).fetchall()
    return time.perf_counter() - begin


def frame_of_hours(home: Path, first: Any, end: Any) -> float:
    """Computes the rows of hourly_stats (ledger, query and rates) without writing them."""
    from datetime import UTC, datetime

    from election_metrics.clock import hour_number
    from election_metrics.lake.connect import connect
    from election_metrics.pipeline.hour_figures import compute_frame, read_inputs
    from election_metrics.settings import read_settings

    settings = read_settings(home=home)
    read_inputs(settings, 0, 0)
    with connect(settings) as engine:
        begin = time.perf_counter()
        inputs = read_inputs(settings, hour_number(first), hour_number(end) - 1)
        compute_frame(engine, inputs, datetime.now(UTC))
        return time.perf_counter() - begin


def whole_hours(home: Path, first: Any, end: Any) -> float:
    """Computes the rows of hourly_stats and replaces them in PostgreSQL."""
    from election_metrics.pipeline.hour_figures import read_inputs
    from election_metrics.pipeline.hours import compute_hours
    from election_metrics.settings import read_settings

    settings = read_settings(home=home)
    read_inputs(settings, 0, 0)
    begin = time.perf_counter()
    compute_hours(settings, first, end, "bench")
    return time.perf_counter() - begin


def backfill(home: Path, first: Any, end: Any) -> float:
    """One Dagster run over the range, with all assets, checks and events."""
    from election_metrics.automation.jobs import ASSETS
    from election_metrics.runtime.launch import open_instance, run_update
    from election_metrics.settings import read_settings

    settings = read_settings(home=home)
    with open_instance(settings) as instance:
        begin = time.perf_counter()
        only = [asset for asset in ASSETS if asset != "landed_files"]
        result = run_update(settings, instance, first, end - timedelta(hours=1), "bench", only=only)
        seconds = time.perf_counter() - begin
    if not result.success:
        raise RuntimeError("the backfill failed")
    return seconds


def prepare(home: Path, transactions: int, constituencies: int, hours: int) -> float:
    """Creates a warehouse whose lake holds an election."""
    from benchmarks.inputs import fill_lake
    from election_metrics.pipeline.registry import refresh_registry
    from election_metrics.settings import read_settings
    from election_metrics.warehouse.migrate import migrate

    settings = read_settings(home=home)
    migrate(settings)
    fill_lake(settings, transactions, constituencies, hours)
    refresh_registry(settings, "bench")
    return 0.0


def prepare_hours(home: Path, elections: int, constituencies: int, hours: int) -> float:
    """Creates a warehouse with the hourly rows of several elections and all tables derived from them."""
    from benchmarks.inputs import fill_hours
    from election_metrics.settings import read_settings
    from election_metrics.warehouse.migrate import migrate

    settings = read_settings(home=home)
    migrate(settings)
    fill_hours(settings, elections, constituencies, hours)
    return derived(home, None)


def derived(home: Path, election: str | None) -> float:
    """Computes metrics, anomalies and summaries of one election whose hours changed, or of all stale elections."""
    from election_metrics.pipeline.publication import (
        compute_anomalies,
        compute_constituency_metrics,
        compute_election_summaries,
    )
    from election_metrics.settings import read_settings
    from election_metrics.warehouse.database import transaction
    from election_metrics.warehouse.registry import touch_elections

    settings = read_settings(home=home)
    with transaction(settings) as connection:
        touch_elections(connection, {election} if election else set())
    begin = time.perf_counter()
    compute_constituency_metrics(settings, "bench")
    compute_anomalies(settings, "bench")
    compute_election_summaries(settings, "bench")
    return time.perf_counter() - begin


def prepare_late(home: Path, transactions: int, constituencies: int) -> float:
    """Creates a warehouse with one computed peak hour and all tables derived from it."""
    prepare(home, transactions, constituencies, 1)
    from benchmarks.inputs import START

    whole_hours(home, START, START + timedelta(hours=1))
    return derived(home, None)


def late_file(home: Path, source: Path) -> float:
    """A file with one more vote of that hour: from the listing to the summary, in a warm process."""
    from datetime import UTC, datetime

    from benchmarks.inputs import START, write_late
    from election_metrics.pipeline.file_landing import land
    from election_metrics.pipeline.hours import changed_hours, compute_hours
    from election_metrics.pipeline.publication import (
        compute_anomalies,
        compute_constituency_metrics,
        compute_election_summaries,
    )
    from election_metrics.pipeline.registry import refresh_registry
    from election_metrics.settings import read_settings

    settings = read_settings(home=home)
    seconds = 0.0
    for number in range(2):  # the first round warms up the imports
        write_late(source, f"{datetime.now(UTC).timestamp()}-{number}")
        begin = time.perf_counter()
        land(settings, source, "bench")
        refresh_registry(settings, "bench")
        assert changed_hours(settings) == [START]
        compute_hours(settings, START, START + timedelta(hours=1), "bench")
        compute_constituency_metrics(settings, "bench")
        compute_anomalies(settings, "bench")
        compute_election_summaries(settings, "bench")
        seconds = time.perf_counter() - begin
    return seconds


def corrected_hours(home: Path, constituencies: int | None) -> float:
    """One more vote in an hour of some constituencies, or a new hour of every one (None).

    From the figures of the hour to the summary, in a warm process.
    """
    import pandas as pd
    import sqlalchemy as sa

    from election_metrics.clock import hour_number
    from election_metrics.pipeline.publication import publish
    from election_metrics.settings import read_settings
    from election_metrics.warehouse.commits import begin_commit
    from election_metrics.warehouse.database import transaction
    from election_metrics.warehouse.registry import touch_constituencies
    from election_metrics.warehouse.replace import by_election, read_frame, replace_scope
    from election_metrics.warehouse.tables import hourly_stats

    settings = read_settings(home=home)
    seconds = 0.0
    for _warm_up_and_measure in range(2):
        begin = time.perf_counter()
        with transaction(settings) as connection:
            now = datetime.now(UTC)
            begin_commit(connection, "bench", ["late file"])
            newest = sa.select(sa.func.max(hourly_stats.c.hour)).scalar_subquery()
            query = (
                sa.select(hourly_stats).where(hourly_stats.c.hour == newest).order_by(hourly_stats.c.constituency_id)
            )
            rows = read_frame(connection, query if constituencies is None else query.limit(constituencies))
            rows[["bulletins_issued", "votes_cast"]] += 1
            if constituencies is None:
                for name in ("hour", "first_transaction_at", "last_transaction_at"):
                    rows[name] += pd.Timedelta(hours=1)
            scope = hourly_stats.c.hour == rows["hour"].iloc[0].to_pydatetime()
            scope &= hourly_stats.c.constituency_id.in_(list(rows["constituency_id"]))
            lineage = {"run_id": "bench", "computed_at": now}
            changed = by_election(replace_scope(connection, hourly_stats, scope, rows.assign(**lineage)))
            touch_constituencies(connection, changed, hour_number(rows["hour"].iloc[0]))
            publish(connection, "bench", now)
        seconds = time.perf_counter() - begin
    return seconds


def _emptied(home: Path) -> "Settings":
    """The settings of this home, whose warehouse and lake are emptied."""
    from election_metrics.settings import read_settings
    from election_metrics.warehouse.migrate import migrate

    settings = read_settings(home=home)
    migrate(settings, "base")
    migrate(settings)
    shutil.rmtree(settings.lake_path, ignore_errors=True)
    return settings


def whole_way(source: Path, home: Path) -> float:
    """From files to summaries in an empty warehouse that runs already: one Dagster run over every hour."""
    from benchmarks.inputs import START
    from election_metrics.runtime.launch import open_instance, run_update

    settings = _emptied(home)
    with open_instance(settings) as instance:
        begin = time.perf_counter()
        first, last = START - timedelta(hours=13), START + timedelta(hours=24)
        result = run_update(settings, instance, first, last, "bench", source=source)
        seconds = time.perf_counter() - begin
    if not result.success:
        raise RuntimeError("the run failed")
    return seconds


def whole_way_command(source: Path, home: Path) -> float:
    """From files to summaries by the command `election-metrics ingest`, in an empty warehouse that is already running."""
    import os
    import subprocess
    import sys

    _emptied(home)
    command = [str(Path(sys.executable).parent / "election-metrics"), "ingest", str(source)]
    begin = time.perf_counter()
    subprocess.run(command, env=os.environ | {"ELECTION_METRICS_HOME": str(home)}, check=True, capture_output=True)
    return time.perf_counter() - begin
