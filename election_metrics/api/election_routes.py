"""Read endpoints of elections, and of the dashboard."""

from typing import Annotated

import sqlalchemy as sa
from fastapi import Query

from election_metrics.api.arguments import ElectionId
from election_metrics.api.cache_tags import DependsOn
from election_metrics.api.endpoints import get, new_router
from election_metrics.api.models import Answer, Dashboard, Election, ElectionDetail, ElectionHour
from election_metrics.api.not_found import no_election
from election_metrics.api.rendering import Reply
from election_metrics.settings import Settings
from election_metrics.warehouse import election_queries, finding_queries
from election_metrics.warehouse.rows import Hours, Page, Row

router = new_router()
MOST_FINDINGS = 50


@get(router, "/elections", Answer[list[Election]], "elections", DependsOn(summaries=True))  # type: ignore[valid-type]
def elections(connection: sa.Connection, settings: Settings) -> Reply:
    """Every election with its figures so far; those that are voting first."""
    found = election_queries.elections_now(connection, settings.late_after)
    return Reply(found, found)


@get(router, "/election/{election_id}", Answer[ElectionDetail], "elections")
def election(connection: sa.Connection, settings: Settings, election_id: ElectionId) -> Reply:
    """One election: figures, regions, highest and lowest participation, what is missing, the final count."""
    found = _election(connection, settings, election_id)
    return Reply(found, [found])


@get(router, "/dashboard/summary", Answer[list[Election]], "dashboard", DependsOn(summaries=True))  # type: ignore[valid-type]
def dashboard_summary(connection: sa.Connection, settings: Settings) -> Reply:
    """Overview: every election with its main figures."""
    return elections(connection, settings)


@get(router, "/dashboard/detailed", Answer[Dashboard], "dashboard", csv_of=ElectionHour)
def dashboard_detailed(
    connection: sa.Connection,
    settings: Settings,
    election: Annotated[str, Query(description="election_id", max_length=200)],
) -> Reply:
    """An election as the page shows it: figures, regions, hours, worst findings. As CSV: its hours."""
    found = _election(connection, settings, election)
    hours = election_queries.hourly_of_election(connection, election, Hours())
    worst = finding_queries.findings(connection, election=election, state="unresolved", page=Page(MOST_FINDINGS))
    return Reply({"election": found, "hours": hours, "findings": worst.rows}, hours)


def _election(connection: sa.Connection, settings: Settings, election: str) -> Row:
    found = election_queries.elections_now(connection, settings.late_after, election)
    if not found:
        raise no_election(election)
    return found[0] | {
        "regions": election_queries.regions_of(connection, election),
        "extremes": election_queries.extremes_of(connection, election),
        "missing": election_queries.missing_of(connection, election),
        "reconciliation": election_queries.reconciliation_of(connection, election),
    }
