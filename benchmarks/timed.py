"""What is timed, each in a fresh process: the bare thing, and ours."""

import multiprocessing
import resource
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb


def _child(connection: Any, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    seconds = function(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    connection.send((seconds, peak))


def measure(function: Callable[..., object], *arguments: object) -> tuple[float, float]:
    """Seconds (that the function returns) and peak MB of one run in a fresh process."""
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


def bare_scan(files: list[Path], condition: str = "TRUE") -> float:
    """DuckDB's count(*) over the same files, with the same reader."""
    from election_metrics.lake.landing import FIELDS

    connection = duckdb.connect()
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in FIELDS)
    names = ", ".join("'" + str(file) + "'" for file in files)
    query = (
        f"SELECT count(*) FROM read_csv([{names}], delim = ';', quote = '', escape = '', header = false, "
        f"auto_detect = false, columns = {{{columns}}}) WHERE {condition}"
    )
    begin = time.perf_counter()
    connection.execute(query).fetchall()
    return time.perf_counter() - begin


def json_scan(files: list[Path]) -> float:
    """The same, and nothing but json_valid of params and diff: what any landing that reads the JSON must do."""
    return bare_scan(files, "json_valid(params) AND json_valid(diff)")


def landing(source: Path, home: Path) -> float:
    """Landing, from the listing to the commit, in an empty warehouse that runs already."""
    from election_metrics.pipeline.landing import land
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
    """The query that someone would type over the same Parquet."""
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
    """The rows of hourly_stats as a frame: ledger, query and rates, before they are written."""
    from datetime import UTC, datetime

    from election_metrics.lake.engine import connect
    from election_metrics.pipeline.hours import compute_frame, hour_number, read_inputs
    from election_metrics.settings import read_settings

    settings = read_settings(home=home)
    read_inputs(settings, 0, 0)
    with connect(settings) as engine:
        begin = time.perf_counter()
        inputs = read_inputs(settings, hour_number(first), hour_number(end) - 1)
        compute_frame(engine, inputs, datetime.now(UTC))
        return time.perf_counter() - begin


def whole_hours(home: Path, first: Any, end: Any) -> float:
    """The same, replaced in PostgreSQL too."""
    from election_metrics.pipeline.hours import compute_hours, read_inputs
    from election_metrics.settings import read_settings

    settings = read_settings(home=home)
    read_inputs(settings, 0, 0)
    begin = time.perf_counter()
    compute_hours(settings, first, end, "bench")
    return time.perf_counter() - begin


def backfill(home: Path, first: Any, end: Any) -> float:
    """One Dagster run over the range, with every asset, check and event."""
    from election_metrics.automation.launch import open_instance, run_update
    from election_metrics.settings import read_settings

    settings = read_settings(home=home)
    with open_instance(settings) as instance:
        begin = time.perf_counter()
        only = [
            "elections",
            "constituencies",
            "raw_transactions",
            "hourly_stats",
            "constituency_metrics",
            "election_summaries",
        ]
        result = run_update(settings, instance, first, end - timedelta(hours=1), "bench", only=only)
        seconds = time.perf_counter() - begin
    if not result.success:
        raise RuntimeError("the backfill failed")
    return seconds


def prepare(home: Path, transactions: int, constituencies: int, hours: int) -> float:
    """A warehouse whose lake holds an election."""
    from benchmarks.inputs import fill_lake
    from election_metrics.pipeline.registry import refresh_registry
    from election_metrics.settings import read_settings
    from election_metrics.warehouse.migrate import migrate

    settings = read_settings(home=home)
    migrate(settings)
    fill_lake(settings, transactions, constituencies, hours)
    refresh_registry(settings, "bench")
    return 0.0
