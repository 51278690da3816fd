"""Records a landing in the ledger: files, parts, quarantine, registry calls, corrections, stale hours.

Everything here happens in the single transaction of the landing.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
import sqlalchemy as sa

from election_metrics.clock import HOUR_MS
from election_metrics.digest import name_for
from election_metrics.lake import landing as lake
from election_metrics.lake.engine import Engine, Readable
from election_metrics.locations import Location
from election_metrics.settings import Settings
from election_metrics.sources.file_versions import Unreadable
from election_metrics.sources.tallies import read_dimension, read_tally
from election_metrics.warehouse import corrections, lake_manifest, ledger, registry, stale_hours

MOST_REJECTED_SHOWN = 10_000
"""The most lines of a file in quarantine, from the first on; the ledger counts all of them."""
_FACTS = ("lines", "rows", "rollbacks", "repeated", "rejected", "first_transaction_at", "last_transaction_at")


def ledger_rows(
    versions: pd.DataFrame, facts: dict[int, dict[str, object]], run_id: str, now: datetime
) -> pd.DataFrame:
    """Ledger rows for landed versions, with the counts of their contents' lines, by content_id."""
    empty: dict[str, object] = dict.fromkeys(_FACTS[:5], 0) | dict.fromkeys(_FACTS[5:])
    if versions.empty:
        return pd.DataFrame()
    account = pd.DataFrame([facts.get(number, empty) for number in versions["content_id"]], index=versions.index)
    for moment in _FACTS[5:]:
        account[moment] = pd.to_datetime(account[moment], utc=True)
    return versions.join(account).assign(status="landed", run_id=run_id, seen_at=now)


def unreadable_rows(unreadable: Sequence[Unreadable], run_id: str, now: datetime) -> pd.DataFrame:
    """Ledger rows for files that could not be read, with what their paths say."""
    return pd.DataFrame.from_records(
        [
            {
                "path": export.version.path,
                "member": export.member,
                "size": export.version.size,
                "modified_ns": export.version.modified_ns,
                **({} if export.place is None else asdict(export.place)),
                "status": "unreadable",
                "reason": export.reason,
                "run_id": run_id,
                "seen_at": now,
            }
            for export in unreadable
        ]
    )


def content_facts(engine: Engine) -> dict[int, dict[str, object]]:
    """Counts of the lines of each staged content, by content_id."""
    frame = engine.query(
        """
        SELECT
            content_id,
            count(*) + coalesce(any_value(repeated), 0) AS lines,
            count(*) FILTER (WHERE rejection IS NULL AND NOT is_rollback) AS rows,
            count(*) FILTER (WHERE rejection IS NULL AND is_rollback) AS rollbacks,
            coalesce(any_value(repeated), 0) AS repeated,
            count(rejection) AS rejected,
            min(occurred_ms) FILTER (WHERE rejection IS NULL AND NOT is_rollback) AS first_ms,
            max(occurred_ms) FILTER (WHERE rejection IS NULL AND NOT is_rollback) AS last_ms
        FROM staged
        LEFT JOIN repeats USING (content_id)
        GROUP BY content_id
        """
    )
    frame["first_transaction_at"] = pd.to_datetime(frame.pop("first_ms"), unit="ms", utc=True)
    frame["last_transaction_at"] = pd.to_datetime(frame.pop("last_ms"), unit="ms", utc=True)
    return {int(row.pop("content_id")): row for row in frame.to_dict("records")}


def ledger_facts(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, dict[str, object]]:
    """The same counts of contents that landed before, from the ledger, for files with the same bytes."""
    query = sa.text(
        f"SELECT DISTINCT ON (content_id) content_id, {', '.join(_FACTS)} FROM ingest.transaction_files "  # noqa: S608
        "WHERE content_id = ANY(:numbers) ORDER BY content_id, file_id"
    )
    rows = connection.execute(query, {"numbers": list(numbers)}).mappings()
    return {row["content_id"]: {fact: row[fact] for fact in _FACTS} for row in rows}


@dataclass(frozen=True)
class LandedParts:
    """Parts of the lake: those of some constituencies, and all."""

    nearby: Sequence[Location]
    every: Sequence[Location]


def landed_parts(settings: Settings, engine: Engine, connection: sa.Connection) -> LandedParts:
    """The parts that may contain duplicates of staged rows: all parts for ids; of the same constituencies for votes."""
    staged = engine.query("SELECT DISTINCT constituency_id FROM staged WHERE rejection IS NULL AND NOT is_rollback")
    near = ledger.hours_of_constituencies(connection, set(staged["constituency_id"]))
    parts = lake_manifest.parts_of_hours(connection)
    nearby = parts["hour_number"].isin(near)
    return LandedParts(*([settings.lake_path / path for path in some["path"]] for some in (parts[nearby], parts)))


def record_rows(
    settings: Settings,
    engine: Engine,
    connection: sa.Connection,
    work: Path,
    new: Sequence[Readable],
    now: datetime,
) -> set[int]:
    """Writes the parts and everything that belongs to the rows; returns their hours."""
    name = name_for("\n".join(f"{file.content_id} {file.name}" for file in new))
    parts = lake.write_parts(engine, settings.lake_path, work, name)
    lake_manifest.add_parts(
        connection,
        pd.DataFrame(
            [(part.path, part.hour_number, part.rows, part.size, now) for part in parts],
            columns=["path", "hour_number", "rows", "size", "created_at"],
        ),
    )
    ledger.add_content_hours(
        connection,
        engine.query(
            "SELECT content_id, hour_number, count(*) AS rows FROM staged "
            "WHERE rejection IS NULL AND NOT is_rollback GROUP BY content_id, hour_number"
        ),
    )
    events = engine.query(
        "SELECT transaction_id, content_id, constituency_id, occurred_ms, operation, quantity AS voters, tally, "
        "dimension, precinct IS NOT NULL AS names_precinct FROM staged "
        "WHERE rejection IS NULL AND NOT is_rollback AND NOT failed AND "
        "(kind = 'register_change' OR operation IN ('createContract', 'startVoting', 'finishVoting', "
        "'startIssueBallots', 'stopIssueBallots', 'results'))"
    )
    events["occurred_at"] = pd.to_datetime(events.pop("occurred_ms"), unit="ms", utc=True)
    events["voters"] = events["voters"].astype("Int64")
    corrections.add_statements(connection, _statements(events))
    corrections.add_registry_events(connection, events.drop(columns=["tally", "dimension"]))
    names = pd.DataFrame({"content_id": [f.content_id for f in new], "file": [f.name for f in new]})
    rejected = engine.query(
        "SELECT content_id, line_number, rejection AS reason, coalesce(line_start, '') AS content "  # noqa: S608 a number
        "FROM staged WHERE rejection IS NOT NULL "
        f"QUALIFY row_number() OVER (PARTITION BY content_id ORDER BY line_number) <= {MOST_REJECTED_SHOWN}"
    )
    if len(rejected):
        ledger.add_rejected(connection, rejected.merge(names, on="content_id").assign(seen_at=now))
    return {part.hour_number for part in parts}


def _statements(events: pd.DataFrame) -> pd.DataFrame:
    """What contracts say of their ballots and their votes: every column of `contract_statements`."""
    said = events[(events["operation"] == "results") | events["dimension"].notna()]
    tallies = [read_tally(text if isinstance(text, str) else None) if operation == "results" else None
               for operation, text in zip(said["operation"], said["tally"], strict=True)]  # fmt: skip
    limits = said["dimension"].map(read_dimension, na_action="ignore")
    return said[["transaction_id", "content_id"]].assign(tally=tallies, dimension=limits.astype(object))


def record_corrections(
    engine: Engine,
    connection: sa.Connection,
    before: LandedParts,
    new: Sequence[int],
    dropped: Sequence[int],
    hours: set[int],
    cause: str,
) -> None:
    """Finds what new rows and dropped contents change in other hours, and marks those hours stale too.

    `cause` says why contents were dropped.
    """
    repeats = lake.find_repeats(engine, before.nearby, before.every)
    rolled = engine.query(
        "SELECT transaction_id, content_id, constituency_id FROM staged WHERE is_rollback AND rejection IS NULL"
    )
    policies = engine.query("SELECT transaction_id, content_id, constituency_id FROM staged WHERE last_vote_stands "
                            "AND rejection IS NULL AND NOT is_rollback")  # fmt: skip
    corrections.add_corrections(connection, _corrections(repeats.votes, rolled, policies))
    corrections.add_conflicts(connection, repeats.conflicts.astype({"quantity": "Int64"}))
    withdrawn = set(rolled["transaction_id"]) | set(corrections.rollback_ids(connection, dropped))
    # Another row of these ids may count now: everything that depends on it becomes stale.
    unsettled = withdrawn | set(repeats.conflicts["transaction_id"]) | corrections.conflicting_ids(connection, dropped)
    revoted = repeats.votes.loc[repeats.votes["kind"] == "vote_cast", "occurred_ms"]
    conflicted = repeats.hours | set(revoted // HOUR_MS)
    lost = ledger.hours_of_contents(connection, dropped)
    if withdrawn:
        conflicted |= lake.find_hours_of(engine, sorted(withdrawn), before.every)
    conflicted |= _hours_withdrawn_before(engine, corrections.rollback_ids(connection))
    conflicted |= corrections.hours_of_peers(connection, dropped, sorted(unsettled))
    conflicted |= corrections.hours_of_policies(connection, [*new, *dropped], sorted(withdrawn))
    stale_hours.mark_hours_stale(connection, lost, cause, conflicted=True)
    stale_hours.mark_hours_stale(connection, {int(hour) for hour in conflicted}, "correction", conflicted=True)
    stale_hours.mark_hours_stale(connection, hours, "new file", conflicted=False)
    stale_hours.mark_stale_after_registry_events(connection, [*new, *dropped], sorted(unsettled))
    # After the hours, because computations lock hours first, then elections. A finding may name files of other
    # constituencies, too.
    registry.touch_elections_of(connection, corrections.places_of_conflicts(connection, sorted(unsettled)))


_REPEATED = {"vote_cast": "repeated_vote", "bulletin_issued": "repeated_issue"}


def _corrections(votes: pd.DataFrame, rolled: pd.DataFrame, policies: pd.DataFrame) -> pd.DataFrame:
    columns = ["kind", "transaction_id", "content_id", "occurred_ms", "constituency_id", "sender"]
    return pd.concat(
        [
            votes.assign(kind=votes["kind"].map(_REPEATED))[columns],
            rolled.assign(kind="rollback", occurred_ms=0, sender=None)[columns],
            policies.assign(kind=corrections.LAST_STANDS, occurred_ms=0, sender=None)[columns],
        ],
        ignore_index=True,
    ).drop_duplicates(["kind", "transaction_id", "content_id", "occurred_ms"])


def _hours_withdrawn_before(engine: Engine, rollbacks: Sequence[str]) -> set[int]:
    """Hours of staged rows whose rollback landed before them."""
    if not rollbacks:
        return set()
    engine.put_frame("known_rollbacks", pd.DataFrame({"transaction_id": list(rollbacks)}), {"transaction_id": "STRING"})
    rows = engine.query(
        "SELECT DISTINCT hour_number FROM staged WHERE rejection IS NULL AND NOT is_rollback "
        "AND transaction_id IN (SELECT transaction_id FROM known_rollbacks)"
    )
    return {int(hour) for hour in rows["hour_number"]}
