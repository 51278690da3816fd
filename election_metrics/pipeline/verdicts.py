"""Takes in a verifier's list of invalid ballots, and finds where these ballots count.

What the chain accepted stays counted: a verdict is told beside the figures. Hours that are computed later look for the
ballots of every list themselves, so that ids which are not known yet are found once they land.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from election_metrics.errors import ElectionMetricsError
from election_metrics.lake import hours as lake
from election_metrics.lake.connect import connect
from election_metrics.pipeline.hour_figures import chunks_of_hours, read_inputs
from election_metrics.pipeline.overrides import add_to_audit, audited_transaction
from election_metrics.pipeline.progress import Report
from election_metrics.settings import Settings
from election_metrics.sources.verdict_list import read_verdict_list
from election_metrics.warehouse import registry, stale_hours
from election_metrics.warehouse import verdicts as store
from election_metrics.warehouse.database import session_lock, transaction
from election_metrics.warehouse.replace import notify
from election_metrics.warehouse.tables import verdict_lists as table

_LONGEST_NAME = 200


@dataclass(frozen=True)
class VerdictReport:
    """What became of a list.

    Attributes:
        verdicts: entries that were taken in.
        votes_found_invalid: votes that count here and are in the list.
        not_counted: ids in the list of transactions that are no vote that counts here, by what they count as.
        unknown: ids in the list that are not known here.
        problems: entries that were not taken in, one line each.
    """

    verdicts: int
    votes_found_invalid: int
    not_counted: dict[str, int]
    unknown: list[str]
    problems: list[str] = field(default_factory=list)


def take_verdicts(
    settings: Settings, path: Path, verifier: str, who: str, progress: Report | None = None
) -> VerdictReport:
    """Replaces the list of a verifier by that of a file.

    Raises:
        DataError: the file cannot be read, or is no list of verdicts.
        ElectionMetricsError: the list has no entry, or the verifier has no name.
    """
    found = read_verdict_list(path)
    if not verifier.strip() or not verifier.isprintable() or len(verifier) > _LONGEST_NAME:
        raise ElectionMetricsError(
            f"say who found these ballots invalid, in at most {_LONGEST_NAME} letters: --verifier NAME"
        )
    if not found.reasons:
        raise ElectionMetricsError(
            f"{path} has no verdict that can be read; to take back what {verifier} said: --remove"
        )
    rows = _replace(settings, verifier, found.reasons, who, progress)
    own = rows[rows["transaction_id"].isin(found.reasons)]
    counted = own["counts_as"] == "vote_cast"
    return VerdictReport(
        verdicts=len(found.reasons),
        votes_found_invalid=int(own.loc[counted, "votes"].sum()),
        not_counted={str(kind): int(number) for kind, number in own.loc[~counted, "counts_as"].value_counts().items()},
        unknown=sorted(set(found.reasons) - set(own["transaction_id"])),
        problems=found.problems,
    )


def remove_verdicts(settings: Settings, verifier: str, who: str) -> None:
    """Takes back the list of a verifier.

    Raises:
        ElectionMetricsError: there is none.
    """
    with transaction(settings) as connection:
        known = list(store.read_lists(connection)["verifier"])
    if verifier not in known:
        named = f"; there are those of: {', '.join(known)}" if known else ""
        raise ElectionMetricsError(f"there are no verdicts of {verifier!r}{named}")
    _replace(settings, verifier, {}, who)


def _replace(
    settings: Settings, verifier: str, reasons: Mapping[str, str], who: str, progress: Report | None = None
) -> pd.DataFrame:
    """Replaces a list, and finds the ballots of all lists: rows of `verdict_rows`."""
    now = datetime.now(UTC)
    with session_lock(settings, "hourly_stats"):  # no hour is computed with the earlier lists meanwhile
        with transaction(settings) as connection:
            others = store.read_ids(connection, but=verifier)
            first, last = stale_hours.first_and_last_hour(connection)
        ids = pd.DataFrame({"transaction_id": sorted({*others["transaction_id"], *reasons})}, dtype="str")
        rows = lake.no_verdict_rows()
        if first is not None and last is not None and len(ids):
            rows = _find(settings, ids, first, last, progress)
        with audited_transaction(settings, who) as connection:
            store.replace_list(connection, verifier, reasons, now)
            touched = registry.by_election(connection, store.replace_rows(connection, rows))
            registry.touch_constituencies(connection, {election: [] for election in touched})
            add_to_audit(connection, who, "verdicts", verifier, {"verdicts": len(reasons)})
            notify(connection, table, touched or [None])
    return rows


def _find(settings: Settings, ids: pd.DataFrame, first: int, last: int, progress: Report | None) -> pd.DataFrame:
    frames = []
    with connect(settings) as engine:
        for chunk_first, chunk_last in chunks_of_hours(settings, first, last):
            lake.open_hours(engine, read_inputs(settings, chunk_first, chunk_last).hours)
            frames.append(lake.verdict_rows(engine, ids))
            if progress:
                progress(chunk_last - first + 1, last - first + 1)
    return pd.concat(frames, ignore_index=True)
