"""Hours as numbers: whole hours since 1970 (UTC), as the lake and the ledger count them."""

import pandas as pd


def hour_numbers(instants: pd.Series) -> pd.Series:
    """The number of the hour that contains each instant: integers, or floats with NaN for unknown instants."""
    return (pd.to_datetime(instants, utc=True) - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1)


def hour_starts(numbers: pd.Series) -> pd.Series:
    """The start (UTC) of each hour, by its number; a fraction is a moment within it, to the second."""
    return pd.to_datetime((numbers.astype("float64") * 3600).round().astype("int64"), unit="s", utc=True)
