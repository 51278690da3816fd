"""The final count: counts every hour again from the raw transactions, and compares it with the tables."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd
import pyarrow.compute
import sqlalchemy as sa

from election_metrics.clock import hour_number
from election_metrics.lake.connect import connect
from election_metrics.lake.engine import Engine
from election_metrics.pipeline.hour_comparison import COUNTED, different_rows, stored_figures
from election_metrics.pipeline.hour_figures import compute_frame, read_inputs
from election_metrics.pipeline.progress import Report
from election_metrics.settings import Settings
from election_metrics.warehouse import stale_hours
from election_metrics.warehouse.commits import begin_commit
from election_metrics.warehouse.database import session_lock, transaction
from election_metrics.warehouse.replace import notify, replace_scope
from election_metrics.warehouse.stale_elections import read_closed
from election_metrics.warehouse.tables import hourly_stats
from election_metrics.warehouse.tables import reconciliations as table

_HOURS_AT_ONCE = 24


def closed_elections(settings: Settings, now: datetime | None = None) -> list[str]:
    """Elections whose voting is over and that changed after their last reconciliation, or had none."""
    with transaction(settings) as connection:
        return read_closed(connection, now or datetime.now(UTC))


def reconcile_elections(
    settings: Settings,
    run_id: str,
    named: Sequence[str] | None = None,
    now: datetime | None = None,
    progress: Report | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Counts every hour of closed (or named) elections again and compares; hours that differ are marked stale.

    Args:
        settings: the settings.
        run_id: the Dagster run.
        named: election_id of the elections; none: those whose voting is over and that were not reconciled since.
        now: current time.
        progress: called with hours done and total hours, by election.

    Returns:
        The rows of `metrics.reconciliations`, and the rows that differ: election_id, constituency_id, hour.
    """
    moment = now or datetime.now(UTC)
    results, different = [], []
    with connect(settings) as engine:
        for election in named or closed_elections(settings, moment):
            with transaction(settings) as connection:
                hours = sa.select(sa.func.min(hourly_stats.c.hour), sa.func.max(hourly_stats.c.hour))
                first, last = connection.execute(hours.where(hourly_stats.c.election_id == election)).one()
            if first is None:
                continue
            sums, rows = _reconcile(settings, engine, election, first, last, moment, progress)
            result = sums | {"election_id": election, "first_hour": first, "last_hour": last, "run_id": run_id}
            frame = pd.DataFrame([result | {"computed_at": moment}])
            with transaction(settings) as connection:
                begin_commit(connection, run_id, ["final count"])
                replace_scope(connection, table, table.c.election_id == election, frame)
                notify(connection, table, [election])
            results.append(frame)
            different.append(rows)
    columns = ["election_id", "constituency_id", "hour"]
    return (
        pd.concat(results, ignore_index=True) if results else pd.DataFrame(),
        pd.concat(different, ignore_index=True) if different else pd.DataFrame(columns=columns),
    )


def _reconcile(
    settings: Settings,
    engine: Engine,
    election: str,
    first: datetime,
    last: datetime,
    now: datetime,
    progress: Report | None,
) -> tuple[dict[str, int], pd.DataFrame]:
    names = ("hours", "rows_compared", "rows_differing", "transactions", "bulletins_issued", "votes_cast")
    sums = dict.fromkeys(names, 0)
    frames = []
    total = hour_number(last) - hour_number(first) + 1
    for start in range(hour_number(first), hour_number(last) + 1, _HOURS_AT_ONCE):
        end = min(start + _HOURS_AT_ONCE - 1, hour_number(last))
        # The hours must not be replaced between reading them and counting them again.
        with session_lock(settings, "hourly_stats"):
            inputs = read_inputs(settings, start, end)
            with transaction(settings) as connection:
                stored = stored_figures(connection, start, end)
                behind = set(stale_hours.changed_hours(connection, now))
        counted = compute_frame(engine, inputs, now)
        counted = counted[counted["election_id"] == election]
        mine = stored.filter(pyarrow.compute.equal(stored["election_id"], election)).select(COUNTED)
        rows = different_rows(engine.local, mine, counted)
        # Hours that are behind are known to be so, and will be computed.
        rows = rows[~rows["hour"].map(hour_number).isin(behind)]
        if len(rows):
            with transaction(settings) as connection:
                hours = set(rows["hour"].map(hour_number))
                stale_hours.mark_hours_stale(connection, hours, "final count", conflicted=True)
        for name, count in {
            "hours": counted["hour"].nunique(),
            "rows_compared": max(len(counted), mine.num_rows),
            "rows_differing": len(rows),
            "transactions": counted["transaction_count"].sum(),
            "bulletins_issued": counted["bulletins_issued"].sum(),
            "votes_cast": counted["votes_cast"].sum(),
        }.items():
            sums[name] += int(count)
        frames.append(rows)
        if progress:
            progress(end - hour_number(first) + 1, total)
    return sums, pd.concat(frames, ignore_index=True)
