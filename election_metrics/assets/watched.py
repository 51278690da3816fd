"""Numeric metadata of assets: the UI plots each number over the materializations of its asset."""

from datetime import UTC, datetime

import sqlalchemy as sa

from election_metrics.settings import Settings

ROWS = "dagster/row_count"
"""Metadata key of a table's size, which the UI shows."""


def watched(settings: Settings, table: sa.Table) -> dict[str, int | float]:
    """Current figures over all elections; unknown figures are left out.

    Args:
        settings: the settings.
        table: the asset's table, whose rows are counted.

    Returns:
        votes, bulletins, gap (bulletins without a vote), turnout and coverage (percent), findings (open ones, of any
        severity) and critical, lag_minutes (since the newest transaction), dagster/row_count.
    """
    from election_metrics.warehouse.database import transaction
    from election_metrics.warehouse.totals import count_rows, read_totals

    with transaction(settings) as connection:
        totals = read_totals(connection, datetime.now(UTC))
        rows = count_rows(connection, table)
    return {**totals, ROWS: rows}
