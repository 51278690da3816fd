"""What the portal published, as it published it: every collection that differs is a version of its own."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import orjson
import pandas as pd
import sqlalchemy as sa

from election_metrics.warehouse.ledger import is_any_of
from election_metrics.warehouse.replace import read_frame
from election_metrics.warehouse.tables import (
    portal_answers,
    portal_charts,
    portal_contracts,
    portal_counters,
    portal_hours,
)

Row = dict[str, Any]
Kept = tuple[str | None, str | None, str]
"""ETag, Last-Modified and text of an answer."""

_LASTING = ("offset_hours", "starts_at", "ends_at", "accepted_until")
_COLLECTED_AT = {"portal_precincts": "precincts_at", "portal_results": "results_at"}
_SETTLES = "interval '5 minutes'"


def read_kept(connection: sa.Connection) -> dict[str, Kept]:
    """Answers that the portal may confirm, by path."""
    rows = connection.execute(sa.select(portal_answers))
    return {row.path: (row.etag, row.last_modified, row.answer) for row in rows}


def store_kept(connection: sa.Connection, kept: dict[str, Kept]) -> None:
    """Stores such answers."""
    if kept:
        connection.execute(
            sa.text(
                "INSERT INTO ingest.portal_answers VALUES (:path, :etag, :modified, :answer) ON CONFLICT (path) DO "
                "UPDATE SET etag = excluded.etag, last_modified = excluded.last_modified, answer = excluded.answer"
            ),
            [
                {"path": path, "etag": etag, "modified": modified, "answer": answer.replace("\0", "")}
                for path, (etag, modified, answer) in sorted(kept.items())
            ],
        )


def store_contracts(
    connection: sa.Connection, rows: Sequence[Row], gone: Sequence[str], run_id: str, now: datetime
) -> bool:
    """Stores what the portal lists, and which contracts it does not list any more; returns whether anything changed.

    A zone, and times, that it stated before stay until it states others. What the older hierarchy lists, which says
    less, replaces nothing that the newer one said.
    """
    names = [column.name for column in portal_contracts.c if column.name not in ("seen_at", "gone_at", "run_id")]
    said = [name for name in names if name != "constituency_id"]
    new = {name: f"coalesce(excluded.{name}, row.{name})" if name in _LASTING else f"excluded.{name}" for name in said}
    given = _given(connection, portal_contracts, names)
    values = {"rows": _json(rows), "now": now, "run_id": run_id}
    changed = connection.execute(
        sa.text(
            f"INSERT INTO metrics.portal_contracts AS row ({', '.join(names)}, seen_at, run_id) "  # noqa: S608 names are ours
            f"SELECT new.*, :now, :run_id FROM {given} ON CONFLICT (constituency_id) DO UPDATE SET "
            f"{', '.join(f'{name} = {value}' for name, value in new.items())}, gone_at = NULL, "
            "run_id = excluded.run_id WHERE NOT (excluded.commission IS NULL AND row.commission IS NOT NULL) "
            f"AND ({', '.join(f'row.{name}' for name in said)}, row.gone_at) "
            f"IS DISTINCT FROM ({', '.join(new.values())}, NULL) RETURNING 1"
        ),
        values,
    ).all()
    connection.execute(
        sa.text(
            f"UPDATE metrics.portal_contracts AS row SET seen_at = :now FROM {given} "  # noqa: S608 names are ours
            "WHERE row.constituency_id = new.constituency_id"
        ),
        {"rows": values["rows"], "now": now},
    )
    connection.execute(
        sa.text("UPDATE metrics.portal_contracts SET gone_at = :now WHERE constituency_id = ANY(:ids)"),
        {"now": now, "ids": list(gone)},
    )
    return bool(changed or gone)


def store_counters(connection: sa.Connection, rows: Sequence[Row], run_id: str, now: datetime) -> set[str]:
    """Stores the counters of contracts; returns those whose figures changed."""
    return _store(connection, portal_counters, rows, run_id, now)


def store_hours(
    connection: sa.Connection, contracts: Sequence[str], rows: Sequence[Row], run_id: str, now: datetime
) -> set[str]:
    """Stores all hourly counts of these contracts; returns those whose figures changed."""
    changed = _take_back(connection, contracts, rows, run_id, now)
    changed |= _store(connection, portal_hours, [{**row, "seen_at": now} for row in rows], run_id, now)
    given = _given(connection, portal_hours, ["constituency_id", "label"])
    connection.execute(
        sa.text(
            f"UPDATE metrics.portal_hours AS row SET seen_at = :now FROM {given} "  # noqa: S608 names are ours
            "WHERE row.constituency_id = new.constituency_id AND row.label = new.label AND superseded_at IS NULL "
            f"AND row.seen_at < row.ends_at + {_SETTLES} AND row.seen_at < :now"
        ),
        {"rows": _json(rows), "now": now},
    )
    return changed


def store_lists(
    connection: sa.Connection,
    table: sa.Table,
    contracts: Sequence[str],
    rows: Sequence[Row],
    run_id: str,
    now: datetime,
) -> set[str]:
    """Stores the whole lists (precincts, results) of these contracts; returns those whose figures changed."""
    changed = _end_others(connection, table, contracts, rows, now)
    changed |= _store(connection, table, rows, run_id, now)
    collected = sa.update(portal_charts).where(is_any_of(portal_charts.c.constituency_id, list(contracts)))
    connection.execute(collected.values({_COLLECTED_AT[table.name]: now}))
    return changed


def read_due_results(connection: sa.Connection, now: datetime, *, everything: bool) -> list[str]:
    """Contracts of which the portal says that it has a result, and that were not asked for it within six hours.

    From a week after the end of voting on, once is enough.
    """
    query = sa.text(
        """
        SELECT constituency_id FROM ingest.portal_charts AS chart
        JOIN metrics.portal_contracts AS contract USING (constituency_id)
        WHERE contract.has_results AND (:everything OR results_at IS NULL OR (
            results_at < CAST(:now AS timestamptz) - interval '6 hours'
            AND (results_at < contract.accepted_until + interval '7 days') IS NOT FALSE
        ))
        ORDER BY results_at NULLS FIRST, constituency_id
        """
    )
    return list(connection.execute(query, {"now": now, "everything": everything}).scalars())


def mark_asked(connection: sa.Connection, has: dict[str, str], run_id: str, now: datetime) -> set[str]:
    """Records what the portal has of contracts; returns those of which that is new."""
    rows = [{"id": name, "has": said, "now": now, "run_id": run_id} for name, said in sorted(has.items())]
    if not rows:
        return set()
    known = connection.execute(
        sa.text("SELECT constituency_id, has FROM ingest.portal_charts WHERE constituency_id = ANY(:ids)"),
        {"ids": sorted(has)},
    )
    before = {row.constituency_id: row.has for row in known}
    connection.execute(
        sa.text(
            "INSERT INTO ingest.portal_charts (constituency_id, asked_at, has, run_id) VALUES (:id, :now, :has, "
            ":run_id) ON CONFLICT (constituency_id) DO UPDATE SET asked_at = excluded.asked_at, has = excluded.has, "
            "run_id = excluded.run_id"
        ),
        rows,
    )
    return {name for name, said in has.items() if before.get(name) != said}


def read_contracts(connection: sa.Connection) -> pd.DataFrame:
    """The contracts that the portal lists: every column of `portal_contracts`."""
    return read_frame(connection, sa.select(portal_contracts))


def read_due(connection: sa.Connection, now: datetime, *, everything: bool) -> list[str]:
    """Contracts whose hourly counts are to be asked for, until two hours after their end.

    Those that were not asked for since five minutes after the last full hour; and those of which an hour is not
    published or differs, every ten minutes: the portal may be late, or correct itself. Of contracts that it neither
    lists nor had, every six hours.
    """
    query = sa.text(
        f"""
        SELECT constituency_id
        FROM ingest.constituency_registry AS constituency
        LEFT JOIN metrics.portal_contracts AS contract USING (constituency_id)
        LEFT JOIN ingest.portal_charts AS chart USING (constituency_id)
        WHERE :everything OR chart.asked_at IS NULL OR (
            (chart.asked_at < coalesce(contract.accepted_until, constituency.ends_at) + interval '2 hours') IS NOT FALSE
            AND (
                chart.has <> 'no_such_contract' OR contract.gone_at IS NULL AND contract.constituency_id IS NOT NULL
                OR chart.asked_at < CAST(:now AS timestamptz) - interval '6 hours'
            )
            AND (
                chart.asked_at < date_trunc('hour', CAST(:now AS timestamptz) - {_SETTLES}) + {_SETTLES}
                OR chart.asked_at < CAST(:now AS timestamptz) - interval '9 minutes' AND constituency_id IN (
                    SELECT agreement.constituency_id FROM metrics.portal_agreement AS agreement
                    WHERE status IN ('not_collected', 'not_published', 'not_settled', 'taken_back', 'differs')
                )
            )
        )
        ORDER BY chart.asked_at NULLS FIRST, constituency_id
        """  # noqa: S608 our own text
    )
    return list(connection.execute(query, {"now": now, "everything": everything}).scalars())


def read_due_precincts(connection: sa.Connection, now: datetime, *, everything: bool) -> list[str]:
    """Contracts that the portal has, whose precincts were not collected within six hours."""
    query = sa.text(
        """
        SELECT constituency_id FROM ingest.portal_charts AS chart
        LEFT JOIN metrics.portal_contracts AS contract USING (constituency_id)
        WHERE has <> 'no_such_contract' AND (:everything OR precincts_at IS NULL OR (
            precincts_at < CAST(:now AS timestamptz) - interval '6 hours'
            AND (precincts_at < contract.accepted_until + interval '2 hours') IS NOT FALSE
        ))
        ORDER BY precincts_at NULLS FIRST, constituency_id
        """
    )
    return list(connection.execute(query, {"now": now, "everything": everything}).scalars())


def is_registry_due(connection: sa.Connection, now: datetime) -> bool:
    """Whether the portal's registry was not read within six hours, and a voting of it is not over for long."""
    query = sa.text(
        """
        SELECT count(*) = 0 OR (max(seen_at) < CAST(:now AS timestamptz) - interval '6 hours'
            AND (max(seen_at) < max(accepted_until) + interval '2 hours') IS NOT FALSE)
        FROM metrics.portal_contracts
        """
    )
    return bool(connection.execute(query, {"now": now}).scalar_one())


def read_differing(connection: sa.Connection, election: str) -> pd.DataFrame:
    """Hours of an election in which the portal's counts differ.

    Returns:
        constituency_id, hour (start, UTC), is_delivered, counted_bulletins, published_bulletins, counted_votes,
        published_votes, is_taken_back, uncounted (rejected, unknown, withdrawn and repeated votes of the hour here).
    """
    query = sa.text(
        """
        SELECT agreement.constituency_id, agreement.hour, is_delivered, counted_bulletins, counted_votes,
            coalesce(counted_bulletins - bulletins_difference, 0) AS published_bulletins,
            coalesce(counted_votes - votes_difference, 0) AS published_votes, status = 'taken_back' AS is_taken_back,
            coalesce(votes_rejected + votes_unknown + revotes + withdrawn, 0) AS uncounted
        FROM metrics.portal_agreement AS agreement
        LEFT JOIN metrics.hourly_stats AS stats
            ON stats.constituency_id = agreement.constituency_id AND stats.hour = agreement.hour
        WHERE agreement.election_id = :election AND status IN ('differs', 'taken_back')
        ORDER BY agreement.constituency_id, agreement.hour
        """
    )
    return read_frame(connection, query, election=election)


def read_state(connection: sa.Connection) -> dict[str, Any]:
    """When the portal was asked last, for how many contracts, and how many of these it does not have."""
    absent = sa.func.count().filter(portal_charts.c.has == "no_such_contract").label("absent")
    query = sa.select(
        sa.func.max(portal_charts.c.asked_at).label("asked_at"), sa.func.count().label("contracts"), absent
    )
    return dict(connection.execute(query).mappings().one())


def read_agreement(connection: sa.Connection, levels: Collection[str]) -> pd.DataFrame:
    """Rows of `metrics.portal_agreement_summary` of these levels, with the election's name; differing ones first."""
    query = sa.text(
        """
        SELECT summary.*, election.name AS election, constituency.name AS constituency
        FROM metrics.portal_agreement_summary AS summary
        JOIN metrics.elections AS election USING (election_id)
        LEFT JOIN metrics.constituencies AS constituency USING (constituency_id)
        WHERE level = ANY(:levels)
        ORDER BY level = 'election' DESC, level = 'region' DESC, summary.status = 'differs' DESC, hours_differing DESC,
            summary.election_id, summary.region, summary.constituency_id
        """
    )
    return read_frame(connection, query, levels=sorted(levels))


def _store(connection: sa.Connection, table: sa.Table, rows: Sequence[Row], run_id: str, now: datetime) -> set[str]:
    """Stores rows whose figures differ from the current ones, which they supersede; returns their contracts."""
    keys = [column.name for column in table.primary_key if column.name != "collected_at"]
    extra = {"collected_at", "superseded_at", "run_id"}
    names = [column.name for column in table.c if column.name not in extra]
    figures = [name for name in names if name not in (*keys, "seen_at", "collection_time")]
    given = _given(connection, table, names)
    same = " AND ".join(f"row.{name} = new.{name}" for name in keys)
    old, new = (", ".join(f"{of}.{name}" for name in figures) for of in ("row", "new"))
    values = {"rows": _json(rows), "now": now}
    connection.execute(
        sa.text(
            f"UPDATE {table.fullname} AS row SET superseded_at = :now FROM {given} "  # noqa: S608 names are ours
            f"WHERE {same} AND superseded_at IS NULL AND ({old}) IS DISTINCT FROM ({new})"
        ),
        values,
    )
    inserted = connection.execute(
        sa.text(
            f"INSERT INTO {table.fullname} ({', '.join(names)}, collected_at, run_id) "  # noqa: S608 names are ours
            f"SELECT new.*, :now, :run_id FROM {given} WHERE NOT EXISTS "
            f"(SELECT 1 FROM {table.fullname} AS row WHERE {same} AND superseded_at IS NULL) RETURNING constituency_id"
        ),
        {**values, "run_id": run_id},
    )
    return set(inserted.scalars())


def _take_back(
    connection: sa.Connection, contracts: Sequence[str], rows: Sequence[Row], run_id: str, now: datetime
) -> set[str]:
    """Ends current hours of these contracts that the portal does not publish any more: NULL is what it says now.

    Hours before the first one that it still publishes stay: it may show the newest ones only.
    """
    given = _given(connection, portal_hours, ["constituency_id", "label", "ends_at"])
    taken = connection.execute(
        sa.text(
            f"WITH given AS (SELECT * FROM {given}), ended AS ("  # noqa: S608 names are ours
            "UPDATE metrics.portal_hours AS row SET superseded_at = :now WHERE row.constituency_id = ANY(:contracts) "
            "AND superseded_at IS NULL AND (row.bulletins IS NOT NULL OR row.ends_at IS NULL) AND NOT EXISTS ("
            "SELECT 1 FROM given WHERE given.constituency_id = row.constituency_id AND given.label = row.label) "
            "AND (row.ends_at > (SELECT min(ends_at) FROM given WHERE given.constituency_id = row.constituency_id)) "
            "IS NOT FALSE RETURNING row.constituency_id, row.label, row.ends_at, row.bulletins + row.votes AS ballots) "
            "SELECT * FROM ended"
        ),
        {"now": now, "contracts": list(contracts), "rows": _json(rows)},
    ).all()
    known = [row for row in taken if row.ends_at is not None and row.ballots]
    if known:
        connection.execute(
            sa.text(
                "INSERT INTO metrics.portal_hours (constituency_id, label, collected_at, ends_at, seen_at, run_id) "
                "VALUES (:constituency_id, :label, :now, :ends_at, :now, :run_id)"
            ),
            [
                {"constituency_id": row.constituency_id, "label": row.label, "ends_at": row.ends_at, "now": now,
                 "run_id": run_id} for row in known
            ],
        )  # fmt: skip
    return {row.constituency_id for row in taken}


def _end_others(
    connection: sa.Connection, table: sa.Table, contracts: Sequence[str], rows: Sequence[Row], now: datetime
) -> set[str]:
    """Ends current rows of these contracts that the portal does not publish any more; returns their contracts."""
    key = next(column.name for column in table.primary_key if column.name not in ("constituency_id", "collected_at"))
    given = _given(connection, table, ["constituency_id", key])
    ended = connection.execute(
        sa.text(
            f"UPDATE {table.fullname} AS row SET superseded_at = :now WHERE row.constituency_id = ANY(:contracts) "  # noqa: S608 names are ours
            f"AND superseded_at IS NULL AND NOT EXISTS (SELECT 1 FROM {given} WHERE new.constituency_id = "
            f"row.constituency_id AND new.{key} = row.{key}) RETURNING row.constituency_id"
        ),
        {"now": now, "contracts": list(contracts), "rows": _json(rows)},
    )
    return set(ended.scalars())


def _given(connection: sa.Connection, table: sa.Table, names: Sequence[str]) -> str:
    """The parameter :rows as a relation `new`."""
    kinds = ", ".join(f"{name} {table.c[name].type.compile(connection.dialect)}" for name in names)
    return f"jsonb_to_recordset(CAST(:rows AS jsonb)) AS new ({kinds})"


def _json(rows: Sequence[Any]) -> str:
    return orjson.dumps(list(rows)).decode()
