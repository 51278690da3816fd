"""Reads and stores elections and constituencies, as frames."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from election_metrics.errors import ElectionMetricsError
from election_metrics.warehouse.ledger import is_any_of
from election_metrics.warehouse.replace import notify, read_frame
from election_metrics.warehouse.tables import (
    LINEAGE,
    anomalies,
    constituencies,
    constituency_reference,
    constituency_registry,
    constituency_versions,
    election_reference,
    election_versions,
    elections,
    registry_version,
)
from election_metrics.warehouse.unreadable import CONTRACT_OF_FILE

_STANDING_EVENTS = (
    "SELECT constituency_id, occurred_at, operation, voters, names_precinct FROM ingest.standing_registry_events"
)


def read_paths_of(connection: sa.Connection, constituencies: Sequence[str]) -> dict[str, str]:
    """A path of a current file by constituency_id."""
    query = sa.text(
        "SELECT constituency_id, min(rtrim(path || '/' || member, '/')) FROM ingest.transaction_files "
        "WHERE status = 'landed' AND gone_at IS NULL AND constituency_id = ANY(:ids) GROUP BY constituency_id"
    )
    return {name: path for name, path in connection.execute(query, {"ids": list(constituencies)})}


def read_disagreeing_paths(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Constituencies of an election whose files lie in several regions or elections: constituency_id, paths."""
    return read_frame(
        connection,
        sa.text(
            """
            WITH torn AS (
                SELECT constituency_id
                FROM ingest.transaction_files AS file JOIN metrics.constituencies AS place USING (constituency_id)
                WHERE place.election_id = :election AND status = 'landed' AND gone_at IS NULL
                GROUP BY constituency_id
                HAVING min(file.region) <> max(file.region) OR min(election) <> max(election)
            )
            SELECT constituency_id, array_agg(path ORDER BY path) AS paths
            FROM (
                SELECT constituency_id, region, election, min(rtrim(path || '/' || member, '/')) AS path
                FROM ingest.transaction_files JOIN torn USING (constituency_id)
                WHERE status = 'landed' AND gone_at IS NULL AND coalesce(region, election) IS NOT NULL
                GROUP BY constituency_id, region, election
            ) AS said
            GROUP BY constituency_id
            """
        ),
        election=election,
    )


def read_places(connection: sa.Connection) -> pd.DataFrame:
    """Names of each constituency from paths and tables: constituency_id, election, constituency, region_code, region.

    If files disagree, the first path that names an election wins, independently of the order of landing; paths that
    exist and say anything come before those that are gone, files that can be read before those that cannot.
    """
    return read_frame(
        connection,
        sa.text(
            """
            SELECT DISTINCT ON (constituency_id) constituency_id, election, constituency, region_code, region
            FROM (
                SELECT
                    constituency_id, election, constituency, region_code, region, path, member,
                    gone_at IS NOT NULL AS is_gone, status = 'unreadable' AS is_unreadable
                FROM ingest.transaction_files
                WHERE status IN ('landed', 'unreadable') AND constituency_id <> ''
                UNION ALL
                SELECT constituency_id, election, NULL, NULL, NULL, 'table:' || source, '', FALSE, FALSE
                FROM ingest.table_constituencies
            ) AS place
            ORDER BY constituency_id, (election IS NULL AND region IS NULL), is_gone, is_unreadable, election IS NULL,
                region IS NULL, path, member
            """
        ),
    )


def read_events(connection: sa.Connection) -> pd.DataFrame:
    """Valid registry calls: constituency_id, occurred_at (UTC), operation, voters."""
    frame = read_frame(connection, sa.text(_STANDING_EVENTS))
    return frame.assign(
        occurred_at=pd.to_datetime(frame["occurred_at"], utc=True).astype("datetime64[us, UTC]"),
        voters=frame["voters"].astype("Int64"),
    )


def read_registry(connection: sa.Connection) -> pd.DataFrame:
    """The constituencies as known now, every column; hours are computed from these."""
    return read_frame(connection, sa.select(constituency_registry))


def read_constituencies(connection: sa.Connection) -> pd.DataFrame:
    """The published constituencies, every column, consistent with the published figures."""
    return read_frame(connection, sa.select(constituencies))


def publish_constituencies(connection: sa.Connection, named: Sequence[str] | None = None) -> None:
    """Publishes the constituencies as known now, of these elections or of all.

    The caller publishes everything that depends on them in the same transaction.
    """
    known, shown = constituency_registry, constituencies
    query = sa.select(known)
    if named is not None:
        moved = sa.select(shown.c.constituency_id).where(is_any_of(shown.c.election_id, named))
        query = query.where(sa.or_(is_any_of(known.c.election_id, named), known.c.constituency_id.in_(moved)))
    new = insert(shown)
    others = {column.name: new.excluded[column.name] for column in known.columns if not column.primary_key}
    # Only those that changed: a row that is written begins a commit.
    same = shown.c.constituency_id == known.c.constituency_id
    changed = sa.or_(*[shown.c[name].is_distinct_from(known.c[name]) for name in others])
    query = query.outerjoin_from(known, shown, same).where(sa.or_(shown.c.constituency_id.is_(None), changed))
    connection.execute(
        new.from_select(list(known.columns.keys()), query).on_conflict_do_update(
            index_elements=["constituency_id"], set_=others
        )
    )


def read_voting_times(connection: sa.Connection) -> list[tuple[str, datetime | None, datetime | None]]:
    """(name, starts_at, ends_at) of each election; None where not known."""
    query = sa.select(elections.c.name, elections.c.starts_at, elections.c.ends_at).order_by(
        sa.func.metrics.natural_order(elections.c.name)
    )
    return [(name, starts_at, ends_at) for name, starts_at, ends_at in connection.execute(query)]


def check_named(connection: sa.Connection, election: str | None = None, constituency: str | None = None) -> None:
    """Checks that the election and constituency exist: a mistyped name must not look like "nothing found".

    Raises:
        ElectionMetricsError: there is no such election, or no such constituency.
    """
    for what, name, table in (
        ("election", election, elections), ("constituency", constituency, constituencies)
    ):  # fmt: skip
        column = f"{what}_id"
        places = [sa.exists().where(one.c[column] == name) for one in (table, anomalies)]
        if name is not None and not connection.execute(sa.select(sa.or_(*places))).scalar_one():
            raise ElectionMetricsError(f"there is no {what} {name!r}; election-metrics export {table.name} lists them")


def election_ids(connection: sa.Connection) -> set[str]:
    """The ids of all elections."""
    return set(connection.execute(sa.select(elections.c.election_id)).scalars())


def read_constituency_reference(connection: sa.Connection) -> pd.DataFrame:
    """Overrides of constituencies, with the columns and types of a reference file."""
    columns = [column for column in constituency_reference.columns if not column.name.startswith("set_")]
    frame = read_frame(connection, sa.select(*columns)).astype({"registered_voters": "Int64"})
    for column in ("starts_at", "ends_at"):
        frame[column] = pd.to_datetime(frame[column], utc=True).astype("datetime64[us, UTC]")
    return frame


def read_election_reference(connection: sa.Connection) -> pd.DataFrame:
    """Overrides of elections: election_id, name, time_zone, opens_at, closes_at (local wall clock)."""
    columns = [election_reference.c[name] for name in ("election_id", "name", "time_zone", "opens_at", "closes_at")]
    return read_frame(connection, sa.select(*columns))


def mark_registry(connection: sa.Connection) -> None:
    """Records that the registry includes all present overrides."""
    version = registry_version.c.reference_version
    connection.execute(sa.update(registry_version).where(_IS_BEHIND).values(registry_version=version))


def mark_names_changed(connection: sa.Connection) -> None:
    """Marks the registry behind: names may follow from other files."""
    connection.execute(sa.update(registry_version).values(reference_version=registry_version.c.reference_version + 1))


def registry_is_behind(connection: sa.Connection) -> bool:
    """Whether overrides, or the files that names come from, changed after the registry was refreshed."""
    return bool(connection.execute(sa.select(_IS_BEHIND)).scalar_one())


_IS_BEHIND = registry_version.c.reference_version > registry_version.c.registry_version


def store_elections(connection: sa.Connection, frame: pd.DataFrame) -> set[str]:
    """Inserts or updates elections; returns those that changed."""
    known = {row.election_id: row for row in connection.execute(sa.select(elections))}
    figures = [name for name in frame.columns if name not in LINEAGE]
    # Only those that changed: a row that is written begins a commit.
    changed = [
        row
        for row in _records(frame)
        if row["election_id"] not in known
        or any(getattr(known[row["election_id"]], name) != row[name] for name in figures)
    ]
    return _upsert(connection, elections, changed, "election_id")


def store_constituencies(connection: sa.Connection, frame: pd.DataFrame) -> None:
    """Inserts or updates constituencies of the registry; readers see them once they are published."""
    _upsert(connection, constituency_registry, _records(frame), "constituency_id")


def drop_constituencies(connection: sa.Connection, ids: Sequence[str]) -> None:
    """Removes constituencies without overrides, paths and transactions, and findings on them."""
    silent = """
        constituency_id = ANY(:ids)
        AND NOT EXISTS (SELECT 1 FROM metrics.hourly_stats AS row WHERE row.constituency_id = {0}.constituency_id)
        AND NOT EXISTS (
            SELECT 1 FROM metrics.constituency_metrics AS row WHERE row.constituency_id = {0}.constituency_id
        )
    """
    for table in ("metrics.missing_input", "metrics.participation_extremes", "metrics.anomalies",
                  "ingest.constituency_versions", "metrics.constituencies",
                  "ingest.constituency_registry"):  # fmt: skip
        query = f"DELETE FROM {table} WHERE {silent.format(table)}"  # noqa: S608 names are ours
        connection.execute(sa.text(query), {"ids": list(ids)})


def drop_empty_elections(connection: sa.Connection) -> None:
    """Removes elections without constituencies, with their derived rows; notifies listeners."""
    used = sa.union(sa.select(constituencies.c.election_id), sa.select(constituency_registry.c.election_id))
    empty = sa.select(elections.c.election_id).where(elections.c.election_id.not_in(used))
    ids = list(connection.execute(empty).scalars())
    derived = ("metrics.election_hours", "metrics.election_summaries", "metrics.region_summaries",
               "metrics.participation_extremes", "metrics.missing_input", "metrics.anomaly_thresholds",
               "metrics.reconciliations", "metrics.rule_coverage",
               "ingest.constituency_versions", "ingest.election_versions")  # fmt: skip
    for table in (*derived, "metrics.elections"):
        dropped = connection.execute(
            sa.text(
                f"DELETE FROM {table} WHERE election_id = ANY(:ids) AND NOT EXISTS "  # noqa: S608 names are ours
                f"(SELECT 1 FROM metrics.hourly_stats AS row WHERE row.election_id = {table}.election_id) "
                f"AND NOT EXISTS "
                f"(SELECT 1 FROM metrics.constituency_metrics AS row WHERE row.election_id = {table}.election_id)"
            ),
            {"ids": ids},
        )
    if dropped.rowcount:
        # A finding on a constituency goes with it to its new election.
        connection.execute(
            sa.delete(anomalies).where(
                anomalies.c.election_id.in_(ids),
                anomalies.c.election_id.not_in(sa.select(elections.c.election_id)),
                sa.or_(
                    anomalies.c.constituency_id.is_(None),
                    anomalies.c.constituency_id.not_in(sa.select(constituencies.c.constituency_id)),
                ),
            )
        )
        notify(connection, elections, [None])


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]


def _upsert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, object]], key: str) -> set[str]:
    """Returns the keys of the rows that are new or changed."""
    if not rows:
        return set()
    new = insert(table)
    others = {name: new.excluded[name] for name in rows[0] if name != key}
    # An unchanged row keeps its computed_at, so that nothing downstream is computed again.
    compared = [name for name in others if name not in LINEAGE]
    changed = sa.or_(*[table.c[name].is_distinct_from(new.excluded[name]) for name in compared])
    upsert = new.on_conflict_do_update(index_elements=[key], set_=others, where=changed)
    return set(connection.execute(upsert.returning(table.c[key]), rows).scalars())


def touch_elections(connection: sa.Connection, ids: Iterable[str], cause: str = "reference data") -> None:
    """Marks every derived row of these elections stale; `cause` is one of `commits.CAUSES`."""
    for election in sorted(ids):
        version = _next_version(connection, election)
        connection.execute(
            sa.update(election_versions)
            .where(election_versions.c.election_id == election)
            .values(whole_version=version, causes=[cause])
        )


def touch_constituencies(
    connection: sa.Connection, changed: Mapping[str, Sequence[str]], since_hour: int | None = None
) -> None:
    """Marks derived rows of these constituencies stale, by election; without any, only rows of whole elections.

    `since_hour` is the first hour (since 1970) that changed; None: any may have. A constituency is stale in the
    election that it votes in; for another election that had hours of it, only the rows of the whole election are
    stale.
    """
    named = sorted({name for ids in changed.values() for name in ids})
    query = sa.select(constituency_registry.c.constituency_id, constituency_registry.c.election_id)
    known = connection.execute(query.where(is_any_of(constituency_registry.c.constituency_id, named)))
    own = {row.constituency_id: row.election_id for row in known}
    waiting = _since_of_waiting(connection, named)
    for election, ids in sorted(changed.items()):
        version = _next_version(connection, election)
        rows: list[dict[str, object]] = [
            {"constituency_id": name, "election_id": election, "hourly_version": version,
             "since_hour": _earlier(waiting.get(name, since_hour), since_hour)}
            for name in sorted(ids)
            if own.get(name, election) == election
        ]  # fmt: skip
        _upsert(connection, constituency_versions, rows, "constituency_id")


def _since_of_waiting(connection: sa.Connection, named: Sequence[str]) -> dict[str, int | None]:
    """The first hour that changed, of those constituencies that are stale already."""
    of, version = constituency_versions.c, election_versions.c
    query = (
        sa.select(of.constituency_id, of.since_hour)
        .join(election_versions, version.election_id == of.election_id)
        .where(is_any_of(of.constituency_id, named), of.hourly_version > version.metrics_version)
    )
    return {row.constituency_id: row.since_hour for row in connection.execute(query)}


def _earlier(one: int | None, other: int | None) -> int | None:
    """The earlier hour; None, which is any hour, is the earliest."""
    return None if one is None or other is None else min(one, other)


def touch_elections_of_files(connection: sa.Connection, paths: Sequence[str], *, only_rejected: bool = False) -> None:
    """Marks rows of whole elections stale, for the elections that these files belong or belonged to.

    A file that could not be read belongs to the contract in its name. With `only_rejected`, only files that have lines
    in quarantine count.
    """
    query = sa.text(
        "SELECT DISTINCT election_id FROM ingest.transaction_files AS file "  # noqa: S608 our own text
        f"JOIN ingest.constituency_registry AS place ON place.constituency_id = {CONTRACT_OF_FILE} "
        "WHERE path = ANY(:paths) AND (rejected > 0 OR NOT :only_rejected)"
    )
    elections_of = connection.execute(query, {"paths": list(paths), "only_rejected": only_rejected}).scalars()
    touch_constituencies(connection, {election: [] for election in elections_of})


def touch_elections_of(connection: sa.Connection, ids: Iterable[str]) -> None:
    """Marks rows of whole elections stale, for the elections of these constituencies."""
    touch_constituencies(connection, {election: [] for election in by_election(connection, ids)})


def by_election(connection: sa.Connection, ids: Iterable[str]) -> dict[str, list[str]]:
    """These constituencies by election."""
    known = constituency_registry
    query = sa.select(known.c.election_id, known.c.constituency_id)
    found: dict[str, list[str]] = {}
    for election, constituency in connection.execute(query.where(is_any_of(known.c.constituency_id, sorted(set(ids))))):
        found.setdefault(election, []).append(constituency)
    return found


def _next_version(connection: sa.Connection, election: str) -> int:
    """Increments the election's hourly_version; concurrent callers wait for this transaction."""
    new = insert(election_versions).values(
        election_id=election, hourly_version=1, metrics_version=0, summary_version=0, whole_version=0
    )
    counted = new.on_conflict_do_update(
        index_elements=["election_id"], set_={"hourly_version": election_versions.c.hourly_version + 1}
    )
    return int(connection.execute(counted.returning(election_versions.c.hourly_version)).scalar_one())
