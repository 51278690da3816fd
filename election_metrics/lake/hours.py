"""Counts the valid rows of hours in the lake, and merges the parts of an hour.

Small frames from the ledger say what is superseded, withdrawn or repeated; this module only applies them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from election_metrics.clock import GRACE, HOUR_MS, INTERVALS
from election_metrics.lake.engine import PART_ENDING, Engine, sql
from election_metrics.lake.landing import PART_COLUMNS, Part, hour_folder
from election_metrics.locations import Location, move_into_place


@dataclass(frozen=True)
class LakeHours:
    """Hours with their corrections in the ledger, as of one moment.

    Attributes:
        clean_parts: parts of hours in which every landed row counts.
        conflicted_parts: parts of hours in which rows repeat, or were withdrawn, superseded or voted again.
        superseded: content_id of contents without a current file.
        rollbacks: transaction_id of withdrawn transactions.
        lost_rows: transaction_id, content_id of rows that another row of their id outranks.
        repeated_votes: constituency_id, sender, transaction_id, occurred_ms, content_id of repeated voters;
            last_stands: whether the last vote of a voter key counts in the constituency, and not the first.
    """

    clean_parts: Sequence[Location]
    conflicted_parts: Sequence[Location]
    superseded: pd.DataFrame
    rollbacks: pd.DataFrame
    lost_rows: pd.DataFrame
    repeated_votes: pd.DataFrame


def open_hours(engine: Engine, hours: LakeHours) -> None:
    """Creates the view `transactions`: one row for each id (is_withdrawn, is_revote, is_flagged)."""
    engine.put_parquet("clean_rows", hours.clean_parts, PART_COLUMNS)
    engine.put_parquet("conflicted_rows", hours.conflicted_parts, PART_COLUMNS)
    engine.put_frame("superseded", hours.superseded, {"content_id": "BIGINT"})
    engine.put_frame("rollbacks", hours.rollbacks, {"transaction_id": "STRING"})
    engine.put_frame("lost_rows", hours.lost_rows, {"transaction_id": "STRING", "content_id": "BIGINT"})
    engine.put_frame(
        "repeated_votes", hours.repeated_votes,
        {"constituency_id": "STRING", "sender": "STRING", "transaction_id": "STRING",
         "occurred_ms": "BIGINT", "content_id": "BIGINT", "last_stands": "BOOLEAN"},
    )  # fmt: skip
    parts = []
    if hours.clean_parts or not hours.conflicted_parts:
        parts.append(sql("resolve_clean"))
    if hours.conflicted_parts:
        parts.append(f"SELECT * FROM ({sql('resolve_conflicted')})")  # noqa: S608 our own file
    engine.put_view("transactions", " UNION ALL ".join(parts))


def hourly_counts(engine: Engine, voting_times: pd.DataFrame) -> pd.DataFrame:
    """Counts of the opened hours by constituency and hour (see hourly_counts.sql; anomaly_count, outside_voting).

    Args:
        engine: one on which `open_hours` was called.
        voting_times: constituency_id, starts_ms, ends_ms; NA where not known.
    """
    counts = engine.query(sql("hourly_counts")).astype({"constituency_id": "str"})  # also where it is empty
    outside = _count_outside(engine, counts, voting_times)
    anomalous = counts["anomalous"] + counts["flagged"]
    # A ballot that is flagged and also outside the voting times counts once.
    anomalous += outside["outside"] - outside["outside_and_flagged"]
    return counts.drop(columns=["anomalous", "flagged"]).assign(
        anomaly_count=anomalous, outside_voting=outside["outside"]
    )


_OUTSIDE = ["outside", "outside_and_flagged"]


def _count_outside(engine: Engine, counts: pd.DataFrame, voting_times: pd.DataFrame) -> pd.DataFrame:
    """Ballots outside the voting times, for each row of the counts; only hours at the edges are scanned again.

    Columns: outside, and of these outside_and_flagged.
    """
    timed = counts.merge(voting_times, on="constituency_id", how="left")
    begins = timed["hour_number"].astype("int64") * HOUR_MS
    at_edge = (begins < timed["starts_ms"]).fillna(False) | (begins + HOUR_MS > timed["ends_ms"]).fillna(False)
    edges = timed[at_edge & ((timed["bulletins_issued"] > 0) | (timed["votes_cast"] > 0))]
    if edges.empty:
        return pd.DataFrame(0, index=counts.index, columns=_OUTSIDE)
    engine.put_frame(
        "edges", edges,
        {"constituency_id": "STRING", "hour_number": "INTEGER", "starts_ms": "BIGINT", "ends_ms": "BIGINT"},
    )  # fmt: skip
    outside = engine.query(sql("outside_voting").replace("{grace_ms}", str(GRACE // timedelta(milliseconds=1)))).astype(
        {"constituency_id": "str"}
    )
    found = counts[["constituency_id", "hour_number"]].merge(outside, on=["constituency_id", "hour_number"], how="left")
    return found[_OUTSIDE].fillna(0).astype("int64").set_axis(counts.index)


OF_VOTES = ["vote_gaps", "gap_seconds", "gap_squares", "equal_gaps", "equal_gap"]
OF_REGISTRARS = ["registrar_run", "registrar_own", "registrar_before", "registrar_after"]


def inside_hours(engine: Engine) -> pd.DataFrame:
    """What happened inside the opened hours: a row for each constituency and hour with ballots.

    Args:
        engine: one on which `open_hours` was called.

    Returns:
        The columns of `ingest.inside_hours`: constituency_id, hour_number, bulletins and votes (12 numbers each, as
        PostgreSQL writes an array), and on gaps between votes and registrars, NA where there are fewer than 20 calls.
    """
    counts = ", ".join(
        f"CAST(coalesce(sum(ballots) FILTER (WHERE kind = '{kind}' AND place = {place}), 0) AS BIGINT) "
        f"AS {name}_{place}"
        for name, kind in (("bulletins", "bulletin_issued"), ("votes", "vote_cast"))
        for place in range(INTERVALS)
    )
    engine.put_table("inside_counts", sql("inside_counts").replace("{counts}", counts))
    found = engine.query(sql("inside_hours")).astype({"constituency_id": "str"})
    frame = found[["constituency_id", "hour_number"]].astype({"hour_number": "int64"})
    for name in ("bulletins", "votes"):
        frame[name] = _as_array([found[f"{name}_{place}"] for place in range(INTERVALS)])
    whole = ["vote_gaps", "equal_gaps", "equal_gap", *OF_REGISTRARS]
    return frame.join(
        found[[*OF_VOTES, "registrar", *OF_REGISTRARS]].astype(
            {**dict.fromkeys(whole, "Int64"), "gap_seconds": "float64", "gap_squares": "float64", "registrar": "str"}
        )
    )


def precinct_hours(engine: Engine) -> pd.DataFrame:
    """What happened in each precinct and hour of the opened hours: the columns of `ingest.precinct_hours`.

    Args:
        engine: one on which `open_hours` was called.
    """
    found = engine.query(sql("precinct_hours")).astype({"constituency_id": "str"})
    return found.astype({name: "int64" for name in found.columns if name != "constituency_id"})


def verdict_rows(engine: Engine, ids: pd.DataFrame) -> pd.DataFrame:
    """Transactions of the opened hours on which there is a verdict: the columns of `ingest.verdict_rows`.

    Args:
        engine: one on which `open_hours` was called.
        ids: transaction_id of the verdicts.
    """
    if ids.empty:
        return no_verdict_rows()
    engine.put_frame("verdicts", ids, {"transaction_id": "STRING"})
    return engine.query(sql("verdict_rows")).astype(_OF_VERDICT)


_OF_VERDICT = {
    "transaction_id": "str", "constituency_id": "str", "hour_number": "int64", "counts_as": "str", "votes": "int64",
}  # fmt: skip


def no_verdict_rows() -> pd.DataFrame:
    """The frame of `verdict_rows` without a row."""
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in _OF_VERDICT.items()})


def _as_array(columns: Sequence[pd.Series]) -> pd.Series:
    """`{0,3,…}` for each row."""
    texts = [pa.array(column.astype("int64")).cast(pa.string()) for column in columns]
    joined = pc.binary_join_element_wise(*texts, ",")
    return pd.Series("{" + joined.to_pandas().astype("str") + "}", index=columns[0].index, dtype="str")


def count_transactions(engine: Engine) -> pd.DataFrame:
    """Distinct ids of the opened hours, by hour, counted independently of `transactions`.

    Columns: hour_number, rows (all rows in the parts), transactions (distinct ids of current contents, without rows
    that are counted in another hour).
    """
    return engine.query(
        """
        SELECT
            hour_number,
            count(*) AS rows,
            count(DISTINCT rested.transaction_id) FILTER (
                WHERE lost_rows.transaction_id IS NULL
                    AND rested.content_id NOT IN (SELECT content_id FROM superseded)
            ) AS transactions
        FROM (SELECT * FROM clean_rows UNION ALL SELECT * FROM conflicted_rows) AS rested
        LEFT JOIN lost_rows
            ON lost_rows.transaction_id = rested.transaction_id AND lost_rows.content_id = rested.content_id
        GROUP BY hour_number
        ORDER BY hour_number
        """
    )


def compact(
    engine: Engine,
    lake: Location,
    work: Path,
    hour_number: int,
    parts: Sequence[Location],
    superseded: list[int],
) -> Part:
    """Merges an hour's parts into one, sorted by constituency and time, without the superseded rows.

    Repeated ids are kept, because the file of a row must be known as long as that file can change.
    """
    engine.put_parquet("merging", parts, PART_COLUMNS)
    engine.put_frame("superseded", pd.DataFrame({"content_id": superseded}), {"content_id": "BIGINT"})
    # A unique name for each attempt: of two concurrent merges, the slower one removes its file again.
    name = f"merged-{uuid4().hex}{PART_ENDING}"
    unfinished = work / name
    rows = "SELECT * FROM merging WHERE content_id NOT IN (SELECT content_id FROM superseded)"
    engine.write_sorted(rows, ["constituency_id", "occurred_ms"], unfinished)
    written = pq.read_metadata(unfinished).num_rows
    part = Part(hour_number, f"{hour_folder(hour_number)}/{name}", written, unfinished.stat().st_size)
    move_into_place(unfinished, lake / part.path)
    return part
