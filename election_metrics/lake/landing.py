"""From staged rows to parts: what the files hold, without repeats, hour by hour."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from election_metrics.lake.engine import Engine, sql
from election_metrics.lake.reading import Readable
from election_metrics.places import Place, move_into_place
from election_metrics.settings import Settings

PART_COLUMNS = (
    "transaction_id STRING, id_key STRING, constituency_id STRING, occurred_ms BIGINT, operation STRING, "
    "kind STRING, quantity BIGINT, sender STRING, voter_key STRING, fail_reason STRING, content_id BIGINT, "
    "hour_number INTEGER"
)


@dataclass(frozen=True)
class Part:
    """A Parquet file of one hour, `path` relative to the lake."""

    hour_number: int
    path: str
    rows: int
    size: int


def stage(engine: Engine, settings: Settings, files: Sequence[Readable], work: Path, now: datetime) -> dict[int, str]:
    """Fills the temporary table `staged` with one row for every line of the files (see stage.sql).

    Returns:
        Files that could not be read even line by line, with the reason, by content_id; nothing of them is staged.
    """
    return engine.stage(settings, files, work, now)


def leave_out(engine: Engine, contents: Sequence[int]) -> None:
    """Removes the rows of these contents from `staged`."""
    if contents:
        some = ", ".join(str(content) for content in contents)
        engine.put_table("staged", f"SELECT * FROM staged WHERE content_id NOT IN ({some})")  # noqa: S608 numbers


def drop_repeats_within_files(engine: Engine) -> None:
    """Keeps one row of an id that one file holds twice; table `repeats` counts the others: content_id, repeated."""
    engine.put_table("repeated_keys", sql("repeated_keys"))
    if _is_empty(engine, "repeated_keys"):
        engine.put_frame("repeats", pd.DataFrame(), {"content_id": "BIGINT", "repeated": "BIGINT"})
        return
    engine.put_table("repeated_lines", sql("repeated_lines"))
    engine.put_table(
        "repeats", "SELECT content_id, count(*) AS repeated FROM repeated_lines WHERE place > 1 GROUP BY content_id"
    )
    if not _is_empty(engine, "repeats"):
        engine.put_table("staged", sql("lines_once"))


def _is_empty(engine: Engine, table: str) -> bool:
    return not len(engine.query(f"SELECT 1 AS any_row FROM {table} LIMIT 1"))  # noqa: S608 the name is ours


def write_parts(engine: Engine, lake: Place, work: Path, name: str) -> list[Part]:
    """Writes the staged rows as one or a few Parquet files an hour, named after `name`, moved into place when whole."""
    target = work / "parts"
    parts = []
    for file, hour_number in sorted(engine.write_by_hour(sql("part_rows"), target).items()):
        path = f"{hour_folder(hour_number)}/part-{name}-{file.stem}.parquet"
        parts.append(Part(hour_number, path, pq.read_metadata(file).num_rows, file.stat().st_size))
        move_into_place(file, lake / path)
    shutil.rmtree(target, ignore_errors=True)
    return parts


def hour_folder(hour_number: int) -> Path:
    """The folder of an hour below the lake: `transactions/hour=2026-09-18T05`."""
    hour = datetime.fromtimestamp(hour_number * 3600, tz=UTC)
    return Path("transactions") / f"hour={hour:%Y-%m-%dT%H}"


def find_repeats(engine: Engine, known_parts: Sequence[Place]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the staged rows repeat, among themselves and of what these parts hold.

    Returns:
        ids: rows of transaction ids that occur more than once (see repeated_ids.sql);
        votes: votes and issues of voters who have several in one constituency (see repeated_voters.sql).
    """
    engine.put_parquet("landed", known_parts, PART_COLUMNS)
    for keys in ("repeated_id_keys", "repeated_voter_keys"):  # narrow, and as a rule empty: then nothing else is read
        engine.put_table(keys, sql(keys))
    return engine.query(sql("repeated_ids")), engine.query(sql("repeated_voters"))


def find_hours_of(engine: Engine, transaction_ids: list[str], known_parts: Sequence[Place]) -> set[int]:
    """The hours of the lake that hold one of these transactions."""
    if not transaction_ids:
        return set()
    engine.put_frame("wanted", pd.DataFrame({"transaction_id": transaction_ids}), {"transaction_id": "STRING"})
    engine.put_parquet("landed", known_parts, PART_COLUMNS)
    rows = engine.query(
        "SELECT DISTINCT landed.hour_number FROM landed INNER JOIN wanted "
        "ON landed.id_key = right(wanted.transaction_id, 12) AND landed.transaction_id = wanted.transaction_id"
    )
    return {int(hour) for hour in rows["hour_number"]}
