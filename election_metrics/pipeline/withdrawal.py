"""Withdrawal: takes back everything that wrong files brought, and restores it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from election_metrics.clock import hour_start
from election_metrics.errors import ElectionMetricsError
from election_metrics.lake import landing as lake
from election_metrics.lake.connect import connect
from election_metrics.locations import as_one, is_url
from election_metrics.pipeline.compaction import compact_hours
from election_metrics.pipeline.hours import contiguous
from election_metrics.pipeline.landing import Landing, LandingReport, StagedBatch, commit_batch
from election_metrics.pipeline.overrides import add_to_audit, audited_transaction
from election_metrics.pipeline.scratch import make_scratch, work_folder
from election_metrics.settings import Settings
from election_metrics.warehouse import ledger, registry, withdrawals
from election_metrics.warehouse.commits import begin_commit
from election_metrics.warehouse.database import lock, transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import transaction_files

_MOST_IN_AUDIT = 100


@dataclass(frozen=True)
class Withdrawal:
    """What a target names.

    Attributes:
        files: the files (see `withdrawals.find_files`).
        hours: the hours with rows of them, since 1970 (UTC).
        elsewhere: a path by content_hash of each of their contents that other files have too, so that its rows stay.
    """

    files: pd.DataFrame
    hours: Sequence[int]
    elsewhere: Mapping[str, str]


def _settle(connection: sa.Connection, paths: Sequence[str]) -> None:
    registry.touch_elections_of_files(connection, paths)
    ledger.read_counts_again(connection, paths)


def find_withdrawal(settings: Settings, target: str, *, withdrawn: bool = False) -> Withdrawal:
    """What a target names, among the files that count; or, with `withdrawn`, among those that were withdrawn.

    Raises:
        ElectionMetricsError: it names none.
    """
    path = target if is_url(target) else str(as_one(Path(target)))
    with transaction(settings) as connection:
        files = withdrawals.find_files(connection, target, path, "withdrawn" if withdrawn else "landed")
        if files.empty:
            before = not withdrawn and not withdrawals.find_files(connection, target, path, "withdrawn").empty
            raise ElectionMetricsError(
                f"{target!r} is already withdrawn; to restore it: --undo"
                if before
                else _names_nothing(target, withdrawn=withdrawn)
            )
        contents = sorted({int(number) for number in files["content_id"].dropna()})
        hours = sorted(ledger.hours_of_contents(connection, contents))
        left = _contents_elsewhere(connection, contents, list(files["file_id"]))
    return Withdrawal(files, hours, left)


def _names_nothing(target: str, *, withdrawn: bool) -> str:
    if withdrawn:
        return f"{target!r} names no file that was withdrawn; election-metrics export input_notes shows what was"
    return (
        f"{target!r} names no file that counts: give a path (election-metrics export transaction_files lists them), "
        f"the first {withdrawals.FEWEST_DIGITS} or more digits of a content_hash, an election_id or a constituency_id. "
        "Rows of a table are taken out of that table"
    )


def _contents_elsewhere(connection: sa.Connection, contents: list[int], file_ids: list[int]) -> dict[str, str]:
    query = sa.text(
        "SELECT content_hash, min(rtrim(path || '/' || member, '/')) FROM ingest.transaction_files "
        "WHERE status = 'landed' AND content_id = ANY(:contents) AND file_id <> ALL(:files) GROUP BY content_hash"
    )
    return {name: path for name, path in connection.execute(query, {"contents": contents, "files": file_ids})}


def withdraw(settings: Settings, target: str, who: str, reason: str) -> LandingReport:
    """Withdraws the files that a target names, in one transaction; their hours become stale.

    Their rows leave the lake after it. A process that ends before that leaves them to the lake's next compaction; they
    count nowhere.

    Raises:
        ElectionMetricsError: the target names no file that counts.
    """
    found = find_withdrawal(settings, target)
    now = datetime.now(UTC)
    report = LandingReport()
    make_scratch(settings)
    paths = sorted(set(found.files["path"]))
    ids = [int(number) for number in found.files["file_id"]]
    batch = StagedBatch(
        versions=pd.DataFrame(),
        new=[],
        settled=[],
        take_back=lambda connection: withdrawals.withdraw(connection, ids, target, reason, now),
        settle=lambda connection: _settle(connection, paths),
        cause="withdrawal",
    )
    with (
        connect(settings) as engine,
        work_folder(settings.scratch_path) as work,
        audited_transaction(settings, who) as connection,
    ):
        lock(connection, "land")
        begin_commit(connection, None, ["withdrawal"])
        lake.stage(engine, settings, [], work, now)
        lake.drop_repeats_within_files(engine)
        withdrawals.forget_highest(connection, set(found.files["constituency_id"]))
        commit_batch(Landing(settings, engine, "withdraw", now, report), connection, batch, work)
        withdrawals.forget_rows(connection, ids)
        _audit(connection, who, "withdraw", target, found.files, reason)
    for first, last in contiguous([hour_start(number) for number in found.hours], len(found.hours)):
        compact_hours(settings, first, last + timedelta(hours=1), least=1)
    return report


def restore(settings: Settings, target: str, who: str) -> Withdrawal:
    """Makes withdrawn files pending, so that they land again where they still exist.

    Raises:
        ElectionMetricsError: the target names no file that was withdrawn.
    """
    found = find_withdrawal(settings, target, withdrawn=True)
    with audited_transaction(settings, who) as connection:
        lock(connection, "land")
        withdrawals.restore(connection, [int(number) for number in found.files["file_id"]])
        notify(connection, transaction_files, [None])
        _audit(connection, who, "restore-withdrawn", target, found.files, None)
    return found


def _audit(
    connection: sa.Connection, who: str, action: str, target: str, files: pd.DataFrame, reason: str | None
) -> None:
    names = [f"{path}/{member}".rstrip("/") for path, member in zip(files["path"], files["member"], strict=True)]
    after = {"reason": reason, "number_of_files": len(names), "files": names[:_MOST_IN_AUDIT]}
    add_to_audit(connection, who, action, target, after)
