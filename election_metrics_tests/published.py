"""The published series as evidence for the rules: the whole country by hour, and whatever is given like it."""

import numpy as np
import pandas as pd

from election_metrics.clock import INTERVALS
from election_metrics.demo import national_hours
from election_metrics.metrics.anomalies.evidence import Evidence
from election_metrics.metrics.anomalies.inside import InsideHours

REGISTERED = 13_419_741
INCIDENT = pd.Timestamp("2026-09-18T00:00+03:00")
"""When the one true incident of the series began; it was over at 03:05."""
_NOTHING = ("bulletins_failed", "votes_rejected", "votes_unknown", "revotes", "withdrawn", "outside_voting")


def national() -> pd.DataFrame:
    """constituency_id, hour, bulletins_issued, votes_cast, registered_voters of the whole country."""
    frame = pd.DataFrame(national_hours(), columns=["hour", "bulletins_issued", "votes_cast"])
    return frame.assign(
        constituency_id="all", hour=pd.to_datetime(frame["hour"], utc=True), registered_voters=REGISTERED
    )


def with_event(series: pd.DataFrame, start: pd.Timestamp, hours: int, factor: float) -> pd.DataFrame:
    """The series with so many times the votes and bulletins in these hours; what is left of one is decided by chance."""
    within = (series["hour"] >= start) & (series["hour"] < start + hours * pd.Timedelta(hours=1))
    counts = ["bulletins_issued", "votes_cast"]
    changed = series.copy()
    chance = np.random.default_rng(0).random((len(series), 1))
    changed[counts] = series[counts].astype("int64").where(~within, np.floor(series[counts] * factor + chance), axis=0)
    changed[counts] = changed[counts].astype("int64")
    return changed


def inside_hours(series: pd.DataFrame) -> InsideHours:
    """The hours of a series by 5 minutes, from inside.

    Args:
        series: constituency_id, bucket_start (UTC), bulletins_issued, votes_cast.
    """
    minutes = (series["bucket_start"] - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(minutes=60 // INTERVALS)
    keyed = series.assign(hour_number=minutes // INTERVALS, place=minutes % INTERVALS)
    both = ("bulletins_issued", "votes_cast")
    wide = keyed.pivot_table(
        index=["constituency_id", "hour_number"], columns="place", values=list(both), aggfunc="sum", fill_value=0
    ).reindex(columns=[(name, place) for name in both for place in range(INTERVALS)], fill_value=0)
    wide = wide[wide.to_numpy().sum(axis=1) > 0]
    nothing = InsideHours().rows
    rows = nothing.reindex(range(len(wide))).assign(
        **{name: wide.index.get_level_values(name) for name in ("constituency_id", "hour_number")}
    )
    counts = wide.to_numpy(dtype="int64")
    return InsideHours(rows.astype(nothing.dtypes), *np.hsplit(counts, 2))


def evidence_until(series: pd.DataFrame, now: pd.Timestamp, ends_at: pd.Timestamp | None = None) -> Evidence:
    """What the rules see at this moment of constituencies whose every hour is delivered as soon as it is over.

    Args:
        series: constituency_id, hour, bulletins_issued, votes_cast, registered_voters; maybe region and time_zone.
        now: the moment.
        ends_at: the end of voting, if it is known.
    """
    hours = series.assign(
        hour_number=(series["hour"] - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1),
        transaction_count=series["bulletins_issued"] + series["votes_cast"],
        registered_voters=series["registered_voters"].astype("Int64"),
        **dict.fromkeys(_NOTHING, 0),
    )
    hours = hours[hours["hour"] + pd.Timedelta(hours=1) <= now]
    hours = hours.sort_values(["constituency_id", "hour_number"]).reset_index(drop=True)
    present = int((now - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1))
    places = {name: (name, "first") for name in ("region", "time_zone") if name in hours}
    constituencies = hours.groupby("constituency_id").agg(
        registered_voters=("registered_voters", "last"), starts_at=("hour", "min"), **places
    )
    first = hours.groupby("constituency_id")["hour_number"].min()
    delivered = [(name, number) for name, begin in first.items() for number in range(int(begin), present)]
    events = {"constituency_id": pd.Series(dtype="str"), "hour_number": pd.Series(dtype="int64")}
    counted = {**events, "voters": pd.Series(dtype="int64")}
    spans = {name: pd.Series(dtype="int64") for name in ("window_start", "window_end", "hours")}
    return Evidence(
        hours=hours,
        constituencies=constituencies.reset_index().assign(
            region=constituencies["region"].to_numpy() if "region" in constituencies else None,
            time_zone=constituencies["time_zone"].to_numpy() if "time_zone" in constituencies else "Europe/Moscow",
            is_zone_assumed=False,
            ends_at=pd.Series(ends_at, index=range(len(constituencies)), dtype="datetime64[us, UTC]"),
        ),
        delivered=pd.DataFrame(delivered, columns=["constituency_id", "hour_number"]),
        missing=pd.DataFrame({"constituency_id": events["constituency_id"], **spans}).assign(
            reason="", region=None, by_interval=True
        ),
        register_changes=pd.DataFrame(counted),
        repeated_issues=pd.DataFrame(counted),
        highest=pd.DataFrame({"constituency_id": events["constituency_id"], "transactions": counted["voters"]}).assign(
            first_hour=0, last_hour=0
        ),
    )
