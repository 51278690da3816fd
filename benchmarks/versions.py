"""`make versions`: how large the history of a vote of three days grows, with a commit every five minutes.

Constituencies of many sizes (half of them below 100 voters, 13.4 million in all) vote by the published curve of 2026.
Hours, metrics and summaries are written by the pipeline's own functions, in each commit those that changed; rules are
not run. The clock of the commits is set to the time that they stand for, and history is thinned out every hour, as `up`
does.
"""

import argparse
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import sqlalchemy as sa

from benchmarks.inputs import START, fill_hours
from election_metrics.clock import hour_number
from election_metrics.counts import NAMES
from election_metrics.metrics.anomalies.shapes import PUBLISHED_2026
from election_metrics.pipeline.deliveries import read_delivered
from election_metrics.pipeline.elections import write_hours, write_metrics, write_summary
from election_metrics.settings import Settings, read_settings
from election_metrics.warehouse import registry
from election_metrics.warehouse.commits import begin_commit
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.elections import read_hours_of_members
from election_metrics.warehouse.migrate import migrate
from election_metrics.warehouse.replace import read_frame, replace_scope
from election_metrics.warehouse.server import plain_url, warehouse_url
from election_metrics.warehouse.tables import constituencies, hourly_stats
from election_metrics.warehouse.thinning import thin_history

_ELECTION = "bench-0"
_VOTERS, _TURNOUT, _SPREAD = 13_400_000, 0.91, 2.64
_PARTS = 12
_GB = 1e9


def main() -> None:
    """Prints the size of the history by hour of the vote."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    parser.add_argument("--constituencies", type=int, default=5_103)
    parser.add_argument("--hours", type=int, default=len(PUBLISHED_2026), help="hours of voting")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="election-metrics-versions-") as folder:
        settings = read_settings(home=Path(folder))
        migrate(settings)
        fill_hours(settings, 1, chosen.constituencies, len(PUBLISHED_2026))
        places = _places(settings)
        random, begin = np.random.default_rng(2026), time.perf_counter()
        shares = PUBLISHED_2026 / PUBLISHED_2026.sum()
        print(
            "| hour | constituencies in a commit | history, GB | largest so far, GB | seconds |\n|---|---|---|---|---|"
        )
        largest = 0.0
        for hour in range(chosen.hours):
            changed = _vote(settings, places, hour, shares[hour] * _TURNOUT, random)
            size = _history(settings) / _GB
            largest = max(largest, size)
            seconds = time.perf_counter() - begin
            print(f"| {hour + 1} | {changed:,.0f} | {size:.2f} | {largest:.2f} | {seconds:,.0f} |", flush=True)


def _places(settings: Settings) -> pd.DataFrame:
    """The constituencies, with registers of many sizes."""
    with transaction(settings) as connection:
        connection.execute(sa.text("TRUNCATE metrics.hourly_stats"))
        places = read_frame(connection, sa.select(constituencies.c.constituency_id))
        size = np.exp(np.random.default_rng(7).normal(0, _SPREAD, len(places)))
        places["registered_voters"] = np.maximum(size / size.sum() * _VOTERS, 1).astype("int64")
        for place in places.itertuples():
            change = sa.update(constituencies).where(constituencies.c.constituency_id == place.constituency_id)
            connection.execute(change.values(registered_voters=place.registered_voters))
    return places


def _vote(settings: Settings, places: pd.DataFrame, hour: int, share: float, random: np.random.Generator) -> float:
    """The commits of an hour; returns how many constituencies changed in each, on average."""
    rows = places.assign(election_id=_ELECTION, hour=pd.Timestamp(START + timedelta(hours=hour)), run_id="bench")
    rows[[*NAMES, "outside_voting"]] = 0
    changed = 0
    for part in range(_PARTS):
        votes = random.poisson(places["registered_voters"] * share / _PARTS)
        rows["votes_cast"] += votes
        rows["bulletins_issued"] += votes
        rows["transaction_count"] += 2 * votes
        now = START + timedelta(hours=hour, minutes=60 / _PARTS * (part + 1))
        _commit(settings, rows[votes > 0].assign(computed_at=now), now)
        changed += int((votes > 0).sum())
    with transaction(settings) as connection:
        thin_history(connection, now - timedelta(hours=settings.keep_commits_hours), None, dry_run=False)
    with psycopg.connect(plain_url(warehouse_url(settings)), autocommit=True) as server:
        server.execute("VACUUM")  # as autovacuum does in a server that has an hour's time for it
    return changed / _PARTS


def _commit(settings: Settings, rows: pd.DataFrame, now: datetime) -> None:
    with transaction(settings) as connection:
        begin_commit(connection, "bench", ["new file"])
        ids = list(rows["constituency_id"])
        scope = (hourly_stats.c.hour == rows["hour"].iloc[0]) & hourly_stats.c.constituency_id.in_(ids)
        replace_scope(connection, hourly_stats, scope, rows)
        registry.touch_constituencies(connection, {_ELECTION: ids}, hour_number(rows["hour"].iloc[0]))
        events = registry.read_events(connection)
        write_hours(connection, _ELECTION, events, "bench", now)
        write_metrics(connection, _ELECTION, "bench", now, whole=False)
        delivered = read_delivered(connection, _ELECTION, events, now)
        hours = read_hours_of_members(connection, _ELECTION)
        write_summary(connection, _ELECTION, delivered, hours, "bench", now)
    with transaction(settings) as connection:  # the time that this commit stands for
        newest = "(SELECT max(commit_number) FROM history.commits)"
        connection.execute(
            sa.text(f"UPDATE history.commits SET committed_at = :now WHERE commit_number = {newest}"),
            {"now": now},
        )


def _history(settings: Settings) -> int:
    """Bytes of the schema `history`, with its indexes."""
    query = sa.text(
        "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class "
        "WHERE relnamespace = 'history'::regnamespace AND relkind = 'r'"
    )
    with transaction(settings) as connection:
        return int(connection.execute(query).scalar_one())


if __name__ == "__main__":
    main()
