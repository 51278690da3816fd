"""Hours of the lake: what stands in them, counted; and their parts, merged into one.

What is current, withdrawn or repeated comes from the ledger as small frames; this module only applies it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import duckdb
import pandas as pd

from election_metrics.lake.engine import put_parquet_view, put_table, sql
from election_metrics.lake.landing import PART_COLUMNS, Part, hour_folder
from election_metrics.places import Place, move_into_place


@dataclass(frozen=True)
class LakeHours:
    """Some hours as the ledger knows them at one moment.

    Attributes:
        calm_parts: parts of hours in which every landed row stands.
        contested_parts: parts of hours in which rows repeat, or were withdrawn, superseded or voted again.
        superseded: content_id of contents that are no file's any more.
        rollbacks: transaction_id of withdrawn transactions.
        repeated_ids: transaction_id, occurred_ms, content_id of ids that stand in several hours.
        repeated_votes: constituency_id, sender, transaction_id, occurred_ms, content_id of repeated voters.
    """

    calm_parts: Sequence[Place]
    contested_parts: Sequence[Place]
    superseded: pd.DataFrame
    rollbacks: pd.DataFrame
    repeated_ids: pd.DataFrame
    repeated_votes: pd.DataFrame


def open_hours(connection: duckdb.DuckDBPyConnection, hours: LakeHours) -> None:
    """Makes the view `transactions`: one row an id (is_withdrawn, is_revote, is_flagged)."""
    put_parquet_view(connection, "calm_rows", hours.calm_parts, PART_COLUMNS)
    put_parquet_view(connection, "contested_rows", hours.contested_parts, PART_COLUMNS)
    put_table(connection, "superseded", hours.superseded, {"content_id": "BIGINT"})
    put_table(connection, "rollbacks", hours.rollbacks, {"transaction_id": "VARCHAR"})
    put_table(
        connection, "repeated_ids", hours.repeated_ids,
        {"transaction_id": "VARCHAR", "occurred_ms": "BIGINT", "content_id": "BIGINT"},
    )  # fmt: skip
    put_table(
        connection, "repeated_votes", hours.repeated_votes,
        {"constituency_id": "VARCHAR", "sender": "VARCHAR", "transaction_id": "VARCHAR",
         "occurred_ms": "BIGINT", "content_id": "BIGINT"},
    )  # fmt: skip
    parts = []
    if hours.calm_parts or not hours.contested_parts:
        parts.append(sql("standing_calm"))
    if hours.contested_parts:
        parts.append(f"SELECT * FROM ({sql('standing_contested')})")  # noqa: S608 our own file
    connection.execute(f"CREATE OR REPLACE TEMP VIEW transactions AS {' UNION ALL '.join(parts)}")


def hourly_counts(connection: duckdb.DuckDBPyConnection, voting_times: pd.DataFrame) -> pd.DataFrame:
    """Counts of the opened hours by constituency and hour (see hourly_counts.sql; anomaly_count, outside_voting).

    Args:
        connection: one on which `open_hours` was called.
        voting_times: constituency_id, starts_ms, ends_ms; NA where not known.
    """
    counts = connection.execute(sql("hourly_counts")).df().astype({"constituency_id": "str"})  # also where it is empty
    outside = _count_outside(connection, counts, voting_times)
    anomalous = counts[["bulletins_failed", "votes_rejected", "votes_unknown", "revotes", "flagged"]].sum(axis=1)
    # A ballot that is both flagged and outside the voting times is one.
    anomalous += outside["outside"] - outside["outside_and_flagged"]
    return counts.drop(columns="flagged").assign(anomaly_count=anomalous, outside_voting=outside["outside"])


_HOUR_MS = 3_600_000
_OUTSIDE = ["outside", "outside_and_flagged"]


def _count_outside(
    connection: duckdb.DuckDBPyConnection, counts: pd.DataFrame, voting_times: pd.DataFrame
) -> pd.DataFrame:
    """Ballots outside the voting times, for each row of the counts; only hours at the edges are looked at again.

    Columns: outside, and of these outside_and_flagged.
    """
    timed = counts.merge(voting_times, on="constituency_id", how="left")
    begins = timed["hour_number"].astype("int64") * _HOUR_MS
    at_edge = (begins < timed["starts_ms"]).fillna(False) | (begins + _HOUR_MS > timed["ends_ms"]).fillna(False)
    edges = timed[at_edge & ((timed["bulletins_issued"] > 0) | (timed["votes_cast"] > 0))]
    if edges.empty:
        return pd.DataFrame(0, index=counts.index, columns=_OUTSIDE)
    put_table(
        connection, "edges", edges,
        {"constituency_id": "VARCHAR", "hour_number": "INTEGER", "starts_ms": "BIGINT", "ends_ms": "BIGINT"},
    )  # fmt: skip
    outside = connection.execute(sql("outside_voting")).df().astype({"constituency_id": "str"})
    found = counts[["constituency_id", "hour_number"]].merge(outside, on=["constituency_id", "hour_number"], how="left")
    return found[_OUTSIDE].fillna(0).astype("int64").set_axis(counts.index)


def count_transactions(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Distinct ids that the opened hours hold, by hour, counted without the logic of standing.

    Columns: hour_number, rows (all that rest there), transactions (distinct ids of current contents).
    """
    return connection.execute(
        """
        SELECT
            hour_number,
            count(*) AS rows,
            count(DISTINCT transaction_id) FILTER (
                WHERE content_id NOT IN (SELECT content_id FROM superseded)
            ) AS transactions
        FROM (SELECT * FROM calm_rows UNION ALL SELECT * FROM contested_rows)
        GROUP BY hour_number
        ORDER BY hour_number
        """
    ).df()


def compact(
    connection: duckdb.DuckDBPyConnection,
    lake: Place,
    work: Path,
    hour_number: int,
    parts: Sequence[Place],
    superseded: list[int],
) -> Part:
    """Merges an hour's parts into one, sorted by constituency and time, without the superseded rows.

    Repeated ids stay: which file a row came from must be known as long as that file can change.
    """
    put_parquet_view(connection, "merging", parts, PART_COLUMNS)
    put_table(connection, "superseded", pd.DataFrame({"content_id": superseded}), {"content_id": "BIGINT"})
    # A name of this attempt's own: of two that merge the same parts, the slower one removes its file again.
    name = f"merged-{uuid4().hex}.parquet"
    unfinished = work / name
    connection.execute(
        f"COPY (SELECT * FROM merging WHERE content_id NOT IN (SELECT content_id FROM superseded) "  # noqa: S608
        f"ORDER BY constituency_id, occurred_ms) TO '{str(unfinished).replace(chr(39), chr(39) * 2)}' "
        "(FORMAT parquet, COMPRESSION zstd)"
    )
    rows = connection.execute("SELECT num_rows FROM parquet_file_metadata(?)", [str(unfinished)]).fetchone()
    assert rows is not None
    part = Part(hour_number, f"{hour_folder(hour_number)}/{name}", int(rows[0]), unfinished.stat().st_size)
    move_into_place(unfinished, lake / part.path)
    return part
