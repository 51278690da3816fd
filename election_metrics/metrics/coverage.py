"""Coverage: which hours of voting should be here by now, and which of them some file covers."""

from datetime import datetime

import numpy as np
import pandas as pd

_HOUR = pd.Timedelta(hours=1)
_FEWEST_PEERS = 2
_LONGEST = 24 * 60


def coverage(constituencies: pd.DataFrame, deliveries: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """One row for every constituency hour that should be here by now.

    Expected are the hours of voting that are over. Where the voting times of a constituency are not known, expected
    is what more than half of its region's other constituencies delivered, if there are at least two.

    Args:
        constituencies: constituency_id, region, starts_at, ends_at.
        deliveries: constituency_id, starts_at, ends_at (UTC) of what its files cover.
        now: the clock: hours that are not over yet are not expected.

    Returns:
        constituency_id, hour_number (hours since 1970), reason (`voting times` or `region`), is_delivered.
    """
    present = _hour_numbers(pd.Series([pd.Timestamp(now).tz_convert("UTC")]))[0]
    timed = constituencies.dropna(subset=["starts_at"])
    last = _hour_numbers(_instants(timed["ends_at"]).dt.ceil("h")).to_numpy(dtype="float64", na_value=np.inf)
    windows = pd.DataFrame(
        {
            "constituency_id": timed["constituency_id"],
            "first": _hour_numbers(_instants(timed["starts_at"])).astype("int64"),
            "end": np.minimum(last, present).astype("int64"),
        }
    )
    delivered = _delivered(deliveries, windows, present)
    expected = [
        _each_hour(windows).assign(reason="voting times"),
        _expected_by_region(constituencies[constituencies["starts_at"].isna()], constituencies, delivered),
    ]
    types = {"constituency_id": "str", "hour_number": "int64", "reason": "str"}  # also where nothing is expected
    hours = pd.concat([frame.astype(types) for frame in expected], ignore_index=True)
    return hours.merge(delivered.assign(is_delivered=True), on=["constituency_id", "hour_number"], how="left").assign(
        is_delivered=lambda frame: frame["is_delivered"].notna()
    )


def missing_input(hours: pd.DataFrame) -> pd.DataFrame:
    """The undelivered hours of `coverage` as spans without a break.

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
        missing_from=pd.to_datetime(spans["missing_from"] * 3600, unit="s", utc=True),
        missing_to=pd.to_datetime((spans["missing_to"] + 1) * 3600, unit="s", utc=True),
    ).reset_index(drop=True)


def delivered_hours(deliveries: pd.DataFrame, present: int) -> pd.DataFrame:
    """Every hour before `present` (hours since 1970) that some file covers: constituency_id, hour_number.

    Args:
        deliveries: constituency_id, starts_at, ends_at (UTC) of what files cover.
        present: the hour in progress.
    """
    files = deliveries.dropna(subset=["starts_at", "ends_at"])
    first = _hour_numbers(_instants(files["starts_at"])).astype("int64")
    spans = pd.DataFrame(
        {
            "constituency_id": files["constituency_id"],
            "end": _hour_numbers(_instants(files["ends_at"]).dt.ceil("h")).clip(upper=present).astype("int64"),
        }
    )
    # A file of years would have as many rows as hours; the rules look back over weeks.
    spans["first"] = first.clip(lower=spans["end"] - _LONGEST)
    return _each_hour(spans).drop_duplicates(ignore_index=True)


def _instants(values: pd.Series) -> pd.Series:
    return pd.to_datetime(values, utc=True)


def _hour_numbers(instants: pd.Series) -> pd.Series:
    return (instants - pd.Timestamp(0, tz="UTC")) // _HOUR


def _each_hour(spans: pd.DataFrame) -> pd.DataFrame:
    """One row an hour from `first` to before `end` of each span."""
    length = (spans["end"] - spans["first"]).clip(lower=0).to_numpy()
    begins = np.cumsum(length) - length
    number = np.repeat(spans["first"].to_numpy() - begins, length) + np.arange(length.sum())
    return pd.DataFrame(
        {"constituency_id": np.repeat(spans["constituency_id"].array, length), "hour_number": number.astype("int64")}
    )


def _delivered(deliveries: pd.DataFrame, windows: pd.DataFrame, present: int) -> pd.DataFrame:
    """The constituency hours that are over and that some file covers; within the voting times, if they are known."""
    files = deliveries.dropna(subset=["starts_at", "ends_at"])
    spans = pd.DataFrame(
        {
            "constituency_id": files["constituency_id"],
            "from": _hour_numbers(_instants(files["starts_at"])),
            "to": _hour_numbers(_instants(files["ends_at"]).dt.ceil("h")),
        }
    ).merge(windows, on="constituency_id", how="left")
    spans["first"] = spans[["from", "first"]].max(axis=1).astype("int64")
    spans["end"] = spans[["to", "end"]].min(axis=1).clip(upper=present).astype("int64")
    return _each_hour(spans).astype({"constituency_id": "str"}).drop_duplicates(ignore_index=True)


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
