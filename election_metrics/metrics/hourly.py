"""`hourly_stats`: from counts of an hour to rates; and its sums, `election_hours`."""

from datetime import datetime

import pandas as pd

from election_metrics.metrics.rates import per, percent


def hourly_stats(counts: pd.DataFrame, elections: pd.Series, register: pd.Series, now: datetime) -> pd.DataFrame:
    """Adds election, velocities and participation to the counts.

    Args:
        counts: one row a constituency and hour: constituency_id, hour (UTC) and the counts.
        elections: election_id by constituency_id.
        register: registered voters at the end of each row's hour, with the index of `counts`; NA where not known.
        now: the clock; an hour in progress is divided by its elapsed part, one that has not begun has no velocity.

    Returns:
        The columns of `hourly_stats` except run_id and computed_at.
    """
    elapsed = ((pd.Timestamp(now) - counts["hour"]).dt.total_seconds() / 3600).clip(0, 1)
    return counts.assign(
        election_id=counts["constituency_id"].map(elections),
        bulletin_velocity=per(counts["bulletins_issued"], elapsed),
        vote_velocity=per(counts["votes_cast"], elapsed),
        registered_voters=register,
        participation_rate=percent(counts["votes_cast"], register),
    )


_SUMS = (
    "transaction_count", "bulletins_issued", "bulletins_failed", "votes_cast", "votes_rejected", "votes_unknown",
    "revotes", "withdrawn", "anomaly_count", "bulletin_velocity", "vote_velocity", "outside_voting",
)  # fmt: skip


def election_hours(hourly: pd.DataFrame) -> pd.DataFrame:
    """Sums the rows of `hourly_stats` over the constituencies of each election and hour.

    Returns:
        The columns of `election_hours` except run_id and computed_at; a velocity is NA where no row has one.
    """
    groups = hourly.groupby(["election_id", "hour"], sort=True)
    sums = groups[list(_SUMS)].sum(min_count=1)
    return sums.assign(
        constituencies_active=groups.size(), last_transaction_at=groups["last_transaction_at"].max()
    ).reset_index()
