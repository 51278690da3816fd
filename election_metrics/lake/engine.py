"""The scan engine: a DuckDB connection with its limits, and the SQL files by name."""

from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import duckdb
import pandas as pd

from election_metrics.places import Place, remembering
from election_metrics.settings import Settings


@cache
def sql(name: str) -> str:
    """The text of `lake/sql/<name>.sql`."""
    return resources.files("election_metrics.lake").joinpath("sql", f"{name}.sql").read_text("utf-8")


def connect(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A private in-memory DuckDB that spills to the scratch folder; only a lake elsewhere takes it to the network."""
    settings.scratch_path.mkdir(mode=0o700, parents=True, exist_ok=True)  # voters' keys are nobody else's business
    spill = settings.scratch_path / "spill"
    spill.mkdir(exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": settings.memory_limit,
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
    }
    if settings.threads:
        config["threads"] = settings.threads
    connection = duckdb.connect(":memory:", config=config)
    connection.execute("SET enable_progress_bar = false")
    lake = settings.lake_path
    if not isinstance(lake, Path):
        connection.register_filesystem(remembering(lake))
    connection.execute(sql("macros"))
    return connection


def put_table(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame, types: dict[str, str]) -> None:
    """Makes the frame's columns a temporary table of exactly these types, also where the frame is empty."""
    columns = ", ".join(f"{column} {kind}" for column, kind in types.items())
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
    if len(frame):
        connection.register("incoming_frame", frame[list(types)])
        connection.execute(f"INSERT INTO {name} SELECT * FROM incoming_frame")  # noqa: S608 names are ours
        connection.unregister("incoming_frame")


def put_parquet_view(connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Place], columns: str) -> None:
    """Makes the rows of these Parquet files a view; with no files, an empty one of these columns."""
    if paths:
        files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
        source = f"SELECT * FROM read_parquet([{files}], hive_partitioning = false)"  # noqa: S608 paths are ours
    else:
        nothing = ", ".join(
            f"CAST(NULL AS {kind}) AS {column}" for column, kind in (pair.split() for pair in columns.split(", "))
        )
        source = f"SELECT {nothing} WHERE FALSE"
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {source}")
