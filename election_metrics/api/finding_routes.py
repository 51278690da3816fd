"""Read endpoints of findings, rules and thresholds."""

from typing import Annotated, Literal

import sqlalchemy as sa
from fastapi import HTTPException, Path, Query

from election_metrics.api.arguments import Cursor, ElectionFilter, Limit, page_of, paged
from election_metrics.api.cache_tags import DependsOn
from election_metrics.api.endpoints import get, new_router
from election_metrics.api.models import Answer, BallotsOfSpan, Finding, PageOf, Rule, SetThreshold
from election_metrics.api.rendering import Reply
from election_metrics.warehouse import finding_queries
from election_metrics.warehouse.rows import Row

router = new_router()


@get(router, "/anomalies", PageOf[list[Finding]], "findings")  # type: ignore[valid-type]
def anomalies(
    connection: sa.Connection,
    election: ElectionFilter = None,
    constituency: Annotated[str | None, Query(max_length=100, description="Only on this constituency_id")] = None,
    rule: Annotated[str | None, Query(max_length=100, description="Only of this rule")] = None,
    severity: Literal["critical", "warning", "info"] | None = None,
    state: Literal["open", "acknowledged", "resolved", "unresolved"] | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Reply:
    """Findings, worst first, each with its explanation."""
    found = finding_queries.findings(
        connection, election=election, constituency=constituency, rule=rule, severity=severity, state=state,
        page=page_of(limit, cursor, int),
    )  # fmt: skip
    return paged(found.rows, found)


@get(router, "/anomalies/{anomaly_id}", Answer[Finding], "findings", DependsOn())  # type: ignore[valid-type]
def anomaly(
    connection: sa.Connection, anomaly_id: Annotated[str, Path(description="Id of a finding", max_length=200)]
) -> Reply:
    """One finding."""
    found = _named(connection, anomaly_id)
    return Reply(found, [found])


@get(router, "/anomalies/{anomaly_id}/series", Answer[list[BallotsOfSpan]], "findings", DependsOn())  # type: ignore[valid-type]
def series_of_anomaly(
    connection: sa.Connection, anomaly_id: Annotated[str, Path(description="Id of a finding", max_length=200)]
) -> Reply:
    """The picture of a finding: ballots of its place around its window, by 5 minutes where it lies inside an hour."""
    rows = finding_queries.series_around(connection, _named(connection, anomaly_id))
    return Reply(rows, rows)


def _named(connection: sa.Connection, anomaly_id: str) -> Row:
    found = finding_queries.finding(connection, anomaly_id)
    if found is None:
        raise HTTPException(404, f"there is no finding {anomaly_id!r}; /anomalies lists them")
    return found


@get(router, "/rules", Answer[list[Rule]], "findings", has_history=False)
def rules(connection: sa.Connection, election: ElectionFilter = None) -> Reply:
    """Every anomaly rule: meaning, reason and thresholds (in this election)."""
    from election_metrics.pipeline.anomalies import rules_in_words

    found = [{"election_id": election, **rule} for rule in rules_in_words(connection, election)]
    return Reply(found, found)


@get(router, "/thresholds", Answer[list[SetThreshold]], "findings", has_history=False)  # type: ignore[valid-type]
def thresholds(connection: sa.Connection, election: ElectionFilter = None) -> Reply:
    """Thresholds that differ from the defaults, and who set them."""
    found = finding_queries.thresholds(connection, election)
    return Reply(found, found)
