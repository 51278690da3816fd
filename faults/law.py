"""The invariant that must hold after every schedule.

Every function here runs in a separate forked process, so that no connection outlives it.
"""

from collections.abc import Iterator
from datetime import timedelta
from itertools import zip_longest
from pathlib import PurePath

import pandas as pd
import sqlalchemy as sa

from election_metrics.pipeline.hours import changed_hours
from election_metrics.pipeline.lake_maintenance import compact_lake, sweep_lake
from election_metrics.pipeline.pending_files import pending_files
from election_metrics.pipeline.publication import elections_behind
from election_metrics.pipeline.withdrawal import restore
from election_metrics.settings import Settings
from election_metrics.warehouse import lake_manifest, ledger
from election_metrics.warehouse.as_of import known_at
from election_metrics.warehouse.database import transaction
from election_metrics.warehouse.replace import read_frame
from election_metrics.warehouse.tables import LINEAGE, WITH_HISTORY
from election_metrics_tests.computing import TABLES, rows, update
from election_metrics_tests.reference import count
from faults.exports import Exports

_ROUNDS = 4
_MOST_TOLD = 5
# `figures_fall` depends on the history, not on the current files; so do the counts of findings.
_COUNTS_OF_FINDINGS = {"anomalies_critical", "anomalies_warning", "anomalies_info", "anomalies_by_rule"}
_STABLE = (
    "SELECT rule, constituency_id, region, severity, window_start, window_end, observed, expected "
    "FROM metrics.anomalies WHERE state <> 'resolved' AND rule <> 'figures_fall' "
    "ORDER BY rule, constituency_id, region, window_start"
)
_LEDGER = (
    "SELECT path, member, size, modified_ns, status, content_hash, constituency_id, region_code, region, election, "
    "constituency, interval_start, interval_end, lines, rows, rollbacks, repeated, rejected, first_transaction_at, "
    "last_transaction_at, reason FROM ingest.transaction_files WHERE status <> 'superseded' ORDER BY path, member"
)
_CONFLICTS = "SELECT * FROM metrics.conflicting_transactions"
_QUARANTINE = (
    "SELECT DISTINCT member_of.path, member_of.member, line_number, rejected_transactions.reason, content "
    "FROM ingest.rejected_transactions JOIN ingest.transaction_files AS member_of USING (content_id) "
    "WHERE member_of.status = 'landed' ORDER BY 1, 2, 3"
)


def settle(settings: Settings) -> None:
    """Restores what is withdrawn, and waits until nothing is stale.

    Raises:
        AssertionError: something stays stale.
    """
    for path in rows(settings, "SELECT DISTINCT path FROM ingest.transaction_files WHERE status = 'withdrawn'")["path"]:
        restore(settings, path, "faults")
    for _ in range(_ROUNDS):
        update(settings, settings.source_path, _now())
        behind = list(_behind(settings))
        if not behind:
            return
    raise AssertionError(f"still behind after {_ROUNDS} rounds: {behind}")


def _now() -> pd.Timestamp:
    return pd.Timestamp.now(tz="UTC").to_pydatetime()


def _behind(settings: Settings) -> Iterator[str]:
    pending, unseen, _ = pending_files(settings, settings.source_path, settled_only=False)
    yield from (f"pending: {file.path}" for file in pending)
    yield from (f"unseen: {problem.version.path}" for problem in unseen)
    yield from (f"dirty: {hour}" for hour in changed_hours(settings, _now()))
    yield from (f"behind: {election}" for election in elections_behind(settings))


def sweep(settings: Settings) -> None:
    """Runs maintenance, more than a day later."""
    compact_lake(settings, dry_run=False)
    sweep_lake(settings, dry_run=False)


def landed_versions(settings: Settings) -> set[tuple[str, int, int]]:
    """The current file versions in the ledger."""
    with transaction(settings) as connection:
        return ledger.known_versions(connection)


def broken(settings: Settings, clean: Settings, exports: Exports) -> list[str]:
    """All differences from the clean computation, and all violated invariants of the tables."""
    update(clean, clean.source_path, _now())
    found = [f"still {what}" for what in _behind(settings)]
    found += _differences(settings, clean)
    found += _not_accounted(settings, exports)
    found += _counted_otherwise(settings, exports)
    found += _left(settings)
    found += _torn_history(settings)
    again = update(settings, settings.source_path, _now() + timedelta(seconds=1))
    if again.files:
        found.append(f"{again.files} file(s) landed again though nothing was pending")
    return found


def _differences(settings: Settings, clean: Settings) -> Iterator[str]:
    for table, query in _queries().items():
        ours, theirs = (_records(rows(each, query)) for each in (settings, clean))
        if ours == theirs:
            continue
        yield f"{table}: {len(ours)} row(s), {len(theirs)} in the clean computation"
        for mine, wanted in list(zip_longest(ours, theirs, fillvalue={}))[: _MOST_TOLD * 20]:
            if mine != wanted:
                names = [name for name in mine | wanted if mine.get(name) != wanted.get(name)]
                yield f"  {table}: {list((mine or wanted).values())[:3]}: " + ", ".join(
                    f"{name} is {mine.get(name)!r}, should be {wanted.get(name)!r}" for name in names[:_MOST_TOLD]
                )


_OVERLAPS = """
    WITH version AS (
        SELECT {key}, commit_number, replaced_in FROM history.{name}_replaced
        UNION ALL SELECT {key}, commit_number, NULL FROM metrics.{name}
    )
    SELECT * FROM (
        SELECT *, lag(replaced_in) OVER (PARTITION BY {key} ORDER BY commit_number) AS before,
            row_number() OVER (PARTITION BY {key} ORDER BY commit_number) AS place
        FROM version
    ) AS placed
    WHERE place > 1 AND (before IS NULL OR before > commit_number)
"""
_SUMS_DIFFER = """
    SELECT hour, sums.votes_cast, whole.votes_cast AS shown FROM (
        SELECT election_id, hour, sum(votes_cast) AS votes_cast FROM as_of.hourly_stats GROUP BY 1, 2
    ) AS sums FULL JOIN as_of.election_hours AS whole USING (election_id, hour)
    WHERE sums.votes_cast IS DISTINCT FROM whole.votes_cast
"""


def _torn_history(settings: Settings) -> Iterator[str]:
    """Versions of a row that overlap, and moments at which the tables did not agree with one another."""
    for table in WITH_HISTORY:
        key = ", ".join(column.name for column in table.primary_key)
        overlapping = rows(settings, _OVERLAPS.format(key=key, name=table.name))
        yield from (f"history of {table.name}: versions overlap: {row}" for row in overlapping.itertuples())
    times = rows(settings, "SELECT committed_at FROM history.commits WHERE is_kept ORDER BY commit_number")[
        "committed_at"
    ]
    if not times.is_monotonic_increasing:
        yield "commits are not in the order of their times"
    for moment in times:
        with transaction(settings) as connection:
            known_at(connection, moment.to_pydatetime()).execution_options(reads_the_past=False)
            differing = read_frame(connection, sa.text(_SUMS_DIFFER))
        yield from (f"as of {moment}: {row}" for row in differing.itertuples())


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    frame = frame.drop(columns=[name for name in frame.columns if name in {*LINEAGE, *_COUNTS_OF_FINDINGS}])
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return sorted(records, key=lambda record: repr(list(record.values())))


def _queries() -> dict[str, str]:
    derived = {table: f"SELECT * FROM metrics.{table}" for table in TABLES}
    return derived | {
        "findings": _STABLE, "ledger": _LEDGER, "quarantine": _QUARANTINE, "conflicts": _CONFLICTS
    }  # fmt: skip


def _not_accounted(settings: Settings, exports: Exports) -> Iterator[str]:
    frame = rows(settings, _LEDGER)
    frame["name"] = _names(frame)
    landed = frame[frame["status"] == "landed"]
    sums = landed[["rows", "rollbacks", "repeated", "rejected"]].sum(axis=1)
    for row in landed[sums != landed["lines"]].itertuples():
        yield f"the ledger does not add up: {row}"
    counted = dict(exports.lines())
    for row in landed.itertuples():
        if row.name in counted and counted[row.name] != row.lines:
            yield f"{row.name} has {counted[row.name]} lines, but the ledger says {row.lines}"
    unseen = {str(path) for path in exports.delivered()} - set(frame["path"])
    yield from (f"the ledger does not know {path}" for path in sorted(unseen))


def _counted_otherwise(settings: Settings, exports: Exports) -> Iterator[str]:
    """Hours that differ from those of the reference in plain Python, which shares no code with the pipeline."""
    landed = set(rows(settings, _LEDGER).query("status == 'landed'").pipe(_names))
    files = [(_contract(name), content) for name, content in exports.contents() if name in landed]
    latest_ms = int((_now() + timedelta(days=1)).timestamp() * 1000)
    counted = count(files, latest_ms, int(settings.first_hour.timestamp() * 1000)).hours
    frame = rows(settings, "SELECT * FROM metrics.hourly_stats").astype(object)
    ours = {
        (row["constituency_id"], int(row["hour"].timestamp()) // 3600): row
        for row in frame.where(frame.notna(), None).to_dict("records")
    }
    for key in sorted(set(ours) | set(counted)):
        mine, wanted = ours.get(key, {}), counted.get(key, {})
        for name in wanted or mine:
            if mine.get("registered_voters" if name == "register" else name) != wanted.get(name):
                yield f"{key}: {name} is {mine.get(name)}, the reference in Python says {wanted.get(name)}"
                break


def _contract(name: str) -> str:
    return PurePath(name).name.partition("_")[0].removesuffix(".csv")


def _names(frame: pd.DataFrame) -> "pd.Series[str]":
    return frame["path"] + frame["member"].map(lambda member: f"/{member}" if member else "")


def _left(settings: Settings) -> Iterator[str]:
    with transaction(settings) as connection:
        counted = lake_manifest.every_part(connection)
    files = [path for path in settings.lake_path.rglob("*") if path.is_file()]
    there = {str(path.relative_to(settings.lake_path)) for path in files}
    yield from (f"left in the lake: {path}" for path in sorted(there - counted))
    yield from (f"gone from the lake: {path}" for path in sorted(counted - there))
