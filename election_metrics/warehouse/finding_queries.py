"""Queries of findings and thresholds."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from election_metrics.warehouse.as_of import reads_the_past
from election_metrics.warehouse.guidance import GUIDANCE
from election_metrics.warehouse.rows import FIRST_PAGE, IDS, Found, Page, Row, by_constituency, read_page, read_rows
from election_metrics.warehouse.tables import anomalies, anomaly_thresholds, constituencies, elections

WORST_FIRST = sa.func.array_position(sa.cast(["critical", "warning", "info"], sa.ARRAY(sa.Text)), anomalies.c.severity)
_FINDINGS = (
    sa.select(anomalies, elections.c.name.label("election"), constituencies.c.name.label("constituency"), *GUIDANCE)
    .outerjoin_from(anomalies, elections, elections.c.election_id == anomalies.c.election_id)
    .outerjoin(constituencies, constituencies.c.constituency_id == anomalies.c.constituency_id)
)
"""Findings with the names of their places, what to look at next, and what the expected value is taken from."""
_UNRESOLVED_OF_CONSTITUENCIES = _FINDINGS.where(
    anomalies.c.constituency_id == sa.any_(IDS), anomalies.c.state != "resolved"
).order_by(WORST_FIRST, anomalies.c.anomaly_id)


def unresolved_of_constituencies(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Row]]:
    """Findings that are open or acknowledged, worst first, by constituency."""
    return by_constituency(ids, read_rows(connection, _UNRESOLVED_OF_CONSTITUENCIES, ids=list(ids)))


def findings_with(wanted: Mapping[str, str | None], *, unresolved: bool) -> sa.Select[Any]:
    """A query of findings with these values by column (None: any); with `unresolved`, without the resolved ones."""
    query = _FINDINGS.where(*[anomalies.c[column] == value for column, value in wanted.items() if value is not None])
    return query.where(anomalies.c.state != "resolved") if unresolved else query


def findings(
    connection: sa.Connection,
    *,
    election: str | None = None,
    constituency: str | None = None,
    rule: str | None = None,
    severity: str | None = None,
    state: str | None = None,
    page: Page = FIRST_PAGE,
) -> Found:
    """Findings with the names of their places: worst first, then by id. `state` unresolved: open or acknowledged."""
    wanted = {"election_id": election, "constituency_id": constituency, "rule": rule, "severity": severity}
    query = findings_with(wanted, unresolved=state == "unresolved")
    if state is not None and state != "unresolved":
        query = query.where(anomalies.c.state == state)
    return read_page(connection, query, WORST_FIRST, anomalies.c.anomaly_id, False, page)


def newest_findings(connection: sa.Connection, election: str | None, limit: int) -> list[Row]:
    """Findings, resolved ones too, with the names of their places and changed_at; the newest first."""
    changed = sa.func.greatest(anomalies.c.detected_at, anomalies.c.state_at).label("changed_at")
    query = _FINDINGS.add_columns(changed).order_by(anomalies.c.detected_at.desc(), anomalies.c.anomaly_id).limit(limit)
    return read_rows(connection, query if election is None else query.where(anomalies.c.election_id == election))


def finding(connection: sa.Connection, anomaly_id: str) -> Row | None:
    """One finding, with the names of its place."""
    return next(iter(read_rows(connection, _FINDINGS.where(anomalies.c.anomaly_id == anomaly_id))), None)


_AROUND = """
    SELECT
        CAST(:election AS text) AS election_id, {start} AS starts_at, {start} + {length} AS ends_at,
        sum(part.bulletins_issued)::bigint AS bulletins_issued, sum(part.votes_cast)::bigint AS votes_cast
    FROM {table} AS part
    JOIN metrics.constituencies AS place ON place.constituency_id = part.constituency_id
    WHERE place.election_id = :election AND part.hour >= :first AND part.hour < :last
        AND (CAST(:constituency AS text) IS NULL OR part.constituency_id = :constituency)
        AND (CAST(:region AS text) IS NULL OR place.region = :region)
    GROUP BY 2 ORDER BY 2
"""
_BY_HOUR = sa.text(_AROUND.format(table="metrics.hourly_stats", start="part.hour", length="interval '1 hour'"))
_BY_MINUTES = sa.text(
    _AROUND.format(table="metrics.interval_stats", start="part.interval_start", length="interval '5 minutes'")
)
_HOUR = timedelta(hours=1)


def series_around(connection: sa.Connection, found: Row) -> list[Row]:
    """Ballots of a finding's place around its window; only spans with any.

    Args:
        connection: in a transaction; one that reads the past has no counts by 5 minutes.
        found: the finding.

    Returns:
        election_id, starts_at, ends_at (UTC), bulletins_issued, votes_cast: by 5 minutes where it is shorter than an
        hour and they were counted, two hours before and after; else by hour, a day before and half a day after.
    """
    of_place = {"election": found["election_id"], "constituency": found["constituency_id"],
                "region": None if found["constituency_id"] else found["region"]}  # fmt: skip
    first = found["window_start"].replace(minute=0, second=0, microsecond=0)
    if found["window_end"] - found["window_start"] < _HOUR and not reads_the_past(connection):
        around = {"first": first - 2 * _HOUR, "last": found["window_end"] + 2 * _HOUR}
        if rows := read_rows(connection, _BY_MINUTES, **of_place, **around):
            return rows
    around = {"first": first - 24 * _HOUR, "last": found["window_end"] + 12 * _HOUR}
    return read_rows(connection, _BY_HOUR, **of_place, **around)


def thresholds(connection: sa.Connection, election: str | None) -> list[Row]:
    """Thresholds that differ from the defaults, of all elections or one."""
    query = sa.select(anomaly_thresholds).order_by(*anomaly_thresholds.primary_key.columns)
    return read_rows(connection, query if election is None else query.filter_by(election_id=election))
