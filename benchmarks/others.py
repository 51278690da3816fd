"""Alternative tools for the same work: they read the exports, classify every line, and write or count the rows.

They do less than the pipeline: they handle no duplicates across files, no rollbacks and no re-votes, and have neither a
quarantine nor a ledger.
"""

import json
import tempfile
import time
from pathlib import Path

from election_metrics.lake.reading import FIELDS

_COUNTED = ("bulletin_issued", "bulletin_failed", "vote_cast", "vote_rejected", "vote_unknown")


def pandas_landing(files: list[Path]) -> float:
    """Lands with pandas: read_csv, json.loads of params and diff, Parquet."""
    import pandas as pd

    begin = time.perf_counter()
    frames = []
    for file in files:
        frame = pd.read_csv(file, sep=";", header=None, names=list(FIELDS), quoting=3, dtype=str, keep_default_na=False)
        params = frame["params"].map(json.loads)
        frame["operation"] = params.map(lambda pairs: pairs[0].get("stringValue") if pairs else None)
        keys = frame["diff"].map(lambda text: [pair["key"] for pair in json.loads(text)])
        frame["failed"] = keys.map(lambda names: any("FAIL" in name for name in names))
        frame["has_vote"] = [f"VOTE_{sender}" in names for sender, names in zip(frame["sender"], keys, strict=True)]
        frame["occurred_ms"] = frame["timestamp_ms"].astype("int64")
        frame["constituency_id"] = file.name.partition("_")[0]
        frames.append(frame.drop(columns=["params", "diff", "extra", "signature", "timestamp_ms"]))
    with tempfile.NamedTemporaryFile(suffix=".parquet") as out:
        pd.concat(frames).to_parquet(out.name)
    return time.perf_counter() - begin


def polars_landing(files: list[Path]) -> float:
    """Lands with Polars: a lazy scan, JSON paths, Parquet."""
    import polars as pl

    begin = time.perf_counter()
    lines = pl.scan_csv(
        files, separator=";", has_header=False, new_columns=list(FIELDS), quote_char=None, infer_schema=False,
        include_file_paths="file",
    )  # fmt: skip
    keys = (
        pl.col("diff")
        .str.json_decode(pl.List(pl.Struct({"key": pl.String})))
        .list.eval(pl.element().struct.field("key"))
    )
    rows = lines.select(
        "transaction_id", "sender", "rollback_mark", pl.col("timestamp_ms").cast(pl.Int64),
        pl.col("params").str.json_path_match("$[0].stringValue").alias("operation"),
        keys.list.eval(pl.element().str.contains("FAIL", literal=True)).list.any().alias("failed"),
        keys.list.eval(pl.element().str.starts_with("VOTE_")).list.any().alias("has_vote"),
        pl.col("file").str.extract(r"([^/_]+)_[^/]*$").alias("constituency_id"),
    )  # fmt: skip
    with tempfile.NamedTemporaryFile(suffix=".parquet") as out:
        rows.sink_parquet(out.name)
    return time.perf_counter() - begin


def plain_landing(files: list[Path]) -> float:
    """Lands with the standard library alone: the reference of the tests writes its rows to one file."""
    from election_metrics_tests.reference import read_file

    begin = time.perf_counter()
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as out:
        for file in files:
            for row in read_file(file.read_bytes(), 2**62, 0):
                out.write(f"{row}\n")
    return time.perf_counter() - begin


def zip_scan(files: list[Path]) -> float:
    """Unpacks all archives, which any landing of archives must do first."""
    import shutil
    import zipfile

    begin = time.perf_counter()
    for file in files:
        with zipfile.ZipFile(file) as archive, tempfile.TemporaryFile() as out:
            for info in archive.infolist():
                with archive.open(info) as member:
                    shutil.copyfileobj(member, out, 1 << 20)
    return time.perf_counter() - begin


def pandas_hours(home: Path) -> float:
    """Counts hours with pandas: read_parquet and groupby."""
    import pandas as pd

    begin = time.perf_counter()
    rows = pd.read_parquet(
        home / "lake" / "transactions", columns=["constituency_id", "hour_number", "kind", "occurred_ms"]
    )
    groups = rows.groupby(["constituency_id", "hour_number", "kind"], observed=True)["occurred_ms"]
    groups.agg(["size", "min", "max"])
    return time.perf_counter() - begin


def polars_hours(home: Path) -> float:
    """Counts hours with Polars: scan_parquet and group_by."""
    import polars as pl

    begin = time.perf_counter()
    rows = pl.scan_parquet(home / "lake" / "transactions" / "*" / "*.parquet", hive_partitioning=False)
    rows.group_by("constituency_id", "hour_number").agg(
        pl.len(), pl.col("quantity").filter(pl.col("kind") == "bulletin_issued").sum().alias("issued"),
        *((pl.col("kind") == kind).sum().alias(kind) for kind in _COUNTED),
        pl.col("occurred_ms").min().alias("first"), pl.col("occurred_ms").max().alias("last"),
    ).collect(engine="streaming")  # fmt: skip
    return time.perf_counter() - begin


def chdb_hours(home: Path) -> float:
    """Counts hours with embedded ClickHouse."""
    import chdb

    begin = time.perf_counter()
    chdb.query(
        "SELECT constituency_id, hour_number, count(), sumIf(quantity, kind = 'bulletin_issued'), "
        + ", ".join(f"countIf(kind = '{kind}')" for kind in _COUNTED)
        + ", min(occurred_ms), max(occurred_ms) "
        f"FROM file('{home}/lake/transactions/*/*.parquet', Parquet) GROUP BY constituency_id, hour_number",
        "Arrow",
    )
    return time.perf_counter() - begin


def load_postgres(home: Path) -> float:
    """Loads the counted columns into one unlogged table; returns the seconds."""
    import duckdb
    import psycopg

    from election_metrics.settings import read_settings
    from election_metrics.warehouse.server import plain_url, warehouse_url

    begin = time.perf_counter()
    rows = duckdb.connect().execute(
        "SELECT constituency_id, hour_number, kind, quantity, occurred_ms "
        f"FROM read_parquet('{home}/lake/transactions/*/*.parquet', hive_partitioning = false)"
    )
    with psycopg.connect(plain_url(warehouse_url(read_settings(home=home)))) as connection:
        connection.execute("DROP TABLE IF EXISTS bench_transactions")
        connection.execute(
            "CREATE UNLOGGED TABLE bench_transactions "
            "(constituency_id text, hour_number int, kind text, quantity bigint, occurred_ms bigint)"
        )
        with connection.cursor().copy("COPY bench_transactions FROM STDIN WITH (FORMAT csv)") as copy:
            while len(block := rows.fetch_df_chunk(50)):
                copy.write(block.to_csv(index=False, header=False))
        connection.execute("ANALYZE bench_transactions")
    return time.perf_counter() - begin


def postgres_hours(home: Path) -> float:
    """Counts hours with GROUP BY over a loaded PostgreSQL table."""
    import psycopg

    from election_metrics.settings import read_settings
    from election_metrics.warehouse.server import plain_url, warehouse_url

    with psycopg.connect(plain_url(warehouse_url(read_settings(home=home)))) as connection:
        begin = time.perf_counter()
        connection.execute(
            "SELECT constituency_id, hour_number, count(*), sum(quantity) FILTER (WHERE kind = 'bulletin_issued'), "
            + ", ".join(f"count(*) FILTER (WHERE kind = '{kind}')" for kind in _COUNTED)
            + ", min(occurred_ms), max(occurred_ms) FROM bench_transactions GROUP BY 1, 2"
        ).fetchall()
        return time.perf_counter() - begin


def naive_whole(source: Path, home: Path, hours: int) -> float:
    """Runs the naive project: one run for each hour, then its totals; Dagster uses SQLite, its default storage."""
    import os

    import dagster as dg
    import pandas as pd

    from benchmarks.inputs import START
    from benchmarks.naive.definitions import defs
    from election_metrics.settings import read_settings
    from election_metrics.warehouse.server import plain_url, warehouse_url

    url = plain_url(warehouse_url(read_settings(home=home))).replace("postgresql://", "postgresql+psycopg://", 1)
    os.environ.update(NAIVE_SOURCE=str(source), NAIVE_URL=url)
    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.local_temp(folder) as instance:
        job = defs.resolve_implicit_global_asset_job_def()
        for number in range(hours):
            key = f"{pd.Timestamp(START) + pd.Timedelta(hours=number):%Y-%m-%d-%H:%M}"
            job.execute_in_process(quiet, instance=instance, partition_key=key, asset_selection=[dg.AssetKey("hourly")])
        job.execute_in_process(quiet, instance=instance, asset_selection=[dg.AssetKey("totals")])
    return time.perf_counter() - begin


def naive_commands(source: Path, home: Path, hours: int) -> float:
    """Runs the naive project as commands: `dagster asset materialize` in a new process for each run."""
    import os
    import subprocess
    import sys

    import pandas as pd

    from benchmarks.inputs import START
    from election_metrics.settings import read_settings
    from election_metrics.warehouse.server import plain_url, warehouse_url

    url = plain_url(warehouse_url(read_settings(home=home))).replace("postgresql://", "postgresql+psycopg://", 1)
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NAIVE_SOURCE": str(source), "NAIVE_URL": url, "DAGSTER_HOME": folder}
        command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "benchmarks.naive.definitions"]
        keys = [f"{pd.Timestamp(START) + pd.Timedelta(hours=number):%Y-%m-%d-%H:%M}" for number in range(hours)]
        begin = time.perf_counter()
        for choice in (*(["--select", "hourly", "--partition", key] for key in keys), ["--select", "totals"]):
            subprocess.run([*command, *choice], env=environment, check=True, capture_output=True)
        return time.perf_counter() - begin
