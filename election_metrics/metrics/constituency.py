"""`constituency_metrics`: hours aggregated to days, weeks, months and the whole election.

A period is local: it starts at midnight in the constituency's time zone. Every figure of a period is computed from its
hourly rows, so a day is the sum of its hours also on the day of a clock change.
"""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pandas as pd

from election_metrics.counts import NAMES
from election_metrics.metrics.hours import hour_numbers, running_totals
from election_metrics.metrics.rates import per, percent, running_rates

LONGEST = {
    "hour": pd.Timedelta(hours=1), "day": pd.Timedelta(days=2), "week": pd.Timedelta(days=8),
    "month": pd.Timedelta(days=32),
}  # fmt: skip
"""By period: how long one may be, with a day for changes of the clock, which may be of several hours. Of the whole
election, which has no limit, every row may change."""
INPUTS = (
    "constituency_id", "election_id", "hour", *NAMES, "registered_voters", "first_transaction_at",
    "last_transaction_at",
)  # fmt: skip
"""Columns of `hourly_stats` from which metrics are computed."""
_LATEST = ["registered_voters", "running_bulletins", "running_votes"]


def constituency_metrics(
    hourly: pd.DataFrame, zones: pd.Series, register: pd.Series, since: datetime | None = None
) -> pd.DataFrame:
    """Metrics of the periods of each constituency.

    Args:
        hourly: rows of `hourly_stats` of whole constituencies (INPUTS).
        zones: IANA time zone by constituency_id.
        register: registered voters now by constituency_id; NA where not known.
        since: only periods that may reach this hour or a later one (LONGEST): no earlier hour changed. None: all.

    Returns:
        The columns of `constituency_metrics` except run_id and computed_at.
    """
    hours = _prepared(hourly)
    local = _local_hours(hours, zones)
    frames = [_each_hour(hours[_reaches("hour", hours["hour"], since)])]
    same, number = frames[0], np.array([-1])
    for period, starts in _period_starts(hours, local, zones).items():
        rows = np.flatnonzero(_reaches(period, starts, since))
        chosen, begin, clock = (part.take(rows).reset_index(drop=True) for part in (hours, starts, local))
        before, number = number, _numbers(chosen, begin)
        # A vote of some days often lies in one week and one month: their figures are those of the whole election.
        if np.array_equal(before, number):
            same = same.assign(period=period, period_start=begin.groupby(number).first())
        else:
            same = _period(chosen, begin, clock, period, number)
        frames.append(same)
    metrics = pd.concat(frames, ignore_index=True)
    whole = metrics["period"] == "election"
    now = metrics["constituency_id"].map(register).astype("Int64")
    metrics["registered_voters"] = metrics["registered_voters"].where(~whole, now)
    return with_rates(metrics).assign(**running_rates(metrics))


def _reaches(period: str, starts: pd.Series, since: datetime | None) -> pd.Series:
    """Which rows belong to a period that may reach this hour or a later one."""
    if since is None or period not in LONGEST:
        return pd.Series(True, index=starts.index)
    return starts > pd.Timestamp(since) - LONGEST[period]


def compare(hourly: pd.DataFrame, zones: pd.Series) -> pd.DataFrame:
    """One row for each constituency over the given hours, with the figures of a period, most votes first.

    Args:
        hourly: rows of `hourly_stats` of the constituencies and the time range to compare.
        zones: IANA time zone by constituency_id.

    Rates are of the register at the end of each constituency's last hour.
    """
    hours = _prepared(hourly)
    starts = hours.groupby("place")["hour"].transform("min")
    frame = _period(hours, starts, _local_hours(hours, zones), "range", _numbers(hours, starts))
    ends = hours.groupby("constituency_id").tail(1).set_index("constituency_id")["registered_voters"]
    frame["registered_voters"] = frame["constituency_id"].map(ends).astype("Int64")
    return with_rates(frame).sort_values(["votes_cast", "constituency_id"], ascending=[False, True], ignore_index=True)


def with_rates(totals: pd.DataFrame) -> pd.DataFrame:
    """Adds every rate derived from counts, registered_voters and voting_hours; each is defined only here."""
    bulletins, votes = totals["bulletins_issued"], totals["votes_cast"]
    return totals.assign(
        anomaly_score=percent(totals["anomaly_count"], totals["transaction_count"]),
        participation_rate=percent(votes, totals["registered_voters"]),
        issue_rate=percent(bulletins, totals["registered_voters"]),
        gap=bulletins - votes,
        gap_rate=percent(bulletins - votes, bulletins),
        average_bulletins_per_hour=per(bulletins, totals["voting_hours"]),
        average_votes_per_hour=per(votes, totals["voting_hours"]),
    )


def _prepared(hourly: pd.DataFrame) -> pd.DataFrame:
    """The hours in order: number of their constituency, running totals, and which of them had any ballot or vote."""
    # Sorted and grouped by number: names take several times as long.
    place, _ = pd.factorize(hourly["constituency_id"], sort=True)
    starts = pd.to_datetime(hourly["hour"], utc=True)
    order = np.lexsort((starts.to_numpy(dtype="datetime64[us]"), place))
    hours = hourly.assign(hour=starts, place=place).iloc[order].reset_index(drop=True)
    hours["registered_voters"] = hours["registered_voters"].astype("Int64")
    is_first = np.diff(hours["place"], prepend=-1) != 0
    active = (hours["bulletins_issued"] > 0) | (hours["votes_cast"] > 0)
    number = hour_numbers(hours["hour"]).astype("float64")
    return hours.assign(
        running_bulletins=running_totals(hours["bulletins_issued"], is_first),
        running_votes=running_totals(hours["votes_cast"], is_first),
        hour_number=number,
        active_number=number.where(active),
        voted_hour=hours["hour"].where(hours["votes_cast"] > 0),
    )


def _by_zone(hours: pd.DataFrame, zones: pd.Series) -> Iterator[tuple[str, np.ndarray]]:
    """Time zones, and the numbers of the rows of each."""
    place = hours["place"].to_numpy()
    ids = hours["constituency_id"].iloc[np.flatnonzero(np.diff(place, prepend=-1))]
    zone, names = pd.factorize(ids.map(zones))
    for number, name in enumerate(names):
        yield str(name), np.flatnonzero(zone[place] == number)


def _local_hours(hours: pd.DataFrame, zones: pd.Series) -> pd.Series:
    """Each row's hour on the wall clock of its constituency."""
    local = pd.Series(pd.NaT, index=hours.index, dtype="datetime64[us]")
    for zone, rows in _by_zone(hours, zones):
        local.iloc[rows] = hours["hour"].iloc[rows].dt.tz_convert(zone).dt.tz_localize(None)
    return local


def _period_starts(hours: pd.DataFrame, local: pd.Series, zones: pd.Series) -> dict[str, pd.Series]:
    """The start (UTC) of the day, ISO week, month and election that each row belongs to."""
    local_day = local.dt.normalize()
    local_starts = {
        "day": local_day,
        "week": local_day - pd.to_timedelta(local_day.dt.day_of_week, unit="D"),
        "month": local_day - pd.to_timedelta(local_day.dt.day - 1, unit="D"),
    }
    starts = {name: pd.Series(pd.NaT, index=hours.index, dtype="datetime64[us, UTC]") for name in local_starts}
    for zone, rows in _by_zone(hours, zones):
        for name, values in local_starts.items():
            starts[name].iloc[rows] = _midnight(values.iloc[rows], zone)
    return {**starts, "election": hours.groupby("place")["hour"].transform("min")}


def _midnight(local_day: pd.Series, zone: str) -> pd.Series:
    """The start of a local day; if a clock change skips midnight, the first moment after it."""
    localized: pd.Series = local_day.dt.tz_localize(
        zone, ambiguous=local_day.notna().to_numpy(), nonexistent="shift_forward"
    )
    return localized.dt.tz_convert("UTC").astype("datetime64[us, UTC]")


def _each_hour(hours: pd.DataFrame) -> pd.DataFrame:
    """The rows of period `hour`, without aggregation, trend or pattern."""
    return hours[
        ["constituency_id", "election_id", *NAMES, "registered_voters", "running_bulletins", "running_votes",
         "first_transaction_at", "last_transaction_at"]
    ].assign(
        period="hour",
        period_start=hours["hour"],
        voting_hours=hours["active_number"].notna().astype("int64"),
        peak_hour=hours["voted_hour"],
        peak_votes=hours["votes_cast"].astype("Int64").where(hours["votes_cast"] > 0),
        bulletin_trend=pd.Series(pd.NA, index=hours.index, dtype="Float64"),
        vote_trend=pd.Series(pd.NA, index=hours.index, dtype="Float64"),
        activity_pattern=pd.Series(None, index=hours.index, dtype="str"),
    )  # fmt: skip


def _numbers(hours: pd.DataFrame, starts: pd.Series) -> np.ndarray:
    """The number of each row's period, counted over all constituencies."""
    number: np.ndarray = (
        hours.assign(period_start=starts).groupby(["place", "period_start"], sort=False).ngroup().to_numpy()
    )
    return number


def _period(hours: pd.DataFrame, starts: pd.Series, local: pd.Series, period: str, number: np.ndarray) -> pd.DataFrame:
    groups = hours.assign(period_start=starts).groupby(number)
    active = groups["active_number"]
    frame = groups[["constituency_id", "period_start", "election_id"]].first()
    frame[list(NAMES)] = groups[list(NAMES)].sum()
    frame[_LATEST] = groups[_LATEST].last()
    frame["peak_votes"] = groups["votes_cast"].max()
    frame["first_transaction_at"] = groups["first_transaction_at"].min()
    frame["last_transaction_at"] = groups["last_transaction_at"].max()
    at_peak = hours["votes_cast"].to_numpy() == frame["peak_votes"].to_numpy()[number]
    frame["peak_hour"] = hours["voted_hour"].where(at_peak).groupby(number).min()  # the earliest if several are equal
    frame["peak_votes"] = frame["peak_votes"].astype("Int64").where(frame["peak_hour"].notna())
    first = active.min()
    span = active.max() - first + 1
    frame["voting_hours"] = span.fillna(0).astype("int64")
    place = hours["hour_number"] - first.to_numpy()[number]
    frame["bulletin_trend"] = _trend(hours["bulletins_issued"], place, number, frame["voting_hours"])
    frame["vote_trend"] = _trend(hours["votes_cast"], place, number, frame["voting_hours"])
    frame["activity_pattern"] = _pattern(hours["votes_cast"], local, number, len(frame))
    return frame.assign(period=period).reset_index(drop=True)


def _trend(counts: pd.Series, place: pd.Series, number: np.ndarray, hours: pd.Series) -> pd.Series:
    """Slope of the least-squares line through the counts of consecutive hours; hours without a row count as 0.

    Args:
        counts: a count by row.
        place: the row's hour, counted from the period's first with ballots.
        number: the row's period.
        hours: hours in each period, from the first to the last with ballots.

    Returns:
        Change of the hourly count per hour; NA for fewer than two hours.
    """
    length = hours.astype("Float64")
    sums = counts.groupby(number).sum()
    moments = (counts * place).groupby(number).sum()
    return per(moments - (length - 1) / 2 * sums, length * (length**2 - 1) / 12)


def _pattern(votes: pd.Series, local: pd.Series, number: np.ndarray, periods: int) -> list[str]:
    """Votes by hour of the local day, 24 values for each period, as a PostgreSQL array literal."""
    table = np.zeros((periods, 24), dtype="int64")
    np.add.at(table, (number, local.dt.hour.to_numpy()), votes.to_numpy())
    return ["{" + ",".join(map(str, row)) + "}" for row in table.tolist()]
