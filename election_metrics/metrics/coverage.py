"""Coverage: the expected hours of voting, and those of them that a file covers."""

from datetime import datetime

import numpy as np
import pandas as pd

from election_metrics.metrics.hours import hour_numbers, hour_starts

_MINUTE = pd.Timedelta(minutes=1)
_FEWEST_PEERS = 2
_LONGEST_FILE = 24 * 60
"""Hours of a dump that are used, counted back from its end."""
_USUAL_VOTE = 96
"""Hours after the opening in which files are expected if the end of voting is unknown."""


def coverage(
    constituencies: pd.DataFrame, deliveries: pd.DataFrame, now: datetime, lost: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One row for every expected constituency hour.

    The past hours of voting are expected. If the end of voting is unknown, these are the four days from the opening, or
    all hours until the newest delivered hour of any constituency, if that is later. If the opening is unknown, an hour
    is expected if more than half of the other constituencies of the region delivered it, and there are at least two of
    them.

    Args:
        constituencies: constituency_id, region, starts_at, ends_at; of one election.
        deliveries: constituency_id, starts_at, ends_at (UTC), by_interval: the times that the files cover.
        now: current time; hours that are not over are not expected.
        lost: like deliveries: the times of files that arrived and cannot be read. They are expected, and not delivered;
            of a constituency that has any, so are all hours that arrived.

    Returns:
        constituency_id, hour_number (hours since 1970), reason (`voting times` or `region`), is_delivered.
    """
    present = int(hour_numbers(pd.Series([pd.Timestamp(now).tz_convert("UTC")]))[0])
    delivered = delivered_hours(deliveries, present, whole_hours_only=False)
    arrived = delivered
    if lost is not None and len(lost):
        arrived = pd.concat([delivered, delivered_hours(lost, present, whole_hours_only=False)]).drop_duplicates()
    timed = constituencies.dropna(subset=["starts_at"])
    first = hour_numbers(_instants(timed["starts_at"])).astype("int64")
    newest = int(delivered["hour_number"].max()) + 1 if len(delivered) else 0
    assumed_end = first + _USUAL_VOTE
    stated_end = hour_numbers(_instants(timed["ends_at"]).dt.ceil("h")).astype("Int64")
    end = stated_end.fillna(assumed_end.where(assumed_end >= newest, newest).astype("Int64")).astype("int64")
    windows = pd.DataFrame(
        {"constituency_id": timed["constituency_id"], "first": first, "end": np.minimum(end, present)}
    )
    expected = [
        _each_hour(windows).assign(reason="voting times"),
        _expected_by_region(constituencies[constituencies["starts_at"].isna()], constituencies, arrived),
    ]
    is_timed = arrived["constituency_id"].isin(timed["constituency_id"])
    has_lost = arrived["constituency_id"].isin([] if lost is None else lost["constituency_id"])
    expected.append(arrived.loc[~is_timed & has_lost, ["constituency_id", "hour_number"]].assign(reason="region"))
    types = {"constituency_id": "str", "hour_number": "int64", "reason": "str"}  # also if nothing is expected
    hours = pd.concat([frame.astype(types) for frame in expected], ignore_index=True)
    hours = hours.drop_duplicates(["constituency_id", "hour_number"], ignore_index=True)
    return hours.merge(delivered.assign(is_delivered=True), on=["constituency_id", "hour_number"], how="left").assign(
        is_delivered=lambda frame: frame["is_delivered"].notna()
    )


def delivered_hours(deliveries: pd.DataFrame, present: int, *, whole_hours_only: bool) -> pd.DataFrame:
    """All hours before `present` (hours since 1970) that files cover: constituency_id, hour_number.

    Intervals cover an hour if together they contain all its minutes (in half-hour time zones this takes two). A dump
    covers the hours from its first to its last transaction, of which the last one may be incomplete.

    Args:
        deliveries: constituency_id, starts_at, ends_at (UTC), by_interval.
        present: the hour in progress.
        whole_hours_only: leave out the hour of a dump's last transaction.
    """
    files = deliveries.dropna(subset=["starts_at", "ends_at"])
    starts, ends = _instants(files["starts_at"]), _instants(files["ends_at"])
    by_interval = files["by_interval"].astype(bool)
    is_whole = by_interval & (starts == starts.dt.floor("h")) & (ends == ends.dt.floor("h"))
    dump_end = hour_numbers(ends) if whole_hours_only else hour_numbers(ends.dt.floor("h")) + 1
    spans = pd.DataFrame(
        {
            "constituency_id": files["constituency_id"].astype("str"),
            "first": hour_numbers(starts).astype("int64"),
            "end": hour_numbers(ends).where(by_interval, dump_end).clip(upper=present).astype("int64"),
        }
    )
    spans["first"] = spans["first"].where(by_interval, spans["first"].clip(lower=spans["end"] - _LONGEST_FILE))
    in_parts = by_interval & ~is_whole
    minutes = pd.DataFrame(
        {
            "constituency_id": files["constituency_id"].astype("str"),
            "first": (starts - pd.Timestamp(0, tz="UTC")) // _MINUTE,
            "end": ((ends - pd.Timestamp(0, tz="UTC")) // _MINUTE).clip(upper=present * 60),
        }
    )[in_parts].astype({"first": "int64", "end": "int64"})
    covered = _each_hour(minutes).drop_duplicates()
    covered["hour_number"] //= 60
    counted = covered.groupby(["constituency_id", "hour_number"]).size()
    whole = counted[counted == 60].reset_index()[["constituency_id", "hour_number"]]
    types = {"constituency_id": "str", "hour_number": "int64"}
    hours = pd.concat([_each_hour(spans[~in_parts]).astype(types), whole.astype(types)], ignore_index=True)
    return hours.drop_duplicates(ignore_index=True)


def missing_input(hours: pd.DataFrame) -> pd.DataFrame:
    """The undelivered hours of `coverage` as contiguous spans.

    Returns:
        constituency_id, missing_from, missing_to (UTC), hours, reason.
    """
    missing = hours[~hours["is_delivered"]].sort_values(["constituency_id", "reason", "hour_number"])
    same = (missing["constituency_id"] == missing["constituency_id"].shift()) & (
        missing["hour_number"] == missing["hour_number"].shift() + 1
    )
    spans = (
        missing.groupby((~same).cumsum().to_numpy())
        .agg(
            constituency_id=("constituency_id", "first"),
            missing_from=("hour_number", "first"),
            missing_to=("hour_number", "last"),
            hours=("hour_number", "size"),
            reason=("reason", "first"),
        )
        .astype(
            {
                "constituency_id": "str",
                "missing_from": "int64",
                "missing_to": "int64",
                "hours": "int64",
                "reason": "str",
            }
        )
    )
    return spans.assign(
        missing_from=hour_starts(spans["missing_from"]),
        missing_to=hour_starts(spans["missing_to"] + 1),
    ).reset_index(drop=True)


def _instants(values: pd.Series) -> pd.Series:
    return pd.to_datetime(values, utc=True)


def _each_hour(spans: pd.DataFrame) -> pd.DataFrame:
    """One row for each hour of each span, from `first` to before `end`."""
    length = (spans["end"] - spans["first"]).clip(lower=0).to_numpy()
    begins = np.cumsum(length) - length
    number = np.repeat(spans["first"].to_numpy() - begins, length) + np.arange(length.sum())
    return pd.DataFrame(
        {"constituency_id": np.repeat(spans["constituency_id"].array, length), "hour_number": number.astype("int64")}
    )


def _expected_by_region(untimed: pd.DataFrame, everyone: pd.DataFrame, delivered: pd.DataFrame) -> pd.DataFrame:
    placed = everyone.dropna(subset=["region"])
    size = placed.groupby("region")["constituency_id"].size().rename("size").reset_index()
    by_hour = delivered.merge(placed[["constituency_id", "region"]], on="constituency_id")
    hours = by_hour.groupby(["region", "hour_number"]).size().rename("delivering").reset_index()
    expected = untimed[["constituency_id", "region"]].merge(hours, on="region").merge(size, on="region")
    own = expected.merge(delivered.assign(own=1), on=["constituency_id", "hour_number"], how="left")["own"].fillna(0)
    others = expected["size"].astype("int64") - 1
    is_expected = (others >= _FEWEST_PEERS) & (expected["delivering"] - own > others / 2)
    return expected.loc[is_expected, ["constituency_id", "hour_number"]].assign(reason="region")
