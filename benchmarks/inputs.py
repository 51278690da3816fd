"""Inputs of the benchmarks: export trees by replay, and a large lake generated in DuckDB."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from election_metrics.clock import hour_number
from election_metrics.lake import landing as lake
from election_metrics.lake.connect import connect
from election_metrics.replay.blocks import write_blocks
from election_metrics.replay.tree import write_replay
from election_metrics.replay.votings import Bucket, Voting
from election_metrics.settings import Settings
from election_metrics.warehouse import lake_manifest, ledger, stale_hours
from election_metrics.warehouse import registry as store
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import copy_rows
from election_metrics.warehouse.tables import constituencies as constituencies_table
from election_metrics.warehouse.tables import hourly_stats

START = datetime(2026, 9, 18, 5, tzinfo=UTC)


def hourly_buckets(constituencies: int, hours: int, transactions: int) -> Iterator[Bucket]:
    """Buckets of all constituencies and hours with this number of transactions each, half of them votes."""
    for number in range(constituencies):
        voting = Voting(
            f"bench{number}", f"District {number}", "Benchmark", 10_000, "77 - город Москва", "Europe/Moscow"
        )
        for hour in range(hours):
            start = START + timedelta(hours=hour)
            yield Bucket(voting, start, 3600, transactions - transactions // 2, transactions // 2)


def write_tree(out: Path, constituencies: int, hours: int, transactions: int, *, zipped: bool = False) -> list[Path]:
    """Writes a tree of hourly files; returns their paths."""
    for _ in write_replay(hourly_buckets(constituencies, hours, transactions), out, zipped=zipped, precincts=True):
        pass
    return sorted(out.rglob("*.zip" if zipped else "*.csv"))


def write_dump_of_blocks(tree: Path, out: Path) -> Path:
    """Writes the transactions of a tree as one dump of 7 shards with a block every 15 seconds; returns it."""
    out.mkdir()
    for _ in write_blocks(tree, out, "file", seconds=15):
        pass
    return out / "dump.json"


def write_late(source: Path, name: str) -> None:
    """Writes a file with one late vote of the first hour of the lake."""
    contract = "Bz".rjust(44, "1")
    at = int(START.timestamp() * 1000) + 1_800_000
    line = (
        f"late{name};104;s;3;{at};key{name};0;;"
        '[{"key":"operation","stringValue":"vote"}];[{"key":"VOTE_key' + name + '","stringValue":""}];{};\n'
    )
    (source / f"{contract}_late{name}.csv").write_text(line, "utf-8")


def grow_tree(trees: Path, size: int, times: list[int], hours: int = 24) -> list[Path]:
    """Writes a tree of about `size` bytes for each multiple in `times`; the trees share their files through hard links."""
    parts = [trees / f"part{number}" for number in range(max(times))]
    for number, part in enumerate(parts):
        buckets = (
            Bucket(
                replace(bucket.voting, key=f"{number}-{bucket.voting.key}"),
                bucket.start,
                3600,
                bucket.bulletins,
                bucket.votes,
            )
            for bucket in hourly_buckets(20, hours, max(1, size // (20 * hours) // 3_200))
        )
        for _ in write_replay(buckets, part, seed=number):
            pass
    grown = []
    for count in times:
        whole = trees / f"times{count}"
        for part in parts[:count]:
            shutil.copytree(part, whole / part.name, copy_function=os.link)
        grown.append(whole)
    return grown


def write_dump(out: Path, size: int) -> list[Path]:
    """Writes one file of about `size` bytes: a whole dump of one contract."""
    files = write_tree(out / "hours", 1, 20, size // 20 // 3200)
    contract = files[0].name.partition("_")[0]
    dump = out / "dump" / f"{contract}_dump.csv"
    dump.parent.mkdir()
    with dump.open("wb") as whole:
        for file in files:
            whole.write(file.read_bytes())
            file.unlink()
    return [dump]


_SYNTHETIC = """
CREATE OR REPLACE TEMP TABLE staged AS
SELECT
    1 + number % {constituencies} AS content_id,
    replace(format('{{:1>44}}', 'B' || (number % {constituencies})), '0', 'z') AS constituency_id,
    CAST(NULL AS BIGINT) AS line_number,
    md5(CAST(number AS VARCHAR)) || '123456789012' AS transaction_id,
    id_key(transaction_id) AS id_key,
    {start} + (number * 7919) % ({hours} * 3600000) AS occurred_ms,
    CAST(floor(occurred_ms / 3600000) AS INTEGER) AS hour_number,
    CASE WHEN number % 2 = 0 THEN 'vote' ELSE 'blindSigIssue' END AS operation,
    CASE WHEN number % 2 = 0 THEN 'vote_cast' ELSE 'bulletin_issued' END AS kind,
    CAST(CASE WHEN number % 2 = 1 THEN 1 END AS BIGINT) AS quantity,
    CASE WHEN number % 2 = 0 THEN 'key' || transaction_id END AS sender,
    right(sender, 12) AS voter_key,
    CAST(NULL AS VARCHAR) AS fail_reason,
    CASE WHEN number % 2 = 1 THEN 'registrar ' || id_key % 2 END AS registrar,
    CASE WHEN number % 2 = 1 THEN 77 END AS precinct_region,
    CASE WHEN number % 2 = 1 THEN CAST(101 + id_key % 10 AS INTEGER) END AS precinct,
    FALSE AS is_rollback,
    FALSE AS failed,
    CAST(NULL AS VARCHAR) AS rejection
FROM range({transactions}) AS numbers (number)
"""


def fill_lake(settings: Settings, transactions: int, constituencies: int, hours: int) -> tuple[datetime, datetime]:
    """Fills lake and ledger with a landed election; returns its first hour and the hour after its last."""
    now = datetime.now(UTC)
    work = settings.lake_path / "work"
    work.mkdir(parents=True)
    ids = [f"B{number}".rjust(44, "1").replace("0", "z") for number in range(constituencies)]
    with connect(settings) as engine, transaction(settings) as connection:
        engine.local.execute(
            _SYNTHETIC.format(
                constituencies=constituencies,
                hours=hours,
                transactions=transactions,
                start=int(START.timestamp() * 1000),
            )
        )
        parts = lake.write_parts(engine, settings.lake_path, work, "bench")
        lake_manifest.add_parts(
            connection,
            pd.DataFrame(
                [(p.path, p.hour_number, p.rows, p.size, now) for p in parts],
                columns=["path", "hour_number", "rows", "size", "created_at"],
            ),
        )
        counts = dict.fromkeys(("size", "modified_ns", "lines", "rows", "rollbacks", "repeated", "rejected"), 0)
        ledger.record_files(
            connection,
            pd.DataFrame(
                [
                    {"path": f"/bench/{name}", "member": "", "status": "landed", "content_id": number + 1, "election": "Benchmark",
                     "constituency_id": name, "run_id": "bench", "seen_at": now, **counts}
                    for number, name in enumerate(ids)
                ]
            ),
        )  # fmt: skip
        stale_hours.mark_hours_stale(connection, {p.hour_number for p in parts}, "new file", conflicted=False)
    first = hour_number(START)
    return START, datetime.fromtimestamp((first + hours) * 3600, tz=UTC)


def fill_hours(settings: Settings, elections: int, constituencies: int, hours: int) -> None:
    """Writes hourly rows of several elections: a daily curve over registers of 10 to 30,000 voters."""
    random = np.random.default_rng(7)
    with transaction(settings) as connection:
        for number in range(elections):
            election = f"bench-{number}"
            ids = [f"B{number}x{place}".rjust(44, "0") for place in range(constituencies)]
            register = np.exp(random.uniform(np.log(10), np.log(30_000), constituencies)).astype("int64")
            lineage = {"run_id": "bench", "computed_at": START}
            end = START + timedelta(hours=hours)
            store.store_elections(
                connection,
                pd.DataFrame([{"election_id": election, "name": election, "starts_at": START, "ends_at": end,
                               "time_zone": "Europe/Moscow", "status": "completed", **lineage}]),
            )  # fmt: skip
            regions = [f"Region {place % 85}" for place in range(constituencies)]
            copy_rows(
                connection, constituencies_table,
                pd.DataFrame({"constituency_id": ids, "election_id": election, "region": regions, "time_zone": "Europe/Moscow",
                              "is_zone_assumed": False,
                              "registered_voters": register, "starts_at": START, "ends_at": end, **lineage}),
            )  # fmt: skip
            share = np.resize(np.repeat([0.03, 0.012, 0.003], 8), hours) * 0.5
            votes = random.poisson(np.outer(register, share))
            frame = pd.DataFrame(
                {
                    "election_id": election,
                    "constituency_id": np.repeat(ids, hours),
                    "hour": np.tile(pd.date_range(START, periods=hours, freq="h"), constituencies),
                    "votes_cast": votes.ravel(),
                    "bulletins_issued": votes.ravel(),
                    "transaction_count": 2 * votes.ravel(),
                    "registered_voters": np.repeat(register, hours),
                    "run_id": "bench",
                    "computed_at": START,
                }
            )
            copy_rows(connection, hourly_stats, frame.assign(**dict.fromkeys(_NOTHING, 0)))
            store.touch_elections(connection, {election})


_NOTHING = ("bulletins_failed", "votes_rejected", "votes_unknown", "revotes", "withdrawn", "anomaly_count",
            "outside_voting")  # fmt: skip
