"""Turns staged rows into parts: de-duplicated, one or a few Parquet files for each hour."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from election_metrics.clock import hour_start
from election_metrics.lake.engine import PART_ENDING, Engine, Readable, sql
from election_metrics.locations import Location, move_into_place
from election_metrics.settings import Settings

PART_COLUMNS = (
    "transaction_id STRING, id_key BIGINT, constituency_id STRING, occurred_ms BIGINT, operation STRING, "
    "kind STRING, quantity BIGINT, sender STRING, voter_key STRING, fail_reason STRING, content_id BIGINT, "
    "hour_number INTEGER, registrar STRING, precinct_region INTEGER, precinct INTEGER"
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
    """Keeps one row of each id within a file; table `repeats` counts the others: content_id, repeated."""
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


def write_parts(engine: Engine, lake: Location, work: Path, name: str) -> list[Part]:
    """Writes the staged rows as one or a few Parquet files per hour, named after `name`; moves complete files in."""
    target = work / "parts"
    parts = []
    for file, hour_number in sorted(engine.write_by_hour(sql("part_rows"), target).items()):
        path = f"{hour_folder(hour_number)}/part-{name}-{file.stem}{PART_ENDING}"
        parts.append(Part(hour_number, path, pq.read_metadata(file).num_rows, file.stat().st_size))
        move_into_place(file, lake / path)
    shutil.rmtree(target, ignore_errors=True)
    return parts


def hour_folder(hour_number: int) -> Path:
    """The folder of an hour below the lake: `transactions/hour=2026-09-18T05`."""
    return Path("transactions") / f"hour={hour_start(hour_number):%Y-%m-%dT%H}"


@dataclass(frozen=True)
class Repeats:
    """Repetitions among staged and landed rows.

    Attributes:
        hours: hours that hold a row of a transaction id that occurs more than once.
        conflicts: rows of ids in conflict: CONFLICT_COLUMNS.
        votes: votes and issues of voters who have several in one constituency (see repeated_voters.sql).
    """

    hours: set[int]
    conflicts: pd.DataFrame
    votes: pd.DataFrame


CONFLICT_COLUMNS = (
    "transaction_id", "content_id", "constituency_id", "occurred_ms", "kind", "operation", "quantity", "sender",
    "fail_reason", "place",
)  # fmt: skip
MOST_CONFLICTS_SHOWN = 10_000
"""The most lines of a file kept that lost to another line of the same file; all of them are counted."""


def find_repeats(engine: Engine, nearby: Sequence[Location], every: Sequence[Location]) -> Repeats:
    """Finds repetitions of ids and voters among staged and landed rows.

    Args:
        engine: one on which `stage` and `drop_repeats_within_files` were called.
        nearby: the parts that may hold votes of the same constituencies.
        every: all parts, because an id may occur in any contract and hour.
    """
    engine.put_parquet("landed", nearby, PART_COLUMNS)
    engine.put_parquet("landed_anywhere", every, PART_COLUMNS)
    for keys in ("repeated_id_keys", "repeated_voter_keys"):  # cheap, and usually empty: then nothing else is read
        engine.put_table(keys, sql(keys))
    frames = [pd.DataFrame(columns=list(CONFLICT_COLUMNS))]
    hours: set[int] = set()
    if not _is_empty(engine, "repeated_id_keys"):
        engine.put_table("repeated_ids", sql("repeated_ids"))
        hours = {int(hour) for hour in engine.query("SELECT DISTINCT hour_number FROM repeated_ids")["hour_number"]}
        frames.append(
            engine.query(
                f"SELECT {', '.join(CONFLICT_COLUMNS[:-1])}, CAST(1 AS BIGINT) AS place "  # noqa: S608 names are ours
                "FROM repeated_ids WHERE is_conflicting"
            )
        )
    if not _is_empty(engine, "repeated_keys"):
        frames.append(engine.query(sql("conflicting_lines").replace("{most}", str(MOST_CONFLICTS_SHOWN))))
    conflicts = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    conflicts = conflicts.drop_duplicates(["transaction_id", "content_id", "place"])
    return Repeats(hours, conflicts, engine.query(sql("repeated_voters")))


def find_hours_of(engine: Engine, transaction_ids: list[str], known_parts: Sequence[Location]) -> set[int]:
    """The hours of the lake that hold one of these transactions."""
    if not transaction_ids:
        return set()
    engine.put_frame("wanted", pd.DataFrame({"transaction_id": transaction_ids}), {"transaction_id": "STRING"})
    engine.put_parquet("landed", known_parts, PART_COLUMNS)
    rows = engine.query(
        "SELECT DISTINCT landed.hour_number FROM landed INNER JOIN wanted "
        "ON landed.id_key = id_key(wanted.transaction_id) AND landed.transaction_id = wanted.transaction_id"
    )
    return {int(hour) for hour in rows["hour_number"]}
