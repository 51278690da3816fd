"""`hourly_stats` and `election_hours`: from counts of an hour to rates and running totals."""

from datetime import datetime

import pandas as pd

from election_metrics.metrics.rates import per, percent, running_rates


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


def election_hours(sums: pd.DataFrame, register: pd.Series) -> pd.DataFrame:
    """Adds running totals and rates to the sums of an election's hours.

    Args:
        sums: one row an hour (start, UTC) with transactions: hour, and the sums of `hourly_stats`.
        register: registered voters of the election at the end of each hour, by hour; NA where not known.

    Returns:
        The columns of `election_hours` except run_id and computed_at.
    """
    hours = sums.sort_values("hour", ignore_index=True)
    voters = register.reindex(hours["hour"]).set_axis(hours.index).astype("Int64")
    hours = hours.assign(
        registered_voters=voters,
        participation_rate=percent(hours["votes_cast"], voters),
        running_bulletins=hours["bulletins_issued"].cumsum(),
        running_votes=hours["votes_cast"].cumsum(),
    )
    return hours.assign(**running_rates(hours))
