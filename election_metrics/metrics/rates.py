"""Ratios that know what they do not know."""

import pandas as pd


def percent(part: pd.Series, whole: pd.Series) -> pd.Series:
    """Part / whole * 100 as nullable floats; NA where the whole is 0 or not known. Never clamped."""
    numerator, denominator = part.astype("Float64"), whole.astype("Float64")
    return numerator * 100 / denominator.where(denominator != 0)


def per(amount: pd.Series, divisor: pd.Series) -> pd.Series:
    """Amount / divisor as nullable floats; NA where the divisor is 0 or not known."""
    denominator = divisor.astype("Float64")
    return amount.astype("Float64") / denominator.where(denominator != 0)
