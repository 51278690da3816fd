"""The scan engine, which runs the lake's SQL files: DuckDB in this process, or Spark on a cluster.

Both run the same files in their common dialect, over the same Parquet; `sql/macros.sql` and `sql/macros_spark.sql`
define what differs. No code outside this package depends on which engine is used.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Self

import duckdb
import pandas as pd

from election_metrics.locations import Location, remembering
from election_metrics.settings import Settings

PART_ENDING = ".3.parquet"
"""Parts of the third layout. Those of the second have no precinct, those of the first (.parquet) no `registrar` either;
they are NULL there."""
EARLIER_ENDINGS = (".2.parquet", ".parquet")


@cache
def sql(name: str) -> str:
    """The text of `lake/sql/<name>.sql`."""
    return resources.files("election_metrics.lake").joinpath("sql", f"{name}.sql").read_text("utf-8")


@dataclass(frozen=True)
class Readable:
    """A file to stage: the number of its content in the ledger, its constituency, and the path of its bytes.

    `size` is that of its lines; a missing line feed at the end is counted.
    """

    content_id: int
    constituency_id: str
    path: Path
    size: int
    name: str


class Engine(ABC):
    """Runs SQL over the lake. Its tables and views are private, and dropped with it.

    Attributes:
        local: DuckDB in this process, with every engine, for small tables and formats that only DuckDB reads.
    """

    local: duckdb.DuckDBPyConnection

    @abstractmethod
    def query(self, text: str) -> pd.DataFrame:
        """The rows of a query, which must be few."""

    @abstractmethod
    def put_view(self, name: str, text: str) -> None:
        """Creates a view of a query."""

    @abstractmethod
    def put_table(self, name: str, text: str) -> None:
        """Creates a table of a query; the query may read the table that it replaces."""

    @abstractmethod
    def put_frame(self, name: str, frame: pd.DataFrame, types: Mapping[str, str]) -> None:
        """Creates a table of the frame with exactly these types, also if the frame is empty."""

    @abstractmethod
    def put_parquet(self, name: str, paths: Sequence[Location], columns: str) -> None:
        """Creates a view of these Parquet files; without files, an empty one with these columns."""

    @abstractmethod
    def stage(self, settings: Settings, files: Sequence[Readable], work: Path, now: datetime) -> dict[int, str]:
        """Creates the table `staged` of the files (see `landing.stage`)."""

    @abstractmethod
    def take_local(self, name: str) -> None:
        """Copies a table of `local` to this engine."""

    @abstractmethod
    def write_by_hour(self, text: str, folder: Path) -> dict[Path, int]:
        """Writes the query's rows as Parquet; returns the files, with the `hour_number` of their rows."""

    @abstractmethod
    def write_sorted(self, text: str, order: Sequence[str], file: Path) -> None:
        """Writes the query's rows as one Parquet file, sorted by these columns."""

    def about(self) -> dict[str, str]:
        """Metadata of the engine for runs: names and links."""
        return {}

    @abstractmethod
    def close(self) -> None:
        """Closes the engine."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect_here(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A private in-memory DuckDB that spills to the scratch folder; it uses the network only for a remote lake."""
    settings.scratch_path.mkdir(mode=0o700, parents=True, exist_ok=True)  # spilled rows contain voter keys
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


def nothing_of(columns: str) -> str:
    """A query that returns no rows, with these columns, given as `name TYPE, name TYPE`."""
    pairs = (column.split() for column in columns.split(", "))
    return f"SELECT {', '.join(f'CAST(NULL AS {kind}) AS {name}' for name, kind in pairs)} WHERE FALSE"
