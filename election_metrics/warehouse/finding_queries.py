"""Queries of findings and thresholds."""

from collections.abc import Sequence

import sqlalchemy as sa

from election_metrics.warehouse.rows import FIRST_PAGE, IDS, Found, Page, Row, by_constituency, read_page, read_rows
from election_metrics.warehouse.tables import anomalies, anomaly_thresholds, constituencies, elections

_WORST_FIRST = sa.func.array_position(sa.cast(["critical", "warning", "info"], sa.ARRAY(sa.Text)), anomalies.c.severity)
_FINDINGS = (
    sa.select(anomalies, elections.c.name.label("election"), constituencies.c.name.label("constituency"))
    .outerjoin_from(anomalies, elections, elections.c.election_id == anomalies.c.election_id)
    .outerjoin(constituencies, constituencies.c.constituency_id == anomalies.c.constituency_id)
)
_UNRESOLVED_OF_CONSTITUENCIES = _FINDINGS.where(
    anomalies.c.constituency_id == sa.any_(IDS), anomalies.c.state != "resolved"
).order_by(_WORST_FIRST, anomalies.c.anomaly_id)


def unresolved_of_constituencies(connection: sa.Connection, ids: Sequence[str]) -> dict[str, list[Row]]:
    """Findings that are open or acknowledged, worst first, by constituency."""
    return by_constituency(ids, read_rows(connection, _UNRESOLVED_OF_CONSTITUENCIES, ids=list(ids)))


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
    query = _FINDINGS
    wanted = {"election_id": election, "constituency_id": constituency, "rule": rule, "severity": severity}
    for column, value in wanted.items():
        if value is not None:
            query = query.where(anomalies.c[column] == value)
    if state == "unresolved":
        query = query.where(anomalies.c.state != "resolved")
    elif state is not None:
        query = query.where(anomalies.c.state == state)
    return read_page(connection, query, _WORST_FIRST, anomalies.c.anomaly_id, False, page)


def finding(connection: sa.Connection, anomaly_id: str) -> Row | None:
    """One finding, with the names of its place."""
    return next(iter(read_rows(connection, _FINDINGS.where(anomalies.c.anomaly_id == anomaly_id))), None)


def thresholds(connection: sa.Connection, election: str | None) -> list[Row]:
    """Thresholds that differ from the defaults, of all elections or one."""
    query = sa.select(anomaly_thresholds).order_by(*anomaly_thresholds.primary_key.columns)
    return read_rows(connection, query if election is None else query.filter_by(election_id=election))
