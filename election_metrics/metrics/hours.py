"""Hours as numbers: whole hours since 1970 (UTC), as the lake and the ledger count them; and totals over them."""

import numpy as np
import pandas as pd


def hour_numbers(instants: pd.Series) -> pd.Series:
    """The number of the hour that contains each instant: integers, or floats with NaN for unknown instants."""
    return (pd.to_datetime(instants, utc=True) - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(hours=1)


def hour_starts(numbers: pd.Series) -> pd.Series:
    """The start (UTC) of each hour, by its number; a fraction is a moment within it, to the second."""
    return pd.to_datetime((numbers.astype("float64") * 3600).round().astype("int64"), unit="s", utc=True)


def running_totals(counts: pd.Series, is_first: np.ndarray) -> np.ndarray:
    """Running totals of whole numbers that begin anew where `is_first`: faster than by groups of sorted rows."""
    values = counts.to_numpy("int64")
    total = np.cumsum(values)
    before = (total - values)[is_first]
    running: np.ndarray = total - before[np.cumsum(is_first) - 1] if len(values) else total
    return running
