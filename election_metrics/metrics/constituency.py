"""`constituency_metrics`: hours gathered into days, weeks, months and the whole election.

A period is local: its start is midnight in the constituency's time zone. Every figure of a period comes from its
hourly rows, so a day is the sum of its hours also on the day the clocks change.
"""

import pandas as pd

from election_metrics.metrics.rates import per, percent

PERIODS = ("hour", "day", "week", "month", "election")
COUNTS = (
    "transaction_count", "bulletins_issued", "bulletins_failed", "votes_cast", "votes_rejected", "votes_unknown",
    "revotes", "withdrawn", "anomaly_count",
)  # fmt: skip

_BALLOTS = ("bulletins_issued", "bulletins_failed", "votes_cast", "votes_rejected", "votes_unknown", "revotes")


def constituency_metrics(hourly: pd.DataFrame, zones: pd.Series, register: pd.Series) -> pd.DataFrame:
    """Metrics of every period of each constituency.

    Args:
        hourly: rows of `hourly_stats` of whole constituencies.
        zones: IANA time zone by constituency_id.
        register: registered voters now by constituency_id; NA where not known.

    Returns:
        The columns of `constituency_metrics` except run_id and computed_at.
    """
    hours = hourly.sort_values(["constituency_id", "hour"]).reset_index(drop=True)
    hours["hour"] = pd.to_datetime(hours["hour"], utc=True)
    hours["registered_voters"] = hours["registered_voters"].astype("Int64")
    running = hours.groupby("constituency_id")[["bulletins_issued", "votes_cast"]].cumsum()
    hours = hours.assign(running_bulletins=running["bulletins_issued"], running_votes=running["votes_cast"])
    active = hours[list(_BALLOTS)].sum(axis=1) > 0
    hours["active_hour"] = hours["hour"].where(active)
    hours["voted_hour"] = hours["hour"].where(hours["votes_cast"] > 0)
    frames = [_period(hours, period, starts) for period, starts in _period_starts(hours, zones).items()]
    metrics = pd.concat(frames, ignore_index=True)
    whole = metrics["period"] == "election"
    now = metrics["constituency_id"].map(register).astype("Int64")
    metrics["registered_voters"] = metrics["registered_voters"].where(~whole, now)
    return metrics.assign(
        anomaly_score=percent(metrics["anomaly_count"], metrics["transaction_count"]),
        participation_rate=percent(metrics["votes_cast"], metrics["registered_voters"]),
        gap=metrics["bulletins_issued"] - metrics["votes_cast"],
        gap_rate=percent(metrics["bulletins_issued"] - metrics["votes_cast"], metrics["bulletins_issued"]),
        average_bulletins_per_hour=per(metrics["bulletins_issued"], metrics["voting_hours"]),
        average_votes_per_hour=per(metrics["votes_cast"], metrics["voting_hours"]),
        running_participation_rate=percent(metrics["running_votes"], metrics["registered_voters"]),
    )


def _period_starts(hours: pd.DataFrame, zones: pd.Series) -> dict[str, pd.Series]:
    """The start (UTC) of the hour, day, ISO week, month and election that each row belongs to."""
    zone_of_row = hours["constituency_id"].map(zones)
    day, week, month = (pd.Series(pd.NaT, index=hours.index, dtype="datetime64[us, UTC]") for _ in range(3))
    for zone, rows in hours.groupby(zone_of_row, sort=False).groups.items():
        local_day = hours.loc[rows, "hour"].dt.tz_convert(str(zone)).dt.tz_localize(None).dt.normalize()
        weekday = pd.to_timedelta(local_day.dt.day_of_week, unit="D")
        monthday = pd.to_timedelta(local_day.dt.day - 1, unit="D")
        day.loc[rows] = _midnight(local_day, str(zone))
        week.loc[rows] = _midnight(local_day - weekday, str(zone))
        month.loc[rows] = _midnight(local_day - monthday, str(zone))
    first = hours.groupby("constituency_id")["hour"].transform("min")
    return {"hour": hours["hour"], "day": day, "week": week, "month": month, "election": first}


def _midnight(local_day: pd.Series, zone: str) -> pd.Series:
    """The instant a local day begins; where the clocks skip midnight, the first moment after."""
    localized: pd.Series = local_day.dt.tz_localize(
        zone, ambiguous=local_day.notna().to_numpy(), nonexistent="shift_forward"
    )
    return localized.dt.tz_convert("UTC").astype("datetime64[us, UTC]")


def _period(hours: pd.DataFrame, period: str, starts: pd.Series) -> pd.DataFrame:
    keyed = hours.assign(period_start=starts)
    groups = keyed.groupby(["constituency_id", "period_start"], sort=False)
    frame = groups.agg(
        election_id=("election_id", "first"),
        **{count: (count, "sum") for count in COUNTS},
        registered_voters=("registered_voters", "last"),
        running_bulletins=("running_bulletins", "last"),
        running_votes=("running_votes", "last"),
        first_active=("active_hour", "min"),
        last_active=("active_hour", "max"),
        peak_votes=("votes_cast", "max"),
        first_transaction_at=("first_transaction_at", "min"),
        last_transaction_at=("last_transaction_at", "max"),
    )
    peaks = keyed.sort_values(["votes_cast", "hour"], ascending=[False, True], kind="stable")
    frame["peak_hour"] = peaks.drop_duplicates(["constituency_id", "period_start"]).set_index(
        ["constituency_id", "period_start"]
    )["voted_hour"]
    frame["peak_votes"] = frame["peak_votes"].astype("Int64").where(frame["peak_hour"].notna())
    span = (frame.pop("last_active") - frame.pop("first_active")).dt.total_seconds() / 3600 + 1
    frame["voting_hours"] = span.fillna(0).astype("int64")
    return frame.reset_index().assign(period=period)
