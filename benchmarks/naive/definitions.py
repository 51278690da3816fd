"""The naive project: one asset partitioned by hour, one for totals, a run for each hour.

It follows the tutorials, and it is a fair baseline: each run reads only the files of its hour and of the adjacent hours,
calls `json.loads` only where needed, and writes many rows at once. It does not handle late rows, duplicates across
files, rollbacks, re-votes or unreadable lines.
"""

import json
import os
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import sqlalchemy as sa

HOURS = dg.HourlyPartitionsDefinition(start_date="2026-09-17-00:00", end_date="2026-09-28-00:00")
COLUMNS = [
    "id",
    "type",
    "signature",
    "version",
    "timestamp",
    "sender",
    "fee",
    "asset",
    "params",
    "diff",
    "extra",
    "rollback",
]


def _files(hour: pd.Timestamp) -> list[Path]:
    root = Path(os.environ["NAIVE_SOURCE"])
    local = [hour.tz_convert("Europe/Moscow") + timedelta(hours=number) for number in (-1, 0, 1)]
    return [file for start in local for file in root.rglob(f"*_{start:%Y-%m-%d}_{start:%H}*.csv")]


def _operation(params: str) -> str | None:
    return next((pair.get("stringValue") for pair in json.loads(params) if pair["key"] == "operation"), None)


@dg.asset(partitions_def=HOURS)
def hourly(context: dg.AssetExecutionContext) -> None:
    """Bulletins and votes of the hour by constituency."""
    hour = pd.Timestamp(context.partition_time_window.start)
    frames = []
    for file in _files(hour):
        frame = pd.read_csv(file, sep=";", header=None, names=COLUMNS, quoting=3, dtype=str)
        frame["constituency_id"] = file.name.partition("_")[0]
        frames.append(frame)
    if not frames:
        return
    rows = pd.concat(frames).drop_duplicates("id")
    times = pd.to_datetime(rows["timestamp"].astype("int64"), unit="ms", utc=True)
    rows = rows[(times >= hour) & (times < hour + timedelta(hours=1))]
    rows = rows.assign(operation=rows["params"].map(_operation), failed=rows["diff"].str.contains("FAIL"))
    good = rows[~rows["failed"]]
    counts = pd.DataFrame(
        {
            "bulletins_issued": good[good["operation"] == "blindSigIssue"].groupby("constituency_id").size(),
            "votes_cast": good[good["operation"] == "vote"].groupby("constituency_id").size(),
        }
    ).fillna(0).astype("int64")  # fmt: skip
    engine = sa.create_engine(os.environ["NAIVE_URL"])
    with engine.begin() as connection:
        if sa.inspect(connection).has_table("hourly"):
            connection.execute(sa.text("DELETE FROM hourly WHERE hour = :hour"), {"hour": hour.to_pydatetime()})
        counts.assign(hour=hour).reset_index().to_sql(
            "hourly", connection, if_exists="append", index=False, method="multi"
        )
    engine.dispose()


@dg.asset(deps=[hourly])
def totals() -> None:
    """Bulletins and votes by constituency."""
    engine = sa.create_engine(os.environ["NAIVE_URL"])
    with engine.begin() as connection:
        rows = pd.read_sql("SELECT * FROM hourly", connection)
        sums = rows.groupby("constituency_id")[["bulletins_issued", "votes_cast"]].sum().reset_index()
        sums.to_sql("totals", connection, if_exists="replace", index=False, method="multi")
    engine.dispose()


defs = dg.Definitions(assets=[hourly, totals])
