"""DuckDB as the engine, in this process."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd

from election_metrics.lake.engine import EARLIER_ENDINGS, PART_ENDING, Engine, Readable, nothing_of
from election_metrics.lake.reading import quoted, stage_files
from election_metrics.locations import Location
from election_metrics.settings import Settings


class DuckEngine(Engine):
    """Runs on a DuckDB connection, and takes ownership of it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.local = connection

    def query(self, text: str) -> pd.DataFrame:  # noqa: D102
        return self.local.execute(text).df()

    def put_view(self, name: str, text: str) -> None:  # noqa: D102
        self.local.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {text}")

    def put_table(self, name: str, text: str) -> None:  # noqa: D102
        self.local.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {text}")

    def put_frame(self, name: str, frame: pd.DataFrame, types: Mapping[str, str]) -> None:  # noqa: D102
        put_table(self.local, name, frame, types)

    def put_parquet(self, name: str, paths: Sequence[Location], columns: str) -> None:  # noqa: D102
        put_parquet_view(self.local, name, paths, columns)

    def stage(self, settings: Settings, files: Sequence[Readable], work: Path, now: datetime) -> dict[int, str]:  # noqa: D102
        return stage_files(self.local, settings, files, work, now)

    def take_local(self, name: str) -> None:
        """Does nothing: the table belongs to this engine already."""

    def write_by_hour(self, text: str, folder: Path) -> dict[Path, int]:  # noqa: D102
        shutil.rmtree(folder, ignore_errors=True)
        self.local.execute(
            f"COPY ({text}) TO {quoted(str(folder))} "
            "(FORMAT parquet, COMPRESSION snappy, PARTITION_BY (hour_number), WRITE_PARTITION_COLUMNS true)"
        )
        return {file: int(file.parent.name.partition("=")[2]) for file in folder.glob("hour_number=*/*.parquet")}

    def write_sorted(self, text: str, order: Sequence[str], file: Path) -> None:  # noqa: D102
        self.local.execute(
            f"COPY ({text} ORDER BY {', '.join(order)}) TO {quoted(str(file))} (FORMAT parquet, COMPRESSION zstd)"
        )

    def close(self) -> None:  # noqa: D102
        self.local.close()


def put_table(connection: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame, types: Mapping[str, str]) -> None:
    """Creates a temporary table of the frame with exactly these types, also if the frame is empty."""
    columns = ", ".join(f"{column} {kind}" for column, kind in types.items())
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
    if len(frame):
        connection.register("incoming_frame", frame[list(types)])
        connection.execute(f"INSERT INTO {name} SELECT * FROM incoming_frame")  # noqa: S608 names are ours
        connection.unregister("incoming_frame")


def put_parquet_view(connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[Location], columns: str) -> None:
    """Creates a view of these parts, of any layout; without any, an empty one with these columns."""
    sources, left = [], list(paths)
    for ending in (PART_ENDING, *EARLIER_ENDINGS):
        if some := [path for path in left if path.name.endswith(ending)]:
            sources.append(_read(some))
        left = [path for path in left if not path.name.endswith(ending)]
    whole = [] if len(sources) == 1 and paths[0].name.endswith(PART_ENDING) else [nothing_of(columns)]
    source = " UNION ALL BY NAME ".join([*whole, *sources])
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {source}")


def _read(paths: Sequence[Location]) -> str:
    files = ", ".join(quoted(str(path)) for path in paths)
    return f"SELECT * FROM read_parquet([{files}], hive_partitioning = false)"  # noqa: S608 paths are ours
