"""Compares the stored figures of hours with those counted from the lake; writes nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime

import duckdb
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from election_metrics.clock import hour_number, hour_start
from election_metrics.lake import hours as lake
from election_metrics.lake.connect import connect
from election_metrics.pipeline.hour_figures import chunks_of_hours, compute_frame, read_inputs
from election_metrics.settings import Settings
from election_metrics.warehouse.database import session_lock, transaction
from election_metrics.warehouse.elections import FIGURES
from election_metrics.warehouse.replace import arrow_schema, read_arrow, read_frame
from election_metrics.warehouse.tables import hourly_stats as table

# Velocities of the current hour depend on the time of computation, so they are not compared.
COUNTED = [name for name in FIGURES if not name.endswith("_velocity")]


def stored_figures(connection: sa.Connection, first: int, last: int, without: Sequence[int] = ()) -> pa.Table:
    """The stored figures of the hours first..last, without run_id and computed_at."""
    query = (
        f"SELECT {', '.join(FIGURES)} FROM metrics.hourly_stats "  # noqa: S608 names are ours
        "WHERE hour BETWEEN %(first)s AND %(last)s AND hour <> ALL(%(without)s::timestamptz[])"
    )
    hours = {"first": hour_start(first), "last": hour_start(last), "without": [hour_start(n) for n in without]}
    return read_arrow(connection, query, arrow_schema(table, FIGURES), **hours)


def different_rows(here: duckdb.DuckDBPyConnection, stored: pa.Table, counted: pd.DataFrame) -> pd.DataFrame:
    """Constituency hours with any figure that differs, or that are missing on one side.

    Args:
        here: a DuckDB connection for the comparison.
        stored: rows with the columns COUNTED.
        counted: the expected rows.

    Returns:
        election_id, constituency_id, hour.
    """
    now = pa.Table.from_pandas(counted[COUNTED], schema=stored.schema, preserve_index=False)
    here.register("stored_rows", stored)
    here.register("counted_rows", now)
    frame = here.execute(
        """
        SELECT DISTINCT election_id, constituency_id, epoch_ms(hour) AS hour FROM (
            (FROM stored_rows EXCEPT ALL FROM counted_rows) UNION ALL
            (FROM counted_rows EXCEPT ALL FROM stored_rows)
        ) ORDER BY hour, constituency_id
        """
    ).df()
    here.unregister("stored_rows")
    here.unregister("counted_rows")
    frame["hour"] = pd.to_datetime(frame["hour"], unit="ms", utc=True)
    return frame


def preview_hours(settings: Settings, start: datetime, end: datetime) -> pd.DataFrame:
    """What `compute_hours` would change in the hours from `start` to before `end`; writes nothing.

    Returns:
        hour (UTC), rows stored now, rows_after, rows_changed (new, missing or different); of hours with any.
    """
    frames = []
    with connect(settings) as engine:
        for first, last in chunks_of_hours(settings, hour_number(start), hour_number(end) - 1):
            with session_lock(settings, "hourly_stats"):
                inputs = read_inputs(settings, first, last)
                with transaction(settings) as connection:
                    stored = stored_figures(connection, first, last).select(COUNTED)
            counted = compute_frame(engine, inputs, datetime.now(UTC))
            counts = {
                "rows": stored["hour"].to_pandas(),
                "rows_after": counted["hour"],
                "rows_changed": different_rows(engine.local, stored, counted)["hour"],
            }
            frames.append(pd.DataFrame({name: hours.value_counts() for name, hours in counts.items()}))
    table_of_hours = pd.concat(frames).fillna(0).astype("int64").rename_axis("hour")
    return table_of_hours.sort_index().reset_index()


def compare_with_lake(settings: Settings, start: datetime, end: datetime) -> pd.DataFrame:
    """Numbers of distinct transactions in the lake and in `hourly_stats`, by hour.

    Columns: hour (UTC), in_lake, in_hours. Hours that changed since they were computed are left out.
    """
    first, last = hour_number(start), hour_number(end) - 1
    with session_lock(settings, "hourly_stats"):
        inputs = read_inputs(settings, first, last)
        with transaction(settings) as connection:
            query = sa.select(
                table.c.hour, sa.func.sum(table.c.transaction_count + table.c.withdrawn).label("in_hours")
            ).where(table.c.hour >= start, table.c.hour < end)
            stored = read_frame(connection, query.group_by(table.c.hour))
    current = inputs.versions.loc[
        inputs.versions["landed_version"] == inputs.versions["computed_version"], "hour_number"
    ]
    with connect(settings) as engine:
        lake.open_hours(engine, inputs.hours)
        counted = lake.count_transactions(engine)
    in_hours = {hour_number(hour): int(count) for hour, count in stored.itertuples(index=False)}
    in_lake = {int(row.hour_number): int(row.transactions) for row in counted.itertuples()}
    numbers = sorted({int(number) for number in current} & (set(in_hours) | set(in_lake)))
    return pd.DataFrame(
        [(hour_start(number), in_lake.get(number, 0), in_hours.get(number, 0)) for number in numbers],
        columns=["hour", "in_lake", "in_hours"],
    )
